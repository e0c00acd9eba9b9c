//! What was said, kept on the disk until it has arrived: a journal for each session.
//!
//! [`Calls`] is the directory, [`Journal`] the journal of the session that is on, [`Restored`] what
//! an earlier program has left, and [`History`] what can be read back of all calls with somebody, and
//! [`Unread`] what the answering machine has heard.
//! Two rules make the most of it: a message is sent once it is recorded, and acknowledged once it
//! is recorded.

mod history;
mod inbox;
mod record;
mod recorder;
mod restore;
mod writer;

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::trust::{FileError, Fingerprint, private_file};
use crate::wire::{Hex, SessionId};

use record::Record;

pub use history::{Flaw, History, HistoryEntries, HistoryEntry, Matches, NeedleTooLong};
pub use inbox::{InUse, Tally, Unread, Waiting};
pub use record::VERSION;
pub use recorder::{Recorder, Recording, Seen};
pub use restore::{RecordedText, Restored, Unreadable};
pub use writer::Journal;

/// How long the counts of a call that is over are there for a peer that missed the end.
const ENDED_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The journal of a call that is over and not kept has no more than this, in bytes.
const MAX_COUNTS: u64 = 1024;

/// What ends the name of a journal, and of one that was set aside.
const EXTENSION: &str = "jsonl";
const SET_ASIDE: &str = "damaged";

/// What a record outlives once it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The death of the program.
    Program,
    /// The loss of power: each group of records is synced.
    Power,
}

/// Why a journal cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// A file or directory cannot be used.
    #[error(transparent)]
    File(#[from] Arc<FileError>),
    /// The records could not be written.
    #[error("{}: {reason}", .path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// What the system says.
        reason: Arc<io::Error>,
    },
    /// The session has a journal already.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// A later program has written it.
    #[error("{} has version {version}", .path.display())]
    Version {
        /// Where.
        path: PathBuf,
        /// The version.
        version: u32,
    },
}

impl From<FileError> for JournalError {
    fn from(error: FileError) -> Self {
        Self::File(Arc::new(error))
    }
}

/// Whether a session can be resumed.
#[derive(Debug)]
pub enum Found {
    /// It has no journal.
    Nothing,
    /// Another program has it.
    InUse,
    /// It goes on from here.
    Open(Journal, Restored),
    /// Its call is over.
    Ended(Restored),
    /// Some of it cannot be read, so its counts cannot be trusted.
    Damaged(Damaged),
}

/// A journal that cannot be resumed. It stays locked until it is set aside or dropped.
#[derive(Debug)]
pub struct Damaged {
    /// What could be read.
    pub restored: Restored,
    /// What could not.
    pub unreadable: Vec<Unreadable>,
    path: PathBuf,
    _lock: File,
}

impl Damaged {
    /// Gives the file another name, so that the session has no journal any more, and returns
    /// that name. Nothing of it is lost.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn set_aside(self) -> Result<PathBuf, JournalError> {
        let named = |n: u32| match n {
            1 => self.path.with_extension(SET_ASIDE),
            n => self.path.with_extension(format!("{SET_ASIDE}-{n}")),
        };
        let mut names = (1..u32::MAX).map(named);
        let free = names.find(|name| fs::symlink_metadata(name).is_err());
        let aside = free.unwrap_or_else(|| named(u32::MAX));
        fs::rename(&self.path, &aside).map_err(failed(&self.path))?;
        Ok(aside)
    }
}

/// The journals of one user, in the directory `calls`. The methods wait for the disk.
#[derive(Clone, Debug)]
pub struct Calls {
    directory: PathBuf,
}

impl Calls {
    /// Those in `data_dir`, where the identity is. Makes the directory if it is not there, and
    /// removes what is left of calls that were over a week ago and are not kept.
    ///
    /// # Errors
    /// The directory is not the user's alone, or cannot be used.
    pub fn open(data_dir: &Path) -> Result<Self, JournalError> {
        let directory = data_dir.join("calls");
        private_file::private_dir(data_dir)?;
        private_file::private_dir(&directory)?;
        let calls = Self { directory };
        calls.remove_old()?;
        Ok(calls)
    }

    /// Begins the journal of a new session.
    ///
    /// # Errors
    /// There is one already, or it cannot be made.
    pub fn begin(
        &self,
        peer: Fingerprint,
        session: SessionId,
        durability: Durability,
    ) -> Result<Journal, JournalError> {
        let path = self.path(peer, session);
        let mut header = Vec::new();
        Record::header(peer, session).write_to(&mut header);
        private_file::create(&path, &header)?;
        let exists = || JournalError::Exists(path.clone());
        let file = private_file::open_locked(&path)?.ok_or_else(exists)?;
        if private_file::read(&path)?.as_ref() != Some(&header) {
            return Err(exists());
        }
        start(file, path, header.len(), &Restored::default(), durability)
    }

    /// Finds out how far a session has come, and goes on with its journal if that is possible.
    ///
    /// # Errors
    /// The journal cannot be used, or is of a later version.
    pub fn resume(
        &self,
        peer: Fingerprint,
        session: SessionId,
        durability: Durability,
    ) -> Result<Found, JournalError> {
        let path = self.path(peer, session);
        if private_file::stamp(&path)?.is_none() {
            return Ok(Found::Nothing);
        }
        let Some(file) = private_file::open_locked(&path)? else {
            return Ok(Found::InUse);
        };
        let bytes = private_file::read(&path)?.unwrap_or_default();
        let first = bytes.split(|byte| *byte == b'\n').next();
        if let Some(version) = first.and_then(record::version)
            && version > VERSION
        {
            return Err(JournalError::Version { path, version });
        }
        let (restored, unreadable, length) = restore::read(&bytes);
        if !unreadable.is_empty() {
            return Ok(Found::Damaged(Damaged {
                restored,
                unreadable,
                path,
                _lock: file,
            }));
        }
        if restored.ended {
            return Ok(Found::Ended(restored));
        }
        let journal = start(file, path, length, &restored, durability)?;
        Ok(Found::Open(journal, restored))
    }

    /// How far a session has come, at a glance: also while another program uses its journal.
    /// `None` if it has none that can be read.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn peek(
        &self,
        peer: Fingerprint,
        session: SessionId,
    ) -> Result<Option<Restored>, JournalError> {
        let bytes = private_file::read(&self.path(peer, session))?;
        let restored = bytes.map(|bytes| restore::read(&bytes));
        Ok(restored.map(|(restored, ..)| restored))
    }

    /// The sessions with this peer that have a journal, those that were last written to first.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn sessions(&self, peer: Fingerprint) -> Result<Vec<SessionId>, JournalError> {
        let mut sessions = Vec::new();
        for (path, rest) in self.files_of(peer)? {
            let session = rest.strip_suffix(EXTENSION);
            let session = session.and_then(|rest| rest.strip_suffix('.')?.parse().ok());
            if let Some(session) = session {
                let metadata = fs::metadata(&path).map_err(failed(&path))?;
                let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                sessions.push((modified, session));
            }
        }
        sessions.sort_by(|earlier, later| later.cmp(earlier));
        Ok(sessions.into_iter().map(|(_, session)| session).collect())
    }

    /// Removes the journals of all calls with this peer, also those that were set aside. Returns
    /// how many there were.
    ///
    /// # Errors
    /// One of them cannot be removed.
    pub fn forget(&self, peer: Fingerprint) -> Result<usize, JournalError> {
        let files = self.files_of(peer)?;
        for (path, _) in &files {
            fs::remove_file(path).map_err(failed(path))?;
        }
        Ok(files.len())
    }

    /// Gives the journals of all calls with this peer to the same peer under another key. One of a
    /// session that has a journal under that key already stays.
    ///
    /// # Errors
    /// One of them cannot be renamed.
    pub fn hand_over(&self, old: Fingerprint, new: Fingerprint) -> Result<(), JournalError> {
        for (path, rest) in self.files_of(old)? {
            let under_new = self.directory.join(prefix(new) + &rest);
            if fs::symlink_metadata(&under_new).is_err() {
                fs::rename(&path, under_new).map_err(failed(&path))?;
            }
        }
        Ok(())
    }

    /// The files of this peer, and their names without the peer's key.
    fn files_of(&self, peer: Fingerprint) -> Result<Vec<(PathBuf, String)>, JournalError> {
        let prefix = prefix(peer);
        let of_peer = self.files()?.into_iter().filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            let rest = name.strip_prefix(&prefix)?.to_owned();
            Some((path, rest))
        });
        Ok(of_peer.collect())
    }

    fn remove_old(&self) -> Result<(), JournalError> {
        for path in self.files()? {
            let metadata = fs::symlink_metadata(&path).map_err(failed(&path))?;
            let age = metadata.modified().ok().and_then(|at| at.elapsed().ok());
            let is_old = age.is_some_and(|age| age > ENDED_KEPT);
            if is_old
                && metadata.is_file()
                && metadata.len() <= MAX_COUNTS
                && path
                    .extension()
                    .is_some_and(|extension| extension == EXTENSION)
                && let Some(_lock) = private_file::open_locked(&path)?
                && let Some(bytes) = private_file::read(&path)?
                && let (restored, unreadable, _) = restore::read(&bytes)
                && restored.ended
                && !restored.keep
                && restored.unread.is_empty()
                && unreadable.is_empty()
            {
                fs::remove_file(&path).map_err(failed(&path))?;
            }
        }
        Ok(())
    }

    fn files(&self) -> Result<Vec<PathBuf>, JournalError> {
        let entries = fs::read_dir(&self.directory).and_then(|entries| {
            let paths = entries.map(|entry| entry.map(|entry| entry.path()));
            paths.collect::<io::Result<_>>()
        });
        entries.map_err(failed(&self.directory))
    }

    fn path(&self, peer: Fingerprint, session: SessionId) -> PathBuf {
        self.directory
            .join(format!("{}{session}.{EXTENSION}", prefix(peer)))
    }
}

/// What the names of a peer's files begin with.
fn prefix(peer: Fingerprint) -> String {
    format!("{}.", Hex(*peer.as_bytes()))
}

/// Goes on after the first `length` bytes: what follows them was torn.
fn start(
    mut file: File,
    path: PathBuf,
    length: usize,
    restored: &Restored,
    durability: Durability,
) -> Result<Journal, JournalError> {
    let length = length as u64;
    let cut = file.set_len(length);
    let ready = cut.and_then(|()| file.seek(SeekFrom::Start(length)));
    ready.map_err(failed(&path))?;
    Journal::start(file, path, restored, durability)
}

/// Adds the path to an I/O error.
fn failed(path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    move |reason: io::Error| {
        FileError::Io {
            path: path.to_owned(),
            reason,
        }
        .into()
    }
}
