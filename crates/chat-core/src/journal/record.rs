//! The records of a journal: one JSON object a line, with a checksum at its end.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::trust::Fingerprint;
use crate::wire::SessionId;

/// The version that is written and read.
pub const VERSION: u32 = 1;

/// What stands before the checksum.
const SUM: &str = r#","sum":""#;

/// The checksum and what ends the line, in bytes: eight hexadecimal digits, a quote, a brace.
const SUM_END: usize = 8 + 2;

/// How the records of messages begin.
pub(super) const SAID: &[u8] = br#"{"is":"said","#;
pub(super) const HEARD: &[u8] = br#"{"is":"heard","#;

/// One thing that happened in a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum Record<'a> {
    /// The first line.
    Journal {
        version: u32,
        peer: Cow<'a, str>,
        session: SessionId,
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    /// This side said its next message.
    #[serde(borrow)]
    Said(Message<'a>),
    /// The peer's next message was shown.
    #[serde(borrow)]
    Heard(Message<'a>),
    /// The peer acknowledged all messages up to this number.
    Acknowledged { number: u64 },
    /// This side has nothing more to say.
    Finished,
    /// The peer has nothing more to say after the message with this number.
    PeerLast { number: u64 },
    /// What follows is kept when the call is over.
    Keep,
    /// Whether what follows is heard by nobody but the answering machine.
    Answering { on: bool },
    /// The person has read what the machine heard before.
    Read,
    /// What the lines came to that stood here.
    Counts {
        said: u64,
        acknowledged: u64,
        heard: u64,
    },
    /// The call is over: the session cannot be resumed.
    Ended {
        /// What the peer has not acknowledged is said again in another session.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        carried: bool,
    },
}

/// A message with its number in its direction, from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message<'a> {
    pub(super) number: u64,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) at: OffsetDateTime,
    #[serde(borrow)]
    pub(super) text: Cow<'a, str>,
}

/// The time as it is written down: to the millisecond.
pub(super) fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_millisecond(now.millisecond()).unwrap_or(now)
}

impl<'a> Record<'a> {
    pub(super) fn header(peer: Fingerprint, session: SessionId) -> Record<'static> {
        Record::Journal {
            version: VERSION,
            peer: peer.to_string().into(),
            session,
            at: now(),
        }
    }

    /// Appends the record with its line feed.
    pub(super) fn write_to(&self, out: &mut Vec<u8>) {
        let start = out.len();
        serde_json::to_writer(&mut *out, self).expect("numbers, times and strings are JSON");
        // The brace comes again after the checksum.
        out.pop();
        let sum = checksum(&out[start..]);
        out.extend_from_slice(SUM.as_bytes());
        out.extend_from_slice(&sum);
        out.extend_from_slice(b"\"}\n");
    }

    /// Reads a line, without its line feed.
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, &'static str> {
        let text = checked(line).ok_or("its checksum is wrong")?;
        // Most records are messages, and a parser that looks for the tag copies them first.
        let record = if line.starts_with(SAID) {
            Message::parse(text, SAID.len()).map(Self::Said)
        } else if line.starts_with(HEARD) {
            Message::parse(text, HEARD.len()).map(Self::Heard)
        } else {
            serde_json::from_str(text)
        };
        record.map_err(|_| "no record of this version")
    }
}

impl<'a> Message<'a> {
    /// Reads a line whose checksum is right. The members of the message begin at `start`.
    fn parse(line: &'a str, start: usize) -> serde_json::Result<Self> {
        match Self::as_written(&line[start..]) {
            Some(message) => Ok(message),
            None => serde_json::from_str(line),
        }
    }

    /// Reads the members in the order in which they are written here, and a text without escapes.
    /// That is twice as fast as a parser of JSON, for whoever searches a million of them.
    fn as_written(members: &'a str) -> Option<Self> {
        let number = members.strip_prefix(r#""number":"#)?;
        let (number, at) = number.split_once(r#","at":""#)?;
        let (at, text) = at.split_once(r#"","text":""#)?;
        let end = text.len().checked_sub(SUM.len() + SUM_END)?;
        let text = text.get(..end)?.strip_suffix('"')?;
        if memchr::memchr2(b'\\', b'"', text.as_bytes()).is_some() {
            return None;
        }
        Some(Self {
            number: number.parse().ok()?,
            at: OffsetDateTime::parse(at, &Rfc3339).ok()?,
            text: text.into(),
        })
    }
}

/// The version of a journal, from its first line, if that is as it was written. The checksum is
/// the same in all versions.
pub(super) fn version(line: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Header {
        version: u32,
    }
    let header: Header = serde_json::from_str(checked(line)?).ok()?;
    Some(header.version)
}

/// The line, if its checksum is right.
fn checked(line: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(line).ok()?;
    let cut = text.len().checked_sub(SUM.len() + SUM_END)?;
    let (record, end) = text.split_at_checked(cut)?;
    let sum = end.strip_prefix(SUM)?.strip_suffix("\"}")?;
    (sum.as_bytes() == checksum(record.as_bytes())).then_some(text)
}

/// The first eight hexadecimal digits of SHA-256.
pub(super) fn checksum(bytes: &[u8]) -> [u8; 8] {
    let hash = digest(&SHA256, bytes);
    let nibble = |at: usize| hash.as_ref()[at / 2] >> (4 * (1 - at % 2)) & 0xf;
    std::array::from_fn(|at| b"0123456789abcdef"[usize::from(nibble(at))])
}
