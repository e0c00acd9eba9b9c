//! The linear mode as a person meets it: at a dumb terminal, behind `tee`, in Emacs.

#![cfg(target_os = "linux")]

use std::fs::File;
use std::process::Stdio;

use chat_testkit::home;
use chat_testkit::process::program;
use chat_testkit::terminal::{Emulator, Server, Size, Terminal, command};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use tempfile::TempDir;

const SIZE: Size = Size(80, 24);

/// Ann says something that arrives.
async fn says(server: &mut Server, text: &str) {
    server.terminal.type_keys(&format!("{text}\r")).await;
    let line = format!("✓ you: {text}");
    server.terminal.wait_for_line(&line).await;
}

/// Bob, who calls her in the linear mode, and is in the call.
async fn caller(server: &mut Server, home: &TempDir) -> Terminal {
    let command =
        command("chat-client", home.path()).args([&server.address, "--name", "bob", "--linear"]);
    let mut terminal = Terminal::start(SIZE, command);
    terminal.wait_for_line("/verify N").await;
    server.terminal.wait_for_status("bob · ").await;
    terminal
}

#[tokio::test]
async fn a_dumb_terminal_gets_plain_lines() {
    let server = Server::start(SIZE, &[]).await;
    let home = home();
    let command = command("chat-client", home.path())
        .args([&server.address, "--name", "bob"])
        .env("TERM", "dumb");
    let mut terminal = Terminal::start(SIZE, command);
    terminal.wait_for_line("* Call with ann").await;
    terminal.wait_for_line("/verify N").await;
    terminal.type_keys("/status\n").await;
    terminal.wait_for_line("* The other side is ann").await;
    let mut server = server;
    server.terminal.wait_for_status("bob · ").await;
    server
        .terminal
        .type_keys("hello\x1b[200~\x1b]0;title\x07\x1b[201~\r")
        .await;
    terminal.wait_for_line("<ann> hello").await;
    terminal.type_keys("hi\n").await;
    server.terminal.wait_for_line("<bob> hi").await;
    assert_eq!(terminal.screen().mode(), Emulator::new(SIZE).mode());
    assert_eq!(terminal.screen().take_reports(), Vec::<String>::new());
    terminal.type_keys("88\n").await;
    assert_eq!(terminal.exit_code().await, 0);
}

#[tokio::test]
async fn lines_are_a_mode_with_a_name_and_its_own_help() {
    let mut server = Server::start(SIZE, &[]).await;
    let home = home();
    let path = home.path().join("output");
    let output = File::create(&path).expect("a file");
    // As with `| tee`: the output is not the terminal.
    let command = command("chat-client", home.path())
        .args([&server.address, "--name", "bob", "--linear"])
        .stdout(Stdio::from(output));
    let mut terminal = Terminal::start(SIZE, command);
    terminal.wait_for_line("* Call with ann").await;
    terminal.type_keys("/help\n").await;
    terminal.wait_for_line("88 alone hangs up").await;
    assert!(!terminal.screen().text().join("").contains("Ctrl-"));
    terminal.type_keys("/me waves\n").await;
    server.terminal.wait_for_line("* bob waves").await;
    server
        .terminal
        .type_keys("/me \x1b[200~\x1b]0;title\x07\x1b[201~\r")
        .await;
    server.terminal.wait_for_line("✓ you: * ").await;
    terminal.type_keys("88\n").await;
    assert_eq!(terminal.exit_code().await, 0);
    let said = std::fs::read_to_string(&path).expect("it was written");
    assert_eq!(said, "<ann> * ␛]0;title␇\n");
}

#[tokio::test]
async fn what_arrives_never_lands_in_the_half_typed_line() {
    let mut server = Server::start(SIZE, &[]).await;
    let home = home();
    let mut bob = caller(&mut server, &home).await;
    bob.type_keys("half").await;
    says(&mut server, "hello").await;
    bob.wait_for_line("<ann> hello").await;
    // It came while nobody typed: the line is repeated, and goes on.
    bob.wait_for(|screen| screen.cursor() == ("half".into(), 4))
        .await;
    bob.type_keys("x\x7fway").await;
    bob.wait_for(|screen| screen.cursor().0 == "halfway").await;
    says(&mut server, "there?").await;
    bob.type_keys("\r").await;
    bob.wait_for_line("<ann> there?").await;
    server.terminal.wait_for_line("<bob> halfway").await;
    let rows = bob.screen().last_rows(4);
    assert_eq!(rows, ["half", "<ann> hello", "halfway", "<ann> there?"]);
}

#[tokio::test]
async fn what_is_typed_and_not_sent_is_shown_at_the_end_and_not_to_the_shell() {
    let mut server = Server::start(SIZE, &[]).await;
    let home = home();
    let mut bob = caller(&mut server, &home).await;
    bob.type_keys("rm -rf x\x17y").await;
    bob.wait_for(|screen| screen.cursor().0 == "rm -rf y").await;
    server.terminal.type_keys("88\r").await;
    let (code, after, screen) = bob.end().await;
    assert_eq!(code, 0);
    let edits = LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN;
    assert!(after.local_modes.contains(edits));
    assert_eq!(screen.rows().last().expect("a row"), "* Not sent: rm -rf y");
    assert_eq!(screen.mode(), Emulator::new(SIZE).mode());
}

/// Runs a program in a shell with job control, and again after a line.
const SHELL: &str =
    r#"set -m; "$@"; stty -a; echo "stopped ($?)"; read -r line; fg >/dev/null; echo "ended ($?)""#;

#[tokio::test]
async fn ctrl_z_gives_the_shell_its_terminal_back() {
    let mut server = Server::start(SIZE, &[]).await;
    let home = home();
    let shell = pty_process::Command::new("sh")
        .args(["-c", SHELL, "sh"])
        .arg(program("chat-client"))
        .args([&server.address, "--name", "bob", "--linear"])
        .env("CHAT_HOME", home.path())
        .env("LC_ALL", "C.UTF-8")
        .kill_on_drop(true);
    let mut bob = Terminal::start(SIZE, shell);
    bob.wait_for_line("/verify N").await;
    bob.type_keys("half").await;
    bob.wait_for(|screen| screen.cursor().0 == "half").await;
    bob.type_keys("\x1a").await;
    bob.wait_for_line("stopped (").await;
    bob.wait_for_line(" icanon ").await;
    bob.type_keys("go on\r").await;
    bob.wait_for(|screen| screen.cursor() == ("half".into(), 4))
        .await;
    bob.type_keys("way\r").await;
    server.terminal.wait_for_line("<bob> halfway").await;
    bob.type_keys("88\r").await;
    bob.wait_for_line("ended (0)").await;
}

#[tokio::test]
async fn who_edits_lines_elsewhere_goes_on_doing_so() {
    let mut server = Server::start(SIZE, &[]).await;
    let home = home();
    let command =
        command("chat-client", home.path()).args([&server.address, "--name", "bob", "--linear"]);
    // As Emacs has it.
    let mut bob = Terminal::start_with(SIZE, |line| {
        let mut settings = tcgetattr(line).expect("it is a terminal");
        settings.local_modes.remove(LocalModes::ECHO);
        tcsetattr(line, OptionalActions::Now, &settings).expect("it can be set");
        command
    });
    bob.wait_for_line("/verify N").await;
    assert!(bob.settings().local_modes.contains(LocalModes::ICANON));
    bob.type_keys("hello\n").await;
    server.terminal.wait_for_line("<bob> hello").await;
    assert!(!bob.screen().text().contains(&"hello".to_owned()));
}

#[tokio::test]
async fn what_is_said_meanwhile_waits_behind_tee_too() {
    let mut server = Server::start(SIZE, &[]).await;
    let home = home();
    let line = format!(
        "{} {} --name bob --linear | tee -a said",
        program("chat-client").display(),
        server.address
    );
    let shell = pty_process::Command::new("sh")
        .args(["-c", &line])
        .current_dir(home.path())
        .env("CHAT_HOME", home.path())
        .env("LC_ALL", "C.UTF-8")
        .kill_on_drop(true);
    let mut bob = Terminal::start(SIZE, shell);
    bob.wait_for_line("/verify N").await;
    bob.type_keys("half").await;
    server.terminal.wait_for_status("bob · ").await;
    says(&mut server, "hello").await;
    bob.wait_for_line("<ann> hello").await;
    bob.wait_for(|screen| screen.cursor() == ("half".into(), 4))
        .await;
    bob.type_keys("\x15\x04").await;
    assert_eq!(bob.exit_code().await, 0);
    let said = std::fs::read_to_string(home.path().join("said")).expect("tee has run");
    assert_eq!(said, "<ann> hello\n");
}
