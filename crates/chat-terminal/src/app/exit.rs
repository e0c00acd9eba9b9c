//! The exit codes of both programs.

use chat_core::conversation::{Ended, Ending};

/// The call ended normally.
pub const OK: u8 = 0;
/// Could not connect, could not listen, or the connection was lost for good.
pub const FAILED: u8 = 1;
/// The peer's key was refused, by either side.
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
