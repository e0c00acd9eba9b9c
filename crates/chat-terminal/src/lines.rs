//! The person's side as plain lines: a pipe, or a terminal that cannot be painted.

use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use chat_core::driver::{Command, Input, Sink, Source};
use chat_core::protocol::Event;
use chat_core::wire::{Batch, Frame, Framing, LineCodec, LineError, WriteBuffer, is_hang_up};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::codec::Decoder;

use crate::commands::{self, Request};
use crate::situation::Situation;
use crate::{sanitize, words};

/// How much is read at once, in bytes.
const READ: usize = 128 * 1024;

/// With less room than this, in bytes, a new read buffer is taken. Lines that wait to be
/// delivered share theirs: one for each read would be far more than what is said.
const LEAST_READ: usize = 16 * 1024;

/// What a pipe at either end should hold, in bytes.
#[cfg(target_os = "linux")]
const PIPE: usize = 256 * 1024;

/// Lines from a reader.
pub struct LineSource {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    codec: LineCodec,
    buffer: BytesMut,
    ended: bool,
    /// A person's own; a pipe has nothing of it.
    typed: Option<Typed>,
}

/// What is kept of a person who types.
struct Typed {
    /// What this side has not looked at.
    lines: Batch,
    /// What the other half has seen.
    situation: Arc<Mutex<Situation>>,
}

impl LineSource {
    /// Data from a pipe. With `literal`, `88` is text.
    pub fn piped(reader: impl AsyncRead + Send + 'static, literal: bool) -> Self {
        Self {
            reader: Box::pin(reader),
            codec: LineCodec::new(Framing::Line).literal(literal),
            buffer: BytesMut::new(),
            ended: false,
            typed: None,
        }
    }

    /// What the next typed line asks for, if there is one and it asks for anything.
    fn next_request(&mut self) -> Option<Input> {
        let Typed { lines, situation } = self.typed.as_mut()?;
        while !lines.is_empty() {
            let line = lines.split_to(1);
            let text = line.lines().next().unwrap_or_default();
            match commands::parse(text) {
                Ok(Request::Say(text)) if is_hang_up(text.as_bytes()) => {
                    return Some(Input::Message(text));
                }
                Ok(Request::Say(text)) => return Some(Input::Lines(Batch::from(text.as_str()))),
                Ok(Request::HangUp) => return Some(Input::HangUp),
                // The program knows less of the queue and the connection than was shown.
                Ok(Request::Command(command)) => match words::situation(&known(situation)) {
                    Some(text) if command == Command::Status => notify(&text),
                    _ => return Some(Input::Command(command)),
                },
                Ok(Request::Help) => notify(words::HELP),
                Err(mistake) => notify(&words::mistake(&mistake)),
            }
        }
        None
    }

    fn frame(&mut self) -> Result<Option<Frame>, LineError> {
        match self.ended {
            true => self.codec.decode_eof(&mut self.buffer),
            false => self.codec.decode(&mut self.buffer),
        }
    }
}

impl Source for LineSource {
    fn begin(&mut self, messages_are_counted: bool) {
        self.codec.set_whole_lines(messages_are_counted);
    }

    async fn next(&mut self) -> io::Result<Input> {
        loop {
            if let Some(input) = self.next_request() {
                return Ok(input);
            }
            match self.frame().map_err(io::Error::other)? {
                Some(Frame::Text(lines)) => match &mut self.typed {
                    Some(typed) => typed.lines = lines,
                    None => return Ok(Input::Lines(lines)),
                },
                Some(Frame::HangUp) => {
                    // Whoever pipes data in which 88 is a number has lost the rest of it.
                    if !self.buffer.is_empty() {
                        notify(words::LEFT_UNSENT);
                    }
                    return Ok(Input::HangUp);
                }
                Some(Frame::Control(_)) => {}
                None if !self.ended => {
                    if self.buffer.capacity() - self.buffer.len() < LEAST_READ {
                        self.buffer.reserve(READ);
                    }
                    self.ended = self.reader.read_buf(&mut self.buffer).await? == 0;
                }
                None => {
                    let person = self.typed.take();
                    return Ok(person.map_or(Input::Eof, |_| Input::Command(Command::Quit)));
                }
            }
        }
    }
}

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineStyle {
    /// As they are, for a program to read.
    Exact,
    /// For a terminal: nothing in them can do it any harm.
    Harmless,
    /// The same, with the speaker before each: a person at a terminal, who may give commands.
    Dialogue,
}

/// Messages to a writer, one a line, and every notice to stderr.
pub struct LineSink {
    writer: Pin<Box<dyn AsyncWrite + Send>>,
    unwritten: WriteBuffer,
    style: LineStyle,
    speaker: String,
    situation: Arc<Mutex<Situation>>,
}

/// The two halves of a person at a terminal: what is typed may be a command, and its end ends
/// the program.
pub fn dialogue(
    reader: impl AsyncRead + Send + 'static,
    writer: impl AsyncWrite + Send + 'static,
) -> (LineSource, LineSink) {
    let sink = LineSink::new(writer, LineStyle::Dialogue);
    let typed = Typed {
        lines: Batch::default(),
        situation: Arc::clone(&sink.situation),
    };
    let source = LineSource {
        typed: Some(typed),
        ..LineSource::piped(reader, true)
    };
    (source, sink)
}

impl LineSink {
    /// Writes to `writer`.
    pub fn new(writer: impl AsyncWrite + Send + 'static, style: LineStyle) -> Self {
        Self {
            writer: Box::pin(writer),
            unwritten: WriteBuffer::default(),
            style,
            speaker: String::new(),
            situation: Arc::default(),
        }
    }

    fn write_line(&mut self, line: &str) {
        let line = sanitize::line(line);
        let line = match self.style {
            LineStyle::Dialogue => format!("{}: {line}\n", self.speaker),
            _ => format!("{line}\n"),
        };
        self.unwritten.push(line.into());
    }
}

impl Sink for LineSink {
    fn show(&mut self, event: Event) {
        let notice = if self.style == LineStyle::Dialogue {
            known(&self.situation).learn(&event);
            words::describe(&event)
        } else {
            words::describe_without_commands(&event)
        };
        if let Some(notice) = notice {
            notify(&notice);
        }
        match event {
            Event::Established(peer) | Event::Peer(peer) => {
                let name = sanitize::name(words::name_or_address(&peer));
                self.speaker = name.unwrap_or(peer.address);
            }
            Event::Lines(lines) if self.style == LineStyle::Exact => {
                self.unwritten.push(lines.into());
            }
            Event::Lines(lines) => lines.lines().for_each(|line| self.write_line(line)),
            Event::Message(text) if self.style == LineStyle::Exact => {
                self.unwritten.push(text.into());
                self.unwritten.push(Bytes::from_static(b"\n"));
            }
            Event::Message(text) => text.split('\n').for_each(|line| self.write_line(line)),
            _ => {}
        }
    }

    async fn flushed(&mut self) -> io::Result<()> {
        while !self.unwritten.is_empty() {
            poll_fn(|cx| self.unwritten.poll_write_to(self.writer.as_mut(), cx)).await?;
        }
        self.writer.flush().await
    }
}

fn known(situation: &Mutex<Situation>) -> MutexGuard<'_, Situation> {
    situation.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a notice to stderr. Where nobody reads it, nobody misses it.
fn notify(notice: &str) {
    let lines = notice
        .lines()
        .map(|line| format!("* {}\n", sanitize::line(line)));
    let _ = io::stderr().write_all(lines.collect::<String>().as_bytes());
}

/// Standard input. A FIFO goes through the reactor; what cannot is read on a thread.
pub fn stdin() -> Pin<Box<dyn AsyncRead + Send>> {
    #[cfg(target_os = "linux")]
    if let Ok(fifo) = tokio::net::unix::pipe::OpenOptions::new().open_receiver("/proc/self/fd/0") {
        widen(&fifo);
        return Box::pin(fifo);
    }
    Box::pin(tokio::io::stdin())
}

/// Standard output, as [`stdin`].
pub fn stdout() -> Pin<Box<dyn AsyncWrite + Send>> {
    #[cfg(target_os = "linux")]
    if let Ok(fifo) = tokio::net::unix::pipe::OpenOptions::new().open_sender("/proc/self/fd/1") {
        widen(&fifo);
        return Box::pin(fifo);
    }
    Box::pin(tokio::io::stdout())
}

/// Lets a pipe hold more, if the system has the memory to spare: with the usual 64 KiB the
/// programs at its ends wait for each other more than they work (pipe(7), `F_SETPIPE_SZ`).
#[cfg(target_os = "linux")]
fn widen(pipe: impl std::os::fd::AsFd) {
    use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};

    if fcntl_getpipe_size(&pipe).is_ok_and(|size| size < PIPE) {
        let _ = fcntl_setpipe_size(&pipe, PIPE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_that_come_one_by_one_share_a_buffer() {
        let (mut pipe, reader) = tokio::io::duplex(64);
        let mut source = LineSource::piped(reader, false);
        let mut kept = Vec::new();
        for _ in 0..1_000 {
            pipe.write_all(b"x\n").await.expect("it is read");
            let Ok(Input::Lines(lines)) = source.next().await else {
                panic!("a line was said");
            };
            kept.push(lines);
        }
        let apart = |pair: &[Batch]| {
            let [one, next] = [&pair[0], &pair[1]].map(|batch| batch.as_bytes().as_ptr_range());
            one.end != next.start
        };
        let buffers = 1 + kept.windows(2).filter(|pair| apart(pair)).count();
        assert_eq!(buffers, 1, "for a thousand short lines");
    }

    #[tokio::test]
    async fn what_was_shown_answers_for_the_status() {
        let typed = b"/status\n/status\n/peers\n";
        let (mut source, mut sink) = dialogue(&typed[..], tokio::io::sink());
        let first = source.next().await.expect("a line");
        assert_eq!(first, Input::Command(Command::Status), "nothing is known");
        sink.show(Event::QueuePosition(2));
        let second = source.next().await.expect("another");
        assert_eq!(second, Input::Command(Command::Peers), "it was answered");
    }
}
