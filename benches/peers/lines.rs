//! The lines that are sent: each has a number, so that none can be lost, doubled or changed
//! without notice.

use std::io::{self, Read, Write};

/// Length of a line's number: hexadecimal digits.
const DIGITS: usize = 12;

/// About how many bytes are written at once.
const BLOCK: usize = 256 * 1024;

/// A run of numbered lines of one length, made block by block.
pub(crate) struct NumberedLines {
    width: usize,
    /// Number of the first line that is not yet made.
    next: usize,
    end: usize,
    block: Vec<u8>,
}

impl NumberedLines {
    /// `count` lines of `width` bytes each, line feed included.
    pub(crate) fn new(count: usize, width: usize) -> Self {
        let mut line = vec![b'.'; width - 1];
        line.push(b'\n');
        Self {
            width,
            next: 0,
            end: count,
            block: line.repeat((BLOCK / width).max(1)),
        }
    }

    fn next_block(&mut self) -> Option<&[u8]> {
        let count = (self.end - self.next).min(self.block.len() / self.width);
        let block = &mut self.block[..count * self.width];
        for line in block.chunks_exact_mut(self.width) {
            for (place, digit) in line[..DIGITS].iter_mut().rev().enumerate() {
                *digit = b"0123456789abcdef"[self.next >> (4 * place) & 0xf];
            }
            self.next += 1;
        }
        (count > 0).then_some(block)
    }

    /// Writes them all.
    pub(crate) fn write_to(mut self, writer: &mut impl Write) -> io::Result<()> {
        while let Some(block) = self.next_block() {
            writer.write_all(block)?;
        }
        Ok(())
    }

    /// Reads exactly as many bytes, and compares every one.
    pub(crate) fn check(mut self, reader: &mut impl Read) -> io::Result<()> {
        let mut buffer = vec![0; BLOCK.max(self.width)];
        while let Some(mut wanted) = self.next_block() {
            while !wanted.is_empty() {
                let count = reader.read(&mut buffer[..wanted.len()])?;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let (now, later) = wanted.split_at(count);
                if now != &buffer[..count] {
                    return Err(io::Error::other("a line was lost, doubled or changed"));
                }
                wanted = later;
            }
        }
        Ok(())
    }
}
