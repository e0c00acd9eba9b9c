//! What a protocol reports, and what the person at this end is shown.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::{CloseReason, SendError, Side};
use crate::files::FileEvent;
use crate::transport::Route;
use crate::trust::Security;
use crate::wire::{Batch, Control, Cookie, Name, Presence};

/// What a protocol reports.
#[derive(Clone, Debug)]
pub enum ProtocolEvent {
    /// Both sides have said hello, for the first time. The peer calls itself this; it may be empty.
    Established(Name),
    /// The peer calls itself something else from now on.
    Renamed(Name),
    /// The call goes on in a new session.
    Renewed(Renewed),
    /// The dialer shows this in its next handshake of the session.
    Cookie(Cookie),
    /// The peer says this about a file.
    File(Control),
    /// The present connection is in doubt: what was asked has had no answer for too long; or no
    /// longer.
    Doubted(bool),
    /// The person is to see this.
    Show(Event),
}

/// How a call goes on in a new session, for the peer does not know the old one any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// How many messages of this side are sent again.
    pub resent: u64,
    /// The peer may have some of them already.
    pub in_doubt: bool,
}

/// What is shown to the person.
#[derive(Clone, Debug)]
pub enum Event {
    /// A call has begun.
    Established(Peer),
    /// More is known of the peer than when the call began.
    Peer(Peer),
    /// The peer sent these lines, each one a message.
    Lines(Batch),
    /// The peer sent one message, which may have line breaks.
    Message(String),
    /// Messages of earlier, read back from the disk, the oldest first.
    History(Vec<PastMessage>),
    /// The number of this side's messages that were shown to the peer, from the first of the call.
    Delivered(u64),
    /// This message was not sent, and why.
    SendFailed(String, SendError),
    /// The peer has begun or stopped typing.
    Typing(bool),
    /// The person there has gone, or come back.
    Presence(Presence),
    /// Whether a machine records what is said to the peer, for nobody is there.
    Answering(bool),
    /// The peer calls itself this, and the person here calls it something else. `None`: no more.
    Claims(Option<String>),
    /// The peer has nothing more to send, but still reads.
    PeerEof,
    /// The peer hangs up because this side sent no text for this long.
    PeerIdleTimeout(Duration),
    /// What an earlier program has shown of this call, and has not delivered.
    Earlier(Earlier),
    /// Whether the peer records, from now on, what it receives before it acknowledges it.
    PeerKeeps(bool),
    /// Whether what is said from now on stays written down at the peer when the call is over.
    PeerHistory(bool),
    /// The connection's status has changed.
    Connection(ConnectionStatus),
    /// Which way the bytes of the connection take, where there are several.
    Route(Option<Route>),
    /// The same at both ends unless somebody is in the middle: eight digits and five emoji.
    SafetyNumber {
        /// Eight decimal digits in two groups.
        digits: String,
        /// Five emoji with their names.
        emoji: [(char, &'static str); 5],
    },
    /// Somebody calls, and waits for this side to answer or decline.
    Ringing(Peer),
    /// The caller that rang has hung up, or was declined.
    RingingStopped,
    /// The number of callers who wait here.
    QueueLength(usize),
    /// The number of callers whom the peer serves before this one.
    QueuePosition(u64),
    /// A file is offered, under way, or at its end.
    File(FileEvent),
    /// The call is over.
    Ended(Arc<Ended>),
    /// A remark of the program, ready to read: the result of a command, a caller turned away.
    Notice(String),
    /// The same, about something that must not be overlooked.
    Alarm(String),
}

/// A message that was recorded, in this call or one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastMessage {
    /// Whose it is.
    pub side: Side,
    /// When it was recorded.
    pub at: OffsetDateTime,
    /// What it says.
    pub text: String,
    /// Whether the peer has got it, if it is this side's; the peer's own was shown here.
    pub delivery: Delivery,
}

/// What has become of a message that was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It has arrived.
    Arrived,
    /// Nobody knows yet, or it is still to be sent.
    Pending,
    /// Its session ended before it was acknowledged.
    Lost,
}

/// The end of a call.
#[derive(Debug)]
pub struct Ended {
    /// Why.
    pub reason: CloseReason,
    /// This side's messages that the peer has not acknowledged; only chat/1 peers do.
    pub unacknowledged: Vec<String>,
}

impl Ended {
    /// Whether nothing is left to do: it was ended on purpose, and everything has arrived.
    pub fn is_in_good_order(&self) -> bool {
        let on_purpose = matches!(
            self.reason,
            CloseReason::HungUp(_) | CloseReason::BothFinished | CloseReason::Idle(_)
        );
        on_purpose && self.unacknowledged.is_empty()
    }

    /// Whether this side or the other hung up, if one did.
    pub fn hung_up_by(&self) -> Option<Side> {
        match self.reason {
            CloseReason::HungUp(side) => Some(side),
            _ => None,
        }
    }
}

/// What is left of a call in which this program, or an earlier one, was interrupted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// The last messages of both sides, the oldest first, but for those that are unreceived.
    pub recent: Vec<PastMessage>,
    /// How many of this side's messages were received.
    pub received: u64,
    /// Those after them, of which that is not known.
    pub unreceived: Vec<String>,
}

/// What is known of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionStatus {
    /// It works; the round trip is known once it was measured.
    Up {
        /// Time from a ping to its pong.
        round_trip: Option<Duration>,
    },
    /// Nothing was received for this long.
    Silent(Duration),
    /// The connection is lost; this is the n-th attempt to reconnect, from 1.
    /// A listener cannot dial, it waits: its count stays 0.
    Reconnecting(u32),
    /// The connection is back.
    Resumed {
        /// How long it was gone.
        after: Duration,
        /// How many messages of this side are sent again.
        resent: u64,
    },
    /// A call goes on in which an earlier program was interrupted.
    Restored {
        /// How many messages of this side are sent again.
        resent: u64,
    },
}

/// The other end of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The name by which this side knows it, or which it gives itself.
    pub name: Option<String>,
    /// The address that this side dialed, or from which it was called.
    pub address: String,
    /// How far the connection can be trusted.
    pub security: Security,
}
