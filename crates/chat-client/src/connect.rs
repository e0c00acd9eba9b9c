//! From a dialed stream to a trusted connection: encryption, and whose key it is.

use std::time::Duration;

use chat_core::driver::{BoxConnection, Connected, Connection};
use chat_core::files::FileStream;
use chat_core::protocol::{Handshake, Peer};
use chat_core::transport::{
    ConnectError, Dial, Intent, Keyring, OtherKey, Packets, PeerKind, SecureStream, TlsError,
};
use chat_core::trust::{self, Fingerprint, KnownPeer, KnownPeers, PeerList, Security};
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
        /// Whose key is accepted.
        wanted: Wanted,
    },
}

/// Whose key is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// That of the peer who is known at the address, or any where nobody is known.
    Address,
    /// This key alone, if no other is known at the address.
    Key(Fingerprint),
    /// This key alone, of a known peer, whoever was known at the address.
    Known(Fingerprint),
}

impl Wanted {
    /// The only key that is accepted, if there is one.
    pub(crate) fn key(self) -> Option<Fingerprint> {
        match self {
            Self::Address => None,
            Self::Key(key) | Self::Known(key) => Some(key),
        }
    }
}

impl Trust {
    /// The keys of others.
    pub fn known(&self) -> &KnownPeers {
        match self {
            Self::Plain(known) => known,
            Self::Encrypted { keyring, .. } => &keyring.known,
        }
    }

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
        if let (Trust::Encrypted { wanted, .. }, Security::Key { fingerprint, .. }) =
            (&mut self.trust, security)
            && *wanted == Wanted::Address
        {
            *wanted = Wanted::Key(*fingerprint);
        }
        self
    }

    /// Whether a known peer was called by its name, and not by an address.
    pub(crate) fn is_by_name(&self) -> bool {
        matches!(
            self.trust,
            Trust::Encrypted {
                wanted: Wanted::Known(_),
                ..
            }
        )
    }

    /// Checks before a call that nobody whose key is known is called without encryption. Reads a
    /// file on this thread.
    pub(crate) fn check_plain(&self) -> Result<(), ConnectError> {
        let Trust::Plain(known) = &self.trust else {
            return Ok(());
        };
        let address = self.dialer.address();
        match known.load()?.by_address(&address) {
            Some(KnownPeer { name, .. }) => Err(ConnectError::KnownKey {
                address,
                name: name.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Makes a connection of a stream, if the server can be trusted; nothing is said on it before.
    /// A further one of a call shows the cookie that the server gave for it.
    pub(crate) async fn secure(
        &self,
        stream: D::Stream,
        cookie: Option<Cookie>,
        within: Deadline,
    ) -> Result<Connected, ConnectError> {
        let Trust::Encrypted { keyring, wanted } = &self.trust else {
            let connection: BoxConnection = Connection::new(Box::new(stream), self.codec());
            return Ok(self.without_key(connection, Security::Plaintext));
        };
        let address = self.dialer.address();
        tracing::info!(%address, "connected, now the handshake");
        let known = keyring.known.begin_load();
        let intent = Intent {
            cookie,
            wanted: wanted.key(),
            for_file: false,
        };
        let secured = timeout_at(within.at, keyring.tls.connect_with(stream, intent)).await;
        let secured = secured.unwrap_or(Err(TlsError::TimedOut(within.limit)));
        let known = known.await?;
        let expected = known.by_address(&address);
        let secured = secured.map_err(|reason| match reason {
            TlsError::OtherKey(other) => self.other_key(keyring, &known, *wanted, &other),
            // The other side has no part in that.
            reason @ TlsError::Agent(_) => ConnectError::Tls {
                address: address.clone(),
                reason,
            },
            reason => self.no_handshake(expected, reason),
        })?;
        match (secured.peer_kind, secured.peer_key) {
            (PeerKind::Chat1, Some(key)) => {
                let replaced = &secured.replaced_keys;
                let owner = self.check_key(keyring, &known, *wanted, key, replaced)?;
                Ok(self.with_key(keyring.own_key, key, owner, secured))
            }
            _ => {
                if let Some(peer) = expected {
                    return Err(ConnectError::Downgraded {
                        address,
                        known: peer.fingerprint,
                    });
                }
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
        let Trust::Encrypted { keyring, wanted } = &self.trust else {
            return Err(ConnectError::NotEncrypted(self.dialer.address()));
        };
        let stream = self.dialer.dial(packets).await?;
        let (address, wanted) = (self.dialer.address(), wanted.key());
        let intent = Intent {
            cookie,
            wanted,
            for_file: true,
        };
        match keyring.tls.connect_with(stream, intent).await {
            Ok(secured) => Ok(Box::new(secured.stream)),
            Err(TlsError::OtherKey(other)) => Err(not_that_key(address, wanted, &other)),
            Err(reason) => Err(ConnectError::Tls { address, reason }),
        }
    }

    fn no_handshake(&self, expected: Option<&KnownPeer>, reason: TlsError) -> ConnectError {
        let address = self.dialer.address();
        if let Some(KnownPeer { name, .. }) = expected {
            return ConnectError::NoHandshakeWithKnown {
                address,
                name: name.clone(),
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

    /// The owner of the key that has answered; `None` if it is new.
    fn check_key<'k>(
        &self,
        keyring: &Keyring,
        known: &'k PeerList,
        wanted: Wanted,
        key: Fingerprint,
        replaced: &[Fingerprint],
    ) -> Result<Option<&'k KnownPeer>, ConnectError> {
        let address = self.dialer.address();
        let owner = match wanted {
            Wanted::Address | Wanted::Key(_) => {
                keyring.check_dialed(known, &address, key, replaced)
            }
            Wanted::Known(wanted) => keyring.check_known(known, wanted, &address, key, replaced),
        };
        owner.map_err(|reason| ConnectError::Key { address, reason })
    }

    /// Another key has answered than the one that is wanted: why that is, as far as is known.
    fn other_key(
        &self,
        keyring: &Keyring,
        known: &PeerList,
        wanted: Wanted,
        other: &OtherKey,
    ) -> ConnectError {
        match self.check_key(keyring, known, wanted, other.found, &other.replaced) {
            Err(error) => error,
            Ok(_) => not_that_key(self.dialer.address(), wanted.key(), other),
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
            routes: self.dialer.routes(),
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
            routes: self.dialer.routes(),
        }
    }

    fn codec(&self) -> LineCodec {
        LineCodec::new(self.framing)
    }
}

fn not_that_key(address: String, wanted: Option<Fingerprint>, other: &OtherKey) -> ConnectError {
    let wanted = wanted.unwrap_or(other.found);
    ConnectError::OtherKey {
        address,
        wanted,
        found: Some(other.found),
        is_vouched_for: other.replaced.contains(&wanted),
    }
}
