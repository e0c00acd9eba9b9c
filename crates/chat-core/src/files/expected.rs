//! What this side has agreed to take, from its names while it is under way to the one it gets.

use std::io;
use std::path::PathBuf;

use super::error::unwritable;
use super::{Directory, FileName, TransferError};
use crate::wire::OfferId;

/// What this side has agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Names it, also on the disk while it is under way.
    pub id: OfferId,
    /// What it is to be called.
    pub name: FileName,
    /// The bytes of all files.
    pub size: u64,
    /// How many files a directory has; nothing for a single file.
    pub files: Option<u64>,
}

impl Expected {
    /// The name while it is under way.
    pub(super) fn part(&self) -> String {
        format!(".chat-{}.part", self.id)
    }

    /// Where the files of a directory are listed meanwhile.
    pub(super) fn list(&self) -> String {
        format!(".chat-{}.list", self.id)
    }

    /// Whether all of it was here once: it is whole, and has its part no more.
    pub(super) fn is_gone(&self, directory: &Directory) -> io::Result<bool> {
        let part = self.part();
        Ok(match self.files {
            Some(_) => directory.enter(&part).is_err(),
            None => directory.reopen(&part)?.is_none(),
        })
    }

    /// Removes what has come of it.
    ///
    /// # Errors
    /// The system refuses.
    pub fn discard(&self, directory: &Directory) -> io::Result<()> {
        directory.remove(&self.part())?;
        directory.remove(&self.list())
    }
}

/// All is there, and on the disk; only the name is still missing.
#[derive(Debug)]
pub struct Complete {
    pub(super) directory: Directory,
    pub(super) expected: Expected,
}

impl Complete {
    /// What an earlier program had made whole, if only its name was missing.
    pub(super) fn of(directory: Directory, expected: Expected) -> Self {
        Self {
            directory,
            expected,
        }
    }

    /// Gives it its name, or the next that is free, and returns where it is.
    ///
    /// # Errors
    /// The system refuses.
    pub fn publish(self) -> Result<PathBuf, TransferError> {
        let part = self.expected.part();
        let publish = || {
            let name = self.directory.publish(&part, &self.expected.name)?;
            self.directory.remove(&self.expected.list())?;
            self.directory.sync()?;
            Ok(self.directory.path_of(name.as_str()))
        };
        publish().map_err(unwritable(self.directory.path_of(&part)))
    }
}
