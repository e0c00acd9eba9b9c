//! The two ends of a connection that carries a file: the sender goes no further ahead than its
//! [`Window`], and the receiver says how far it is.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::{Duration, Instant};

use super::window::Window;
use super::{FileViolation, TransferError, lines};
use crate::wire::FileLine;

/// How much is read and written at once, in bytes.
const BUFFER: usize = 128 * 1024;

/// A receiver says how far it is after so many bytes,
const REPORT: u64 = 24 * 1024;

/// or fewer after so long: over a slow link that is each read.
const PAUSE: Duration = Duration::from_millis(2);

/// What a sender writes to.
pub(super) struct Outgoing<S: Read> {
    stream: BufReader<S>,
    buffer: Vec<u8>,
    window: Window,
}

impl<S: Read + Write> Outgoing<S> {
    pub(super) fn new(stream: BufReader<S>) -> Self {
        Self {
            stream,
            buffer: Vec::with_capacity(BUFFER),
            window: Window::new(),
        }
    }

    /// How many bytes may be written before the receiver has more.
    fn room(&self) -> usize {
        let room = self.window.room().saturating_sub(self.buffer.len() as u64);
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    /// Waits until a part of the window is free, so that not each word of the receiver wakes this
    /// side for little.
    fn wait_for_room(&mut self) -> Result<(), TransferError> {
        self.flush()?;
        while self.window.room() < self.window.size() / 4 {
            self.hear()?;
        }
        Ok(())
    }

    fn hear(&mut self) -> Result<(), TransferError> {
        match lines::read(&mut self.stream)? {
            FileLine::Got(bytes) => Ok(self.window.got(bytes, Instant::now())?),
            _ => Err(FileViolation::Misplaced.into()),
        }
    }

    /// Waits until the receiver closes, which it does once it has everything.
    ///
    /// # Errors
    /// The connection failed before, or the peer broke the rules.
    pub(super) fn finish(
        mut self,
        shutdown: impl FnOnce(&mut S) -> io::Result<()>,
    ) -> Result<(), TransferError> {
        self.flush()?;
        shutdown(self.stream.get_mut())?;
        while !self.stream.fill_buf()?.is_empty() {
            self.hear()?;
        }
        Ok(())
    }
}

impl<S: Read + Write> Write for Outgoing<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room() == 0 {
            self.wait_for_room()?;
        }
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        let most = bytes.len().min(self.room()).min(BUFFER - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..most]);
        Ok(most)
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.window.sent(self.buffer.len() as u64, Instant::now());
            self.stream.get_mut().write_all(&self.buffer)?;
            self.buffer.clear();
        }
        self.stream.get_mut().flush()
    }
}

/// What a receiver reads from.
pub(super) struct Arriving<S> {
    stream: BufReader<S>,
    /// What was taken, and how much of that the sender knows since when.
    taken: u64,
    reported: u64,
    last: Instant,
}

impl<S: Read + Write> Arriving<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream: BufReader::with_capacity(BUFFER, stream),
            taken: 0,
            reported: 0,
            last: Instant::now(),
        }
    }

    pub(super) fn get_mut(&mut self) -> &mut S {
        self.stream.get_mut()
    }

    /// Tells the sender how far this side is, if that is due.
    fn report(&mut self) -> io::Result<()> {
        let more = self.taken - self.reported;
        if more == 0 || (more < REPORT && self.last.elapsed() < PAUSE) {
            return Ok(());
        }
        let stream = self.stream.get_mut();
        stream.write_all(&FileLine::Got(self.taken).to_line())?;
        stream.flush()?;
        (self.reported, self.last) = (self.taken, Instant::now());
        Ok(())
    }
}

impl<S: Read + Write> Read for Arriving<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<S: Read + Write> BufRead for Arriving<S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.stream.buffer().is_empty() {
            self.report()?;
        }
        self.stream.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.taken += bytes as u64;
        self.stream.consume(bytes);
    }
}
