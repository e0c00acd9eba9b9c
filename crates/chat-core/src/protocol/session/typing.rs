//! "… is typing", both ways, without a notice for each key.

use std::time::{Duration, Instant};

/// While somebody types, the peer is told again after this long, and not before.
const REPEAT: Duration = Duration::from_secs(3);

/// A peer that has not said again that it is typing for this long has stopped.
const EXPIRE: Duration = Duration::from_secs(7);

/// What the peer knows of this side's typing, on one connection.
#[derive(Debug, Default)]
pub(super) struct Teller {
    typing: bool,
    told: bool,
    /// The peer must not be told before; then it is to be told again.
    next: Option<Instant>,
    due: bool,
}

impl Teller {
    pub(super) fn typing(&mut self, typing: bool) {
        self.typing = typing;
        self.due = if typing {
            self.next.is_none()
        } else {
            self.told
        };
    }

    /// A message was said, which tells the peer that its typing is over.
    pub(super) fn said(&mut self) {
        *self = Self::default();
    }

    /// What the peer is to be told now.
    pub(super) fn take(&mut self, now: Instant) -> Option<bool> {
        if !std::mem::take(&mut self.due) {
            return None;
        }
        self.told = self.typing;
        if self.typing {
            self.next = Some(now + REPEAT);
        }
        Some(self.typing)
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.next
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.next.is_some_and(|next| next <= now) {
            self.next = None;
            self.due = self.typing;
        }
    }
}

/// What this side knows of the peer's typing.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    until: Option<Instant>,
}

impl Watcher {
    /// The peer says so. Returns whether that is news.
    pub(super) fn typing(&mut self, typing: bool, now: Instant) -> bool {
        let until = typing.then(|| now + EXPIRE);
        let before = std::mem::replace(&mut self.until, until);
        before.is_some() != typing
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.until
    }

    /// Returns whether the peer has stopped without a word.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        self.until.take_if(|until| *until <= now).is_some()
    }
}
