//! What two people share: a conversation, and the people who hold it.

mod ending;
mod person;
mod protocol;

pub use ending::{Ending, Loss, ProtocolError, Side};
pub use person::{Command, Ended, Event, Input, LinkState, Peer, Security, Sink, Source, Standing};
pub use protocol::{Protocol, Unsayable};
