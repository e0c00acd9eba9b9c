//! Who is at the other end: keys, who owns which, and encryption under them.

mod fingerprint;
mod identity;
mod keyring;
mod known_peers;
mod private_file;
pub mod safety_number;
mod shell;
mod tls;

pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use identity::{Identity, IdentityError, NoHome, home};
pub use keyring::{Keyring, KeyringError, security};
pub use known_peers::{
    ChangedKey, Flaw, KnownPeer, KnownPeers, KnownPeersError, Met, PeerList, Unreadable,
};
pub use private_file::FileError;
pub use shell::quoted;
pub use tls::{ALPN, Dialect, HANDSHAKE_LIMIT, Secure, Secured, TlsError};
