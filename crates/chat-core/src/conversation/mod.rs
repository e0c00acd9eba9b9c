//! What two people share: a conversation, and the people who hold it.

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

pub use connection::{AnyLink, Stream};
pub use conversation::{Conversation, Manners, Step, at};
pub use ending::{Ending, Loss, ProtocolError, Side};
pub use link::Link;
pub use person::{Command, Ended, Event, Input, LinkState, Peer, Security, Sink, Source, Standing};
pub use plain::Plain;
pub use protocol::{Contact, Protocol, Unsayable};
pub use session::{Session, SessionConfig};
