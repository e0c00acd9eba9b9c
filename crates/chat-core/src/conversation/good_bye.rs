//! How far a chat/1 call is on its way to a hang-up.

use std::time::{Duration, Instant};

/// How long a hang-up waits for what was said before it, and then to be written.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// The stages of a hang-up, one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum GoodBye {
    Talking,
    /// This side hangs up once the peer has everything, or at this time.
    Wanted {
        by: Option<Instant>,
    },
    /// The hang-up is to be sent now.
    Due,
    /// It is among the bytes to write, and has until then.
    Appended {
        by: Instant,
    },
    Written,
    /// The peer hung up.
    Heard,
}

impl GoodBye {
    /// Whether a hang-up was said, by either side: nothing is sent after it.
    pub(super) fn is_said(self) -> bool {
        match self {
            Self::Talking | Self::Wanted { .. } | Self::Due => false,
            Self::Appended { .. } | Self::Written | Self::Heard => true,
        }
    }

    /// The peer hangs up.
    pub(super) fn heard(&mut self) {
        *self = match self {
            // Both hang up at once: each did it by itself.
            Self::Appended { .. } | Self::Written => Self::Written,
            _ => Self::Heard,
        };
    }

    /// All bytes were written.
    pub(super) fn written(&mut self) {
        if let Self::Appended { .. } = self {
            *self = Self::Written;
        }
    }

    pub(super) fn timeout(self) -> Option<Instant> {
        match self {
            Self::Wanted { by } => by,
            Self::Appended { by } => Some(by),
            _ => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match *self {
            Self::Wanted { by: Some(by) } if by <= now => *self = Self::Due,
            Self::Appended { by } if by <= now => *self = Self::Written,
            _ => {}
        }
    }
}
