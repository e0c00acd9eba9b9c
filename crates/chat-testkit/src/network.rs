//! A network inside the test, where a paused clock holds.

use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use chat_core::transport::{Listen, Origin};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use crate::wire::Wire;

/// Where callers come from, and the server is.
pub const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// The server's end.
pub struct Network(mpsc::UnboundedReceiver<DuplexStream>);

/// Where callers enter a [`Network`].
pub struct Exchange(mpsc::UnboundedSender<DuplexStream>);

impl Network {
    /// A network that a server listens on, and the way to call it.
    pub fn new() -> (Self, Exchange) {
        let (callers, calls) = mpsc::unbounded_channel();
        (Self(calls), Exchange(callers))
    }
}

impl Exchange {
    /// Connects to the server, with so many bytes of room in each direction.
    pub fn connect(&self, room: usize) -> DuplexStream {
        let (here, there) = tokio::io::duplex(room);
        self.0.send(there).expect("a server");
        here
    }

    /// Calls the server.
    pub fn call(&self) -> Wire<DuplexStream> {
        Wire::new(self.connect(64 * 1024))
    }
}

impl Listen for Network {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Origin)> {
        match self.0.recv().await {
            Some(stream) => Ok((stream, NOWHERE.into())),
            None => pending().await,
        }
    }
}
