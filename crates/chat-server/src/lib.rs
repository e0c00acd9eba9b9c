//! Waits for calls and takes them, one at a time.

#![warn(unreachable_pub)]

mod accept;
mod limits;
mod listen;
mod queue;
mod registry;
mod serve;
mod waiting;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chat_core::driver::{CallConfig, Sink, Source};
use chat_core::transport::Stream;
use chat_core::wire::Name;
use tokio::task::JoinSet;
use tokio::time::sleep;

use accept::RejectReason;
use limits::{GuessLimiter, HandshakeLimiter, HandshakePermit, RateLimiter};
use queue::{CallQueue, QueueEvent};
use registry::SessionRegistry;
use serve::CallLoop;

pub use accept::Acceptor;
pub use listen::{Listen, bind, parse_address, reachable};

/// Pause after a failed accept, which is most often a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the person asked of the server.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name that the peer sees.
    pub name: Name,
    /// Callers who may wait while a call is on.
    pub backlog: usize,
    /// End after one call.
    pub once: bool,
    /// How this side behaves in a call.
    pub call_config: CallConfig,
    /// Whether a person at a terminal may give commands between the calls too.
    pub interactive: bool,
}

/// Takes calls from `listener` until the person quits, `shutdown` brings an exit code, or, with
/// `once`, the first call is over. Returns the exit code.
///
/// # Errors
/// The person's side failed.
pub async fn run<L, In, Out>(
    listener: L,
    acceptor: Acceptor,
    config: Config,
    source: &mut In,
    sink: &mut Out,
    shutdown: impl Future<Output = u8>,
) -> io::Result<u8>
where
    L: Listen + 'static,
    In: Source,
    Out: Sink,
{
    let (queue, events) = CallQueue::new(config.backlog);
    let registry = Arc::<SessionRegistry>::default();
    let keyring = acceptor.keyring.clone();
    let dispatcher = Dispatcher {
        acceptor,
        registry: Arc::clone(&registry),
        queue: Arc::clone(&queue),
    };
    // Dropped at the end, with all connections still being accepted.
    let mut accepting = JoinSet::new();
    accepting.spawn(accept(listener, Arc::new(dispatcher)));
    let call_loop = CallLoop {
        config,
        keyring,
        queue: Arc::clone(&queue),
        events,
        notices: RateLimiter::new(),
        guesses: GuessLimiter::new(),
        registry,
        source,
        sink,
        quitting: None,
    };
    let code = call_loop.serve(pin!(shutdown)).await;
    queue.close().await;
    code
}

/// Takes each connection from the listener to where it belongs.
struct Dispatcher {
    acceptor: Acceptor,
    registry: Arc<SessionRegistry>,
    queue: Arc<CallQueue>,
}

/// Accepts connections forever. Each gets a task, so that none can hold up the next.
async fn accept<L: Listen>(mut listener: L, dispatcher: Arc<Dispatcher>) {
    let limiter = Arc::<HandshakeLimiter>::default();
    let mut callers = JoinSet::new();
    loop {
        while callers.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, from)) => {
                let permit = limiter.begin(from);
                let dispatcher = Arc::clone(&dispatcher);
                callers.spawn(async move { dispatcher.dispatch(stream, from, permit).await });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Dispatcher {
    /// Takes one connection to its call or to the queue. `permit` ends with the handshake.
    async fn dispatch<S>(&self, stream: S, from: SocketAddr, permit: HandshakePermit)
    where
        S: Stream + 'static,
    {
        let accepted = permit.run(self.acceptor.accept(stream, from)).await;
        match accepted.unwrap_or(Err(RejectReason::Evicted)) {
            Ok(caller) => {
                tracing::info!(%from, security = ?caller.peer.security, "a caller");
                if let Some(caller) = self.registry.route(caller).await {
                    self.queue.enqueue(caller).await;
                }
            }
            Err(reason) => {
                tracing::info!(%from, %reason, "rejected a connection");
                if reason.concerns_person() {
                    self.queue.tell(QueueEvent::Refused(reason.to_string()));
                }
            }
        }
    }
}
