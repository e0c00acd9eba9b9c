//! Typing notices, both ways, without one for each key (compare XEP-0085).

use std::time::{Duration, Instant};

/// While somebody types, the notice is repeated after this long, and not before.
const REPEAT: Duration = Duration::from_secs(3);

/// A typing notice that is not repeated for this long has expired.
const EXPIRE: Duration = Duration::from_secs(7);

/// What the peer knows of this side's typing, on one connection.
#[derive(Debug, Default)]
pub(super) struct LocalTyping {
    typing: bool,
    peer_knows: bool,
    /// When the next notice may be sent.
    next: Option<Instant>,
    due: bool,
}

impl LocalTyping {
    pub(super) fn typing(&mut self, typing: bool) {
        self.typing = typing;
        self.due = if typing {
            self.next.is_none()
        } else {
            self.peer_knows
        };
    }

    /// A message was sent, which also says that typing is over.
    pub(super) fn message_sent(&mut self) {
        *self = Self::default();
    }

    /// The notice to send now.
    pub(super) fn take(&mut self, now: Instant) -> Option<bool> {
        if !std::mem::take(&mut self.due) {
            return None;
        }
        self.peer_knows = self.typing;
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
pub(super) struct RemoteTyping {
    until: Option<Instant>,
}

impl RemoteTyping {
    /// A notice was received. Returns whether it changes anything.
    pub(super) fn typing(&mut self, typing: bool, now: Instant) -> bool {
        let until = typing.then(|| now + EXPIRE);
        let before = std::mem::replace(&mut self.until, until);
        before.is_some() != typing
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.until
    }

    /// Returns whether the last notice has expired.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        self.until.take_if(|until| *until <= now).is_some()
    }
}
