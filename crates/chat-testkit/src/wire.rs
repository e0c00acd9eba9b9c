//! A peer that is no program of ours: bytes in, bytes out.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::soon;

/// The other end of a connection, byte by byte.
pub struct Wire<S = TcpStream> {
    /// What it receives.
    pub read: ReadHalf<S>,
    /// What it sends.
    pub write: WriteHalf<S>,
}

impl Wire {
    /// Calls a server.
    pub async fn to(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.expect("a server"))
    }

    /// Answers a client.
    pub async fn from(listener: &TcpListener) -> Self {
        Self::new(soon(listener.accept()).await.expect("a caller").0)
    }

    /// Vanishes as a machine does that has forgotten the connection.
    pub fn resets(self) {
        let stream = self.read.unsplit(self.write);
        stream.set_zero_linger().expect("a TCP socket");
    }
}

impl<S: AsyncRead + AsyncWrite> Wire<S> {
    /// A peer at this end of a stream.
    pub fn new(stream: S) -> Self {
        let (read, write) = tokio::io::split(stream);
        Self { read, write }
    }

    /// One `send`.
    pub async fn sends(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = soon(self.write.write_all(bytes.as_ref())).await;
        sent.expect("the other side reads");
    }

    /// Sends nothing more.
    pub async fn shuts_down(&mut self) {
        self.write.shutdown().await.expect("an open stream");
    }

    /// The next bytes are these.
    pub async fn receives(&mut self, wanted: impl AsRef<[u8]>) {
        let mut bytes = vec![0; wanted.as_ref().len()];
        let read = soon(self.read.read_exact(&mut bytes)).await;
        read.expect("so many bytes");
        assert_eq!(text(&bytes), text(wanted.as_ref()));
    }

    /// The bytes up to the end of the stream are these.
    pub async fn receives_at_last(&mut self, wanted: impl AsRef<[u8]>) {
        let mut bytes = Vec::new();
        let read = soon(self.read.read_to_end(&mut bytes)).await;
        read.expect("an end in good order");
        assert_eq!(text(&bytes), text(wanted.as_ref()));
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
