//! A stream of QUIC that behaves as one of TCP does.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use chat_core::transport::Route;
use futures_core::Stream as _;
use iroh::endpoint::{Connection, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::endpoint::Endpoint;

/// How long the end of a stream may take to arrive. The kernel takes minutes for that of TCP, but
/// it outlives the program.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// A stream to a peer, and the connection that it has for itself.
pub struct ReachStream {
    endpoint: Arc<Endpoint>,
    connection: Connection,
    send: SendStream,
    recv: RecvStream,
    /// Until all that was written has arrived, once nothing more is.
    flushing: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl ReachStream {
    pub(crate) fn new(
        endpoint: Arc<Endpoint>,
        connection: Connection,
        (send, recv): (SendStream, RecvStream),
    ) -> Self {
        Self {
            endpoint,
            connection,
            send,
            recv,
            flushing: None,
        }
    }

    /// Keeps telling which way the bytes take, as long as there is a connection.
    pub(crate) fn tell(&self, routes: watch::Sender<Route>) {
        let mut events = self.connection.path_events();
        let connection = self.connection.weak_handle();
        tokio::spawn(async move {
            while let Some(connection) = connection.upgrade() {
                let route = route(&connection);
                drop(connection);
                routes.send_if_modified(|told| std::mem::replace(told, route) != route);
                if poll_fn(|cx| Pin::new(&mut events).poll_next(cx))
                    .await
                    .is_none()
                {
                    return;
                }
            }
        });
    }

    /// Says that nothing more is written, and returns what waits until all has arrived.
    fn finish(&mut self) -> impl Future<Output = ()> + Send + use<> {
        // It fails where that was said before.
        let _ = self.send.finish();
        let stopped = self.send.stopped();
        async move { drop(timeout(FLUSH_TIMEOUT, stopped).await) }
    }
}

/// Which way the bytes take now.
fn route(connection: &Connection) -> Route {
    let paths = connection.paths();
    match paths.iter().any(|path| path.is_selected() && path.is_ip()) {
        true => Route::Direct,
        false => Route::Relayed,
    }
}

impl fmt::Debug for ReachStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReachStream").finish_non_exhaustive()
    }
}

impl AsyncRead for ReachStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.recv).poll_read(cx, buf).map_err(lost)
    }
}

impl AsyncWrite for ReachStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.send), cx, buf).map_err(lost)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Waits until all has arrived, for the program may end next. The network decides how long
    /// that takes, but it is bounded.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.flushing.is_none() {
            self.flushing = Some(Box::pin(self.finish()));
        }
        if let Some(flushing) = &mut self.flushing {
            ready!(flushing.as_mut().poll(cx));
            self.flushing = Some(Box::pin(async {}));
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for ReachStream {
    /// What is under way still arrives: a connection that is dropped takes it along.
    fn drop(&mut self) {
        let (endpoint, connection) = (Arc::clone(&self.endpoint), self.connection.clone());
        let finished = self.finish();
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                finished.await;
                connection.close(0_u32.into(), b"");
                drop(endpoint);
            });
        }
    }
}

/// The error of a connection that is gone, as TCP would report it.
fn lost(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotConnected => io::Error::new(io::ErrorKind::ConnectionReset, error),
        _ => error,
    }
}
