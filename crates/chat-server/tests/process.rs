//! The program as a process in a pipe, with plain sockets that call.

use std::future::Future;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// Far longer than anything takes.
const NEVER: Duration = Duration::from_secs(30);

async fn soon<F: Future>(what: F) -> F::Output {
    timeout(NEVER, what).await.expect("it never came")
}

/// The program, with a home of its own.
fn chat_server(home: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-server"));
    command
        .args(arguments)
        .env("CHAT_HOME", home.path())
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn home() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// A server that waits for calls.
struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: BufReader<ChildStderr>,
    /// Where it says that it can be called.
    address: String,
    _home: TempDir,
}

impl Server {
    async fn start(arguments: &[&str]) -> Self {
        let home = home();
        let arguments = [&["--allow-plain", "127.0.0.1:0"], arguments].concat();
        let spawned = chat_server(&home, &arguments).spawn();
        let mut child = spawned.expect("the program starts");
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().map(BufReader::new);
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut server = Self {
            child,
            stdin,
            stdout,
            stderr,
            address: String::new(),
            _home: home,
        };
        let invitation = server.says("chat-client 127.0.0.1:").await;
        let address = invitation.split_whitespace().last();
        server.address = address.expect("an address to call").into();
        server
    }

    /// Waits for a line on stderr that contains `words`.
    async fn says(&mut self, words: &str) -> String {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            let read = soon(self.stderr.read_line(&mut line)).await;
            assert_ne!(read.expect("UTF-8"), 0, "it never says {words:?}");
        }
        line
    }

    /// The next line on stdout is this one.
    async fn prints(&mut self, wanted: &str) {
        let stdout = self.stdout.as_mut().expect("it is open");
        let mut line = String::new();
        soon(stdout.read_line(&mut line)).await.expect("UTF-8");
        assert_eq!(line, format!("{wanted}\n"));
    }

    async fn types(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("it is open");
        let typed = soon(stdin.write_all(text.as_bytes())).await;
        typed.expect("the program reads");
    }

    async fn calls(&self) -> Caller {
        Caller(TcpStream::connect(&self.address).await.expect("it listens"))
    }

    async fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let kill = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", signal, &id])
            .status();
        assert!(kill.await.expect("there is a shell").success());
    }

    /// Waits until it has ended by itself. Answers its exit code.
    async fn exit_code(mut self) -> Option<i32> {
        soon(self.child.wait()).await.expect("it ends").code()
    }
}

/// Somebody with a plain socket.
struct Caller(TcpStream);

impl Caller {
    async fn sends(&mut self, text: &str) {
        let sent = soon(self.0.write_all(text.as_bytes())).await;
        sent.expect("the program reads");
    }

    async fn receives(&mut self, wanted: &str) {
        let mut bytes = vec![0; wanted.len()];
        let read = soon(self.0.read_exact(&mut bytes)).await;
        read.expect("so many bytes");
        assert_eq!(String::from_utf8_lossy(&bytes), wanted);
    }

    async fn receives_at_last(&mut self, wanted: &str) {
        let mut text = String::new();
        let read = soon(self.0.read_to_string(&mut text)).await;
        read.expect("an end in good order");
        assert_eq!(text, wanted);
    }
}

#[tokio::test]
async fn stdout_carries_the_caller_and_nothing_else() {
    let mut server = Server::start(&["--once"]).await;
    let mut caller = server.calls().await;
    caller.sends("你好\none\r\n").await;
    server.prints("你好").await;
    server.prints("one").await;
    server.says("NOT ENCRYPTED").await;
    server.types("hello\n").await;
    caller.receives("hello\n").await;
    caller.sends("88\n").await;
    server.says("The other side hung up").await;
    drop(caller);
    let mut rest = String::new();
    let mut stdout = server.stdout.take().expect("it is open");
    soon(stdout.read_to_string(&mut rest)).await.expect("UTF-8");
    assert_eq!(rest, "");
    assert_eq!(server.exit_code().await, Some(0));
}

#[tokio::test]
async fn one_call_follows_the_other() {
    let mut server = Server::start(&[]).await;
    for name in ["ann", "bob"] {
        let mut caller = server.calls().await;
        caller.sends(&format!("{name}\n")).await;
        server.prints(name).await;
        server.types("bye\n88\n").await;
        caller.receives_at_last("bye\n88").await;
        server.says("You hung up").await;
    }
    server.signal("TERM").await;
    assert_eq!(server.exit_code().await, Some(143));
}

#[tokio::test]
async fn who_waits_is_announced_and_who_is_too_many_hears_busy() {
    let mut server = Server::start(&["--backlog", "1"]).await;
    let mut ann = server.calls().await;
    ann.sends("ann\n").await;
    server.prints("ann").await;
    let mut bob = server.calls().await;
    bob.sends("bob\n").await;
    server.says("is calling too, 1 waiting").await;
    let mut cem = server.calls().await;
    cem.sends("cem\n").await;
    server.says("was told that you are busy").await;
    cem.receives("busy").await;
    ann.sends("88\n").await;
    server.prints("bob").await;
}

#[tokio::test]
async fn the_end_of_input_is_not_the_end_of_the_call() {
    let mut server = Server::start(&["--once"]).await;
    let mut caller = server.calls().await;
    caller.sends("hello\n").await;
    server.prints("hello").await;
    server.types("last words").await;
    drop(server.stdin.take());
    caller.receives_at_last("last words\n").await;
    caller.sends("still here\n").await;
    server.prints("still here").await;
    drop(caller);
    server.says("no more to say").await;
    assert_eq!(server.exit_code().await, Some(0));
}

#[tokio::test]
async fn what_the_caller_pours_out_arrives_whole() {
    let mut server = Server::start(&["--once"]).await;
    let mut caller = server.calls().await;
    let line = |number| format!("{number}: 这是一行文字, a line of a large file\n");
    let text: String = (0..300_000).map(line).collect();
    let mut stdout = server.stdout.take().expect("it is piped");
    let mut printed = String::with_capacity(text.len());
    let pours = async {
        caller.sends(&text).await;
        caller.sends("88\n").await;
        caller.receives_at_last("").await;
    };
    let (read, ()) = tokio::join!(soon(stdout.read_to_string(&mut printed)), pours);
    read.expect("UTF-8");
    assert!(printed == text, "{} bytes came", printed.len());
    assert_eq!(server.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_lost_connection_is_told_from_a_hang_up() {
    let mut server = Server::start(&["--once"]).await;
    let mut caller = server.calls().await;
    caller.sends("ann\n").await;
    server.prints("ann").await;
    caller.0.set_zero_linger().expect("a TCP socket");
    drop(caller);
    server.says("Connection lost").await;
    assert_eq!(server.exit_code().await, Some(1));
}

#[tokio::test]
async fn an_idle_caller_is_told_why_the_call_ends() {
    let mut server = Server::start(&["--once", "--idle-timeout", "200ms"]).await;
    let mut caller = server.calls().await;
    caller.sends("ann\n").await;
    caller
        .receives_at_last("(hanging up: nothing heard for 200ms)\n88")
        .await;
    server.says("nothing heard").await;
    drop(caller);
    assert_eq!(server.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_closed_stdout_ends_quietly() {
    let mut server = Server::start(&[]).await;
    drop(server.stdout.take());
    let mut caller = server.calls().await;
    caller.sends("nobody reads this\n").await;
    caller.receives_at_last("88").await;
    drop(caller);
    let mut said = String::new();
    let read = soon(server.stderr.read_to_string(&mut said)).await;
    read.expect("UTF-8");
    assert!(
        !said.contains("failed") && !said.contains("panic"),
        "{said}"
    );
    assert_eq!(server.exit_code().await, Some(0));
}

#[tokio::test]
async fn signals_hang_up_politely() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut server = Server::start(&[]).await;
        let mut caller = server.calls().await;
        caller.sends("ann\n").await;
        server.prints("ann").await;
        server.signal(signal).await;
        caller.receives_at_last("88").await;
        drop(caller);
        assert_eq!(server.exit_code().await, Some(code));
    }
}

#[tokio::test]
async fn signals_end_a_server_that_waits() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let server = Server::start(&[]).await;
        server.signal(signal).await;
        assert_eq!(server.exit_code().await, Some(code));
    }
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_line() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let home = home();
    let output = chat_server(&home, &["--allow-plain", &address]).output();
    let output = soon(output).await.expect("it ends");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(&format!("cannot listen on {address}")));
    assert!(stderr.contains("to use another port"));
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
}

#[tokio::test]
async fn a_wrong_command_line_is_2() {
    for arguments in [
        &["--no-such-option"][..],
        &["somewhere"],
        &["--backlog", "-1"],
        &["--idle-timeout", "long"],
        &["--idle-timeout", "0"],
        &["--framing", "loose"],
    ] {
        let home = home();
        let output = chat_server(&home, arguments).output();
        let output = soon(output).await.expect("it ends");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
        assert!(output.stderr.starts_with(b"error: "));
    }
}
