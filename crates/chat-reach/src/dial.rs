//! Calling somebody at a relay.

use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chat_core::transport::{Dial, DialError, Packets, Route, Routes, roamed};
use chat_core::trust::{Number, PublicKey};
use iroh::{EndpointAddr, EndpointId};
use tokio::sync::{OnceCell, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::endpoint::{ALPN, Endpoint, Purpose, ReachError};
use crate::relay::Relay;
use crate::stream::ReachStream;

/// How long a further stream may take to be made, and so many times as long as the fastest has taken
/// more. Then the endpoint is at fault: it looks for a relay that was gone less and less often.
const PATIENCE: Duration = Duration::from_secs(3);
const PATIENCE_FACTOR: u32 = 4;

/// Calls one peer by way of a relay. Clones share what they learn of the way.
#[derive(Clone)]
pub struct ReachDialer {
    peer: EndpointId,
    relay: Relay,
    address: String,
    limit: Duration,
    line: Arc<Mutex<Arc<Line>>>,
    /// How long the fastest stream took to be made.
    fastest: Arc<Mutex<Option<Duration>>>,
    route: watch::Sender<Route>,
}

/// An endpoint that serves one stream after the other, until it is in doubt.
#[derive(Default)]
struct Line {
    endpoint: OnceCell<Arc<Endpoint>>,
    /// How many streams were made.
    made: AtomicU64,
}

impl ReachDialer {
    /// Calls `number`; all of it may take as long as `limit`.
    ///
    /// # Errors
    /// Nobody can have this number.
    pub fn new(number: &Number, limit: Duration) -> Result<Self, ReachError> {
        let PublicKey(key) = number.key;
        Ok(Self {
            peer: EndpointId::from_bytes(&key).map_err(|_| ReachError::Key)?,
            relay: number.relay.parse()?,
            address: number.to_string(),
            limit,
            line: Arc::default(),
            fastest: Arc::default(),
            route: watch::Sender::new(Route::Relayed),
        })
    }

    /// Ends what is still under way, once nobody needs it.
    pub async fn close(&self) {
        let line = Arc::clone(&self.line());
        if let Some(endpoint) = line.endpoint.get() {
            endpoint.close().await;
        }
    }

    fn line(&self) -> MutexGuard<'_, Arc<Line>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fastest(&self) -> MutexGuard<'_, Option<Duration>> {
        self.fastest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever dials next uses another endpoint: nothing of what this one knows of the network may
    /// be true any more.
    fn hang_up(&self, line: &Arc<Line>) {
        let mut present = self.line();
        if Arc::ptr_eq(&present, line) {
            *present = Arc::default();
        }
    }

    async fn connect(&self, line: &Line) -> Result<ReachStream, DialError> {
        let bind = async {
            let bound = Endpoint::bind(&self.relay, Purpose::Dial).await;
            bound.map(Arc::new).map_err(|error| self.failure(error))
        };
        let endpoint = line.endpoint.get_or_try_init(|| bind).await?;
        let mut address = EndpointAddr::new(self.peer);
        if let Relay::Own(url) = &self.relay {
            address = address.with_relay_url(url.clone());
        }
        let connection = tokio::select! {
            connected = endpoint.connect(address, ALPN) => {
                connected.map_err(|error| self.failure(error))?
            }
            error = self.relay_fails(endpoint) => return Err(error),
        };
        let streams = connection.open_bi().await;
        let streams = streams.map_err(|error| self.failure(error))?;
        Ok(ReachStream::new(Arc::clone(endpoint), connection, streams))
    }

    /// Waits until it is plain that the relay is not there. That is told a little before time is up,
    /// when all that could be told were that nobody has answered.
    async fn relay_fails(&self, endpoint: &Endpoint) -> DialError {
        sleep(self.limit * 4 / 5).await;
        let Some(reason) = endpoint.relay_error() else {
            return pending().await;
        };
        DialError::Relay {
            relay: self.relay.to_string(),
            reason,
        }
    }

    fn failure(&self, error: impl std::error::Error + Send + Sync + 'static) -> DialError {
        DialError::Connect {
            address: self.address.clone(),
            reason: io::Error::other(error),
        }
    }
}

impl Dial for ReachDialer {
    type Stream = ReachStream;

    fn address(&self) -> String {
        self.address.clone()
    }

    fn limit(&self) -> Duration {
        self.limit
    }

    /// QUIC finds out by itself how large packets may be (RFC 8899).
    async fn dial(&self, _: Packets) -> Result<ReachStream, DialError> {
        let line = Arc::clone(&self.line());
        let _attempt = Attempt {
            dialer: self,
            line: &line,
            made: line.made.load(Ordering::Relaxed),
        };
        let fastest = *self.fastest();
        let patience = fastest.map(|fastest| PATIENCE + PATIENCE_FACTOR * fastest);
        let limit = patience.map_or(self.limit, |patience| patience.min(self.limit));
        let begun = Instant::now();
        let Ok(dialed) = timeout(limit, self.connect(&line)).await else {
            return Err(DialError::Timeout {
                address: self.address(),
                limit,
            });
        };
        let stream = dialed?;
        *self.fastest() = Some(fastest.map_or(begun.elapsed(), |last| last.min(begun.elapsed())));
        line.made.fetch_add(1, Ordering::Relaxed);
        stream.tell(self.route.clone());
        Ok(stream)
    }

    fn routes(&self) -> Option<Routes> {
        Some(self.route.subscribe())
    }

    async fn moved(&self) {
        roamed().await;
        let line = Arc::clone(&self.line());
        self.hang_up(&line);
    }
}

/// A stream that is being made. If it is not, nor any other meanwhile, the line is at fault.
struct Attempt<'a> {
    dialer: &'a ReachDialer,
    line: &'a Arc<Line>,
    made: u64,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.line.made.load(Ordering::Relaxed) == self.made {
            self.dialer.hang_up(self.line);
        }
    }
}
