//! The part of a conversation that has no I/O: what to send, what was received, what is due.

mod close;
mod end;
mod event;
mod plain;
mod session;

use std::time::{Duration, Instant};

use crate::trust::safety_number::Binding;
use crate::wire::{Batch, Control, Frame, Hello, Outgoing};

pub use end::{Ending, Loss, ProtocolError, Side};
pub use event::{Ended, Event, LinkState, Peer};
pub use plain::Plain;
pub use session::{Session, SessionConfig};

/// A new connection, as the protocol learns of it.
#[derive(Clone, Debug, Default)]
pub struct Contact {
    /// What ties the connection to the two keys, if it is encrypted.
    pub binding: Option<Binding>,
    /// What the peer said first, if it was the peer that called.
    pub hello: Option<Hello>,
}

/// How long a hang-up waits for what was said before it to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// For 2 s: a person wants to go.
    Brief,
    /// As long as something is delivered every 2 s: a pipe has time.
    Steady,
    /// For as long as it takes.
    Endless,
}

/// A state machine that speaks for one person with one peer.
///
/// The conversation calls it with what happened and when; it answers with events for the
/// person, bytes for the peer, and the next moment it wants to be called. It never waits.
pub trait Protocol: Send {
    /// There is a connection. A protocol with only one has nothing to learn from that.
    ///
    /// # Errors
    /// The peer's hello cannot be true.
    fn connected(
        &mut self,
        _contact: Contact,
        _events: &mut Vec<Event>,
        _now: Instant,
    ) -> Result<(), ProtocolError> {
        Ok(())
    }

    /// Whether the peer counts messages, so that one must not become several on the way.
    fn counts_messages(&self) -> bool {
        false
    }

    /// Whether a peer that resets the connection at its end has left something unread.
    fn loses_by_reset(&self) -> bool {
        false
    }

    /// Whether a connection was made before one that is known already, and came late.
    fn is_outdated(&self, _contact: &Contact) -> bool {
        false
    }

    /// Whether the person may say more; otherwise too much is waiting to be delivered.
    fn has_room(&self) -> bool;

    /// The person says these lines, each one a message.
    ///
    /// # Errors
    /// One of them cannot be said to this peer; those before it are sent.
    fn say_lines(&mut self, lines: Batch) -> Result<(), Unsayable>;

    /// The person says one message.
    ///
    /// # Errors
    /// It cannot be said to this peer; nothing of it is sent.
    fn say(&mut self, text: &str) -> Result<(), Unsayable>;

    /// The person has begun or stopped typing.
    fn typing(&mut self, typing: bool, now: Instant);

    /// The person has no more to say.
    fn finish(&mut self);

    /// The person hangs up. What was said before is still delivered, with so much patience.
    fn hang_up(&mut self, patience: Patience, now: Instant);

    /// Hangs up on a peer that said nothing for `idle`, and lets its person know.
    fn dismiss(&mut self, idle: Duration, now: Instant);

    /// Bytes came, whole frames or not.
    fn heard(&mut self, _events: &mut Vec<Event>, _now: Instant) {}

    /// A frame came.
    ///
    /// # Errors
    /// The peer broke the rules of the wire: the call is over.
    fn receive(
        &mut self,
        frame: Frame,
        events: &mut Vec<Event>,
        now: Instant,
    ) -> Result<(), ProtocolError>;

    /// The stream ended in good order: the peer will send nothing more on it.
    fn receive_end(&mut self, events: &mut Vec<Event>, now: Instant);

    /// All events so far were handed to the person.
    fn shown(&mut self, now: Instant);

    /// Whether frames are taken; while the person's side is slow they are left in the stream.
    fn listening(&mut self, listening: bool, now: Instant);

    /// Appends what is to be sent, up to [`Outgoing::is_full`]. `raw`: the peer takes one
    /// write for one message, without terminators.
    fn transmit(&mut self, raw: bool, out: &mut Outgoing, now: Instant);

    /// Everything appended so far was written.
    fn transmitted(&mut self, now: Instant);

    /// Whether the write half is to be closed once all was written.
    fn closes(&self) -> bool;

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    fn timeout(&self) -> Option<Instant>;

    /// Some timeout is due.
    fn handle_timeout(&mut self, events: &mut Vec<Event>, now: Instant);

    /// How the connection was lost, if the protocol takes it for lost although the stream does
    /// not say so. [`disconnected`](Self::disconnected) follows.
    fn link_lost(&mut self) -> Option<Loss> {
        None
    }

    /// The connection is gone. Answers how the call ended by that, or nothing if it can go on
    /// over another connection.
    fn disconnected(&mut self, loss: Loss, now: Instant) -> Option<Ending>;

    /// No other connection is to be had. Answers how the call ended by that.
    fn give_up(&mut self, loss: Loss) -> Ending {
        Ending::Lost(loss)
    }

    /// Why the call is over, once it is. `written`: nothing is left in the link's buffers.
    fn ending(&mut self, written: bool) -> Option<Ending>;

    /// What a peer is told that comes back when this side has hung up: the last receipt.
    fn last_words(&self) -> Vec<Control> {
        Vec::new()
    }

    /// The person's messages that the peer has not acknowledged.
    fn undelivered(&self) -> Vec<String>;
}

/// Why a message cannot be said to this peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsayable {
    /// It is longer than a line may be.
    #[error("the message is too long: {length} bytes, and {limit} fit")]
    TooLong {
        /// Its length on the wire, in bytes.
        length: usize,
        /// The most that fits, in bytes.
        limit: usize,
    },
    /// Too much is waiting to be delivered.
    #[error("too much is waiting to be delivered; try again soon")]
    NoRoom,
    /// It has a line `88`, which a peer without chat/1 takes for the hang-up.
    #[error("this peer would take the line 88 for a hang-up")]
    WouldHangUp,
}
