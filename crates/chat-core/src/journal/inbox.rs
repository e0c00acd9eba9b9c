//! What the answering machine has heard, and nobody has read yet.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use memchr::memmem;

use super::record::Record;
use super::restore::{self, RecordedText, Restored, compact};
use super::{Calls, EXTENSION, JournalError, SET_ASIDE, failed};
use crate::trust::{Fingerprint, private_file};
use crate::wire::Hex;
use private_file::Stamp;

/// What stands in every journal that the machine has written to.
const ANSWERING: &[u8] = br#"{"is":"answering","on":true"#;

/// The messages of one peer that nobody has read.
#[derive(Debug)]
pub struct Unread {
    /// Who left them.
    pub peer: Fingerprint,
    /// The messages, the oldest first.
    pub messages: Vec<RecordedText>,
    journals: Vec<Locked>,
}

/// Peers whose messages cannot be read now, because a call with them is on.
pub type InUse = Vec<Fingerprint>;

/// A journal that nobody else uses meanwhile.
#[derive(Debug)]
struct Locked {
    file: File,
    path: PathBuf,
    /// Its whole lines.
    bytes: Vec<u8>,
    restored: Restored,
    /// Nothing of it may be lost.
    is_damaged: bool,
}

/// How much waits to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many messages.
    pub messages: u64,
    /// Their texts, in bytes.
    pub bytes: u64,
}

impl Waiting {
    /// What waits in this journal.
    fn read(path: &Path) -> Result<Self, JournalError> {
        let Some(bytes) = read_if_heard(path)? else {
            return Ok(Self::default());
        };
        let (Restored { unread, .. }, ..) = restore::read(&bytes);
        Ok(Self {
            messages: unread.len() as u64,
            bytes: unread.iter().map(|message| message.text.len() as u64).sum(),
        })
    }

    /// Adds messages with texts of so many bytes.
    pub fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

impl Calls {
    /// Everything that nobody has read, by who was heard first, and the peers with whom a call is
    /// on. The journals stay locked until that is [`read`](Unread::mark_read) or dropped.
    ///
    /// # Errors
    /// A journal cannot be used.
    pub fn unread(&self) -> Result<(Vec<Unread>, InUse), JournalError> {
        let mut unread = HashMap::new();
        let mut in_use = InUse::new();
        for (peer, path) in self.heard_by_machine()? {
            let Some(file) = private_file::open_locked(&path)? else {
                in_use.push(peer);
                continue;
            };
            let bytes = private_file::read(&path)?.unwrap_or_default();
            let (restored, unreadable, whole) = restore::read(&bytes);
            if restored.unread.is_empty() {
                continue;
            }
            let is_damaged = !unreadable.is_empty();
            let left = unread.entry(peer).or_insert_with(|| Unread {
                peer,
                messages: Vec::new(),
                journals: Vec::new(),
            });
            left.messages.extend_from_slice(&restored.unread);
            left.journals.push(Locked {
                file,
                path,
                bytes: bytes[..whole].to_vec(),
                restored,
                is_damaged,
            });
        }
        let mut unread: Vec<_> = unread.into_values().collect();
        for left in &mut unread {
            left.messages.sort_by_key(|message| message.at);
        }
        unread.sort_by_key(|left| left.messages.first().map(|message| message.at));
        Ok((unread, in_use))
    }

    /// The journals that the machine has written to, and whose they are.
    fn heard_by_machine(&self) -> Result<Vec<(Fingerprint, PathBuf)>, JournalError> {
        let mut heard = Vec::new();
        for path in self.files()? {
            if let Some(peer) = peer_of(&path)
                && read_if_heard(&path)?.is_some()
            {
                heard.push((peer, path));
            }
        }
        Ok(heard)
    }
}

/// The journal, if the machine has written to it.
fn read_if_heard(path: &Path) -> Result<Option<Vec<u8>>, JournalError> {
    let bytes = private_file::read(path)?;
    Ok(bytes.filter(|bytes| memmem::find(bytes, ANSWERING).is_some()))
}

/// Counts what waits to be read. Whoever calls leaves a file, so only those are read that have
/// changed since the last time.
#[derive(Debug, Default)]
pub struct Tally {
    counted: HashMap<PathBuf, (Stamp, Waiting)>,
}

impl Tally {
    /// How much waits of each peer, at a glance: also while a call is on.
    ///
    /// # Errors
    /// A journal cannot be used.
    pub fn count(&mut self, calls: &Calls) -> Result<HashMap<Fingerprint, Waiting>, JournalError> {
        let mut before = std::mem::take(&mut self.counted);
        let mut waiting = HashMap::<_, Waiting>::new();
        for path in calls.files()? {
            let (Some(peer), Some(stamp)) = (peer_of(&path), private_file::stamp(&path)?) else {
                continue;
            };
            let known = before.remove(&path).filter(|(then, _)| *then == stamp);
            let counted = match known {
                Some((_, counted)) => counted,
                None => Waiting::read(&path)?,
            };
            if counted.messages > 0 {
                waiting.entry(peer).or_default().add(counted);
            }
            self.counted.insert(path, (stamp, counted));
        }
        Ok(waiting)
    }
}

impl Unread {
    /// The person has read them. Texts that are not to be kept are removed with that, once their
    /// call is over.
    ///
    /// # Errors
    /// It cannot be written down, and they will be shown again.
    pub fn mark_read(self) -> Result<(), JournalError> {
        self.journals.into_iter().try_for_each(Locked::mark_read)
    }
}

impl Locked {
    fn mark_read(mut self) -> Result<(), JournalError> {
        let mut read = Vec::new();
        if self.restored.answering {
            Record::Answering { on: false }.write_to(&mut read);
        }
        Record::Read.write_to(&mut read);
        if self.is_damaged {
            // What was torn at its end stays, as a line of its own.
            let torn = self
                .file
                .metadata()
                .is_ok_and(|file| file.len() > self.bytes.len() as u64);
            let line = if torn {
                [b"\n", &read[..]].concat()
            } else {
                read
            };
            return Ok(private_file::append(&self.path, &line)?);
        }
        if !self.restored.ended {
            let end = self.bytes.len() as u64;
            let cut = self.file.set_len(end);
            let ready = cut.and_then(|()| self.file.seek(SeekFrom::Start(end)));
            let written = ready.and_then(|_| self.file.write_all(&read));
            let synced = written.and_then(|()| self.file.sync_data());
            return synced.map_err(failed(&self.path));
        }
        // The last line of a call that is over says so, and goes on to.
        let last = self
            .bytes
            .trim_ascii_end()
            .rsplit(|byte| *byte == b'\n')
            .next();
        read.extend_from_slice(last.unwrap_or_default());
        read.push(b'\n');
        self.bytes.extend_from_slice(&read);
        match compact(&self.bytes) {
            Some(compacted) => drop(private_file::replace(&self.path, &compacted)?),
            None => std::fs::remove_file(&self.path).map_err(failed(&self.path))?,
        }
        Ok(())
    }
}

/// Whose journal has this name, also if it was set aside.
fn peer_of(path: &Path) -> Option<Fingerprint> {
    let name = path.file_name()?.to_str()?;
    let (key, rest) = name.split_once('.')?;
    let (_session, extension) = rest.split_once('.')?;
    let Hex(key) = key.parse::<Hex<32>>().ok()?;
    let is_journal = extension == EXTENSION || extension.starts_with(SET_ASIDE);
    is_journal.then(|| Fingerprint::from_bytes(key))
}
