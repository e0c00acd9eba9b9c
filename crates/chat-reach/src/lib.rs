//! Calls from anywhere: a carrier over [iroh](https://docs.rs/iroh). Two programs meet at a relay,
//! which knows only their keys, and find the direct way between them, if there is one.
//!
//! The relay sees who talks to whom, when, and how much. What is said goes through TLS under the
//! identities of the two, as on every carrier, within the QUIC of this one.
//!
//! Nobody gets a packet but the relay that was named, the resolver of this system for its name,
//! and the other side, at the addresses that it gives for itself. With [`Relay::N0`] also n0's
//! relays and name servers.

#![warn(unreachable_pub)]

mod dial;
mod endpoint;
mod listen;
mod relay;
mod stream;

pub use dial::ReachDialer;
pub use endpoint::ReachError;
pub use listen::ReachListener;
pub use relay::{InvalidRelay, Relay};
pub use stream::ReachStream;
