//! Conversations with programs that nobody here wrote, as servers and as clients.
//!
//! A program that is not installed is not tested, and the test says so. What they do on the
//! wire is tested without them in `calls.rs`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use chat_core::protocol::{Event, Side};
use chat_testkit::process::Process;
use chat_testkit::scripted::{Program, client, server};
use chat_testkit::terminal::{Size, Terminal};
use chat_testkit::wire::Wire;
use tokio::io::{BufReader, Join, join};
use tokio::process::{ChildStdin, ChildStdout};

/// The tutorial's client: it speaks first, and both take turns; one `send` is one message.
const PYTHON_CLIENT: &str = r#"
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as s:
    while True:
        said = input()
        s.send(said.encode())
        if said == "88":
            break
        heard = s.recv(1024).decode()
        print(heard, flush=True)
        if heard == "88":
            break
"#;

/// The tutorial's server, on a port of its own choice.
const PYTHON_SERVER: &str = r#"
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as listener:
    print("Listening on", listener.getsockname()[1], file=sys.stderr, flush=True)
    s, _ = listener.accept()
    with s:
        while True:
            heard = s.recv(1024).decode()
            print(heard, flush=True)
            if heard == "88":
                break
            said = input()
            s.send(said.encode())
            if said == "88":
                break
"#;

/// A running program, and its standard input and output.
struct Tool {
    wire: Wire<Join<BufReader<ChildStdout>, ChildStdin>>,
    process: Process,
}

impl Tool {
    /// Starts a program, if it is installed.
    fn start(program: &str, arguments: &[&str]) -> Option<Self> {
        let mut process = Process::tool(program, arguments)?;
        let stdout = process.stdout.take().expect("it is piped");
        let stdin = process.stdin.take().expect("it is piped");
        let wire = Wire::new(join(stdout, stdin));
        Some(Self { wire, process })
    }

    /// Waits until the program says that it listens. Answers the port, which it says last.
    async fn listens(&mut self) -> SocketAddr {
        let line = self.process.tells("Listening").await;
        let port = line.rsplit([' ', ':']).next().unwrap_or_default();
        let port = port.trim().parse().expect("a port");
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)
    }
}

/// A port that nobody listens on, for programs that cannot choose one themselves.
fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    address.port().to_string()
}

/// A line each way, and the program hangs up.
async fn talk_in_lines(program: &mut Program, tool: &mut Tool) {
    tool.wire.sends("你好\n").await;
    program.person.hears("你好").await;
    tool.wire.sends("how are you?\n").await;
    program.person.hears("how are you?").await;
    program.person.says("很好");
    program.person.says("thank you");
    tool.wire.receives("很好\nthank you\n").await;
    tool.wire.sends("88\n").await;
    program.person.call_is_over(Side::Remote).await;
}

#[tokio::test]
async fn nc_calls() {
    let mut server = server().await;
    let port = server.address.port().to_string();
    let Some(mut nc) = Tool::start("nc", &["127.0.0.1", &port]) else {
        return;
    };
    talk_in_lines(&mut server, &mut nc).await;
}

#[tokio::test]
async fn nc_is_hung_up_on() {
    let mut server = server().await;
    let port = server.address.port().to_string();
    let Some(mut nc) = Tool::start("nc", &["127.0.0.1", &port]) else {
        return;
    };
    nc.wire.sends("hello\n").await;
    server.person.hears("hello").await;
    server.person.says("bye");
    server.person.hangs_up();
    nc.wire.receives("bye\n88").await;
    server.person.call_is_over(Side::Local).await;
}

#[tokio::test]
async fn nc_answers() {
    let Some(mut nc) = Tool::start("nc", &["-v", "-l", "127.0.0.1", "0"]) else {
        return;
    };
    let mut client = client(nc.listens().await);
    talk_in_lines(&mut client, &mut nc).await;
    assert_eq!(client.exit_code().await, 0);
}

#[tokio::test]
async fn nc_pipes_a_message_and_hears_the_answer() {
    let mut server = server().await;
    let pipeline = format!(
        "printf 'no line feed' | nc -N 127.0.0.1 {}",
        server.address.port()
    );
    if Tool::start("nc", &["-h"]).is_none() {
        return;
    }
    let mut nc = Tool::start("sh", &["-c", &pipeline]).expect("there is always a shell");
    server.person.hears("no line feed").await;
    let finished = |event: &Event| matches!(event, Event::PeerEof).then_some(());
    server.person.sees(finished).await;
    server.person.says("understood");
    server.person.hangs_up();
    nc.wire.receives_at_last("understood\n88").await;
}

#[tokio::test]
async fn ncat_calls() {
    let mut server = server().await;
    let port = server.address.port().to_string();
    let Some(mut ncat) = Tool::start("ncat", &["127.0.0.1", &port]) else {
        return;
    };
    talk_in_lines(&mut server, &mut ncat).await;
}

#[tokio::test]
async fn ncat_answers() {
    let port = free_port();
    let Some(mut ncat) = Tool::start("ncat", &["-v", "-l", "127.0.0.1", &port]) else {
        return;
    };
    let mut client = client(ncat.listens().await);
    talk_in_lines(&mut client, &mut ncat).await;
    assert_eq!(client.exit_code().await, 0);
}

#[tokio::test]
async fn telnet_calls() {
    let mut server = server().await;
    let port = server.address.port().to_string();
    let Some(mut telnet) = Tool::start("telnet", &["127.0.0.1", &port]) else {
        return;
    };
    telnet
        .wire
        .receives("Trying 127.0.0.1...\nConnected to 127.0.0.1.\nEscape character is '^]'.\n")
        .await;
    talk_in_lines(&mut server, &mut telnet).await;
}

#[tokio::test]
async fn who_quits_telnet_frees_the_line() {
    if Tool::start("telnet", &["--version"]).is_none() {
        return;
    }
    let mut server = server().await;
    let command = pty_process::Command::new("telnet")
        .args(["127.0.0.1", &server.address.port().to_string()])
        .kill_on_drop(true);
    let mut telnet = Terminal::start(Size(80, 24), command);
    telnet.wait_for_line("Escape character").await;
    telnet.type_keys("hello\r").await;
    server.person.hears("hello").await;
    telnet.type_keys("\x1d").await;
    telnet.wait_for_line("telnet>").await;
    telnet.type_keys("quit\r").await;
    server.person.call_is_over(Side::Remote).await;
}

/// A turn each way, without any line feed on the wire.
async fn take_turns(program: &mut Program, python: &mut Tool) {
    for (said, answer) in [("你好", "很好"), ("how are you?", "thank you")] {
        python.wire.sends(format!("{said}\n")).await;
        program.person.hears(said).await;
        program.person.says(answer);
        python.wire.receives(format!("{answer}\n")).await;
    }
}

#[tokio::test]
async fn a_plain_socket_calls_and_hangs_up() {
    let mut server = server().await;
    let port = server.address.port().to_string();
    let Some(mut python) = Tool::start("python3", &["-c", PYTHON_CLIENT, &port]) else {
        return;
    };
    take_turns(&mut server, &mut python).await;
    python.wire.sends("88\n").await;
    server.person.call_is_over(Side::Remote).await;
    python.wire.receives_at_last("").await;
}

#[tokio::test]
async fn a_plain_socket_calls_and_is_hung_up_on() {
    let mut server = server().await;
    let port = server.address.port().to_string();
    let Some(mut python) = Tool::start("python3", &["-c", PYTHON_CLIENT, &port]) else {
        return;
    };
    take_turns(&mut server, &mut python).await;
    python.wire.sends("are you there?\n").await;
    server.person.hears("are you there?").await;
    server.person.hangs_up();
    python.wire.receives_at_last("88\n").await;
    server.person.call_is_over(Side::Local).await;
}

#[tokio::test]
async fn a_plain_socket_answers_and_hangs_up() {
    let Some(mut python) = Tool::start("python3", &["-c", PYTHON_SERVER]) else {
        return;
    };
    let mut client = client(python.listens().await);
    // Nothing is known of the peer before it has spoken, so that the first message is a line.
    client.person.says("hello");
    python.wire.receives("hello\n\n").await;
    python.wire.sends("你好\n").await;
    client.person.hears("你好").await;
    client.person.says("how are you?");
    python.wire.receives("how are you?\n").await;
    python.wire.sends("88\n").await;
    client.person.call_is_over(Side::Remote).await;
    assert_eq!(client.exit_code().await, 0);
}

#[tokio::test]
async fn a_plain_socket_answers_and_is_hung_up_on() {
    let Some(mut python) = Tool::start("python3", &["-c", PYTHON_SERVER]) else {
        return;
    };
    let mut client = client(python.listens().await);
    client.person.says("hello");
    python.wire.receives("hello\n\n").await;
    python.wire.sends("你好\n").await;
    client.person.hears("你好").await;
    client.person.hangs_up();
    python.wire.receives_at_last("88\n").await;
    client.person.call_is_over(Side::Local).await;
    assert_eq!(client.exit_code().await, 0);
}
