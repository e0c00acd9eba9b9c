//! The program as a process in a pipe, with a plain socket at the other end.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use chat_testkit::process::{Ended, Process, command};
use chat_testkit::wire::Wire;
use chat_testkit::{a_port, home, soon};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// The program, in the build of this test.
const CHAT_CLIENT: &str = env!("CARGO_BIN_EXE_chat-client");

/// The program in a call, and the socket at the other end.
struct Call {
    process: Process,
    peer: Wire,
    _home: TempDir,
}

impl Call {
    async fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, Stdio::piped()).await
    }

    async fn start_with(arguments: &[&str], stdin: Stdio) -> Self {
        let (listener, address) = a_port().await;
        let (address, home) = (address.to_string(), home());
        let arguments = [&["--plain", address.as_str()], arguments].concat();
        let mut command = command(Path::new(CHAT_CLIENT), home.path(), &arguments);
        let process = Process::spawn(command.stdin(stdin)).expect("the program starts");
        let peer = Wire::from(&listener).await;
        Self {
            process,
            peer,
            _home: home,
        }
    }

    async fn types(&mut self, text: &str) {
        self.process.types(text).await;
    }

    fn input_ends(&mut self) {
        drop(self.process.stdin.take());
    }

    /// The peer is gone, and so is the program soon.
    async fn ends(mut self) -> Ended {
        drop(self.peer);
        drop(self.process.stdin.take());
        self.process.ends().await
    }
}

/// Far more than all buffers hold.
fn large_text() -> String {
    let line = |number| format!("{number}: 这是一行文字, a line of a large file\n");
    (0..300_000).map(line).collect()
}

/// Runs the program without a call.
async fn run(arguments: &[&str]) -> Ended {
    Process::start_anew(Path::new(CHAT_CLIENT), arguments)
        .ends()
        .await
}

#[tokio::test]
async fn stdout_carries_the_peer_and_nothing_else() {
    let mut call = Call::start(&[]).await;
    call.types("你好\n").await;
    call.peer.receives("你好\n").await;
    call.peer.sends("one\r\ntwo\n88\n").await;
    let ended = call.ends().await;
    assert_eq!(ended.stdout, "one\ntwo\n");
    assert!(ended.stderr.contains("NOT ENCRYPTED"), "{ended:?}");
    assert!(ended.stderr.contains("other side hung up"), "{ended:?}");
    assert_eq!(ended.code, Some(0));
}

#[tokio::test]
async fn the_end_of_input_is_not_the_end_of_the_call() {
    let mut call = Call::start(&[]).await;
    call.types("last words").await;
    call.input_ends();
    call.peer.receives_at_last("last words\n").await;
    call.peer.sends("still here\n").await;
    let ended = call.ends().await;
    assert_eq!(ended.stdout, "still here\n");
    assert_eq!(ended.code, Some(0));
}

#[tokio::test]
async fn the_peer_may_end_first() {
    let mut call = Call::start(&[]).await;
    call.peer.sends("last words").await;
    call.peer.shuts_down().await;
    call.types("still here\n").await;
    call.peer.receives("still here\n").await;
    call.input_ends();
    call.peer.receives_at_last("").await;
    let ended = call.ends().await;
    assert_eq!(ended.stdout, "last words\n");
    assert_eq!(ended.code, Some(0));
}

#[tokio::test]
async fn a_piped_88_hangs_up() {
    let mut call = Call::start(&[]).await;
    call.types("one\n88\n").await;
    call.peer.receives_at_last("one\n88").await;
    let ended = call.ends().await;
    assert!(ended.stderr.contains("You hung up"), "{ended:?}");
    assert!(!ended.stderr.contains("not sent"), "{ended:?}");
    assert_eq!(ended.code, Some(0));
}

#[tokio::test]
async fn what_follows_a_piped_88_is_not_dropped_in_silence() {
    let mut call = Call::start(&[]).await;
    call.types("87\n88\n89\n").await;
    call.peer.receives_at_last("87\n88").await;
    let ended = call.ends().await;
    let told = "what follows it was not sent in this call. With --literal, 88 is text.";
    assert!(ended.stderr.contains(told), "{ended:?}");
    assert_eq!(ended.code, Some(1));
}

#[tokio::test]
async fn what_is_left_when_the_other_side_hangs_up_is_not_dropped_in_silence() {
    let mut call = Call::start(&[]).await;
    call.types("one\n").await;
    call.peer.receives("one\n").await;
    // The program does not read while it writes what nobody takes.
    let _typed = call.process.types_at_last(large_text());
    call.peer.sends("88\n").await;
    let ended = call.ends().await;
    let lines = ended.stderr.matches("before all of the input was sent");
    assert_eq!((lines.count(), ended.code), (1, Some(1)), "{ended:?}");
}

#[tokio::test]
async fn input_that_is_no_text_is_told_once() {
    let mut call = Call::start(&["--send-only"]).await;
    let stdin = call.process.stdin.as_mut().expect("it is open");
    soon(stdin.write_all(b"one\n\xff\n\xfe\n"))
        .await
        .expect("it reads");
    call.input_ends();
    call.peer
        .receives_at_last("one\n\u{fffd}\n\u{fffd}\n88")
        .await;
    let ended = call.ends().await;
    let told = ended.stderr.matches("is not UTF-8").count();
    assert_eq!((told, ended.code), (1, Some(1)), "{ended:?}");
}

#[tokio::test]
async fn an_88_is_text_for_who_only_sends() {
    let mut call = Call::start(&["--send-only"]).await;
    call.types("87\n88\n89\n").await;
    call.input_ends();
    call.peer.receives_at_last("87\n88\n89\n88").await;
    assert_eq!(call.ends().await.code, Some(0));
}

#[tokio::test]
async fn send_only_hangs_up_at_the_end_of_input() {
    let mut call = Call::start(&["--send-only"]).await;
    call.types("one\ntwo\n").await;
    call.input_ends();
    call.peer.receives_at_last("one\ntwo\n88").await;
    assert_eq!(call.ends().await.code, Some(0));
}

#[tokio::test]
async fn a_large_file_arrives_whole() {
    let text = large_text();
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("room on the disk");
    std::io::Seek::rewind(&mut file).expect("a file");
    let mut call = Call::start_with(&["--send-only"], file.into()).await;
    let mut received = Vec::with_capacity(text.len());
    let read = soon(call.peer.read.read_to_end(&mut received)).await;
    read.expect("an end in good order");
    let wanted = text + "88";
    assert!(
        received == wanted.as_bytes(),
        "{} bytes came",
        received.len()
    );
    assert_eq!(call.ends().await.code, Some(0));
}

#[tokio::test]
async fn what_the_peer_pours_out_arrives_whole() {
    let call = Call::start_with(&[], Stdio::null()).await;
    let Call {
        process, mut peer, ..
    } = call;
    let text = large_text();
    let poured = async {
        peer.sends(&text).await;
        drop(peer);
    };
    let (ended, ()) = tokio::join!(process.ends(), poured);
    assert!(ended.stdout == text, "{} bytes came", ended.stdout.len());
    assert_eq!(ended.code, Some(0));
}

#[tokio::test]
async fn a_closed_stdout_ends_quietly() {
    let mut call = Call::start(&[]).await;
    drop(call.process.stdout.take());
    // A program that another test is just starting may have the pipe open still, for an instant.
    loop {
        call.peer.sends("nobody reads this\n").await;
        let hung_up = call.peer.receives_at_last("88");
        if timeout(Duration::from_secs(1), hung_up).await.is_ok() {
            break;
        }
    }
    let ended = call.ends().await;
    assert!(!ended.stderr.contains("failed"), "{ended:?}");
    assert!(!ended.stderr.contains("panic"), "{ended:?}");
    assert_eq!(ended.code, Some(0));
}

#[tokio::test]
async fn a_lost_connection_is_told_from_a_hang_up() {
    let mut call = Call::start(&[]).await;
    call.types("hello\n").await;
    call.peer.receives("hello\n").await;
    let Call { process, peer, .. } = call;
    peer.resets();
    let ended = process.ends().await;
    assert!(ended.stderr.contains("Connection lost"), "{ended:?}");
    assert_eq!(ended.code, Some(1));
}

#[tokio::test]
async fn signals_hang_up_politely() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut call = Call::start(&[]).await;
        call.types("so\n").await;
        call.peer.receives("so\n").await;
        call.process.signal(signal).await;
        call.peer.receives_at_last("88").await;
        assert_eq!(call.ends().await.code, Some(code));
    }
}

#[tokio::test]
async fn a_signal_ends_a_call_that_nobody_listens_to() {
    let mut call = Call::start(&[]).await;
    // Nobody reads stdout, so that in the end the program takes no more.
    let line = "a line that nobody reads\n".repeat(1000);
    while let Ok(sent) = timeout(
        Duration::from_millis(300),
        call.peer.write.write_all(line.as_bytes()),
    )
    .await
    {
        sent.expect("the program runs");
    }
    call.process.signal("TERM").await;
    let Call { process, peer, .. } = call;
    assert_eq!(process.exit_code().await, Some(143));
    drop(peer);
}

#[tokio::test]
async fn who_hears_busy_is_told_in_a_line() {
    let mut call = Call::start_with(&[], Stdio::null()).await;
    call.peer.sends("busy: try again later\n").await;
    let ended = call.ends().await;
    assert_eq!(ended.stdout, "busy: try again later\n");
    assert_eq!(ended.code, Some(0));
}

#[tokio::test]
async fn nobody_answers() {
    let (listener, address) = a_port().await;
    let address = address.to_string();
    drop(listener);
    let ended = run(&["--plain", &address]).await;
    let line = ended.one_line();
    assert!(line.contains(&address), "{line}");
    assert!(line.contains("is chat-server running there?"), "{line}");
    assert_eq!(ended.code, Some(1));
}

#[tokio::test]
async fn a_log_file_needs_no_other_option_and_no_call() {
    let (listener, address) = a_port().await;
    let address = address.to_string();
    drop(listener);
    let home = home();
    // The second is the name that it had before.
    for option in ["--debug-log", "--log-file"] {
        let path = home.path().join(option);
        let log = path.to_str().expect("UTF-8");
        let arguments = ["--plain", &address, option, log];
        let ended = Process::start(Path::new(CHAT_CLIENT), home.path(), &arguments)
            .ends()
            .await;
        ended.one_line();
        let log = std::fs::read_to_string(&path).expect("it was written");
        assert!(log.contains("INFO"), "{log}");
        assert!(log.contains("chat-client starts"), "{log}");
    }
}

#[tokio::test]
async fn nobody_has_that_name() {
    let ended = run(&["--plain", "nobody.invalid"]).await;
    let line = ended.one_line();
    assert!(line.contains("cannot find nobody.invalid"), "{line}");
    assert_eq!(ended.code, Some(1));
}

#[tokio::test]
async fn nobody_answers_in_time() {
    // Once its queue is full, a listener that accepts nobody leaves callers without an answer.
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    listener.bind(&anywhere.into()).expect("a free port");
    listener.listen(0).expect("it is bound");
    let address = listener.local_addr().expect("it is bound");
    let address = address.as_socket().expect("an IP address");
    let _queue = std::net::TcpStream::connect(address).expect("room for one");
    let address = address.to_string();
    let ended = run(&["--plain", "--connect-timeout", "100ms", &address]).await;
    assert!(ended.one_line().contains("no answer"), "{ended:?}");
    assert_eq!(ended.code, Some(1));
}

#[tokio::test]
async fn the_handshake_is_part_of_the_time_to_connect() {
    let (_listener, address) = a_port().await;
    let address = address.to_string();
    let ended = run(&["--connect-timeout", "100ms", &address]).await;
    assert!(ended.one_line().contains("within 100ms"), "{ended:?}");
    assert_eq!(ended.code, Some(1));
}

#[tokio::test]
async fn a_wrong_command_line_is_2() {
    for arguments in [
        &["--no-such-option"][..],
        &["host:port"],
        &["--connect-timeout", "soon"],
        &["--connect-timeout", "0"],
        &["--connect-timeout", "500000000000y"],
        &["one", "two"],
    ] {
        let ended = run(arguments).await;
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert_eq!(ended.stdout, "");
        assert!(ended.stderr.starts_with("error: "), "{ended:?}");
    }
    let ended = run(&["2001:db8::1", "7789"]).await;
    let told = "the port follows a colon: chat-client [2001:db8::1]:7789\n";
    assert!(ended.stderr.contains(told), "{ended:?}");
    let help = run(&["--help"]).await;
    assert_eq!(help.code, Some(0));
    assert!(help.stdout.contains("--plain"));
}

#[tokio::test]
async fn a_home_that_is_none_is_named_as_such() {
    let home = home();
    let file = home.path().join("file");
    std::fs::write(&file, "no directory").expect("a file");
    for (path, told) in [
        (file.clone(), "which is not a directory: set it to one"),
        (
            file.join("below"),
            "which cannot be made: Not a directory; set",
        ),
    ] {
        let process = Process::start(Path::new(CHAT_CLIENT), &path, &["127.0.0.1:1"]);
        let ended = process.ends().await;
        let named = format!("CHAT_HOME is {}, {told}", path.display());
        assert!(ended.one_line().contains(&named), "{ended:?}");
        assert_eq!(ended.code, Some(1));
    }
}

#[tokio::test]
async fn who_encrypts_something_else_is_not_said_not_to_encrypt() {
    let directory = home();
    let (key, certificate) = (directory.path().join("key"), directory.path().join("cert"));
    let (key, certificate) = (key.display().to_string(), certificate.display().to_string());
    let make = [
        "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x",
    ];
    let make = [&make[..], &["-keyout", &key, "-out", &certificate]].concat();
    let Some(made) = Process::tool("openssl", &make) else {
        return;
    };
    assert_eq!(made.ends().await.code, Some(0));
    let serve = ["s_server", "-accept", "127.0.0.1:0", "-alpn", "http/1.1"];
    let serve = [&serve[..], &["-key", &key, "-cert", &certificate]].concat();
    let mut server = Process::tool("openssl", &serve).expect("it is installed");
    let line = loop {
        let line = server.next_line().await;
        if line.starts_with("ACCEPT ") {
            break line;
        }
    };
    let address = line.strip_prefix("ACCEPT ").expect("an address");
    let ended = run(&[address]).await;
    assert_eq!(ended.code, Some(3));
    let told = ended.one_line();
    assert!(
        told.contains("it encrypts, but does not speak chat/1"),
        "{told}"
    );
    assert!(!told.contains("--plain"), "{told}");
}
