//! Waits for calls and takes them, one at a time.

#![warn(unreachable_pub)]

mod accept;
mod answering;
mod call;
mod dispatch;
mod idle;
mod limits;
mod machine_call;
mod on_call;
mod queue;
mod reachable;
mod registry;
mod serve;
pub mod service;
mod waiting;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat_core::driver::{CallConfig, Sink, Source};
use chat_core::files::FileConfig;
use chat_core::journal::Recorder;
use chat_core::transport::{Listen, RelayStatus};
use chat_core::wire::Name;
use chat_terminal::locale;
use tokio::sync::watch;
use tokio::task::JoinSet;

use dispatch::Dispatcher;
use limits::{GuessLimiter, RateLimiter, StrangerLimiter};
use on_call::OnCall;
use queue::{CallQueue, QueueEvent};
use registry::SessionRegistry;
use serve::CallLoop;

pub use accept::Acceptor;
pub use limits::raise_descriptor_limit;
pub use reachable::reachable;

/// This many notices about callers may be shown at once, because anybody can cause any number.
const NOTICE_BURST: u32 = 10;

/// After that, one in this time.
const NOTICE_EVERY: Duration = Duration::from_secs(10);

/// This many traces of refused callers may be shown at once.
const TRACE_BURST: u32 = 3;

/// After that, one in this time.
const TRACE_EVERY: Duration = Duration::from_secs(60);

/// What the person asked of the server.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name that the peer sees.
    pub name: Name,
    /// Callers who may wait while a call is on.
    pub backlog: usize,
    /// Whether strangers ring, and are connected only when the person answers.
    pub ring: bool,
    /// What callers hear when nobody answers, and may leave messages then.
    pub answer: Option<String>,
    /// The program to run when a call comes.
    pub on_call: Option<PathBuf>,
    /// End after one call.
    pub once: bool,
    /// How long the place of a call is kept while its connection is lost.
    pub give_up_after: Duration,
    /// How this side behaves in a call.
    pub call_config: CallConfig,
    /// How files are handled.
    pub files: FileConfig,
    /// Whether files of strangers are handled like those of others.
    pub files_from_anyone: bool,
    /// Whether a person at a terminal may give commands between the calls too.
    pub interactive: bool,
    /// How calls with people who have a key are recorded; `None` if they are not.
    pub recorder: Option<Recorder>,
    /// What becomes of the relay at which this side waits, if it does.
    pub relay: Option<watch::Receiver<RelayStatus>>,
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
        traces: Mutex::new(RateLimiter::new(TRACE_BURST, TRACE_EVERY)),
        recorder: config.recorder.clone(),
        on_call: config.on_call.clone().map(OnCall::new),
    };
    // Dropped at the end, with all connections still being accepted.
    let mut accepting = JoinSet::new();
    let handshakes = limits::handshakes(config.backlog);
    accepting.spawn(dispatcher.accept(listener, handshakes));
    if let Some(relay) = config.relay.clone() {
        accepting.spawn(tell_of_relay(relay, Arc::clone(&queue)));
    }
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
        taken_over: None,
        has_messages: false,
        tally: Arc::default(),
        quitting: None,
    };
    let code = call_loop.serve(pin!(shutdown)).await;
    queue.close().await;
    code
}

/// Tells the person when the relay is gone, and when it is there again.
async fn tell_of_relay(mut relay: watch::Receiver<RelayStatus>, queue: Arc<CallQueue>) {
    while relay.changed().await.is_ok() {
        let notice = locale::text().relay_status(&relay.borrow_and_update());
        queue.tell(QueueEvent::Relay(notice));
    }
}
