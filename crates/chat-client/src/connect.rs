//! From a dialed stream to a trusted connection: encryption, and whose key it is.

use std::time::Duration;

use chat_core::blocking;
use chat_core::driver::{BoxConnection, Connected, Connection};
use chat_core::files::FileStream;
use chat_core::protocol::{Handshake, Peer};
use chat_core::transport::{
    ConnectError, Dial, Keyring, Packets, PeerKind, SecureStream, TlsError,
};
use chat_core::trust::{self, FileError, Fingerprint, KnownPeer, KnownPeers, Security};
use chat_core::wire::{Cookie, Framing, LineCodec};
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
    /// How far the server is to be trusted.
    pub trust: Trust,
    /// How messages are told apart with peers without chat/1.
    pub framing: Framing,
}

/// By when a connection must be made, and how long it was given for that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub at: Instant,
    pub limit: Duration,
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

    /// A stream to the server, on which nothing has been sent yet.
    pub(crate) async fn dial(&self, packets: Packets) -> Result<D::Stream, ConnectError> {
        if let Trust::Plain(known) = &self.trust
            && let Some(KnownPeer { name, .. }) = self.known_here(known).await?
        {
            let address = self.dialer.address();
            return Err(ConnectError::KnownKey { address, name });
        }
        Ok(self.dialer.dial(packets).await?)
    }

    /// Makes a connection of a stream, if the server can be trusted; nothing is said on it before.
    /// A further one of a call shows the cookie that the server gave for it.
    pub(crate) async fn secure(
        &self,
        stream: D::Stream,
        cookie: Option<Cookie>,
        within: Deadline,
    ) -> Result<Connected, ConnectError> {
        let Trust::Encrypted {
            keyring,
            pinned_key,
        } = &self.trust
        else {
            let connection: BoxConnection = Connection::new(Box::new(stream), self.codec());
            return Ok(self.without_key(connection, Security::Plaintext));
        };
        tracing::info!(address = %self.dialer.address(), "connected, now the handshake");
        let secured = timeout_at(within.at, keyring.tls.connect_again(stream, cookie)).await;
        let secured = secured.unwrap_or(Err(TlsError::TimedOut(within.limit)));
        let secured = match secured {
            Ok(secured) => secured,
            Err(reason @ TlsError::Agent(_)) => {
                let address = self.dialer.address();
                return Err(ConnectError::Tls { address, reason });
            }
            Err(reason) => {
                let known = self.known_here(&keyring.known).await?;
                return Err(self.no_handshake(known, reason));
            }
        };
        match (secured.peer_kind, secured.peer_key) {
            (PeerKind::Chat1, Some(key)) => {
                let (address, replaced) = (self.dialer.address(), secured.replaced_keys.clone());
                let owner = keyring.check_dialed(address, key, replaced).await;
                let owner = owner.map_err(|reason| ConnectError::Key {
                    address: self.dialer.address(),
                    reason,
                })?;
                self.check_pin(*pinned_key, secured.peer_key)?;
                Ok(self.with_key(keyring.own_key, key, owner.as_ref(), secured))
            }
            _ => {
                if let Some(peer) = self.known_here(&keyring.known).await? {
                    return Err(ConnectError::Downgraded {
                        address: self.dialer.address(),
                        known: peer.fingerprint,
                    });
                }
                self.check_pin(*pinned_key, secured.peer_key)?;
                let connection: BoxConnection =
                    Connection::new(Box::new(secured.stream), self.codec());
                let post_quantum = secured.post_quantum;
                Ok(self.without_key(connection.over_tls(), Security::NoKey { post_quantum }))
            }
        }
    }

    /// A connection for a file of a call that is on, under the key of the call and no other.
    pub(crate) async fn connect_for_file(
        &self,
        cookie: Option<Cookie>,
        packets: Packets,
    ) -> Result<FileStream, ConnectError> {
        let Trust::Encrypted {
            keyring,
            pinned_key: Some(wanted),
        } = &self.trust
        else {
            return Err(ConnectError::NotEncrypted(self.dialer.address()));
        };
        let stream = self.dialer.dial(packets).await?;
        let secured = keyring.tls.connect_for_file(stream, cookie).await;
        let secured = secured.map_err(|reason| ConnectError::Tls {
            address: self.dialer.address(),
            reason,
        })?;
        match secured.peer_key {
            Some(key) if key == *wanted => Ok(Box::new(secured.stream)),
            found => Err(ConnectError::OtherKey {
                address: self.dialer.address(),
                wanted: *wanted,
                found,
            }),
        }
    }

    /// Who is known at the address. The file is read on another thread.
    async fn known_here(&self, known: &KnownPeers) -> Result<Option<KnownPeer>, FileError> {
        let (known, address) = (known.clone(), self.dialer.address());
        blocking(move || Ok(known.load()?.by_address(&address).cloned())).await
    }

    fn no_handshake(&self, known: Option<KnownPeer>, reason: TlsError) -> ConnectError {
        let address = self.dialer.address();
        if let Some(KnownPeer { name, .. }) = known {
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

    /// Checks that the server has the key that is demanded, if one is.
    fn check_pin(
        &self,
        pinned_key: Option<Fingerprint>,
        found: Option<Fingerprint>,
    ) -> Result<(), ConnectError> {
        match pinned_key {
            Some(wanted) if found != Some(wanted) => Err(ConnectError::OtherKey {
                address: self.dialer.address(),
                wanted,
                found,
            }),
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
                address: self.dialer.address(),
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
                address: self.dialer.address(),
                security,
            },
            handshake: None,
        }
    }

    fn codec(&self) -> LineCodec {
        LineCodec::new(self.framing)
    }
}
