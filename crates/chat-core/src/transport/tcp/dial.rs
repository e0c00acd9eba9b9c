//! Dialing over TCP: names, addresses, and which of them answers first.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};

use super::names::{Names, PAUSE};
use super::way::{Changes, Way};
use super::{limit_packets, set_tcp_options};
use crate::transport::awake::slept;
use crate::transport::{Dial, DialError, HostPort, Packets};

/// Head start of an address before the next is tried beside it (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Dials over TCP. Clones share what they learn of the way.
#[derive(Clone, Debug)]
pub struct TcpDialer {
    target: HostPort,
    limit: Duration,
    names: Arc<Names>,
    way: Arc<Mutex<Option<Way>>>,
}

impl TcpDialer {
    /// Calls `target`; all of it may take as long as `limit`.
    pub fn new(target: HostPort, limit: Duration) -> Self {
        Self {
            target,
            limit,
            names: Arc::new(Names::new()),
            way: Arc::default(),
        }
    }
}

impl Dial for TcpDialer {
    type Stream = TcpStream;

    fn address(&self) -> String {
        self.target.to_string()
    }

    fn limit(&self) -> Duration {
        self.limit
    }

    async fn dial(&self, packets: Packets) -> Result<TcpStream, DialError> {
        let dialed = timeout(self.limit, self.first_to_answer(packets)).await;
        let stream = dialed.unwrap_or_else(|_| {
            Err(DialError::Timeout {
                address: self.address(),
                limit: self.limit,
            })
        })?;
        *self.way() = Way::of(&stream);
        Ok(stream)
    }

    async fn moved(&self) {
        tokio::select! {
            () = self.readdressed() => {}
            () = slept() => {}
        }
    }
}

impl TcpDialer {
    /// Tries every address, each a little after the one before. While the name is looked up, the
    /// address that answered last stands in for it, after a head start: it may be another's now.
    async fn first_to_answer(&self, packets: Packets) -> Result<TcpStream, DialError> {
        let HostPort { host, port } = &self.target;
        let mut attempts = Attempts::new(packets);
        let mut found = self.names.found();
        let mut known = self.way().map(|way| way.peer);
        let mut lookup = match host.parse() {
            Ok(address) => {
                attempts.add(SocketAddr::new(address, *port));
                None
            }
            Err(_) => self.names.look_up(host.clone(), *port),
        };
        let mut last = None;
        let mut ask_again = interval(PAUSE);
        loop {
            let waits = last.is_none() && attempts.tried.is_empty();
            if attempts.running.is_empty() && lookup.is_none() && !waits {
                let nothing = || self.no_connection(Ok(Err(io::ErrorKind::NotFound.into())));
                return Err(last.unwrap_or_else(nothing));
            }
            tokio::select! {
                biased;
                Ok(()) = found.changed() => {
                    let addresses = found.borrow_and_update().clone();
                    addresses.into_iter().for_each(|address| attempts.add(address));
                }
                looked_up = done(&mut lookup) => {
                    let found = looked_up.unwrap_or_else(|error| Err(error.into()));
                    if let Err(reason) = found {
                        let name = host.clone();
                        last = Some(DialError::Resolve { name, reason });
                    }
                }
                // A question that was lost is asked again by the resolver after 5 s only.
                _ = ask_again.tick(), if lookup.is_some() => {
                    drop(self.names.look_up(host.clone(), *port));
                }
                Some(attempt) = attempts.running.join_next() => match attempt {
                    Ok(Ok(stream)) => return Ok(stream),
                    failed => last = Some(self.no_connection(failed)),
                },
                () = sleep(HEAD_START), if known.is_some() => {
                    known.take().into_iter().for_each(|address| attempts.add(address));
                }
            }
        }
    }

    fn no_connection(&self, attempt: Result<io::Result<TcpStream>, JoinError>) -> DialError {
        let reason = match attempt {
            Ok(Err(reason)) => reason,
            Ok(Ok(_)) => io::ErrorKind::Other.into(),
            Err(error) => error.into(),
        };
        DialError::Connect {
            address: self.target.to_string(),
            reason,
        }
    }

    /// Waits until this machine would speak to the peer from another address than it last did.
    async fn readdressed(&self) {
        let changes = Changes::watch();
        loop {
            if let Some(way) = &mut *self.way()
                && way.has_changed()
            {
                return;
            }
            changes.next().await;
        }
    }

    fn way(&self) -> MutexGuard<'_, Option<Way>> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until a lookup is done, or for ever if there is none.
async fn done(
    lookup: &mut Option<JoinHandle<io::Result<()>>>,
) -> Result<io::Result<()>, JoinError> {
    let Some(handle) = lookup else {
        return pending().await;
    };
    let done = handle.await;
    *lookup = None;
    done
}

/// Connections that are begun one a little after the other.
struct Attempts {
    packets: Packets,
    tried: Vec<SocketAddr>,
    /// When the next may begin.
    next_at: Instant,
    running: JoinSet<io::Result<TcpStream>>,
}

impl Attempts {
    fn new(packets: Packets) -> Self {
        Self {
            packets,
            tried: Vec::new(),
            next_at: Instant::now(),
            running: JoinSet::new(),
        }
    }

    /// Tries this address too, in its turn.
    fn add(&mut self, address: SocketAddr) {
        if self.tried.contains(&address) {
            return;
        }
        let now = Instant::now();
        let begin_at = self.next_at.max(now);
        self.next_at = begin_at + HEAD_START;
        let packets = self.packets;
        self.tried.push(address);
        self.running.spawn(async move {
            // Even a sleep of no time takes a tick of the timer, a millisecond.
            if begin_at > now {
                sleep_until(begin_at).await;
            }
            connect(address, packets).await
        });
    }
}

async fn connect(address: SocketAddr, packets: Packets) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Packets that never leave this machine are not lost.
    if !address.ip().is_loopback() {
        limit_packets(&socket, packets);
    }
    let stream = socket.connect(address).await?;
    set_tcp_options(&stream);
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_waits_for_the_head_start_of_the_one_before_and_no_longer() {
        let address = |last| SocketAddr::from(([127, 0, 0, last], 9));
        let begun = Instant::now();
        let mut attempts = Attempts::new(Packets::default());
        attempts.add(address(1));
        attempts.add(address(2));
        attempts.add(address(2));
        assert_eq!(attempts.next_at, begun + 2 * HEAD_START, "for two of them");
        sleep(4 * HEAD_START).await;
        attempts.add(address(3));
        assert_eq!(
            attempts.next_at,
            begun + 5 * HEAD_START,
            "it begins at once"
        );
    }
}
