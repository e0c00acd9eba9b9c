//! Errors in the user's language.

use std::io;

use chat_core::journal::{Flaw, JournalError, NeedleTooLong};
use chat_core::transport::{ConnectError, KeyringError, TlsError};
use chat_core::trust::{
    ChangedKey, FileError, FirstContactError, IdentityError, KnownPeersError, NoDataDir,
};

use super::{Language, text};

/// An error that a user reads. What the libraries' `Display` says of it is for logs.
pub trait Explain {
    /// What happened, to what, and what to do next, in one line of this language.
    fn explain_in(&self, language: &dyn Language) -> String;

    /// The same in the language of this user.
    fn explain(&self) -> String {
        self.explain_in(text())
    }
}

impl Explain for io::Error {
    fn explain_in(&self, language: &dyn Language) -> String {
        language.system(self)
    }
}

impl Explain for NoDataDir {
    fn explain_in(&self, language: &dyn Language) -> String {
        language.no_data_dir().to_owned()
    }
}

impl Explain for FileError {
    fn explain_in(&self, language: &dyn Language) -> String {
        language.file_error(self)
    }
}

impl Explain for IdentityError {
    fn explain_in(&self, language: &dyn Language) -> String {
        language.identity_error(self)
    }
}

impl Explain for KeyringError {
    fn explain_in(&self, language: &dyn Language) -> String {
        language.keyring_error(self)
    }
}

impl Explain for KnownPeersError {
    fn explain_in(&self, language: &dyn Language) -> String {
        language.known_peers_error(self)
    }
}

impl Explain for ChangedKey {
    fn explain_in(&self, language: &dyn Language) -> String {
        language.changed_key(self)
    }
}

impl Explain for FirstContactError {
    fn explain_in(&self, language: &dyn Language) -> String {
        language.first_contact_error(self)
    }
}

impl Explain for ConnectError {
    fn explain_in(&self, language: &dyn Language) -> String {
        language.connect_error(self)
    }
}

impl Explain for TlsError {
    fn explain_in(&self, language: &dyn Language) -> String {
        language.tls_error(self)
    }
}

impl Explain for Flaw {
    fn explain_in(&self, language: &dyn Language) -> String {
        language.flaw(self)
    }
}

impl Explain for NeedleTooLong {
    fn explain_in(&self, language: &dyn Language) -> String {
        language.needle_too_long().to_owned()
    }
}

impl Explain for JournalError {
    fn explain_in(&self, language: &dyn Language) -> String {
        language.journal_error(self)
    }
}
