//! The messages that the peer has not acknowledged, numbered by count.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::protocol::{ProtocolError, Violation};
use crate::wire::Batch;

/// The most that may wait for acknowledgement without a connection, in bytes.
const MAX_UNACKNOWLEDGED: usize = 8 << 20;

/// The same while there is a connection: enough to keep a fast and far one busy (40 MB/s over
/// 100 ms), and no more, because a pipe fills whatever it gets.
const SEND_WINDOW: usize = 4 << 20;

/// Messages as they cross the wire, each one a line, a `say` control line too.
///
/// The n-th message of the session has the number n, so only counts are kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Record", into = "Record")]
pub(super) struct Outbox {
    /// Sent on this connection, the oldest first.
    sent: VecDeque<Batch>,
    /// To be sent on this connection, after all of `sent`.
    unsent: VecDeque<Batch>,
    bytes: usize,
    /// The number of the last message that the peer acknowledged.
    acknowledged: u64,
    /// The number of the last message in `sent`.
    last_sent: u64,
    /// The number of the last message of all.
    last: u64,
}

impl Outbox {
    /// The messages after those that were acknowledged; the peer may have any of them.
    pub(super) fn restore(acknowledged: u64, messages: impl IntoIterator<Item = Batch>) -> Self {
        let mut outbox = Self {
            acknowledged,
            last_sent: acknowledged,
            last: acknowledged,
            ..Self::default()
        };
        messages.into_iter().for_each(|batch| outbox.push(batch));
        outbox
    }

    pub(super) fn has_room(&self, connected: bool) -> bool {
        self.bytes
            < if connected {
                SEND_WINDOW
            } else {
                MAX_UNACKNOWLEDGED
            }
    }

    /// The number of the last message that the peer acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Whether everything was acknowledged.
    pub(super) fn is_empty(&self) -> bool {
        self.acknowledged == self.last
    }

    /// Whether some of it was sent, so that the peer may have it.
    pub(super) fn may_have_arrived(&self) -> bool {
        self.last_sent > self.acknowledged
    }

    /// Whether everything was sent on this connection.
    pub(super) fn is_sent(&self) -> bool {
        self.unsent.is_empty()
    }

    pub(super) fn push(&mut self, batch: Batch) {
        if !batch.is_empty() {
            self.bytes += batch.wire_len();
            self.last += batch.len() as u64;
            self.unsent.push_back(batch);
        }
    }

    /// The next bytes to send, of messages up to the one with the number `limit`.
    pub(super) fn send(&mut self, limit: u64) -> Option<Bytes> {
        let room = limit.saturating_sub(self.last_sent);
        let batch = take_first(&mut self.unsent, room).next()?;
        let bytes = batch.as_bytes().clone();
        self.last_sent += batch.len() as u64;
        self.sent.push_back(batch);
        Some(bytes)
    }

    /// The peer acknowledges all messages up to this number. Returns whether any of them is newly so.
    pub(super) fn acknowledge(&mut self, number: u64) -> Result<bool, ProtocolError> {
        if number > self.last_sent {
            return Err(ProtocolError::Violation(Violation::AckUnsent));
        }
        let newly = number
            .checked_sub(self.acknowledged)
            .ok_or(ProtocolError::Violation(Violation::AckTakenBack))?;
        for batch in take_first(&mut self.sent, newly) {
            self.bytes -= batch.wire_len();
        }
        self.acknowledged = number;
        Ok(newly > 0)
    }

    /// Whether a peer can have messages up to this number: all that it has acknowledged, and none
    /// that were never said. Otherwise one of the two sides has lost what it had written down.
    pub(super) fn agrees(&self, number: u64) -> bool {
        (self.acknowledged..=self.last).contains(&number)
    }

    /// A new connection, on which the peer asks for all after this number, to which it
    /// [`agrees`](Self::agrees). Returns how many messages are to be sent.
    pub(super) fn resume(&mut self, number: u64) -> u64 {
        let received = number - self.acknowledged;
        self.sent.append(&mut self.unsent);
        self.unsent = std::mem::take(&mut self.sent);
        self.sent.extend(take_first(&mut self.unsent, received));
        self.last_sent = number;
        self.last - number
    }

    /// The messages after this number, as those of a new session.
    pub(super) fn renewed(mut self, number: u64) -> Self {
        self.sent.append(&mut self.unsent);
        take_first(&mut self.sent, number.saturating_sub(self.acknowledged)).for_each(drop);
        Self::restore(0, self.sent)
    }

    /// The messages after this number.
    pub(super) fn after(&self, number: u64) -> impl Iterator<Item = Batch> {
        let mut skipped = number.saturating_sub(self.acknowledged);
        self.batches().cloned().filter_map(move |mut batch| {
            let skip = skipped.min(batch.len() as u64);
            skipped -= skip;
            batch.skip(skip as usize);
            (!batch.is_empty()).then_some(batch)
        })
    }

    /// All messages, in order.
    pub(super) fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.sent.iter().chain(&self.unsent)
    }
}

/// An outbox as it is written down: which of the messages were sent is not known any more, so the
/// peer may have any of them.
#[derive(Serialize, Deserialize)]
struct Record {
    acknowledged: u64,
    messages: Vec<Batch>,
}

impl From<Outbox> for Record {
    fn from(outbox: Outbox) -> Self {
        Self {
            acknowledged: outbox.acknowledged,
            messages: outbox.batches().cloned().collect(),
        }
    }
}

impl From<Record> for Outbox {
    fn from(record: Record) -> Self {
        Self::restore(record.acknowledged, record.messages)
    }
}

/// Takes the first `count` messages out, which must be there.
fn take_first(queue: &mut VecDeque<Batch>, mut count: u64) -> impl Iterator<Item = Batch> {
    std::iter::from_fn(move || {
        let front = queue.front_mut().filter(|_| count > 0)?;
        let whole = front.len() as u64 <= count;
        let batch = if whole {
            queue.pop_front()?
        } else {
            front.split_to(count as usize)
        };
        count -= batch.len() as u64;
        Some(batch)
    })
}
