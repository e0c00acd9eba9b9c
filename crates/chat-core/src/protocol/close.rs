//! How a call is closed: flush, hang up, wait until that is written.

use std::time::{Duration, Instant};

use super::{CloseReason, Side};

/// How long a hang-up waits for the messages before it, and then to be written.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a hang-up waits for the messages before it to be delivered (compare `SO_LINGER`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linger {
    /// For 2 s.
    Brief,
    /// As long as something is delivered every 2 s.
    Steady,
    /// For as long as it takes.
    Endless,
}

/// How long a hang-up waits, and until when without progress.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Patience {
    pub(super) linger: Linger,
    until: Option<Instant>,
}

impl Patience {
    pub(super) fn new(linger: Linger, now: Instant) -> Self {
        let until = (linger != Linger::Endless).then(|| now + LINGER_TIMEOUT);
        Self { linger, until }
    }
}

/// The states of a close, one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum CloseState {
    #[default]
    Open,
    /// This side hangs up once the peer has everything, or when its patience ends.
    Flushing(Patience),
    /// The hang-up is in the write buffer.
    Queued(Patience),
    /// It was written, or there was nobody to write it to.
    Sent,
    /// The peer hung up.
    PeerClosed,
}

impl CloseState {
    /// This side hangs up, for the first time or with less patience than before.
    pub(super) fn hang_up(&mut self, linger: Linger, now: Instant) {
        match self {
            Self::Open => *self = Self::Flushing(Patience::new(linger, now)),
            Self::Flushing(patience) | Self::Queued(patience)
                if patience.linger != Linger::Brief =>
            {
                *patience = Patience::new(linger, now);
            }
            _ => {}
        }
    }

    /// There was progress: more was delivered, or can be again.
    pub(super) fn delivered(&mut self, now: Instant) {
        if let Self::Flushing(patience) | Self::Queued(patience) = self
            && patience.linger == Linger::Steady
        {
            *patience = Patience::new(Linger::Steady, now);
        }
    }

    /// The peer hangs up.
    pub(super) fn peer_closed(&mut self) {
        *self = match self {
            // Both hung up at once: each counts its own.
            Self::Queued(_) | Self::Sent => Self::Sent,
            _ => Self::PeerClosed,
        };
    }

    /// Everything in the write buffer was written.
    pub(super) fn written(&mut self) {
        if let Self::Queued(_) = self {
            *self = Self::Sent;
        }
    }

    fn patience(self) -> Option<Patience> {
        match self {
            Self::Flushing(patience) | Self::Queued(patience) => Some(patience),
            _ => None,
        }
    }

    /// How long the hang-up lingers, while it does.
    pub(super) fn linger(self) -> Option<Linger> {
        self.patience().map(|patience| patience.linger)
    }

    /// When its patience ends.
    pub(super) fn timeout(self) -> Option<Instant> {
        self.patience()?.until
    }

    /// Whether a hang-up was sent or received: nothing is sent after it.
    pub(super) fn is_closed(self) -> bool {
        !matches!(self, Self::Open | Self::Flushing(_))
    }

    /// Who hung up, once that is done.
    pub(super) fn reason(self) -> Option<CloseReason> {
        match self {
            Self::Sent => Some(CloseReason::HungUp(Side::Local)),
            Self::PeerClosed => Some(CloseReason::HungUp(Side::Remote)),
            _ => None,
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
        for (linger, until) in [
            (Linger::Brief, Some(start + LINGER_TIMEOUT)),
            (Linger::Steady, Some(later + LINGER_TIMEOUT)),
            (Linger::Endless, None),
        ] {
            let mut close = CloseState::Open;
            close.hang_up(linger, start);
            close.delivered(later);
            assert_eq!(close.timeout(), until, "{linger:?}");
        }
    }

    #[test]
    fn whose_hang_up_is_under_way_has_hung_up() {
        let patience = Patience::new(Linger::Brief, Instant::now());
        for (mut close, side) in [
            (CloseState::Open, Side::Remote),
            (CloseState::Flushing(patience), Side::Remote),
            (CloseState::Queued(patience), Side::Local),
            (CloseState::Sent, Side::Local),
        ] {
            close.peer_closed();
            assert!(
                matches!(close.reason(), Some(CloseReason::HungUp(by)) if by == side),
                "{close:?}"
            );
        }
    }

    #[test]
    fn who_hangs_up_again_can_only_lose_patience() {
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        for (first, second, until) in [
            (Linger::Endless, Linger::Brief, later),
            (Linger::Steady, Linger::Brief, later),
            (Linger::Brief, Linger::Endless, start),
            (Linger::Brief, Linger::Brief, start),
        ] {
            let mut close = CloseState::Open;
            close.hang_up(first, start);
            close.hang_up(second, later);
            assert_eq!(close.linger(), Some(Linger::Brief));
            assert_eq!(close.timeout(), Some(until + LINGER_TIMEOUT));
        }
    }
}
