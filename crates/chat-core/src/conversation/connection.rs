//! What a transport brings: a stream, and beside it what is known of its other end.

use std::fmt::Debug;

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Link, Peer};
use crate::wire::{Framing, LineCodec};

/// Anything that can carry a conversation.
pub trait Stream: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Debug + Send + Unpin> Stream for S {}

/// A connection that is ready to carry a conversation.
#[derive(Debug)]
pub struct Connection {
    /// The bytes.
    pub stream: Box<dyn Stream>,
    /// Who is there.
    pub peer: Peer,
}

impl Connection {
    /// Puts the codec for a peer without chat/1 on the stream.
    pub fn into_plain_link(self, framing: Framing) -> Link<Box<dyn Stream>> {
        Link::new(self.stream, LineCodec::new(framing))
    }
}
