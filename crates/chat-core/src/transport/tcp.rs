//! The options of TCP connections.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

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
