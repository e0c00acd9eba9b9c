//! Writes a journal on a thread of its own: a disk that stalls holds up neither keys nor link.

use std::fs::File;
use std::future::Future;
use std::io::{self, Seek, Write};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::watch;

use super::record::{Message, Record, now};
use super::restore::{Restored, compact};
use super::{Durability, JournalError};
use crate::protocol::{Entry, Recorded};
use crate::trust::private_file;

/// How much may wait to be written, in bytes, before [`Journal::has_room`] says no.
const MAX_QUEUED: usize = 4 << 20;

/// The journal of one session, locked for this program.
///
/// What is appended is written in the background, as much at once as has gathered. Dropping the
/// journal still has everything written, as long as the program runs; [`close`](Self::close) waits
/// for it.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
    /// What is recorded once everything that was appended is.
    recorded: Recorded,
}

/// How far the records are safe.
#[derive(Clone, Copy, Debug, Default)]
struct Safe {
    recorded: Recorded,
    /// How many records of all kinds were written since the journal was opened.
    records: u64,
}

type Progress = Result<Safe, Arc<io::Error>>;

/// What the session and the thread share.
#[derive(Debug)]
struct Shared {
    path: PathBuf,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    lines: Vec<u8>,
    /// What is recorded once all of them are.
    then: Safe,
    /// Nothing more is appended.
    closed: bool,
    /// The call is over.
    ended: bool,
}

impl Journal {
    /// Goes on after what `restored` has, at the end of `file`, which is locked.
    pub(super) fn start(
        file: File,
        path: PathBuf,
        restored: &Restored,
        durability: Durability,
    ) -> Result<Self, JournalError> {
        let recorded = Recorded {
            said: restored.said,
            heard: restored.heard,
            finished: restored.finished,
        };
        let safe = Safe {
            recorded,
            records: 0,
        };
        let shared = Arc::new(Shared {
            path,
            queue: Mutex::default(),
            changed: Condvar::new(),
        });
        let (progress, watched) = watch::channel(Ok(safe));
        let thread = {
            let shared = Arc::clone(&shared);
            move || shared.write_all(file, durability, &progress)
        };
        let spawned = thread::Builder::new().name("journal".into()).spawn(thread);
        spawned.map_err(|error| shared.failed(Arc::new(error)))?;
        Ok(Self {
            shared,
            progress: watched,
            recorded,
        })
    }

    /// Records what happened in the session.
    pub fn record(&mut self, entry: &Entry) {
        match entry {
            Entry::Said(text) => self.said(text),
            Entry::Heard(text) => self.heard(text),
            Entry::Acknowledged(number) => self.acknowledged(*number),
            Entry::Finished => self.finished(),
            Entry::PeerFinished(last) => self.peer_finished(*last),
        }
    }

    /// This side says its next message. It may be sent once it is [`recorded`](Self::recorded).
    pub fn said(&mut self, text: &str) {
        self.recorded.said += 1;
        let message = message(self.recorded.said, text);
        self.append(&Record::Said(message));
    }

    /// The peer's next message was shown. It may be acknowledged once it is
    /// [`recorded`](Self::recorded).
    pub fn heard(&mut self, text: &str) {
        self.recorded.heard += 1;
        let message = message(self.recorded.heard, text);
        self.append(&Record::Heard(message));
    }

    /// The peer acknowledged this side's messages up to this number.
    pub fn acknowledged(&mut self, number: u64) {
        self.append(&Record::Acknowledged { number });
    }

    /// This side has nothing more to say.
    pub fn finished(&mut self) {
        self.recorded.finished = true;
        self.append(&Record::Finished);
    }

    /// The peer has nothing more to say after the message with this number.
    pub fn peer_finished(&mut self, last: u64) {
        self.append(&Record::PeerLast { number: last });
    }

    /// What follows is kept when the call is over.
    pub fn keep(&mut self) {
        self.append(&Record::Keep);
    }

    /// Whether what follows is heard by nobody but the answering machine. Then it is kept until it
    /// was read.
    pub fn answering(&mut self, on: bool) {
        self.append(&Record::Answering { on });
    }

    /// Whether the disk keeps up; otherwise read no more from the peer, nor from a pipe.
    pub fn has_room(&self) -> bool {
        self.shared.queue().lines.len() < MAX_QUEUED
    }

    /// How far the records are safe now.
    ///
    /// # Errors
    /// They could not be written, and nothing is recorded any more.
    pub fn recorded(&self) -> Result<Recorded, JournalError> {
        self.told(&self.progress.borrow())
    }

    /// Waits until more is recorded, and returns how far. Cancel safe.
    ///
    /// # Errors
    /// The records could not be written, and nothing is recorded any more.
    pub async fn changed(&mut self) -> Result<Recorded, JournalError> {
        // The thread has left for good only after an error, which is told again.
        drop(self.progress.changed().await);
        self.recorded()
    }

    /// Waits until everything so far is recorded. Cancel safe.
    ///
    /// # Errors
    /// It could not be written, and nothing is recorded any more.
    pub async fn flushed(&mut self) -> Result<(), JournalError> {
        let all = self.shared.queue().then.records;
        let done = |progress: &Progress| progress.as_ref().is_ok_and(|to| to.records >= all);
        let over = |progress: &Progress| progress.is_err() || done(progress);
        drop(self.progress.wait_for(over).await);
        self.recorded().map(drop)
    }

    /// The call is over, which is written down whether or not this is awaited. What is not to be
    /// kept is removed: only counts stay, for a peer that missed the end and comes back.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn end(self) -> impl Future<Output = Result<(), JournalError>> + Send {
        self.end_with(false)
    }

    /// The same, and what the peer has not acknowledged is said again in another session.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn carry_over(self) -> impl Future<Output = Result<(), JournalError>> + Send {
        self.end_with(true)
    }

    fn end_with(self, carried: bool) -> impl Future<Output = Result<(), JournalError>> + Send {
        self.append(&Record::Ended { carried });
        self.shared.close(true);
        self.left()
    }

    /// Leaves the session to be resumed later: everything is recorded then, and the file no longer
    /// locked.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn close(self) -> impl Future<Output = Result<(), JournalError>> + Send {
        self.shared.close(false);
        self.left()
    }

    async fn left(mut self) -> Result<(), JournalError> {
        while self.progress.changed().await.is_ok() {}
        self.recorded().map(drop)
    }

    fn append(&self, record: &Record<'_>) {
        let mut queue = self.shared.queue();
        // After an error nobody takes it away.
        if queue.closed {
            return;
        }
        record.write_to(&mut queue.lines);
        queue.then.records += 1;
        queue.then.recorded = self.recorded;
        self.shared.changed.notify_one();
    }

    fn told(&self, progress: &Progress) -> Result<Recorded, JournalError> {
        let failed = |error: &Arc<io::Error>| self.shared.failed(Arc::clone(error));
        let recorded = progress.as_ref().map(|safe| safe.recorded);
        recorded.map_err(failed)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.close(false);
    }
}

fn message(number: u64, text: &str) -> Message<'_> {
    Message {
        number,
        at: now(),
        text: text.into(),
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, ended: bool) {
        let mut queue = self.queue();
        queue.closed = true;
        queue.ended |= ended;
        self.changed.notify_one();
    }

    fn failed(&self, reason: Arc<io::Error>) -> JournalError {
        JournalError::Write {
            path: self.path.clone(),
            reason,
        }
    }

    /// The thread: until the journal is closed and everything is written.
    fn write_all(&self, file: File, durability: Durability, progress: &watch::Sender<Progress>) {
        let result = self.write_groups(&file, durability, progress);
        if let Err(error) = result {
            let mut queue = self.queue();
            (queue.closed, queue.lines) = (true, Vec::new());
            drop(progress.send_replace(Err(Arc::new(error))));
        }
    }

    /// Whatever has gathered while one group was written is the next.
    fn write_groups(
        &self,
        mut file: &File,
        durability: Durability,
        progress: &watch::Sender<Progress>,
    ) -> io::Result<()> {
        let mut lines = Vec::new();
        loop {
            let mut queue = self.queue();
            while queue.lines.is_empty() && !queue.closed {
                queue = self
                    .changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if queue.lines.is_empty() {
                return match queue.ended {
                    true => self.compact(),
                    false => Ok(()),
                };
            }
            lines.clear();
            std::mem::swap(&mut lines, &mut queue.lines);
            let then = queue.then;
            drop(queue);
            file.write_all(&lines)?;
            if durability == Durability::Power {
                file.sync_data()?;
            }
            tracing::trace!(
                path = %self.path.display(),
                length = file.stream_position().unwrap_or(0),
                "recorded"
            );
            drop(progress.send_replace(Ok(then)));
        }
    }

    fn compact(&self) -> io::Result<()> {
        let bytes = private_file::read(&self.path).map_err(io::Error::other)?;
        // Somebody has removed it: the peer was forgotten.
        let Some(bytes) = bytes else { return Ok(()) };
        let Some(compacted) = compact(&bytes) else {
            return std::fs::remove_file(&self.path);
        };
        let replaced = private_file::replace(&self.path, &compacted);
        replaced.map(drop).map_err(io::Error::other)
    }
}
