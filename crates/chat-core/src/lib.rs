//! The heart of a one-to-one chat: a line-framed codec, the `88` hang-up rule, and a
//! conversation that reads both people at once.
//!
//! Anything that is `AsyncRead + AsyncWrite` can carry a conversation, and anything that
//! yields lines can hold one. This crate knows no terminal.

pub mod conversation;
pub mod trust;
pub mod wire;
