//! Errors in the user's language.

use std::io;

use chat_core::journal::{Flaw, JournalError, NeedleTooLong};
use chat_core::transport::{ConnectError, KeyringError};
use chat_core::trust::{
    ChangedKey, FileError, FirstContactError, IdentityError, KnownPeersError, NoDataDir,
};

use super::en;

/// An error that a user reads. What the libraries' `Display` says of it is for logs.
pub trait Explain {
    /// What happened, to what, and what to do next, in one line.
    fn explain(&self) -> String;
}

impl Explain for io::Error {
    /// What the system says.
    fn explain(&self) -> String {
        en::system(self)
    }
}

impl Explain for NoDataDir {
    fn explain(&self) -> String {
        en::NO_DATA_DIR.to_owned()
    }
}

impl Explain for FileError {
    fn explain(&self) -> String {
        en::file_error(self)
    }
}

impl Explain for IdentityError {
    fn explain(&self) -> String {
        en::identity_error(self)
    }
}

impl Explain for KeyringError {
    fn explain(&self) -> String {
        en::keyring_error(self)
    }
}

impl Explain for KnownPeersError {
    fn explain(&self) -> String {
        en::known_peers_error(self)
    }
}

impl Explain for ChangedKey {
    fn explain(&self) -> String {
        en::changed_key(self)
    }
}

impl Explain for FirstContactError {
    fn explain(&self) -> String {
        en::first_contact_error(self)
    }
}

impl Explain for ConnectError {
    fn explain(&self) -> String {
        en::connect_error(self)
    }
}

impl Explain for Flaw {
    fn explain(&self) -> String {
        en::flaw(self)
    }
}

impl Explain for NeedleTooLong {
    fn explain(&self) -> String {
        en::NEEDLE_TOO_LONG.to_owned()
    }
}

impl Explain for JournalError {
    fn explain(&self) -> String {
        en::journal_error(self)
    }
}
