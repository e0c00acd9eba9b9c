//! Finding who is near.

use std::collections::HashSet;

use mdns_sd::{Receiver, ServiceDaemon, ServiceEvent};

use super::{NearbyError, Neighbour, PORT, SERVICE, daemon};

/// So many are found at most. Anybody in the network can make up more.
const MOST: usize = 64;

/// Asks in the local network who is near, until it is dropped. The question says what is looked
/// for, and neither for whom nor by whom.
pub struct Browser {
    daemon: ServiceDaemon,
    events: Receiver<ServiceEvent>,
    /// The names of the services that were looked at.
    seen: HashSet<String>,
}

impl Browser {
    /// Begins to ask.
    ///
    /// # Errors
    /// Multicast DNS cannot be used.
    pub fn begin() -> Result<Self, NearbyError> {
        Self::on_port(PORT)
    }

    pub(super) fn on_port(port: u16) -> Result<Self, NearbyError> {
        let daemon = daemon(port)?;
        Ok(Self {
            events: daemon.browse(SERVICE)?,
            daemon,
            seen: HashSet::new(),
        })
    }

    /// The next one who is near; somebody may be found again, with other addresses. `None` once no
    /// more are looked for. Cancel safe.
    pub async fn next(&mut self) -> Option<Neighbour> {
        loop {
            let event = self.events.recv_async().await.ok()?;
            let ServiceEvent::ServiceResolved(service) = event else {
                continue;
            };
            if self.seen.len() >= MOST && !self.seen.contains(&service.fullname) {
                return None;
            }
            self.seen.insert(service.fullname.clone());
            if let Some(neighbour) = Neighbour::of_service(&service) {
                return Some(neighbour);
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.daemon.shutdown();
    }
}
