//! The acknowledgements on one connection: late enough to be few, soon enough to be news.

use std::time::{Duration, Instant};

/// How long an acknowledgement waits for something to go with.
const DELAY: Duration = Duration::from_millis(15);

/// So much text is acknowledged at once, in bytes.
const BYTES: usize = 256 * 1024;

/// What the peer knows of what was shown, on one connection.
#[derive(Debug, Default)]
pub(super) struct Acks {
    /// The last number that was acknowledged.
    told: u64,
    /// Text that came since then, in bytes.
    bytes: usize,
    /// When what was shown must be acknowledged.
    by: Option<Instant>,
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
            self.by.get_or_insert(now + DELAY);
            // The end of a call is not to wait.
            self.due |= self.bytes >= BYTES || last;
        }
    }

    /// The number to acknowledge, if that must be now or can go with something else.
    pub(super) fn take(&mut self, shown: u64, in_company: bool) -> Option<u64> {
        if shown <= self.told || !(in_company || self.due) {
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
        self.by
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.due |= self.by.take_if(|by| *by <= now).is_some();
    }
}
