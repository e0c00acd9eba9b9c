//! The core of a one-to-one chat: a line-framed codec, the `88` hang-up rule, and a driver that
//! reads both sides of a call at once.
//!
//! Anything that is `AsyncRead + AsyncWrite` can carry a call, and anything that yields lines
//! can take part in one. This crate knows no terminal.
//!
//! - [`Call`] is where to begin: one end of a call, for bots and tests.
//! - [`driver`] is under it, for a person's side of its own:
//!   [`CallDriver`](driver::CallDriver) drives a call between a person, who is
//!   a [`Source`](driver::Source) and a [`Sink`](driver::Sink), and a peer at the other end of
//!   a [`Connection`](driver::Connection).
//! - [`files`] carries files beside the talk.
//! - [`journal`] keeps what was said until it has arrived, whatever happens to the program.
//! - [`protocol`] decides what to send and what was meant, without I/O.
//! - [`transport`] carries the bytes: TCP, and TLS on it.
//! - [`trust`] knows who is at the other end: keys, and who owns which.
//! - [`wire`] is what crosses the network: lines, and the control lines of chat/1.
//!
//! Each of them uses only those below it.
//!
//! Ann answers whatever Bob says; encrypted, and each remembers the other's key:
//!
//! ```
//! use chat_core::{Call, transport::Keyring};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (ann_home, bob_home) = (tempfile::tempdir()?, tempfile::tempdir()?);
//! let (ann, bob) = (Keyring::open(ann_home.path())?, Keyring::open(bob_home.path())?);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?.to_string();
//! tokio::spawn(async move {
//!     let (stream, _) = listener.accept().await.expect("a caller");
//!     let mut call = Call::accept(stream, &ann, "ann").await.expect("a call");
//!     while let Some(text) = call.next().await {
//!         call.send(format!("{text}, Ann here.")).await.expect("Bob listens");
//!     }
//! });
//! let mut call = Call::connect(&address, &bob, "bob").await?;
//! call.send("Hello").await?;
//! assert_eq!(call.next().await.as_deref(), Some("Hello, Ann here."));
//! println!("{}", call.hang_up().await.reason);
//! # Ok(())
//! # }
//! ```

#![warn(unreachable_pub)]

mod blocking;
mod call;
pub mod driver;
pub mod files;
pub mod journal;
pub mod protocol;
pub mod transport;
pub mod trust;
pub mod wire;

pub use blocking::{Blocking, blocking};
pub use call::{Call, CallError};

/// The TCP port of a chat, unless another is named.
pub const DEFAULT_PORT: u16 = 7788;
