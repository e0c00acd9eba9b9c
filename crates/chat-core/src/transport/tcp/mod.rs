//! The carrier over TCP.

mod dial;
mod listen;
mod names;
mod way;

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};

use super::Packets;

pub use dial::TcpDialer;
pub use listen::{ListenAddressError, bind, parse_address};

/// After this much silence the system sends keep-alive probes.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// The pause between probes, and how many are sent.
const KEEPALIVE_PAUSE: Duration = Duration::from_secs(5);
const KEEPALIVE_TRIES: u32 = 3;

/// What the system keeps of what was written and not yet sent, in bytes. More only waits there,
/// out of order with what is more urgent: over 20 Mbit/s this is 50 ms.
#[cfg(target_os = "linux")]
const NOT_SENT: u32 = 128 * 1024;

/// Sets the options of every stream (tcp(7)). What the system does not support is only logged.
///
/// - `TCP_NODELAY`: each message goes at once.
/// - Keep-alive: a peer that has vanished is noticed within half a minute even if it speaks no
///   chat/1, and sends nothing that could be missed.
/// - `TCP_NOTSENT_LOWAT`: a ping, a receipt or a line does not queue behind megabytes.
///
/// `TCP_USER_TIMEOUT` is left alone: it also ends the connection with a peer that answers, but
/// whose person reads nothing for that long. Silence is what `protocol/session/liveness.rs` is for.
pub fn set_tcp_options(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE_PAUSE)
        .with_retries(KEEPALIVE_TRIES);
    let socket = SockRef::from(stream);
    let tuned = stream
        .set_nodelay(true)
        .and_then(|()| socket.set_tcp_keepalive(&keepalive));
    #[cfg(target_os = "linux")]
    let tuned = tuned.and_then(|()| socket.set_tcp_notsent_lowat(NOT_SENT));
    if let Err(error) = tuned {
        tracing::debug!(%error, "TCP options were not set");
    }
}

/// Limits the segments of both directions (`TCP_MAXSEG`), before a socket is connected. Nothing on
/// the way may lose the larger ones then, not even the first of a handshake, whose post-quantum
/// keys would not fit a packet of 1,280 bytes.
fn limit_packets(socket: &TcpSocket, packets: Packets) {
    // Less the headers of IPv6 and TCP, or of IPv4 and TCP, and their options.
    let segment = match packets {
        Packets::Small => 1280 - 60,
        Packets::Smallest => 576 - 40,
    };
    #[cfg(unix)]
    if let Err(error) = SockRef::from(socket).set_tcp_mss(segment) {
        tracing::debug!(%error, "the size of packets was not limited");
    }
    #[cfg(not(unix))]
    tracing::debug!(
        ?socket,
        segment,
        "the size of packets cannot be limited here"
    );
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_stream_is_probed_and_sends_each_message_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stream = TcpStream::connect(address).await.expect("a connection");
        set_tcp_options(&stream);
        assert!(stream.nodelay().expect("an option"));
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().expect("an option"));
        #[cfg(target_os = "linux")]
        {
            let probes = (
                socket.tcp_keepalive_time().expect("an option"),
                socket.tcp_keepalive_interval().expect("an option"),
                socket.tcp_keepalive_retries().expect("an option"),
            );
            // A peer that has vanished is noticed within half a minute.
            assert_eq!(probes, (Duration::from_secs(15), Duration::from_secs(5), 3));
        }
    }
}
