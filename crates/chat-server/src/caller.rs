//! One who called: from the first byte to a connection that is ready to talk.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use chat_core::driver::{BoxConnection, Connection};
use chat_core::protocol::{Handshake, Peer};
use chat_core::transport::{Keyring, PeerKind, SecureStream, Stream, TlsError};
use chat_core::trust::safety_number::ChannelBinding;
use chat_core::trust::{self, ChangedKey, FileError, Fingerprint, Security};
use chat_core::wire::{
    Control, Frame, Framing, HANG_UP, Hello, LineCodec, LineError, MAX_CONTROL, MAX_LINE, SessionId,
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

/// How long a caller may take to say its first byte, by which it is told what it speaks.
const FIRST_BYTE: Duration = Duration::from_secs(3);

/// How long a chat/1 caller may take to say hello.
const HELLO: Duration = Duration::from_secs(10);

/// The first byte of a TLS handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Room for the first bytes, which are looked at before they are read.
const PEEK: usize = 16;

// What callers read that do not speak chat/1, and whom nobody will answer.
const BUSY: &str = "busy: too many callers are waiting; try again later";
const CLOSED: &str = "closed: nobody takes calls here any more";
const NO_PLAINTEXT: &str = "this server answers only encrypted calls: use chat-client, \
    or openssl s_client -quiet, or start the server with --allow-plain";
const NO_KEY: &str = "this server answers only callers whose key it knows: use chat-client";

/// How callers are received.
pub struct Reception {
    /// The own key, and the keys of others.
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
    /// Who it is.
    pub peer: Peer,
    /// What carries the call.
    pub link: BoxConnection,
    /// How a chat/1 caller introduced itself.
    pub introduction: Option<Introduction>,
}

/// How a chat/1 caller introduced itself.
#[derive(Debug)]
pub struct Introduction {
    /// Its key.
    pub key: Fingerprint,
    /// Its hello, and what ties it to this connection.
    pub contact: Handshake,
}

impl Introduction {
    /// The conversation that the caller begins, or wants to go on with.
    pub fn conversation(&self) -> Option<SessionId> {
        self.contact.hello.as_ref().map(|hello| hello.conversation)
    }

    /// The conversation, and whose it is.
    pub fn party(&self) -> Option<Party> {
        Some(Party {
            conversation: self.conversation()?,
            key: self.key,
        })
    }

    /// Whether the caller takes the conversation for one that has begun already.
    pub fn is_resumed(&self) -> bool {
        self.contact
            .hello
            .as_ref()
            .is_some_and(|hello| hello.resumed)
    }
}

/// A conversation, and the key that it is held under: the id alone is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    pub conversation: SessionId,
    pub key: Fingerprint,
}

/// Why no call came of a connection.
#[derive(Debug, thiserror::Error)]
pub enum NoCall {
    /// It is not encrypted.
    #[error("it is not encrypted")]
    Plaintext,
    /// It has no key, or none that is known.
    #[error("{0} is not known")]
    Unknown(String),
    /// Its owner was known by another key.
    #[error(transparent)]
    Changed(#[from] ChangedKey),
    /// The handshake failed.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Too many others came before it was done.
    #[error("it was still at its handshake when too many others came")]
    GaveWay,
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

impl NoCall {
    /// What a caller may know of it: nothing about the peers that are known here.
    fn reason_for_caller(&self) -> &'static str {
        match self {
            Self::Changed(_) => "your key is not the one that is known here under your name",
            Self::Unknown(_) => "your key is not known here",
            Self::BadHello => "a hello must come first, and yours cannot be read",
            _ => "something is wrong here",
        }
    }

    /// Whether the person should know at once; the rest is for the log.
    pub fn concerns_person(&self) -> bool {
        matches!(
            self,
            Self::Changed(_) | Self::KnownPeers(_) | Self::BadHello
        )
    }
}

impl Reception {
    /// Finds out what a connection speaks and who is there, and makes a caller of it. Whoever
    /// is not welcome is told why.
    pub async fn greet<S>(&self, stream: S, from: SocketAddr) -> Result<Caller, NoCall>
    where
        S: Stream + 'static,
    {
        let mut stream = BufReader::with_capacity(PEEK, stream);
        // A silent caller may wait to be spoken to.
        let first = match timeout(FIRST_BYTE, stream.fill_buf()).await {
            Ok(bytes) => bytes?.first().copied(),
            Err(_) => None,
        };
        if first == Some(TLS_HANDSHAKE) {
            let secured = self.keyring.tls.accept(stream).await?;
            return match secured.peer_kind {
                PeerKind::Chat1 => self.greet_chat1(secured, from).await,
                PeerKind::Stock => self.greet_stock(secured, from).await,
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
        caller.link.push_line(advice);
        caller.link.end().await;
        Err(NoCall::Plaintext)
    }

    async fn greet_stock<S>(
        &self,
        secured: SecureStream<S>,
        from: SocketAddr,
    ) -> Result<Caller, NoCall>
    where
        S: Stream + 'static,
    {
        let mut caller = self.plain_caller(secured.stream, from, Security::NoKey);
        if self.known_only {
            caller.link.push_line(NO_KEY);
            caller.link.end().await;
            return Err(NoCall::Unknown(from.to_string()));
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
            link: Connection::new(Box::new(stream), LineCodec::new(self.framing)),
            introduction: None,
        }
    }

    async fn greet_chat1<S>(
        &self,
        secured: SecureStream<S>,
        from: SocketAddr,
    ) -> Result<Caller, NoCall>
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
        let mut link: BoxConnection = Connection::new(Box::new(secured.stream), short_lines);
        let hello = hear_hello(&mut link).await;
        link.set_limit(MAX_LINE);
        let known = hello.and_then(|hello| Ok((self.recognise(key, &hello, from)?, hello)));
        let (peer, hello) = match known {
            Ok(known) => known,
            // A hello that was held up on its way may come in time on the next connection.
            Err(NoCall::NoHello) => return Err(NoCall::NoHello),
            Err(no_call) => {
                refuse(link, no_call.reason_for_caller()).await;
                return Err(no_call);
            }
        };
        Ok(Caller {
            peer,
            link,
            introduction: Some(Introduction {
                key,
                contact: Handshake {
                    binding: Some(binding),
                    hello: Some(hello),
                },
            }),
        })
    }

    /// Looks the caller up among the known peers.
    fn recognise(&self, key: Fingerprint, hello: &Hello, from: SocketAddr) -> Result<Peer, NoCall> {
        let known = self.keyring.known.load()?;
        let known = known.check_caller(key, hello.chosen_name())?;
        if known.is_none() && self.known_only {
            return Err(NoCall::Unknown(key.to_string()));
        }
        Ok(Peer {
            name: Some(known.map_or(&hello.name, |peer| &peer.name).clone())
                .filter(|name| !name.is_empty()),
            address: from.to_string(),
            security: trust::security(key, known),
        })
    }
}

async fn hear_hello(link: &mut BoxConnection) -> Result<Hello, NoCall> {
    let frame = match timeout(HELLO, link.receive()).await {
        Ok(Ok(Some(frame))) => frame,
        Ok(Err(LineError::TooLong { .. })) => return Err(NoCall::BadHello),
        _ => return Err(NoCall::NoHello),
    };
    match frame {
        Frame::Control(json) => match Control::parse(&json) {
            Ok(Some(Control::Hello(hello))) => Ok(hello),
            _ => Err(NoCall::BadHello),
        },
        // Whoever hangs up first may have thought better of it.
        Frame::HangUp => Err(NoCall::NoHello),
        Frame::Text(_) => Err(NoCall::BadHello),
    }
}

/// Tells a chat/1 caller why nobody will answer, and ends the connection.
pub async fn refuse(mut link: BoxConnection, reason: &str) {
    link.push_control(&Control::Refused(reason.to_owned()));
    link.end().await;
}

/// Hangs up on one who goes on with a call that this side has ended.
pub async fn hang_up(mut link: BoxConnection, last_words: &[Control]) {
    for control in last_words {
        link.push_control(control);
    }
    link.push_line(HANG_UP);
    link.end().await;
}

impl Caller {
    /// Tells the caller that this side is busy, and ends the connection.
    pub async fn turn_away(self, waiting: usize) {
        let waiting = waiting as u64;
        self.part(&Control::Busy { waiting }, BUSY).await;
    }

    /// Tells the caller that its turn will not come, and ends the connection.
    pub async fn send_home(self) {
        self.part(&Control::Busy { waiting: 0 }, CLOSED).await;
    }

    /// Ends the connection with a `control` for chat/1, or a `line` for others.
    async fn part(mut self, control: &Control, line: &str) {
        if self.introduction.is_some() {
            self.link.push_control(control);
        } else {
            self.link.push_line(line);
            self.link.push_hang_up();
        }
        self.link.end().await;
    }
}
