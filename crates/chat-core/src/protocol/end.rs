//! How a call ends.

use std::io;
use std::time::Duration;

use crate::transport::ConnectError;
use crate::trust::safety_number::ExchangeError;
use crate::wire::{ControlError, LineError, Refusal, RefusalCode};

/// One end of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// This one.
    Local,
    /// The other one.
    Remote,
}

/// Why a call is over.
#[derive(Debug, thiserror::Error)]
pub enum CloseReason {
    /// A side hung up.
    #[error("hung up")]
    HungUp(Side),
    /// Both sides have nothing more to send.
    #[error("both sides have no more to say")]
    BothFinished,
    /// The peer sent no text for this long, which was the limit.
    #[error("the other side said nothing for {0:?}")]
    Idle(Duration),
    /// The connection was lost for good.
    #[error("connection lost: {0}")]
    Lost(#[from] Disconnect),
    /// The peer violated the protocol.
    #[error("the other side broke the protocol: {0}")]
    Protocol(#[from] ProtocolError),
    /// The other side is busy with so many callers waiting.
    #[error("the other side is busy, {waiting} waiting")]
    Busy {
        /// Callers who wait there already.
        waiting: u64,
    },
    /// The other side refused the call, for this reason.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// This side's own input or output failed.
    #[error("this side failed: {0}")]
    Local(#[source] io::Error),
}

/// How a connection was lost.
#[derive(Debug, thiserror::Error)]
pub enum Disconnect {
    /// The stream ended without a hang-up.
    #[error("the other side is gone")]
    Cut,
    /// It could not be made again.
    #[error("no new connection: {0}")]
    Unreachable(Box<ConnectError>),
    /// The other side refused to go on with the call.
    #[error("the other side refused to go on: {0}")]
    Refused(Refusal),
    /// Nothing was received for this long.
    #[error("nothing was heard for {0:?}")]
    Silent(Duration),
    /// The peer reads nothing of what it is sent.
    #[error("the other side takes nothing more")]
    Stuck,
    /// The stream failed.
    #[error(transparent)]
    Io(io::Error),
}

impl Disconnect {
    /// Whether the peer no longer knows the session.
    pub(crate) fn is_forgotten(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.code == RefusalCode::NoSession)
    }
}

impl From<io::Error> for Disconnect {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => Self::Cut,
            _ => Self::Io(error),
        }
    }
}

/// How the peer violated the protocol.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// A line over the limit.
    #[error(transparent)]
    Line(#[from] LineError),
    /// A control line that cannot be read.
    #[error("a control line cannot be read: {0}")]
    Malformed(#[from] ControlError),
    /// The exchange behind the safety number went wrong.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// A frame that is out of place, or a claim that cannot be true.
    #[error(transparent)]
    Violation(#[from] Violation),
}

/// What was out of place, or cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// It acknowledged messages that were never sent.
    #[error("an acknowledgement of unsent messages")]
    AckUnsent,
    /// It acknowledged fewer messages than before.
    #[error("an acknowledgement taken back")]
    AckTakenBack,
    /// It resumed with messages that were never sent.
    #[error("a resumption with unsent messages")]
    HasUnsent,
    /// It answered a ping that was never sent.
    #[error("a pong without a ping")]
    PongUnasked,
    /// Its hello is for another session.
    #[error("a hello for another session")]
    OtherSession,
    /// It said hello twice.
    #[error("a second hello")]
    SecondHello,
    /// It queued a call that is on.
    #[error("a queue after the hello")]
    LateQueue,
    /// It sent a control line before its hello.
    #[error("a control line before the hello")]
    ControlBeforeHello,
    /// It took back that it has no more to say.
    #[error("an end of input taken back")]
    DoneTakenBack,
    /// It sent text before its hello.
    #[error("text before the hello")]
    TextBeforeHello,
    /// It sent text after it had no more to say.
    #[error("text after the end of input")]
    TextAfterDone,
    /// It sent a control line in a call of plain lines.
    #[error("a control line among plain lines")]
    ControlInPlain,
}
