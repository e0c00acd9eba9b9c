//! Waiting at a relay.

use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chat_core::transport::{Listen, Origin, RelayStatus, Route, Routes, roamed};
use chat_core::trust::{Number, PublicKey};
use iroh::endpoint::{self, Incoming};
use iroh::{SecretKey, Watcher};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::endpoint::{Endpoint, Purpose, ReachError};
use crate::relay::Relay;
use crate::stream::ReachStream;

/// How long a caller may take to open its stream.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// So many callers may be at that; one more is refused.
const MOST_HANDSHAKES: usize = 64;

/// How long a relay may be gone before it is looked for anew: an endpoint does that by itself too,
/// but less and less often. At least so long, and the most until it is known how long it takes to
/// find it; a network without UDP takes seconds.
const LEAST_PATIENCE: Duration = Duration::from_secs(2);
const MOST_PATIENCE: Duration = Duration::from_secs(15);

/// A relay that is gone for so long is one that the person should know of.
const TELL_AFTER: Duration = Duration::from_secs(5);

/// Takes calls that come by way of a relay, or straight from who found the way there.
pub struct ReachListener {
    arrivals: mpsc::Receiver<(ReachStream, Routes)>,
    number: Number,
    status: watch::Receiver<RelayStatus>,
    /// Ends with this.
    _waiting: JoinSet<()>,
}

impl ReachListener {
    /// Waits at `relay` under the Ed25519 key that has this seed (RFC 8032, section 5.1.5), whether
    /// or not the relay is there now.
    ///
    /// # Errors
    /// No endpoint can be made.
    pub async fn bind(relay: &Relay, seed: &[u8; 32]) -> Result<Self, ReachError> {
        let key = SecretKey::from_bytes(seed);
        let public_key = PublicKey(*key.public().as_bytes());
        let (arrive, arrivals) = mpsc::channel(1);
        let (status, told) = watch::channel(RelayStatus {
            relay: relay.to_string(),
            gone: None,
        });
        let wait = Wait {
            relay: relay.clone(),
            key,
            arrive,
            status,
            calls: Arc::default(),
        };
        let endpoint = wait.bind().await?;
        let mut waiting = JoinSet::new();
        waiting.spawn(wait.run(endpoint));
        Ok(Self {
            arrivals,
            number: Number::new(public_key, &relay.to_string())?,
            status: told,
            _waiting: waiting,
        })
    }

    /// What others dial.
    pub fn number(&self) -> Number {
        self.number.clone()
    }

    /// Whether the relay is there: told once it has been gone for 5 s, and when it is there again.
    pub fn status(&self) -> watch::Receiver<RelayStatus> {
        self.status.clone()
    }
}

impl Listen for ReachListener {
    type Stream = ReachStream;

    async fn accept(&mut self) -> io::Result<(ReachStream, Origin)> {
        let Some((stream, routes)) = self.arrivals.recv().await else {
            return pending().await;
        };
        // The key of a caller's endpoint is made up, and its address may be the relay's.
        let origin = Origin {
            address: self.number.relay.clone(),
            networks: ["reach"; 3].map(str::to_owned),
            routes: Some(routes),
        };
        Ok((stream, origin))
    }
}

/// Waits at a relay, with one endpoint after the other.
struct Wait {
    relay: Relay,
    key: SecretKey,
    arrive: mpsc::Sender<(ReachStream, Routes)>,
    status: watch::Sender<RelayStatus>,
    calls: Arc<Calls>,
}

/// The routes of the streams that there are.
#[derive(Default)]
struct Calls(Mutex<Vec<Routes>>);

impl Calls {
    fn add(&self, routes: Routes) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.retain(|routes| routes.has_changed().is_ok());
        calls.push(routes);
    }

    fn is_any_direct(&self) -> bool {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_direct =
            |routes: &Routes| routes.has_changed().is_ok() && *routes.borrow() == Route::Direct;
        calls.iter().any(is_direct)
    }
}

impl Wait {
    async fn bind(&self) -> Result<Arc<Endpoint>, ReachError> {
        let purpose = Purpose::Listen(&self.key);
        Ok(Arc::new(Endpoint::bind(&self.relay, purpose).await?))
    }

    async fn run(self, mut endpoint: Arc<Endpoint>) {
        let mut patience = MOST_PATIENCE;
        let mut last_there = Instant::now();
        loop {
            tokio::select! {
                () = self.accept(&endpoint) => return,
                () = self.tell(&endpoint, &mut last_there) => {}
                () = follow(&endpoint) => {}
                () = self.relay_is_gone(&endpoint, &mut patience) => {}
            }
            // Two under one key would be in each other's way at the relay.
            endpoint.close().await;
            endpoint = loop {
                match self.bind().await {
                    Ok(endpoint) => break endpoint,
                    Err(error) => tracing::warn!(%error, "cannot wait at the relay"),
                }
                sleep(LEAST_PATIENCE).await;
            };
        }
    }

    /// Takes callers in, each in a task of its own: none can hold up the next.
    async fn accept(&self, endpoint: &Arc<Endpoint>) {
        let mut handshakes = JoinSet::new();
        while let Some(caller) = endpoint.accept().await {
            while handshakes.try_join_next().is_some() {}
            if handshakes.len() >= MOST_HANDSHAKES {
                caller.refuse();
                continue;
            }
            let (arrive, calls) = (self.arrive.clone(), Arc::clone(&self.calls));
            let opening = timeout(HANDSHAKE_TIMEOUT, open(Arc::clone(endpoint), caller));
            handshakes.spawn(async move {
                let opened = opening.await.unwrap_or_else(|late| Err(late.into()));
                match opened {
                    Ok(stream) => {
                        let (route, routes) = watch::channel(Route::Relayed);
                        stream.tell(route);
                        calls.add(routes.clone());
                        // It fails when nobody waits any more.
                        drop(arrive.send((stream, routes)).await);
                    }
                    Err(error) => tracing::debug!(%error, "a caller did not come through"),
                }
            });
        }
    }

    /// Keeps telling whether the relay is there.
    async fn tell(&self, endpoint: &Endpoint, last_there: &mut Instant) {
        let mut status = endpoint.home_relay_status();
        loop {
            let there = until(&mut status, true);
            if timeout_at(*last_there + TELL_AFTER, there).await.is_err() {
                self.is_gone(endpoint.relay_error());
                until(&mut status, true).await;
            }
            self.is_gone(None);
            until(&mut status, false).await;
            *last_there = Instant::now();
        }
    }

    /// Tells why the relay is not there, or that it is, to whoever was told something else.
    fn is_gone(&self, reason: Option<io::Error>) {
        self.status.send_if_modified(|status| {
            let is_news = status.gone.is_some() != reason.is_some();
            if is_news {
                status.gone = reason;
            }
            is_news
        });
    }

    /// Waits until the relay is gone for too long, and no call goes on without it.
    async fn relay_is_gone(&self, endpoint: &Endpoint, patience: &mut Duration) {
        let mut status = endpoint.home_relay_status();
        loop {
            let begun = Instant::now();
            let there = timeout(*patience, until(&mut status, true)).await;
            if there.is_ok() {
                tracing::info!(after = ?begun.elapsed(), "the relay is there");
                *patience = (2 * begun.elapsed()).clamp(LEAST_PATIENCE, MOST_PATIENCE);
                until(&mut status, false).await;
                tracing::info!("the relay is gone");
            } else if !self.calls.is_any_direct() {
                return;
            }
        }
    }
}

/// Waits until a relay is there, or none.
async fn until(status: &mut impl Watcher<Value = Vec<endpoint::RelayStatus>>, there: bool) {
    let is_connected = endpoint::RelayStatus::is_connected;
    while status.get().iter().any(is_connected) != there {
        if status.updated().await.is_err() {
            return pending().await;
        }
    }
}

async fn open(endpoint: Arc<Endpoint>, caller: Incoming) -> io::Result<ReachStream> {
    let connection = caller.await.map_err(io::Error::other)?;
    let streams = connection.accept_bi().await?;
    Ok(ReachStream::new(endpoint, connection, streams))
}

/// Looks for the ways to this machine anew when it has moved or slept.
async fn follow(endpoint: &Endpoint) {
    loop {
        roamed().await;
        endpoint.network_change().await;
    }
}
