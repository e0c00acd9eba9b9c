//! Offers that are open, written down so that they outlive programs: one file each, in the
//! directory `files` beside the identity.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::FileName;
use crate::trust::{FileError, Fingerprint, private_file};
use crate::wire::{Offer, OfferId};

/// How long an offer is kept that nobody comes back to.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What ends the name of a record.
const EXTENSION: &str = "json";

/// The records of one user. The methods wait for the disk.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

/// The right to take an offer, which one task of all programs has at a time: one outlives its call
/// while the disk is slow, and two programs of a user may be in calls with the same peer.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    _lock: File,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Whoever waits for the lock of a removed file notices.
        let _ = fs::remove_file(&self.path);
    }
}

/// An offer, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The fingerprint of the other side.
    pub peer: String,
    /// What was offered.
    pub offer: Offer,
    /// Which side this is, and how far it is.
    pub side: RecordedSide,
}

/// What this side does about an offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordedSide {
    /// It offers what is there.
    Sends(PathBuf),
    /// It takes it into this directory, under this name.
    Takes {
        /// Where.
        directory: PathBuf,
        /// What it is to be called.
        name: String,
        /// How far it is.
        stage: Stage,
    },
}

/// How far a file is that this side takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It is on its way.
    Accepted,
    /// It is whole, and gets its name next.
    Whole,
    /// It has it; the sender may not know yet.
    Taken,
}

impl Store {
    /// Those in `data_dir`, where the identity is. Old ones are removed.
    ///
    /// # Errors
    /// The directory is not the user's alone, or cannot be used.
    pub fn open(data_dir: &Path) -> Result<Self, FileError> {
        let directory = data_dir.join("files");
        private_file::private_dir(data_dir)?;
        private_file::private_dir(&directory)?;
        let store = Self { directory };
        let now = SystemTime::now();
        for path in store.paths() {
            let modified = fs::metadata(&path).and_then(|metadata| metadata.modified());
            let age = modified.ok().and_then(|then| now.duration_since(then).ok());
            if age.is_some_and(|age| age > KEPT) {
                let _ = fs::remove_file(&path);
            }
        }
        Ok(store)
    }

    /// Writes a record, in the place of the one before.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn put(&self, record: &Record) -> Result<(), FileError> {
        let path = self.path(record.offer.id);
        let failed = |reason: serde_json::Error| FileError::Io {
            path: path.clone(),
            reason: reason.into(),
        };
        let json = serde_json::to_vec(record).map_err(failed)?;
        private_file::replace(&path, &json).map(drop)
    }

    /// Forgets an offer. If that fails, it is offered once more.
    pub fn remove(&self, id: OfferId) {
        let _ = fs::remove_file(self.path(id));
    }

    /// The right to take this offer; `None` while another task has it.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub(super) fn claim(&self, id: OfferId) -> Result<Option<Claim>, FileError> {
        let path = self.path(id).with_extension("lock");
        let lock = private_file::try_lock(&path)?;
        Ok(lock.map(|lock| Claim { path, _lock: lock }))
    }

    /// What is written down of the offer of this record by now.
    pub(super) fn latest(&self, record: &Record) -> Option<Record> {
        let latest = read(&self.path(record.offer.id))?;
        (latest.peer == record.peer && latest.offer == record.offer).then_some(latest)
    }

    /// All that concerns this peer. What cannot be read is left out.
    pub fn of_peer(&self, peer: Fingerprint) -> Vec<Record> {
        let peer = peer.to_string();
        let paths = self.paths();
        let mut records: Vec<_> = paths.iter().filter_map(|path| read(path)).collect();
        records.retain(|record| record.peer == peer);
        records
    }

    /// Forgets all that concerns this peer.
    pub fn forget(&self, peer: Fingerprint) {
        for record in self.of_peer(peer) {
            self.remove(record.offer.id);
        }
    }

    /// Gives all that concerns this peer to the same peer under another key.
    ///
    /// # Errors
    /// A record cannot be written.
    pub fn hand_over(&self, old: Fingerprint, new: Fingerprint) -> Result<(), FileError> {
        let peer = new.to_string();
        for record in self.of_peer(old) {
            self.put(&Record {
                peer: peer.clone(),
                ..record
            })?;
        }
        Ok(())
    }

    /// Where the records are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    fn paths(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|ending| ending == EXTENSION));
        paths.sort();
        paths
    }

    fn path(&self, id: OfferId) -> PathBuf {
        self.directory.join(format!("{id}.{EXTENSION}"))
    }
}

fn read(path: &Path) -> Option<Record> {
    let bytes = private_file::read(path).ok().flatten()?;
    serde_json::from_slice(&bytes).ok()
}

impl RecordedSide {
    /// What is taken is to be called, made safe again: people may edit the record.
    pub(super) fn name(&self) -> Option<FileName> {
        match self {
            Self::Sends(_) => None,
            Self::Takes { name, .. } => Some(FileName::sanitize(name)),
        }
    }
}
