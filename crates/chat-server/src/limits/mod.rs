//! What strangers may use up: handshakes at a time, lines on the screen, and safety numbers.

mod guesses;
mod handshakes;
mod rate;

pub(crate) use guesses::GuessLimiter;
pub(crate) use handshakes::{HandshakeLimiter, HandshakePermit};
pub(crate) use rate::RateLimiter;
