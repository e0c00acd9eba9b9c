//! People who call each other in the tests: a home, a key, a script, and an eye on the screen.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use chat_client::{ConnectError, Connector, Target, TcpDialer, Trust};
use chat_core::conversation::{Command, Event, Input, Manners, Peer, Sink, Source, Stream};
use chat_core::trust::{Fingerprint, Keyring, KnownPeer};
use chat_core::wire::Framing;
use chat_core::wire::Name;
use chat_server::{Listen, Reception};
use chat_terminal::locale;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Far longer than anything takes.
const NEVER: Duration = Duration::from_secs(60);

/// How many callers may wait.
pub const BACKLOG: usize = 5;

pub async fn soon<F: Future>(what: F) -> F::Output {
    timeout(NEVER, what).await.expect("it never came")
}

/// A user of the programs, at home in a directory of their own.
pub struct User {
    pub home: TempDir,
    pub name: &'static str,
}

pub fn user(name: &'static str) -> User {
    User {
        home: tempfile::tempdir().expect("a directory"),
        name,
    }
}

impl User {
    pub fn keyring(&self) -> Keyring {
        Keyring::open(self.home.path()).expect("a keyring")
    }

    pub fn key(&self) -> Fingerprint {
        self.keyring().own_key
    }

    /// What this user has learned about the owner of a key.
    pub fn knows(&self, key: Fingerprint) -> Option<KnownPeer> {
        let known = self.keyring().known.load().expect("known peers");
        known.by_key(key).cloned()
    }

    /// This user's way to `address`.
    pub fn way_to(&self, address: SocketAddr) -> Connector<TcpDialer> {
        let target = Target {
            host: address.ip().to_string(),
            port: address.port(),
        };
        Connector {
            address: target.to_string(),
            dialer: TcpDialer {
                target,
                limit: NEVER,
            },
            trust: Trust::Encrypted {
                keyring: self.keyring(),
                only: None,
            },
            framing: Framing::Auto,
        }
    }

    /// The same, for this key or nobody.
    pub fn way_to_only(&self, key: Fingerprint, address: SocketAddr) -> Connector<TcpDialer> {
        Connector {
            trust: Trust::Encrypted {
                keyring: self.keyring(),
                only: Some(key),
            },
            ..self.way_to(address)
        }
    }

    /// The same, without encryption.
    pub fn plain_way_to(&self, address: SocketAddr) -> Connector<TcpDialer> {
        Connector {
            trust: Trust::Plain(self.keyring().known),
            ..self.way_to(address)
        }
    }

    /// Calls `address`.
    pub fn calls(&self, address: SocketAddr) -> Client {
        self.calls_over(self.way_to(address))
    }

    pub fn calls_over(&self, connector: Connector<TcpDialer>) -> Client {
        self.calls_as(self.name.into(), connector)
    }

    /// Calls under the name of the account.
    pub fn calls_unnamed(&self, address: SocketAddr) -> Client {
        self.calls_as(Name::of_account(self.name.into()), self.way_to(address))
    }

    fn calls_as(&self, name: Name, connector: Connector<TcpDialer>) -> Client {
        let (person, mut script, mut screen) = Person::new();
        let config = chat_client::Config {
            name,
            manners: Manners::default(),
            redial: true,
        };
        let task = tokio::spawn(async move {
            chat_client::run(connector, config, &mut script, &mut screen, pending()).await
        });
        Client { person, task }
    }

    /// How this user receives callers: encrypted ones, with any key or none.
    pub fn reception(&self) -> Reception {
        Reception {
            keyring: self.keyring(),
            allow_plain: false,
            known_only: false,
            framing: Framing::Auto,
        }
    }

    /// Answers calls, over TCP.
    pub async fn answers(&self) -> Server {
        self.answers_with(|_| {}).await
    }

    /// The same, with a reception that is set up differently.
    pub async fn answers_with(&self, set_up: impl FnOnce(&mut Reception)) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut reception = self.reception();
        set_up(&mut reception);
        self.answers_on(listener, address, reception)
    }

    pub fn answers_on<L: Listen + 'static>(
        &self,
        listener: L,
        address: SocketAddr,
        reception: Reception,
    ) -> Server {
        let (person, mut script, mut screen) = Person::new();
        let config = chat_server::Config {
            name: self.name.into(),
            backlog: BACKLOG,
            once: false,
            manners: Manners::default(),
            interactive: true,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let shutdown = async {
                drop(stopped.await);
                0
            };
            let run = chat_server::run(
                listener,
                reception,
                config,
                &mut script,
                &mut screen,
                shutdown,
            );
            run.await.expect("the person's side works")
        });
        Server {
            address,
            person,
            stop,
            task,
        }
    }
}

/// A client that runs.
pub struct Client {
    pub person: Person,
    task: JoinHandle<Result<u8, ConnectError>>,
}

impl Client {
    /// Ends by itself; answers the exit code, and how the call ended.
    pub async fn ends(mut self) -> (u8, String) {
        let ended = self.person.call_ends().await;
        let code = soon(self.task).await.expect("no panic").expect("a call");
        (code, ended)
    }

    /// Hangs up, and ends.
    pub async fn hangs_up(self) {
        self.person.does(Input::HangUp);
        let (code, _) = self.ends().await;
        assert_eq!(code, 0);
    }

    /// Does not get through. Nothing was shown as said by the peer.
    pub async fn fails(mut self) -> ConnectError {
        let error = soon(self.task).await.expect("no panic");
        self.person.saw_nothing().await;
        error.expect_err("no call")
    }
}

/// A server that runs. It ends when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub person: Person,
    stop: oneshot::Sender<()>,
    task: JoinHandle<u8>,
}

impl Server {
    /// Ends in good order; answers the exit code, and all that was shown and not yet looked at.
    pub async fn stops(mut self) -> Vec<String> {
        drop(self.stop);
        soon(self.task).await.expect("no panic");
        self.person.rest().await
    }
}

/// The test's hold on a scripted person.
pub struct Person {
    script: mpsc::UnboundedSender<Input>,
    seen: mpsc::UnboundedReceiver<Event>,
}

/// What a scripted person does.
pub struct Script(mpsc::UnboundedReceiver<Input>);

/// Where a scripted person looks.
pub struct Screen(mpsc::UnboundedSender<Event>);

impl Source for Script {
    async fn next(&mut self) -> io::Result<Input> {
        match self.0.recv().await {
            Some(input) => Ok(input),
            None => pending().await,
        }
    }
}

impl Sink for Screen {
    fn show(&mut self, event: Event) {
        // The test may have seen enough.
        drop(self.0.send(event));
    }

    async fn flushed(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the peer says is shown with this before it.
const SAID: &str = "> ";

/// What a person reads of an event, if anything.
fn read(event: &Event) -> Vec<String> {
    match event {
        Event::Lines(lines) => lines.lines().map(|line| format!("{SAID}{line}")).collect(),
        Event::Message(text) => vec![format!("{SAID}{text}")],
        event => locale::describe(event).into_iter().collect(),
    }
}

impl Person {
    fn new() -> (Self, Script, Screen) {
        let (script, inputs) = mpsc::unbounded_channel();
        let (screen, seen) = mpsc::unbounded_channel();
        (Self { script, seen }, Script(inputs), Screen(screen))
    }

    pub fn does(&self, input: Input) {
        // A person may do something although the program has ended.
        drop(self.script.send(input));
    }

    pub fn says(&self, text: &str) {
        self.does(Input::Lines(text.into()));
    }

    pub fn commands(&self, command: Command) {
        self.does(Input::Command(command));
    }

    /// Waits for an event, and forgets those before it.
    pub async fn sees<T>(&mut self, what: impl Fn(&Event) -> Option<T>) -> T {
        loop {
            let event = soon(self.seen.recv()).await.expect("the program runs");
            if let Some(seen) = what(&event) {
                return seen;
            }
        }
    }

    /// Waits for a call, and answers with whom.
    pub async fn is_called(&mut self) -> Peer {
        self.sees(|event| match event {
            Event::Call(peer) => Some(peer.clone()),
            _ => None,
        })
        .await
    }

    /// Waits for the safety number.
    pub async fn sees_safety_number(&mut self) -> String {
        self.sees(|event| match event {
            Event::SafetyNumber { .. } => locale::describe(event),
            _ => None,
        })
        .await
    }

    /// The next message of the peer is this one.
    pub async fn hears(&mut self, line: &str) {
        let heard = |event: &Event| read(event).into_iter().find(|seen| seen.starts_with(SAID));
        assert_eq!(self.sees(heard).await, format!("{SAID}{line}"));
    }

    /// Waits for something to read that holds these words.
    pub async fn is_told(&mut self, words: &str) -> String {
        let told = |event: &Event| read(event).into_iter().find(|seen| seen.contains(words));
        self.sees(told).await
    }

    /// All there is to read up to these words.
    pub async fn reads_until(&mut self, words: &str) -> Vec<String> {
        let mut seen: Vec<String> = Vec::new();
        while seen.last().is_none_or(|last| !last.contains(words)) {
            let event = soon(self.seen.recv()).await.expect("the program runs");
            seen.extend(read(&event));
        }
        seen
    }

    /// Waits for the end of the call, and answers why.
    pub async fn call_ends(&mut self) -> String {
        self.sees(|event| match event {
            Event::Ended(_) => locale::describe(event),
            _ => None,
        })
        .await
    }

    /// All that is still to be read, up to the end of the program.
    async fn rest(&mut self) -> Vec<String> {
        let mut rest = Vec::new();
        while let Some(event) = soon(self.seen.recv()).await {
            rest.extend(read(&event));
        }
        rest
    }

    /// The program has ended without showing anything.
    async fn saw_nothing(&mut self) {
        let rest = self.rest().await;
        assert!(rest.is_empty(), "{rest:?}");
    }
}

/// Everything that comes, up to the end of the stream.
pub async fn all_from(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    // However it ends: what came is what counts.
    drop(soon(stream.read_to_end(&mut bytes)).await);
    bytes
}

/// A server that is no program of ours: takes one call.
pub async fn a_port() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

pub async fn take_one(listener: &TcpListener) -> TcpStream {
    soon(listener.accept()).await.expect("a caller").0
}

/// A network inside the test, where a paused clock holds: a stream, and where it comes from.
pub struct Network<S>(mpsc::UnboundedReceiver<(S, SocketAddr)>);

impl<S> Network<S> {
    pub fn new() -> (Self, mpsc::UnboundedSender<(S, SocketAddr)>) {
        let (callers, calls) = mpsc::unbounded_channel();
        (Self(calls), callers)
    }
}

impl<S: Stream + 'static> Listen for Network<S> {
    type Stream = S;

    async fn accept(&mut self) -> io::Result<(S, SocketAddr)> {
        match self.0.recv().await {
            Some(call) => Ok(call),
            None => pending().await,
        }
    }
}
