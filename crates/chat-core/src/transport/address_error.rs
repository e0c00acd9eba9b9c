//! Texts that are no address.

/// A text that does not say whom to call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// There is no host in it.
    #[error("no host")]
    NoHost,
    /// After `[` there is no `]`.
    #[error("no closing bracket")]
    NoBracket,
    /// What follows the `]` is no `:` with a port.
    #[error("no port after the bracket")]
    AfterBracket,
    /// What stands in place of the port is none.
    #[error("no port: {0:?}")]
    NoPort(String),
}

/// A text that does not say where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no address to listen on")]
pub struct ListenAddressError;
