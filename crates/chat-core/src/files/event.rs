//! What a person is shown of files.

use std::path::PathBuf;
use std::sync::Arc;

use super::{FileName, TransferError};
use crate::wire::{CancelCode, Sha256};

/// What is shown of files.
#[derive(Clone, Debug)]
pub enum FileEvent {
    /// Something has become of an offer.
    Offer(FileSummary, FileState),
    /// How far those are that are under way; none any more if it is empty.
    Progress(Vec<Rate>),
    /// A path cannot be offered.
    Unsendable(PathBuf, Arc<TransferError>),
    /// A command cannot be carried out.
    NotNow(NotNow),
}

impl FileEvent {
    /// Whether it tells that bytes of a file move between the two.
    pub(crate) fn is_movement(&self) -> bool {
        match self {
            Self::Progress(rates) => rates.iter().any(|rate| rate.per_second > 0),
            Self::Offer(..) | Self::Unsendable(..) | Self::NotNow(_) => false,
        }
    }
}

/// Who has the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// This side.
    Sent,
    /// The peer.
    Received,
}

/// An offer, as a person knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSummary {
    /// By which commands name it, from 1 in each call.
    pub number: u32,
    /// Who has it.
    pub direction: Direction,
    /// What it is called, made safe.
    pub name: FileName,
    /// The bytes of all its files.
    pub size: u64,
    /// How many files a directory has; nothing for a single file.
    pub files: Option<u64>,
}

/// What has become of an offer.
#[derive(Clone, Debug)]
pub enum FileState {
    /// It was made; the receiver has not decided.
    Offered,
    /// The receiver wants it.
    Accepted,
    /// It goes on where it was in an earlier call.
    Resumed,
    /// It has arrived, and is what the sender had.
    Done {
        /// Where, at the receiver.
        path: Option<PathBuf>,
        /// The hash of a single file, if it is known here.
        sha256: Option<Sha256>,
    },
    /// This side has declined or cancelled it.
    Dropped(CancelCode),
    /// The peer does not take or send it.
    Refused(CancelCode),
    /// It went wrong here.
    Failed(Arc<TransferError>),
}

/// How far a transfer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What is transferred.
    pub summary: FileSummary,
    /// How many bytes are there.
    pub done: u64,
    /// How many come in a second; 0 before that is known, or while there is no connection.
    pub per_second: u64,
}

/// Why a command about files cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// The peer speaks plain lines.
    PlainPeer,
    /// The peer's program knows nothing of files.
    OldPeer,
    /// No offer waits for that.
    NothingOpen,
    /// Several do; which one is meant?
    WhichOne,
    /// There is none of that number.
    NoSuchOffer(u32),
}
