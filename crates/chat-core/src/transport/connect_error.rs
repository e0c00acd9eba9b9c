//! Why there is no connection with who was called.

use std::io;
use std::time::Duration;

use super::TlsError;
use crate::trust::{Claim, FileError, Fingerprint, FirstContactError, Number, RejectedKey};

/// Why nobody answered.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address.
    #[error("no address of {name}: {reason}")]
    Resolve {
        /// The name.
        name: String,
        /// What the resolver said.
        reason: io::Error,
    },
    /// No address answered.
    #[error("no connection with {address}: {reason}")]
    Connect {
        /// Who was called.
        address: String,
        /// What the last address answered.
        reason: io::Error,
    },
    /// The relay at which the peer waits does not answer.
    #[error("no connection with the relay {relay}: {reason}")]
    Relay {
        /// The relay.
        relay: String,
        /// Why.
        reason: io::Error,
    },
    /// Nobody answered in time.
    #[error("no answer from {address} within {limit:?}")]
    Timeout {
        /// Who was called.
        address: String,
        /// How long it was tried.
        limit: Duration,
    },
}

impl DialError {
    /// Whether the machine is up but nobody listens there.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Connect { reason, .. } if reason.kind() == io::ErrorKind::ConnectionRefused)
    }
}

/// Why there is no connection that can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answered.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The server does not encrypt.
    #[error("{0} does not encrypt")]
    NotEncrypted(String),
    /// Whoever answered did not finish a handshake; it may not encrypt at all.
    #[error("no handshake with {address}: {reason}")]
    NoHandshake {
        /// Who was called.
        address: String,
        /// Why.
        reason: TlsError,
    },
    /// The handshake failed.
    #[error("no encryption with {address}: {reason}")]
    Tls {
        /// Who was called.
        address: String,
        /// Why.
        reason: TlsError,
    },
    /// The handshake failed at an address whose key is known.
    #[error("no handshake with {address}, known as {name}: {reason}")]
    NoHandshakeWithKnown {
        /// Who was called.
        address: String,
        /// The name by which it is known.
        name: String,
        /// Why.
        reason: TlsError,
    },
    /// Its key is not welcome.
    #[error("no call with {address}: {reason}")]
    Key {
        /// Who was called.
        address: String,
        /// Why.
        reason: RejectedKey,
    },
    /// Not the key that was demanded.
    #[error("{address} does not have the key {wanted}")]
    OtherKey {
        /// Who was called.
        address: String,
        /// The key that is demanded.
        wanted: Fingerprint,
        /// The key that is there, if there is one.
        found: Option<Fingerprint>,
        /// The key that is demanded vouches for the one that is there.
        is_vouched_for: bool,
    },
    /// This program has no carrier for numbers.
    #[error("{0} cannot be reached without relays")]
    NoReach(Number),
    /// No way leads to a known peer.
    #[error("no way leads to {name}: {errors:?}")]
    NoWay {
        /// The name by which it is known.
        name: String,
        /// Why each way was in vain; none was known if there are none.
        errors: Vec<Self>,
    },
    /// A server whose key is known showed none, or a stranger's.
    #[error("{address} does not speak chat/1 with its known key {known}")]
    Downgraded {
        /// Who was called.
        address: String,
        /// The key that is known.
        known: Fingerprint,
    },
    /// A server whose key is known must not be called without encryption.
    #[error("{address} is {name}, whose key is known")]
    KnownKey {
        /// Who was called.
        address: String,
        /// The name by which it is known.
        name: String,
    },
    /// Its safety number was withheld too often, or it cannot be known how often.
    #[error(transparent)]
    FirstContact(#[from] FirstContactError),
    /// The known peers could not be read.
    #[error(transparent)]
    KnownPeers(#[from] FileError),
}

impl ConnectError {
    /// Whether a machine is there, but lets nobody talk to a server: it refuses connections, or
    /// whoever stands before it closes them.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Dial(error) => error.is_refusal(),
            Self::NoHandshake { reason, .. } | Self::NoHandshakeWithKnown { reason, .. } => {
                matches!(reason, TlsError::Closed)
            }
            Self::NoWay { errors, .. } => !errors.is_empty() && errors.iter().all(Self::is_refusal),
            _ => false,
        }
    }

    /// Whether the peer who was called has a new key, for which the old one vouches.
    pub fn is_new_key(&self) -> bool {
        match self {
            Self::Key {
                reason: RejectedKey::Changed(changed),
                ..
            } => changed.claim == Claim::Vouched,
            _ => false,
        }
    }

    /// Whether somebody else has the address now. Where the handshake failed, that is not
    /// known: a hotel's network answers in the server's stead, but not forever.
    pub fn is_another_peer(&self) -> bool {
        match self {
            Self::Key { reason, .. } => !matches!(reason, RejectedKey::File(_)),
            Self::OtherKey { .. } | Self::Downgraded { .. } => true,
            Self::NoWay { errors, .. } => {
                !errors.is_empty() && errors.iter().all(Self::is_another_peer)
            }
            _ => false,
        }
    }
}
