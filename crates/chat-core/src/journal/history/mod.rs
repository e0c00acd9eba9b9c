//! Reading back: what is on the disk of all calls with somebody, in the order of time.
//!
//! Nothing is locked, made or changed, so the journal of a call that is on can be read too. What
//! cannot be read is named, and the rest is read all the same.

mod file;
mod lines;
mod merge;
mod needle;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Calls, EXTENSION, JournalError, SET_ASIDE, Unreadable};
use crate::protocol::PastMessage;
use crate::trust::{Fingerprint, private_file};
use crate::wire::Hex;

use file::JournalFile;
use needle::Needle;

pub use merge::HistoryEntries;
pub use needle::NeedleTooLong;

/// The last messages together take about this much memory at most, in bytes, unless a single one
/// takes more.
const MAX_BYTES: usize = 16 << 20;

/// All that is recorded of calls with one peer, also in journals that were set aside. The methods,
/// and the iterators, wait for the disk.
#[derive(Debug)]
pub struct History {
    /// Those that began first are first.
    files: VecDeque<JournalFile>,
    flaws: VecDeque<Flaw>,
}

/// A message that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The message.
    pub message: PastMessage,
    /// The line of the journal, without its line feed: a JSON object.
    pub line: String,
}

/// What cannot be read of a journal. The rest is.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// The file, from the beginning or from somewhere.
    #[error(transparent)]
    File(#[from] JournalError),
    /// Some lines.
    #[error("{}: {first}; {count} in all", .path.display())]
    Lines {
        /// Where.
        path: PathBuf,
        /// The one that was read first.
        first: Unreadable,
        /// How many were read.
        count: usize,
    },
}

impl History {
    /// Finds what there is in `data_dir`, where the identity is.
    ///
    /// # Errors
    /// The directory is not the user's alone, or cannot be read.
    pub fn open(data_dir: &Path, peer: Fingerprint) -> Result<Self, JournalError> {
        let mut files = Vec::new();
        let mut flaws = VecDeque::new();
        for path in paths(data_dir.join("calls"), peer)? {
            match JournalFile::new(path) {
                Ok(file) => files.push(file),
                Err(error) => flaws.push_back(error.into()),
            }
        }
        files.sort_by(|one, other| (one.begun, &one.path).cmp(&(other.begun, &other.path)));
        Ok(Self {
            files: files.into(),
            flaws,
        })
    }

    /// Without the calls that are not over.
    pub fn of_ended_calls(mut self) -> Self {
        self.files.retain(JournalFile::is_ended);
        self
    }

    /// All messages, the oldest first.
    pub fn entries(self) -> HistoryEntries {
        HistoryEntries {
            waiting: self.files,
            open: Vec::new(),
            needle: None,
            flaws: self.flaws,
        }
    }

    /// The messages that contain this text, the oldest first. Upper and lower case are the same.
    /// Damage is noticed only in lines that may contain it.
    ///
    /// # Errors
    /// The text is too long.
    pub fn search(self, text: &str) -> Result<HistoryEntries, NeedleTooLong> {
        let needle = Some(Needle::new(text)?);
        Ok(HistoryEntries {
            needle,
            ..self.entries()
        })
    }

    /// The last messages, the oldest first, at most so many and 16 MiB; and what could not be read
    /// on the way to them. The files are read from their ends.
    pub fn last(mut self, count: usize) -> (Vec<HistoryEntry>, Vec<Flaw>) {
        let mut last = Vec::new();
        for file in self.files.iter().rev() {
            let oldest = last.first().filter(|_| last.len() == count);
            let from = oldest.map(|oldest: &HistoryEntry| oldest.message.at);
            let older = file.last(count, from, &mut self.flaws);
            last = newest(older, last, count);
        }
        (last, self.flaws.into())
    }

    /// How many messages contain this text, and the last of them, as [`last`](Self::last) returns
    /// them. That takes far less time than [`search`](Self::search), for only those are parsed:
    /// damage is noticed in no others.
    ///
    /// # Errors
    /// The text is too long.
    pub fn matches(mut self, text: &str, count: usize) -> Result<Matches, NeedleTooLong> {
        let needle = Needle::new(text)?;
        let mut total = 0;
        let mut last = Vec::new();
        for file in &self.files {
            let (found, newer) = file.matches(&needle, count, &mut self.flaws);
            total += found;
            last = newest(last, newer, count);
        }
        let flaws = self.flaws.into();
        Ok(Matches { total, last, flaws })
    }
}

/// What [`History::matches`] has found.
#[derive(Debug)]
pub struct Matches {
    /// How many messages contain the text.
    pub total: usize,
    /// The last of them, the oldest first.
    pub last: Vec<HistoryEntry>,
    /// What could not be read.
    pub flaws: Vec<Flaw>,
}

/// The newest of both, the oldest first: at most so many, and 16 MiB.
fn newest(mut one: Vec<HistoryEntry>, other: Vec<HistoryEntry>, count: usize) -> Vec<HistoryEntry> {
    one.extend(other);
    one.sort_by_key(|entry| entry.message.at);
    let mut bytes = 0;
    let fitting = one.iter().rev().take(count).take_while(|entry| {
        bytes += entry.size();
        bytes <= MAX_BYTES
    });
    let fitting = fitting.count().max(count.min(1));
    one.split_off(one.len().saturating_sub(fitting))
}

/// The journals of this peer, also those that were set aside. There need be none.
fn paths(directory: PathBuf, peer: Fingerprint) -> Result<Vec<PathBuf>, JournalError> {
    match fs::symlink_metadata(&directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        _ => private_file::private_dir(&directory)?,
    }
    let prefix = format!("{}.", Hex(*peer.as_bytes()));
    let mut paths = Calls { directory }.files()?;
    paths.retain(|path| is_journal(path, &prefix));
    Ok(paths)
}

/// Whether this is a journal of the peer whose files begin so.
fn is_journal(path: &Path, prefix: &str) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let rest = name.and_then(|name| name.strip_prefix(prefix));
    let extension = rest.and_then(|rest| Some(rest.split_once('.')?.1));
    extension.is_some_and(|extension| extension == EXTENSION || extension.starts_with(SET_ASIDE))
}
