//! How many handshakes may be under way, and which is dropped when there are too many.

use std::cmp::Reverse;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chat_core::transport::Origin;
use tokio::sync::Notify;

/// Handshakes at a time, if there are descriptors for so many.
pub(crate) const MAX_HANDSHAKES: usize = 64;

/// The connections that have no place yet: in their handshake, or being turned away.
///
/// There is always room for one more. Half of the places are for those that have said nothing,
/// which costs them nothing, and half for those that have begun a handshake; where there are too
/// many, the network that has the most loses its oldest. So stalled handshakes evict only others
/// of the same kind, and of the same network first.
#[derive(Debug)]
pub(crate) struct HandshakeLimiter {
    limit: usize,
    /// In order of arrival.
    under_way: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    origin: Origin,
    stage: Stage,
    /// Tells the handshake that it is evicted; one entry's is not another's.
    evict: Arc<Notify>,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has said nothing that could begin a handshake.
    Silent,
    /// It has begun one.
    Begun,
    /// It has shown that it belongs to the present call, and is not evicted.
    Resuming,
}

/// One handshake under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct HandshakePermit {
    all: Arc<HandshakeLimiter>,
    evicted: Arc<Notify>,
}

impl HandshakeLimiter {
    /// So many may be under way.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            under_way: Mutex::default(),
        })
    }

    /// Begins a handshake with a connection from there.
    pub(crate) fn begin(self: &Arc<Self>, origin: &Origin) -> HandshakePermit {
        let evict = Arc::<Notify>::default();
        let mut under_way = self.under_way();
        under_way.push(Entry {
            origin: origin.clone(),
            stage: Stage::Silent,
            evict: Arc::clone(&evict),
        });
        if under_way.len() > self.limit
            && let Some(victim) = victim(&under_way, self.limit)
        {
            under_way.remove(victim).evict.notify_one();
        }
        HandshakePermit {
            all: Arc::clone(self),
            evicted: evict,
        }
    }

    fn under_way(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl HandshakePermit {
    /// The connection has begun a handshake. `resuming`: and belongs to the present call, of
    /// which only the newest connection counts.
    pub(crate) fn begun(&self, resuming: bool) {
        for entry in self.all.under_way().iter_mut() {
            if self.is_for(entry) {
                entry.stage = match resuming {
                    true => Stage::Resuming,
                    false => Stage::Begun,
                };
            } else if resuming && entry.stage == Stage::Resuming {
                entry.stage = Stage::Begun;
            }
        }
    }

    /// Runs the handshake to its end. Returns `None` if it is evicted.
    pub(crate) async fn run<T>(&self, handshake: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = handshake => Some(done),
            () = self.evicted.notified() => None,
        }
    }

    fn is_for(&self, entry: &Entry) -> bool {
        Arc::ptr_eq(&entry.evict, &self.evicted)
    }
}

impl Drop for HandshakePermit {
    fn drop(&mut self) {
        self.all.under_way().retain(|entry| !self.is_for(entry));
    }
}

/// The index of the entry that makes room: the oldest of the most crowded network.
fn victim(entries: &[Entry], limit: usize) -> Option<usize> {
    let silent = |entry: &&Entry| entry.stage == Stage::Silent;
    let stage = match entries.iter().filter(silent).count() > limit / 2 {
        true => Stage::Silent,
        false => Stage::Begun,
    };
    let crowd = |origin: &Origin| -> [usize; 3] {
        std::array::from_fn(|level| {
            let network = &origin.networks[level];
            let same = |entry: &&Entry| entry.origin.networks[level] == *network;
            entries.iter().filter(same).count()
        })
    };
    entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.stage == stage)
        .max_by_key(|(at, entry)| (crowd(&entry.origin), Reverse(*at)))
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::net::{IpAddr, SocketAddr};

    use super::*;

    fn all() -> Arc<HandshakeLimiter> {
        HandshakeLimiter::new(MAX_HANDSHAKES)
    }

    fn begin(handshakes: &Arc<HandshakeLimiter>, address: &str) -> HandshakePermit {
        let address: IpAddr = address.parse().expect("an address");
        handshakes.begin(&SocketAddr::new(address, 1).into())
    }

    fn begin_all(
        handshakes: &Arc<HandshakeLimiter>,
        addresses: impl IntoIterator<Item = String>,
    ) -> Vec<HandshakePermit> {
        let begin = |address: String| begin(handshakes, &address);
        addresses.into_iter().map(begin).collect()
    }

    fn is_evicted(handshake: &HandshakePermit) -> bool {
        let under_way = handshake.all.under_way();
        !under_way.iter().any(|entry| handshake.is_for(entry))
    }

    /// The indices of those that were evicted.
    fn evicted_among(handshakes: &[HandshakePermit]) -> Vec<usize> {
        let evicted = |at: &usize| is_evicted(&handshakes[*at]);
        (0..handshakes.len()).filter(evicted).collect()
    }

    #[test]
    fn a_crowd_makes_room_and_nobody_else_does() {
        let all = all();
        let mut honest = vec![begin(&all, "192.0.2.1"), begin(&all, "2001:db8::1")];
        let crowd = ["192.0.2.66"; MAX_HANDSHAKES - 2].map(str::to_owned);
        let mut crowd = begin_all(&all, crowd);
        assert_eq!(evicted_among(&crowd), [0; 0]);
        honest.push(begin(&all, "192.0.2.2"));
        crowd.push(begin(&all, "192.0.2.66"));
        assert_eq!(evicted_among(&crowd), [0, 1]);
        assert_eq!(evicted_among(&honest), [0; 0]);
    }

    #[test]
    fn where_all_are_equal_the_oldest_makes_room() {
        let all = all();
        let addresses = (0..=MAX_HANDSHAKES).map(|n| format!("192.0.2.{n}"));
        assert_eq!(evicted_among(&begin_all(&all, addresses)), [0]);
    }

    #[test]
    fn a_network_counts_as_one() {
        let all = all();
        let first = ["2001:db8:0:1::1", "2001:db8:0:2::1", "::ffff:192.0.2.1"];
        let first = begin_all(&all, first.map(str::to_owned));
        let neighbours = (0..MAX_HANDSHAKES).map(|n| format!("2001:db8:0:2::{n:x}"));
        let neighbours = begin_all(&all, neighbours);
        assert_eq!(evicted_among(&first), [1]);
        assert_eq!(evicted_among(&neighbours), [0, 1]);
    }

    #[test]
    fn many_links_of_one_house_evict_only_each_other() {
        let all = all();
        let honest = begin_all(
            &all,
            [
                "2001:db8:1::1".to_owned(),
                "2001:db8:2:100::1".to_owned(),
                "192.0.2.1".to_owned(),
            ],
        );
        // The house is one of many at the site of the second honest caller.
        let links = (0..200).map(|n| format!("2001:db8:2:{n:x}::1"));
        let _crowd = begin_all(&all, links);
        assert_eq!(evicted_among(&honest), [0; 0]);
    }

    #[test]
    fn who_has_begun_stays_while_silent_ones_come_from_everywhere() {
        let all = all();
        let mut flood = (0..).map(|n: u32| format!("198.51.{}.{}", n / 250, n % 250));
        let _before = begin_all(&all, flood.by_ref().take(200));
        let honest = begin(&all, "192.0.2.1");
        honest.begun(false);
        let _after = begin_all(&all, flood.by_ref().take(200));
        assert!(!is_evicted(&honest));
    }

    #[test]
    fn who_has_not_begun_yet_finds_room_beside_those_that_have() {
        let all = all();
        for n in 0..200 {
            let stalled = begin(&all, &format!("198.51.100.{n}"));
            stalled.begun(false);
            std::mem::forget(stalled);
        }
        let honest = begin(&all, "192.0.2.1");
        assert!(!is_evicted(&honest));
    }

    #[test]
    fn a_connection_of_the_present_call_is_never_evicted() {
        let all = all();
        let friend = begin(&all, "192.0.2.1");
        friend.begun(true);
        let crowd = ["192.0.2.1"; 200].map(str::to_owned);
        for stranger in begin_all(&all, crowd) {
            stranger.begun(false);
            std::mem::forget(stranger);
        }
        assert!(!is_evicted(&friend));

        // That holds for one of them at a time.
        let newer = begin(&all, "192.0.2.1");
        newer.begun(true);
        let crowd = begin_all(&all, ["192.0.2.1"; 200].map(str::to_owned));
        crowd.iter().for_each(|stranger| stranger.begun(false));
        let _more = begin_all(&all, ["192.0.2.1"; 200].map(str::to_owned));
        assert!(is_evicted(&friend) && !is_evicted(&newer));
    }

    #[tokio::test]
    async fn whatever_ends_makes_room_by_itself() {
        let all = all();
        for _ in 0..3 * MAX_HANDSHAKES {
            let handshake = begin(&all, "192.0.2.1");
            assert_eq!(handshake.run(async { 1 }).await, Some(1));
        }
        let mut stuck = begin_all(&all, ["192.0.2.1"; MAX_HANDSHAKES].map(str::to_owned));
        assert_eq!(evicted_among(&stuck), [0; 0]);
        let first = stuck.remove(0);
        let _one_more = begin(&all, "192.0.2.1");
        assert_eq!(first.run(pending::<()>()).await, None);
        assert_eq!(all.under_way().len(), MAX_HANDSHAKES);
    }
}
