//! What crosses the network.

mod codec;
mod message;
mod outgoing;

pub use codec::{Frame, Framing, LineCodec, LineError};
pub use message::{Batch, HANG_UP, MAX_LINE, is_hang_up};
pub use outgoing::Outgoing;
