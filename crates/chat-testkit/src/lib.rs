//! What the tests share: scripted people, programs in processes and at terminals, and networks
//! that fail on command. Only tests, benches and examples depend on it.

#![allow(
    missing_docs,
    reason = "what people do in the tests is named as a sentence"
)]

pub mod anybody;
pub mod emulator;
pub mod people;
pub mod process;
pub mod proxy;
pub mod scripted;
#[cfg(unix)]
pub mod terminal;

/// A stock peer in Python: `python3 -c TLS_CALLER HOST PORT` calls over TLS, sends a line from
/// stdin, and prints what comes back.
pub const TLS_CALLER: &str = include_str!("tls_caller.py");
