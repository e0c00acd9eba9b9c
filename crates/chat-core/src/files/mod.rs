//! Files beside the talk: offered and answered in it, carried on connections of their own.
//!
//! [`Transfers`] is all that a program needs: it is told what the person and the peer say about
//! files, and runs each transfer as a task. [`Source`] and [`Incoming`] are the two ends of one,
//! without a network; [`FileName`] and [`Directory`] keep it where it belongs.

mod directory;
mod error;
mod event;
mod expected;
mod flow;
mod incoming;
mod lines;
mod name;
mod open;
mod part;
mod source;
mod store;
mod task;
mod transfers;
mod tree;
mod window;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::wire::Sha256;

pub use directory::Directory;
pub use error::{FileViolation, TransferError};
pub use event::{Direction, FileEvent, FileState, FileSummary, NotNow, Rate};
pub use expected::{Complete, Expected};
pub use incoming::Incoming;
pub use name::{FileName, MAX_NAME};
pub use open::{FileConnection, FileStream, OpenFile, Opening};
pub use source::Source;
pub use store::{Record, RecordedSide, Stage, Store};
pub use transfers::{Output, Policy, Transfers};

/// The most files in one offer.
pub const MAX_FILES: u64 = 100_000;

/// How a program handles files.
#[derive(Clone, Debug)]
pub struct FileConfig {
    /// Where files go that are taken.
    pub downloads: PathBuf,
    /// What is done with those that the peer offers.
    pub policy: Policy,
    /// Where open offers are written down; without it they end with the program.
    pub store: Option<Store>,
    /// What a peer of plain lines is told, once, when it would be offered a file.
    pub regret: Option<String>,
}

impl FileConfig {
    /// Takes no files, and remembers none of its own.
    pub fn none() -> Self {
        Self {
            downloads: PathBuf::new(),
            policy: Policy::Refuse,
            store: None,
            regret: None,
        }
    }
}

/// What a person wants done with files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileCommand {
    /// Offer each of these to the peer.
    Send(Vec<PathBuf>),
    /// Take what the peer offers.
    Accept {
        /// Which; nothing if there is only one.
        number: Option<u32>,
        /// Under this name.
        name: Option<String>,
    },
    /// Refuse what the peer offers; nothing if there is only one.
    Decline(Option<u32>),
    /// Drop an offer of either side; nothing if there is only one.
    Cancel(Option<u32>),
}

impl FileCommand {
    /// What `/decline` with these words means for files: their number, or the only one.
    pub fn declined(words: Option<&str>) -> Self {
        Self::Decline(words.and_then(|words| words.parse().ok()))
    }
}

/// How far a transfer is, for those who watch it from another thread.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    /// What of that was there before.
    before: AtomicU64,
    sha256: OnceLock<Sha256>,
}

impl Progress {
    /// How many bytes are there, those of before included.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// The hash of a single file, once it is whole.
    pub fn sha256(&self) -> Option<Sha256> {
        self.sha256.get().copied()
    }

    /// How many bytes have come over this connection.
    fn moved(&self) -> u64 {
        let before = self.before.load(Ordering::Relaxed);
        self.done().saturating_sub(before)
    }

    /// So many bytes are there, of which none has to come.
    fn set(&self, done: u64) {
        if done != self.done() {
            self.before.store(done, Ordering::Relaxed);
            self.done.store(done, Ordering::Relaxed);
        }
    }

    fn add(&self, bytes: usize) {
        self.done.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
