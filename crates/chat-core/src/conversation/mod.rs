//! What two people share: a conversation, and the people who hold it.
//!
//! [`Conversation`] drives a call. It stands between
//! - the person: a [`Source`] of [`Input`] and a [`Sink`] of [`Event`]s;
//! - the [`Protocol`], a state machine without I/O that knows what to send and what was meant:
//!   [`Plain`] for peers that speak plain lines, [`Session`] for those that speak chat/1, whose
//!   call outlives its connections;
//! - the [`Link`], one connection: any stream, with the codec on it.
//!
//! [`Conversation::hold`] holds a whole call over one connection. A program that answers
//! commands, or brings another connection when one is lost, calls [`Conversation::over`] again
//! and again instead, and [`Conversation::end`] at last.

mod acks;
mod connection;
#[expect(clippy::module_inception, reason = "the module's one main type")]
mod conversation;
mod ending;
mod good_bye;
mod ledger;
mod leg;
mod link;
mod liveness;
mod outbox;
mod person;
mod plain;
mod protocol;
mod saying;
mod session;
mod typing;

pub use connection::{AnyLink, Stream, tune};
pub use conversation::{Conversation, Manners, Step, at};
pub use ending::{Ending, Loss, ProtocolError, Side};
pub use link::Link;
pub use person::{Command, Ended, Event, Input, LinkState, Peer, Security, Sink, Source, Standing};
pub use plain::Plain;
pub use protocol::{Contact, Patience, Protocol, Unsayable};
pub use session::{Session, SessionConfig};
