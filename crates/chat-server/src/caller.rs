//! One who called: the connection, ready to talk.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use chat_core::conversation::{Connection, Link, Peer, Security, Stream};
use chat_core::wire::Framing;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

/// How long a caller may take to say its first byte, by which it is told what it speaks.
const FIRST_BYTE: Duration = Duration::from_secs(3);

/// What a caller without chat/1 reads when too many wait already.
const BUSY: &str = "busy: too many callers are waiting; try again later";

/// Room for the first bytes, which are looked at before they are read.
const PEEK: usize = 16;

/// A caller whose handshake is done.
#[derive(Debug)]
pub struct Caller {
    /// Who it is.
    pub peer: Peer,
    /// What carries the call.
    pub link: Link<Box<dyn Stream>>,
}

impl Caller {
    /// Finds out what a connection speaks and makes a caller of it.
    pub async fn greet<S>(stream: S, from: SocketAddr, framing: Framing) -> io::Result<Self>
    where
        S: Stream + 'static,
    {
        let mut stream = BufReader::with_capacity(PEEK, stream);
        // A silent caller waits to be spoken to.
        if let Ok(first) = timeout(FIRST_BYTE, stream.fill_buf()).await {
            first?;
        }
        let connection = Connection {
            stream: Box::new(stream),
            peer: Peer {
                name: None,
                address: from.to_string(),
                security: Security::Plaintext,
            },
        };
        Ok(Self {
            peer: connection.peer.clone(),
            link: connection.into_plain_link(framing),
        })
    }

    /// Waits until the caller no longer waits.
    pub async fn given_up(&mut self) {
        self.link.given_up().await;
    }

    /// Tells the caller that this side is busy, and ends the connection.
    pub async fn turn_away(mut self, waiting: usize) {
        tracing::info!(peer = %self.peer.address, waiting, "busy");
        self.link.push_line(BUSY);
        self.link.end().await;
    }
}
