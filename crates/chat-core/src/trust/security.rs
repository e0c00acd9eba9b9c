//! How far a connection can be trusted.

use super::{Fingerprint, KnownPeer, PeerState};

/// How far a connection can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not encrypted: anybody on the way may read and change it.
    Plaintext,
    /// Encrypted, but with an unknown peer: a stock TLS tool.
    NoKey {
        /// Whether a recording stays closed to a quantum computer of tomorrow. With a key it does.
        post_quantum: bool,
    },
    /// Encrypted, with the owner of this key.
    Key {
        /// The key, as people know it.
        fingerprint: Fingerprint,
        /// What this side knows of the key.
        verification: Verification,
    },
}

impl Security {
    /// The peer's key, if it has one.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        match self {
            Self::Plaintext | Self::NoKey { .. } => None,
            Self::Key { fingerprint, .. } => Some(*fingerprint),
        }
    }

    /// Whether the peer has a key that the two people have never compared.
    pub fn is_unverified(&self) -> bool {
        match self {
            Self::Plaintext | Self::NoKey { .. } => false,
            Self::Key { verification, .. } => *verification != Verification::Verified,
        }
    }
}

/// What is known of a peer's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Never seen before.
    New,
    /// Seen before, never compared.
    Unverified,
    /// Compared by the two people.
    Verified,
}

/// The security of an encrypted connection with this key; `known` is its owner, if it is known.
pub fn security(key: Fingerprint, known: Option<&KnownPeer>) -> Security {
    let verification = match known {
        None => Verification::New,
        Some(peer) if peer.state == PeerState::Verified => Verification::Verified,
        Some(_) => Verification::Unverified,
    };
    Security::Key {
        fingerprint: key,
        verification,
    }
}
