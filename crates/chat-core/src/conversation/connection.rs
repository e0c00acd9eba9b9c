//! What a transport brings: a stream, and beside it what is known of its other end.

use std::fmt::Debug;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::Link;

/// Anything that can carry a conversation.
pub trait Stream: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Debug + Send + Unpin> Stream for S {}

/// A link over whatever carries it.
pub type AnyLink = Link<Box<dyn Stream>>;

/// After so much silence the system asks whether the peer is there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// How long it waits for an answer, and how often it asks.
const KEEPALIVE_PAUSE: Duration = Duration::from_secs(5);
const KEEPALIVE_TRIES: u32 = 3;

/// Prepares a TCP connection for a conversation: each message goes at once, and a peer that has
/// vanished is noticed within half a minute even if it speaks no chat/1 (tcp(7)). What the
/// system cannot do is done without.
pub fn tune(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE_PAUSE)
        .with_retries(KEEPALIVE_TRIES);
    let tuned = stream
        .set_nodelay(true)
        .and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = tuned {
        tracing::debug!(%error, "a connection is as the system made it");
    }
}
