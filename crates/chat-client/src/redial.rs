//! Calling again after the connection was lost.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chat_core::protocol::Disconnect;
use tokio::time::{Instant, sleep};

use crate::connect::{ConnectError, Connected, Connector};
use crate::dial::Dial;

/// The first pause, which doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long it is tried: as long as a listener keeps the place of an interrupted call.
const GRACE: Duration = Duration::from_secs(5 * 60);

/// A machine that refuses this often in a row is up, but no longer runs the server; and with the
/// server the conversation is gone.
const REFUSALS: u32 = 5;

/// One try, under way.
pub type Attempt = Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>>;

/// The tries to have the call back, one after the other, until the peer answers.
#[derive(Debug)]
pub struct Redial {
    tries: u32,
    refusals: u32,
    since: Instant,
}

impl Redial {
    /// The connection was lost just now.
    pub fn new() -> Self {
        Self {
            tries: 0,
            refusals: 0,
            since: Instant::now(),
        }
    }

    /// The number of the try that comes next, from 1.
    pub fn number(&self) -> u32 {
        self.tries + 1
    }

    /// Pauses, then tries once.
    pub fn attempt<D: Dial + 'static>(&self, connector: &Arc<Connector<D>>) -> Attempt {
        let connector = Arc::clone(connector);
        let pause = pause(self.tries);
        Box::pin(async move {
            sleep(pause).await;
            connector.connect().await
        })
    }

    /// A try has failed. Answers why there should be no other, if so.
    pub fn failed(&mut self, error: &ConnectError) -> Option<Disconnect> {
        self.refusals = match error {
            ConnectError::Dial(error) if error.is_refusal() => self.refusals + 1,
            _ => 0,
        };
        let hopeless = self.refusals >= REFUSALS || error.is_another_peer();
        let over = self.try_is_over();
        (hopeless || over).then(|| Disconnect::Unreachable(error.to_string()))
    }

    /// A try has brought a connection, but it was lost before the peer answered. Answers why
    /// there should be no other, if so.
    pub fn unanswered(&mut self) -> Option<Disconnect> {
        self.refusals = 0;
        self.try_is_over().then_some(Disconnect::Silent(GRACE))
    }

    /// Counts a try. Answers whether it was the last.
    fn try_is_over(&mut self) -> bool {
        self.tries += 1;
        self.since.elapsed() >= GRACE
    }
}

/// Grows from try to try, and is never quite the same, so that many callers of one server
/// spread out.
fn pause(tries: u32) -> Duration {
    let pause = FIRST_PAUSE
        .saturating_mul(1 << tries.min(10))
        .min(LONGEST_PAUSE);
    pause.mul_f64(0.75 + fastrand::f64() / 2.0)
}
