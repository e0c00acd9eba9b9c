//! How a connection for a file is made.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use crate::transport::{ConnectError, Stream};
use crate::wire::{CONTROL, Cookie, FileHello, FileLine, MAX_CONTROL, RefusalCode};

/// How long a dialer may take to say what its connection is for.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// How long it may take to hear that it is for nothing.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Carries a file, encrypted under the keys of the call.
pub type FileStream = Box<dyn Stream>;

/// A connection that is being made.
pub type Opening = Pin<Box<dyn Future<Output = Result<FileStream, ConnectError>> + Send>>;

/// Makes connections to the peer of a call, and to nobody else. The cookie of the call lets them
/// through a crowd.
pub type OpenFile = Arc<dyn Fn(Option<Cookie>) -> Opening + Send + Sync>;

/// A connection that the peer has made, and what it is for.
#[derive(Debug)]
pub struct FileConnection {
    /// What the peer says it is for.
    pub hello: FileHello,
    /// What carries the rest.
    pub stream: FileStream,
}

impl FileConnection {
    /// Hears what a connection is for, within 10 s.
    ///
    /// # Errors
    /// The connection failed, or its first line is another.
    pub async fn receive(stream: impl Stream + 'static) -> io::Result<Self> {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        let mut first = (&mut stream).take(MAX_CONTROL as u64 + 2);
        timeout(HELLO_TIMEOUT, first.read_until(b'\n', &mut line)).await??;
        let json = line.strip_prefix(&[CONTROL]);
        let json = json.and_then(|line| line.strip_suffix(b"\n"));
        match json.map(FileLine::parse) {
            Some(Ok(FileLine::File(hello))) => Ok(Self {
                hello,
                stream: Box::new(stream),
            }),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Tells the dialer that there is nothing for its connection here.
    pub async fn refuse(mut self, code: RefusalCode) {
        let line = FileLine::Refused(code.into()).to_line();
        let told = async {
            self.stream.write_all(&line).await?;
            self.stream.shutdown().await
        };
        if !matches!(timeout(REFUSAL_TIMEOUT, told).await, Ok(Ok(()))) {
            tracing::debug!("a file was refused, and nobody listened");
        }
    }
}
