//! How far a connection can be trusted.

use super::{Fingerprint, KnownPeer};

/// How far a connection can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// Anybody on the way may read and change it.
    Plaintext,
    /// Encrypted, but nobody knows with whom: a stock TLS peer.
    NoKey,
    /// Encrypted, with the owner of this key.
    Key {
        /// The key, as people know it.
        fingerprint: Fingerprint,
        /// What this side knows of the key.
        verification: Verification,
    },
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

/// How far a key can be trusted, by what is `known` of its owner; nothing if it is new.
pub fn security(key: Fingerprint, known: Option<&KnownPeer>) -> Security {
    let verification = match known {
        None => Verification::New,
        Some(peer) if peer.verified => Verification::Verified,
        Some(_) => Verification::Unverified,
    };
    Security::Key {
        fingerprint: key,
        verification,
    }
}
