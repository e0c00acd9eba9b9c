//! What is written down of a session, and how far that is done.

/// What is to be recorded, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// This side said its next message.
    Said(String),
    /// The peer's next message was shown.
    Heard(String),
    /// The peer acknowledged this side's messages up to this number.
    Acknowledged(u64),
    /// This side has nothing more to say.
    Finished,
    /// The peer has nothing more to say after the message with this number.
    PeerFinished(u64),
}

/// How far a session is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// This side's messages up to this number may be sent.
    pub said: u64,
    /// The peer's messages up to this number may be acknowledged.
    pub heard: u64,
    /// The peer may be told that this side has nothing more to say.
    pub finished: bool,
}
