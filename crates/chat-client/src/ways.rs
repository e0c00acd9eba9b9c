//! All ways to one peer, tried side by side: the first that proves the peer's key wins.
//!
//! That it is the peer shows only once the handshake is done: an address may be another's now. A
//! connection that does not win ends before a word was said on it, so nobody there hears of it.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use chat_core::driver::{Connected, sleep_until_some};
use chat_core::transport::{ConnectError, Dial};
use chat_core::trust::Security;
use chat_core::wire::Cookie;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::connect::{Connector, Deadline, Trust};
use crate::race::{LONGEST_PATIENT_PAUSE, LONGEST_PAUSE, MOST, Path, Race};

/// Head start of a way before the next is tried beside it (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// How long the known ways have before others are looked for.
const SEARCH_AFTER: Duration = Duration::from_secs(1);

/// How long others are looked for before a call, once the known ones were in vain.
const SEARCH_FOR: Duration = Duration::from_secs(3);

/// Looks for further ways to a peer, until the receiver is dropped.
pub type Search<D> = Arc<dyn Fn() -> mpsc::Receiver<Connector<D>> + Send + Sync>;

/// All ways to one peer.
pub struct Ways<D> {
    /// What the person called: an address, a number or a name.
    called: String,
    trust: Trust,
    /// How long a call may take to be connected.
    limit: Duration,
    /// The one that answered last is the first.
    ways: Mutex<Vec<Way<D>>>,
    search: Option<Search<D>>,
}

/// One way, and what was learned of it.
pub(crate) struct Way<D> {
    pub(crate) connector: Arc<Connector<D>>,
    pub(crate) path: Path,
}

impl<D> Clone for Way<D> {
    fn clone(&self) -> Self {
        Self {
            connector: Arc::clone(&self.connector),
            path: self.path,
        }
    }
}

impl<D: Dial> From<Connector<D>> for Ways<D> {
    fn from(connector: Connector<D>) -> Self {
        Self {
            called: connector.dialer.address(),
            trust: connector.trust.clone(),
            limit: connector.dialer.limit(),
            ways: Mutex::new(vec![Way::new(connector)]),
            search: None,
        }
    }
}

impl<D> Way<D> {
    fn new(connector: Connector<D>) -> Self {
        Self {
            connector: Arc::new(connector),
            path: Path::default(),
        }
    }
}

impl<D: Dial> Ways<D> {
    /// The ways to the known peer `name`, the best first; `search` looks for more where they lead
    /// nowhere. All of it may take as long as `limit`. Each connector must want the peer's key.
    pub fn to_known(
        name: String,
        trust: Trust,
        limit: Duration,
        connectors: Vec<Connector<D>>,
        search: Option<Search<D>>,
    ) -> Self {
        Self {
            called: name,
            trust,
            limit,
            ways: Mutex::new(connectors.into_iter().map(Way::new).collect()),
            search,
        }
    }

    /// What the person called: an address, a number or a name.
    pub(crate) fn called(&self) -> &str {
        &self.called
    }

    /// How far the peer is trusted.
    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The way over which the peer answered last, if there is any.
    pub(crate) fn last(&self) -> Option<Way<D>> {
        self.ways().first().cloned()
    }

    /// Checks before a call that nobody whose key is known is called without encryption. Reads a
    /// file on this thread.
    pub(crate) fn check_plain(&self) -> Result<(), ConnectError> {
        let check = |way: &Way<D>| way.connector.check_plain();
        self.ways().iter().try_for_each(check)
    }

    fn all(&self) -> Vec<Way<D>> {
        self.ways().clone()
    }

    /// Adds a way, unless it is known or there are too many.
    fn add(&self, connector: Connector<D>) -> Option<Way<D>> {
        let address = connector.dialer.address();
        let mut ways = self.ways();
        if ways.len() >= MOST || ways.iter().any(|way| way.is_to(&address)) {
            return None;
        }
        let way = Way::new(connector);
        ways.push(way.clone());
        Some(way)
    }

    /// Notes what was learned of the way to `address`, which is the first from now on if the peer
    /// has answered.
    fn learn(&self, address: &str, path: Path, has_answered: bool) {
        let mut ways = self.ways();
        if let Some(index) = ways.iter().position(|way| way.is_to(address)) {
            ways[index].path = path;
            if has_answered {
                ways[..=index].rotate_right(1);
            }
        }
    }

    /// It is whole even if a thread has panicked that held it.
    fn ways(&self) -> MutexGuard<'_, Vec<Way<D>>> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Dial + Clone> Ways<D> {
    /// The same, but accepting only the key of the peer who has answered.
    pub(crate) fn pin(&self, security: &Security) -> Self {
        let pin = |way: &Way<D>| Way {
            connector: Arc::new(Connector::clone(&way.connector).pin(security)),
            path: way.path,
        };
        Self {
            called: self.called.clone(),
            trust: self.trust.clone(),
            limit: self.limit,
            ways: Mutex::new(self.ways().iter().map(pin).collect()),
            search: self.search.clone(),
        }
    }
}

impl<D: Dial> Way<D> {
    fn is_to(&self, address: &str) -> bool {
        self.connector.dialer.address() == address
    }
}

/// A race of connections over all ways. Those that have not won end when it is dropped.
pub(crate) struct Races<D: Dial> {
    ways: Arc<Ways<D>>,
    races: Vec<Race<D>>,
    looking: Looking<D>,
    /// Why other ways were given up.
    errors: Vec<ConnectError>,
    kind: Kind,
    longest_pause: Duration,
    since: Instant,
}

/// Which connection of a call is made.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The first one.
    First(Deadline),
    /// A further one, with the cookie that the server gave for it.
    Further(Option<Cookie>),
}

/// Whether further ways are looked for.
enum Looking<D> {
    /// Not, or no longer.
    Not,
    /// From then on.
    From(Instant),
    /// Now.
    Now {
        found: mpsc::Receiver<Connector<D>>,
        until: Option<Instant>,
    },
}

/// What happens in a race.
enum Step<D> {
    /// A connection of the race with this index was made, or not.
    Tried(usize, Box<Result<Connected, ConnectError>>),
    /// Further ways are looked for from now on.
    Look,
    /// One was found; with `None` none are looked for any more.
    Found(Option<Connector<D>>),
}

impl<D: Dial + 'static> Races<D> {
    /// For the first connection of a call.
    pub(crate) fn first(ways: Arc<Ways<D>>) -> Self {
        let deadline = Deadline {
            at: Instant::now() + ways.limit,
            limit: ways.limit,
        };
        Self::new(ways, Kind::First(deadline), LONGEST_PAUSE, Instant::now())
    }

    /// For a further one, from `at` on, with the cookie that the server gave for it.
    pub(crate) fn further(ways: Arc<Ways<D>>, cookie: Option<Cookie>, at: Instant) -> Self {
        Self::new(ways, Kind::Further(cookie), LONGEST_PAUSE, at)
    }

    /// The same, with pauses that grow on.
    pub(crate) fn patient(self) -> Self {
        Self::new(self.ways, self.kind, LONGEST_PATIENT_PAUSE, self.since)
    }

    fn new(ways: Arc<Ways<D>>, kind: Kind, longest_pause: Duration, since: Instant) -> Self {
        let looking = match ways.search {
            Some(_) => Looking::From(since + SEARCH_AFTER),
            None => Looking::Not,
        };
        let mut races = Self {
            races: Vec::new(),
            errors: Vec::new(),
            ways,
            looking,
            kind,
            longest_pause,
            since,
        };
        let mut at = since;
        for way in races.ways.all() {
            races.begin(way, at);
            at += HEAD_START;
        }
        races
    }

    fn begin(&mut self, way: Way<D>, at: Instant) {
        let race = match self.kind {
            Kind::First(deadline) => Race::first(way.connector, deadline, at),
            Kind::Further(cookie) => Race::further(way.connector, cookie, way.path, at),
        };
        let most = (MOST / self.ways.ways().len().max(1)).max(1);
        self.races.push(race.limited(self.longest_pause, most));
    }

    /// The most connections that were begun over one of the ways.
    pub(crate) fn tries(&self) -> u32 {
        self.races.iter().map(Race::tries).max().unwrap_or(0)
    }

    /// How long it has been on.
    pub(crate) fn lasts(&self) -> Duration {
        self.since.elapsed()
    }

    /// How long it took until the network carried a connection, once it has.
    pub(crate) fn taken_after(&self) -> Option<Duration> {
        self.races.iter().filter_map(Race::taken_after).min()
    }

    /// Begins the next connections at once: something has changed.
    pub(crate) fn hurry(&mut self) {
        self.races.iter_mut().for_each(Race::hurry);
    }

    /// Keeps what was learned of the ways.
    pub(crate) fn learn(&self) {
        for race in &self.races {
            let address = race.connector().dialer.address();
            self.ways.learn(&address, race.path(), false);
        }
    }

    /// Runs the race for the first connection of a call. A way that has failed is given up, unless
    /// a handshake is still under way on it.
    pub(crate) async fn win(mut self) -> Result<Connected, ConnectError> {
        loop {
            match self.step().await? {
                Step::Tried(index, tried) => match *tried {
                    Ok(connected) => return Ok(self.won(index, connected)),
                    Err(error) => {
                        if let Some(error) = self.races[index].fail(error) {
                            self.give_up(index, error);
                        }
                    }
                },
                Step::Look => self.look(Some(SEARCH_FOR)),
                Step::Found(found) => self.found(found),
            }
        }
    }

    /// Waits for the winner, or for a connection that failed; the others go on. A way at which
    /// somebody else is now is given up, unless it is the last. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Connected, ConnectError> {
        loop {
            match self.step().await? {
                Step::Tried(index, tried) => match *tried {
                    Ok(connected) => return Ok(self.won(index, connected)),
                    Err(error) if error.is_another_peer() => self.give_up(index, error),
                    Err(error) => return Err(error),
                },
                Step::Look => self.look(None),
                Step::Found(found) => self.found(found),
            }
        }
    }

    /// Waits for what happens next, or fails if nothing more can. Cancel safe.
    async fn step(&mut self) -> Result<Step<D>, ConnectError> {
        if self.races.is_empty() {
            match self.looking {
                Looking::Not => return Err(self.no_way()),
                Looking::From(_) => return Ok(Step::Look),
                Looking::Now { .. } => {}
            }
        }
        let mut tries: Vec<_> = self
            .races
            .iter_mut()
            .map(|race| Box::pin(race.next()))
            .collect();
        let mut tried = pin!(poll_fn(|cx| {
            let mut tries = tries.iter_mut().map(|tried| tried.as_mut().poll(cx));
            let found = tries
                .by_ref()
                .enumerate()
                .find_map(|(index, tried)| match tried {
                    Poll::Ready(tried) => Some(Step::Tried(index, Box::new(tried))),
                    Poll::Pending => None,
                });
            found.map_or(Poll::Pending, Poll::Ready)
        }));
        Ok(tokio::select! {
            tried = &mut tried => tried,
            step = self.looking.next() => step,
        })
    }

    fn won(&self, index: usize, connected: Connected) -> Connected {
        let race = &self.races[index];
        let address = race.connector().dialer.address();
        self.ways.learn(&address, race.path(), true);
        connected
    }

    /// This way leads nowhere. The next one begins at once, if it has not yet.
    fn give_up(&mut self, index: usize, error: ConnectError) {
        tracing::debug!(%error, "this way leads nowhere");
        self.races.remove(index);
        self.errors.push(error);
        if let Some(next) = self.races.iter_mut().find(|race| race.tries() == 0) {
            next.hurry();
        }
    }

    fn look(&mut self, limit: Option<Duration>) {
        self.looking = match &self.ways.search {
            Some(search) => Looking::Now {
                found: search(),
                until: limit.map(|limit| Instant::now() + limit),
            },
            None => Looking::Not,
        };
    }

    fn found(&mut self, found: Option<Connector<D>>) {
        match found {
            None => self.looking = Looking::Not,
            Some(connector) => {
                if let Some(way) = self.ways.add(connector) {
                    self.begin(way, Instant::now());
                }
            }
        }
    }

    /// Why no way leads to the peer. That it has a new key says all.
    fn no_way(&mut self) -> ConnectError {
        let mut errors = self.errors.iter();
        if let Some(new_key) = errors.position(ConnectError::is_new_key) {
            return self.errors.swap_remove(new_key);
        }
        match (&self.ways.search, self.errors.pop()) {
            (None, Some(error)) if self.errors.is_empty() => error,
            (_, last) => {
                self.errors.extend(last);
                ConnectError::NoWay {
                    name: self.ways.called.clone(),
                    errors: std::mem::take(&mut self.errors),
                }
            }
        }
    }
}

impl<D> Looking<D> {
    /// Waits until something changes. Cancel safe.
    async fn next(&mut self) -> Step<D> {
        match self {
            Self::Not => pending().await,
            Self::From(at) => {
                sleep_until_some(Some(*at)).await;
                Step::Look
            }
            Self::Now { found, until } => tokio::select! {
                found = found.recv() => Step::Found(found),
                () = sleep_until_some(*until) => Step::Found(None),
            },
        }
    }
}
