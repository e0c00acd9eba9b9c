//! What two programs say to each other, without I/O: what to send, what was received, what is due.
//!
//! [`Plain`] is for peers that speak plain lines, [`Session`] for those that speak chat/1, whose
//! calls outlive their connections.

mod close;
mod end;
mod event;
mod plain;
mod session;

use std::time::{Duration, Instant};

use crate::trust::safety_number::{ChannelBinding, DialerExchange};
use crate::wire::{Batch, Control, Frame, Hello, WriteBuffer};

pub use end::{CloseReason, Disconnect, ProtocolError, Side};
pub use event::{ConnectionStatus, Ended, Event, Peer};
pub use plain::Plain;
pub use session::{Session, SessionConfig};

/// A new connection, as the protocol learns of it.
#[derive(Clone, Debug, Default)]
pub struct Handshake {
    /// What binds the connection to the two keys, if it is encrypted.
    pub binding: Option<ChannelBinding>,
    /// The peer's hello, if it was the peer that dialed.
    pub hello: Option<Hello>,
}

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

/// A state machine that talks to one peer for one person.
///
/// The driver calls it with what happened and when; it returns events for the person, bytes for
/// the peer, and the time at which it wants to be called next. It never waits.
pub trait Protocol: Send {
    /// There is a connection. A protocol with only one ignores that.
    ///
    /// # Errors
    /// The peer's hello violates the protocol.
    fn connected(
        &mut self,
        _handshake: Handshake,
        _events: &mut Vec<Event>,
        _now: Instant,
    ) -> Result<(), ProtocolError> {
        Ok(())
    }

    /// Whether messages are counted, so that one must not become several on the way.
    fn counts_messages(&self) -> bool {
        false
    }

    /// The dialer's part in the safety number, if there is one in calls of this kind.
    fn dialer_exchange(&mut self) -> Option<&mut DialerExchange>;

    /// Whether a reset at the end of the call means that the peer left something unread.
    fn loses_by_reset(&self) -> bool {
        false
    }

    /// Whether a connection was made before the present one, and was only delivered later.
    fn is_stale(&self, _handshake: &Handshake) -> bool {
        false
    }

    /// Whether more can be sent; otherwise too much is waiting to be delivered.
    fn has_room(&self) -> bool;

    /// Sends these lines, each one a message.
    ///
    /// # Errors
    /// One of them cannot be sent to this peer; those before it are.
    fn say_lines(&mut self, lines: Batch) -> Result<(), SendError>;

    /// Sends one message.
    ///
    /// # Errors
    /// It cannot be sent to this peer, not even in part.
    fn say(&mut self, text: &str) -> Result<(), SendError>;

    /// The person has begun or stopped typing.
    fn typing(&mut self, typing: bool, now: Instant);

    /// The person has nothing more to send.
    fn finish(&mut self);

    /// The person hangs up. Messages sent before are still delivered, for as long as `linger`.
    fn hang_up(&mut self, linger: Linger, now: Instant);

    /// Hangs up on a peer that sent no text for `idle`, and tells it why.
    fn idle_timeout(&mut self, idle: Duration, now: Instant);

    /// Bytes were received, whole frames or not.
    fn heard(&mut self, _events: &mut Vec<Event>, _now: Instant) {}

    /// A frame was received.
    ///
    /// # Errors
    /// The peer violated the protocol: the call is over.
    fn receive(
        &mut self,
        frame: Frame,
        events: &mut Vec<Event>,
        now: Instant,
    ) -> Result<(), ProtocolError>;

    /// The stream ended in good order: the peer will send nothing more on it.
    fn receive_eof(&mut self, events: &mut Vec<Event>, now: Instant);

    /// All events so far were shown to the person.
    fn delivered_to_user(&mut self, now: Instant);

    /// Whether reading is paused, because the person's side is busy with what was received.
    fn set_paused(&mut self, paused: bool, now: Instant);

    /// Appends what is to be sent, up to [`WriteBuffer::is_full`]. `raw`: the peer takes one
    /// write for one message, without terminators.
    fn poll_transmit(&mut self, raw: bool, out: &mut WriteBuffer, now: Instant);

    /// Everything appended so far was written.
    fn transmitted(&mut self, now: Instant);

    /// Whether the write half is to be closed once all was written.
    fn wants_close(&self) -> bool;

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    fn timeout(&self) -> Option<Instant>;

    /// The time of [`timeout`](Self::timeout) has come.
    fn handle_timeout(&mut self, events: &mut Vec<Event>, now: Instant);

    /// Why the protocol considers the connection lost although the stream has not failed, if it
    /// does. [`disconnected`](Self::disconnected) follows.
    fn connection_lost(&mut self) -> Option<Disconnect> {
        None
    }

    /// The connection is gone. Returns why the call is over, or `None` if it can be resumed over
    /// another connection.
    fn disconnected(&mut self, disconnect: Disconnect, now: Instant) -> Option<CloseReason>;

    /// No other connection can be made. Returns why the call is over.
    fn give_up(&mut self, disconnect: Disconnect) -> CloseReason {
        CloseReason::Lost(disconnect)
    }

    /// Why the call is over, once it is. `written`: nothing is left in the connection's buffers.
    fn close_reason(&mut self, written: bool) -> Option<CloseReason>;

    /// What to tell a peer that reconnects after this side has hung up: the last receipt.
    fn final_ack(&self) -> Vec<Control> {
        Vec::new()
    }

    /// This side's messages that the peer has not acknowledged.
    fn unacknowledged(&self) -> Vec<String>;
}

/// Why a message cannot be sent to this peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
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
    Full,
    /// It has a line `88`, which a peer without chat/1 takes for the hang-up.
    #[error("this peer would take the line 88 for a hang-up")]
    WouldHangUp,
}
