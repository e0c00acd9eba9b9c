//! The program as a process in a pipe, with plain sockets that call.

use std::path::Path;

use chat_testkit::a_port;
use chat_testkit::process::{Ended, Process};
use chat_testkit::wire::Wire;
use tokio::net::TcpStream;

/// The program, in the build of this test.
const CHAT_SERVER: &str = env!("CARGO_BIN_EXE_chat-server");

/// A server that waits for calls.
struct Server {
    process: Process,
    /// Where it says that it can be called.
    address: String,
}

impl Server {
    async fn start(arguments: &[&str]) -> Self {
        let arguments = [&["--allow-plain", "127.0.0.1:0"], arguments].concat();
        let mut process = Process::start_anew(Path::new(CHAT_SERVER), &arguments);
        let invitation = process.tells("chat-client 127.0.0.1:").await;
        let (_, command) = invitation.split_once("chat-client ").expect("a command");
        let address = command.split_whitespace().next();
        let address = address.expect("an address to call").into();
        Self { process, address }
    }

    /// Somebody calls with a plain socket.
    async fn calls(&self) -> Wire {
        let stream = TcpStream::connect(&self.address).await;
        Wire::new(stream.expect("it listens"))
    }
}

/// Runs the program without a call.
async fn run(arguments: &[&str]) -> Ended {
    Process::start_anew(Path::new(CHAT_SERVER), arguments)
        .ends()
        .await
}

#[tokio::test]
async fn stdout_carries_the_caller_and_nothing_else() {
    let mut server = Server::start(&["--once"]).await;
    let mut caller = server.calls().await;
    caller.sends("你好\none\r\n").await;
    server.process.prints("你好").await;
    server.process.prints("one").await;
    server.process.tells("NOT ENCRYPTED").await;
    server.process.types("hello\n").await;
    caller.receives("hello\n").await;
    caller.sends("88\n").await;
    server.process.tells("The other side hung up").await;
    drop(caller);
    let ended = server.process.ends().await;
    assert_eq!(ended.stdout, "");
    assert_eq!(ended.code, Some(0));
}

#[tokio::test]
async fn one_call_follows_the_other() {
    let mut server = Server::start(&[]).await;
    for name in ["ann", "bob"] {
        let mut caller = server.calls().await;
        caller.sends(&format!("{name}\n")).await;
        server.process.prints(name).await;
        server.process.types("bye\n88\n").await;
        caller.receives_at_last("bye\n88").await;
        server.process.tells("You hung up").await;
    }
    server.process.signal("TERM").await;
    assert_eq!(server.process.exit_code().await, Some(143));
}

#[tokio::test]
async fn who_waits_is_announced_and_who_is_too_many_hears_busy() {
    let mut server = Server::start(&["--backlog", "1"]).await;
    let mut ann = server.calls().await;
    ann.sends("ann\n").await;
    server.process.prints("ann").await;
    let mut bob = server.calls().await;
    bob.sends("bob\n").await;
    server.process.tells("is calling too, 1 waiting").await;
    let mut cem = server.calls().await;
    cem.sends("cem\n").await;
    server.process.tells("was told that you are busy").await;
    cem.receives("busy").await;
    ann.sends("88\n").await;
    server.process.prints("bob").await;
}

#[tokio::test]
async fn the_end_of_input_is_not_the_end_of_the_call() {
    let mut server = Server::start(&["--once"]).await;
    let mut caller = server.calls().await;
    caller.sends("hello\n").await;
    server.process.prints("hello").await;
    server.process.types("last words").await;
    drop(server.process.stdin.take());
    caller.receives_at_last("last words\n").await;
    caller.sends("still here\n").await;
    server.process.prints("still here").await;
    drop(caller);
    server.process.tells("neither side has more to say").await;
    assert_eq!(server.process.exit_code().await, Some(0));
}

#[tokio::test]
async fn what_the_caller_pours_out_arrives_whole() {
    let server = Server::start(&["--once"]).await;
    let mut caller = server.calls().await;
    let line = |number| format!("{number}: 这是一行文字, a line of a large file\n");
    let text: String = (0..300_000).map(line).collect();
    let pours = async {
        caller.sends(&text).await;
        caller.sends("88\n").await;
        caller.receives_at_last("").await;
    };
    let (ended, ()) = tokio::join!(server.process.ends(), pours);
    assert!(ended.stdout == text, "{} bytes came", ended.stdout.len());
    assert_eq!(ended.code, Some(0));
}

#[tokio::test]
async fn a_lost_connection_is_told_from_a_hang_up() {
    let mut server = Server::start(&["--once"]).await;
    let mut caller = server.calls().await;
    caller.sends("ann\n").await;
    server.process.prints("ann").await;
    caller.resets();
    server.process.tells("Connection lost").await;
    assert_eq!(server.process.exit_code().await, Some(1));
}

#[tokio::test]
async fn an_idle_caller_is_told_why_the_call_ends() {
    let mut server = Server::start(&["--once", "--idle-timeout", "200ms"]).await;
    let mut caller = server.calls().await;
    caller.sends("ann\n").await;
    caller
        .receives_at_last("(hanging up: nothing heard for 200ms)\n88")
        .await;
    server.process.tells("nothing heard").await;
    drop(caller);
    assert_eq!(server.process.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_closed_stdout_ends_quietly() {
    let mut server = Server::start(&[]).await;
    drop(server.process.stdout.take());
    let mut caller = server.calls().await;
    caller.sends("nobody reads this\n").await;
    caller.receives_at_last("88").await;
    drop(caller);
    let ended = server.process.ends().await;
    assert!(!ended.tells("failed") && !ended.tells("panic"), "{ended:?}");
    assert_eq!(ended.code, Some(0));
}

#[tokio::test]
async fn signals_hang_up_politely() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut server = Server::start(&[]).await;
        let mut caller = server.calls().await;
        caller.sends("ann\n").await;
        server.process.prints("ann").await;
        server.process.signal(signal).await;
        caller.receives_at_last("88").await;
        drop(caller);
        assert_eq!(server.process.exit_code().await, Some(code));
    }
}

#[tokio::test]
async fn signals_end_a_server_that_waits() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let server = Server::start(&[]).await;
        server.process.signal(signal).await;
        assert_eq!(server.process.exit_code().await, Some(code));
    }
}

/// The memory holds the key and what was said.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_crash_leaves_nothing_of_the_memory_behind() {
    let server = Server::start(&[]).await;
    let id = server.process.id();
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).expect("limits");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file"));
    let core: Vec<_> = core.expect("a limit").split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "{core:?}");
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_line() {
    let (_listener, address) = a_port().await;
    let ended = run(&["--allow-plain", &address.to_string()]).await;
    let line = ended.one_line();
    assert!(line.contains(&format!("cannot listen on {address}")));
    assert!(line.contains("to use another port"));
    assert_eq!(ended.code, Some(1));
}

#[tokio::test]
async fn a_wrong_command_line_is_2() {
    for arguments in [
        &["--no-such-option"][..],
        &["somewhere"],
        &["--backlog", "-1"],
        &["--idle-timeout", "long"],
        &["--idle-timeout", "0"],
        &["--idle-timeout", "500000000000y"],
        &["--framing", "loose"],
    ] {
        let ended = run(arguments).await;
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert_eq!(ended.stdout, "");
        assert!(ended.stderr.starts_with("error: "), "{ended:?}");
    }
}

#[tokio::test]
async fn refused_callers_leave_a_trace_that_floods_nobody() {
    let home = chat_testkit::home();
    let mut process = Process::start(Path::new(CHAT_SERVER), home.path(), &["127.0.0.1:0"]);
    let address = process.listens().await;
    for _ in 0..10 {
        let stream = TcpStream::connect(address).await.expect("it listens");
        let mut caller = Wire::new(stream);
        caller.sends("hello\n").await;
        caller
            .receives("this server answers only encrypted calls")
            .await;
    }
    process.tells("Refused a call: 127.0.0.1:").await;
    process.signal("TERM").await;
    let ended = process.ends().await;
    let traces = ended.stderr.matches("Refused a call: 127.0.0.1:").count();
    assert_eq!(traces, 3, "{ended:?}");
    assert!(
        ended.tells("does not encrypt; --allow-plain answers"),
        "{ended:?}"
    );
}
