//! Who is at the other end: keys, who owns which, and encryption under them.
//!
//! [`Keyring`] opens all that a user brings to a call from the directory [`home`]: the own
//! [`Identity`], TLS under it ([`Secure`]), and the [`KnownPeers`]. TLS proves that the peer
//! owns a key, which people know by its [`Fingerprint`]; whether that key is welcome is asked
//! of the known peers, with [`PeerList::check_dialed`] or [`PeerList::check_caller`], before a
//! word is said. That nobody sits in between at a first contact, only the two people can
//! tell, by their [`safety_number`].

mod fingerprint;
mod identity;
mod ignorable;
mod keyring;
mod known_peers;
mod peer_line;
mod peer_list;
mod private_file;
pub mod safety_number;
mod shell;
mod tls;

pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use identity::{Identity, IdentityError, NoHome, home};
pub use ignorable::is_ignorable;
pub use keyring::{Keyring, KeyringError, security};
pub use known_peers::{KnownPeers, KnownPeersError};
pub use peer_line::{Flaw, KnownPeer};
pub use peer_list::{ChangedKey, Met, PeerList, Unreadable};
pub use private_file::FileError;
pub use shell::quoted;
pub use tls::{ALPN, Dialect, HANDSHAKE_LIMIT, Secure, Secured, TlsError};
