//! What a protocol tells the person at this end.

use std::sync::Arc;
use std::time::Duration;

use super::{Ending, Side, Unsayable};
use crate::trust::Security;
use crate::wire::Batch;

/// What is brought before the person.
#[derive(Clone, Debug)]
pub enum Event {
    /// A call has begun.
    Call(Peer),
    /// The peer of this call is known better than when it began.
    Peer(Peer),
    /// The peer says these lines.
    Lines(Batch),
    /// The peer says one message, which may have line breaks.
    Message(String),
    /// So many of this side's messages, from the first of the call, were shown to the peer.
    Delivered(u64),
    /// This message of the person was not sent, and why.
    Unsaid(String, Unsayable),
    /// The peer has begun or stopped typing.
    Typing(bool),
    /// The peer has no more to say, but still listens.
    PeerFinished,
    /// The peer hangs up, because it heard nothing for this long.
    Dismissed(Duration),
    /// The connection's state has changed.
    Link(LinkState),
    /// Both screens show these when nobody sits in between: six digits and five emoji.
    SafetyNumber {
        /// Six decimal digits.
        digits: String,
        /// Five emoji with their names.
        emoji: [(char, &'static str); 5],
    },
    /// So many callers wait here.
    Waiting(usize),
    /// So many callers are served there before this one.
    Ahead(u64),
    /// The call is over.
    Ended(Arc<Ended>),
    /// A remark by the program, ready to read: the answer to a command, a caller turned away.
    Notice(String),
}

/// The end of a call, as the person learns it.
#[derive(Debug)]
pub struct Ended {
    /// Why.
    pub ending: Ending,
    /// This side's messages that the peer has not acknowledged; only chat/1 peers do.
    pub undelivered: Vec<String>,
}

impl Ended {
    /// Whether this side or the other hung up, if one did.
    pub fn hung_up_by(&self) -> Option<Side> {
        match self.ending {
            Ending::HungUp(side) => Some(side),
            _ => None,
        }
    }
}

/// What is known of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// All is well; the round trip is known once it was measured.
    Up {
        /// Time from a ping to its pong.
        round_trip: Option<Duration>,
    },
    /// Nothing came for this long.
    Silent(Duration),
    /// The connection is gone; this is the n-th try to have it back, from 1.
    /// A listener, who cannot call back, waits: its count stays 0.
    Reconnecting(u32),
    /// The connection is back.
    Back {
        /// How long it was gone.
        after: Duration,
        /// How many messages of this side go out again.
        resent: u64,
    },
}

/// The other end of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What it calls itself, or what this side remembers it as.
    pub name: Option<String>,
    /// Where it is, as this side dialed it or sees it.
    pub address: String,
    /// How far the connection can be trusted.
    pub security: Security,
}
