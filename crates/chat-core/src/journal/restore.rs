//! What a journal comes to: the state of its session, and the last of its texts.

use std::collections::{BTreeMap, VecDeque};

use time::OffsetDateTime;

use super::record::{Message, Record};
use crate::protocol::{Delivery, Earlier, PastMessage, SendError, SessionState, Side};
use crate::wire::SessionId;

/// How many texts are restored to be shown again.
const RECENT: usize = 20;

/// A session as its journal has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The number of this side's last message.
    pub said: u64,
    /// The number of the last of them that the peer acknowledged.
    pub acknowledged: u64,
    /// Those after it, by their number. The peer may have any of them.
    pub unacknowledged: BTreeMap<u64, String>,
    /// The number of the peer's last message that was shown.
    pub heard: u64,
    /// This side has nothing more to say.
    pub finished: bool,
    /// The number of the peer's last message, once it has nothing more to say.
    pub peer_last: Option<u64>,
    /// The texts are kept when the call is over.
    pub keep: bool,
    /// The answering machine is on the line.
    pub answering: bool,
    /// What it has heard and nobody has read, the oldest first.
    pub unread: Vec<RecordedText>,
    /// The call is over.
    pub ended: bool,
    /// The last texts of both sides, at most 20, the oldest first.
    pub recent: VecDeque<RecordedText>,
}

/// A message as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedText {
    /// Whose it is.
    pub side: Side,
    /// Its number, from 1.
    pub number: u64,
    /// When it was recorded.
    pub at: OffsetDateTime,
    /// What it says.
    pub text: String,
}

/// A line that cannot be used, or before which something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Unreadable {
    /// Which, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Reads whole lines; a last one without its line feed was torn and does not count. Returns how
/// many bytes the whole lines have.
pub(super) fn read(bytes: &[u8]) -> (Restored, Vec<Unreadable>, usize) {
    let mut restored = Restored::default();
    let mut unreadable = Vec::new();
    let whole = memchr::memrchr(b'\n', bytes).map_or(0, |last| last + 1);
    if whole == 0 {
        let reason = "the first line is missing";
        unreadable.push(Unreadable { line: 1, reason });
    }
    let mut start = 0;
    for (index, end) in memchr::memchr_iter(b'\n', bytes).enumerate() {
        let taken = Record::parse(&bytes[start..end]).and_then(|record| {
            let is_header = matches!(record, Record::Journal { .. });
            if is_header != (index == 0) {
                return Err("it is not where it belongs");
            }
            restored.take(record)
        });
        if let Err(reason) = taken {
            let line = index + 1;
            unreadable.push(Unreadable { line, reason });
        }
        start = end + 1;
    }
    (restored, unreadable, whole)
}

impl Restored {
    /// The session, to be resumed.
    ///
    /// # Errors
    /// One of the messages is too long to be sent.
    pub fn session(&self, id: SessionId) -> Result<SessionState, SendError> {
        let messages = self.unacknowledged.values().map(String::as_str);
        let mut state = SessionState::restore(id, self.acknowledged, messages, self.heard)?;
        state.finished = self.finished;
        state.peer_last = self.peer_last;
        Ok(state)
    }

    /// What is shown of it when the call goes on.
    pub fn earlier(&self) -> Earlier {
        let is_unreceived = |text: &&RecordedText| {
            text.side == Side::Local && self.unacknowledged.contains_key(&text.number)
        };
        let received = self.recent.iter().filter(|text| !is_unreceived(text));
        let shown = received.map(|text| PastMessage {
            side: text.side,
            at: text.at,
            text: text.text.clone(),
            delivery: Delivery::Arrived,
        });
        Earlier {
            recent: shown.collect(),
            received: self.acknowledged,
            unreceived: self.unacknowledged.values().cloned().collect(),
        }
    }

    /// Takes the next record in. What can be taken is, even after a gap.
    fn take(&mut self, record: Record<'_>) -> Result<(), &'static str> {
        match record {
            Record::Journal { .. } => {}
            Record::Said(message) => {
                let follows = next(&mut self.said, message.number)?;
                let text = message.text.to_string();
                self.unacknowledged.insert(message.number, text);
                self.remember(Side::Local, message);
                return follows;
            }
            Record::Heard(message) => {
                let follows = next(&mut self.heard, message.number)?;
                if self.answering {
                    self.unread.push(recorded(Side::Remote, message.clone()));
                }
                self.remember(Side::Remote, message);
                return follows;
            }
            Record::Acknowledged { number } => {
                if number < self.acknowledged || number > self.said {
                    return Err("it acknowledges what is not there");
                }
                self.unacknowledged = self.unacknowledged.split_off(&(number + 1));
                self.acknowledged = number;
            }
            Record::Finished => self.finished = true,
            Record::PeerLast { number } => self.peer_last = Some(number),
            Record::Keep => self.keep = true,
            Record::Answering { on } => self.answering = on,
            Record::Read => self.unread.clear(),
            Record::Counts {
                said,
                acknowledged,
                heard,
            } => {
                if (self.said, self.heard) != (0, 0) || acknowledged > said {
                    return Err("it is not where it belongs");
                }
                (self.said, self.acknowledged, self.heard) = (said, acknowledged, heard);
            }
            Record::Ended { .. } => self.ended = true,
        }
        Ok(())
    }

    fn remember(&mut self, side: Side, message: Message<'_>) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(recorded(side, message));
    }
}

fn recorded(side: Side, message: Message<'_>) -> RecordedText {
    RecordedText {
        side,
        number: message.number,
        at: message.at,
        text: message.text.into_owned(),
    }
}

/// Counts on to `number`, which must be higher; the inner error says that it is too high, though it
/// can be taken.
fn next(count: &mut u64, number: u64) -> Result<Result<(), &'static str>, &'static str> {
    if number <= *count {
        return Err("its number was there before");
    }
    let follows = number == *count + 1;
    *count = number;
    Ok(follows.then_some(()).ok_or("lines before it are missing"))
}

/// The journal of a call that is over, without the texts that are not kept: what stood before
/// `keep`, or before what the answering machine heard and nobody has read, or everything, becomes
/// counts. `None` if nothing was said at all.
pub(super) fn compact(bytes: &[u8]) -> Option<Vec<u8>> {
    let kept_from = kept_from(bytes).unwrap_or(bytes.len());
    let mut restored = Restored::default();
    let mut compacted = Vec::new();
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', &bytes[..kept_from]) {
        let line = &bytes[start..=end];
        match Record::parse(&bytes[start..end]) {
            Ok(Record::Journal { .. }) => compacted.extend_from_slice(line),
            Ok(record) => drop(restored.take(record)),
            Err(_) => {}
        }
        start = end + 1;
    }
    if start == bytes.len() && (restored.said, restored.heard) == (0, 0) {
        return None;
    }
    let counts = Record::Counts {
        said: restored.said,
        acknowledged: restored.acknowledged,
        heard: restored.heard,
    };
    counts.write_to(&mut compacted);
    if start < bytes.len() {
        compacted.extend_from_slice(&bytes[start..]);
    } else if restored.ended {
        Record::Ended { carried: false }.write_to(&mut compacted);
    }
    Some(compacted)
}

/// Where the lines begin that stay when the call is over.
fn kept_from(bytes: &[u8]) -> Option<usize> {
    let (mut machine, mut unread) = (None, None);
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        match Record::parse(&bytes[start..end]) {
            Ok(Record::Keep) => return unread.or(Some(start)),
            Ok(Record::Answering { on }) => machine = on.then_some(start),
            Ok(Record::Heard(_)) => unread = unread.or(machine),
            Ok(Record::Read) => unread = None,
            _ => {}
        }
        start = end + 1;
    }
    unread
}
