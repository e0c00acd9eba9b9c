//! From an accepted stream to a caller: what it speaks, who it is, whether it is welcome.

use std::io;
use std::time::Duration;

use chat_core::driver::{BoxConnection, Connected, Connection, HelloError};
use chat_core::files::FileConnection;
use chat_core::protocol::{Handshake, Peer};
use chat_core::transport::{
    ClientHello, HANDSHAKE_TIMEOUT, Keyring, PeerKind, SecureStream, Stream, TlsError,
};
use chat_core::trust::{self, Fingerprint, KnownPeer, RejectedKey, Security};
use chat_core::wire::{
    Control, Framing, HANG_UP, Hello, LineCodec, MAX_CONTROL, Refusal, RefusalCode, SessionId,
};
use chat_terminal::locale::{self, Explain};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

/// How long a caller may be silent before it counts as a plain one that waits for the other side,
/// where such are welcome. Its first byte tells what it speaks.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(3);

/// The first byte of a TLS handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Room for the first bytes, which are looked at before they are read.
const PEEK: usize = 16;

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

/// What comes over a connection, once its handshake is done.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A caller.
    Caller(Box<Caller>),
    /// A connection for a file, under this key.
    File(FileConnection, Fingerprint),
}

/// A caller whose handshake is done.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Its connection, and who it is.
    pub connected: Connected,
    /// Whether this user has dialed or verified it.
    pub is_friend: bool,
    /// Earlier keys that vouch for its key.
    pub replaced_keys: Vec<Fingerprint>,
}

impl Caller {
    /// The hello of a chat/1 caller; `None` for others.
    pub(crate) fn hello(&self) -> Option<&Hello> {
        self.connected.handshake.as_ref()?.hello.as_ref()
    }

    /// The session that a chat/1 caller begins or resumes.
    pub(crate) fn session_key(&self) -> Option<SessionKey> {
        match self.connected.peer.security {
            Security::Key { fingerprint, .. } => Some(SessionKey {
                session: self.hello()?.conversation,
                key: fingerprint,
            }),
            Security::NoKey { .. } | Security::Plaintext => None,
        }
    }
}

/// A session and the key of its peer: the id alone proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionKey {
    pub session: SessionId,
    pub key: Fingerprint,
}

/// Why a connection was rejected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RejectReason {
    /// It is not encrypted.
    #[error("it is not encrypted")]
    Plaintext,
    /// It has no key, or none that is known.
    #[error("{0} is not known")]
    Unknown(String),
    /// Its key is not welcome.
    #[error(transparent)]
    Key(#[from] RejectedKey),
    /// The handshake failed.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Its handshake was dropped in favour of newer ones.
    #[error("it was still at its handshake when too many others came")]
    Evicted,
    /// It speaks chat/1, but did not say hello.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl RejectReason {
    /// What the caller is told; `None` if the connection is closed without a word.
    fn code(&self) -> Option<RefusalCode> {
        match self {
            Self::Key(rejected) => Some(rejected.code()),
            Self::Unknown(_) => Some(RefusalCode::UnknownKey),
            Self::Hello(HelloError::Malformed) => Some(RefusalCode::BadHello),
            // Without a word the caller tries again: its hello may only have been delayed.
            _ => None,
        }
    }

    /// The notice for the person, who should know at once; the rest is for the log.
    pub(crate) fn notice(&self) -> Option<String> {
        match self {
            Self::Key(RejectedKey::Own) => Some(locale::text().refused_own_key()),
            Self::Key(RejectedKey::Changed(changed)) => {
                Some(locale::text().refused(&changed.explain()))
            }
            Self::Key(RejectedKey::File(error)) => Some(locale::text().refused(&error.explain())),
            Self::Hello(HelloError::Malformed) => Some(locale::text().refused_bad_hello()),
            _ => None,
        }
    }

    /// The notice of a caller from this address who was refused by the rules of this user, for
    /// when somebody says that they cannot get through.
    pub(crate) fn trace(&self, from: &str) -> Option<String> {
        match self {
            Self::Plaintext => Some(locale::text().refused_plaintext(from)),
            Self::Unknown(_) => Some(locale::text().refused_unknown(from)),
            Self::Tls(
                error @ (TlsError::NoKey | TlsError::NotPostQuantum | TlsError::Agent(_)),
            ) => Some(locale::text().refused_handshake(from, &error.explain())),
            _ => None,
        }
    }
}

impl Acceptor {
    /// Finds out what a connection speaks, and which key it has, without waiting for the files of
    /// this user. Callers that are not welcome whoever they are, are told why. `begun` is called
    /// once the caller has begun a handshake.
    pub(crate) async fn accept<S>(
        &self,
        stream: S,
        from: &str,
        begun: impl FnOnce(&ClientHello<BufReader<S>>) + Send,
    ) -> Result<Arrival, RejectReason>
    where
        S: Stream + 'static,
    {
        let mut stream = BufReader::with_capacity(PEEK, stream);
        let answers_plain = self.allow_plain && !self.known_only;
        // The handshake of an encrypted caller may be held up on its way. Words in plain text would
        // tell it that nothing is encrypted here, so they wait until it has given up by itself.
        let patience = match answers_plain {
            true => FIRST_BYTE_TIMEOUT,
            false => HANDSHAKE_TIMEOUT,
        };
        let first = match timeout(patience, stream.fill_buf()).await {
            Ok(bytes) => bytes?.first().copied(),
            Err(_) => None,
        };
        if first == Some(TLS_HANDSHAKE) {
            let hello = self.keyring.tls.receive_hello(stream).await?;
            begun(&hello);
            let secured = hello.accept().await?;
            let caller = match secured.peer_kind {
                PeerKind::Chat1 => accept_chat1(self.keyring.own_key, secured, from).await?,
                PeerKind::Stock => self.accept_stock(secured, from).await?,
                PeerKind::File1 => {
                    let key = secured.peer_key.ok_or(TlsError::NoKey)?;
                    let connection = FileConnection::receive(secured.stream).await?;
                    return Ok(Arrival::File(connection, key));
                }
            };
            return Ok(Arrival::Caller(Box::new(caller)));
        }
        let caller = self.plain_caller(stream, from, Security::Plaintext);
        if answers_plain {
            return Ok(Arrival::Caller(Box::new(caller)));
        }
        let advice = if self.known_only {
            locale::text().reply_no_key()
        } else {
            locale::text().reply_no_plaintext()
        };
        caller.reject_with_line(advice).await;
        Err(RejectReason::Plaintext)
    }

    /// Looks a caller up by its key among the known peers, as they are now: the handshake may have
    /// taken long. One that is not welcome is told why.
    pub(crate) async fn admit(&self, mut caller: Caller) -> Result<Caller, RejectReason> {
        let Some(SessionKey { key, .. }) = caller.session_key() else {
            return Ok(caller);
        };
        let claimed = caller.hello().and_then(Hello::chosen_name);
        let replaced = caller.replaced_keys.clone();
        match self.identify(key, claimed, &replaced).await {
            Ok(known) => {
                let peer = &mut caller.connected.peer;
                peer.security = trust::security(key, known.as_ref());
                caller.is_friend = known.as_ref().is_some_and(KnownPeer::is_friend);
                if let Some(name) = known.as_ref().and_then(KnownPeer::given_name) {
                    peer.name = Some(name.to_owned());
                }
                Ok(caller)
            }
            Err(reason) => {
                if let Some(code) = reason.code() {
                    caller.connected.connection.refuse(code).await;
                }
                Err(reason)
            }
        }
    }

    /// The owner of this key, if it is known and welcome under the name that it claims.
    async fn identify(
        &self,
        key: Fingerprint,
        claimed: Option<&str>,
        replaced: &[Fingerprint],
    ) -> Result<Option<KnownPeer>, RejectReason> {
        let known = self.keyring.known.begin_load().await;
        let known = known.map_err(RejectedKey::File)?;
        match self.keyring.check_caller(&known, key, claimed, replaced)? {
            None if self.known_only => Err(RejectReason::Unknown(key.to_string())),
            owner => Ok(owner.cloned()),
        }
    }

    async fn accept_stock<S>(
        &self,
        secured: SecureStream<S>,
        from: &str,
    ) -> Result<Caller, RejectReason>
    where
        S: Stream + 'static,
    {
        let post_quantum = secured.post_quantum;
        let caller = self.plain_caller(secured.stream, from, Security::NoKey { post_quantum });
        if self.known_only {
            caller.reject_with_line(locale::text().reply_no_key()).await;
            return Err(RejectReason::Unknown(from.to_string()));
        }
        Ok(caller)
    }

    fn plain_caller<S>(&self, stream: S, from: &str, security: Security) -> Caller
    where
        S: Stream + 'static,
    {
        let connection: BoxConnection =
            Connection::new(Box::new(stream), LineCodec::new(self.framing));
        Caller {
            connected: Connected {
                connection: match security {
                    Security::Plaintext => connection,
                    Security::NoKey { .. } | Security::Key { .. } => connection.over_tls(),
                },
                peer: Peer {
                    name: None,
                    address: from.to_owned(),
                    security,
                },
                handshake: None,
                routes: None,
            },
            is_friend: false,
            replaced_keys: Vec::new(),
        }
    }
}

async fn accept_chat1<S>(
    own_key: Fingerprint,
    secured: SecureStream<S>,
    from: &str,
) -> Result<Caller, RejectReason>
where
    S: Stream + 'static,
{
    let binding = secured.binding(own_key).ok_or(TlsError::NoKey)?;
    let (key, replaced_keys) = (binding.peer_key, secured.replaced_keys);
    // Until its call begins, a caller has only short lines to say.
    let short_lines = LineCodec::chat1().limit(MAX_CONTROL);
    let mut connection: BoxConnection = Connection::new(Box::new(secured.stream), short_lines);
    let hello = match connection.receive_hello().await {
        Ok(hello) => hello,
        Err(error) => {
            let reason = RejectReason::from(error);
            if let Some(code) = reason.code() {
                connection.refuse(code).await;
            }
            return Err(reason);
        }
    };
    Ok(Caller {
        connected: Connected {
            connection,
            peer: Peer {
                name: Some(hello.name.clone()).filter(|name| !name.is_empty()),
                address: from.to_owned(),
                security: trust::security(key, None),
            },
            handshake: Some(Handshake {
                binding: Some(binding),
                hello: Some(hello),
            }),
            routes: None,
        },
        is_friend: false,
        replaced_keys,
    })
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
    pub(crate) async fn reject_busy(self, waiting: usize) {
        let waiting = waiting as u64;
        self.reject(&Control::Busy { waiting }, locale::text().reply_busy())
            .await;
    }

    /// Tells the caller that nobody takes calls any more, and ends the connection.
    pub(crate) async fn reject_closed(self) {
        let closed = Control::Refused(RefusalCode::Closed.into());
        self.reject(&closed, locale::text().reply_closed()).await;
    }

    /// Tells the caller that its call is not wanted, and ends the connection.
    pub(crate) async fn reject_declined(self, refusal: Refusal) {
        let line = match (refusal.code, &refusal.text) {
            (RefusalCode::Unavailable, _) => locale::text().reply_busy().to_owned(),
            (_, Some(text)) => format!("{}; {text}", locale::text().reply_declined()),
            (_, None) => locale::text().reply_declined().to_owned(),
        };
        self.reject(&Control::Refused(refusal), &line).await;
    }

    /// Ends the connection with a `control` for chat/1, or a `line` for others.
    async fn reject(self, control: &Control, line: &str) {
        let Connected {
            mut connection,
            handshake,
            ..
        } = self.connected;
        if handshake.is_some() {
            connection.push_control(control);
        } else {
            connection.push_line(line);
            connection.push_hang_up();
        }
        connection.end().await;
    }

    /// Ends the connection of a caller that is not welcome as it is, with advice.
    async fn reject_with_line(self, advice: &str) {
        let mut connection = self.connected.connection;
        connection.push_line(advice);
        connection.end().await;
    }
}
