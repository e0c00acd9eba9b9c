//! What a session keeps from one connection to the next.

use super::connection_state::ConnectionState;
use super::outbox::Outbox;
use crate::wire::{Control, SessionId, WriteBuffer};

/// All that is needed to resume over another connection.
#[derive(Debug)]
pub(super) struct SessionState {
    pub(super) id: SessionId,
    pub(super) outbox: Outbox,
    /// This side has nothing more to send.
    pub(super) finished: bool,
    /// How many of the peer's messages were received.
    pub(super) received: u64,
    /// How many of them were shown to the person.
    pub(super) shown: u64,
    /// The peer has nothing more to send.
    pub(super) peer_finished: bool,
}

impl SessionState {
    pub(super) fn new(id: SessionId) -> Self {
        Self {
            id,
            outbox: Outbox::default(),
            finished: false,
            received: 0,
            shown: 0,
            peer_finished: false,
        }
    }

    /// Whether both sides are finished, and everything has arrived.
    pub(super) fn is_settled(&self) -> bool {
        self.finished && self.outbox.is_empty() && self.peer_finished && self.shown == self.received
    }

    /// Appends unsent messages, and `done` after the last.
    pub(super) fn transmit(
        &mut self,
        connection: &mut ConnectionState,
        may_say: bool,
        out: &mut WriteBuffer,
    ) {
        while may_say
            && !out.is_full()
            && let Some(bytes) = self.outbox.send()
        {
            out.push(bytes);
        }
        if self.finished && self.outbox.is_sent() && !connection.done_sent {
            connection.done_sent = true;
            out.push(Control::Done(true).to_line());
        }
    }
}
