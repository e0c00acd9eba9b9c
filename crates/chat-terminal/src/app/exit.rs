//! The exit codes of both programs.

use chat_core::driver::Outcome;
use chat_core::protocol::{CloseReason, Ended};
use chat_core::transport::{ConnectError, TlsError};
use chat_core::trust::{FirstContactError, RejectedKey};
use chat_core::wire::RefusalCode;

/// The call ended normally.
pub const OK: u8 = 0;
/// Could not connect, could not listen, or the connection was lost for good.
pub const FAILED: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// The peer's key was refused, by either side.
pub const REFUSED: u8 = 3;
/// The other side was busy, or the person there does not take the call.
pub const BUSY: u8 = 4;

/// The exit code after a call.
pub fn of(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Ended(ended) => code(ended),
        Outcome::Interrupted(code) => *code,
    }
}

/// The exit code after a call that no signal ended.
pub fn code(ended: &Ended) -> u8 {
    match ended.reason {
        CloseReason::Refused(ref refusal) => match refusal.code {
            RefusalCode::Declined | RefusalCode::Closed => BUSY,
            _ => REFUSED,
        },
        CloseReason::Busy { .. } => BUSY,
        _ if !ended.unacknowledged.is_empty() => FAILED,
        CloseReason::HungUp(_) | CloseReason::BothFinished | CloseReason::Idle(_) => OK,
        CloseReason::Lost(_) | CloseReason::Protocol(_) | CloseReason::Local(_) => FAILED,
    }
}

/// The exit code where there was no call.
pub fn code_without_call(error: &ConnectError) -> u8 {
    match error {
        ConnectError::FirstContact(FirstContactError::TooMany(_)) => REFUSED,
        ConnectError::Dial(_)
        | ConnectError::NoReach(_)
        | ConnectError::KnownPeers(_)
        | ConnectError::FirstContact(_) => FAILED,
        ConnectError::Tls { reason, .. } => match reason {
            TlsError::NoKey | TlsError::NotPostQuantum | TlsError::OtherProtocol => REFUSED,
            _ => FAILED,
        },
        ConnectError::NoHandshake { reason, .. }
        | ConnectError::NoHandshakeWithKnown { reason, .. } => match reason {
            TlsError::TimedOut(_) | TlsError::Io(_) | TlsError::Agent(_) => FAILED,
            _ => REFUSED,
        },
        ConnectError::Key {
            reason: RejectedKey::File(_),
            ..
        } => FAILED,
        ConnectError::NoWay { errors, .. } => {
            errors.iter().map(code_without_call).min().unwrap_or(FAILED)
        }
        ConnectError::Key { .. }
        | ConnectError::NotEncrypted(_)
        | ConnectError::OtherKey { .. }
        | ConnectError::Downgraded { .. }
        | ConnectError::KnownKey { .. } => REFUSED,
    }
}
