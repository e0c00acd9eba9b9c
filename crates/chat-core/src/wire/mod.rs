//! What crosses the network.

mod codec;
mod control;
mod message;
mod outgoing;

pub(crate) use codec::CONTROL;
pub use codec::{Frame, Framing, LineCodec, LineError};
pub use control::{
    Commitment, Control, ControlError, ConversationId, Hello, Hex, MAX_CONTROL, Nonce,
};
pub use message::{Batch, HANG_UP, MAX_LINE, is_hang_up};
pub use outgoing::Outgoing;
