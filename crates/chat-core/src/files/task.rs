//! One transfer, as a task beside the call: its disk and its cryptography are on a thread of
//! their own, so that they delay no line.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::io::SyncIoBridge;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::flow::{Arriving, Outgoing};
use super::store::Claim;
use super::{
    Complete, Directory, Expected, FileStream, FileViolation, Incoming, Opening, Progress, Record,
    RecordedSide, Source, Stage, Store, TransferError, lines,
};
use crate::blocking;
use crate::wire::{FileHello, FileLine};

/// A connection on which nothing moves for this long is lost.
const SILENCE: Duration = Duration::from_secs(30);

/// The same while the other side may have to read what is there already, or to write it down.
const LONG_SILENCE: Duration = Duration::from_secs(10 * 60);

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Send this.
    Send(Source),
    /// Take it into this directory.
    Receive {
        /// Where.
        directory: PathBuf,
        /// What.
        expected: Expected,
        /// Where it is written down, and as what.
        record: Option<(Store, Record)>,
    },
}

/// How the connection comes about.
pub(super) enum Way {
    /// This side makes it, and says what it is for.
    Dial(Opening, FileHello),
    /// The other side has made it.
    Given(FileStream),
    /// None is needed: all is there.
    None,
}

/// Runs a transfer to its end. Returns where the file is, at the receiver.
pub(super) async fn run(
    work: Work,
    way: Way,
    progress: Arc<Progress>,
    cancelled: CancellationToken,
) -> Result<Option<PathBuf>, TransferError> {
    let prepared = blocking(move || prepare(work)).await?;
    let prepared = match prepared {
        Prepared::Published(path) => return Ok(Some(path)),
        prepared => prepared,
    };
    let (stream, hello) = match way {
        Way::Given(stream) => (stream, None),
        Way::None => return Err(aborted().into()),
        Way::Dial(opening, hello) => tokio::select! {
            () = cancelled.cancelled() => return Err(aborted().into()),
            opened = opening => (opened?, Some(hello)),
        },
    };
    let sends = matches!(prepared, Prepared::Send(_));
    let bridge = SyncIoBridge::new(Guarded::new(stream, cancelled, sends));
    blocking(move || prepared.carry_out(bridge, hello, &progress)).await
}

/// Work that knows how far it is.
enum Prepared {
    Send(Source),
    Receive(Box<Incoming>, Option<Entry>),
    /// There was nothing left to do but the name.
    Published(PathBuf),
}

fn prepare(work: Work) -> Result<Prepared, TransferError> {
    let (path, expected, record) = match work {
        Work::Send(source) => return Ok(Prepared::Send(source)),
        Work::Receive {
            directory,
            expected,
            record,
        } => (directory, expected, record),
    };
    let unwritable = |reason| TransferError::Unwritable {
        path: path.clone(),
        reason,
    };
    let directory = Directory::open(&path).map_err(unwritable)?;
    let Some((store, record)) = record else {
        let incoming = Incoming::open(directory, expected)?;
        return Ok(Prepared::Receive(Box::new(incoming), None));
    };
    let mut entry = Entry::claim(store, record)?;
    if let RecordedSide::Takes { stage, name, .. } = &entry.record.side
        && *stage != Stage::Accepted
    {
        // An earlier program ended between the last byte and the name, or right after it.
        let gone = *stage == Stage::Taken || expected.is_gone(&directory).map_err(unwritable)?;
        let published = match gone {
            true => directory.path_of(name),
            false => Complete::of(directory, expected).publish()?,
        };
        entry.taken(&published);
        return Ok(Prepared::Published(published));
    }
    entry.write();
    let incoming = Incoming::open(directory, expected)?;
    Ok(Prepared::Receive(Box::new(incoming), Some(entry)))
}

/// The record of an offer, which one task at a time goes on with.
struct Entry {
    store: Store,
    record: Record,
    _claim: Claim,
}

impl Entry {
    /// Takes the record as it is by now: a task of an earlier call may have ended since it was
    /// read, and what that has taken is not to come again.
    ///
    /// # Errors
    /// Such a task is not over yet, or another program is at it, which passes.
    fn claim(store: Store, record: Record) -> Result<Self, TransferError> {
        let claim = store.claim(record.offer.id);
        let claim = claim.map_err(|error| TransferError::Unwritable {
            path: store.directory().to_owned(),
            reason: io::Error::other(error),
        })?;
        let claim = claim.ok_or_else(aborted)?;
        Ok(Self {
            record: store.latest(&record).unwrap_or(record),
            store,
            _claim: claim,
        })
    }

    /// Only its name is missing.
    fn whole(&mut self) {
        if let RecordedSide::Takes { stage, .. } = &mut self.record.side {
            *stage = Stage::Whole;
        }
        self.write();
    }

    /// It has its name.
    fn taken(&mut self, path: &Path) {
        if let RecordedSide::Takes { stage, name, .. } = &mut self.record.side {
            *stage = Stage::Taken;
            if let Some(given) = path.file_name() {
                *name = given.to_string_lossy().into_owned();
            }
        }
        self.write();
    }

    fn write(&self) {
        if let Err(error) = self.store.put(&self.record) {
            tracing::debug!(%error, "how far an offer is, is not written down");
        }
    }
}

impl Prepared {
    fn carry_out(
        self,
        mut stream: SyncIoBridge<Guarded>,
        hello: Option<FileHello>,
        progress: &Progress,
    ) -> Result<Option<PathBuf>, TransferError> {
        if let Some(hello) = hello {
            lines::write(&mut stream, &FileLine::File(hello))?;
        }
        match self {
            Self::Published(path) => Ok(Some(path)),
            Self::Send(source) => {
                stream.flush()?;
                let mut stream = BufReader::new(stream);
                let FileLine::Have(have) = lines::read(&mut stream)? else {
                    return Err(FileViolation::Misplaced.into());
                };
                let mut stream = Outgoing::new(stream);
                source.send(&have, &mut stream, progress)?;
                stream.finish(SyncIoBridge::shutdown)?;
                Ok(None)
            }
            Self::Receive(incoming, mut entry) => {
                lines::write(&mut stream, &FileLine::Have(incoming.have()))?;
                stream.flush()?;
                let mut stream = Arriving::new(stream);
                let complete = incoming.receive(&mut stream, progress)?;
                if let Some(entry) = &mut entry {
                    entry.whole();
                }
                let path = complete.publish()?;
                if let Some(mut entry) = entry {
                    entry.taken(&path);
                }
                // If the sender does not hear of it here, it does in the talk.
                let _ = stream.get_mut().shutdown();
                let _ = stream.fill_buf();
                Ok(Some(path))
            }
        }
    }
}

fn aborted() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

/// A stream that ends when it is cancelled, or when nothing moves on it.
#[derive(Debug)]
struct Guarded {
    stream: FileStream,
    token: CancellationToken,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Rings when it is lost, or earlier.
    patience: Pin<Box<Sleep>>,
    /// When something last moved.
    moved: Instant,
    /// How long a read may take.
    reads: Duration,
    /// What this side sends takes the other time once it is whole.
    sends: bool,
}

impl Guarded {
    /// The other side may first have to read what is there already.
    fn new(stream: FileStream, token: CancellationToken, sends: bool) -> Self {
        let moved = Instant::now();
        Self {
            stream,
            cancelled: Box::pin(token.clone().cancelled_owned()),
            patience: Box::pin(sleep_until(moved + SILENCE)),
            token,
            moved,
            reads: LONG_SILENCE,
            sends,
        }
    }

    /// Polls the stream, and gives up where that is due.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        limit: Duration,
        poll: impl FnOnce(Pin<&mut FileStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.token.is_cancelled() {
            return Poll::Ready(Err(aborted()));
        }
        if let Poll::Ready(done) = poll(Pin::new(&mut self.stream), cx) {
            self.moved = Instant::now();
            return Poll::Ready(done);
        }
        if self.cancelled.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(aborted()));
        }
        // It is moved only when it rings, or would ring too late.
        let until = self.moved + limit;
        if self.patience.deadline() > until {
            self.patience.as_mut().reset(until);
        }
        while self.patience.as_mut().poll(cx).is_ready() {
            if until <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.patience.as_mut().reset(until);
        }
        Poll::Pending
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let limit = self.reads;
        let read = self.poll(cx, limit, |stream, cx| stream.poll_read(cx, buffer));
        if read.is_ready() {
            self.reads = SILENCE;
        }
        read
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, SILENCE, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, SILENCE, |stream, cx| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.sends {
            self.reads = LONG_SILENCE;
        }
        self.poll(cx, SILENCE, |stream, cx| stream.poll_shutdown(cx))
    }
}
