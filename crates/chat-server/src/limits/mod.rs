//! What strangers may use up: handshakes at a time, and lines on the screen.

mod handshakes;
mod rate;

pub(crate) use handshakes::{HandshakeLimiter, HandshakePermit};
pub(crate) use rate::RateLimiter;
