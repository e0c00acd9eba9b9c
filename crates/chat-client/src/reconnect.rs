//! Reconnecting after the connection was lost.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chat_core::driver::{Action, Connected, RESUME_WINDOW};
use chat_core::protocol::{ConnectionStatus, Disconnect, Event};
use chat_core::transport::{ConnectError, Dial};
use chat_core::wire::Cookie;
use tokio::time::{Instant, sleep};

use crate::connect::Connector;

/// The first pause, which doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A machine that refuses this often in a row is up, but no longer runs the server; the session
/// is gone with it.
const MAX_REFUSALS: u32 = 5;

/// One attempt, under way.
type Attempt = Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>>;

/// Makes the connection of a call again, as often as it is lost.
pub(crate) struct Reconnect<D> {
    connector: Arc<Connector<D>>,
    /// What the server lets the next connection through by.
    cookie: Option<Cookie>,
    outage: Option<Outage>,
    attempt: Option<Attempt>,
}

/// The time since the peer was last known to be there.
struct Outage {
    attempts: u32,
    refusals: u32,
    since: Instant,
}

impl<D: Dial + 'static> Reconnect<D> {
    pub(crate) fn new(connector: Arc<Connector<D>>) -> Self {
        Self {
            connector,
            cookie: None,
            outage: None,
            attempt: None,
        }
    }

    /// The peer has answered on the present connection.
    pub(crate) fn answered(&mut self) {
        self.outage = None;
    }

    /// The connection was lost: makes another, unless it is one of many on which the peer has
    /// not answered.
    pub(crate) fn lost(&mut self, cookie: Option<Cookie>) -> Action {
        self.cookie = cookie;
        if let Some(outage) = &mut self.outage {
            outage.refusals = 0;
            if outage.count_attempt() {
                return Action::GiveUp(Disconnect::Silent(RESUME_WINDOW));
            }
        }
        self.try_again()
    }

    /// The peer does not know the session: calls for a new one, at once.
    pub(crate) fn begin_anew(&mut self) {
        self.cookie = None;
        self.outage.get_or_insert_with(Outage::new);
        let connector = Arc::clone(&self.connector);
        self.attempt = Some(Box::pin(async move { connector.connect_again(None).await }));
    }

    /// Waits for a new connection, or why there is none. Cancel safe.
    pub(crate) async fn next(&mut self) -> Action {
        let Some(attempt) = &mut self.attempt else {
            return pending().await;
        };
        let outcome = attempt.await;
        self.attempt = None;
        match outcome {
            Ok(connected) => Action::Resume(Box::new(connected)),
            Err(error) => match self
                .outage
                .as_mut()
                .is_some_and(|outage| outage.ends(&error))
            {
                true => Action::GiveUp(Disconnect::Unreachable(Box::new(error))),
                false => self.try_again(),
            },
        }
    }

    /// Starts the next attempt, after a pause.
    fn try_again(&mut self) -> Action {
        let outage = self.outage.get_or_insert_with(Outage::new);
        let pause = pause(outage.attempts);
        let connector = Arc::clone(&self.connector);
        let cookie = self.cookie;
        self.attempt = Some(Box::pin(async move {
            sleep(pause).await;
            connector.connect_again(cookie).await
        }));
        let status = ConnectionStatus::Reconnecting(outage.attempts + 1);
        Action::Show(vec![Event::Connection(status)])
    }
}

impl Outage {
    fn new() -> Self {
        Self {
            attempts: 0,
            refusals: 0,
            since: Instant::now(),
        }
    }

    /// An attempt has failed. Returns whether to give up.
    fn ends(&mut self, error: &ConnectError) -> bool {
        self.refusals = match error {
            ConnectError::Dial(error) if error.is_refusal() => self.refusals + 1,
            _ => 0,
        };
        let hopeless = self.refusals >= MAX_REFUSALS || error.is_another_peer();
        self.count_attempt() || hopeless
    }

    /// Counts an attempt. Returns whether it was the last.
    fn count_attempt(&mut self) -> bool {
        self.attempts += 1;
        self.since.elapsed() >= RESUME_WINDOW
    }
}

/// Exponential, with jitter, so that many callers of one server spread out.
fn pause(attempts: u32) -> Duration {
    let pause = FIRST_PAUSE
        .saturating_mul(1 << attempts.min(10))
        .min(LONGEST_PAUSE);
    pause.mul_f64(0.75 + fastrand::f64() / 2.0)
}
