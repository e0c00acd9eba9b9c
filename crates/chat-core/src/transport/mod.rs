//! What carries a call: carriers that make byte streams, and TLS on the streams.

mod awake;
mod carrier;
mod connect_error;
mod keyring;
pub mod nearby;
mod target;
pub mod tcp;
mod tls;
mod way;

use std::fmt::Debug;

use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use awake::{NAP, asleep};
pub use carrier::{Dial, Listen, Listeners, Origin, Packets, RelayStatus, Route, Routes};
pub use connect_error::{ConnectError, DialError};
pub use keyring::{Keyring, KeyringError};
pub use target::{HostPort, Target, TargetError};
pub use tls::{
    ALPN, ALPN_FILE, ClientHello, HANDSHAKE_TIMEOUT, Intent, OtherKey, PeerKind, SecureStream,
    TlsEndpoint, TlsError,
};
pub use way::roamed;

/// Anything that can carry a call.
pub trait Stream: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Debug + Send + Unpin> Stream for S {}

/// Waits on a descriptor of the system for something to read.
#[cfg(target_os = "linux")]
#[allow(
    deprecated,
    reason = "its successor is unsafe; what makes this one unsound, a type that closes its \
              descriptor early, cannot be passed here"
)]
fn readable(
    descriptor: std::os::fd::OwnedFd,
) -> std::io::Result<tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>> {
    tokio::io::unix::AsyncFd::with_interest(descriptor, tokio::io::Interest::READABLE)
}
