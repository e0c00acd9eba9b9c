//! The person at this end: where lines come from and where they are shown.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{Ending, Side, Unsayable};
use crate::trust::Fingerprint;
use crate::wire::Batch;

/// What the person does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Says these lines, each one a message.
    Lines(Batch),
    /// Says one message, which may have line breaks, or be `88` as text.
    Say(String),
    /// Hangs up.
    HangUp,
    /// Has no more to say, but still listens.
    End,
    /// Has begun or stopped typing.
    Typing(bool),
    /// Wants something of this program, not of the peer.
    Command(Command),
}

impl Input {
    /// What is said, if something is.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Lines(lines) => lines.lines().collect::<Vec<_>>().join("\n"),
            Self::Say(text) => text,
            _ => String::new(),
        }
    }
}

/// What the person wants of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Remember that the safety numbers were compared and are the same.
    Verify,
    /// List the known peers.
    Peers,
    /// Tell about the call.
    Status,
    /// End this call and take the next caller.
    Next,
    /// End the program.
    Quit,
}

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

/// How far a connection can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// Anybody on the way may read and change it.
    Plaintext,
    /// Encrypted, but nobody knows with whom: a stock TLS peer.
    NoKey,
    /// Encrypted, with the owner of this key.
    Key {
        /// The key, as people know it.
        fingerprint: Fingerprint,
        /// What this side knows of the key.
        standing: Standing,
    },
}

/// What is known of a peer's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Never seen before.
    New,
    /// Seen before, never compared.
    Unverified,
    /// Compared by the two people.
    Verified,
}

/// Where the person's words come from: a screen, a pipe, a script, a bot.
pub trait Source: Send {
    /// The next thing the person does. Must be cancel safe. Not called again after
    /// [`Input::End`] within one call.
    fn next(&mut self) -> impl Future<Output = io::Result<Input>> + Send;

    /// A call begins. Where messages are counted, a line that is too long for one message
    /// must not be cut into several, but is an error.
    fn begin(&mut self, _messages_are_counted: bool) {}
}

/// Where events are shown.
pub trait Sink: Send {
    /// Takes an event in; must not wait. The caller shows little more before it awaits
    /// [`flushed`](Self::flushed).
    fn show(&mut self, event: Event);

    /// Waits until what was shown has been handed over, or at least until there is room for
    /// more. Must be cancel safe. An error of kind `BrokenPipe` says that nobody looks any more.
    fn flushed(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}
