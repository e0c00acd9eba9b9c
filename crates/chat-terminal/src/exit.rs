//! Exit codes.

use chat_core::protocol::{Ended, Ending};

/// The call ended as calls do.
pub const OK: u8 = 0;
/// Could not connect, could not listen, or the connection was lost for good.
pub const FAILED: u8 = 1;
/// Refused for trust.
pub const REFUSED: u8 = 3;
/// The other side was busy.
pub const BUSY: u8 = 4;

/// The exit code after a call.
pub fn code(ended: &Ended) -> u8 {
    match ended.ending {
        Ending::Refused(_) => REFUSED,
        Ending::Busy { .. } => BUSY,
        _ if !ended.undelivered.is_empty() => FAILED,
        Ending::HungUp(_) | Ending::InputOver | Ending::Idle(_) => OK,
        Ending::Lost(_) | Ending::Protocol(_) | Ending::Local(_) => FAILED,
    }
}
