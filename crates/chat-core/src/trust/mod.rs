//! Who is at the other end: keys, and who owns which.
//!
//! A user has one key, the [`Identity`], and knows those of others, the [`KnownPeers`], all in
//! one directory ([`data_dir`]). The transport proves that the peer owns a key, which people know
//! by its [`Fingerprint`]; the [`Keyring`](crate::transport::Keyring) says whether that key is
//! welcome, or why it is a [`RejectedKey`], before a word is said. That nobody sits in between at a first contact, only the two people can tell, by their
//! [`safety_number`].

mod agent;
pub(crate) mod certificate;
mod emoji;
mod fingerprint;
mod first_contacts;
mod identity;
mod ignorable;
mod known_peers;
mod number;
mod place;
pub(crate) mod private_file;
mod rejected_key;
pub mod safety_number;
mod security;

pub use agent::AgentError;
#[cfg(fuzzing)]
pub use agent::agent_fuzz;
pub use certificate::replaced_keys;
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use first_contacts::{FirstContactError, FirstContacts, MAX_TRIES};
pub use identity::{Identity, IdentityError, NoDataDir, data_dir};
pub use ignorable::is_ignorable;
pub use known_peers::{
    ChangedKey, Claim, Direction, KnownPeer, KnownPeers, KnownPeersError, ParseError, PeerList,
    PeerState, Unreadable,
};
pub use number::{InvalidNumber, Number, PublicKey};
pub use private_file::{FileError, FileKind, PrivateFile};
pub use rejected_key::RejectedKey;
pub use security::{Security, Verification, security};
