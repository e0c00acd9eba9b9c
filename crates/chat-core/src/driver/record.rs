//! What is written down of a call, in its journal.

use std::future::pending;
use std::io;

use tokio::time::Instant;

use super::{CallDriver, Sink, Source, Step};
use crate::journal::{Journal, JournalError};
use crate::protocol::{CloseReason, Ended, Recorded, SinkState};
use crate::wire::SessionId;

impl<In: Source, Out: Sink> CallDriver<'_, In, Out> {
    /// Records the call from now on, before its first connection. The journal has all that was
    /// said in the session. `history`: it stays written down when the call is over.
    pub fn record(&mut self, journal: Journal, history: bool) {
        if let Some(session) = self.protocol.session()
            && let Ok(recorded) = journal.recorded()
        {
            session.record(recorded, history);
            // A pipe that has said its last may have more to say after a restart, too late.
            self.source_open = !recorded.finished;
            self.journal = Some(journal);
        }
    }

    /// What is said from now on stays written down when the call is over. Returns whether it does.
    pub fn keep_history(&mut self) -> bool {
        if let (Some(journal), Some(session)) = (&mut self.journal, self.protocol.session()) {
            journal.keep();
            session.keep_history();
        }
        self.journal.is_some()
    }

    /// Goes on in a new session, over connections that come later; what the peer has not received
    /// is said again. It is recorded in `journal`, as with [`record`](Self::record). As the
    /// listener, no safety number is shown before the given moment.
    pub fn renew(
        &mut self,
        id: SessionId,
        journal: Option<(Journal, bool)>,
        reveal_after: Option<std::time::Instant>,
    ) {
        if let Some(session) = self.protocol.session() {
            session.renew(id, reveal_after);
        }
        if let Some(old) = self.journal.take() {
            // Its thread goes on by itself.
            drop(old.carry_over());
        }
        let source_open = self.source_open;
        if let Some((journal, history)) = journal {
            self.record(journal, history);
        }
        self.source_open = source_open;
    }

    /// Has everything recorded that happened since the last time.
    pub(super) fn record_entries(&mut self, now: Instant) {
        let (Some(journal), Some(session)) = (&mut self.journal, self.protocol.session()) else {
            return;
        };
        while let Some(entry) = session.poll_entry() {
            journal.record(&entry);
        }
        let is_behind = !journal.has_room();
        if std::mem::replace(&mut self.disk_is_behind, is_behind) != is_behind {
            // To the peer it is the same as a reader who is slow.
            let sink = match is_behind {
                true => SinkState::Busy,
                false => self.sink_state,
            };
            self.protocol.sink_changed(sink, now.into_std());
        }
    }

    /// The journal cannot be written any more.
    pub(super) fn take_unrecorded(&mut self, error: JournalError, now: Instant) -> Step {
        tracing::warn!(%error, "nothing is recorded any more");
        if self.config.answering {
            // A receipt for what is neither shown nor recorded would be a lie.
            return Step::Ended(CloseReason::Local(io::Error::other(error)));
        }
        self.journal = None;
        self.disk_is_behind = false;
        self.protocol.sink_changed(self.sink_state, now.into_std());
        if let Some(session) = self.protocol.session() {
            session.stop_recording(now.into_std());
        }
        Step::Unrecorded(error)
    }

    /// Records the last of the call. A session of which everything has arrived is over; another
    /// one can be resumed later.
    pub(super) async fn final_record(
        &mut self,
        mut journal: Journal,
        ended: &Ended,
    ) -> Result<(), JournalError> {
        if self.sink_state == SinkState::Idle {
            let now = Instant::now().into_std();
            self.protocol.sink_changed(SinkState::Idle, now);
        }
        let session = self.protocol.session();
        session.into_iter().for_each(|session| {
            while let Some(entry) = session.poll_entry() {
                journal.record(&entry);
            }
        });
        match ended.is_in_good_order() {
            true => journal.end().await,
            false => journal.close().await,
        }
    }
}

/// Waits until more is recorded, or forever if nothing is. Cancel safe.
pub(super) async fn recorded(journal: &mut Option<Journal>) -> Result<Recorded, JournalError> {
    match journal {
        Some(journal) => journal.changed().await,
        None => pending().await,
    }
}
