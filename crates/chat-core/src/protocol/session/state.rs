//! What a session keeps from one connection to the next, and from one program to the next.

use serde::{Deserialize, Serialize};

use super::encode;
use super::outbox::Outbox;
use crate::wire::{Batch, Commitment, Control, Hello, Name, SessionId};

/// All that is needed to resume a session over another connection. It can be written down and
/// restored with serde; what was received but not shown is then asked for again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Record", into = "Record")]
pub struct SessionState {
    pub(super) id: SessionId,
    /// The peer has said hello, on this connection or an earlier one.
    pub(super) established: bool,
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
    /// A new session: the dialer chooses the id, the listener has it from the dialer's hello.
    pub fn new(id: SessionId) -> Self {
        Self {
            id,
            established: false,
            outbox: Outbox::default(),
            finished: false,
            received: 0,
            shown: 0,
            peer_finished: false,
        }
    }

    /// What to tell a peer that reconnects after this side has hung up: the last receipt.
    pub fn final_ack(&self, name: &Name) -> Vec<Control> {
        let hello = self.hello(name, self.shown, None);
        vec![hello, Control::Received(self.shown)]
    }

    /// This side's messages that the peer has not acknowledged.
    pub fn unacknowledged(&self) -> impl Iterator<Item = String> {
        let lines = self.outbox.batches().flat_map(Batch::lines);
        lines.map(encode::text_of)
    }

    pub(super) fn hello(
        &self,
        name: &Name,
        received: u64,
        commitment: Option<Commitment>,
    ) -> Control {
        Control::Hello(Hello {
            name: name.fitting().to_owned(),
            chosen: name.chosen,
            conversation: self.id,
            received,
            resumed: self.established,
            commitment,
        })
    }

    /// Whether both sides are finished, and everything has arrived.
    pub(super) fn is_settled(&self) -> bool {
        self.finished && self.outbox.is_empty() && self.peer_finished && self.shown == self.received
    }
}

/// A session as it is written down.
#[derive(Serialize, Deserialize)]
struct Record {
    id: SessionId,
    established: bool,
    acknowledged: u64,
    unacknowledged: Vec<Batch>,
    finished: bool,
    shown: u64,
    peer_finished: bool,
}

impl From<SessionState> for Record {
    fn from(state: SessionState) -> Self {
        Self {
            id: state.id,
            established: state.established,
            acknowledged: state.outbox.acknowledged(),
            unacknowledged: state.outbox.batches().cloned().collect(),
            finished: state.finished,
            shown: state.shown,
            // With messages still to be shown, it will say so again.
            peer_finished: state.peer_finished && state.shown == state.received,
        }
    }
}

impl From<Record> for SessionState {
    fn from(record: Record) -> Self {
        Self {
            id: record.id,
            established: record.established,
            outbox: Outbox::restored(record.acknowledged, record.unacknowledged),
            finished: record.finished,
            received: record.shown,
            shown: record.shown,
            peer_finished: record.peer_finished,
        }
    }
}
