//! Work that waits for files, on a thread other than the runtime's.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::task::{JoinHandle, spawn_blocking};

/// Work on another thread, and its result. It goes on if this is dropped.
#[derive(Debug)]
pub struct Blocking<T>(JoinHandle<T>);

/// Begins `work` on a thread where it may block.
///
/// # Panics
/// There is no Tokio runtime. A panic of the work itself comes out of the future.
pub fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Blocking<T> {
    Blocking(spawn_blocking(work))
}

impl<T> Future for Blocking<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let done = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(done.unwrap_or_else(|error| resume_unwind(error.into_panic())))
    }
}
