//! What crosses the network: UTF-8 lines, each ended by LF; a line `88` hangs up.
//!
//! [`LineCodec`] turns bytes into [`Frame`]s and back. What people say travels in a [`Batch`],
//! many lines in one piece; what the programs tell each other is a [`Control`] line of chat/1.
//! No input makes this panic, or buffer more than about [`MAX_LINE`].

mod codec;
mod control;
mod file;
mod line;
mod refusal;
mod write_buffer;

pub(crate) use codec::CONTROL;
pub use codec::{Frame, Framing, LineCodec, LineError};
pub use control::{
    Commitment, Control, ControlError, Cookie, Hello, Hex, HexError, MAX_CONTROL, MAX_DEPTH, Name,
    Nonce, Presence, SessionId,
};
pub use file::{
    CancelCode, CancelledOffer, FileHello, FileLine, Have, NextFile, Offer, OfferId, Sha256,
};
pub use line::{Batch, HANG_UP, MAX_LINE, is_hang_up};
pub use refusal::{Refusal, RefusalCode};
pub use write_buffer::WriteBuffer;
