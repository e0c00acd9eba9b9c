//! A scripted person, and both programs inside the test as they are used without encryption.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use chat_client::{Connector, Trust};
use chat_core::driver::{
    CallConfig, CallDriver, Command, Connection, Input, RESUME_WINDOW, Sink, Source,
};
use chat_core::files::FileConfig;
use chat_core::protocol::{Ended, Event, Plain, Side};
use chat_core::transport::tcp::TcpDialer;
use chat_core::transport::{HostPort, Keyring, Listen, Stream};
use chat_core::trust::KnownPeers;
use chat_core::wire::{Framing, LineCodec};
use chat_terminal::locale;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::network::{NOWHERE, Network};
use crate::{NEVER, a_port, home, soon};

/// What a program tells a peer that cannot take its file.
pub const REGRET: &str = "(no file for you)";

fn files() -> FileConfig {
    FileConfig {
        regret: Some(REGRET.to_owned()),
        ..FileConfig::none()
    }
}

/// How a server is set up.
pub fn server_config() -> chat_server::Config {
    chat_server::Config {
        name: "server".into(),
        backlog: 5,
        ring: false,
        answer: None,
        on_call: None,
        once: false,
        give_up_after: RESUME_WINDOW,
        call_config: CallConfig::default(),
        files: files(),
        files_from_anyone: false,
        interactive: true,
        recorder: None,
        relay: None,
    }
}

/// How a client is set up.
pub fn client_config() -> chat_client::Config {
    chat_client::Config {
        name: "client".into(),
        call_config: CallConfig::default(),
        files: files(),
        send_files: Vec::new(),
        redial_for: Some(RESUME_WINDOW),
        recorder: None,
        when_there: None,
    }
}

/// A program with a scripted person.
pub struct Program {
    /// Where the server listens, or whom the client calls.
    pub address: SocketAddr,
    /// Who uses it.
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

    /// Waits until the program has ended by itself. Returns its exit code.
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
    let (listener, address) = a_port().await;
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
        let home = home();
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
    let target = HostPort {
        host: address.ip().to_string(),
        port: address.port(),
    };
    let mut config = client_config();
    set_up(&mut config);
    let (person, mut script, mut screen) = Person::new();
    let (signal, signaled) = oneshot::channel();
    let task = tokio::spawn(async move {
        let home = home();
        let connector = Connector {
            dialer: TcpDialer::new(target, NEVER),
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
    S: Stream,
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
    /// How many lines and events were seen; each keeps its number.
    count: usize,
    lines: VecDeque<(usize, String)>,
    events: VecDeque<(usize, Event)>,
    /// Whether finding something forgets what came before it.
    forgets: bool,
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
    /// A person who may ask for things in any order; messages and events are apart.
    pub fn new() -> (Self, Script, Screen) {
        let (script, inputs) = mpsc::unbounded_channel();
        let (events, seen) = mpsc::unbounded_channel();
        let (looking, looks) = watch::channel(true);
        let person = Self {
            script,
            seen,
            looking,
            count: 0,
            lines: VecDeque::new(),
            events: VecDeque::new(),
            forgets: false,
        };
        let screen = Screen {
            seen: events,
            looking: looks,
        };
        (person, Script(inputs), screen)
    }

    /// A person who takes things in order: finding something forgets what came before it.
    pub fn forgetful() -> (Self, Script, Screen) {
        let (person, script, screen) = Self::new();
        let person = Self {
            forgets: true,
            ..person
        };
        (person, script, screen)
    }

    /// Does something, now.
    pub fn does(&self, input: Input) {
        // A person may do something although the call is over.
        let _ = self.script.send(Ok(input));
    }

    /// Says a message, or several lines of them.
    pub fn says(&self, text: &str) {
        self.does(Input::Lines(text.into()));
    }

    /// Hangs up.
    pub fn hangs_up(&self) {
        self.does(Input::HangUp);
    }

    /// Gives a command.
    pub fn commands(&self, command: Command) {
        self.does(Input::Command(command));
    }

    /// The end of the person's input.
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

    /// Ends [`looks_away`](Self::looks_away).
    pub fn looks_back(&self) {
        self.looking.send_replace(true);
    }

    /// Waits for more to look at. Fails if the program ends instead.
    async fn look(&mut self) {
        assert!(self.looks_on().await, "the program runs");
    }

    /// The same; returns false once the program has ended.
    async fn looks_on(&mut self) -> bool {
        match soon(self.seen.recv()).await {
            Some(Event::Lines(lines)) => lines.lines().for_each(|line| self.sees_line(line)),
            Some(Event::Message(text)) => self.sees_line(&text),
            Some(event) => {
                self.count += 1;
                self.events.push_back((self.count, event));
            }
            None => return false,
        }
        true
    }

    fn sees_line(&mut self, line: &str) {
        self.count += 1;
        self.lines.push_back((self.count, line.to_owned()));
    }

    fn has_found(&mut self, number: usize) {
        if self.forgets {
            self.lines.retain(|(line, _)| *line > number);
            self.events.retain(|(event, _)| *event > number);
        }
    }

    /// The next message of the peer.
    pub async fn next_line(&mut self) -> String {
        loop {
            if let Some((number, line)) = self.lines.pop_front() {
                self.has_found(number);
                return line;
            }
            let over = self
                .events
                .iter()
                .find(|(_, e)| matches!(e, Event::Ended(_)));
            assert!(
                self.forgets || over.is_none(),
                "nothing was said before {over:?}"
            );
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
            if let Some((at, seen)) = found.find_map(|(at, (_, event))| Some((at, what(event)?))) {
                if let Some((number, _)) = self.events.remove(at) {
                    self.has_found(number);
                }
                return seen;
            }
            self.look().await;
        }
    }

    /// Waits for a call, and returns with whom.
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

    /// Waits for anything to read, besides messages, that contains `words`.
    pub async fn reads(&mut self, words: &str) -> String {
        self.sees(|event| {
            locale::text()
                .describe(event)
                .filter(|text| text.contains(words))
        })
        .await
    }

    /// Waits for the safety number, and returns its digits.
    pub async fn sees_safety_number(&mut self) -> String {
        self.sees(|event| match event {
            Event::SafetyNumber { digits, .. } => Some(digits.clone()),
            _ => None,
        })
        .await
    }

    /// Waits for the end of the call, and returns why.
    pub async fn reads_the_end(&mut self) -> String {
        self.sees(|event| match event {
            Event::Ended(_) => locale::text().describe(event),
            _ => None,
        })
        .await
    }

    /// All there is to read up to these words.
    pub async fn reads_until(&mut self, words: &str) -> Vec<String> {
        let mut read: Vec<String> = Vec::new();
        while read.last().is_none_or(|last| !last.contains(words)) {
            match self.take_first() {
                Some(text) => read.extend(text),
                None => self.look().await,
            }
        }
        read
    }

    /// All that is still to be read, up to the end of the program.
    pub async fn rest(&mut self) -> Vec<String> {
        while self.looks_on().await {}
        std::iter::from_fn(|| self.take_first()).flatten().collect()
    }

    /// What came first of all that was not asked for yet, and what there is to read of it.
    fn take_first(&mut self) -> Option<Option<String>> {
        let line = self.lines.front().map(|(number, _)| *number);
        let event = self.events.front().map(|(number, _)| *number);
        if line.is_some_and(|line| event.is_none_or(|event| line < event)) {
            return self.lines.pop_front().map(|(_, line)| Some(line));
        }
        let (_, event) = self.events.pop_front()?;
        Some(locale::text().describe(&event))
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
