//! Scripted people and peers, and both programs inside the test.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chat_client::{Connector, Target, TcpDialer, Trust};
use chat_core::driver::{CallConfig, CallDriver, Command, Connection, Input, Sink, Source};
use chat_core::protocol::{Ended, Event, Plain, Side};
use chat_core::transport::Keyring;
use chat_core::trust::KnownPeers;
use chat_core::wire::{Framing, LineCodec};
use chat_server::Listen;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Far longer than anything takes: what takes longer never comes.
const NEVER: Duration = Duration::from_secs(20);

/// Fails a test that would wait for ever.
pub async fn soon<F: Future>(what: F) -> F::Output {
    timeout(NEVER, what)
        .await
        .expect("what was waited for never came")
}

/// How a server is set up.
pub fn server_config() -> chat_server::Config {
    chat_server::Config {
        name: "server".into(),
        backlog: 5,
        once: false,
        call_config: CallConfig::default(),
        interactive: true,
    }
}

/// How a client is set up.
pub fn client_config() -> chat_client::Config {
    chat_client::Config {
        name: "client".into(),
        call_config: CallConfig::default(),
        reconnect: true,
    }
}

/// A program with a scripted person.
pub struct Program {
    /// Where the server listens, or whom the client calls.
    pub address: SocketAddr,
    pub person: Person,
    signal: Option<oneshot::Sender<u8>>,
    task: JoinHandle<u8>,
}

impl Program {
    /// Has the process end with this exit code, as a signal does.
    pub fn interrupt(&mut self, code: u8) {
        let signal = self.signal.take().expect("interrupted once");
        signal.send(code).expect("the program runs");
    }

    /// Waits until the program has ended by itself. Answers its exit code.
    pub async fn exit_code(self) -> u8 {
        let Self { task, signal, .. } = self;
        let code = soon(task).await.expect("no panic");
        drop(signal);
        code
    }
}

/// A signal that may come.
async fn interrupted(signal: oneshot::Receiver<u8>) -> u8 {
    match signal.await {
        Ok(code) => code,
        Err(_) => pending().await,
    }
}

/// Starts a server on a free port of this machine.
pub async fn server() -> Program {
    server_with(server_config()).await
}

/// Starts a server on a free port of this machine.
pub async fn server_with(config: chat_server::Config) -> Program {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    serve(listener, address, config)
}

/// Starts a server on a simulated network.
pub fn server_on(network: Network, config: chat_server::Config) -> Program {
    serve(network, NOWHERE, config)
}

fn serve<L>(listener: L, address: SocketAddr, config: chat_server::Config) -> Program
where
    L: Listen + 'static,
{
    let (person, mut script, mut screen) = Person::new();
    let (signal, signaled) = oneshot::channel();
    let task = tokio::spawn(async move {
        let home = tempfile::tempdir().expect("a directory");
        let reception = chat_server::Acceptor {
            keyring: Keyring::open(home.path()).expect("a new key"),
            allow_plain: true,
            known_only: false,
            framing: Framing::Auto,
        };
        let shutdown = interrupted(signaled);
        chat_server::run(
            listener,
            reception,
            config,
            &mut script,
            &mut screen,
            shutdown,
        )
        .await
        .expect("the person's side works")
    });
    Program {
        address,
        person,
        signal: Some(signal),
        task,
    }
}

/// Starts a client that calls `address`.
pub fn client(address: SocketAddr) -> Program {
    client_with(address, |_| {})
}

/// Starts a client that calls `address`, set up differently.
pub fn client_with(address: SocketAddr, set_up: impl FnOnce(&mut chat_client::Config)) -> Program {
    let target = Target {
        host: address.ip().to_string(),
        port: address.port(),
    };
    let mut config = client_config();
    set_up(&mut config);
    let (person, mut script, mut screen) = Person::new();
    let (signal, signaled) = oneshot::channel();
    let task = tokio::spawn(async move {
        let home = tempfile::tempdir().expect("a directory");
        let connector = Connector {
            address: target.to_string(),
            dialer: TcpDialer {
                target,
                limit: NEVER,
            },
            trust: Trust::Plain(KnownPeers::open(home.path()).expect("a new directory")),
            framing: Framing::Auto,
        };
        let shutdown = interrupted(signaled);
        chat_client::run(connector, config, &mut script, &mut screen, shutdown)
            .await
            .expect("somebody answers")
    });
    Program {
        address,
        person,
        signal: Some(signal),
        task,
    }
}

/// A server and a client in a call, and each has heard the other.
pub async fn call() -> (Program, Program) {
    let mut server = server().await;
    let mut client = client(server.address);
    client.person.says("hello");
    server.person.hears("hello").await;
    server.person.says("hello yourself");
    client.person.hears("hello yourself").await;
    (server, client)
}

/// Holds a call with a plain peer over any stream, to its end.
pub async fn hold<S>(stream: S, manners: CallConfig, script: Script, screen: Screen) -> Arc<Ended>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut script, mut screen) = (script, screen);
    let link = Connection::new(stream, LineCodec::new(Framing::Auto));
    let call = CallDriver::new(Box::new(Plain::new()), manners, &mut script, &mut screen);
    call.run(link).await
}

/// The test's hold on a scripted person.
pub struct Person {
    script: mpsc::UnboundedSender<io::Result<Input>>,
    seen: mpsc::UnboundedReceiver<Event>,
    looking: watch::Sender<bool>,
    lines: VecDeque<String>,
    events: VecDeque<Event>,
}

/// What a scripted person does.
pub struct Script(mpsc::UnboundedReceiver<io::Result<Input>>);

/// What a scripted person sees.
pub struct Screen {
    seen: mpsc::UnboundedSender<Event>,
    looking: watch::Receiver<bool>,
}

impl Source for Script {
    async fn next(&mut self) -> io::Result<Input> {
        match self.0.recv().await {
            Some(input) => input,
            None => pending().await,
        }
    }
}

impl Sink for Screen {
    fn show(&mut self, event: Event) {
        // A test may have seen enough.
        let _ = self.seen.send(event);
    }

    async fn flushed(&mut self) -> io::Result<()> {
        let looks = self.looking.wait_for(|looking| *looking).await;
        looks.map_or(Err(io::ErrorKind::BrokenPipe.into()), |_| Ok(()))
    }
}

impl Person {
    pub fn new() -> (Self, Script, Screen) {
        let (script, inputs) = mpsc::unbounded_channel();
        let (events, seen) = mpsc::unbounded_channel();
        let (looking, looks) = watch::channel(true);
        let person = Self {
            script,
            seen,
            looking,
            lines: VecDeque::new(),
            events: VecDeque::new(),
        };
        let screen = Screen {
            seen: events,
            looking: looks,
        };
        (person, Script(inputs), screen)
    }

    pub fn does(&self, input: Input) {
        // A person may do something although the call is over.
        let _ = self.script.send(Ok(input));
    }

    pub fn says(&self, text: &str) {
        self.does(Input::Lines(text.into()));
    }

    pub fn hangs_up(&self) {
        self.does(Input::HangUp);
    }

    pub fn commands(&self, command: Command) {
        self.does(Input::Command(command));
    }

    pub fn has_no_more_to_say(&self) {
        self.does(Input::Eof);
    }

    /// The keyboard breaks.
    pub fn breaks(&self) {
        let _ = self.script.send(Err(io::Error::other("broken")));
    }

    /// As long as the person looks away, nothing that is shown counts as handed over.
    pub fn looks_away(&self) {
        self.looking.send_replace(false);
    }

    pub fn looks_back(&self) {
        self.looking.send_replace(true);
    }

    async fn look(&mut self) {
        match soon(self.seen.recv()).await.expect("the program runs") {
            Event::Lines(lines) => self.lines.extend(lines.lines().map(str::to_owned)),
            Event::Message(text) => self.lines.push_back(text),
            event => self.events.push_back(event),
        }
    }

    /// The next message of the peer.
    pub async fn next_line(&mut self) -> String {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return line;
            }
            let over = self.events.iter().find(|e| matches!(e, Event::Ended(_)));
            assert!(over.is_none(), "nothing was said before {over:?}");
            self.look().await;
        }
    }

    /// The peer's next message is this one.
    pub async fn hears(&mut self, line: &str) {
        assert_eq!(self.next_line().await, line);
    }

    /// Waits for an event that is no message; others before it may still be asked for.
    pub async fn sees<T>(&mut self, what: impl Fn(&Event) -> Option<T>) -> T {
        loop {
            let mut found = self.events.iter().enumerate();
            if let Some((at, seen)) = found.find_map(|(at, event)| Some((at, what(event)?))) {
                self.events.remove(at);
                return seen;
            }
            self.look().await;
        }
    }

    /// Waits for a call, and answers with whom.
    pub async fn is_called(&mut self) -> chat_core::protocol::Peer {
        self.sees(|event| match event {
            Event::Established(peer) => Some(peer.clone()),
            _ => None,
        })
        .await
    }

    /// Waits for a remark that contains `words`.
    pub async fn is_told(&mut self, words: &str) -> String {
        self.sees(|event| match event {
            Event::Notice(notice) if notice.contains(words) => Some(notice.clone()),
            _ => None,
        })
        .await
    }

    /// The call is over, and nothing was said that the test has not heard.
    pub async fn call_ends(&mut self) -> Arc<Ended> {
        let ended = self
            .sees(|event| match event {
                Event::Ended(ended) => Some(Arc::clone(ended)),
                _ => None,
            })
            .await;
        assert!(self.lines.is_empty(), "heard {:?} besides", self.lines);
        ended
    }

    /// The call ends because `side` hangs up.
    pub async fn call_is_over(&mut self, side: Side) {
        let ended = self.call_ends().await;
        assert_eq!(ended.hung_up_by(), Some(side), "{:?}", ended.reason);
    }
}

/// The other end of a connection, byte by byte.
pub struct Wire<S = TcpStream> {
    pub read: ReadHalf<S>,
    pub write: WriteHalf<S>,
}

impl Wire {
    /// Calls a server.
    pub async fn to(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.expect("a server"))
    }

    /// Answers a client.
    pub async fn from(listener: &TcpListener) -> Self {
        Self::new(soon(listener.accept()).await.expect("a caller").0)
    }

    /// Vanishes as a machine does that has forgotten the connection.
    pub fn resets(self) {
        let stream = self.read.unsplit(self.write);
        stream.set_zero_linger().expect("a TCP socket");
    }
}

impl<S: AsyncRead + AsyncWrite> Wire<S> {
    pub fn new(stream: S) -> Self {
        let (read, write) = tokio::io::split(stream);
        Self { read, write }
    }

    /// One `send`.
    pub async fn sends(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = soon(self.write.write_all(bytes.as_ref())).await;
        sent.expect("the other side reads");
    }

    /// Sends nothing more.
    pub async fn shuts_down(&mut self) {
        self.write.shutdown().await.expect("an open stream");
    }

    /// The next bytes are these.
    pub async fn receives(&mut self, wanted: impl AsRef<[u8]>) {
        let mut bytes = vec![0; wanted.as_ref().len()];
        let read = soon(self.read.read_exact(&mut bytes)).await;
        read.expect("so many bytes");
        assert_eq!(text(&bytes), text(wanted.as_ref()));
    }

    /// The bytes up to the end of the stream are these.
    pub async fn receives_at_last(&mut self, wanted: impl AsRef<[u8]>) {
        let mut bytes = Vec::new();
        let read = soon(self.read.read_to_end(&mut bytes)).await;
        read.expect("an end in good order");
        assert_eq!(text(&bytes), text(wanted.as_ref()));
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

/// A network inside the test, where a paused clock holds.
pub struct Network(mpsc::UnboundedReceiver<DuplexStream>);

/// Where callers enter a [`Network`].
pub struct Exchange(mpsc::UnboundedSender<DuplexStream>);

impl Network {
    pub fn new() -> (Self, Exchange) {
        let (callers, calls) = mpsc::unbounded_channel();
        (Self(calls), Exchange(callers))
    }
}

impl Exchange {
    /// Calls the server.
    pub fn call(&self) -> Wire<DuplexStream> {
        let (here, there) = tokio::io::duplex(64 * 1024);
        self.0.send(there).expect("a server");
        Wire::new(here)
    }
}

impl Listen for Network {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, SocketAddr)> {
        match self.0.recv().await {
            Some(stream) => Ok((stream, NOWHERE)),
            None => pending().await,
        }
    }
}
