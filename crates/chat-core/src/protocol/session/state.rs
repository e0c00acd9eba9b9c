//! What a session keeps from one connection to the next, and from one program to the next.

use serde::{Deserialize, Serialize};

use super::encode;
use super::outbox::Outbox;
use crate::protocol::SendError;
use crate::wire::{Batch, Control, Hello, Name, SessionId};

/// All that is needed to resume a session over another connection. It can be written down and
/// restored with serde; what was received but not shown is then asked for again.
#[derive(Debug, Serialize, Deserialize)]
pub struct SessionState {
    pub(super) id: SessionId,
    /// The peer has said hello, on this connection or an earlier one.
    pub(super) established: bool,
    pub(super) outbox: Outbox,
    /// This side has nothing more to send.
    pub(crate) finished: bool,
    /// How many of the peer's messages were shown to the person.
    pub(super) shown: u64,
    /// How many more were received.
    #[serde(skip)]
    pub(super) unshown: u64,
    /// The number of the peer's last message, once it has nothing more to send.
    pub(crate) peer_last: Option<u64>,
    /// An earlier program has written it down, and may have told the peer of it.
    #[serde(skip)]
    pub(super) restored: bool,
}

impl SessionState {
    /// A new session: the dialer chooses the id, the listener has it from the dialer's hello.
    pub fn new(id: SessionId) -> Self {
        Self {
            id,
            established: false,
            outbox: Outbox::default(),
            finished: false,
            shown: 0,
            unshown: 0,
            peer_last: None,
            restored: false,
        }
    }

    /// Says one message more, before the session is resumed or begun.
    ///
    /// # Errors
    /// It cannot be sent, not even in part.
    pub(crate) fn say(&mut self, text: &str) -> Result<(), SendError> {
        self.outbox.push(encode::message(text)?);
        Ok(())
    }

    /// A session that was recorded: what the peer acknowledged, this side's messages after that, and
    /// how many of the peer's were shown. If that is nothing, the peer need not know the session.
    ///
    /// # Errors
    /// One of the messages cannot be sent.
    pub(crate) fn restore<'a>(
        id: SessionId,
        acknowledged: u64,
        messages: impl IntoIterator<Item = &'a str>,
        shown: u64,
    ) -> Result<Self, SendError> {
        let messages = messages.into_iter().map(encode::message);
        let messages = messages.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            established: (acknowledged, shown) != (0, 0),
            outbox: Outbox::restore(acknowledged, messages),
            shown,
            restored: true,
            ..Self::new(id)
        })
    }

    /// Names the session.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// This side's messages that the peer has not acknowledged.
    pub fn unacknowledged(&self) -> impl Iterator<Item = String> {
        let lines = self.outbox.batches().flat_map(Batch::lines);
        lines.map(encode::text_of)
    }

    /// What to tell a peer that resumes a session which this side has ended: the last receipt.
    pub fn final_ack(&self, name: &Name) -> Vec<Control> {
        self.final_ack_up_to(name, self.shown)
    }

    /// The same, if not all that was shown may be acknowledged.
    pub(super) fn final_ack_up_to(&self, name: &Name, number: u64) -> Vec<Control> {
        let hello = Hello {
            ended: true,
            ..self.hello(name, number)
        };
        vec![Control::Hello(hello), Control::Received(number)]
    }

    pub(super) fn hello(&self, name: &Name, received: u64) -> Hello {
        Hello {
            name: name.fitting().to_owned(),
            chosen: name.chosen,
            conversation: self.id,
            received,
            resumed: self.established,
            keeps: false,
            history: false,
            answering: false,
            files: true,
            ended: false,
            commitment: None,
        }
    }

    /// How many of the peer's messages were received.
    pub(super) fn received(&self) -> u64 {
        self.shown + self.unshown
    }

    /// Whether all of the peer's messages were received.
    pub(super) fn has_all(&self) -> bool {
        self.peer_last == Some(self.received())
    }

    /// Whether both sides are finished, and everything has arrived.
    pub(super) fn is_settled(&self) -> bool {
        self.finished && self.outbox.is_empty() && self.has_all() && self.unshown == 0
    }
}
