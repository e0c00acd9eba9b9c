//! What carries a call: byte streams, and TLS on them.

mod address_error;
mod connect_error;
mod keyring;
mod tcp;
mod tls;

use std::fmt::Debug;

use tokio::io::{AsyncRead, AsyncWrite};

pub use address_error::{ListenAddressError, TargetError};
pub use connect_error::{ConnectError, DialError};
pub use keyring::{Keyring, KeyringError};
pub use tcp::set_tcp_options;
pub use tls::{
    ALPN, ClientHello, HANDSHAKE_TIMEOUT, PeerKind, SecureStream, TlsEndpoint, TlsError,
};

/// Anything that can carry a call.
pub trait Stream: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Debug + Send + Unpin> Stream for S {}
