//! Another connection for a call: when the last one is lost, and beside one that is in doubt.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chat_core::driver::{Action, Connected, sleep_until_some};
use chat_core::protocol::{ConnectionStatus, Disconnect, Event};
use chat_core::transport::{ConnectError, Dial};
use chat_core::wire::Cookie;
use chat_terminal::locale;
use tokio::time::Instant;

use crate::connect::Connector;
use crate::race::{Path, Race, pause};

/// A server that refuses connections for this long is more than restarting: the person is told.
const REFUSAL_TOLD_AFTER: Duration = Duration::from_secs(3);

/// The pause before another connection is made beside one that was in doubt for nothing. It
/// doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A doubt that lasts longer than this was none in vain: the network was away.
const FLEETING: Duration = Duration::from_secs(1);

/// After so long without doubt those pauses are short again.
const CALM: Duration = Duration::from_secs(60);

/// Makes the connection of a call again, as often as it is needed.
pub(crate) struct Reconnect<D: Dial> {
    connector: Arc<Connector<D>>,
    /// How long the peer is looked for.
    give_up_after: Duration,
    /// The person cannot leave by 88 before all has arrived.
    piped: bool,
    /// What the server lets the next connection through by.
    cookie: Option<Cookie>,
    path: Path,
    outage: Option<Outage>,
    race: Option<Race<D>>,
    doubts: Doubts,
    /// Whether this machine has moved.
    moved: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// The time since the peer was last known to be there, once a connection was lost.
struct Outage {
    since: Instant,
    /// How often it was tried, as the person was told.
    told: u32,
    told_of_refusal: bool,
    /// Why it was in vain.
    error: Option<ConnectError>,
}

/// Connections that were in doubt for nothing, so that a slow one does not cause many others.
#[derive(Default)]
struct Doubts {
    in_a_row: u32,
    last: Option<Instant>,
}

impl<D: Dial + 'static> Reconnect<D> {
    /// The way back over `path`, which is given up after so long.
    pub(crate) fn new(
        connector: Arc<Connector<D>>,
        path: Path,
        give_up_after: Duration,
        piped: bool,
    ) -> Self {
        Self {
            piped,
            moved: watch(&connector),
            connector,
            give_up_after,
            cookie: None,
            path,
            outage: None,
            race: None,
            doubts: Doubts::default(),
        }
    }

    /// The peer has answered on the present connection.
    pub(crate) fn answered(&mut self) {
        self.outage = None;
        self.race = None;
    }

    /// The present connection is in doubt, or no longer.
    pub(crate) fn doubted(&mut self, doubted: bool, cookie: Option<Cookie>) {
        self.cookie = cookie;
        if self.outage.is_some() {
            return;
        }
        match (doubted, &self.race) {
            (true, None) => self.race = Some(self.race_at(self.doubts.next_at())),
            (false, Some(race)) => {
                if race.tries() > 0 && race.lasts() < FLEETING {
                    self.doubts.in_vain();
                }
                self.race = None;
            }
            _ => {}
        }
    }

    /// The connection was lost. Returns what the person is told.
    pub(crate) fn lost(&mut self, cookie: Option<Cookie>) -> Action {
        self.cookie = cookie;
        let now = Instant::now();
        // One on which the peer does not answer is not made again at once.
        let at = self
            .outage
            .as_ref()
            .map_or(now, |outage| now + pause(now - outage.since));
        if self.race.is_none() {
            self.race = Some(self.race_at(at));
        }
        self.outage.get_or_insert_with(Outage::new);
        Action::Show(self.tell())
    }

    /// The peer does not know the session: calls for a new one, at once.
    pub(crate) fn begin_anew(&mut self) {
        self.cookie = None;
        self.outage.get_or_insert_with(Outage::new);
        self.race = Some(self.race_at(Instant::now()));
    }

    /// Waits for another connection, or for what the person is to be told. Cancel safe.
    pub(crate) async fn next(&mut self) -> Action {
        loop {
            let since = self.outage.as_ref().map(|outage| outage.since);
            let give_up_at = since.and_then(|since| since.checked_add(self.give_up_after));
            tokio::select! {
                () = &mut self.moved => {
                    self.moved = watch(&self.connector);
                    match &mut self.race {
                        Some(race) => race.hurry(),
                        None => return Action::Suspect,
                    }
                }
                outcome = outcome(&mut self.race) => match outcome {
                    Ok(connected) => return self.won(connected),
                    Err(error) => {
                        if let Some(action) = self.failed(error) {
                            return action;
                        }
                    }
                },
                () = sleep_until_some(give_up_at) => return self.give_up(),
            }
        }
    }

    fn race_at(&self, at: Instant) -> Race<D> {
        Race::further(Arc::clone(&self.connector), self.cookie, self.path, at)
    }

    fn won(&mut self, connected: Connected) -> Action {
        if let Some(race) = self.race.take() {
            self.path = race.path();
        }
        Action::Resume(Box::new(connected))
    }

    /// An attempt has failed.
    fn failed(&mut self, error: ConnectError) -> Option<Action> {
        tracing::debug!(%error, "no connection yet");
        let is_refusal = error.is_refusal();
        let Some(outage) = &mut self.outage else {
            // The connection in doubt is there still, and the peer with it.
            return None;
        };
        let is_another_peer = error.is_another_peer();
        outage.error = Some(error);
        if is_another_peer {
            return Some(self.give_up());
        }
        let lasts = outage.since.elapsed();
        let mut events = Vec::new();
        if is_refusal && lasts >= REFUSAL_TOLD_AFTER && !outage.told_of_refusal {
            outage.told_of_refusal = true;
            let left = self.give_up_after.saturating_sub(lasts);
            events.push(Event::Notice(locale::refused_for_now(left, self.piped)));
        }
        events.extend(self.tell());
        (!events.is_empty()).then_some(Action::Show(events))
    }

    /// The number of tries, each time that it has doubled.
    fn tell(&mut self) -> Vec<Event> {
        let tries = self.race.as_ref().map_or(0, Race::tries) + 1;
        match &mut self.outage {
            Some(outage) if tries >= 2 * outage.told => {
                outage.told = tries;
                vec![Event::Connection(ConnectionStatus::Reconnecting(tries))]
            }
            _ => Vec::new(),
        }
    }

    fn give_up(&mut self) -> Action {
        self.race = None;
        let error = self.outage.take().and_then(|outage| outage.error);
        Action::GiveUp(match error {
            Some(error) => Disconnect::Unreachable(Box::new(error)),
            None => Disconnect::Silent(self.give_up_after),
        })
    }
}

impl Outage {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            told: 0,
            told_of_refusal: false,
            error: None,
        }
    }
}

impl Doubts {
    /// When another connection may be begun beside one in doubt.
    fn next_at(&self) -> Instant {
        let now = Instant::now();
        let Some(last) = self.last.filter(|last| now - *last < CALM) else {
            return now;
        };
        let pause = FIRST_PAUSE.saturating_mul(1 << self.in_a_row.min(10));
        now.max(last + pause.min(LONGEST_PAUSE))
    }

    /// The one in doubt has answered, after another was begun.
    fn in_vain(&mut self) {
        let now = Instant::now();
        self.in_a_row = match self.last {
            Some(last) if now - last < CALM => self.in_a_row + 1,
            _ => 0,
        };
        self.last = Some(now);
    }
}

/// The next outcome of the race, if there is one.
async fn outcome<D: Dial + 'static>(race: &mut Option<Race<D>>) -> Result<Connected, ConnectError> {
    match race {
        Some(race) => race.next().await,
        None => pending().await,
    }
}

fn watch<D: Dial + 'static>(
    connector: &Arc<Connector<D>>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let connector = Arc::clone(connector);
    Box::pin(async move { connector.dialer.moved().await })
}
