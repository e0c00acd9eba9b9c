//! All that a user brings to an encrypted call: the key, TLS under it, the known peers.

use std::path::{Path, PathBuf};

use super::{TlsEndpoint, TlsError};
use crate::trust::{
    ChangedKey, Claim, FileError, Fingerprint, FirstContacts, Identity, IdentityError, KnownPeer,
    KnownPeers, PeerList, RejectedKey,
};

/// The user's own key and what is known of the keys of others. Cheap to clone.
#[derive(Clone)]
pub struct Keyring {
    /// The directory of the user's files.
    pub data_dir: PathBuf,
    /// The user's own key, as others see it.
    pub own_key: Fingerprint,
    /// Encrypted connections under that key.
    pub tls: TlsEndpoint,
    /// The keys of others.
    pub known: KnownPeers,
    /// The calls whose safety number was withheld.
    pub first_contacts: FirstContacts,
}

/// Why the [`Keyring`] cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The own key cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The directory cannot be used.
    #[error(transparent)]
    Directory(#[from] FileError),
    /// There is no encryption under the own key.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Keyring {
    /// Opens the files in `data_dir`, and makes the identity on first use.
    ///
    /// # Errors
    /// The directory or a file in it cannot be used.
    pub fn open(data_dir: &Path) -> Result<Self, KeyringError> {
        Self::with_identity(data_dir, &Identity::open(data_dir)?)
    }

    /// The same with a key that is elsewhere.
    ///
    /// # Errors
    /// The directory or a file in it cannot be used.
    pub fn with_identity(data_dir: &Path, identity: &Identity) -> Result<Self, KeyringError> {
        Ok(Self {
            data_dir: data_dir.to_owned(),
            own_key: identity.fingerprint(),
            tls: TlsEndpoint::new(identity)?,
            known: KnownPeers::open(data_dir)?,
            first_contacts: FirstContacts::open(data_dir)?,
        })
    }

    /// For the dialer: the owner of the key that answered at this address, among those that are
    /// known; `None` if it is new. `replaced`: the keys that vouch for it.
    ///
    /// # Errors
    /// Another key is known there, or the key is blocked or the own one.
    pub fn check_dialed<'k>(
        &self,
        known: &'k PeerList,
        address: &str,
        key: Fingerprint,
        replaced: &[Fingerprint],
    ) -> Result<Option<&'k KnownPeer>, RejectedKey> {
        self.check(key, || known.check_dialed(address, key, replaced))
    }

    /// For the dialer of the peer that is known by the key `wanted`, wherever it answers: the owner
    /// of the key that did; `None` if it is somebody else. `replaced`: the keys that vouch for it.
    ///
    /// # Errors
    /// The wanted key vouches for it, or has replaced it; the peer is blocked, or the key the own
    /// one.
    pub fn check_known<'k>(
        &self,
        known: &'k PeerList,
        wanted: Fingerprint,
        address: &str,
        key: Fingerprint,
        replaced: &[Fingerprint],
    ) -> Result<Option<&'k KnownPeer>, RejectedKey> {
        self.check(key, || known.check_known(wanted, address, key, replaced))
    }

    /// For the listener: the owner of the key that called, under a name if it was chosen, among
    /// those that are known; `None` if it is new. `replaced`: the keys that vouch for it.
    ///
    /// # Errors
    /// Another key is known by that name, or the key is blocked or the own one.
    pub fn check_caller<'k>(
        &self,
        known: &'k PeerList,
        key: Fingerprint,
        claimed: Option<&str>,
        replaced: &[Fingerprint],
    ) -> Result<Option<&'k KnownPeer>, RejectedKey> {
        self.check(key, || known.check_caller(key, claimed, replaced))
    }

    fn check<'k>(
        &self,
        key: Fingerprint,
        look_up: impl FnOnce() -> Result<Option<&'k KnownPeer>, ChangedKey>,
    ) -> Result<Option<&'k KnownPeer>, RejectedKey> {
        if key == self.own_key {
            return Err(RejectedKey::Own);
        }
        match look_up() {
            Ok(Some(peer)) if peer.is_blocked() => Err(RejectedKey::Blocked(peer.name.clone())),
            Ok(peer) => Ok(peer),
            // What they say of their keys opens no door.
            Err(changed) if changed.claim != Claim::Unproven && changed.known.is_blocked() => {
                Err(RejectedKey::Blocked(changed.known.name))
            }
            Err(changed) => Err(changed.into()),
        }
    }
}
