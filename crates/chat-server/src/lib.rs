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
use chat_core::transport::{ClientHello, Stream};
use chat_core::wire::Name;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;

use accept::RejectReason;
use limits::{GuessLimiter, HandshakeLimiter, HandshakePermit, RateLimiter, StrangerLimiter};
use queue::{CallQueue, Entry, QueueEvent, Seat};
use registry::{Destination, NewConnection, SessionRegistry};
use serve::CallLoop;

pub use accept::Acceptor;
pub use limits::raise_descriptor_limit;
pub use listen::{Listen, bind, parse_address, reachable};

/// Pause after a failed accept, which is most often a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// This many notices about callers may be shown at once, because anybody can cause any number.
const NOTICE_BURST: u32 = 10;

/// After that, one in this time.
const NOTICE_EVERY: Duration = Duration::from_secs(10);

/// What the person asked of the server.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name that the peer sees.
    pub name: Name,
    /// Callers who may wait while a call is on.
    pub backlog: usize,
    /// Whether strangers ring, and are connected only when the person answers.
    pub ring: bool,
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
        backlog: config.backlog,
    };
    // Dropped at the end, with all connections still being accepted.
    let mut accepting = JoinSet::new();
    accepting.spawn(accept(listener, Arc::new(dispatcher)));
    let call_loop = CallLoop {
        config,
        keyring,
        queue: Arc::clone(&queue),
        events,
        notices: RateLimiter::new(NOTICE_BURST, NOTICE_EVERY),
        strangers: StrangerLimiter::new(),
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
    /// Callers who may wait.
    backlog: usize,
}

/// Accepts connections forever. Each gets a task, so that none can hold up the next.
async fn accept<L: Listen>(mut listener: L, dispatcher: Arc<Dispatcher>) {
    let limiter = HandshakeLimiter::new(limits::handshakes(dispatcher.backlog));
    let mut callers = JoinSet::new();
    loop {
        while callers.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, from)) => {
                let permit = limiter.begin(from);
                let dispatcher = Arc::clone(&dispatcher);
                callers.spawn(async move { dispatcher.dispatch(stream, from, permit).await });
                // Whoever was evicted gives its descriptor back before the next one comes.
                yield_now().await;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The place of a caller.
enum Place {
    Call(mpsc::Sender<NewConnection>, NewConnection),
    Queue(Seat),
    /// It has none, and was told so.
    Nowhere,
}

impl Dispatcher {
    /// Takes one connection to its call or to the queue. `permit` ends once it has its place.
    async fn dispatch<S>(&self, stream: S, from: SocketAddr, permit: HandshakePermit)
    where
        S: Stream + 'static,
    {
        let place = permit.run(self.place(stream, from, &permit)).await;
        drop(permit);
        match place.unwrap_or(Err(RejectReason::Evicted)) {
            // If the call ends just now, so does the connection; the peer's next one learns why.
            Ok(Place::Call(call, connection)) => drop(call.send(connection).await),
            Ok(Place::Queue(seat)) => self.queue.keep(seat).await,
            Ok(Place::Nowhere) => {}
            Err(reason) => {
                tracing::info!(%from, %reason, "rejected a connection");
                if let Some(notice) = reason.notice() {
                    self.queue.tell(QueueEvent::Refused(notice));
                }
            }
        }
    }

    /// Finds out where a connection belongs. One that belongs nowhere is told so and drained
    /// before this returns.
    ///
    /// The present call comes first: nothing that can fail on this machine stands before it.
    async fn place<S>(
        &self,
        stream: S,
        from: SocketAddr,
        permit: &HandshakePermit,
    ) -> Result<Place, RejectReason>
    where
        S: Stream + 'static,
    {
        let begun = |hello: &ClientHello<_>| {
            let cookie = hello.cookie();
            permit.begun(cookie.is_some_and(|cookie| self.registry.has_cookie(cookie)));
        };
        let caller = self.acceptor.accept(stream, from, begun).await?;
        tracing::info!(%from, security = ?caller.peer.security, "a caller");
        let caller = match self.registry.route(caller).await {
            Destination::Call(call, connection) => return Ok(Place::Call(call, connection)),
            Destination::Queue(caller) => self.acceptor.admit(caller).await?,
            Destination::Nowhere => return Ok(Place::Nowhere),
        };
        match self.queue.enter(caller) {
            Entry::Seat(seat) => Ok(Place::Queue(seat)),
            Entry::Full(caller) => {
                caller.reject_busy(self.queue.waiting()).await;
                Ok(Place::Nowhere)
            }
        }
    }
}
