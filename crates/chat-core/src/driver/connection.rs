//! One connection: a stream, the codec on it, and the bytes on their way.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::codec::{Decoder, Encoder};
use tokio_util::io::poll_read_buf;

use crate::transport::Stream;
use crate::wire::{Batch, Control, Frame, HANG_UP, LineCodec, LineError, Outgoing};

/// How much is read at once, in bytes.
const READ: usize = 128 * 1024;

/// With less room than this, in bytes, a new read buffer is taken.
const LEAST_READ: usize = 16 * 1024;

/// How long bytes without an LF stay alone until they are a message of a raw peer.
const ALONE: Duration = Duration::from_millis(100);

/// How long a closed call waits for the peer to close its side too.
const DRAIN: Duration = Duration::from_secs(1);

/// A connection that carries a conversation.
#[derive(Debug)]
pub struct Link<S> {
    stream: S,
    codec: LineCodec,
    incoming: BytesMut,
    /// What is to be written.
    pub(super) outgoing: Outgoing,
    /// When the bytes without an LF become a message.
    alone_until: Option<Instant>,
    read: ReadHalf,
    write: WriteHalf,
}

/// A link over whatever carries it.
pub type AnyLink = Link<Box<dyn Stream>>;

/// The state of the writing direction.
#[derive(Debug)]
enum WriteHalf {
    /// All that was written has left the stream's own buffers.
    Flushed,
    Unflushed,
    Closing,
    Closed,
    /// Writing failed. What the peer sent before may still be read, the hang-up above all.
    Broken(io::Error),
}

impl WriteHalf {
    /// Whether nothing can be written any more.
    fn is_over(&self) -> bool {
        matches!(self, Self::Closed | Self::Broken(_))
    }
}

/// The state of the reading direction.
#[derive(Debug, PartialEq)]
enum ReadHalf {
    Open,
    /// The peer sends nothing more.
    Ended,
    /// And the protocol knows.
    Told,
    /// Reading failed, but the bytes that came before count as they stand.
    Failed,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// A connection on `stream`. A TCP stream should have `TCP_NODELAY` set.
    pub fn new(stream: S, codec: LineCodec) -> Self {
        Self {
            stream,
            codec,
            incoming: BytesMut::new(),
            outgoing: Outgoing::default(),
            alone_until: None,
            read: ReadHalf::Open,
            write: WriteHalf::Flushed,
        }
    }

    /// Sets the longest line from now on, in bytes: a stranger is owed less than a friend.
    pub fn set_limit(&mut self, limit: usize) {
        self.codec.set_limit(limit);
    }

    /// Whether the peer takes one write for one message.
    pub(super) fn is_raw(&self) -> bool {
        self.codec.is_raw()
    }

    /// Whether everything was written and has left.
    pub(super) fn is_written(&self) -> bool {
        self.outgoing.is_empty() && !matches!(self.write, WriteHalf::Unflushed | WriteHalf::Closing)
    }

    /// Closes the write half once all is written.
    pub(super) fn close(&mut self) {
        if matches!(self.write, WriteHalf::Flushed | WriteHalf::Unflushed) {
            self.write = WriteHalf::Closing;
        }
    }

    /// When to ask for a frame although nothing came.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.alone_until
    }

    /// The next frame among the bytes that have come. Until this is `None`, nothing is read.
    pub(super) fn frame(&mut self) -> Result<Option<Frame>, LineError> {
        if self.read != ReadHalf::Open {
            return self.codec.decode_eof(&mut self.incoming);
        }
        if let Some(frame) = self.codec.decode(&mut self.incoming)? {
            return Ok(Some(frame));
        }
        match self.alone_until {
            Some(until) if until <= Instant::now() => {
                self.alone_until = None;
                Ok(self.codec.take_alone(&mut self.incoming))
            }
            _ => Ok(None),
        }
    }

    /// Whether the peer has closed its side since this was last asked. Ask after the frames.
    pub(super) fn take_end(&mut self) -> bool {
        let ended = self.read == ReadHalf::Ended;
        if ended {
            self.read = ReadHalf::Told;
        }
        ended
    }

    /// Waits until bytes were read or written, and answers whether any were read. Cancel safe:
    /// what was moved is kept.
    pub(super) async fn moved(&mut self, reading: bool) -> io::Result<bool> {
        poll_fn(|cx| self.poll_moved(reading, cx)).await
    }

    fn poll_moved(&mut self, reading: bool, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let wrote = match self.poll_write(cx) {
            Poll::Ready(Err(error)) => {
                self.outgoing.clear();
                self.write = WriteHalf::Broken(error);
                true
            }
            Poll::Ready(Ok(wrote)) => wrote,
            Poll::Pending => false,
        };
        // Who does not read yet may have frames of the peer still to take.
        if reading
            && self.read != ReadHalf::Open
            && let Some(error) = self.write_error()
        {
            return Poll::Ready(Err(error));
        }
        if reading
            && self.read == ReadHalf::Open
            && let Poll::Ready(read) = self.poll_read(cx)
        {
            return Poll::Ready(read.map(|()| true));
        }
        if wrote {
            return Poll::Ready(Ok(false));
        }
        Poll::Pending
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.incoming.capacity() - self.incoming.len() < LEAST_READ {
            self.incoming.reserve(READ);
        }
        let read = poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.incoming);
        match ready!(read) {
            Ok(0) => {
                self.read_end(ReadHalf::Ended);
                Poll::Ready(Ok(()))
            }
            Ok(_) => {
                let alone = self.codec.may_stand_alone(&self.incoming);
                self.alone_until = alone.then(|| Instant::now() + ALONE);
                Poll::Ready(Ok(()))
            }
            // Stock TLS tools end without a close_notify; only chat/1 knows that as a cut.
            Err(error)
                if error.kind() == io::ErrorKind::UnexpectedEof && !self.codec.is_chat1() =>
            {
                self.read_end(ReadHalf::Ended);
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                // What a plain peer sent just before a reset may be its unended hang-up.
                if !self.codec.is_chat1() {
                    self.read_end(ReadHalf::Failed);
                }
                Poll::Ready(Err(self.write_error().unwrap_or(error)))
            }
        }
    }

    fn read_end(&mut self, end: ReadHalf) {
        self.read = end;
        self.alone_until = None;
    }

    /// The error that broke the write half: it came first and says more than a later one.
    fn write_error(&mut self) -> Option<io::Error> {
        match std::mem::replace(&mut self.write, WriteHalf::Closed) {
            WriteHalf::Broken(error) => Some(error),
            other => {
                self.write = other;
                None
            }
        }
    }

    /// Writes what there is. Ready with whether anything changed.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut wrote = false;
        while !self.outgoing.is_empty() {
            if self.write.is_over() {
                self.outgoing.clear();
                return Poll::Ready(Ok(true));
            }
            let stream = Pin::new(&mut self.stream);
            match self.outgoing.poll_write_to(stream, cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if wrote => return Poll::Ready(Ok(true)),
                Poll::Pending => return Poll::Pending,
            }
            wrote = true;
            if matches!(self.write, WriteHalf::Flushed) {
                self.write = WriteHalf::Unflushed;
            }
        }
        let mut stream = Pin::new(&mut self.stream);
        let (done, next) = match self.write {
            WriteHalf::Unflushed => (stream.as_mut().poll_flush(cx), WriteHalf::Flushed),
            WriteHalf::Closing => (stream.as_mut().poll_shutdown(cx), WriteHalf::Closed),
            _ => return Poll::Ready(Ok(wrote)),
        };
        match done {
            Poll::Ready(Ok(())) => {
                self.write = next;
                Poll::Ready(Ok(true))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Ready(Ok(wrote)),
        }
    }

    /// Waits until the peer is gone without having said anything. What it says is kept, as much
    /// as one read takes; a peer that said something and then left is still to be heard.
    pub async fn given_up(&mut self) {
        while self.read == ReadHalf::Open && self.incoming.len() < LEAST_READ {
            if self.moved(true).await.is_err() {
                return;
            }
        }
        if self.read == ReadHalf::Open || !self.incoming.is_empty() {
            pending().await
        }
    }

    /// Whether the peer has let too much pile up that was pushed: 256 KiB.
    pub fn is_congested(&self) -> bool {
        self.outgoing.is_full()
    }

    /// The next frame, or `None` once the peer sends nothing more: for a program that takes
    /// turns instead of holding a conversation. Cancel safe.
    ///
    /// # Errors
    /// The stream failed, or a line was over a limit that must not be cut.
    pub async fn receive(&mut self) -> Result<Option<Frame>, LineError> {
        loop {
            if let Some(frame) = self.frame()? {
                return Ok(Some(frame));
            }
            if self.read != ReadHalf::Open {
                return Ok(None);
            }
            match self.alone_until {
                None => self.moved(true).await?,
                Some(until) => match timeout_at(until, self.moved(true)).await {
                    Ok(moved) => moved?,
                    // What has stood alone for so long is a frame.
                    Err(_) => continue,
                },
            };
        }
    }

    /// Sends a frame, and waits until it is written. Nothing is read meanwhile.
    ///
    /// # Errors
    /// The stream failed.
    pub async fn send(&mut self, frame: Frame) -> Result<(), LineError> {
        let mut bytes = BytesMut::new();
        self.codec.encode(frame, &mut bytes)?;
        self.outgoing.push(bytes.freeze());
        while !self.is_written() {
            self.moved(false).await?;
        }
        self.write_error().map_or(Ok(()), |error| Err(error.into()))
    }

    /// Puts a line on its way; [`end`](Self::end) writes it.
    pub fn push_line(&mut self, line: &str) {
        self.outgoing.push(Batch::from(line).into());
    }

    /// Puts the hang-up on its way, after which [`end`](Self::end) must follow.
    pub fn push_hang_up(&mut self) {
        self.outgoing.push(Bytes::from_static(HANG_UP.as_bytes()));
    }

    /// Puts a control line on its way.
    pub fn push_control(&mut self, control: &Control) {
        self.outgoing.push(control.to_line());
    }

    /// Ends the connection in good order: closes the write half, then reads to the end for at
    /// most 1 s, because closing with unread data would turn the good-bye into a reset.
    pub async fn end(self) {
        let _ = self.ended().await;
    }

    /// Ends the connection, and answers whether the peer took it well: one that resets it has
    /// not read everything.
    pub(super) async fn ended(mut self) -> io::Result<()> {
        self.close();
        let drained = async {
            while !(self.read != ReadHalf::Open && self.write.is_over()) {
                self.moved(true).await?;
                self.incoming.clear();
            }
            Ok(())
        };
        timeout(DRAIN, drained).await.unwrap_or(Ok(()))
    }
}
