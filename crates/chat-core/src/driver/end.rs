//! The end of a call, in good order.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{CallDriver, CloseCause, Connection, Sink, Source, sleep_until_some};
use crate::journal::JournalError;
use crate::protocol::{CloseReason, Disconnect, Ended, Event, Side};
use crate::transport::Stream;

/// How long a person who hangs up waits for a screen or pipe that has stalled.
pub(super) const FINAL_FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

impl<In: Source, Out: Sink> CallDriver<'_, In, Out> {
    /// Ends the call: shows the person why, and closes the connection in good order. Returns
    /// also why the last of it could not be recorded, if it could not.
    ///
    /// Waits until everything is shown, but at most 2 s if it was the person who hung up.
    pub async fn end<S: Stream>(
        mut self,
        mut reason: CloseReason,
        mut connection: Option<Connection<S>>,
    ) -> (Arc<Ended>, Option<JournalError>) {
        // Without receipts, only the end tells a pipe whether the last of it was read.
        if matches!(reason, CloseReason::HungUp(Side::Local))
            && self.config.graceful
            && self.protocol.session().is_none()
            && let Some(connection) = connection.take_if(|connection| connection.reset_is_loss)
            && let Err(error) = connection.ended().await
        {
            reason = Disconnect::from(error).into();
        }
        let unacknowledged = self.protocol.unacknowledged();
        tracing::info!(%reason, unacknowledged = unacknowledged.len(), "the call is over");
        let ended = Arc::new(Ended {
            reason,
            unacknowledged,
        });
        while self.show_events().is_some() {}
        self.show(Event::Ended(Arc::clone(&ended)));
        let closed = async {
            if let Some(connection) = connection {
                connection.end().await;
            }
        };
        let journal = self.journal.take();
        let recorded = async {
            self.final_flush().await;
            match journal {
                Some(journal) => self.final_record(journal, &ended).await,
                None => Ok(()),
            }
        };
        let (recorded, ()) = tokio::join!(recorded, closed);
        (ended, recorded.err())
    }

    async fn final_flush(&mut self) {
        if !self.is_showing() {
            return;
        }
        let limit = self.hasty.then(|| Instant::now() + FINAL_FLUSH_TIMEOUT);
        tokio::select! {
            flushed = self.sink.flushed() => if let Err(error) = flushed {
                tracing::debug!(%error, "the end of the call was not shown");
            },
            () = sleep_until_some(limit) => {
                tracing::debug!("the end of the call was not shown in time");
            }
        }
    }

    /// Replaces this side's own hang-up by the reason for it, if there is one.
    pub(super) fn explained(&mut self, reason: CloseReason) -> CloseReason {
        if !matches!(reason, CloseReason::HungUp(Side::Local)) {
            return reason;
        }
        match std::mem::take(&mut self.close_cause) {
            CloseCause::User => reason,
            CloseCause::IdleTimeout(limit) => CloseReason::Idle(limit),
            CloseCause::Error(error) => CloseReason::Local(error),
        }
    }
}
