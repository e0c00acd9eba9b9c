//! The acknowledgements on one connection: late enough to be few, soon enough to be news.

use std::time::{Duration, Instant};

/// How long an acknowledgement waits for more to acknowledge, or for something to go with.
const DELAY: Duration = Duration::from_millis(15);

/// Until it has waited for this long it does not go with anything either: in a quick exchange
/// each line would take one along.
const YOUNG: Duration = Duration::from_millis(5);

/// So much text is acknowledged at once, in bytes.
const BYTES: usize = 256 * 1024;

/// What the peer knows of what was shown, on one connection.
#[derive(Debug, Default)]
pub(super) struct Acks {
    /// The last number that was acknowledged.
    told: u64,
    /// Text that came since then, in bytes.
    bytes: usize,
    /// Since when there is something to acknowledge.
    since: Option<Instant>,
    /// It must be now.
    due: bool,
}

impl Acks {
    /// The peer may have missed what it was told on an earlier connection.
    pub(super) fn repeat(&mut self, shown: u64) {
        self.due = shown > 0;
    }

    /// Text came.
    pub(super) fn received(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// All messages up to this number were shown; nothing more follows if it is the `last`.
    pub(super) fn shown(&mut self, number: u64, last: bool, now: Instant) {
        if self.told < number {
            self.since.get_or_insert(now);
            // The end of a call is not to wait.
            self.due |= self.bytes >= BYTES || last;
        }
    }

    /// Nothing follows to go with.
    pub(super) fn hasten(&mut self) {
        self.due = true;
    }

    /// The number to acknowledge, if that must be now or can go with something else.
    pub(super) fn take(&mut self, shown: u64, in_company: bool, now: Instant) -> Option<u64> {
        let joins = in_company && self.since.is_some_and(|since| since + YOUNG <= now);
        if shown <= self.told || !(joins || self.due) {
            return None;
        }
        *self = Self {
            told: shown,
            ..Self::default()
        };
        Some(shown)
    }

    /// Whether the peer was told of all messages up to this number.
    pub(super) fn has_told(&self, shown: u64) -> bool {
        self.told == shown
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.since.map(|since| since + DELAY)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let late = |since: &mut Instant| *since + DELAY <= now;
        self.due |= self.since.take_if(late).is_some();
    }
}
