//! People with a home and a key, who call each other encrypted inside the test.

use std::future::pending;
use std::net::SocketAddr;
use std::path::PathBuf;

use chat_client::{Connector, Search, Trust, Wanted, Ways};
use chat_core::driver::{CallConfig, Input, RESUME_WINDOW};
use chat_core::files::{FileConfig, Policy, Store};
use chat_core::transport::tcp::TcpDialer;
use chat_core::transport::{ConnectError, Dial, HostPort, Keyring, Listen};
use chat_core::trust::{Fingerprint, KnownPeer};
use chat_core::wire::{Framing, Name};
use chat_server::Acceptor;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::scripted::Person;
use crate::{NEVER, a_port, home, soon};

/// How many callers may wait.
pub const BACKLOG: usize = 5;

/// A user of the programs, at home in a directory of their own.
pub struct User {
    /// Where the key and the known peers are.
    pub home: TempDir,
    /// What the other side is told.
    pub name: &'static str,
}

/// A user without a key or known peers yet.
pub fn user(name: &'static str) -> User {
    User { home: home(), name }
}

impl User {
    /// The keyring in the home; the key is made if there is none.
    pub fn keyring(&self) -> Keyring {
        Keyring::open(self.home.path()).expect("a keyring")
    }

    /// Where files go that this user takes.
    pub fn downloads(&self) -> PathBuf {
        self.home.path().join("downloads")
    }

    fn files(&self) -> FileConfig {
        FileConfig {
            downloads: self.downloads(),
            policy: Policy::Ask,
            store: Some(Store::open(self.home.path()).expect("a directory of ours")),
            regret: None,
        }
    }

    /// The fingerprint of the user's own key.
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
        let target = HostPort {
            host: address.ip().to_string(),
            port: address.port(),
        };
        Connector {
            dialer: TcpDialer::new(target, NEVER),
            trust: Trust::Encrypted {
                keyring: self.keyring(),
                wanted: Wanted::Address,
            },
            framing: Framing::Auto,
        }
    }

    /// The same, for this key or nobody.
    pub fn way_to_only(&self, key: Fingerprint, address: SocketAddr) -> Connector<TcpDialer> {
        Connector {
            trust: Trust::Encrypted {
                keyring: self.keyring(),
                wanted: Wanted::Key(key),
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

    /// Calls whom the connector reaches, or the ways lead to.
    pub fn calls_over<D: Dial + Clone + 'static>(&self, ways: impl Into<Ways<D>>) -> Client {
        self.calls_with(ways, |_| {})
    }

    /// The same, with a program that is set up differently.
    pub fn calls_with<D: Dial + Clone + 'static>(
        &self,
        ways: impl Into<Ways<D>>,
        set_up: impl FnOnce(&mut chat_client::Config),
    ) -> Client {
        self.calls_as(self.name.into(), ways, set_up)
    }

    /// All ways to a known peer, by its name.
    pub fn ways_to_known(
        &self,
        name: &str,
        key: Fingerprint,
        addresses: &[SocketAddr],
        search: Option<Search<TcpDialer>>,
    ) -> Ways<TcpDialer> {
        let connectors = addresses
            .iter()
            .map(|address| self.way_to_known(key, *address));
        let trust = Trust::Encrypted {
            keyring: self.keyring(),
            wanted: Wanted::Known(key),
        };
        Ways::to_known(name.to_owned(), trust, NEVER, connectors.collect(), search)
    }

    /// One of them.
    pub fn way_to_known(&self, key: Fingerprint, address: SocketAddr) -> Connector<TcpDialer> {
        Connector {
            trust: Trust::Encrypted {
                keyring: self.keyring(),
                wanted: Wanted::Known(key),
            },
            ..self.way_to(address)
        }
    }

    /// Calls under the name of the account.
    pub fn calls_unnamed(&self, address: SocketAddr) -> Client {
        let name = Name::of_account(self.name.into());
        self.calls_as(name, self.way_to(address), |_| {})
    }

    fn calls_as<D: Dial + Clone + 'static>(
        &self,
        name: Name,
        ways: impl Into<Ways<D>>,
        set_up: impl FnOnce(&mut chat_client::Config),
    ) -> Client {
        let ways = ways.into();
        let (person, mut script, mut screen) = Person::forgetful();
        let mut config = chat_client::Config {
            name,
            call_config: CallConfig::default(),
            files: self.files(),
            send_files: Vec::new(),
            redial_for: Some(RESUME_WINDOW),
            recorder: None,
            when_there: None,
        };
        set_up(&mut config);
        let task = tokio::spawn(async move {
            chat_client::run(ways, config, &mut script, &mut screen, pending()).await
        });
        Client { person, task }
    }

    /// How this user receives callers: encrypted ones, with any key or none.
    pub fn reception(&self) -> Acceptor {
        Acceptor {
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
    pub async fn answers_with(&self, set_up: impl FnOnce(&mut Acceptor)) -> Server {
        let (listener, address) = a_port().await;
        let mut reception = self.reception();
        set_up(&mut reception);
        self.answers_on(listener, address, reception)
    }

    /// Answers calls over TCP; strangers ring.
    pub async fn answers_when_asked(&self) -> Server {
        let (listener, address) = a_port().await;
        self.answers_as(listener, address, self.reception(), |config| {
            config.ring = true
        })
    }

    /// The same, on any listener.
    pub fn answers_on<L: Listen + 'static>(
        &self,
        listener: L,
        address: SocketAddr,
        reception: Acceptor,
    ) -> Server {
        self.answers_as(listener, address, reception, |_| {})
    }

    /// The same, with a program that is set up differently.
    pub fn answers_as<L: Listen + 'static>(
        &self,
        listener: L,
        address: SocketAddr,
        reception: Acceptor,
        set_up: impl FnOnce(&mut chat_server::Config),
    ) -> Server {
        let (person, mut script, mut screen) = Person::forgetful();
        let mut config = chat_server::Config {
            name: self.name.into(),
            backlog: BACKLOG,
            ring: false,
            answer: None,
            on_call: None,
            once: false,
            give_up_after: RESUME_WINDOW,
            call_config: CallConfig::default(),
            files: self.files(),
            files_from_anyone: false,
            interactive: true,
            recorder: None,
            relay: None,
        };
        set_up(&mut config);
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
    /// Who uses it.
    pub person: Person,
    task: JoinHandle<Result<u8, ConnectError>>,
}

impl Client {
    /// Ends by itself; returns the exit code, and how the call ended.
    pub async fn ends(mut self) -> (u8, String) {
        let ended = self.person.reads_the_end().await;
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
        let rest = self.person.rest().await;
        assert!(rest.is_empty(), "{rest:?}");
        error.expect_err("no call")
    }
}

/// A server that runs. It ends when it is dropped.
pub struct Server {
    /// Where it is called.
    pub address: SocketAddr,
    /// Who uses it.
    pub person: Person,
    stop: oneshot::Sender<()>,
    task: JoinHandle<u8>,
}

impl Server {
    /// Ends in good order; returns the exit code, and all that was shown and not yet looked at.
    pub async fn stops(mut self) -> Vec<String> {
        drop(self.stop);
        soon(self.task).await.expect("no panic");
        self.person.rest().await
    }
}

/// Everything that comes, up to the end of the stream.
pub async fn all_from(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    // However it ends: what came is what counts.
    drop(soon(stream.read_to_end(&mut bytes)).await);
    bytes
}

/// Accepts one connection.
pub async fn take_one(listener: &TcpListener) -> TcpStream {
    soon(listener.accept()).await.expect("a caller").0
}
