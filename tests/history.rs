//! Reading back what was said: at the screen, and without a call.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};

use alacritty_terminal::term::cell::Flags;
use chat_core::journal::{Calls, Durability, Journal};
use chat_core::trust::{Fingerprint, Identity, KnownPeers};
use chat_core::wire::Hex;
use chat_testkit::home;
use chat_testkit::process::{self, Ended, Process, program};
use chat_testkit::terminal::{Emulator, Size, Terminal, command};
use tempfile::TempDir;

const SIZE: Size = Size(80, 60);

fn key(name: &str) -> Fingerprint {
    Fingerprint::of_spki(name.as_bytes())
}

fn knows(home: &Path, name: &str, key: Fingerprint) {
    let known = KnownPeers::open(home).expect("a home");
    known.remember(name, None, key).expect("remembered");
}

fn journal(home: &Path, key: Fingerprint, session: u8) -> Journal {
    let calls = Calls::open(home).expect("a home");
    let begun = calls.begin(key, Hex([session; 16]), Durability::Program);
    let mut journal = begun.expect("a new journal");
    journal.keep();
    journal
}

/// Two calls, which are over; the last message of the second did not arrive.
async fn two_calls(home: &Path, key: Fingerprint) {
    let mut first = journal(home, key, 1);
    first.said("is the train on time?");
    first.heard("to the minute\nor two");
    first.acknowledged(1);
    first.end().await.expect("recorded");
    let mut second = journal(home, key, 2);
    second.heard("the TRAIN \x1b[2J\u{202e}is here");
    second.said("run");
    second.end().await.expect("recorded");
}

/// A home in which ann is known, and what was said in two calls with her.
async fn home_with_ann() -> TempDir {
    let home = home();
    knows(home.path(), "ann", key("ann"));
    two_calls(home.path(), key("ann")).await;
    home
}

/// Runs a program in pipes, to its end.
async fn run(name: &str, home: &Path, arguments: &[&str]) -> Ended {
    Process::start(&program(name), home, arguments).ends().await
}

async fn read_back(home: &Path, arguments: &[&str]) -> Ended {
    let arguments = [&["--history", "ann"], arguments].concat();
    run("chat-client", home, &arguments).await
}

/// The rows without their times, `2026-11-24 10:03:55 `.
fn without_times(printed: &str) -> Vec<&str> {
    printed.lines().map(|row| &row[20..]).collect()
}

fn files(home: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.join("calls")).expect("journals");
    entries.map(|entry| entry.expect("a file").path()).collect()
}

#[tokio::test]
async fn both_programs_print_what_was_said_without_a_call() {
    let home = home_with_ann().await;
    for name in ["chat-client", "chat-server"] {
        let printed = run(name, home.path(), &["--history", "ann"]).await;
        assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
        let rows = [
            "✓ you: is the train on time?",
            "<ann> to the minute",
            "<ann> or two",
            "<ann> the TRAIN \x1b[2J\u{202e}is here",
            "✗ you: run",
        ];
        assert_eq!(without_times(&printed.stdout), rows);
    }
}

#[tokio::test]
async fn what_is_searched_for_is_found_and_given_as_it_is_written() {
    let home = home_with_ann().await;
    let found = read_back(home.path(), &["--search", "Train"]).await;
    let rows = [
        "✓ you: is the train on time?",
        "<ann> the TRAIN \x1b[2J\u{202e}is here",
    ];
    assert_eq!(without_times(&found.stdout), rows);

    let objects = read_back(home.path(), &["--search", "train", "--json"]).await;
    let texts = files(home.path())
        .into_iter()
        .map(|path| fs::read_to_string(path).expect("text"));
    let journals: String = texts.collect();
    let lines: Vec<_> = objects.stdout.lines().collect();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert!(journals.lines().any(|written| written == line), "{line}");
    }
    let nothing = read_back(home.path(), &["--search", "plane"]).await;
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(0), ""));
    assert_eq!(nothing.stderr, "Nothing was found.\n");
}

#[tokio::test]
async fn an_action_is_told_as_one_and_given_as_it_was_sent() {
    let home = home();
    knows(home.path(), "ann", key("ann"));
    let mut call = journal(home.path(), key("ann"), 1);
    call.heard("/me waves");
    call.end().await.expect("recorded");
    let printed = read_back(home.path(), &[]).await;
    assert_eq!(without_times(&printed.stdout), ["<ann> * waves"]);
    let printed = read_back(home.path(), &["--json"]).await;
    assert!(
        printed.stdout.contains(r#""text":"/me waves""#),
        "{printed:?}"
    );
    let program = command("chat-client", home.path()).args(["--history", "ann"]);
    let mut terminal = Terminal::start(SIZE, program);
    terminal.wait_for_line("* ann waves").await;
}

#[tokio::test]
async fn times_are_local() {
    let home = home_with_ann().await;
    let objects = read_back(home.path(), &["--json"]).await.stdout;
    let first: serde_json::Value =
        serde_json::from_str(objects.lines().next().expect("a line")).expect("JSON");
    let utc = first["at"].as_str().expect("a time")[..19].replace('T', " ");
    let day = &utc[..11];
    for (zone, hours) in [("UTC0", 0), ("CHAT-7", 7)] {
        let mut command =
            process::command(&program("chat-client"), home.path(), &["--history", "ann"]);
        let printed = Process::spawn(command.env("TZ", zone))
            .expect("it starts")
            .ends()
            .await;
        let hour: u32 = utc[11..13].parse().expect("an hour");
        let local = format!("{:02}{}", (hour + hours) % 24, &utc[13..]);
        assert_eq!(&printed.stdout[11..19], local, "{zone}");
        assert_eq!(&printed.stdout[..11] == day, hour + hours < 24, "{zone}");
    }
}

#[tokio::test]
async fn it_must_be_clear_who_is_meant() {
    let home = home_with_ann().await;
    for (who, told) in [
        ("bob", "you know nobody named bob; those you know: ann"),
        ("ANN", "ANN could be taken for somebody else: ann SHA256:"),
    ] {
        let refused = run("chat-client", home.path(), &["--history", who]).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
        assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    }
    let fingerprint = key("ann").to_string();
    let printed = run("chat-client", home.path(), &["--history", &fingerprint]).await;
    assert_eq!(printed.stdout.lines().count(), 5);
    // Nothing of the kind without a name.
    for arguments in [
        &["--search", "x"][..],
        &["--json"],
        &["--history", "ann", "--forget", "ann"],
    ] {
        let refused = run("chat-client", home.path(), arguments).await;
        assert_eq!(refused.code, Some(2), "{arguments:?}");
    }
}

#[tokio::test]
async fn journals_in_use_torn_or_damaged_are_read_as_far_as_they_go() {
    let home = home_with_ann().await;
    let mut in_use = journal(home.path(), key("ann"), 3);
    in_use.said("still talking");
    in_use.flushed().await.expect("recorded");
    let printed = read_back(home.path(), &[]).await;
    let rows = without_times(&printed.stdout);
    assert_eq!(rows.last(), Some(&"· you: still talking"));
    drop(in_use);

    let path = files(home.path()).into_iter().find(|path| {
        let text = fs::read_to_string(path).expect("text");
        text.contains("on time")
    });
    let path = path.expect("the first call");
    let text = fs::read_to_string(&path).expect("text");
    let damaged = text.replace("or two", "or ten") + r#"{"is":"heard","number":2,"text":"to"#;
    fs::write(&path, damaged).expect("written");
    let printed = read_back(home.path(), &[]).await;
    let rows = without_times(&printed.stdout);
    assert_eq!(rows[0], "✓ you: is the train on time?");
    assert!(rows[1].starts_with("<ann> the TRAIN"), "{rows:?}");
    let named = format!(
        "{}, line 5 is left out: its checksum is wrong\n",
        path.display()
    );
    assert_eq!((printed.code, printed.stderr), (Some(1), named));
}

#[tokio::test]
async fn a_reader_who_has_seen_enough_is_no_error() {
    let home = home();
    knows(home.path(), "ann", key("ann"));
    let mut long = journal(home.path(), key("ann"), 1);
    for number in 0..20_000 {
        long.heard(&format!("message {number}"));
    }
    long.close().await.expect("recorded");
    let shell = format!(
        "{{ '{}' --history ann; echo $? >&2; }} | head -n 1",
        program("chat-client").display()
    );
    let ended = Process::start(Path::new("sh"), home.path(), &["-c", &shell])
        .ends()
        .await;
    assert_eq!(without_times(&ended.stdout), ["<ann> message 0"]);
    assert_eq!(ended.stderr, "0\n");
}

#[tokio::test]
async fn at_a_terminal_every_text_is_made_safe() {
    let home = home_with_ann().await;
    for (arguments, row) in [
        (
            &["--history", "ann"][..],
            " <ann> the TRAIN ␛[2J⟨U+202E⟩is here",
        ),
        (
            &["--history", "ann", "--json"],
            r#""text":"the TRAIN \u001b[2J⟨U+202E⟩is here""#,
        ),
    ] {
        let command = command("chat-client", home.path()).args(arguments);
        let (code, _, screen) = Terminal::start(Size(200, 30), command).end().await;
        assert_eq!(code, 0);
        let text = screen.text();
        assert!(text.iter().any(|line| line.contains(row)), "{text:#?}");
    }
}

/// Ann, who waits for a call, and bob, who has talked to her twice, each at a terminal.
async fn call(kind: &str, options: &[&str]) -> (Terminal, Terminal, [TempDir; 2]) {
    let homes = [home(), home()];
    let [ann, bob] = homes.each_ref().map(|home| {
        let identity = Identity::open(home.path()).expect("an identity");
        identity.fingerprint()
    });
    two_calls(homes[1].path(), ann).await;
    let mut theirs = journal(homes[0].path(), bob, 1);
    theirs.heard("left at ann's");
    theirs.end().await.expect("recorded");

    let server = command("chat-server", homes[0].path()).args(["127.0.0.1:0", "--name", "ann"]);
    let mut server = Terminal::start(SIZE, server);
    let address = &server.invitation().await;
    let client = command("chat-client", homes[1].path())
        .env("TERM", kind)
        .args([address, "--name", "bob"])
        .args(options);
    let mut client = Terminal::start(SIZE, client);
    client.wait_for_line("Call with ann (").await;
    server.wait_for_status("bob · ").await;
    (server, client, homes)
}

/// The rows that are marked as older.
fn older(terminal: &Terminal) -> Vec<String> {
    let text = terminal.screen().text();
    let marked = text
        .iter()
        .filter_map(|line| line.trim_start().strip_prefix("◂ "));
    marked.map(|row| row.trim_end().to_owned()).collect()
}

/// Whether the first row of the screen with this text shows it dimly.
fn is_dim(screen: &Emulator, text: &str) -> bool {
    for row in 0..SIZE.1 {
        let cells: Vec<_> = screen.cells(row).map(|(_, cell)| cell).collect();
        let line: String = cells.iter().map(|cell| cell.c).collect();
        if let Some(at) = line.find(text) {
            let cell = cells[line[..at].chars().count()];
            return cell.flags.contains(Flags::DIM);
        }
    }
    panic!("{text} is not on the screen:\n{}", screen.text().join("\n"));
}

#[tokio::test]
async fn a_call_begins_with_what_was_said_last_and_can_be_searched() {
    for options in [&[][..], &["--no-color"]] {
        let (mut ann, mut bob, _homes) = call("xterm-256color", options).await;
        ann.wait_for_line("<bob> left at ann's").await;
        bob.wait_for_line("✗ you: run").await;
        let rows = older(&bob);
        assert_eq!(rows.len(), 6, "a day and five rows: {rows:?}");
        assert!(
            rows[1].ends_with(" ✓ you: is the train on time?"),
            "{rows:?}"
        );
        assert_eq!(rows[3], "        │ or two");
        assert!(
            rows[4].ends_with(" <ann> the TRAIN ␛[2J⟨U+202E⟩is here"),
            "{rows:?}"
        );

        bob.type_keys("/history 1\r").await;
        bob.wait_for(|screen| {
            let text = screen.text();
            text.iter()
                .filter(|line| line.contains("✗ you: run"))
                .count()
                == 2
        })
        .await;
        bob.type_keys("/search TRAIN\r").await;
        bob.wait_for_line("-- 2 recorded messages contain “TRAIN”:")
            .await;
        bob.wait_for(|screen| {
            let text = screen.text();
            text.iter().filter(|line| line.contains("on time")).count() == 2
        })
        .await;
        bob.type_keys("/search plane\r").await;
        bob.wait_for_line("No recorded message with this peer contains “plane”.")
            .await;

        // What is new looks like what is new.
        ann.type_keys("hello\r").await;
        let new = bob.wait_for_line("<ann> hello").await;
        assert!(!new.contains('◂'), "{new}");
        assert!(is_dim(&bob.screen(), "is the train on time?"));
        assert!(!is_dim(&bob.screen(), "hello"));
        bob.type_keys("88\r").await;
        assert_eq!(bob.exit_code().await, 0);
    }
}

#[tokio::test]
async fn a_terminal_that_cannot_be_painted_shows_the_same_rows() {
    let (_ann, mut bob, _homes) = call("dumb", &[]).await;
    bob.wait_for_line("✗ you: run").await;
    assert_eq!(older(&bob).len(), 6);
    bob.type_keys("/search TRAIN\n").await;
    bob.wait_for_line("* 2 recorded messages contain “TRAIN”:")
        .await;
    bob.wait_for(|screen| {
        let text = screen.text();
        text.iter().filter(|line| line.contains("⟨U+202E⟩")).count() == 2
    })
    .await;
}

#[tokio::test]
async fn a_call_that_is_kept_is_there_in_the_next_one() {
    let homes = [home(), home()];
    let server =
        command("chat-server", homes[0].path()).args(["127.0.0.1:0", "--name", "ann", "--keep"]);
    let mut ann = Terminal::start(SIZE, server);
    let address = &ann.invitation().await;
    let call = || {
        let client = command("chat-client", homes[1].path());
        Terminal::start(SIZE, client.args([address, "--name", "bob", "--keep"]))
    };
    let mut bob = call();
    bob.wait_for_status("ann · ").await;
    bob.type_keys("kept\r").await;
    bob.wait_for_line("✓ you: kept").await;
    assert!(older(&bob).is_empty());
    bob.type_keys("/search KEPT\r").await;
    bob.wait_for_line("-- One recorded message contains “KEPT”:")
        .await;
    bob.type_keys("88\r").await;
    assert_eq!(bob.exit_code().await, 0);
    ann.wait_for_line("The other side hung up.").await;

    let mut bob = call();
    bob.wait_for_line("Call with ann (").await;
    bob.wait_for(|screen| {
        screen
            .text()
            .iter()
            .any(|line| line.trim_start().starts_with("◂ ") && line.ends_with(" ✓ you: kept"))
    })
    .await;
    ann.wait_for(|screen| {
        screen
            .text()
            .iter()
            .any(|line| line.trim_start().starts_with("◂ ") && line.ends_with(" <bob> kept"))
    })
    .await;
    bob.type_keys("88\r").await;
    assert_eq!(bob.exit_code().await, 0);
}
