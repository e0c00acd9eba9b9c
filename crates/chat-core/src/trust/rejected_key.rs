//! Why there is no call with the owner of a key, whichever side dialed.

use super::{ChangedKey, FileError};
use crate::wire::RefusalCode;

/// Why there is no call with the owner of a key.
#[derive(Debug, thiserror::Error)]
pub enum RejectedKey {
    /// It is this user's own key.
    #[error("the other side has this user's own key")]
    Own,
    /// Its owner was known by another key.
    #[error(transparent)]
    Changed(#[from] ChangedKey),
    /// This user has blocked its owner, of this name.
    #[error("{0} is blocked")]
    Blocked(String),
    /// It was not looked up: the known peers cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
}

impl RejectedKey {
    /// What a caller with that key is told.
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Own => RefusalCode::OwnKey,
            Self::Changed(_) => RefusalCode::ChangedKey,
            Self::Blocked(_) => RefusalCode::Blocked,
            // That is no reason for the caller to give up.
            Self::File(_) => RefusalCode::Unavailable,
        }
    }
}
