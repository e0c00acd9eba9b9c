//! How far a chat/1 call is on its way to a hang-up.

use std::time::{Duration, Instant};

use super::Patience;

/// How long a hang-up waits for what was said before it, and then to be written.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// The stages of a hang-up, one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum GoodBye {
    Talking,
    /// This side hangs up once the peer has everything, or at this time.
    Wanted {
        by: Option<Instant>,
        patience: Patience,
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
    /// This side hangs up, with so much patience.
    pub(super) fn wanted(patience: Patience, now: Instant) -> Self {
        let by = (patience != Patience::Endless).then(|| now + PATIENCE);
        Self::Wanted { by, patience }
    }

    /// Something more was delivered, or can be again.
    pub(super) fn delivered(&mut self, now: Instant) {
        if let Self::Wanted { patience, .. } = *self
            && self.is_patient()
        {
            *self = Self::wanted(patience, now);
        }
    }

    /// Whether a hang-up waits that can wait longer.
    pub(super) fn is_patient(self) -> bool {
        match self {
            Self::Wanted { patience, .. } => patience != Patience::Brief,
            _ => false,
        }
    }

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
            Self::Wanted { by, .. } => by,
            Self::Appended { by } => Some(by),
            _ => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match *self {
            Self::Wanted { by: Some(by), .. } if by <= now => *self = Self::Due,
            Self::Appended { by } if by <= now => *self = Self::Written,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_patience_grows_with_what_is_delivered() {
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        for (patience, by) in [
            (Patience::Brief, Some(start + PATIENCE)),
            (Patience::Steady, Some(later + PATIENCE)),
            (Patience::Endless, None),
        ] {
            let mut good_bye = GoodBye::wanted(patience, start);
            good_bye.delivered(later);
            assert_eq!(good_bye.timeout(), by, "{patience:?}");
        }
    }
}
