//! All that a user brings to an encrypted call.

use std::path::Path;

use super::{Secure, TlsError};
use crate::trust::{FileError, Fingerprint, Identity, IdentityError, KnownPeers};

/// The user's own key and what is known of the keys of others. Cheap to clone.
#[derive(Clone)]
pub struct Keyring {
    /// The user's own key, as others see it.
    pub own_key: Fingerprint,
    /// Encrypted connections under that key.
    pub secure: Secure,
    /// The keys of others.
    pub known: KnownPeers,
}

/// Why there is no [`Keyring`].
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The own key cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The file of known peers cannot be used.
    #[error(transparent)]
    KnownPeers(#[from] FileError),
    /// There is no certificate for the own key.
    #[error(transparent)]
    Certificate(#[from] TlsError),
}

impl Keyring {
    /// Opens the files in `home`, and makes the identity on first use.
    ///
    /// # Errors
    /// The directory or a file in it cannot be used.
    pub fn open(home: &Path) -> Result<Self, KeyringError> {
        let identity = Identity::open(home)?;
        Ok(Self {
            own_key: identity.fingerprint(),
            secure: Secure::new(&identity)?,
            known: KnownPeers::open(home)?,
        })
    }
}
