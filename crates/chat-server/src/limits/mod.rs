//! What strangers may use up: descriptors, handshakes at a time, and lines on the screen.

mod descriptors;
mod handshakes;
mod rate;

pub(crate) use descriptors::handshakes;
pub use descriptors::raise_descriptor_limit;
pub(crate) use handshakes::{HandshakeLimiter, HandshakePermit};
pub(crate) use rate::RateLimiter;
