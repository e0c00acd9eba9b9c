//! Both programs as a person meets them: processes at a terminal, keys typed, the screen read.

#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{Color, NamedColor};
use chat_testkit::process::program;
use chat_testkit::proxy::{Fate, Proxy};
use chat_testkit::terminal::{Emulator, Server, Size, Terminal, command};
use chat_testkit::{home, soon};
use rustix::process::Signal;
use rustix::termios::Termios;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const SIZE: Size = Size(80, 24);

/// A client at a terminal that calls.
struct Client {
    terminal: Terminal,
    home: TempDir,
}

impl Client {
    fn start(address: &str, arguments: &[&str]) -> Self {
        Self::start_from(home(), address, arguments)
    }

    fn start_from(home: TempDir, address: &str, arguments: &[&str]) -> Self {
        Self::start_as("bob", home, address, arguments)
    }

    fn start_as(name: &str, home: TempDir, address: &str, arguments: &[&str]) -> Self {
        let command = command("chat-client", home.path())
            .args([address, "--name", name])
            .env("XDG_DOWNLOAD_DIR", home.path().join("in"))
            .args(arguments);
        let terminal = Terminal::start(SIZE, command);
        Self { terminal, home }
    }
}

/// A call that is on.
async fn call() -> (Server, Client) {
    let mut server = Server::start(SIZE, &[]).await;
    let mut client = Client::start(&server.address, &[]);
    client.terminal.wait_for_status("ann · ").await;
    server.terminal.wait_for_status("bob · ").await;
    (server, client)
}

/// What a shell expects of a terminal.
fn assert_is_sane(screen: &Emulator) {
    assert_eq!(screen.mode(), Emulator::new(SIZE).mode());
    assert_eq!(screen.pen(), &Cell::default());
    assert_eq!(screen.cursor(), (String::new(), 0), "{:#?}", screen.rows());
}

async fn settings_before() -> Termios {
    let (pty, line) = pty_process::open().expect("a pseudo-terminal");
    let settings = rustix::termios::tcgetattr(&line).expect("it is a terminal");
    drop(pty);
    settings
}

fn assert_same_settings(before: &Termios, after: &Termios) {
    assert_eq!(before.input_modes, after.input_modes);
    assert_eq!(before.output_modes, after.output_modes);
    assert_eq!(before.local_modes, after.local_modes);
    assert_eq!(before.control_modes, after.control_modes);
}

#[tokio::test]
async fn a_file_is_offered_and_taken_with_its_progress_above_the_draft() {
    let mut server = Server::start(SIZE, &[]).await;
    let address = server.address.parse().expect("an address");
    // The call, and a file that stands still half-way.
    let plan = [(usize::MAX, Fate::Carries), (1_000_000, Fate::Stalls)];
    let proxy = Proxy::start(address, plan).await;
    let mut client = Client::start(&proxy.address.to_string(), &[]);
    client.terminal.wait_for_status("ann · ").await;
    server.terminal.wait_for_status("bob · ").await;
    let path = server.home.path().join("my report.pdf");
    std::fs::write(&path, vec![7; 2_000_000]).expect("written");

    let begun = path.to_str().expect("UTF-8").strip_suffix("report.pdf");
    let begun = begun.expect("it ends so").replace(' ', "\\ ");
    server.terminal.type_keys(&format!("/send {begun}\t")).await;
    let completed = format!("{} ", path.display()).replace("my report", "my\\ report");
    server
        .terminal
        .wait_for(|screen| screen.cursor().0.ends_with(completed.trim_end()))
        .await;
    server.terminal.type_keys("\r").await;
    client
        .terminal
        .wait_for_line("is offered to you: “my report.pdf”, 2.0 MB")
        .await;
    client.terminal.type_keys("/accept as taken.pdf\r").await;
    client.terminal.type_keys("a draft").await;
    let progress = |screen: &Emulator, arrow: &str| {
        let rows = screen.last_rows(3);
        rows[0].starts_with(arrow) && rows[0].contains(" %") && rows[1].contains("a draft")
    };
    client
        .terminal
        .wait_for(|screen| progress(screen, "↓ taken.pdf"))
        .await;
    client.terminal.type_keys("\x15/cancel\r").await;
    client
        .terminal
        .wait_for_line("You cancelled file 1, “taken.pdf”.")
        .await;
    server
        .terminal
        .wait_for_line("the other side cancelled it")
        .await;
    server
        .terminal
        .wait_for(|screen| !screen.text().iter().any(|row| row.starts_with('↑')))
        .await;

    server
        .terminal
        .type_keys(&format!("/send {begun}report.pdf\r"))
        .await;
    client
        .terminal
        .wait_for_line("File 2 is offered to you")
        .await;
    let downloads = client.home.path().join("in");
    client.terminal.type_keys("/accept\r").await;
    let received = client.terminal.wait_for_line("Received ").await;
    assert!(received.ends_with("/my report.pdf"), "{received}");
    client.terminal.wait_for_line("SHA-256 ").await;
    server.terminal.wait_for_line("Sent “my report.pdf”").await;
    assert!(downloads.join("my report.pdf").exists());
}

#[tokio::test]
async fn two_people_talk_and_the_next_one_calls() {
    let (server, bob) = call().await;
    let Server {
        mut terminal,
        address,
        home: _home,
    } = server;
    let ann = &mut terminal;
    let Client {
        terminal: mut bob,
        home,
    } = bob;

    // The same safety number on both screens.
    let mut numbers = Vec::new();
    for person in [&mut *ann, &mut bob] {
        person.wait_for_line("-- Safety number ").await;
        let text = person.screen().text();
        let mut lines = text.into_iter();
        let number = lines.find(|line| line.contains("-- Safety number "));
        numbers.push((number, lines.next()));
    }
    assert_eq!(numbers[0], numbers[1]);

    // Both type; what comes does not touch what is typed.
    ann.type_keys("a draft of ann's").await;
    ann.wait_for(|screen| screen.cursor() == ("> a draft of ann's".into(), 18))
        .await;
    bob.wait_for_status("ann is typing …").await;
    bob.type_keys("hello ann\r").await;
    ann.wait_for_line("<bob> hello ann").await;
    assert_eq!(ann.screen().cursor(), ("> a draft of ann's".into(), 18));
    bob.wait_for_line("✓ you: hello ann").await;
    bob.type_keys("你好 👩‍👩‍👧").await;
    bob.wait_for(|screen| screen.cursor().0.starts_with("> 你好 👩"))
        .await;
    ann.type_keys("\x17a message\r").await;
    bob.wait_for_line("<ann> a draft of a message").await;
    assert!(bob.screen().cursor().0.starts_with("> 你好 👩"));
    bob.type_keys("\r").await;
    ann.wait_for_line("<bob> 你好 👩‍👩‍👧").await;
    ann.wait_for_line("✓ you: a draft of a message").await;

    // Once compared, always known.
    bob.wait_for_status("🔒 new, unverified").await;
    let number = bob.wait_for_line("Safety number").await;
    let (number, _) = number.split_once(':').expect("it goes on");
    let (_, number) = number.split_once("number ").expect("it says so");
    bob.type_keys(&format!("/verify {number}\r")).await;
    bob.wait_for_status("🔒 verified").await;
    bob.wait_for_line("-- ann (127.0.0.1:").await;
    let calls = |screen: &Emulator| {
        let text = screen.text();
        text.iter()
            .filter(|line| line.contains("-- Call with"))
            .count()
    };
    assert_eq!(calls(&bob.screen()), 1);

    bob.type_keys("88\r").await;
    assert_eq!(bob.exit_code().await, 0);
    ann.wait_for_line("-- The other side hung up.").await;
    ann.wait_for_status("waiting for a call").await;

    // The next call, from a peer who is known by now.
    let mut bob = Client::start_from(home, &address, &[]);
    bob.terminal.wait_for_status("ann · 🔒 verified").await;
    ann.wait_for_status("bob · 🔒 unverified").await;
    ann.type_keys("\x03").await;
    bob.terminal
        .wait_for_line("-- The other side hung up.")
        .await;
    assert_eq!(bob.terminal.exit_code().await, 0);
    ann.wait_for_status("waiting for a call").await;
    assert_eq!(calls(&ann.screen()), 2);
    ann.type_keys("\x03").await;
    assert_eq!(terminal.exit_code().await, 0);
}

#[tokio::test]
async fn a_paste_of_several_lines_is_one_message_and_an_88_in_it_is_text() {
    let (mut server, mut client) = call().await;
    client
        .terminal
        .type_keys("\x1b[200~one\r88\rthree\x1b[201~")
        .await;
    client
        .terminal
        .wait_for(|screen| screen.last_rows(4)[..3] == ["> one", "  88", "  three"])
        .await;
    client.terminal.type_keys("\r").await;
    server.terminal.wait_for_line("<bob> one").await;
    server.terminal.wait_for_line("  │ 88").await;
    server.terminal.wait_for_line("  │ three").await;
    server.terminal.wait_for_status("bob · ").await;
}

#[tokio::test]
async fn a_resize_during_the_call_keeps_every_line_and_the_draft() {
    let (mut server, mut client) = call().await;
    let long = "a message which is longer than a narrow terminal is wide".repeat(2);
    server.terminal.type_keys("a draft").await;
    for width in [40, 120, 60] {
        server.terminal.resize(Size(width, 20));
        client
            .terminal
            .type_keys(&format!("{width} {long}\r"))
            .await;
        server
            .terminal
            .wait_for_line(&format!("<bob> {width} {long}"))
            .await;
        server
            .terminal
            .wait_for(|screen| screen.cursor() == ("> a draft".into(), 9))
            .await;
        server.terminal.wait_for_status("bob · ").await;
    }
    let text = server.terminal.screen().text();
    assert_eq!(
        text.iter()
            .filter(|line| line.contains("> a draft"))
            .count(),
        1,
        "{text:#?}"
    );
}

#[tokio::test]
async fn a_hostile_peer_cannot_touch_the_terminal() {
    let mut server = Server::start(SIZE, &["--allow-plain"]).await;
    let mut peer = TcpStream::connect(&server.address)
        .await
        .expect("it listens");
    peer.write_all(b"hello\n").await.expect("it reads");
    let terminal = &mut server.terminal;
    terminal.wait_for_status("NOT ENCRYPTED").await;
    terminal.type_keys("draft").await;
    terminal
        .wait_for(|screen| screen.cursor() == ("> draft".into(), 7))
        .await;
    let mode = terminal.screen().mode();
    terminal.screen().take_reports();

    let hostile = "\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[?25l\x1b[5n\x1b[c\x1bP1$r\x1b\\\u{9b}31m\
                   \u{202e}txet\u{7}\x08\x7f\r12:00 -- notice\u{2028}\0end\n";
    peer.write_all(hostile.as_bytes()).await.expect("it reads");
    peer.write_all(b"\xff\xfe\x1b broken\n")
        .await
        .expect("it reads");
    let line = terminal.wait_for_line("␀end").await.replace(' ', "");
    assert!(line.contains(">␛]0;title␇␛[2J␛[31mred"), "{line}");
    assert!(
        line.contains("⟨U+202E⟩txet␇␈␡␍12:00--notice⟨U+2028⟩"),
        "{line}"
    );
    terminal.wait_for_line("\u{fffd}\u{fffd}␛ broken").await;
    terminal.wait_for_status("NOT ENCRYPTED").await;
    let screen = terminal.screen();
    assert_eq!(screen.cursor(), ("> draft".into(), 7));
    assert_eq!(screen.mode(), mode);
    assert_eq!(screen.pen(), &Cell::default());
    assert_eq!(screen.take_reports(), Vec::<String>::new());
}

#[tokio::test]
async fn a_terminal_that_is_not_utf_8_is_sent_ascii() {
    for term in ["xterm", "dumb"] {
        let mut server = Server::start(SIZE, &[]).await;
        let home = home();
        let command = command("chat-client", home.path())
            .arg(&server.address)
            .env("LC_ALL", "C")
            .env("TERM", term);
        let mut client = Terminal::start(SIZE, command);
        client.wait_for_line("Call with").await;
        server.terminal.wait_for_status("🔒").await;
        server
            .terminal
            .type_keys("Grüße \u{6db}31m\u{71d}0;x\r")
            .await;
        client
            .wait_for_line("> Grusse <U+06DB>31m<U+071D>0;x")
            .await;
        assert!(client.screen().is_ascii, "every byte is one character");
    }
}

#[tokio::test]
async fn the_terminal_is_given_back_after_every_signal() {
    let before = settings_before().await;
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let (server, client) = call().await;
        assert_ne!(client.terminal.settings().local_modes, before.local_modes);
        for terminal in [client.terminal, server.terminal] {
            terminal.signal(signal);
            let (exit, after, screen) = terminal.end().await;
            assert_eq!(exit, code, "{signal:?}");
            assert_same_settings(&before, &after);
            assert_is_sane(&screen);
        }
    }
}

#[tokio::test]
async fn the_terminal_is_given_back_after_a_call() {
    let (server, mut client) = call().await;
    client.terminal.type_keys("bye\r").await;
    client.terminal.wait_for_line("✓ you: bye").await;
    client.terminal.type_keys("\x04").await;
    let (code, after, screen) = client.terminal.end().await;
    assert_eq!(code, 0);
    assert_same_settings(&settings_before().await, &after);
    assert_is_sane(&screen);
    let last = screen.text().pop().expect("it was told");
    assert!(
        last.starts_with("      -- You hung up. The call lasted "),
        "{last}"
    );
    drop(server);
}

#[tokio::test]
async fn a_call_that_nobody_takes_is_told_on_a_sane_terminal() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    drop(listener);
    let client = Client::start(&address, &[]);
    let (code, after, screen) = client.terminal.end().await;
    assert_eq!(code, 1);
    assert_same_settings(&settings_before().await, &after);
    assert_is_sane(&screen);
    // It is wrapped at a word, and not by the terminal.
    let told = screen.text().join(" ");
    let wanted = format!(
        "chat-client: cannot reach {address}: Connection refused; is chat-server running there?"
    );
    assert_eq!(told, wanted);
    assert_eq!(screen.rows(), screen.text());
}

#[tokio::test]
async fn a_call_that_is_not_answered_can_be_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    for keys in ["\x03", "88\r"] {
        let mut client = Client::start(&address, &[]);
        client.terminal.wait_for_status("calling").await;
        client.terminal.type_keys(keys).await;
        assert_eq!(client.terminal.exit_code().await, 0);
    }
}

#[tokio::test]
async fn a_terminal_that_takes_no_output_slows_the_peer_and_can_be_left() {
    let mut server = Server::start(SIZE, &["--allow-plain"]).await;
    let peer = TcpStream::connect(&server.address)
        .await
        .expect("it listens");
    assert_eq!(peer.try_write(b"hello\n").expect("it has room"), 6);
    server.terminal.wait_for_status("NOT ENCRYPTED").await;
    server.terminal.stall();
    let lines = "a line of a flood\n".repeat(1_000);
    let mut written = 0;
    while timeout(Duration::from_secs(1), peer.writable())
        .await
        .is_ok()
    {
        match peer.try_write(lines.as_bytes()) {
            Ok(length) => written += length,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        assert!(written < 64 << 20, "everything is kept in memory");
    }
    server.terminal.signal(Signal::TERM);
    let (code, after) = server.terminal.leave().await;
    assert_eq!(code, 143);
    assert_same_settings(&settings_before().await, &after);
}

/// A shell with job control: runs a program, says when it was stopped, and goes on after a line.
const SHELL: &str =
    r#"set -m; "$@"; stty -a; echo "stopped ($?)"; read -r line; fg >/dev/null; echo "ended ($?)""#;

#[tokio::test]
async fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_back() {
    let mut server = Server::start(SIZE, &[]).await;
    let home = home();
    let shell = pty_process::Command::new("sh")
        .args(["-c", SHELL, "sh"])
        .arg(program("chat-client"))
        .args([&server.address, "--name", "bob"])
        .env("CHAT_HOME", home.path())
        .env("TERM", "xterm-256color")
        .env("LC_ALL", "C.UTF-8")
        .kill_on_drop(true);
    let mut terminal = Terminal::start(SIZE, shell);
    terminal.wait_for_status("ann · ").await;
    terminal.type_keys("draft").await;
    terminal
        .wait_for(|screen| screen.cursor() == ("> draft".into(), 7))
        .await;
    terminal.type_keys("\x1a").await;
    terminal.wait_for_line("stopped (").await;
    assert_same_settings(&settings_before().await, &terminal.settings());
    assert_eq!(terminal.screen().mode(), Emulator::new(SIZE).mode());
    server
        .terminal
        .wait_for_line("-- The other side is away")
        .await;
    server.terminal.wait_for_status("· away ·").await;
    assert!(!server.terminal.screen().last_rows(1)[0].contains("typing"));

    // What is said meanwhile is not lost.
    server.terminal.wait_for_status("bob · ").await;
    server.terminal.type_keys("are you there?\r").await;
    server.terminal.wait_for_line("· you: are you there?").await;
    terminal.type_keys("go on\r").await;
    server
        .terminal
        .wait_for_line("-- The other side is back.")
        .await;
    terminal.wait_for_line("<ann> are you there?").await;
    terminal
        .wait_for(|screen| screen.cursor() == ("> draft".into(), 7))
        .await;
    terminal.wait_for_status("ann · ").await;
    server.terminal.wait_for_line("✓ you: are you there?").await;
    terminal.type_keys("\x1588\r").await;
    terminal.wait_for_line("ended (0)").await;
    let (_, after, screen) = terminal.end().await;
    assert_same_settings(&settings_before().await, &after);
    assert_is_sane(&screen);
}

#[tokio::test]
async fn colours_are_used_unless_they_are_not_wanted() {
    let server = Server::start(SIZE, &[]).await;
    let home = home();
    for (name, value, colored) in [("NO_COLOR", "1", false), ("NO_COLOR", "", true)] {
        let command = command("chat-client", home.path())
            .args([&server.address, "--name", "bob"])
            .env(name, value);
        let mut terminal = Terminal::start(SIZE, command);
        terminal.wait_for_status("ann · ").await;
        assert_eq!(is_colored(&terminal.screen()), colored, "{name}={value}");
        terminal.type_keys("88\r").await;
        terminal.exit_code().await;
    }
    let mut client = Client::start_from(home, &server.address, &["--no-color"]);
    client.terminal.wait_for_status("ann · ").await;
    assert!(!is_colored(&client.terminal.screen()));
}

fn is_colored(screen: &Emulator) -> bool {
    let plain = (
        Color::Named(NamedColor::Foreground),
        Color::Named(NamedColor::Background),
    );
    let mut cells = (0..SIZE.1).flat_map(|row| screen.cells(row));
    cells.any(|(_, cell)| (cell.fg, cell.bg) != plain || cell.flags.contains(Flags::INVERSE))
}

#[tokio::test]
async fn a_piped_output_is_no_screen() {
    let mut server = Server::start(SIZE, &[]).await;
    let home = home();
    let path = home.path().join("output");
    let output = File::create(&path).expect("a file");
    let command = command("chat-client", home.path())
        .args([&server.address, "--name", "bob"])
        .stdout(Stdio::from(output));
    let mut terminal = Terminal::start(SIZE, command);
    terminal.wait_for_line("* Call with ann").await;
    server.terminal.wait_for_status("bob · ").await;
    server.terminal.type_keys("hello\r").await;
    server.terminal.wait_for_line("✓ you: hello").await;
    server.terminal.type_keys("88\r").await;
    let (code, after, screen) = terminal.end().await;
    assert_eq!(code, 0);
    assert_same_settings(&settings_before().await, &after);
    assert_is_sane(&screen);
    assert_eq!(
        std::fs::read_to_string(&path).expect("it was written"),
        "hello\n"
    );
}

#[tokio::test]
async fn ten_thousand_lines_at_once_are_all_there_in_order() {
    let mut server = Server::start(SIZE, &["--once"]).await;
    let home = home();
    let mut client = tokio::process::Command::new(program("chat-client"))
        .args([&server.address, "--name", "bob", "--send-only"])
        .env("CHAT_HOME", home.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    // The line is free when bob calls; with a draft on it, he would ring.
    server.terminal.wait_for_status("bob · ").await;
    server.terminal.type_keys("draft").await;
    server
        .terminal
        .wait_for(|screen| screen.cursor() == ("> draft".into(), 7))
        .await;
    let lines: Vec<String> = (0..10_000).map(|number| format!("line {number}")).collect();
    let mut input = client.stdin.take().expect("it is piped");
    soon(input.write_all((lines.join("\n") + "\n").as_bytes()))
        .await
        .expect("it reads");
    drop(input);
    let mut errors = String::new();
    let mut stderr = client.stderr.take().expect("it is piped");
    soon(stderr.read_to_string(&mut errors))
        .await
        .expect("it is text");
    assert!(
        soon(client.wait()).await.expect("it runs").success(),
        "{errors}"
    );
    let (code, _, screen) = server.terminal.end().await;
    assert_eq!(code, 0);
    let shown: Vec<String> = screen
        .text()
        .iter()
        .filter_map(|line| Some(line.split_once("<bob> ")?.1.to_owned()))
        .collect();
    assert_eq!(shown, lines);
}

/// The safety number on a screen, as its digits are grouped there.
async fn safety_number(terminal: &mut Terminal) -> String {
    let line = terminal.wait_for_line("-- Safety number ").await;
    let (_, number) = line.split_once("number ").expect("it says so");
    let (number, _) = number.split_once(':').expect("it goes on");
    number.to_owned()
}

/// The same number, but for each digit.
fn wrong(number: &str) -> String {
    let digits = number.chars().map(|character| match character {
        '9' => '0',
        '0'..='8' => char::from(character as u8 + 1),
        _ => character,
    });
    digits.collect()
}

/// Bob's call ends while Ann types a line, and Mallory is the next one.
async fn mallory_comes_while_ann_types(line: &str) -> (Server, Client) {
    let (mut server, mut bob) = call().await;
    let mut mallory = Client::start_as("mallory", home(), &server.address, &[]);
    mallory.terminal.wait_for_status("you are next").await;
    let ann = &mut server.terminal;
    ann.wait_for_line("mallory (127.0.0.1").await;
    ann.type_keys(line).await;
    ann.wait_for(|screen| screen.cursor().0 == format!("> {line}"))
        .await;
    bob.terminal.type_keys("\x03").await;
    assert_eq!(bob.terminal.exit_code().await, 0);
    ann.wait_for_status("mallory").await;
    (server, mallory)
}

#[tokio::test]
async fn a_number_that_was_compared_with_one_verifies_nobody_else() {
    let (mut server, mut mallory) = mallory_comes_while_ann_types("/verify 5836 5501").await;
    let ann = &mut server.terminal;
    ann.wait_for(|screen| screen.cursor().0 == ">").await;
    ann.type_keys("\r").await;
    mallory.terminal.wait_for_status("ann · 🔒").await;
    ann.wait_for_status("mallory · 🔒 new, unverified").await;
    ann.type_keys("hello\r").await;
    mallory.terminal.wait_for_line("<ann> hello").await;
    let text = ann.screen().text().join("\n");
    assert!(!text.contains("verified from now on"), "{text}");
    assert!(
        !text.contains("NOT THE SAME"),
        "nothing was compared: {text}"
    );
}

#[tokio::test]
async fn a_line_that_was_begun_for_one_is_not_said_to_another() {
    let (mut server, mut mallory) = mallory_comes_while_ann_types("the door code is 47").await;
    let ann = &mut server.terminal;
    // The fingers go on, and Enter follows. Mallory rings, for Ann was typing.
    ann.type_keys("11").await;
    ann.wait_for(|screen| screen.cursor().0 == "> the door code is 4711")
        .await;
    ann.type_keys("\r").await;
    ann.wait_for_line("Not sent: Up brings it back").await;
    ann.wait_for(|screen| screen.cursor().0 == ">").await;
    ann.type_keys("\r").await;
    mallory.terminal.wait_for_status("ann · 🔒").await;
    ann.wait_for_status("mallory · 🔒").await;
    ann.type_keys("who are you?\r").await;
    mallory.terminal.wait_for_line("<ann> who are you?").await;
    let text = mallory.terminal.screen().text().join("\n");
    assert!(!text.contains("the door code"), "{text}");

    // It is there for bob to hear another time.
    ann.type_keys("\x1b[A\x1b[A").await;
    ann.wait_for(|screen| screen.cursor().0 == "> the door code is 4711")
        .await;
}

#[tokio::test]
async fn a_wrong_number_is_an_alarm_and_the_right_one_verifies() {
    let (mut server, mut bob) = call().await;
    let ann = &mut server.terminal;
    ann.type_keys("/verify\r").await;
    let advice = ann.wait_for_line("-- Let bob (").await;
    assert!(advice.contains("by telephone or face to face"), "{advice}");
    let number = safety_number(&mut bob.terminal).await;
    ann.type_keys(&format!("/verify {}\r", wrong(&number)))
        .await;
    ann.wait_for_line("NOT THE SAME NUMBER").await;
    ann.wait_for_line("Hang up with 88, and reach them in another way")
        .await;
    ann.wait_for_status("bob · 🔒 new, unverified").await;
    ann.type_keys(&format!("/verify {number}\r")).await;
    ann.wait_for_status("bob · 🔒 verified").await;
}

#[tokio::test]
async fn the_own_number_in_the_chat_is_sent_when_it_was_asked_about() {
    let (mut server, mut bob) = call().await;
    let number = safety_number(&mut server.terminal).await;
    let text = format!("my number is {number}");
    let ann = &mut server.terminal;
    ann.type_keys(&format!("{text}\r")).await;
    ann.wait_for_line("Your safety number? Somebody in between")
        .await;
    ann.wait_for(|screen| screen.cursor().0 == format!("> {text}"))
        .await;
    ann.type_keys("\r").await;
    bob.terminal.wait_for_line(&format!("<ann> {text}")).await;
}

#[tokio::test]
async fn messages_on_a_terminal_carry_the_name_of_who_sent_them() {
    let mut server = Server::start(SIZE, &[]).await;
    let home = home();
    let nothing = File::open("/dev/null").expect("it is there");
    let command = command("chat-client", home.path())
        .args([&server.address, "--name", "bob"])
        .stdin(Stdio::from(nothing));
    let mut terminal = Terminal::start(SIZE, command);
    server.terminal.wait_for_status("bob · ").await;
    server.terminal.type_keys("* Call with eve\r").await;
    terminal.wait_for_line("<ann> * Call with eve").await;
    server.terminal.type_keys("88\r").await;
    assert_eq!(terminal.exit_code().await, 0);
}

#[tokio::test]
async fn who_is_not_to_know_of_typing_is_not_told() {
    let mut server = Server::start(SIZE, &["--no-typing"]).await;
    let mut bob = Client::start(&server.address, &[]);
    server.terminal.wait_for_status("bob · ").await;
    bob.terminal.wait_for_status("ann · ").await;
    server.terminal.type_keys("draft").await;
    bob.terminal.type_keys("hello\r").await;
    server.terminal.wait_for_line("<bob> hello").await;
    server.terminal.type_keys("\x15hi").await;
    server
        .terminal
        .wait_for(|screen| screen.cursor().0 == "> hi")
        .await;
    bob.terminal.type_keys("are you there?\r").await;
    bob.terminal.wait_for_line("✓ you: are you there?").await;
    // What ann's program had to say of her keys would have come before the receipt.
    let text = bob.terminal.screen().text().join("\n");
    assert!(!text.contains("is typing"), "{text}");
}

#[tokio::test]
async fn what_was_typed_and_not_sent_is_there_at_the_next_start() {
    let (mut server, mut bob) = call().await;
    bob.terminal.type_keys("half a sen").await;
    bob.terminal
        .wait_for(|screen| screen.cursor().0 == "> half a sen")
        .await;
    server.terminal.type_keys("and I was saying").await;
    server.terminal.wait_for_status("bob is typing …").await;
    // The server's line stays as it is, the client's comes back.
    server
        .terminal
        .wait_for(|screen| screen.cursor().0 == "> and I was saying")
        .await;
    let Client { terminal, home } = bob;
    terminal.signal(Signal::TERM);
    let (_, _, screen) = terminal.end().await;
    let text = screen.text().join("\n");
    assert!(text.contains("-- Not sent: half a sen"), "{text}");
    server.terminal.wait_for_status("waiting for a call").await;
    let cursor = server.terminal.screen().cursor().0;
    assert_eq!(cursor, "> and I was saying");

    let drafts = home.path().join("drafts");
    let mode = std::fs::metadata(&drafts)
        .expect("it is kept")
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let mut bob = Client::start_from(home, &server.address, &[]);
    bob.terminal
        .wait_for_line("-- What you typed last time and did not send is on the line")
        .await;
    // Bob rings, for there is a draft: Enter puts it aside, and another answers.
    server.terminal.wait_for_status("bob is calling").await;
    server.terminal.type_keys("\x15/answer\r").await;
    bob.terminal.wait_for_status("ann · ").await;
    bob.terminal.type_keys("tence\r").await;
    server.terminal.wait_for_line("<bob> half a sentence").await;
    bob.terminal.wait_for_line("✓ you: half a sentence").await;
    bob.terminal.type_keys("88\r").await;
    assert_eq!(bob.terminal.exit_code().await, 0);
    assert!(!drafts.exists(), "nothing is left of a call that went well");
}

#[tokio::test]
async fn typed_lines_are_remembered_only_for_who_wants_that() {
    let server = Server::start(SIZE, &[]).await;
    let mut kept = home();
    for (arguments, remembered) in [(&[][..], false), (&["--keep"], true)] {
        for round in ["first", "second"] {
            let mut bob = Client::start_from(kept, &server.address, arguments);
            bob.terminal.wait_for_status("ann · ").await;
            if round == "second" {
                bob.terminal.type_keys("\x10").await;
                bob.terminal.type_keys("!").await;
                let line = if remembered { "> first!" } else { "> !" };
                bob.terminal
                    .wait_for(|screen| screen.cursor().0 == line)
                    .await;
                bob.terminal.type_keys("\x15").await;
            } else {
                bob.terminal.type_keys("first\r").await;
                bob.terminal.wait_for_line("✓ you: first").await;
            }
            bob.terminal.type_keys("\x04").await;
            assert_eq!(bob.terminal.exit_code().await, 0);
            assert_eq!(bob.home.path().join("typed").exists(), remembered);
            kept = bob.home;
        }
    }
}

#[tokio::test]
async fn what_is_typed_over_a_slow_link_is_sent_as_it_was_typed() {
    let (mut server, mut bob) = call().await;
    bob.terminal.type_keys("ok\rsee you\r88 \r").await;
    server.terminal.wait_for_line("<bob> ok").await;
    server.terminal.wait_for_line("<bob> see you").await;
    bob.terminal.wait_for_line("Hang up? Enter again").await;
    bob.terminal.type_keys("\r").await;
    assert_eq!(bob.terminal.exit_code().await, 0);
}

#[tokio::test]
async fn a_paste_of_one_line_is_one_line() {
    let (mut server, mut bob) = call().await;
    let paste = "\x1b[200~a line, with its line feed\n\x1b[201~";
    bob.terminal.type_keys(paste).await;
    bob.terminal
        .wait_for(|screen| screen.cursor().0 == "> a line, with its line feed")
        .await;
    bob.terminal.type_keys("!\r").await;
    let line = server.terminal.wait_for_line("<bob> a line").await;
    assert!(
        line.ends_with("<bob> a line, with its line feed!"),
        "{line}"
    );
}

#[tokio::test]
async fn the_caller_is_not_told_of_what_is_about_callers() {
    let (mut server, mut bob) = call().await;
    bob.terminal.type_keys("/help\r").await;
    bob.terminal.wait_for_line("88 alone hangs up").await;
    bob.terminal.type_keys("/n\t/nxt\r").await;
    bob.terminal.wait_for_line("There is no /n/nxt").await;
    let text = bob.terminal.screen().text().join("\n");
    assert!(!text.contains("/next"), "{text}");
    server.terminal.type_keys("/help\r").await;
    server.terminal.wait_for_line("/next ").await;
}

#[tokio::test]
async fn who_is_away_is_known_to_be_on_the_line_and_in_the_queue() {
    let (mut server, mut bob) = call().await;
    let mut mallory = Client::start_as("mallory", home(), &server.address, &[]);
    mallory.terminal.wait_for_status("you are next").await;
    server.terminal.type_keys("/away at lunch\r").await;
    for client in [&mut bob, &mut mallory] {
        client
            .terminal
            .wait_for_line("-- The other side is away: “at lunch”.")
            .await;
        client.terminal.wait_for_status("away: “at lunch”").await;
    }
    let mut eve = Client::start_as("eve", home(), &server.address, &[]);
    eve.terminal.wait_for_status("away: “at lunch”").await;
    server.terminal.type_keys("/away\r").await;
    for client in [&mut bob, &mut mallory, &mut eve] {
        client
            .terminal
            .wait_for_line("-- The other side is back.")
            .await;
    }
    server.terminal.type_keys("/away for today\r88\r").await;
    // Who comes next finds out at once.
    mallory.terminal.wait_for_status("ann · ").await;
    mallory.terminal.wait_for_status("away: “for today”").await;
}

#[tokio::test]
async fn who_waits_may_leave_a_line_and_be_declined_with_a_word() {
    let (mut server, bob) = call().await;
    let mut mallory = Client::start_as("mallory", home(), &server.address, &[]);
    mallory.terminal.wait_for_status("you are next").await;
    mallory
        .terminal
        .type_keys("/note it is about the train\r/note and more\r")
        .await;
    mallory
        .terminal
        .wait_for_line("-- Your note was left")
        .await;
    mallory.terminal.wait_for_line("one line, once").await;
    let note = server.terminal.wait_for_line("waits, and says: ").await;
    assert!(note.contains("-- mallory (127.0.0.1:"), "{note}");
    server.terminal.type_keys("/decline in a meeting\r").await;
    server
        .terminal
        .wait_for_line("was told that you decline")
        .await;
    let nobody_waits = |screen: &Emulator| !screen.last_rows(1)[0].contains("1 waiting");
    server.terminal.wait_for(nobody_waits).await;
    let (code, _, screen) = mallory.terminal.end().await;
    let text = screen.text().join("\n");
    let told = "-- The other side declined the call and says: “in a meeting”";
    assert!(text.contains(told), "{text}");
    assert_eq!(code, 4);
    server.terminal.type_keys("/decline\r").await;
    server.terminal.wait_for_line("-- Nobody is waiting.").await;
    drop(bob);
}

#[tokio::test]
async fn a_new_name_stands_beside_the_old_one_until_it_is_agreed_to() {
    let (mut server, mut bob) = call().await;
    bob.terminal.type_keys("/name robert\r").await;
    bob.terminal.wait_for_line("You are called “robert”").await;
    let ann = &mut server.terminal;
    ann.wait_for_line("calls itself “robert” now").await;
    ann.wait_for_status("bob · “robert” · ").await;
    bob.terminal.type_keys("still me\r").await;
    ann.wait_for_line("<bob> still me").await;
    bob.terminal.type_keys("88\r").await;
    let Client { terminal, home } = bob;
    assert_eq!(terminal.exit_code().await, 0);
    ann.wait_for_status("waiting for a call").await;

    // The same at the beginning of a call, until ann agrees.
    let mut bob = Client::start_as("robert", home, &server.address, &[]);
    let ann = &mut server.terminal;
    ann.wait_for_status("bob · “robert” · ").await;
    ann.type_keys("/rename\r").await;
    ann.wait_for_line("is robert here from now on").await;
    ann.wait_for_status("robert · 🔒").await;
    bob.terminal.type_keys("/name robert\rhello\r").await;
    ann.wait_for_line("<robert> hello").await;
    let text = ann.screen().text().join("\n");
    assert_eq!(text.matches("calls itself").count(), 2, "{text}");
}

#[tokio::test]
async fn what_somebody_does_is_told_on_both_screens() {
    let (mut server, mut bob) = call().await;
    bob.terminal.type_keys("/me waves\r").await;
    server.terminal.wait_for_line("      * bob waves").await;
    bob.terminal.wait_for_line("✓ you: * waves").await;
}

#[tokio::test]
async fn an_invitation_carries_the_key_and_a_first_contact_takes_three_rows() {
    let mut server = Server::start(SIZE, &[]).await;
    let key = server.terminal.wait_for_line("--peer-key SHA256:").await;
    let (_, key) = key.split_once("--peer-key ").expect("it is there");
    let command = server
        .terminal
        .wait_for_line("    chat-client 127.0.0.1:")
        .await;
    assert!(
        command.ends_with(" \\"),
        "one command in two rows: {command}"
    );
    let mut bob = Client::start(&server.address, &["--peer-key", key]);
    bob.terminal.wait_for_line("-- Safety number ").await;
    bob.terminal.wait_for_status("ann · ").await;
    let text = bob.terminal.screen().text();
    let told: Vec<_> = text.iter().filter(|line| line.contains(" -- ")).collect();
    assert_eq!(told.len(), 3, "{text:#?}");
    assert!(!text.join("").contains("SHA256:"), "{text:#?}");
}
