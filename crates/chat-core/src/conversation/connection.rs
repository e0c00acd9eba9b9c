//! What a transport brings: a stream, and beside it what is known of its other end.

use std::fmt::Debug;

use tokio::io::{AsyncRead, AsyncWrite};

use super::Link;

/// Anything that can carry a conversation.
pub trait Stream: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Debug + Send + Unpin> Stream for S {}

/// A link over whatever carries it.
pub type AnyLink = Link<Box<dyn Stream>>;
