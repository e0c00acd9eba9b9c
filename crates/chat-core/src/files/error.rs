//! Why a transfer did not come to its end.

use std::io;
use std::path::PathBuf;

use crate::transport::ConnectError;
use crate::wire::{CancelCode, ControlError, Refusal, RefusalCode};

/// Why a file is not there, or not yet.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The connection was lost; the transfer can go on over another.
    #[error("the connection: {0}")]
    Connection(io::Error),
    /// There is none; it can be tried again.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The other side does not know the offer, or is busy.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The source cannot be read.
    #[error("{}: {reason}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The source is not what it was when it was offered.
    #[error("{} has changed", .0.display())]
    Changed(PathBuf),
    /// There is nothing at the path that could be sent.
    #[error("{} is neither a file nor a directory with files", .0.display())]
    Nothing(PathBuf),
    /// There are more files than an offer may have.
    #[error("{} holds too many files", .0.display())]
    TooMany(PathBuf),
    /// It cannot be written down.
    #[error("{}: {reason}", .path.display())]
    Unwritable {
        /// Where.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The disk has not enough room.
    #[error("{needed} bytes do not fit into {room}")]
    NoSpace {
        /// The bytes that are still to come.
        needed: u64,
        /// The bytes that there is room for.
        room: u64,
    },
    /// What came is not what the sender had. It is kept under another name.
    #[error("the hash is wrong, kept as {}", .kept.display())]
    WrongHash {
        /// Where it is.
        kept: PathBuf,
    },
    /// The peer broke the rules.
    #[error(transparent)]
    Violation(#[from] FileViolation),
}

/// How a peer broke the rules of `chat-file/1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileViolation {
    /// A line that cannot be read.
    #[error("a line that cannot be read: {0}")]
    Malformed(#[from] ControlError),
    /// A line that is longer than one may be.
    #[error("a line without end")]
    Endless,
    /// A line that is not in its place.
    #[error("a line out of place")]
    Misplaced,
    /// More bytes or files than were offered.
    #[error("more than was offered")]
    TooMuch,
    /// Fewer bytes or files than were offered.
    #[error("less than was offered")]
    TooLittle,
    /// A path that leads out of the directory, or is none.
    #[error("a path that leads elsewhere")]
    Path,
}

/// An error of the disk.
pub(super) fn unwritable(path: PathBuf) -> impl FnOnce(io::Error) -> TransferError {
    |reason| match reason.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            TransferError::NoSpace { needed: 0, room: 0 }
        }
        _ => TransferError::Unwritable { path, reason },
    }
}

/// One that came through `Read` or `Write` is what it was.
impl From<io::Error> for TransferError {
    fn from(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(Self::Connection)
    }
}

impl From<TransferError> for io::Error {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Connection(error) => error,
            error => Self::other(error),
        }
    }
}

impl TransferError {
    /// Whether another connection may bring it to its end.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connection(_) => true,
            Self::Connect(error) => !error.is_another_peer(),
            Self::Refused(refusal) => {
                refusal.is_passing() || refusal.code == RefusalCode::NoSession
            }
            _ => false,
        }
    }

    /// What the peer is told.
    pub(super) fn code(&self) -> CancelCode {
        match self {
            Self::Unreadable { .. } | Self::Nothing(_) => CancelCode::Unreadable,
            Self::Changed(_) => CancelCode::Changed,
            Self::TooMany(_) => CancelCode::TooMany,
            Self::Unwritable { .. } => CancelCode::Unwritable,
            Self::NoSpace { .. } => CancelCode::NoSpace,
            Self::WrongHash { .. } => CancelCode::WrongHash,
            Self::Refused(_) => CancelCode::Unknown,
            Self::Connection(_) | Self::Connect(_) | Self::Violation(_) => CancelCode::Other,
        }
    }
}
