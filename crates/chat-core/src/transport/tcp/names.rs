//! The addresses of a name, looked up anew for each call.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// So many lookups may be under way at once: one that is not answered keeps a thread for as long as
/// the system's resolver tries, 10 s and more.
const MOST: usize = 12;

/// The pause from one lookup to the next beside it. The resolver itself asks again after 5 s only.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks a name up, again and again, and shares what is found.
#[derive(Debug)]
pub(super) struct Names {
    found: watch::Sender<Vec<SocketAddr>>,
    room: Arc<Semaphore>,
    last_begun: Mutex<Option<Instant>>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            found: watch::Sender::default(),
            room: Arc::new(Semaphore::new(MOST)),
            last_begun: Mutex::default(),
        }
    }

    /// What is found from now on, by this lookup or another.
    pub(super) fn found(&self) -> watch::Receiver<Vec<SocketAddr>> {
        self.found.subscribe()
    }

    /// Begins a lookup, unless too many are under way. It goes on when the handle is dropped, for
    /// others may wait for what it finds.
    pub(super) fn look_up(&self, host: String, port: u16) -> Option<JoinHandle<io::Result<()>>> {
        let now = Instant::now();
        let mut last = self
            .last_begun
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| now - last < PAUSE) {
            return None;
        }
        let permit = Arc::clone(&self.room).try_acquire_owned().ok()?;
        *last = Some(now);
        let found = self.found.clone();
        Some(tokio::spawn(async move {
            let _permit = permit;
            let addresses = lookup_host((host.as_str(), port)).await?;
            found.send_replace(addresses.collect());
            Ok(())
        }))
    }
}
