//! What carries a call: carriers that make byte streams, and TLS on the streams.

mod carrier;
mod connect_error;
mod keyring;
pub mod tcp;
mod tls;

use std::fmt::Debug;

use tokio::io::{AsyncRead, AsyncWrite};

pub use carrier::{Dial, Listen, Listeners, Origin};
pub use connect_error::{ConnectError, DialError};
pub use keyring::{Keyring, KeyringError};
pub use tls::{
    ALPN, ALPN_FILE, ClientHello, HANDSHAKE_TIMEOUT, PeerKind, SecureStream, TlsEndpoint, TlsError,
};

/// Anything that can carry a call.
pub trait Stream: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Debug + Send + Unpin> Stream for S {}
