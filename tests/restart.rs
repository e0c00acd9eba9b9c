//! Programs that are started again: what their people read, and what is on the disk.

#![cfg(target_os = "linux")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use chat_testkit::process::{self, Process, program};
use chat_testkit::terminal::{self, Size, Terminal};
use chat_testkit::{a_port, home, soon};
use rustix::process::Signal;
use tempfile::TempDir;

const SIZE: Size = Size(80, 24);

/// A port that is free, and stays so.
async fn port() -> SocketAddr {
    a_port().await.1
}

/// A person at a terminal, with a program that may be started more than once.
struct Person {
    name: &'static str,
    home: TempDir,
}

impl Person {
    fn new(name: &'static str) -> Self {
        Self { name, home: home() }
    }

    fn starts(&self, program: &str, address: SocketAddr, options: &[&str]) -> Terminal {
        let command = terminal::command(program, self.home.path())
            .args([&address.to_string(), "--name", self.name])
            .args(options);
        Terminal::start(SIZE, command)
    }

    async fn answers(&self, address: SocketAddr, options: &[&str]) -> Terminal {
        let mut terminal = self.starts("chat-server", address, options);
        terminal.wait_for_line("Waiting for a call").await;
        terminal
    }

    fn calls(&self, address: SocketAddr, options: &[&str]) -> Terminal {
        self.starts("chat-client", address, options)
    }
}

async fn dies(mut terminal: Terminal) {
    terminal.signal(Signal::KILL);
    terminal.is_gone().await;
}

/// The journals in this home, and what they say.
fn journals(home: &Path) -> Vec<(PathBuf, String)> {
    let Ok(files) = fs::read_dir(home.join("calls")) else {
        return Vec::new();
    };
    let files = files.map(|file| file.expect("an entry").path());
    let journals = files.filter(|path| path.extension().is_some_and(|end| end == "jsonl"));
    let read = |path: PathBuf| (path.clone(), fs::read_to_string(path).expect("text"));
    journals.map(read).collect()
}

fn is_said(home: &Path, text: &str) -> bool {
    journals(home)
        .iter()
        .any(|(_, journal)| journal.contains(text))
}

/// Waits until this is on the disk.
async fn records(home: &Path, text: &str) {
    let recorded = async {
        while !is_said(home, text) {
            tokio::task::yield_now().await;
        }
    };
    soon(recorded).await;
}

/// What was printed before, but not acknowledged, may come first.
async fn prints_at_last(process: &mut Process, line: &str) {
    while process.next_line().await != line {}
}

/// A call in pipes that is not recorded, unless the options say so; both have heard each other.
struct Pipes {
    homes: [TempDir; 2],
    address: SocketAddr,
    server: Process,
    client: Process,
}

fn start(name: &str, home: &TempDir, address: SocketAddr, options: &[&str]) -> Process {
    let address = address.to_string();
    let arguments = [&[address.as_str()], options].concat();
    Process::start(&program(name), home.path(), &arguments)
}

impl Pipes {
    async fn start(options: &[&str]) -> Self {
        let (homes, address) = ([home(), home()], port().await);
        let mut server = start("chat-server", &homes[0], address, options);
        server.listens().await;
        let mut client = start("chat-client", &homes[1], address, options);
        client.types("hello\n").await;
        server.prints("hello").await;
        server.types("hello yourself\n").await;
        client.prints("hello yourself").await;
        if options.contains(&"--keep") {
            for home in &homes {
                records(home.path(), r#""acknowledged","number":1"#).await;
            }
        }
        Self {
            homes,
            address,
            server,
            client,
        }
    }
}

#[tokio::test]
async fn two_people_read_on_after_both_programs_were_killed() {
    let (ann, bob, address) = (Person::new("ann"), Person::new("bob"), port().await);
    let mut anns = ann.answers(address, &[]).await;
    let mut bobs = bob.calls(address, &[]);
    anns.wait_for_status("bob · ").await;
    bobs.wait_for_status("ann · ").await;
    anns.type_keys("is the train on time?\r").await;
    anns.wait_for_line("✓ you: is the train").await;
    bobs.type_keys("to the minute\r").await;
    bobs.wait_for_line("✓ you: to the minute").await;

    dies(anns).await;
    bobs.wait_for_line("Nobody answers at that port").await;
    bobs.type_keys("platform nine\r").await;
    bobs.wait_for_line("· you: platform nine").await;
    // It is recorded before it would be sent.
    records(bob.home.path(), "platform nine").await;
    dies(bobs).await;

    let mut anns = ann.answers(address, &[]).await;
    let mut bobs = bob.calls(address, &[]);
    bobs.wait_for_line("<ann> is the train on time?").await;
    bobs.wait_for_line("✓ you: to the minute").await;
    bobs.wait_for_line("The call goes on where it left off, 1 message sent again.")
        .await;
    bobs.wait_for_line("✓ you: platform nine").await;
    anns.wait_for_line("✓ you: is the train on time?").await;
    anns.wait_for_line("<bob> platform nine").await;

    bobs.type_keys("88\r").await;
    assert_eq!(bobs.exit_code().await, 0);
    anns.wait_for_line("The other side hung up.").await;
    anns.type_keys("/quit\r").await;
    assert_eq!(anns.exit_code().await, 0);
    for person in [ann, bob] {
        assert!(
            !is_said(person.home.path(), "train"),
            "text is left on the disk"
        );
    }
}

#[tokio::test]
async fn what_was_said_to_a_server_that_is_gone_comes_with_the_next_call() {
    let (ann, bob, address) = (Person::new("ann"), Person::new("bob"), port().await);
    let mut anns = ann.answers(address, &[]).await;
    let mut bobs = bob.calls(address, &[]);
    bobs.wait_for_status("ann · ").await;
    anns.wait_for_status("bob · ").await;
    dies(anns).await;
    bobs.wait_for_line("Nobody answers at that port").await;
    bobs.type_keys("I am late\r").await;
    bobs.wait_for_line("· you: I am late").await;
    bobs.type_keys("88\r").await;
    bobs.wait_for_line("1 of your messages was not received")
        .await;
    bobs.exit_code().await;

    let mut anns = ann.answers(address, &[]).await;
    let mut bobs = bob.calls(address, &[]);
    anns.wait_for_line("<bob> I am late").await;
    bobs.wait_for_line("✓ you: I am late").await;
}

#[tokio::test]
async fn a_server_that_was_started_anew_hears_what_it_missed() {
    let pipes = Pipes::start(&[]).await;
    let Pipes {
        homes,
        address,
        mut server,
        mut client,
    } = pipes;
    server.dies().await;
    client.tells("reconnecting (1st try)").await;
    client.types("one\ntwo\n").await;
    let mut server = start("chat-server", &homes[0], address, &[]);
    server.listens().await;
    prints_at_last(&mut server, "one").await;
    server.prints("two").await;
    client.tells("'s program was restarted; ").await;
    server.types("I was away\n").await;
    client.prints("I was away").await;
    let client = client.hangs_up().await;
    assert_eq!(client.code, Some(0), "{client:?}");
    server.tells("The other side hung up").await;
    assert!(journals(homes[0].path()).is_empty(), "pipes record nothing");
}

#[tokio::test]
async fn a_client_that_was_started_anew_does_not_wait_for_itself() {
    let pipes = Pipes::start(&[]).await;
    let Pipes {
        homes,
        address,
        mut server,
        mut client,
    } = pipes;
    client.dies().await;
    server
        .tells("waiting for the other side to call again")
        .await;
    server.types("where are you?\n").await;
    let mut client = start("chat-client", &homes[1], address, &[]);
    prints_at_last(&mut client, "where are you?").await;
    server.tells("'s program was restarted; ").await;
    client.types("here\n").await;
    server.prints("here").await;
    let client = client.hangs_up().await;
    assert!(!client.tells("busy"), "{client:?}");
    server.tells("The other side hung up").await;
    assert!(!server.seen.contains("calling too"), "{}", server.seen);
}

#[tokio::test]
async fn a_lost_disk_is_told_and_loses_nothing() {
    let pipes = Pipes::start(&["--keep"]).await;
    let Pipes {
        homes,
        address,
        mut server,
        mut client,
    } = pipes;
    server.dies().await;
    client.tells("reconnecting (1st try)").await;
    client.types("one\n").await;
    fs::remove_dir_all(homes[0].path().join("calls")).expect("journals");
    let mut server = start("chat-server", &homes[0], address, &["--keep"]);
    server.listens().await;
    server.prints("one").await;
    client
        .tells("'s program was restarted; 1 message sent again")
        .await;
    let client = client.hangs_up().await;
    assert_eq!(client.code, Some(0), "{client:?}");
}

/// An older copy of the journal has less than the peer was told.
#[tokio::test]
async fn a_disk_that_went_back_is_told_and_loses_nothing() {
    for side in [0, 1] {
        let pipes = Pipes::start(&["--keep"]).await;
        let Pipes {
            homes,
            address,
            mut server,
            mut client,
        } = pipes;
        let (path, old) = journals(homes[side].path()).remove(0);
        for (said, heard) in [("one", "two"), ("three", "four")] {
            client.types(&format!("{said}\n")).await;
            server.prints(said).await;
            server.types(&format!("{heard}\n")).await;
            client.prints(heard).await;
        }
        records(homes[0].path(), r#""acknowledged","number":3"#).await;
        records(homes[1].path(), r#""acknowledged","number":3"#).await;
        client.dies().await;
        server.dies().await;
        fs::write(path, old).expect("written");
        let mut server = start("chat-server", &homes[0], address, &["--keep"]);
        server.listens().await;
        let mut client = start("chat-client", &homes[1], address, &["--keep"]);
        client.tells("'s program was restarted").await;
        client.types("five\n").await;
        server.prints("five").await;
        let client = client.hangs_up().await;
        assert_eq!(client.code, Some(0), "{side}: {client:?}");
        assert!(!client.tells("broke the rules"), "{side}: {client:?}");
    }
}

#[tokio::test]
async fn a_damaged_journal_is_set_aside_and_what_it_has_is_sent() {
    let pipes = Pipes::start(&["--keep"]).await;
    let Pipes {
        homes,
        address,
        mut server,
        mut client,
    } = pipes;
    server.dies().await;
    client.tells("reconnecting (1st try)").await;
    client.types("one\n").await;
    records(homes[1].path(), "\"one\"").await;
    client.dies().await;
    let (path, text) = journals(homes[1].path()).remove(0);
    fs::write(&path, text.replace("hello yourself", "hello Yourself")).expect("written");
    let mut server = start("chat-server", &homes[0], address, &["--keep"]);
    server.listens().await;
    let mut client = start("chat-client", &homes[1], address, &["--keep"]);
    client.tells("could not be read; all of it is in").await;
    client
        .tells("1 message of an earlier call sent again, which may arrive twice")
        .await;
    server.prints("one").await;
    assert!(path.with_extension("damaged").exists());
    assert_eq!(client.hangs_up().await.code, Some(0));
}

#[tokio::test]
async fn a_second_program_of_one_home_has_a_session_of_its_own() {
    let pipes = Pipes::start(&["--keep"]).await;
    let other = start("chat-client", &pipes.homes[1], pipes.address, &["--keep"]);
    let Pipes {
        server,
        client,
        homes,
        ..
    } = pipes;
    let mut server = server;
    let mut other = other;
    other.tells("Nobody has answered yet; you are next").await;
    assert_eq!(journals(homes[1].path()).len(), 2);
    assert_eq!(client.hangs_up().await.code, Some(0));
    other.types("my turn\n").await;
    server.prints("my turn").await;
    assert_eq!(other.hangs_up().await.code, Some(0));
}

#[tokio::test]
async fn what_is_kept_stays_and_is_forgotten_with_the_peer() {
    let (ann, bob, address) = (Person::new("ann"), Person::new("bob"), port().await);
    let mut anns = ann.answers(address, &["--keep"]).await;
    let mut bobs = bob.calls(address, &[]);
    bobs.wait_for_line("The other side keeps what is said here, after the call too.")
        .await;
    bobs.type_keys("not kept here\r").await;
    bobs.wait_for_line("✓ you: not kept here").await;
    bobs.type_keys("/keep\r").await;
    bobs.wait_for_line("stays on this machine after the call")
        .await;
    anns.wait_for_line("The other side keeps what is said here")
        .await;
    bobs.type_keys("kept everywhere\r").await;
    bobs.wait_for_line("✓ you: kept everywhere").await;
    bobs.type_keys("88\r").await;
    bobs.exit_code().await;
    anns.wait_for_line("The other side hung up.").await;
    anns.type_keys("/quit\r").await;
    anns.exit_code().await;
    assert!(is_said(ann.home.path(), "not kept here"));
    assert!(!is_said(bob.home.path(), "not kept here"));
    assert!(is_said(bob.home.path(), "kept everywhere"));

    let forget = Process::start(
        &program("chat-client"),
        bob.home.path(),
        &["--forget", "ann"],
    );
    assert_eq!(forget.ends().await.code, Some(0));
    assert!(journals(bob.home.path()).is_empty());
}

#[tokio::test]
async fn where_nothing_can_be_recorded_the_call_goes_on_and_says_so() {
    let (homes, address) = ([home(), home()], port().await);
    let mut server = start("chat-server", &homes[0], address, &["--keep"]);
    server.listens().await;
    // No directory can be made where a file is.
    fs::write(homes[1].path().join("calls"), "").expect("written");
    let mut client = start("chat-client", &homes[1], address, &["--keep"]);
    client.tells("This call is not recorded").await;
    client.types("hello\n").await;
    server.prints("hello").await;
    let client = client.hangs_up().await;
    assert_eq!(client.code, Some(1), "{client:?}");
    server.tells("The other side hung up").await;
}

/// A client with a shell command before it, which changes what the system grants.
fn limited(limit: &str, home: &TempDir, address: SocketAddr) -> Process {
    let client = program("chat-client");
    let client = client.to_str().expect("UTF-8");
    let address = address.to_string();
    let script = format!("{limit} && exec \"$0\" \"$@\"");
    let arguments = ["-c", &script, client, &address, "--keep"];
    let mut command = process::command(Path::new("sh"), home.path(), &arguments);
    Process::spawn(&mut command).expect("there is a shell")
}

/// The same in a mount namespace of its own; `None` where the system does not allow that.
async fn with_mount(mount: &str, home: &TempDir, address: SocketAddr) -> Option<Process> {
    let enter = "unshare --user --map-root-user --mount";
    let arguments = ["-c", &format!("{enter} true")];
    let probe = Process::spawn(&mut process::command(
        Path::new("sh"),
        home.path(),
        &arguments,
    ));
    if probe.expect("there is a shell").ends().await.code != Some(0) {
        eprintln!("skipped: nothing can be mounted here");
        return None;
    }
    let inside = format!(r#"{enter} sh -c '{mount} && exec "$0" "$@"' "$0" "$@"; exit"#);
    Some(limited(&inside, home, address))
}

/// A client that can record no more than a few messages tells both sides, loses none, and fails
/// at the end.
async fn goes_on_without_records(server: &mut Process, mut client: Process) {
    client.types("hello\n").await;
    server.prints("hello").await;
    let text = "x".repeat(500);
    let texts = vec![text.as_str(); 20].join("\n") + "\n";
    client.types(&texts).await;
    client.tells("This call is not recorded").await;
    server.tells("The other side no longer records").await;
    for _ in 0..20 {
        server.prints(&text).await;
    }
    let client = client.hangs_up().await;
    assert_eq!(client.code, Some(1), "{client:?}");
}

#[tokio::test]
async fn a_file_that_may_not_grow_is_told_to_both() {
    let (homes, address) = ([home(), home()], port().await);
    let mut server = start("chat-server", &homes[0], address, &["--keep"]);
    server.listens().await;
    let client = limited("ulimit -f 4", &homes[1], address);
    goes_on_without_records(&mut server, client).await;
}

#[tokio::test]
async fn a_full_disk_is_told_to_both() {
    let (homes, address) = ([home(), home()], port().await);
    let mut server = start("chat-server", &homes[0], address, &["--keep"]);
    server.listens().await;
    let mount = "mkdir \"$CHAT_HOME/calls\" && \
                 mount -t tmpfs -o size=4k,mode=700 none \"$CHAT_HOME/calls\"";
    let Some(client) = with_mount(mount, &homes[1], address).await else {
        return;
    };
    goes_on_without_records(&mut server, client).await;
}

#[tokio::test]
async fn a_home_that_is_read_only_is_told_and_the_call_goes_on() {
    let Pipes {
        homes,
        address,
        mut server,
        client,
    } = Pipes::start(&[]).await;
    assert_eq!(client.hangs_up().await.code, Some(0));
    server.tells("The other side hung up").await;
    let mount = "mount --bind \"$CHAT_HOME\" \"$CHAT_HOME\" && \
                 mount -o remount,bind,ro \"$CHAT_HOME\"";
    let Some(mut client) = with_mount(mount, &homes[1], address).await else {
        return;
    };
    client.tells("This call is not recorded").await;
    client.types("hello\n").await;
    server.prints("hello").await;
    let client = client.hangs_up().await;
    assert_eq!(client.code, Some(1), "{client:?}");
}

/// Wherever the descriptors run out, there is no call, one that is recorded, or one that says that
/// it is not.
#[tokio::test]
async fn without_file_descriptors_a_call_goes_on_unrecorded() {
    let Pipes {
        homes,
        address,
        mut server,
        client,
    } = Pipes::start(&[]).await;
    assert_eq!(client.hangs_up().await.code, Some(0));
    server.tells("The other side hung up").await;
    let (mut recorded, mut unrecorded) = (0, 0);
    for descriptors in 10..20 {
        let text = format!("with {descriptors} descriptors");
        let limit = format!("ulimit -n {descriptors}");
        let mut client = limited(&limit, &homes[1], address);
        client.types_at_last(format!("{text}\n88\n"));
        let client = client.ends().await;
        if !client.tells("Call with") {
            assert!(client.one_line().contains("Too many open files"));
            continue;
        }
        server.prints(&text).await;
        if is_said(homes[1].path(), &text) {
            assert_eq!(client.code, Some(0), "{client:?}");
            recorded += 1;
        } else {
            assert!(client.tells("This call is not recorded"), "{client:?}");
            assert_eq!(client.code, Some(1), "{client:?}");
            unrecorded += 1;
        }
    }
    assert!(recorded > 0 && unrecorded > 0, "{recorded}, {unrecorded}");
}

#[tokio::test]
async fn an_end_that_cannot_be_recorded_is_told() {
    let Pipes {
        homes,
        server: _server,
        client,
        ..
    } = Pipes::start(&["--keep"]).await;
    let calls = homes[1].path().join("calls");
    fs::rename(&calls, homes[1].path().join("elsewhere")).expect("renamed");
    fs::write(calls, "").expect("written");
    let client = client.hangs_up().await;
    assert_eq!(client.code, Some(1), "{client:?}");
    assert!(
        client.tells("The end of this call is not recorded: "),
        "{client:?}"
    );
}
