//! One connection: a stream, the codec on it, and the bytes on their way.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::codec::{Decoder, Encoder};
use tokio_util::io::poll_read_buf;

use crate::protocol::Outgoing;
use crate::transport::Stream;
use crate::wire::{Batch, Control, Frame, HANG_UP, LineCodec, LineError, WriteBuffer};

/// The size of the read buffer, in bytes.
const READ_SIZE: usize = 128 * 1024;

/// With less room than this, in bytes, a new read buffer is allocated.
const MIN_READ_SIZE: usize = 16 * 1024;

/// What is kept of a peer to whom nobody listens yet, in bytes.
const MAX_EARLY: usize = 256 * 1024;

/// How long bytes without an LF wait for more until they count as a message of a raw peer.
const UNTERMINATED_DELAY: Duration = Duration::from_millis(100);

/// How long a closed connection waits for the peer to close its side too.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// One stream of a call, with the codec and the buffers.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    codec: LineCodec,
    read_buffer: BytesMut,
    write_buffer: WriteBuffer,
    /// When unterminated bytes become a message.
    unterminated_until: Option<Instant>,
    read: ReadHalf,
    write: WriteHalf,
    /// A reset at the end means that the peer left something unread.
    pub(super) reset_is_loss: bool,
}

/// A connection over any stream.
pub type BoxConnection = Connection<Box<dyn Stream>>;

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
    Eof,
    /// The same, and the protocol was told.
    EofDelivered,
    /// Reading failed, but the bytes that came before still count.
    Failed,
}

impl<S: Stream> Connection<S> {
    /// A connection on `stream`. A TCP stream should have `TCP_NODELAY` set.
    pub fn new(stream: S, codec: LineCodec) -> Self {
        Self {
            stream,
            codec,
            read_buffer: BytesMut::new(),
            write_buffer: WriteBuffer::default(),
            unterminated_until: None,
            read: ReadHalf::Open,
            write: WriteHalf::Flushed,
            reset_is_loss: true,
        }
    }

    /// The same over TLS, where a reset at the end is no sign of loss: few peers stay to read the
    /// close_notify.
    pub fn over_tls(self) -> Self {
        Self {
            reset_is_loss: false,
            ..self
        }
    }

    /// Sets the longest line from now on, in bytes: kept small until the peer is authenticated.
    pub fn set_limit(&mut self, limit: usize) {
        self.codec.set_limit(limit);
    }

    /// The way to the peer, as a protocol sees it.
    pub(super) fn outgoing(&mut self) -> Outgoing<'_> {
        Outgoing {
            written: self.is_written(),
            raw: self.codec.is_raw(),
            buffer: &mut self.write_buffer,
        }
    }

    /// Whether everything was written and has left.
    pub(super) fn is_written(&self) -> bool {
        self.write_buffer.is_empty()
            && !matches!(self.write, WriteHalf::Unflushed | WriteHalf::Closing)
    }

    /// Closes the write half once all is written.
    pub(super) fn close(&mut self) {
        if matches!(self.write, WriteHalf::Flushed | WriteHalf::Unflushed) {
            self.write = WriteHalf::Closing;
        }
    }

    /// When to ask for a frame although nothing was read.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.unterminated_until
    }

    /// The next frame among the bytes that have come. Until this is `None`, nothing is read.
    pub(super) fn frame(&mut self) -> Result<Option<Frame>, LineError> {
        if self.read != ReadHalf::Open {
            return self.codec.decode_eof(&mut self.read_buffer);
        }
        if let Some(frame) = self.codec.decode(&mut self.read_buffer)? {
            return Ok(Some(frame));
        }
        match self.unterminated_until {
            Some(until) if until <= Instant::now() => {
                self.unterminated_until = None;
                Ok(self.codec.take_unterminated(&mut self.read_buffer))
            }
            _ => Ok(None),
        }
    }

    /// Whether the peer has closed its side since the last call. Take the frames first.
    pub(super) fn take_eof(&mut self) -> bool {
        let ended = self.read == ReadHalf::Eof;
        if ended {
            self.read = ReadHalf::EofDelivered;
        }
        ended
    }

    /// What the protocol is told of that. Telnet closes because its user has quit; others may only
    /// have no more to say.
    pub(super) fn end_of_stream(&self) -> Option<Frame> {
        let is_telnet = !self.codec.is_chat1() && self.codec.has_seen_crlf();
        is_telnet.then_some(Frame::HangUp)
    }

    /// Waits until bytes were read or written. Returns whether any were read. Cancel safe:
    /// progress is kept in the buffers.
    pub(super) async fn drive_io(&mut self, reading: bool) -> io::Result<bool> {
        poll_fn(|cx| self.poll_io(reading, cx)).await
    }

    fn poll_io(&mut self, reading: bool, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let wrote = match self.poll_write(cx) {
            Poll::Ready(Err(error)) => {
                self.write_buffer.clear();
                self.write = WriteHalf::Broken(error);
                true
            }
            Poll::Ready(Ok(wrote)) => wrote,
            Poll::Pending => false,
        };
        // While not reading, there may be frames of the peer left to take first.
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
            return Poll::Ready(read);
        }
        if wrote {
            return Poll::Ready(Ok(false));
        }
        Poll::Pending
    }

    /// Reads once. Ready with whether there were any bytes.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.read_buffer.capacity() - self.read_buffer.len() < MIN_READ_SIZE {
            self.read_buffer.reserve(READ_SIZE);
        }
        let read = poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.read_buffer);
        match ready!(read) {
            Ok(0) => {
                self.read_end(ReadHalf::Eof);
                Poll::Ready(Ok(false))
            }
            Ok(_) => {
                let alone = self.codec.has_unterminated(&self.read_buffer);
                self.unterminated_until = alone.then(|| Instant::now() + UNTERMINATED_DELAY);
                Poll::Ready(Ok(true))
            }
            // Stock TLS tools end without a close_notify; only for chat/1 is that a loss.
            Err(error)
                if error.kind() == io::ErrorKind::UnexpectedEof && !self.codec.is_chat1() =>
            {
                self.read_end(ReadHalf::Eof);
                Poll::Ready(Ok(false))
            }
            Err(error) => {
                // What a plain peer sent just before a reset may be an unterminated hang-up.
                if !self.codec.is_chat1() {
                    self.read_end(ReadHalf::Failed);
                }
                Poll::Ready(Err(self.write_error().unwrap_or(error)))
            }
        }
    }

    fn read_end(&mut self, end: ReadHalf) {
        self.read = end;
        self.unterminated_until = None;
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
        while !self.write_buffer.is_empty() {
            if self.write.is_over() {
                self.write_buffer.clear();
                return Poll::Ready(Ok(true));
            }
            let stream = Pin::new(&mut self.stream);
            match self.write_buffer.poll_write_to(stream, cx) {
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

    /// Waits until the peer has closed its side, or has sent more than 256 KiB. Returns whether
    /// there is something of it to hear, which is kept for the call. Cancel safe.
    pub async fn closed_by_peer(&mut self) -> bool {
        while self.read == ReadHalf::Open && self.read_buffer.len() <= MAX_EARLY {
            if self.drive_io(true).await.is_err() {
                return false;
            }
        }
        !self.read_buffer.is_empty()
    }

    /// Whether the write buffer is full (256 KiB).
    pub fn is_congested(&self) -> bool {
        self.write_buffer.is_full()
    }

    /// The next frame, or `None` at the end of the stream: for a program that takes turns
    /// instead of driving a call. Cancel safe.
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
            match self.unterminated_until {
                None => self.drive_io(true).await?,
                Some(until) => match timeout_at(until, self.drive_io(true)).await {
                    Ok(drive_io) => drive_io?,
                    // After that time unterminated bytes are a frame.
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
        self.write_buffer.push(bytes.freeze());
        while !self.is_written() {
            self.drive_io(false).await?;
        }
        self.write_error().map_or(Ok(()), |error| Err(error.into()))
    }

    /// Queues a line; [`end`](Self::end) writes it.
    pub fn push_line(&mut self, line: &str) {
        self.write_buffer.push(Batch::from(line).into());
    }

    /// Queues the hang-up, after which [`end`](Self::end) must follow.
    pub fn push_hang_up(&mut self) {
        self.write_buffer
            .push(Bytes::from_static(HANG_UP.as_bytes()));
    }

    /// Queues a control line.
    pub fn push_control(&mut self, control: &Control) {
        self.write_buffer.push(control.to_line());
    }

    /// Ends the connection in good order: closes the write half, then reads to the end for at
    /// most 1 s, because closing with unread data would turn the hang-up into a reset.
    pub async fn end(self) {
        let _ = self.ended().await;
    }

    /// Like [`end`](Self::end). Fails if the peer resets the connection: it has not read
    /// everything then.
    pub(super) async fn ended(mut self) -> io::Result<()> {
        self.close();
        let drained = async {
            while !(self.read != ReadHalf::Open && self.write.is_over()) {
                self.drive_io(true).await?;
                self.read_buffer.clear();
            }
            Ok(())
        };
        timeout(DRAIN_TIMEOUT, drained).await.unwrap_or(Ok(()))
    }
}
