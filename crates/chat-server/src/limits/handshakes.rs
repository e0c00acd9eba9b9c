//! How many handshakes may be under way, and which is dropped when there are too many.

use std::future::Future;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Handshakes at a time.
const MAX_HANDSHAKES: usize = 64;

/// The connections whose peer is not yet known.
///
/// There is always room for one more: of the network that has the most under way, the oldest
/// is dropped: stalled handshakes evict only others from the same network.
#[derive(Debug, Default)]
pub(crate) struct HandshakeLimiter {
    /// In order of arrival.
    under_way: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    network: IpAddr,
    /// Dropped to evict the handshake.
    _holds: oneshot::Sender<()>,
    id: Id,
}

/// Tells one entry from another: its address in memory.
type Id = Arc<()>;

/// One handshake under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct HandshakePermit {
    all: Arc<HandshakeLimiter>,
    evicted: oneshot::Receiver<()>,
    id: Id,
}

impl HandshakeLimiter {
    /// Begins a handshake with a connection from this address.
    pub(crate) fn begin(self: &Arc<Self>, from: SocketAddr) -> HandshakePermit {
        let (holds, evicted) = oneshot::channel();
        let id = Id::default();
        let mut under_way = self.under_way();
        under_way.push(Entry {
            network: network(from.ip()),
            _holds: holds,
            id: Arc::clone(&id),
        });
        if under_way.len() > MAX_HANDSHAKES {
            let oldest = oldest_of_most(&under_way);
            under_way.remove(oldest);
        }
        HandshakePermit {
            all: Arc::clone(self),
            evicted,
            id,
        }
    }

    fn under_way(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl HandshakePermit {
    /// Runs the handshake to its end. Returns `None` if it is evicted.
    pub(crate) async fn run<T>(mut self, handshake: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = handshake => Some(done),
            _ = &mut self.evicted => None,
        }
    }
}

impl Drop for HandshakePermit {
    fn drop(&mut self) {
        let own = |entry: &Entry| Arc::ptr_eq(&entry.id, &self.id);
        self.all.under_way().retain(|entry| !own(entry));
    }
}

/// The index of the oldest entry of the network that has the most.
fn oldest_of_most(entries: &[Entry]) -> usize {
    let like = |at: &usize| {
        let same = |entry: &&Entry| entry.network == entries[*at].network;
        entries.iter().filter(same).count()
    };
    // Of equals the last one counts.
    (0..entries.len())
        .rev()
        .max_by_key(like)
        .unwrap_or_default()
}

/// What one person may control: an IPv4 address, or 64 bits of IPv6 (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn at(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().expect("an address"), 1)
    }

    fn begin(handshakes: &Arc<HandshakeLimiter>, addresses: &[&str]) -> Vec<HandshakePermit> {
        let begin = |address: &&str| handshakes.begin(at(address));
        addresses.iter().map(begin).collect()
    }

    /// The indices of those that were evicted.
    fn evicted_among(handshakes: &mut [HandshakePermit]) -> Vec<usize> {
        let closed = |handshake: &mut HandshakePermit| {
            handshake.evicted.try_recv() == Err(oneshot::error::TryRecvError::Closed)
        };
        let places = handshakes.iter_mut().enumerate();
        places
            .filter_map(|(at, one)| closed(one).then_some(at))
            .collect()
    }

    #[test]
    fn a_crowd_makes_room_and_nobody_else_does() {
        let all = Arc::default();
        let mut honest = begin(&all, &["192.0.2.1", "2001:db8::1"]);
        let mut crowd = begin(&all, &["192.0.2.66"; MAX_HANDSHAKES - 2]);
        assert_eq!(evicted_among(&mut crowd), [0; 0]);
        honest.extend(begin(&all, &["192.0.2.2"]));
        crowd.extend(begin(&all, &["192.0.2.66"]));
        assert_eq!(evicted_among(&mut crowd), [0, 1]);
        assert_eq!(evicted_among(&mut honest), [0; 0]);
    }

    #[test]
    fn where_all_are_equal_the_oldest_makes_room() {
        let all = Arc::default();
        let addresses: Vec<_> = (0..=MAX_HANDSHAKES)
            .map(|n| format!("192.0.2.{n}"))
            .collect();
        let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
        assert_eq!(evicted_among(&mut begin(&all, &addresses)), [0]);
    }

    #[test]
    fn a_network_counts_as_one() {
        let all = Arc::default();
        let mut first = begin(
            &all,
            &["2001:db8:0:1::1", "2001:db8:0:2::1", "::ffff:192.0.2.1"],
        );
        let neighbours = (0..MAX_HANDSHAKES).map(|n| format!("2001:db8:0:2::{n:x}"));
        let neighbours: Vec<_> = neighbours.collect();
        let neighbours: Vec<_> = neighbours.iter().map(String::as_str).collect();
        let mut neighbours = begin(&all, &neighbours);
        assert_eq!(evicted_among(&mut first), [1]);
        assert_eq!(evicted_among(&mut neighbours), [0, 1]);
    }

    #[tokio::test]
    async fn whatever_ends_makes_room_by_itself() {
        let all: Arc<HandshakeLimiter> = Arc::default();
        for _ in 0..3 * MAX_HANDSHAKES {
            let handshake = all.begin(at("192.0.2.1"));
            assert_eq!(handshake.run(async { 1 }).await, Some(1));
        }
        let mut stuck = begin(&all, &["192.0.2.1"; MAX_HANDSHAKES]);
        assert_eq!(evicted_among(&mut stuck), [0; 0]);
        let first = stuck.remove(0);
        let _one_more = all.begin(at("192.0.2.1"));
        assert_eq!(first.run(pending::<()>()).await, None);
        assert_eq!(all.under_way().len(), MAX_HANDSHAKES);
    }
}
