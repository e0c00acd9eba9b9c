//! The person's side as plain lines: a pipe, or a terminal that cannot be painted.

use std::io::{self, IsTerminal};
use std::pin::Pin;

use bytes::{Buf, BytesMut};
use chat_core::conversation::{Command, Event, Input, Sink, Source};
use chat_core::wire::{Frame, Framing, LineCodec, LineError, Outgoing};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::codec::Decoder;

use crate::words;

/// How much is read at once, in bytes.
const READ: usize = 128 * 1024;

/// Lines from a reader.
pub struct LineSource {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    codec: LineCodec,
    buffer: BytesMut,
    ended: bool,
    /// A person types here, and may give commands.
    interactive: bool,
}

impl LineSource {
    /// Reads from `reader`; with `literal`, `88` is text. Lines of an `interactive` reader
    /// may be commands, and its end hangs up.
    pub fn new(reader: impl AsyncRead + Send + 'static, literal: bool, interactive: bool) -> Self {
        Self {
            reader: Box::pin(reader),
            codec: LineCodec::new(Framing::Line).literal(literal),
            buffer: BytesMut::new(),
            ended: false,
            interactive,
        }
    }

    fn frame(&mut self) -> Result<Option<Frame>, LineError> {
        match self.ended {
            true => self.codec.decode_eof(&mut self.buffer),
            false => self.codec.decode(&mut self.buffer),
        }
    }
}

impl Source for LineSource {
    async fn next(&mut self) -> io::Result<Input> {
        loop {
            match self.frame().map_err(io::Error::other)? {
                Some(Frame::Text(lines)) => return Ok(Input::Lines(lines)),
                Some(Frame::HangUp) => return Ok(Input::HangUp),
                Some(Frame::Control(_)) => {}
                None if self.ended && self.interactive => return Ok(Input::Command(Command::Quit)),
                None if self.ended => return Ok(Input::End),
                None => {
                    self.buffer.reserve(READ);
                    self.ended = self.reader.read_buf(&mut self.buffer).await? == 0;
                }
            }
        }
    }
}

/// Messages to a writer, one a line, and every notice to stderr.
pub struct LineSink {
    writer: Pin<Box<dyn AsyncWrite + Send>>,
    unwritten: Outgoing,
}

impl LineSink {
    /// Writes to `writer`.
    pub fn new(writer: impl AsyncWrite + Send + 'static) -> Self {
        Self {
            writer: Box::pin(writer),
            unwritten: Outgoing::default(),
        }
    }
}

impl Sink for LineSink {
    fn show(&mut self, event: Event) {
        if let Some(notice) = words::describe(&event) {
            eprintln!("* {notice}");
        }
        match event {
            Event::Lines(lines) => self.unwritten.push(lines.into()),
            Event::Message(text) => {
                self.unwritten.push(text.into());
                self.unwritten.push(bytes::Bytes::from_static(b"\n"));
            }
            _ => {}
        }
    }

    async fn flushed(&mut self) -> io::Result<()> {
        while self.unwritten.has_remaining() {
            self.writer.write_buf(&mut self.unwritten).await?;
        }
        self.writer.flush().await
    }
}

/// Standard input. A FIFO goes through the reactor; what cannot is read on a thread.
pub fn stdin() -> Pin<Box<dyn AsyncRead + Send>> {
    #[cfg(target_os = "linux")]
    if let Ok(fifo) = tokio::net::unix::pipe::OpenOptions::new().open_receiver("/proc/self/fd/0") {
        return Box::pin(fifo);
    }
    Box::pin(tokio::io::stdin())
}

/// Standard output, as [`stdin`].
pub fn stdout() -> Pin<Box<dyn AsyncWrite + Send>> {
    #[cfg(target_os = "linux")]
    if let Ok(fifo) = tokio::net::unix::pipe::OpenOptions::new().open_sender("/proc/self/fd/1") {
        return Box::pin(fifo);
    }
    Box::pin(tokio::io::stdout())
}

/// Whether a person sits at both standard input and standard output.
pub fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}
