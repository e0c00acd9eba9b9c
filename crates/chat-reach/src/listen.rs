//! Waiting at a relay.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use chat_core::transport::{Listen, Origin, Route, roamed};
use chat_core::trust::{Number, PublicKey};
use iroh::SecretKey;
use iroh::endpoint::Incoming;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::endpoint::{Endpoint, Purpose, ReachError};
use crate::relay::Relay;
use crate::stream::ReachStream;

/// How long a caller may take to open its stream.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// So many callers may be at that; one more is refused.
const MOST_HANDSHAKES: usize = 64;

/// Takes calls that come by way of a relay, or straight from who found the way there.
pub struct ReachListener {
    arrivals: mpsc::Receiver<ReachStream>,
    number: Number,
    /// Ends with this.
    _tasks: JoinSet<()>,
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
        let endpoint = Arc::new(Endpoint::bind(relay, Purpose::Listen(key)).await?);
        let (arrive, arrivals) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(Arc::clone(&endpoint), arrive));
        tasks.spawn(follow(endpoint));
        Ok(Self {
            arrivals,
            number: Number::new(public_key, &relay.to_string())?,
            _tasks: tasks,
        })
    }

    /// What others dial.
    pub fn number(&self) -> Number {
        self.number.clone()
    }
}

impl Listen for ReachListener {
    type Stream = ReachStream;

    async fn accept(&mut self) -> io::Result<(ReachStream, Origin)> {
        match self.arrivals.recv().await {
            // The key of a caller's endpoint is made up, and its address may be the relay's.
            Some(stream) => {
                let (route, routes) = watch::channel(Route::Relayed);
                stream.tell(route);
                let origin = Origin {
                    address: self.number.relay.clone(),
                    networks: ["reach"; 3].map(str::to_owned),
                    routes: Some(routes),
                };
                Ok((stream, origin))
            }
            None => pending().await,
        }
    }
}

/// Takes callers in, each in a task of its own: none can hold up the next.
async fn accept(endpoint: Arc<Endpoint>, arrive: mpsc::Sender<ReachStream>) {
    let mut handshakes = JoinSet::new();
    while let Some(caller) = endpoint.accept().await {
        while handshakes.try_join_next().is_some() {}
        if handshakes.len() >= MOST_HANDSHAKES {
            caller.refuse();
            continue;
        }
        let (arrive, endpoint) = (arrive.clone(), Arc::clone(&endpoint));
        handshakes.spawn(async move {
            match timeout(HANDSHAKE_TIMEOUT, open(endpoint, caller)).await {
                // It fails when nobody waits any more.
                Ok(Ok(stream)) => drop(arrive.send(stream).await),
                Ok(Err(error)) => tracing::debug!(%error, "a caller did not come through"),
                Err(_) => tracing::debug!("a caller took too long"),
            }
        });
    }
}

async fn open(endpoint: Arc<Endpoint>, caller: Incoming) -> io::Result<ReachStream> {
    let connection = caller.await.map_err(io::Error::other)?;
    let streams = connection.accept_bi().await?;
    Ok(ReachStream::new(endpoint, connection, streams))
}

/// Looks for the ways to this machine anew when it has moved or slept.
async fn follow(endpoint: Arc<Endpoint>) {
    loop {
        roamed().await;
        endpoint.network_change().await;
    }
}
