//! What two programs say to each other, without I/O: what to send, what was received, what is due.
//!
//! [`Plain`] is for peers that speak plain lines, [`Session`] for those that speak chat/1, whose
//! calls outlive their connections.

mod close;
mod end;
mod event;
mod plain;
mod record;
mod session;

use std::time::{Duration, Instant};

use crate::trust::safety_number::ChannelBinding;
use crate::wire::{Batch, Frame, Hello, WriteBuffer};

pub use close::Linger;
pub use end::{CloseReason, Disconnect, ProtocolError, Side, Violation};
pub use event::{
    ConnectionStatus, Delivery, Earlier, Ended, Event, PastMessage, Peer, ProtocolEvent, Renewed,
};
pub use plain::Plain;
pub use record::{Entry, Recorded};
pub use session::{Remark, Session, SessionState};

/// A new connection, as the protocol learns of it.
#[derive(Clone, Debug, Default)]
pub struct Handshake {
    /// What binds the connection to the two keys, if it is encrypted.
    pub binding: Option<ChannelBinding>,
    /// The peer's hello, if it was the peer that dialed.
    pub hello: Option<Hello>,
}

/// Whether the person's side takes what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkState {
    /// All events so far were shown.
    Idle,
    /// It is busy with them, and nothing is read meanwhile.
    Busy,
    /// It takes nothing more.
    Closed,
}

/// The way to the peer.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// What is to be sent is appended here, up to [`WriteBuffer::is_full`].
    pub buffer: &'a mut WriteBuffer,
    /// Everything that was appended before has left.
    pub written: bool,
    /// The peer takes one write for one message, without terminators.
    pub raw: bool,
}

/// What comes next in a call.
#[derive(Debug)]
pub enum Next {
    /// Whatever the peer, the person or the clock brings.
    Wait,
    /// The same, and the write half is closed once all is written.
    Close,
    /// The connection is lost although the stream has not failed: [`Protocol::disconnected`].
    Lost(Disconnect),
    /// Nothing: the call is over.
    Ended(CloseReason),
}

/// A state machine that talks to one peer for one person.
///
/// The driver calls it with what happened and when, then polls it for events, for bytes to send
/// with what comes next, and for the time at which it wants to be called again. It never waits.
pub trait Protocol: Send {
    /// There is a new connection, which replaces the present one. Returns whether it is taken: one
    /// that was made before the present one, and was only delivered later, is not.
    fn connected(&mut self, handshake: Handshake, now: Instant) -> bool;

    /// The connection is gone. Unless the call is `resumable` over another, it is over.
    fn disconnected(&mut self, disconnect: Disconnect, resumable: bool, now: Instant);

    /// Bytes were received, whole frames or not.
    fn heard(&mut self, now: Instant);

    /// A frame was received. `None`: the stream ended in good order, nothing more comes on it.
    fn receive(&mut self, frame: Option<Frame>, now: Instant);

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
    fn typing(&mut self, typing: bool);

    /// This side's program is about to be stopped for a while, or goes on.
    fn suspended(&mut self, suspended: bool);

    /// The person has nothing more to send.
    fn finish(&mut self);

    /// The person hangs up. Messages sent before are still delivered, for as long as `linger`.
    fn hang_up(&mut self, linger: Linger, now: Instant);

    /// Hangs up on a peer that sent no text for `idle`, and tells it why.
    fn idle_timeout(&mut self, idle: Duration, now: Instant);

    /// The person's side has shown what there was, is busy with it, or is gone.
    fn sink_changed(&mut self, sink: SinkState, now: Instant);

    /// The next event.
    fn poll_event(&mut self) -> Option<ProtocolEvent>;

    /// Appends what is to be sent, and returns what comes next.
    fn poll_transmit(&mut self, out: Outgoing<'_>, now: Instant) -> Next;

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    fn timeout(&self) -> Option<Instant>;

    /// The time of [`timeout`](Self::timeout) has come.
    fn handle_timeout(&mut self, now: Instant);

    /// The session, if the peer counts messages: then one must not become several on the way.
    fn session(&mut self) -> Option<&mut Session>;

    /// This side's messages of which it is not known that they have arrived.
    fn unacknowledged(&self) -> Vec<String>;
}

/// Why a message cannot be sent to this peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It is longer than a line may be.
    #[error("{length} bytes, over the limit of {limit}")]
    TooLong {
        /// Its length on the wire, in bytes.
        length: usize,
        /// The most that fits, in bytes.
        limit: usize,
    },
    /// Too much is waiting to be delivered.
    #[error("the outbox is full")]
    Full,
    /// It has a line `88`, which a peer without chat/1 takes for the hang-up.
    #[error("a line of 88")]
    WouldHangUp,
}
