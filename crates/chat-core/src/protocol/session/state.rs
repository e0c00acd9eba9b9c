//! What a chat/1 conversation keeps from one connection to the next.

use super::connection_state::Leg;
use super::outbox::Outbox;
use crate::wire::{Control, ConversationId, Outgoing};

/// All that a conversation needs to go on over another connection.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) conversation: ConversationId,
    pub(super) outbox: Outbox,
    /// This side has no more to say.
    pub(super) finished: bool,
    /// How many of the peer's messages have come.
    pub(super) received: u64,
    /// How many of them were shown to the person.
    pub(super) shown: u64,
    /// The peer has no more to say.
    pub(super) peer_finished: bool,
}

impl Ledger {
    pub(super) fn new(conversation: ConversationId) -> Self {
        Self {
            conversation,
            outbox: Outbox::default(),
            finished: false,
            received: 0,
            shown: 0,
            peer_finished: false,
        }
    }

    /// Whether both sides have no more to say, and all of it has arrived.
    pub(super) fn is_settled(&self) -> bool {
        self.finished && self.outbox.is_empty() && self.peer_finished && self.shown == self.received
    }

    /// Appends what there is to say, and whether there is more to come.
    pub(super) fn transmit(&mut self, leg: &mut Leg, may_say: bool, out: &mut Outgoing) {
        while may_say
            && !out.is_full()
            && let Some(bytes) = self.outbox.send()
        {
            out.push(bytes);
        }
        if self.finished && self.outbox.is_sent() && !leg.told_done {
            leg.told_done = true;
            out.push(Control::Done(true).to_line());
        }
    }
}
