//! Messages: lines of text, and the one line that hangs up.

use std::fmt;

use bytes::Bytes;
use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};

/// The line that hangs up, when it stands alone.
pub const HANG_UP: &str = "88";

/// The longest line on the wire, in bytes, its terminator not counted.
pub const MAX_LINE: usize = 1 << 20;

/// Whether this line, without its terminator, hangs up.
pub fn is_hang_up(line: &[u8]) -> bool {
    line == HANG_UP.as_bytes()
}

/// A run of messages, each one a line: UTF-8, every line ended by LF.
///
/// Usually the result of one read, kept in one piece: cloning and cutting share the bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Batch {
    bytes: Bytes,
    lines: usize,
}

impl Batch {
    /// One message for each line of `text`; an empty text is one empty message.
    ///
    /// A line longer than `limit` bytes becomes several, cut between characters; each piece
    /// holds at least one character.
    pub fn from_lines(text: &str, limit: usize) -> Self {
        let mut bytes = Vec::with_capacity(text.len() + 1);
        let mut lines = 0;
        for line in text.split('\n') {
            let mut rest = line.strip_suffix('\r').unwrap_or(line);
            loop {
                let one = rest.ceil_char_boundary(1);
                let (piece, tail) = rest.split_at(rest.floor_char_boundary(limit).max(one));
                bytes.extend_from_slice(piece.as_bytes());
                bytes.push(b'\n');
                lines += 1;
                if tail.is_empty() {
                    break;
                }
                rest = tail;
            }
        }
        Self {
            bytes: bytes.into(),
            lines,
        }
    }

    /// Takes bytes that are known to be `lines` lines, each ended by LF, in valid UTF-8.
    pub(crate) fn from_wire(bytes: Bytes, lines: usize) -> Self {
        debug_assert_eq!(memchr::memchr_iter(b'\n', &bytes).count(), lines);
        debug_assert!(std::str::from_utf8(&bytes).is_ok());
        Self { bytes, lines }
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.lines
    }

    /// Whether there is no message at all.
    pub fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// How many bytes the messages take on the wire, terminators included.
    pub fn wire_len(&self) -> usize {
        self.bytes.len()
    }

    /// The lines as they cross the wire, each with its LF.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The messages, without their terminators.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        let text = simdutf8::basic::from_utf8(&self.bytes).unwrap_or_default();
        let mut start = 0;
        memchr::memchr_iter(b'\n', &self.bytes).map(move |lf| {
            let line = text.get(start..lf).unwrap_or_default();
            start = lf + 1;
            line
        })
    }

    /// Cuts the first `count` messages off, or all if there are fewer, and returns them.
    pub fn split_to(&mut self, count: usize) -> Self {
        if count >= self.lines {
            return std::mem::take(self);
        }
        let cut = match count.checked_sub(1) {
            Some(last) => memchr::memchr_iter(b'\n', &self.bytes)
                .nth(last)
                .map_or(0, |lf| lf + 1),
            None => 0,
        };
        self.lines -= count;
        Self {
            bytes: self.bytes.split_to(cut),
            lines: count,
        }
    }

    /// Drops the first `count` messages, or all if there are fewer.
    pub fn skip(&mut self, count: usize) {
        drop(self.split_to(count));
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lines()).finish()
    }
}

impl From<&str> for Batch {
    fn from(text: &str) -> Self {
        Self::from_lines(text, MAX_LINE)
    }
}

impl From<Batch> for Bytes {
    fn from(batch: Batch) -> Self {
        batch.bytes
    }
}

/// Written down as one text, with every LF.
impl Serialize for Batch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = simdutf8::basic::from_utf8(&self.bytes).unwrap_or_default();
        serializer.serialize_str(text)
    }
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !text.is_empty() && !text.ends_with('\n') {
            return Err(de::Error::custom("a message does not end with LF"));
        }
        let lines = memchr::memchr_iter(b'\n', text.as_bytes()).count();
        Ok(Self::from_wire(text.into(), lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_one_message_a_line() {
        let batch = Batch::from("one\r\ntwo\n");
        assert_eq!(batch.lines().collect::<Vec<_>>(), ["one", "two", ""]);
        assert_eq!(batch.len(), 3);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let batch = Batch::from_lines("你好ab", 4);
        assert_eq!(batch.lines().collect::<Vec<_>>(), ["你", "好a", "b"]);
    }

    #[test]
    fn splitting_keeps_every_message() {
        let mut rest = Batch::from("a\nb\nc");
        let head = rest.split_to(2);
        assert_eq!(head.as_bytes().as_ref(), b"a\nb\n");
        assert_eq!((head.len(), rest.len()), (2, 1));
        assert!(rest.split_to(0).is_empty());
        assert_eq!(rest.split_to(9).as_bytes().as_ref(), b"c\n");
        assert!(rest.is_empty());
    }
}
