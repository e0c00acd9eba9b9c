//! What strangers may use up: descriptors, handshakes at a time, lines on the screen, safety
//! numbers, and the person's patience.

mod descriptors;
mod guesses;
mod handshakes;
mod rate;
mod strangers;

pub(crate) use descriptors::handshakes;
pub use descriptors::raise_descriptor_limit;
pub(crate) use guesses::GuessLimiter;
pub(crate) use handshakes::{HandshakeLimiter, HandshakePermit};
pub(crate) use rate::RateLimiter;
pub(crate) use strangers::{StrangerLimiter, WARY_FOR};
