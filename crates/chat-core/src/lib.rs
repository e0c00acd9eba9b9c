//! The heart of a one-to-one chat: a line-framed codec, the `88` hang-up rule, and a
//! conversation that reads both people at once.
//!
//! Anything that is `AsyncRead + AsyncWrite` can carry a conversation, and anything that
//! yields lines can hold one. This crate knows no terminal.
//!
//! - [`conversation`] is where to begin: [`Conversation`](conversation::Conversation) drives a
//!   call between a person, who is a [`Source`](conversation::Source) and a
//!   [`Sink`](conversation::Sink), and a peer at the other end of a
//!   [`Link`](conversation::Link).
//! - [`wire`] is what crosses that link: lines, and the control lines of chat/1.
//! - [`trust`] is how one knows who is at its other end: keys, and encryption under them.
//!
//! Two people who say one line each, and have no more to say:
//!
//! ```
//! # use std::io;
//! use chat_core::conversation::{Conversation, Event, Input, Link, Manners, Plain, Sink, Source};
//! use chat_core::wire::LineCodec;
//!
//! struct Says(Option<Input>);
//! impl Source for Says {
//!     async fn next(&mut self) -> io::Result<Input> { Ok(self.0.take().unwrap_or(Input::End)) }
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
//!     let (plain, manners) = (Box::new(Plain::new()), Manners::default());
//!     let call = Conversation::new(plain, manners, &mut says, &mut hears);
//!     call.hold(Link::new(stream, LineCodec::default())).await;
//!     hears.0
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let (here, there) = tokio::io::duplex(1024);
//! let (ann, bob) = tokio::join!(talk("Hi, Ann here.", here), talk("Hello!", there));
//! assert_eq!((ann, bob), (vec!["Hello!".into()], vec!["Hi, Ann here.".into()]));
//! # }
//! ```

pub mod conversation;
pub mod trust;
pub mod wire;

/// The TCP port of a chat, unless another is named.
pub const DEFAULT_PORT: u16 = 7788;
