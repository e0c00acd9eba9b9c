//! What two people share: a conversation, and the people who hold it.

mod ending;
mod liveness;
mod outbox;
mod person;
mod protocol;
mod session;
mod typing;

pub use ending::{Ending, Loss, ProtocolError, Side};
pub use person::{Command, Ended, Event, Input, LinkState, Peer, Security, Sink, Source, Standing};
pub use protocol::{Protocol, Unsayable};
pub use session::{Config, Session};
