//! The answering machine: callers leave messages with nobody, and somebody reads them later.

#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use chat_core::driver::{BoxConnection, Connection};
use chat_core::wire::{Control, Frame, Hello, LineCodec, SessionId};
use chat_testkit::network::{NOWHERE, Network};
use chat_testkit::people::{Server, User, user};
use chat_testkit::process::{self, Process, program};
use chat_testkit::terminal::{self, Size, Terminal};
use chat_testkit::wire::Wire;
use chat_testkit::{a_port, home};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

const SIZE: Size = Size(80, 24);
const TEXT: &str = "Back at two";

/// A machine that runs as a service does: without a terminal, and with nothing to read.
struct Machine {
    home: TempDir,
    address: SocketAddr,
    server: Process,
}

impl Machine {
    async fn start(options: &[&str]) -> Self {
        let home = home();
        let arguments = [&["127.0.0.1:0", "--answer", TEXT], options].concat();
        let mut command = process::command(&program("chat-server"), home.path(), &arguments);
        let mut server = Process::spawn(command.stdin(Stdio::null())).expect("it starts");
        let address = server.listens().await;
        Self {
            home,
            address,
            server,
        }
    }

    /// What nobody has read, as lines without the time.
    async fn messages(&self) -> Vec<String> {
        let text = |line: &str| line.split_once("> ").map(|(_, text)| text.to_owned());
        let mut texts = Vec::new();
        loop {
            let arguments = ["--messages"];
            let client = Process::start(&program("chat-client"), self.home.path(), &arguments);
            let printed = client.ends().await;
            assert_eq!(printed.code, Some(0), "{printed:?}");
            texts.extend(printed.stdout.lines().filter_map(text));
            // The machine may not have hung up yet.
            if !printed.stderr.contains("is on the line") {
                return texts;
            }
        }
    }

    /// Somebody at a terminal.
    fn is_called(&self, home: &TempDir, options: &[&str]) -> Terminal {
        let command = terminal::command("chat-client", home.path())
            .arg(self.address.to_string())
            .args(options);
        Terminal::start(SIZE, command)
    }

    /// Somebody says this in a pipe. Returns the exit code, and what was told.
    async fn hears(&self, home: &TempDir, text: &str) -> (Option<i32>, String) {
        let address = self.address.to_string();
        let arguments = [address.as_str(), "--name", "ann"];
        let mut client = Process::start(&program("chat-client"), home.path(), &arguments);
        drop(client.types_at_last(text.to_owned()));
        let ended = client.ends().await;
        (ended.code, ended.stderr)
    }
}

#[tokio::test]
async fn messages_outlive_the_machine_and_are_shown_when_the_person_comes() {
    let mut machine = Machine::start(&[]).await;
    let caller = home();
    let mut ann = machine.is_called(&caller, &["--name", "ann"]);
    ann.wait_for_line("a machine records what you say").await;
    ann.wait_for_line(TEXT).await;
    for text in ["one", "two", "three"] {
        ann.type_keys(&format!("{text}\r")).await;
        ann.wait_for_line(&format!("(✓) you: {text}")).await;
    }
    ann.wait_for_status("answering machine").await;
    machine.server.dies().await;

    let command =
        terminal::command("chat-server", machine.home.path()).arg(machine.address.to_string());
    let mut server = Terminal::start(SIZE, command);
    server.wait_for_line("3 messages of ann, new:").await;
    for text in ["one", "two", "three"] {
        server.wait_for_line(&format!("<ann> {text}")).await;
    }
    // Their program calls again, and somebody is there.
    ann.wait_for_line("Somebody is there now").await;
    server.type_keys("hello ann\r").await;
    ann.wait_for_line("hello ann").await;
    ann.type_keys("88\r").await;
    assert_eq!(ann.exit_code().await, 0);
    server.wait_for_line("The other side hung up.").await;
    server.type_keys("/quit\r").await;
    assert_eq!(server.exit_code().await, 0);
    assert_eq!(machine.messages().await, [""; 0]);
}

#[tokio::test]
async fn one_caller_after_the_other_leaves_messages_that_are_printed_once() {
    let machine = Machine::start(&[]).await;
    for text in ["one\n", "two\nthree\n"] {
        let (code, told) = machine.hears(&home(), text).await;
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains("a machine records what you say"), "{told}");
    }
    let texts = machine.messages().await;
    assert_eq!(texts, ["one", "two", "three"]);
    assert_eq!(machine.messages().await, [""; 0]);
    // What was read is gone.
    let journals = std::fs::read_dir(machine.home.path().join("calls")).expect("it is there");
    for journal in journals {
        let journal = std::fs::read_to_string(journal.expect("a file").path()).expect("text");
        assert!(!journal.contains("\"text\""), "{journal}");
    }
}

#[tokio::test]
async fn what_has_no_room_is_neither_recorded_nor_acknowledged() {
    let machine = Machine::start(&[]).await;
    let caller = home();
    let mut ann = machine.is_called(&caller, &[]);
    ann.wait_for_line("a machine records what you say").await;
    for n in 1..=20 {
        ann.type_keys(&format!("message {n}\r")).await;
        ann.wait_for_line(&format!("(✓) you: message {n}")).await;
    }
    ann.type_keys("too much\r").await;
    ann.wait_for_line("There is no room for more messages")
        .await;
    ann.wait_for_line("✗ you: too much").await;
    assert_eq!(ann.exit_code().await, 1);
    assert_eq!(machine.messages().await.len(), 20);
    let (code, told) = machine.hears(&home(), &"x".repeat(17 << 10)).await;
    assert_eq!(code, Some(1), "{told}");
    assert_eq!(machine.messages().await, [""; 0]);
}

#[tokio::test]
async fn a_stranger_takes_no_more_room_by_calling_again() {
    let machine = Machine::start(&[]).await;
    let caller = home();
    let lines = "x\n".repeat(20);
    assert_eq!(machine.hears(&caller, &lines).await.0, Some(0));
    let (code, told) = machine.hears(&caller, "y\n").await;
    assert_eq!(code, Some(1), "{told}");
    assert_eq!(machine.hears(&home(), "z\n").await.0, Some(0));
    assert_eq!(machine.messages().await.len(), 21);
}

#[tokio::test]
async fn a_plain_caller_hears_the_text_and_can_leave_nothing() {
    let machine = Machine::start(&["--allow-plain"]).await;
    let stream = TcpStream::connect(machine.address).await;
    let mut nc = Wire::new(stream.expect("it listens"));
    nc.sends("hello\n").await;
    nc.receives_at_last(&format!(
        "{TEXT} (Nobody is there. Only chat-client can leave messages here.)\n88"
    ))
    .await;
    drop(nc);
    assert_eq!(machine.messages().await, [""; 0]);
}

#[tokio::test]
async fn who_is_away_at_the_screen_comes_back_to_the_call() {
    let (bob, address) = (home(), a_port().await.1);
    let command = terminal::command("chat-server", bob.path()).arg(address.to_string());
    let mut server = Terminal::start(SIZE, command);
    server.wait_for_line("Waiting for a call").await;
    server.type_keys("/away lunch\r").await;
    server.wait_for_line("You are away").await;
    let ann = home();
    let command = terminal::command("chat-client", ann.path())
        .arg(address.to_string())
        .args(["--name", "ann"]);
    let mut client = Terminal::start(SIZE, command);
    client.wait_for_line("a machine records what you say").await;
    client.type_keys("call me\r").await;
    client.wait_for_line("(✓) you: call me").await;
    server.type_keys("/away\r").await;
    server.wait_for_line("<ann> call me").await;
    client.wait_for_line("Somebody is there now").await;
    server.type_keys("here I am\r").await;
    client.wait_for_line("here I am").await;
    client.type_keys("88\r").await;
    assert_eq!(client.exit_code().await, 0);
    server.type_keys("/quit\r").await;
    assert_eq!(server.exit_code().await, 0);
}

/// A server in a pipe, at this address.
async fn pipe_at(home: &TempDir, address: SocketAddr) -> Process {
    let arguments = [&address.to_string()];
    let arguments = arguments.map(String::as_str);
    let mut server = Process::start(&program("chat-server"), home.path(), &arguments);
    server.listens().await;
    server
}

fn waits(home: &TempDir, address: SocketAddr) -> Process {
    let address = address.to_string();
    let arguments = [address.as_str(), "--when-there"];
    Process::start(&program("chat-client"), home.path(), &arguments)
}

/// Two who have had a call.
async fn acquainted() -> (TempDir, TempDir, SocketAddr) {
    let (server_home, client_home, address) = (home(), home(), a_port().await.1);
    let mut server = pipe_at(&server_home, address).await;
    let arguments = [address.to_string()];
    let arguments = arguments.each_ref().map(String::as_str);
    let mut client = Process::start(&program("chat-client"), client_home.path(), &arguments);
    drop(client.types_at_last("hello\n88\n".to_owned()));
    server.prints("hello").await;
    assert_eq!(client.ends().await.code, Some(0));
    server.dies().await;
    (server_home, client_home, address)
}

#[tokio::test]
async fn what_is_said_with_nobody_there_arrives_when_there_is() {
    let (server_home, client_home, address) = acquainted().await;
    let mut client = waits(&client_home, address);
    client.tells("until somebody is there").await;
    drop(client.types_at_last("one\n88\n".to_owned()));
    let recorded = async {
        let calls = client_home.path().join("calls");
        let is_recorded = || {
            let mut files = std::fs::read_dir(&calls).ok()?;
            files.find_map(|file| {
                let text = std::fs::read_to_string(file.ok()?.path()).ok()?;
                text.contains("\"88\"").then_some(())
            })
        };
        while is_recorded().is_none() {
            tokio::task::yield_now().await;
        }
    };
    chat_testkit::soon(recorded).await;
    // Its death loses nothing, and another one needs no input.
    client.dies().await;
    let mut client = waits(&client_home, address);
    drop(client.types_at_last("two\n".to_owned()));
    client.tells("until somebody is there").await;
    let mut server = pipe_at(&server_home, address).await;
    for text in ["one", "88", "two"] {
        server.prints(text).await;
    }
    assert_eq!(client.ends().await.code, Some(0));
}

#[tokio::test]
async fn who_was_never_called_cannot_be_waited_for() {
    let home = home();
    let client = waits(&home, a_port().await.1);
    let ended = client.ends().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("--peer-key"), "{ended:?}");
}

#[tokio::test]
async fn a_person_at_a_screen_talks_before_somebody_is_there() {
    let (server_home, client_home, address) = acquainted().await;
    let command = terminal::command("chat-client", client_home.path())
        .args([&address.to_string(), "--when-there"]);
    let mut client = Terminal::start(SIZE, command);
    client.wait_for_line("until somebody is there").await;
    client.type_keys("are you there?\r").await;
    client.wait_for_line("· you: are you there?").await;
    let mut server = pipe_at(&server_home, address).await;
    server.prints("are you there?").await;
    client.wait_for_line("✓ you: are you there?").await;
    server.types("yes\n").await;
    client.wait_for_line("yes").await;
    client.type_keys("88\r").await;
    assert_eq!(client.exit_code().await, 0);
}

/// A call of ann to bob's server, over a network inside the test.
struct Caller {
    connection: BoxConnection,
    server: Server,
    _homes: [User; 2],
}

impl Caller {
    /// Calls a server with a machine, where a person may be there, too.
    async fn calls(interactive: bool) -> Self {
        let (ann, bob) = (user("ann"), user("bob"));
        let (listener, network) = Network::new();
        let server = bob.answers_as(listener, NOWHERE, bob.reception(), |config| {
            config.interactive = interactive;
            config.answer = Some(TEXT.to_owned());
        });
        let secured = ann.keyring().tls.connect(network.connect(64 * 1024)).await;
        let stream = Box::new(secured.expect("a handshake").stream);
        let mut connection: BoxConnection = Connection::new(stream, LineCodec::chat1());
        connection.push_control(&Control::Hello(Hello {
            name: "ann".into(),
            chosen: true,
            conversation: SessionId::random(),
            received: 0,
            resumed: false,
            keeps: false,
            history: false,
            answering: false,
            files: false,
            ended: false,
            commitment: None,
        }));
        Self {
            connection,
            server,
            _homes: [ann, bob],
        }
    }

    /// Waits for this, and is a good peer meanwhile; `None` is the hang-up.
    async fn hears<T>(&mut self, wanted: impl Fn(Option<Control>) -> Option<T>) -> T {
        loop {
            let Ok(frame) = timeout(5 * SECOND, self.connection.receive()).await else {
                self.connection.push_control(&Control::Ping(0));
                continue;
            };
            let frame = frame.expect("a good peer");
            let heard = match frame.expect("the call is on") {
                Frame::Control(json) => match Control::parse(&json).expect("a good peer") {
                    Some(Control::Ping(number)) => {
                        self.connection.push_control(&Control::Pong(number));
                        continue;
                    }
                    Some(control) => wanted(Some(control)),
                    None => continue,
                },
                Frame::HangUp => wanted(None),
                Frame::Text(_) => panic!("the machine says nothing"),
            };
            if let Some(heard) = heard {
                return heard;
            }
        }
    }

    /// Whether a machine answers, once somebody does.
    async fn is_answered(&mut self) -> bool {
        self.hears(|heard| match heard? {
            Control::Hello(hello) => Some(hello.answering),
            _ => None,
        })
        .await
    }

    async fn hears_the_hang_up(&mut self) {
        self.hears(|heard| heard.is_none().then_some(())).await;
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_call_rings_for_twenty_seconds_before_the_machine_takes_it() {
    let start = Instant::now();
    let mut caller = Caller::calls(true).await;
    assert!(caller.is_answered().await, "by the machine");
    assert_eq!(start.elapsed().as_secs(), 20);
    caller.server.person.reads("is calling").await;
}

#[tokio::test(start_paused = true)]
async fn the_machine_waits_a_minute_for_a_word_and_then_hangs_up() {
    let mut caller = Caller::calls(false).await;
    assert!(caller.is_answered().await, "by the machine");
    let start = Instant::now();
    let why = |heard| matches!(heard, Some(Control::Idle(60_000))).then_some(());
    caller.hears(why).await;
    caller.hears_the_hang_up().await;
    assert_eq!(start.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn the_machine_listens_for_five_minutes_and_no_longer() {
    let mut caller = Caller::calls(false).await;
    assert!(caller.is_answered().await, "by the machine");
    let start = Instant::now();
    while timeout(30 * SECOND, caller.hears_the_hang_up())
        .await
        .is_err()
    {
        caller
            .connection
            .push_control(&Control::Say("and another thing".to_owned()));
    }
    assert_eq!(start.elapsed().as_secs(), 300);
}
