//! From a dialed stream to a trusted connection: encryption, and whose key it is.

use chat_core::driver::{BoxConnection, Connected, Connection};
use chat_core::protocol::{Handshake, Peer};
use chat_core::transport::{Dial, DialError, Keyring, PeerKind, SecureStream, TlsError};
use chat_core::trust::{
    self, ChangedKey, FileError, Fingerprint, FirstContactError, KnownPeer, KnownPeers, PeerList,
    Security,
};
use chat_core::wire::{Cookie, Framing, LineCodec};
use chat_terminal::exit;
use tokio::time::{Instant, timeout_at};

/// How far a call is to be trusted.
#[derive(Clone)]
pub enum Trust {
    /// Nothing is encrypted; only for servers whose key is not known.
    Plain(KnownPeers),
    /// Encrypted, or not at all.
    Encrypted {
        /// This side's key, and the keys of others.
        keyring: Keyring,
        /// The only key that is accepted, if there is one.
        pinned_key: Option<Fingerprint>,
    },
}

impl Trust {
    /// The keys; none in a plaintext call.
    pub fn keyring(&self) -> Option<&Keyring> {
        match self {
            Self::Plain(_) => None,
            Self::Encrypted { keyring, .. } => Some(keyring),
        }
    }
}

/// Connects to a server, and checks its key.
#[derive(Clone)]
pub struct Connector<D> {
    /// Makes the streams.
    pub dialer: D,
    /// The address as the person wrote it, with the port.
    pub address: String,
    /// How far the server is to be trusted.
    pub trust: Trust,
    /// How messages are told apart with peers without chat/1.
    pub framing: Framing,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answered.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The server does not encrypt.
    #[error(
        "{0} does not encrypt, so nothing was said; if you mean to talk without encryption: --plain"
    )]
    NotEncrypted(String),
    /// Whoever answered did not finish a handshake; it may not encrypt at all.
    #[error(
        "no encrypted connection with {address}: {reason}; nothing was said; if it does not \
         encrypt and you mean to talk like that: --plain"
    )]
    NoHandshake {
        /// Who was called.
        address: String,
        /// Why.
        reason: TlsError,
    },
    /// The handshake failed.
    #[error("no encrypted connection with {address}: {reason}; nothing was said")]
    Tls {
        /// Who was called.
        address: String,
        /// Why.
        reason: TlsError,
    },
    /// The handshake failed at an address whose key is known. Nothing is advised that would let
    /// somebody in between have his way.
    #[error(
        "no encrypted connection with {address}, where you know {name}: {reason}; nothing was \
         said; somebody may be in between, or the program there is broken: try again later, or \
         ask {name} in another way"
    )]
    NoHandshakeWithKnown {
        /// Who was called.
        address: String,
        /// The name by which it is known.
        name: String,
        /// Why.
        reason: TlsError,
    },
    /// Its owner was known by another key.
    #[error(transparent)]
    Changed(#[from] ChangedKey),
    /// This user has blocked its owner.
    #[error(
        "{address} is {name}, whom you have blocked; nothing was said; to call all the same: \
         chat-client --forget {word}", word = trust::quoted(name)
    )]
    Blocked {
        /// Who was called.
        address: String,
        /// The name by which it is known.
        name: String,
    },
    /// It has this user's own key.
    #[error(
        "{0} has your own key: you have called yourself; to try the programs on one machine, give \
         one of them another home: CHAT_HOME=/tmp/chat-2 chat-client {word}", word = trust::quoted(.0)
    )]
    OwnKey(String),
    /// Not the key that was demanded.
    #[error(
        "{address} has {}, not the key {wanted} that is demanded; nothing was said",
        found.map_or("no key".to_owned(), |key| format!("the key {key}"))
    )]
    OtherKey {
        /// Who was called.
        address: String,
        /// The key that is demanded.
        wanted: Fingerprint,
        /// The key that is there, if there is one.
        found: Option<Fingerprint>,
    },
    /// A server whose key is known showed none, or a stranger's.
    #[error(
        "{address} is known by the key {known}, but whoever answers there now does not speak \
         chat/1 with it; nothing was said"
    )]
    Downgraded {
        /// Who was called.
        address: String,
        /// The key that is known.
        known: Fingerprint,
    },
    /// A server whose key is known must not be called without encryption.
    #[error(
        "{address} is {name}, whose key is known: it is not called without encryption; leave out \
         --plain"
    )]
    KnownKey {
        /// Who was called.
        address: String,
        /// The name by which it is known.
        name: String,
    },
    /// Its safety number was withheld too often, or it cannot be known how often.
    #[error("{0}{advice}", advice = advice(.0))]
    FirstContact(FirstContactError),
    /// The known peers could not be read.
    #[error(transparent)]
    KnownPeers(#[from] FileError),
}

impl From<FirstContactError> for ConnectError {
    fn from(error: FirstContactError) -> Self {
        Self::FirstContact(error)
    }
}

/// What to do about it.
fn advice(error: &FirstContactError) -> &'static str {
    match error {
        FirstContactError::TooMany(_) => {
            ": somebody may be in between, so it is not called; if you want to all the same: \
             --try-again"
        }
        _ => "",
    }
}

impl ConnectError {
    /// Whether somebody else has the address now. Where the handshake failed, that is not
    /// known: a hotel's network answers in the server's stead, but not forever.
    pub(crate) fn is_another_peer(&self) -> bool {
        matches!(
            self,
            Self::Changed(_)
                | Self::Blocked { .. }
                | Self::OwnKey(_)
                | Self::OtherKey { .. }
                | Self::Downgraded { .. }
        )
    }

    /// The exit code of a program that ends by this.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::FirstContact(FirstContactError::TooMany(_)) => exit::REFUSED,
            Self::Dial(_) | Self::KnownPeers(_) | Self::FirstContact(_) => exit::FAILED,
            Self::Tls { reason, .. } => match reason {
                TlsError::NoKey | TlsError::NotPostQuantum => exit::REFUSED,
                _ => exit::FAILED,
            },
            Self::NoHandshake { reason, .. } | Self::NoHandshakeWithKnown { reason, .. } => {
                match reason {
                    TlsError::TimedOut(_) | TlsError::Io(_) => exit::FAILED,
                    _ => exit::REFUSED,
                }
            }
            Self::NotEncrypted(_)
            | Self::Changed(_)
            | Self::Blocked { .. }
            | Self::OwnKey(_)
            | Self::OtherKey { .. }
            | Self::Downgraded { .. }
            | Self::KnownKey { .. } => exit::REFUSED,
        }
    }
}

impl<D: Dial> Connector<D> {
    /// The same connector, but accepting only this key.
    pub(crate) fn pin(mut self, security: &Security) -> Self {
        if let (Trust::Encrypted { pinned_key, .. }, Security::Key { fingerprint, .. }) =
            (&mut self.trust, security)
        {
            *pinned_key = Some(*fingerprint);
        }
        self
    }

    /// A new connection to the server, if it can be trusted. Nothing has been sent on it yet.
    pub async fn connect(&self) -> Result<Connected, ConnectError> {
        self.connect_again(None).await
    }

    /// The same for a further connection of a call, with the cookie that the server gave for it.
    pub(crate) async fn connect_again(
        &self,
        cookie: Option<Cookie>,
    ) -> Result<Connected, ConnectError> {
        let (keyring, pinned_key) = match &self.trust {
            Trust::Encrypted {
                keyring,
                pinned_key,
            } => (keyring, *pinned_key),
            Trust::Plain(known) => return self.connect_plain(known).await,
        };
        let limit = self.dialer.limit();
        let deadline = Instant::now() + limit;
        let stream = self.dialer.dial().await?;
        tracing::info!(address = %self.address, "connected, now the handshake");
        let secured = timeout_at(deadline, keyring.tls.connect_again(stream, cookie)).await;
        let secured = secured.unwrap_or(Err(TlsError::TimedOut(limit)));
        let known = keyring.known.load()?;
        let secured = secured.map_err(|error| self.no_handshake(&known, error))?;
        if secured.peer_key == Some(keyring.own_key) {
            return Err(ConnectError::OwnKey(self.address.clone()));
        }
        self.check(&known, pinned_key, &secured)?;
        match (secured.peer_kind, secured.peer_key) {
            (PeerKind::Chat1, Some(key)) => {
                Ok(self.with_key(keyring.own_key, key, known.by_key(key), secured))
            }
            _ => {
                let connection: BoxConnection =
                    Connection::new(Box::new(secured.stream), self.codec());
                let post_quantum = secured.post_quantum;
                Ok(self.without_key(connection.over_tls(), Security::NoKey { post_quantum }))
            }
        }
    }

    fn no_handshake(&self, known: &PeerList, reason: TlsError) -> ConnectError {
        let address = self.address.clone();
        if let Some(peer) = known.by_address(&address) {
            let name = peer.name.clone();
            return ConnectError::NoHandshakeWithKnown {
                address,
                name,
                reason,
            };
        }
        match reason {
            TlsError::NotTls => ConnectError::NotEncrypted(address),
            TlsError::Closed | TlsError::TimedOut(_) | TlsError::Handshake(_) => {
                ConnectError::NoHandshake { address, reason }
            }
            _ => ConnectError::Tls { address, reason },
        }
    }

    async fn connect_plain(&self, known: &KnownPeers) -> Result<Connected, ConnectError> {
        if let Some(peer) = known.load()?.by_address(&self.address) {
            return Err(ConnectError::KnownKey {
                address: self.address.clone(),
                name: peer.name.clone(),
            });
        }
        let stream = self.dialer.dial().await?;
        let connection: BoxConnection = Connection::new(Box::new(stream), self.codec());
        Ok(self.without_key(connection, Security::Plaintext))
    }

    /// Checks the server's key before anything is sent.
    fn check<S>(
        &self,
        known: &PeerList,
        pinned_key: Option<Fingerprint>,
        secured: &SecureStream<S>,
    ) -> Result<(), ConnectError> {
        match (secured.peer_kind, secured.peer_key) {
            (PeerKind::Chat1, Some(key)) => {
                let peer = known.check_dialed(&self.address, key)?;
                if let Some(peer) = peer.filter(|peer| peer.is_blocked()) {
                    return Err(ConnectError::Blocked {
                        address: self.address.clone(),
                        name: peer.name.clone(),
                    });
                }
            }
            _ => {
                if let Some(peer) = known.by_address(&self.address) {
                    return Err(ConnectError::Downgraded {
                        address: self.address.clone(),
                        known: peer.fingerprint,
                    });
                }
            }
        }
        match pinned_key {
            Some(pinned_key) if secured.peer_key != Some(pinned_key) => {
                Err(ConnectError::OtherKey {
                    address: self.address.clone(),
                    wanted: pinned_key,
                    found: secured.peer_key,
                })
            }
            _ => Ok(()),
        }
    }

    fn with_key(
        &self,
        own_key: Fingerprint,
        key: Fingerprint,
        known: Option<&KnownPeer>,
        secured: SecureStream<D::Stream>,
    ) -> Connected {
        Connected {
            peer: Peer {
                name: known.and_then(KnownPeer::given_name).map(str::to_owned),
                address: self.address.clone(),
                security: trust::security(key, known),
            },
            handshake: Some(Handshake {
                binding: secured.binding(own_key),
                hello: None,
            }),
            connection: Connection::new(Box::new(secured.stream), LineCodec::chat1()),
        }
    }

    fn without_key(&self, connection: BoxConnection, security: Security) -> Connected {
        Connected {
            connection,
            peer: Peer {
                name: None,
                address: self.address.clone(),
                security,
            },
            handshake: None,
        }
    }

    fn codec(&self) -> LineCodec {
        LineCodec::new(self.framing)
    }
}
