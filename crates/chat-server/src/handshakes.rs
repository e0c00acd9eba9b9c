//! The handshakes under way, and which of them gives way when there are too many.

use std::future::Future;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Handshakes at a time.
const LIMIT: usize = 64;

/// The connections of which it is not yet known who is there.
///
/// There is always room for one more: of the network that has the most under way, the oldest
/// is dropped. So whoever lets handshakes hang keeps nobody out but their like.
#[derive(Debug, Default)]
pub struct Handshakes {
    /// In order of arrival.
    under_way: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    network: IpAddr,
    /// Dropped to make the handshake give way.
    _stays: oneshot::Sender<()>,
    id: Id,
}

/// Tells one entry from another: its address in memory.
type Id = Arc<()>;

/// One handshake under way, until it is dropped.
#[derive(Debug)]
pub struct Handshake {
    all: Arc<Handshakes>,
    gives_way: oneshot::Receiver<()>,
    id: Id,
}

impl Handshakes {
    /// One more handshake, with a connection `from` there.
    pub fn begin(self: &Arc<Self>, from: SocketAddr) -> Handshake {
        let (stays, gives_way) = oneshot::channel();
        let id = Id::default();
        let mut under_way = self.under_way();
        under_way.push(Entry {
            network: network(from.ip()),
            _stays: stays,
            id: Arc::clone(&id),
        });
        if under_way.len() > LIMIT {
            let oldest = oldest_of_most(&under_way);
            under_way.remove(oldest);
        }
        Handshake {
            all: Arc::clone(self),
            gives_way,
            id,
        }
    }

    fn under_way(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handshake {
    /// Waits for the handshake to end, and answers nothing if it has to give way.
    pub async fn finish<T>(mut self, handshake: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = handshake => Some(done),
            _ = &mut self.gives_way => None,
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let own = |entry: &Entry| Arc::ptr_eq(&entry.id, &self.id);
        self.all.under_way().retain(|entry| !own(entry));
    }
}

/// Where the oldest entry is of the network that has the most.
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

/// What one person may have at hand: an IPv4 address, or 64 bits of IPv6 (RFC 6177).
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

    fn begin(handshakes: &Arc<Handshakes>, addresses: &[&str]) -> Vec<Handshake> {
        let begin = |address: &&str| handshakes.begin(at(address));
        addresses.iter().map(begin).collect()
    }

    /// The places of those that had to give way.
    fn given_way(handshakes: &mut [Handshake]) -> Vec<usize> {
        let closed = |handshake: &mut Handshake| {
            handshake.gives_way.try_recv() == Err(oneshot::error::TryRecvError::Closed)
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
        let mut crowd = begin(&all, &["192.0.2.66"; LIMIT - 2]);
        assert_eq!(given_way(&mut crowd), [0; 0]);
        honest.extend(begin(&all, &["192.0.2.2"]));
        crowd.extend(begin(&all, &["192.0.2.66"]));
        assert_eq!(given_way(&mut crowd), [0, 1]);
        assert_eq!(given_way(&mut honest), [0; 0]);
    }

    #[test]
    fn where_all_are_equal_the_oldest_makes_room() {
        let all = Arc::default();
        let addresses: Vec<_> = (0..=LIMIT).map(|n| format!("192.0.2.{n}")).collect();
        let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
        assert_eq!(given_way(&mut begin(&all, &addresses)), [0]);
    }

    #[test]
    fn a_network_counts_as_one() {
        let all = Arc::default();
        let mut first = begin(
            &all,
            &["2001:db8:0:1::1", "2001:db8:0:2::1", "::ffff:192.0.2.1"],
        );
        let neighbours = (0..LIMIT).map(|n| format!("2001:db8:0:2::{n:x}"));
        let neighbours: Vec<_> = neighbours.collect();
        let neighbours: Vec<_> = neighbours.iter().map(String::as_str).collect();
        let mut neighbours = begin(&all, &neighbours);
        assert_eq!(given_way(&mut first), [1]);
        assert_eq!(given_way(&mut neighbours), [0, 1]);
    }

    #[tokio::test]
    async fn whatever_ends_makes_room_by_itself() {
        let all: Arc<Handshakes> = Arc::default();
        for _ in 0..3 * LIMIT {
            let handshake = all.begin(at("192.0.2.1"));
            assert_eq!(handshake.finish(async { 1 }).await, Some(1));
        }
        let mut stuck = begin(&all, &["192.0.2.1"; LIMIT]);
        assert_eq!(given_way(&mut stuck), [0; 0]);
        let first = stuck.remove(0);
        let _one_more = all.begin(at("192.0.2.1"));
        assert_eq!(first.finish(pending::<()>()).await, None);
        assert_eq!(all.under_way().len(), LIMIT);
    }
}
