//! The whole lines of a file, from its beginning or from its end, in bounded memory. A last line
//! without its line feed was torn, or is being written, and does not count.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

use memchr::{memchr, memrchr};

use super::needle::Needle;
use crate::wire::MAX_LINE;

/// How much is read at once, in bytes.
const BLOCK: usize = 256 * 1024;

/// No record is longer, in bytes: a byte of a message becomes up to six in JSON (`\u0001`).
const MAX_RECORD: usize = 6 * MAX_LINE + 1024;

fn too_long() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "a line is too long")
}

/// The lines from the beginning.
#[derive(Debug)]
pub(super) struct Forwards {
    file: File,
    block: Vec<u8>,
    /// Where the block begins in the file.
    offset: u64,
    /// The whole lines in the block that are still to be looked at.
    lines: Range<usize>,
    /// How much of the block was read.
    filled: usize,
}

impl Forwards {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            block: Vec::new(),
            offset: 0,
            lines: 0..0,
            filled: 0,
        }
    }

    /// The next line, or the next one that may have the needle in its text: where it begins in the
    /// file, and the line without its line feed.
    pub(super) fn next(&mut self, needle: Option<&Needle>) -> io::Result<Option<(u64, &[u8])>> {
        loop {
            if let Some(line) = self.find(needle) {
                let offset = self.offset + line.start as u64;
                return Ok(Some((offset, &self.block[line])));
            }
            if !self.read()? {
                return Ok(None);
            }
        }
    }

    /// The next such line in the block.
    fn find(&mut self, needle: Option<&Needle>) -> Option<Range<usize>> {
        while !self.lines.is_empty() {
            let lines = &self.block[self.lines.clone()];
            let Some(found) = needle.map_or(Some(0..0), |needle| needle.find(lines)) else {
                self.lines.start = self.lines.end;
                break;
            };
            let start = memrchr(b'\n', &lines[..found.start]).map_or(0, |feed| feed + 1);
            let end = found.end + memchr(b'\n', &lines[found.end..])?;
            let found = found.start - start..found.end - start;
            let is_wanted =
                needle.is_none_or(|needle| needle.may_be_in(&lines[start..end], &found));
            let line = self.lines.start + start..self.lines.start + end;
            self.lines.start = line.end + 1;
            if is_wanted {
                return Some(line);
            }
        }
        None
    }

    /// Reads on, after what is there of the next line. Returns whether there was more.
    fn read(&mut self) -> io::Result<bool> {
        let begun = self.filled - self.lines.end;
        if begun >= MAX_RECORD {
            return Err(too_long());
        }
        self.block.copy_within(self.lines.end..self.filled, 0);
        self.offset += self.lines.end as u64;
        (self.lines, self.filled) = (0..0, begun);
        if self.block.len() < begun + BLOCK {
            self.block.resize(begun + BLOCK, 0);
        }
        let read = self.file.read(&mut self.block[begun..])?;
        self.filled += read;
        let last = memrchr(b'\n', &self.block[begun..self.filled]);
        self.lines.end = last.map_or(0, |last| begun + last + 1);
        Ok(read > 0)
    }
}

/// The lines from the end.
#[derive(Debug)]
pub(super) struct Backwards {
    file: File,
    block: Vec<u8>,
    /// Where the block begins in the file.
    offset: u64,
    /// How much of the block is still to be looked at.
    left: usize,
    /// The end of the last line was not found yet.
    torn: bool,
}

impl Backwards {
    pub(super) fn new(mut file: File) -> io::Result<Self> {
        Ok(Self {
            offset: file.seek(SeekFrom::End(0))?,
            file,
            block: Vec::new(),
            left: 0,
            torn: true,
        })
    }

    /// The line before the one that was returned last: where it begins in the file, and the line
    /// without its line feed.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        while self.torn {
            match memrchr(b'\n', &self.block[..self.left]) {
                Some(last) => (self.left, self.torn) = (last + 1, false),
                None if self.offset == 0 => return Ok(None),
                None => {
                    self.left = 0;
                    self.read()?;
                }
            }
        }
        let line = loop {
            let end = self.left.checked_sub(1);
            let feed = end.and_then(|end| memrchr(b'\n', &self.block[..end]));
            match (feed, end) {
                (Some(feed), Some(end)) => break feed + 1..end,
                (None, Some(end)) if self.offset == 0 => break 0..end,
                (_, None) => return Ok(None),
                _ => self.read()?,
            }
        };
        self.left = line.start;
        Ok(Some((self.offset + line.start as u64, &self.block[line])))
    }

    /// Reads what stands before the block.
    fn read(&mut self) -> io::Result<()> {
        if self.left >= MAX_RECORD {
            return Err(too_long());
        }
        // Twice as much each time, so that a long line is not copied again and again.
        let more = self.offset.min(BLOCK.max(self.left) as u64);
        let mut block = vec![0; more as usize];
        self.offset -= more;
        self.file.seek(SeekFrom::Start(self.offset))?;
        self.file.read_exact(&mut block)?;
        block.extend_from_slice(&self.block[..self.left]);
        self.left = block.len();
        self.block = block;
        Ok(())
    }
}

/// The number, from 1, of the line that begins here in the file.
pub(super) fn number(mut file: File, offset: u64) -> io::Result<usize> {
    file.rewind()?;
    let mut before = file.take(offset);
    let mut block = vec![0; BLOCK];
    let mut number = 1;
    loop {
        match before.read(&mut block)? {
            0 => return Ok(number),
            read => number += memchr::memchr_iter(b'\n', &block[..read]).count(),
        }
    }
}
