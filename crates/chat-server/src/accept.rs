//! From an accepted stream to a caller: what it speaks, who it is, whether it is welcome.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use chat_core::driver::{BoxConnection, Connection};
use chat_core::protocol::{Handshake, Peer};
use chat_core::transport::{Keyring, PeerKind, SecureStream, Stream, TlsError};
use chat_core::trust::safety_number::ChannelBinding;
use chat_core::trust::{self, ChangedKey, FileError, Fingerprint, KnownPeer, Security};
use chat_core::wire::{
    Control, Frame, Framing, HANG_UP, Hello, LineCodec, LineError, MAX_CONTROL, MAX_LINE, SessionId,
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

/// How long a caller may take to send its first byte, which tells what it speaks.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a chat/1 caller may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// The first byte of a TLS handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Room for the first bytes, which are looked at before they are read.
const PEEK: usize = 16;

// Plain-text replies for rejected callers.
const BUSY: &str = "busy: too many callers are waiting; try again later";
const CLOSED: &str = "closed: nobody takes calls here any more";
const NO_PLAINTEXT: &str = "this server answers only encrypted calls: use chat-client, \
    or openssl s_client -quiet, or start the server with --allow-plain";
const NO_KEY: &str = "this server answers only callers whose key it knows: use chat-client";

/// Accepts callers, by these rules.
pub struct Acceptor {
    /// This side's key, and the keys of others.
    pub keyring: Keyring,
    /// Answer unencrypted callers too.
    pub allow_plain: bool,
    /// Answer only keys that are known.
    pub known_only: bool,
    /// How messages are told apart with peers without chat/1.
    pub framing: Framing,
}

/// A caller whose handshake is done.
#[derive(Debug)]
pub struct Caller {
    /// The caller.
    pub peer: Peer,
    /// What carries the call.
    pub connection: BoxConnection,
    /// The key and hello of a chat/1 caller; `None` for others.
    pub peer_hello: Option<PeerHello>,
}

/// The key and hello of a chat/1 caller.
#[derive(Debug)]
pub struct PeerHello {
    /// Its key.
    pub key: Fingerprint,
    /// Its hello, and what binds it to this connection.
    pub handshake: Handshake,
}

impl PeerHello {
    /// The session that the caller begins or resumes.
    pub fn session(&self) -> Option<SessionId> {
        self.handshake
            .hello
            .as_ref()
            .map(|hello| hello.conversation)
    }

    /// The session and the caller's key.
    pub fn session_key(&self) -> Option<SessionKey> {
        Some(SessionKey {
            session: self.session()?,
            key: self.key,
        })
    }

    /// Whether the caller resumes the session.
    pub fn is_resumed(&self) -> bool {
        self.handshake
            .hello
            .as_ref()
            .is_some_and(|hello| hello.resumed)
    }
}

/// A session and the key of its peer: the id alone proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionKey {
    pub session: SessionId,
    pub key: Fingerprint,
}

/// Why a connection was rejected.
#[derive(Debug, thiserror::Error)]
pub enum RejectReason {
    /// It is not encrypted.
    #[error("it is not encrypted")]
    Plaintext,
    /// It has no key, or none that is known.
    #[error("{0} is not known")]
    Unknown(String),
    /// Its owner was known by another key.
    #[error(transparent)]
    Changed(#[from] ChangedKey),
    /// This user wants no calls from its owner.
    #[error("{0} is blocked")]
    Blocked(String),
    /// It has this user's own key.
    #[error("the caller has your own key; if that was not you, somebody may have taken it")]
    OwnKey,
    /// The handshake failed.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Its handshake was dropped in favour of newer ones.
    #[error("it was still at its handshake when too many others came")]
    Evicted,
    /// It speaks chat/1, but did not say hello.
    #[error("it did not say hello")]
    NoHello,
    /// It speaks chat/1, but what it said first was no hello.
    #[error("a caller's first words were no hello that can be read")]
    BadHello,
    /// The known peers could not be read.
    #[error(transparent)]
    KnownPeers(#[from] FileError),
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl RejectReason {
    /// What the caller is told. It must not reveal which peers are known here.
    ///
    /// `None`: nothing. A refusal is final, and what is wrong may pass: a hello that was delayed,
    /// a file that cannot be read for a moment.
    fn text_for_peer(&self) -> Option<&'static str> {
        match self {
            Self::Changed(_) => Some("your key is not the one that is known here under your name"),
            Self::Unknown(_) => Some("your key is not known here"),
            Self::Blocked(_) => Some("your key is blocked here"),
            Self::OwnKey => Some("you have the same key as the one you call"),
            Self::BadHello => Some("a hello must come first, and yours cannot be read"),
            _ => None,
        }
    }

    /// Whether the person should know at once; the rest is for the log.
    pub fn concerns_person(&self) -> bool {
        matches!(
            self,
            Self::Changed(_) | Self::OwnKey | Self::KnownPeers(_) | Self::BadHello
        )
    }
}

impl Acceptor {
    /// Finds out what a connection speaks and who is there. Callers that are not welcome are told
    /// why.
    pub async fn accept<S>(&self, stream: S, from: SocketAddr) -> Result<Caller, RejectReason>
    where
        S: Stream + 'static,
    {
        let mut stream = BufReader::with_capacity(PEEK, stream);
        // A caller that sends nothing is a plain one that waits for the other side.
        let first = match timeout(FIRST_BYTE_TIMEOUT, stream.fill_buf()).await {
            Ok(bytes) => bytes?.first().copied(),
            Err(_) => None,
        };
        if first == Some(TLS_HANDSHAKE) {
            let secured = self.keyring.tls.accept(stream).await?;
            return match secured.peer_kind {
                PeerKind::Chat1 => self.accept_chat1(secured, from).await,
                PeerKind::Stock => self.accept_stock(secured, from).await,
            };
        }
        let mut caller = self.plain_caller(stream, from, Security::Plaintext);
        if self.allow_plain && !self.known_only {
            return Ok(caller);
        }
        let advice = if self.known_only {
            NO_KEY
        } else {
            NO_PLAINTEXT
        };
        caller.connection.push_line(advice);
        caller.connection.end().await;
        Err(RejectReason::Plaintext)
    }

    async fn accept_stock<S>(
        &self,
        secured: SecureStream<S>,
        from: SocketAddr,
    ) -> Result<Caller, RejectReason>
    where
        S: Stream + 'static,
    {
        let post_quantum = secured.post_quantum;
        let mut caller = self.plain_caller(secured.stream, from, Security::NoKey { post_quantum });
        if self.known_only {
            caller.connection.push_line(NO_KEY);
            caller.connection.end().await;
            return Err(RejectReason::Unknown(from.to_string()));
        }
        Ok(caller)
    }

    fn plain_caller<S>(&self, stream: S, from: SocketAddr, security: Security) -> Caller
    where
        S: Stream + 'static,
    {
        Caller {
            peer: Peer {
                name: None,
                address: from.to_string(),
                security,
            },
            connection: Connection::new(Box::new(stream), LineCodec::new(self.framing)),
            peer_hello: None,
        }
    }

    async fn accept_chat1<S>(
        &self,
        secured: SecureStream<S>,
        from: SocketAddr,
    ) -> Result<Caller, RejectReason>
    where
        S: Stream + 'static,
    {
        let key = secured.peer_key.ok_or(TlsError::NoKey)?;
        let binding = ChannelBinding {
            exporter: secured.exporter,
            own_key: self.keyring.own_key,
            peer_key: key,
        };
        let short_lines = LineCodec::chat1().limit(MAX_CONTROL);
        let mut connection: BoxConnection = Connection::new(Box::new(secured.stream), short_lines);
        let hello = read_hello(&mut connection).await;
        connection.set_limit(MAX_LINE);
        let known = hello.and_then(|hello| Ok((self.identify(key, &hello, from)?, hello)));
        let (peer, hello) = match known {
            Ok(known) => known,
            Err(reason) => {
                if let Some(text) = reason.text_for_peer() {
                    refuse(connection, text).await;
                }
                return Err(reason);
            }
        };
        Ok(Caller {
            peer,
            connection,
            peer_hello: Some(PeerHello {
                key,
                handshake: Handshake {
                    binding: Some(binding),
                    hello: Some(hello),
                },
            }),
        })
    }

    /// Looks the caller up among the known peers.
    fn identify(
        &self,
        key: Fingerprint,
        hello: &Hello,
        from: SocketAddr,
    ) -> Result<Peer, RejectReason> {
        if key == self.keyring.own_key {
            return Err(RejectReason::OwnKey);
        }
        let list = self.keyring.known.load()?;
        let known = list.check_caller(key, hello.chosen_name())?;
        match known {
            None if self.known_only => return Err(RejectReason::Unknown(key.to_string())),
            Some(peer) if peer.is_blocked() => {
                return Err(RejectReason::Blocked(peer.name.clone()));
            }
            _ => {}
        }
        let name = known.and_then(KnownPeer::given_name).unwrap_or(&hello.name);
        Ok(Peer {
            name: Some(name.to_owned()).filter(|name| !name.is_empty()),
            address: from.to_string(),
            security: trust::security(key, known),
        })
    }
}

async fn read_hello(connection: &mut BoxConnection) -> Result<Hello, RejectReason> {
    let frame = match timeout(HELLO_TIMEOUT, connection.receive()).await {
        Ok(Ok(Some(frame))) => frame,
        Ok(Err(LineError::TooLong { .. })) => return Err(RejectReason::BadHello),
        _ => return Err(RejectReason::NoHello),
    };
    match frame {
        Frame::Control(json) => match Control::parse(&json) {
            Ok(Some(Control::Hello(hello))) => Ok(hello),
            _ => Err(RejectReason::BadHello),
        },
        // The caller has changed its mind.
        Frame::HangUp => Err(RejectReason::NoHello),
        Frame::Text(_) => Err(RejectReason::BadHello),
    }
}

/// Tells a chat/1 caller why it is refused, and ends the connection.
pub(crate) async fn refuse(mut connection: BoxConnection, reason: &str) {
    connection.push_control(&Control::Refused(reason.to_owned()));
    connection.end().await;
}

/// Hangs up on a peer that resumes a call which this side has ended.
pub(crate) async fn hang_up(mut connection: BoxConnection, final_ack: &[Control]) {
    for control in final_ack {
        connection.push_control(control);
    }
    connection.push_line(HANG_UP);
    connection.end().await;
}

impl Caller {
    /// Tells the caller that this side is busy, and ends the connection.
    pub async fn reject_busy(self, waiting: usize) {
        let waiting = waiting as u64;
        self.reject(&Control::Busy { waiting }, BUSY).await;
    }

    /// Tells the caller that nobody takes calls any more, and ends the connection.
    pub async fn reject_closed(self) {
        self.reject(&Control::Busy { waiting: 0 }, CLOSED).await;
    }

    /// Ends the connection with a `control` for chat/1, or a `line` for others.
    async fn reject(mut self, control: &Control, line: &str) {
        if self.peer_hello.is_some() {
            self.connection.push_control(control);
        } else {
            self.connection.push_line(line);
            self.connection.push_hang_up();
        }
        self.connection.end().await;
    }
}
