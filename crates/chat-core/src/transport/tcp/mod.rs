//! The carrier over TCP.

mod dial;
mod listen;

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

pub use dial::{Target, TargetError, TcpDialer};
pub use listen::{ListenAddressError, bind, parse_address};

/// After this much silence the system sends keep-alive probes.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// The pause between probes, and how many are sent.
const KEEPALIVE_PAUSE: Duration = Duration::from_secs(5);
const KEEPALIVE_TRIES: u32 = 3;

/// Sets `TCP_NODELAY`, so that each message goes at once, and keep-alive (tcp(7)), so that a peer
/// that has vanished is noticed within half a minute even if it speaks no chat/1. What the
/// system does not support is only logged.
pub fn set_tcp_options(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE_PAUSE)
        .with_retries(KEEPALIVE_TRIES);
    let tuned = stream
        .set_nodelay(true)
        .and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = tuned {
        tracing::debug!(%error, "TCP options were not set");
    }
}
