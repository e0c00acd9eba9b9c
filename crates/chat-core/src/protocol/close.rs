//! How a chat/1 call is closed: flush, hang up, wait for the peer.

use std::time::{Duration, Instant};

use super::Linger;

/// How long a hang-up waits for the messages before it, and then to be written.
pub(super) const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// The states of a close, one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum CloseState {
    Open,
    /// This side hangs up once the peer has everything, or at this time.
    Flushing {
        by: Option<Instant>,
        linger: Linger,
    },
    /// The hang-up is to be sent now.
    Expired,
    /// It is in the write buffer, and has until then.
    Queued {
        by: Instant,
    },
    Sent,
    /// The peer hung up.
    PeerClosed,
}

impl CloseState {
    /// This side hangs up, and lingers like this.
    pub(super) fn flushing(linger: Linger, now: Instant) -> Self {
        let by = (linger != Linger::Endless).then(|| now + LINGER_TIMEOUT);
        Self::Flushing { by, linger }
    }

    /// There was progress: more was delivered, or can be again.
    pub(super) fn delivered(&mut self, now: Instant) {
        if let Self::Flushing { linger, .. } = *self
            && self.is_lingering()
        {
            *self = Self::flushing(linger, now);
        }
    }

    /// Whether a hang-up waits that can wait longer.
    pub(super) fn is_lingering(self) -> bool {
        match self {
            Self::Flushing { linger, .. } => linger != Linger::Brief,
            _ => false,
        }
    }

    /// Whether a hang-up was sent or received: nothing is sent after it.
    pub(super) fn is_closed(self) -> bool {
        match self {
            Self::Open | Self::Flushing { .. } | Self::Expired => false,
            Self::Queued { .. } | Self::Sent | Self::PeerClosed => true,
        }
    }

    /// The peer hangs up.
    pub(super) fn peer_closed(&mut self) {
        *self = match self {
            // Both hung up at once: each counts its own.
            Self::Queued { .. } | Self::Sent => Self::Sent,
            _ => Self::PeerClosed,
        };
    }

    /// All bytes were sent.
    pub(super) fn sent(&mut self) {
        if let Self::Queued { .. } = self {
            *self = Self::Sent;
        }
    }

    pub(super) fn timeout(self) -> Option<Instant> {
        match self {
            Self::Flushing { by, .. } => by,
            Self::Queued { by } => Some(by),
            _ => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match *self {
            Self::Flushing { by: Some(by), .. } if by <= now => *self = Self::Expired,
            Self::Queued { by } if by <= now => *self = Self::Sent,
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
        for (linger, by) in [
            (Linger::Brief, Some(start + LINGER_TIMEOUT)),
            (Linger::Steady, Some(later + LINGER_TIMEOUT)),
            (Linger::Endless, None),
        ] {
            let mut close = CloseState::flushing(linger, start);
            close.delivered(later);
            assert_eq!(close.timeout(), by, "{linger:?}");
        }
    }
}
