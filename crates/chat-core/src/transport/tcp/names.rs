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
const MOST: usize = 24;

/// The pause from one lookup to the next beside it.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::time::sleep;

    use super::*;

    fn look_up(names: &Names) -> Option<JoinHandle<io::Result<()>>> {
        names.look_up("localhost".to_owned(), 9)
    }

    #[tokio::test]
    async fn what_is_found_is_told_to_all_who_wait() {
        let names = Names::new();
        let mut waiting = [names.found(), names.found()];
        let lookup = look_up(&names).expect("a first lookup");
        lookup.await.expect("no panic").expect("an address");
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        for found in &mut waiting {
            found.changed().await.expect("the names are there");
            assert!(found.borrow().contains(&here));
        }
        let late = names.found();
        assert!(!late.has_changed().expect("the names are there"));
    }

    #[tokio::test]
    async fn a_lookup_goes_on_for_the_others_when_nobody_waits_for_its_end() {
        let names = Names::new();
        let mut found = names.found();
        drop(look_up(&names));
        found.changed().await.expect("the names are there");
        assert!(!found.borrow().is_empty());
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_is_an_error_of_its_lookup() {
        let names = Names::new();
        let lookup = names.look_up("no such name".to_owned(), 9);
        let looked_up = lookup.expect("a first lookup").await.expect("no panic");
        assert!(looked_up.is_err());
        assert!(names.found().borrow().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn lookups_are_begun_with_pauses_and_are_never_too_many() {
        let names = Names::new();
        let first = look_up(&names).expect("a first lookup");
        assert!(look_up(&names).is_none(), "at once");
        sleep(PAUSE).await;
        let second = look_up(&names).expect("one after the pause");
        for lookup in [first, second] {
            lookup.await.expect("no panic").expect("an address");
        }
        let others = names.room.try_acquire_many(MOST as u32).expect("room");
        sleep(PAUSE).await;
        assert!(look_up(&names).is_none(), "too many are under way");
        drop(others);
        assert!(look_up(&names).is_some(), "one is done");
    }
}
