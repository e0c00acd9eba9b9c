//! The core of a one-to-one chat: a line-framed codec, the `88` hang-up rule, and a driver that
//! reads both sides of a call at once.
//!
//! Anything that is `AsyncRead + AsyncWrite` can carry a call, and anything that yields lines
//! can take part in one. This crate knows no terminal.
//!
//! - [`driver`] is where to begin: [`CallDriver`](driver::CallDriver) drives a call between
//!   a person, who is a [`Source`](driver::Source) and a [`Sink`](driver::Sink), and a peer at
//!   the other end of a [`Connection`](driver::Connection).
//! - [`journal`] keeps what was said until it has arrived, whatever happens to the program.
//! - [`protocol`] decides what to send and what was meant, without I/O.
//! - [`transport`] carries the bytes: TCP, and TLS on it.
//! - [`trust`] knows who is at the other end: keys, and who owns which.
//! - [`wire`] is what crosses the network: lines, and the control lines of chat/1.
//!
//! Each of them uses only those below it.
//!
//! Two people who say one line each, and have no more to say:
//!
//! ```
//! # use std::io;
//! use chat_core::driver::{CallConfig, CallDriver, Connection, Input, Sink, Source};
//! use chat_core::protocol::{Event, Plain};
//! use chat_core::wire::LineCodec;
//!
//! struct Says(Option<Input>);
//! impl Source for Says {
//!     async fn next(&mut self) -> io::Result<Input> { Ok(self.0.take().unwrap_or(Input::Eof)) }
//! }
//! struct Hears(Vec<String>);
//! impl Sink for Hears {
//!     fn show(&mut self, event: Event) {
//!         if let Event::Lines(lines) = event { self.0.extend(lines.lines().map(String::from)) }
//!     }
//!     async fn flushed(&mut self) -> io::Result<()> { Ok(()) }
//! }
//! async fn talk(line: &str, stream: tokio::io::DuplexStream) -> Vec<String> {
//!     let (mut says, mut hears) = (Says(Some(Input::Lines(line.into()))), Hears(vec![]));
//!     let (plain, config) = (Box::new(Plain::new()), CallConfig::default());
//!     let call = CallDriver::new(plain, config, &mut says, &mut hears);
//!     call.run(Connection::new(stream, LineCodec::default())).await;
//!     hears.0
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let (here, there) = tokio::io::duplex(1024);
//! let (ann, bob) = tokio::join!(talk("Hi, Ann here.", here), talk("Hello!", there));
//! assert_eq!((ann, bob), (vec!["Hello!".into()], vec!["Hi, Ann here.".into()]));
//! # }
//! ```

#![warn(unreachable_pub)]

pub mod driver;
pub mod journal;
pub mod protocol;
pub mod transport;
pub mod trust;
pub mod wire;

/// The TCP port of a chat, unless another is named.
pub const DEFAULT_PORT: u16 = 7788;
