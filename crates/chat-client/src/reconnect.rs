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

use crate::race::pause_in_outage;
use crate::ways::{Races, Ways};

/// A server that refuses connections for this long is more than restarting: the person is told.
const REFUSAL_TOLD_AFTER: Duration = Duration::from_secs(3);

/// A connection in doubt is waited for longer once the network was there all the time: each time
/// by twice as much more.
const FIRST_DELAY: Duration = Duration::from_millis(500);

/// So often, and then no longer. With the doubt itself that is 5 s and more of silence.
const MOST_DELAYS: u32 = 3;

/// A network that carries a connection within this time of the doubt was there all the time.
const FLEETING: Duration = Duration::from_secs(1);

/// After so long without such a doubt the delay is shorter again, by one step.
const CALM: Duration = Duration::from_secs(60);

/// Makes the connection of a call again, as often as it is needed.
pub(crate) struct Reconnect<D: Dial> {
    ways: Arc<Ways<D>>,
    /// How long the peer is looked for; `None` is without end.
    give_up_after: Option<Duration>,
    /// The person cannot leave by 88 before all has arrived.
    piped: bool,
    /// What the server lets the next connection through by.
    cookie: Option<Cookie>,
    outage: Option<Outage>,
    race: Option<Races<D>>,
    doubts: Doubts,
    /// This machine has moved: what is in doubt is not waited for.
    has_moved: bool,
    /// Whether this machine has moved.
    moved: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// The time since the peer was last known to be there, once a connection was lost.
struct Outage {
    since: Instant,
    /// How often it was tried, as the person was told.
    told: u32,
    told_of_refusal: bool,
    /// There was no connection yet that could be lost.
    is_first: bool,
    /// Why it was in vain.
    error: Option<ConnectError>,
}

/// Doubts about connections while the network was there: over a slow or lossy one, silence means
/// less than elsewhere, and must last longer before another connection takes over.
#[derive(Default)]
struct Doubts {
    /// The steps of the delay.
    steps: u32,
    /// When there was the last one, or a step was taken back.
    since: Option<Instant>,
}

impl<D: Dial + 'static> Reconnect<D> {
    /// The way back, which is given up after so long, if ever.
    pub(crate) fn new(ways: Arc<Ways<D>>, give_up_after: Option<Duration>, piped: bool) -> Self {
        Self {
            piped,
            moved: watch(&ways),
            ways,
            give_up_after,
            cookie: None,
            outage: None,
            race: None,
            doubts: Doubts::default(),
            has_moved: false,
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
            (true, None) => {
                let delay = match self.has_moved {
                    true => Duration::ZERO,
                    false => self.doubts.delay(),
                };
                self.race = Some(self.race_at(Instant::now() + delay));
            }
            (false, Some(_)) => self.settle_doubt(),
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
            .map_or(now, |outage| now + pause_in_outage(now - outage.since));
        if self.race.is_none() {
            self.race = Some(self.race_at(at));
        }
        self.outage.get_or_insert_with(Outage::new);
        Action::Show(self.tell())
    }

    /// Makes the first connection, however long that takes.
    pub(crate) fn begin(&mut self) {
        self.begin_anew();
        if let Some(outage) = &mut self.outage {
            outage.is_first = true;
        }
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
            let give_up_at = since.and_then(|since| since.checked_add(self.give_up_after?));
            tokio::select! {
                () = &mut self.moved => {
                    self.moved = watch(&self.ways);
                    self.has_moved = true;
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

    fn race_at(&self, at: Instant) -> Races<D> {
        let race = Races::further(Arc::clone(&self.ways), self.cookie, at);
        match self.give_up_after {
            Some(_) => race,
            None => race.patient(),
        }
    }

    fn won(&mut self, connected: Connected) -> Action {
        self.settle_doubt();
        self.moved = watch(&self.ways);
        Action::Resume(Box::new(connected))
    }

    /// The race is over: one of its connections goes on, or the one beside which it was run.
    fn settle_doubt(&mut self) {
        let Some(race) = self.race.take() else { return };
        race.learn();
        let had_reason = std::mem::take(&mut self.has_moved) || self.outage.is_some();
        let there_after = race.taken_after().unwrap_or_else(|| race.lasts());
        if !had_reason && race.tries() > 0 && there_after < FLEETING {
            self.doubts.in_vain();
        }
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
        if let Some(give_up_after) = self.give_up_after
            && is_refusal
            && lasts >= REFUSAL_TOLD_AFTER
            && !outage.told_of_refusal
        {
            outage.told_of_refusal = true;
            let left = give_up_after.saturating_sub(lasts);
            events.push(Event::Notice(
                locale::text().calling_again(left, self.piped),
            ));
        }
        events.extend(self.tell());
        (!events.is_empty()).then_some(Action::Show(events))
    }

    /// The number of tries, each time that it has doubled.
    fn tell(&mut self) -> Vec<Event> {
        let tries = self.race.as_ref().map_or(0, Races::tries) + 1;
        match &mut self.outage {
            Some(outage) if !outage.is_first && tries >= 2 * outage.told => {
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
            None => Disconnect::Silent(self.give_up_after.unwrap_or_default()),
        })
    }
}

impl Outage {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            told: 0,
            told_of_refusal: false,
            is_first: false,
            error: None,
        }
    }
}

impl Doubts {
    /// How long a connection in doubt is waited for, before another is begun beside it.
    fn delay(&mut self) -> Duration {
        self.calm_down();
        FIRST_DELAY * ((1 << self.steps) - 1)
    }

    /// A connection was in doubt, and the network was there.
    fn in_vain(&mut self) {
        self.calm_down();
        self.steps = MOST_DELAYS.min(self.steps + 1);
        self.since = Some(Instant::now());
    }

    fn calm_down(&mut self) {
        while let Some(since) = self.since.filter(|since| since.elapsed() >= CALM) {
            self.steps = self.steps.saturating_sub(1);
            self.since = (self.steps > 0).then(|| since + CALM);
        }
    }
}

/// The next outcome of the race, if there is one.
async fn outcome<D: Dial + 'static>(
    race: &mut Option<Races<D>>,
) -> Result<Connected, ConnectError> {
    match race {
        Some(race) => race.next().await,
        None => pending().await,
    }
}

fn watch<D: Dial + 'static>(ways: &Ways<D>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let way = ways.last();
    Box::pin(async move {
        match way {
            Some(way) => way.connector.dialer.moved().await,
            None => pending().await,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::sync::Mutex;

    use chat_core::transport::{DialError, Packets};
    use chat_core::trust::KnownPeers;
    use chat_core::wire::Framing;
    use chat_testkit::home;
    use tempfile::TempDir;
    use tokio::io::DuplexStream;
    use tokio::time::{advance, timeout};

    use super::*;
    use crate::connect::{Connector, Trust};

    const MINUTE: Duration = Duration::from_secs(60);

    /// A machine on which no server listens, and when it was called.
    #[derive(Clone, Default)]
    struct NoServer(Arc<Mutex<Vec<Instant>>>);

    impl Dial for NoServer {
        type Stream = DuplexStream;

        fn address(&self) -> String {
            "localhost:1".to_owned()
        }

        fn limit(&self) -> Duration {
            MINUTE
        }

        async fn dial(&self, _: Packets) -> Result<DuplexStream, DialError> {
            let mut dials = self.0.lock().expect("no panic");
            dials.push(Instant::now());
            assert!(dials.len() < 2_000, "without a pause");
            Err(DialError::Connect {
                address: self.address(),
                reason: ErrorKind::ConnectionRefused.into(),
            })
        }

        async fn moved(&self) {
            pending().await
        }
    }

    /// The way back to a server that is gone, which is given up after five minutes.
    fn way_back() -> (Reconnect<NoServer>, NoServer, TempDir) {
        let home = home();
        let server = NoServer::default();
        let connector = Connector {
            dialer: server.clone(),
            trust: Trust::Plain(KnownPeers::open(home.path()).expect("a home")),
            framing: Framing::Auto,
        };
        let ways = Arc::new(connector.into());
        let back = Reconnect::new(ways, Some(5 * MINUTE), false);
        (back, server, home)
    }

    /// Whether the peer is given up within this time.
    async fn gives_up(back: &mut Reconnect<NoServer>, within: Duration) -> bool {
        let given_up = async { while !matches!(back.next().await, Action::GiveUp(_)) {} };
        timeout(within, given_up).await.is_ok()
    }

    fn is_told(action: &Action, tries: u32) -> bool {
        let Action::Show(events) = action else {
            return false;
        };
        matches!(events[..], [Event::Connection(ConnectionStatus::Reconnecting(told))] if told == tries)
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_refuses_is_called_again_and_again_with_pauses() {
        let (mut back, server, _home) = way_back();
        assert!(is_told(&back.lost(None), 1));
        assert!(!gives_up(&mut back, 5 * MINUTE - FIRST_DELAY).await);
        assert!(gives_up(&mut back, 2 * FIRST_DELAY).await);
        let dials = server.0.lock().expect("no panic");
        let pauses = dials.windows(2).map(|dials| dials[1] - dials[0]);
        let allowed = Duration::from_millis(250)..Duration::from_millis(5_100);
        let other: Vec<_> = pauses.filter(|pause| !allowed.contains(pause)).collect();
        assert!(other.is_empty(), "{other:?}");
        assert!((60..1_200).contains(&dials.len()), "{}", dials.len());
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_counted_from_its_own_beginning() {
        let (mut back, _server, _home) = way_back();
        for _ in 0..3 {
            assert!(is_told(&back.lost(None), 1));
            assert!(!gives_up(&mut back, 4 * MINUTE).await);
            back.answered();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_doubt_in_vain_makes_the_next_connection_wait_longer() {
        let mut doubts = Doubts::default();
        let mut delays = Vec::new();
        for _ in 0..6 {
            delays.push(doubts.delay().as_millis());
            doubts.in_vain();
        }
        assert_eq!(delays, [0, 500, 1_500, 3_500, 3_500, 3_500]);
    }

    #[tokio::test(start_paused = true)]
    async fn calm_takes_the_delay_back_step_by_step() {
        let mut doubts = Doubts::default();
        doubts.in_vain();
        doubts.in_vain();
        let mut delays = Vec::new();
        for _ in 0..4 {
            delays.push(doubts.delay().as_millis());
            advance(CALM).await;
        }
        assert_eq!(delays, [1_500, 500, 0, 0]);
    }
}
