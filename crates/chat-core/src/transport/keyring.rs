//! All that a user brings to an encrypted call: the key, TLS under it, the known peers.

use std::path::{Path, PathBuf};

use super::{TlsEndpoint, TlsError};
use crate::blocking;
use crate::trust::{
    ChangedKey, FileError, Fingerprint, FirstContacts, Identity, IdentityError, KnownPeer,
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
    /// No certificate can be made for the own key.
    #[error(transparent)]
    Certificate(#[from] TlsError),
}

impl Keyring {
    /// Opens the files in `data_dir`, and makes the identity on first use.
    ///
    /// # Errors
    /// The directory or a file in it cannot be used.
    pub fn open(data_dir: &Path) -> Result<Self, KeyringError> {
        let identity = Identity::open(data_dir)?;
        Ok(Self {
            data_dir: data_dir.to_owned(),
            own_key: identity.fingerprint(),
            tls: TlsEndpoint::new(&identity)?,
            known: KnownPeers::open(data_dir)?,
            first_contacts: FirstContacts::open(data_dir)?,
        })
    }

    /// For the dialer: the owner of the key that answered at this address; `None` if it is new.
    ///
    /// # Errors
    /// Another key is known there, the key is blocked or the own one, or it cannot be looked up.
    pub async fn check_dialed(
        &self,
        address: String,
        key: Fingerprint,
    ) -> Result<Option<KnownPeer>, RejectedKey> {
        self.check(key, move |list| {
            Ok(list.check_dialed(&address, key)?.cloned())
        })
        .await
    }

    /// For the dialer of a peer that is known by this key, wherever it answers: its owner.
    ///
    /// # Errors
    /// The key is blocked or the own one, or cannot be looked up.
    pub async fn check_known(&self, key: Fingerprint) -> Result<Option<KnownPeer>, RejectedKey> {
        self.check(key, move |list| Ok(list.by_key(key).cloned()))
            .await
    }

    /// For the listener: the owner of the key that called, under a name if it was chosen; `None`
    /// if it is new.
    ///
    /// # Errors
    /// Another key is known by that name, the key is blocked or the own one, or it cannot be
    /// looked up.
    pub async fn check_caller(
        &self,
        key: Fingerprint,
        claimed: Option<&str>,
    ) -> Result<Option<KnownPeer>, RejectedKey> {
        let claimed = claimed.map(str::to_owned);
        self.check(key, move |list| {
            Ok(list.check_caller(key, claimed.as_deref())?.cloned())
        })
        .await
    }

    async fn check(
        &self,
        key: Fingerprint,
        look_up: impl FnOnce(&PeerList) -> Result<Option<KnownPeer>, ChangedKey> + Send + 'static,
    ) -> Result<Option<KnownPeer>, RejectedKey> {
        if key == self.own_key {
            return Err(RejectedKey::Own);
        }
        let known = self.known.clone();
        blocking(move || match look_up(&*known.load()?)? {
            Some(peer) if peer.is_blocked() => Err(RejectedKey::Blocked(peer.name)),
            peer => Ok(peer),
        })
        .await
    }
}
