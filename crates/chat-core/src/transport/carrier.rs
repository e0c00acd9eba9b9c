//! Carriers: what makes byte streams between two programs. TLS stands on them, so a peer is
//! trusted alike over each.

use std::future::Future;
use std::io;
use std::time::Duration;

use super::Stream;

/// A way to one peer.
pub trait Dial: Send + Sync {
    /// What carries the bytes.
    type Stream: Stream + 'static;

    /// How long a connection may take to be made, the handshake included.
    fn limit(&self) -> Duration;

    /// A new stream to the peer. Those made before stay as they are: a call that has lost its
    /// connection dials again, and so does whoever wants a second stream beside the first.
    fn dial(&self) -> impl Future<Output = Result<Self::Stream, DialError>> + Send;
}

/// Why nobody answered.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address.
    #[error("cannot find {name}: {reason}; check the name, or call an address")]
    Resolve {
        /// The name.
        name: String,
        /// What the resolver said.
        reason: io::Error,
    },
    /// No address answered.
    #[error("cannot reach {address}: {reason}; {}", advice(.reason))]
    Connect {
        /// Who was called.
        address: String,
        /// What the last address answered.
        reason: io::Error,
    },
    /// Nobody answered in time.
    #[error("no answer from {address} within {limit:?}; is the address right, and the port open?")]
    Timeout {
        /// Who was called.
        address: String,
        /// How long it was tried.
        limit: Duration,
    },
}

/// What to check after this error.
fn advice(reason: &io::Error) -> &'static str {
    use io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable};
    match reason.kind() {
        NetworkUnreachable | NetworkDown | HostUnreachable => {
            "is this machine connected to a network that leads there?"
        }
        _ => "is chat-server running there?",
    }
}

impl DialError {
    /// Whether the machine is up but nobody listens there.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Connect { reason, .. } if reason.kind() == io::ErrorKind::ConnectionRefused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_is_about_the_side_that_is_in_trouble() {
        let told = |reason: io::ErrorKind| {
            let address = "192.0.2.1:7788".to_owned();
            let reason = reason.into();
            DialError::Connect { address, reason }.to_string()
        };
        let refused = told(io::ErrorKind::ConnectionRefused);
        assert!(refused.ends_with("is chat-server running there?"));
        for kind in [
            io::ErrorKind::NetworkUnreachable,
            io::ErrorKind::NetworkDown,
            io::ErrorKind::HostUnreachable,
        ] {
            let told = told(kind);
            assert!(told.contains("; is this machine connected"), "{told}");
        }
    }
}
