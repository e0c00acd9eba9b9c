//! Connections over one way to a server, begun one beside the other: the first to be ready wins.
//!
//! A lost SYN is sent again after 1, 3 and 7 s (RFC 6298), and a lost flight of the handshake no
//! sooner. Whoever begins anew meanwhile is there when the network is.

use std::sync::Arc;
use std::time::Duration;

use chat_core::driver::Connected;
use chat_core::transport::{ConnectError, Dial, DialError, Packets};
use chat_core::wire::Cookie;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::connect::{Connector, Deadline};

/// So many connections of a call may be under way at once.
pub(crate) const MOST: usize = 8;

/// The pause between the beginnings of two of them, in the first [`SHORT_FOR`].
const PAUSE: Duration = Duration::from_millis(500);

/// The longest pause, later.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause of who waits until somebody is there.
pub(crate) const LONGEST_PATIENT_PAUSE: Duration = Duration::from_secs(60);

/// How long the pauses stay short.
const SHORT_FOR: Duration = Duration::from_secs(2 * 60);

/// How long a further connection of a call may take to be made; and more on a way that is long.
const PATIENCE: Duration = Duration::from_secs(4);

/// The longest round trip that is reckoned with.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(2);

/// What is known of the way to the server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Path {
    /// How large packets may be.
    packets: Packets,
    /// How long the last connection took to be made, without the handshake.
    round_trip: Duration,
}

impl Path {
    /// How large packets may be.
    pub(crate) fn packets(self) -> Packets {
        self.packets
    }
}

/// How long connections may take.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// All of them together.
    Together(Deadline),
    /// Each one.
    Each(Duration),
}

/// A race of connections. Those that have not won end when it is dropped.
pub(crate) struct Race<D: Dial> {
    connector: Arc<Connector<D>>,
    /// So many connections may be under way at once.
    most: usize,
    /// What the server lets the next connection through by.
    cookie: Option<Cookie>,
    path: Path,
    limit: Limit,
    longest_pause: Duration,
    since: Instant,
    /// How long it took until somebody took a connection.
    taken_after: Option<Duration>,
    /// When the next one begins.
    next_at: Option<Instant>,
    tries: u32,
    /// Why the first try of a first connection was in vain.
    failed: Option<ConnectError>,
    dials: JoinSet<Result<Dialed<D::Stream>, ConnectError>>,
    handshakes: JoinSet<(Path, Result<Connected, ConnectError>)>,
}

/// A stream that still needs its handshake.
struct Dialed<S> {
    stream: S,
    path: Path,
    within: Deadline,
}

impl<D: Dial + 'static> Race<D> {
    /// The first connection of a call, which begins at `at`, and has until `deadline`.
    pub(crate) fn first(connector: Arc<Connector<D>>, deadline: Deadline, at: Instant) -> Self {
        let together = Limit::Together(deadline);
        Self::new(connector, None, Path::default(), together, at)
    }

    /// A further one, which begins at `at`, with the cookie that the server gave for it.
    pub(crate) fn further(
        connector: Arc<Connector<D>>,
        cookie: Option<Cookie>,
        path: Path,
        at: Instant,
    ) -> Self {
        let round_trip = path.round_trip.min(LONGEST_ROUND_TRIP);
        let limit = Limit::Each(PATIENCE + 8 * round_trip);
        Self::new(connector, cookie, path, limit, at)
    }

    fn new(
        connector: Arc<Connector<D>>,
        cookie: Option<Cookie>,
        path: Path,
        limit: Limit,
        at: Instant,
    ) -> Self {
        Self {
            failed: None,
            most: MOST,
            connector,
            cookie,
            path,
            limit,
            longest_pause: LONGEST_PAUSE,
            since: at,
            taken_after: None,
            next_at: Some(at),
            tries: 0,
            dials: JoinSet::new(),
            handshakes: JoinSet::new(),
        }
    }

    /// The same, with pauses that grow to `longest`, and at most so many connections under way.
    pub(crate) fn limited(self, longest_pause: Duration, most: usize) -> Self {
        Self {
            longest_pause,
            most,
            ..self
        }
    }

    /// Over which way.
    pub(crate) fn connector(&self) -> &Arc<Connector<D>> {
        &self.connector
    }

    /// How many connections were begun.
    pub(crate) fn tries(&self) -> u32 {
        self.tries
    }

    /// How long it took until the network carried a connection, once it has: without it, none is
    /// taken at the other end.
    pub(crate) fn taken_after(&self) -> Option<Duration> {
        self.taken_after
    }

    /// What is known of the way now.
    pub(crate) fn path(&self) -> Path {
        self.path
    }

    /// Begins the next connection at once: something has changed.
    pub(crate) fn hurry(&mut self) {
        self.next_at = Some(Instant::now());
    }

    /// Waits for the winner, or for a connection that failed; the others go on. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Connected, ConnectError> {
        loop {
            let has_room = self.dials.len() + self.handshakes.len() < self.most;
            let next_at = self.next_at.filter(|_| has_room);
            // Even a sleep of no time takes a tick of the timer, a millisecond.
            if next_at.is_some_and(|at| at <= Instant::now()) {
                self.begin();
                continue;
            }
            tokio::select! {
                Some(secured) = self.handshakes.join_next() => {
                    let (path, secured) = finished(secured);
                    self.path = path;
                    return secured;
                }
                Some(dialed) = self.dials.join_next() => self.shake_hands(finished(dialed)?),
                () = sleep_until(next_at.unwrap_or(self.since)), if next_at.is_some() => {
                    self.begin();
                }
            }
        }
    }

    /// A first connection of a call was in vain. Returns why there is none this way, unless a
    /// handshake is still under way beside it.
    pub(crate) fn fail(&mut self, error: ConnectError) -> Option<ConnectError> {
        if error.is_another_peer() {
            return Some(error);
        }
        let error = self.failed.take().unwrap_or(error);
        if self.handshakes.is_empty() {
            return Some(error);
        }
        self.next_at = None;
        self.failed = Some(error);
        None
    }

    fn begin(&mut self) {
        let now = Instant::now();
        self.tries += 1;
        self.next_at = Some(now + pause(now - self.since, self.longest_pause));
        // Somebody took the connection, but the handshake does not come through: its packets are
        // large, and the way may not take them.
        if !self.handshakes.is_empty() {
            self.path.packets = Packets::Smallest;
        }
        let path = self.path;
        let connector = Arc::clone(&self.connector);
        let within = match self.limit {
            Limit::Together(deadline) => deadline,
            Limit::Each(limit) => Deadline {
                at: now + limit,
                limit,
            },
        };
        self.dials.spawn(async move {
            let Ok(dialed) = timeout_at(within.at, connector.dialer.dial(path.packets)).await
            else {
                return Err(ConnectError::Dial(DialError::Timeout {
                    address: connector.dialer.address(),
                    limit: within.limit,
                }));
            };
            let round_trip = now.elapsed();
            Ok(Dialed {
                stream: dialed.map_err(ConnectError::Dial)?,
                path: Path { round_trip, ..path },
                within,
            })
        });
    }

    fn shake_hands(&mut self, dialed: Dialed<D::Stream>) {
        let Dialed {
            stream,
            path,
            within,
        } = dialed;
        self.taken_after.get_or_insert(self.since.elapsed());
        // A handshake takes two round trips.
        let due = Instant::now() + PAUSE.max(4 * path.round_trip);
        self.next_at = self.next_at.map(|at| at.max(due));
        let connector = Arc::clone(&self.connector);
        let cookie = self.cookie;
        self.handshakes
            .spawn(async move { (path, connector.secure(stream, cookie, within).await) });
    }
}

/// The pause before a lost connection on which nobody answered is made again.
pub(crate) fn pause_in_outage(outage: Duration) -> Duration {
    pause(outage, LONGEST_PAUSE)
}

fn finished<T>(task: Result<T, JoinError>) -> T {
    task.expect("it neither panics nor is aborted")
}

/// How long to wait before the next try, after so long: short at first, then growing with the
/// outage. It varies, so that many callers of one server spread out.
fn pause(outage: Duration, longest: Duration) -> Duration {
    let growth = outage.as_secs_f64() / SHORT_FOR.as_secs_f64();
    let pause = PAUSE.mul_f64(growth.max(1.0)).min(longest);
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}
