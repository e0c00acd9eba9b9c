//! Delayed acknowledgements on one connection (compare RFC 9000, 13.2.1).

use std::time::{Duration, Instant};

/// How long an acknowledgement waits for more to acknowledge, or for other data to go with.
const MAX_ACK_DELAY: Duration = Duration::from_millis(15);

/// A younger acknowledgement does not go with other data either: in a quick exchange each line
/// would carry one.
const MIN_PIGGYBACK_AGE: Duration = Duration::from_millis(5);

/// This much text is acknowledged at once, in bytes.
const ACK_AT_BYTES: usize = 256 * 1024;

/// Decides when to acknowledge.
#[derive(Debug, Default)]
pub(super) struct DelayedAck {
    /// The last number that was acknowledged.
    acknowledged: u64,
    /// Text received since then, in bytes.
    bytes: usize,
    /// Since when there is something to acknowledge.
    since: Option<Instant>,
    /// It must not wait any longer.
    immediate: bool,
}

impl DelayedAck {
    /// A new connection: the peer may have missed the acknowledgements on an earlier one.
    pub(super) fn repeat(&mut self, shown: u64) {
        self.immediate = shown > 0;
    }

    /// Text was received.
    pub(super) fn received(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// All messages up to this number were shown; nothing more follows if it is the `last`.
    pub(super) fn shown(&mut self, number: u64, last: bool, now: Instant) {
        if self.acknowledged < number {
            self.since.get_or_insert(now);
            // The end of a call must not wait.
            self.immediate |= self.bytes >= ACK_AT_BYTES || last;
        }
    }

    /// Nothing follows that it could go with.
    pub(super) fn ack_now(&mut self) {
        self.immediate = true;
    }

    /// The number to acknowledge, if that must be now or can go with other data.
    pub(super) fn take(&mut self, shown: u64, piggyback: bool, now: Instant) -> Option<u64> {
        let joins = piggyback
            && self
                .since
                .is_some_and(|since| since + MIN_PIGGYBACK_AGE <= now);
        if shown <= self.acknowledged || !(joins || self.immediate) {
            return None;
        }
        *self = Self {
            acknowledged: shown,
            ..Self::default()
        };
        Some(shown)
    }

    /// Whether all messages up to this number were acknowledged.
    pub(super) fn has_acknowledged(&self, shown: u64) -> bool {
        self.acknowledged == shown
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.since.map(|since| since + MAX_ACK_DELAY)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let late = |since: &mut Instant| *since + MAX_ACK_DELAY <= now;
        self.immediate |= self.since.take_if(late).is_some();
    }
}
