//! Reconnecting after the connection was lost.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chat_core::protocol::Disconnect;
use chat_core::transport::ConnectError;
use chat_core::wire::Cookie;
use tokio::time::{Instant, sleep};

use crate::connect::{Connected, Connector};
use crate::dial::Dial;

/// The first pause, which doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long to keep trying: as long as a listener lets an interrupted call be resumed.
const RESUME_WINDOW: Duration = Duration::from_secs(5 * 60);

/// A machine that refuses this often in a row is up, but no longer runs the server; the session
/// is gone with it.
const MAX_REFUSALS: u32 = 5;

/// One attempt, under way.
pub(crate) type Attempt = Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>>;

/// The attempts to reconnect, one after the other, until the peer answers.
#[derive(Debug)]
pub(crate) struct Reconnect {
    attempts: u32,
    refusals: u32,
    since: Instant,
}

impl Reconnect {
    /// The connection was lost just now.
    pub(crate) fn new() -> Self {
        Self {
            attempts: 0,
            refusals: 0,
            since: Instant::now(),
        }
    }

    /// The number of the next attempt, from 1.
    pub(crate) fn next_number(&self) -> u32 {
        self.attempts + 1
    }

    /// Pauses, then connects once with the call's cookie.
    pub(crate) fn attempt<D: Dial + 'static>(
        &self,
        connector: &Arc<Connector<D>>,
        cookie: Option<Cookie>,
    ) -> Attempt {
        let connector = Arc::clone(connector);
        let pause = pause(self.attempts);
        Box::pin(async move {
            sleep(pause).await;
            connector.connect_again(cookie).await
        })
    }

    /// An attempt has failed. Returns why to give up, if so.
    pub(crate) fn failed(&mut self, error: ConnectError) -> Option<Disconnect> {
        self.refusals = match &error {
            ConnectError::Dial(error) if error.is_refusal() => self.refusals + 1,
            _ => 0,
        };
        let hopeless = self.refusals >= MAX_REFUSALS || error.is_another_peer();
        let over = self.count_attempt();
        (hopeless || over).then(|| Disconnect::Unreachable(Box::new(error)))
    }

    /// An attempt has succeeded, but the connection was lost before the peer answered. Returns
    /// why to give up, if so.
    pub(crate) fn unanswered(&mut self) -> Option<Disconnect> {
        self.refusals = 0;
        self.count_attempt()
            .then_some(Disconnect::Silent(RESUME_WINDOW))
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
