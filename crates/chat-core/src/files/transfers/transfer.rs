//! An offer that is not over, on either side.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::files::{Direction, Expected, FileName, FileSummary, Progress, Source, Stage};
use crate::wire::Offer;

/// An offer that is not over.
pub(super) struct Transfer {
    pub(super) offer: Offer,
    pub(super) name: FileName,
    pub(super) side: Side,
    pub(super) state: State,
    pub(super) progress: Arc<Progress>,
    /// The task of the last connection: one after the other writes to the disk.
    pub(super) task: Option<JoinHandle<()>>,
    /// Counts the connections, so that what an old one reports does not count.
    pub(super) run: u64,
    pub(super) failures: u32,
    /// When progress was last shown, and what had moved.
    pub(super) measured: Option<(Instant, u64)>,
    pub(super) per_second: u64,
}

pub(super) enum Side {
    Sends(Source),
    Takes { directory: PathBuf, stage: Stage },
}

pub(super) enum State {
    /// The receiver has not decided.
    Offered,
    /// It wants it, and there is no connection. The dialer makes one then.
    Waiting(Option<Instant>),
    /// It is under way.
    Running(CancellationToken),
    /// All was sent; whether it is taken, the receiver says in the talk.
    Sent,
}

impl Transfer {
    pub(super) fn direction(&self) -> Direction {
        match self.side {
            Side::Sends(_) => Direction::Sent,
            Side::Takes { .. } => Direction::Received,
        }
    }

    /// Whether it is an offer of the peer that waits for the person.
    pub(super) fn is_question(&self) -> bool {
        matches!(self.state, State::Offered) && self.direction() == Direction::Received
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    pub(super) fn expected(&self) -> Expected {
        Expected {
            id: self.offer.id,
            name: self.name.clone(),
            size: self.offer.size,
            files: self.offer.files,
        }
    }

    pub(super) fn summary(&self, number: u32) -> FileSummary {
        FileSummary {
            number,
            direction: self.direction(),
            name: self.name.clone(),
            size: self.offer.size,
            files: self.offer.files,
        }
    }

    /// Measures the rate, smoothed over some seconds.
    pub(super) fn measure(&mut self, now: Instant) {
        let moved = self.progress.moved();
        if let Some((at, before)) = self.measured {
            let passed = (now - at).as_secs_f64();
            let rate = (moved.saturating_sub(before) as f64 / passed.max(0.001)) as u64;
            self.per_second = match self.per_second {
                0 => rate,
                smoothed => (3 * smoothed + rate) / 4,
            };
        }
        self.measured = Some((now, moved));
    }
}
