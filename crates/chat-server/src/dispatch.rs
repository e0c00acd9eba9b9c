//! Takes each accepted connection to what it is for, as its first frame says.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chat_core::driver::Connected;
use chat_core::files::FileConnection;
use chat_core::journal::{Recorder, Seen};
use chat_core::transport::{ClientHello, Listen, Origin, Stream};
use chat_core::wire::{Control, MAX_LINE, Name, RefusalCode};
use chat_terminal::locale;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;

use crate::accept::{Acceptor, Arrival, RejectReason, SessionKey, hang_up};
use crate::limits::{HandshakeLimiter, HandshakePermit, RateLimiter};
use crate::on_call::OnCall;
use crate::queue::{CallQueue, Entry, QueueEvent, Seat};
use crate::registry::SessionRegistry;

/// Pause after a failed accept, which is most often a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a connection is for.
pub(crate) enum Purpose {
    /// It begins a call.
    Call,
    /// It resumes a call that is not on, and may have been recorded.
    Resumption,
    /// The present call goes on over it.
    Continuation(mpsc::Sender<Connected>),
    /// It is to learn that this side has hung up, with the last receipt.
    HangUp(Vec<Control>),
    /// Nothing here, for this reason.
    Nothing(RefusalCode),
}

/// The place of a connection that has one.
enum Place {
    Call(mpsc::Sender<Connected>, Connected),
    File(mpsc::Sender<FileConnection>, FileConnection),
    Queue(Seat),
}

/// Takes each connection from the listener to where it belongs.
pub(crate) struct Dispatcher {
    pub acceptor: Acceptor,
    pub registry: Arc<SessionRegistry>,
    pub queue: Arc<CallQueue>,
    /// Bounds what the person is told of callers who were refused. It takes no room from what
    /// they should know at once.
    pub traces: Mutex<RateLimiter>,
    /// How calls are recorded, if they are.
    pub recorder: Option<Recorder>,
    /// Told of each call.
    pub on_call: Option<OnCall>,
}

impl Dispatcher {
    /// Accepts connections forever, with so many handshakes at a time. Each gets a task, so that
    /// none can hold up the next.
    pub(crate) async fn accept<L: Listen>(self, mut listener: L, handshakes: usize) {
        let dispatcher = Arc::new(self);
        let limiter = HandshakeLimiter::new(handshakes);
        let mut callers = JoinSet::new();
        loop {
            while callers.try_join_next().is_some() {}
            match listener.accept().await {
                Ok((stream, origin)) => {
                    let permit = limiter.begin(&origin);
                    let dispatcher = Arc::clone(&dispatcher);
                    callers.spawn(async move { dispatcher.dispatch(stream, origin, permit).await });
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

    /// Takes one connection to its place. `permit` ends once it has one.
    async fn dispatch<S>(&self, stream: S, origin: Origin, permit: HandshakePermit)
    where
        S: Stream + 'static,
    {
        let from = origin.address.clone();
        let place = permit.run(self.place(stream, origin, &permit)).await;
        drop(permit);
        match place.unwrap_or(Err(RejectReason::Evicted)) {
            // If the call ends just now, so does the connection; the peer's next one learns why.
            Ok(Some(Place::Call(call, connected))) => drop(call.send(connected).await),
            // One too many is dropped; its peer tries again.
            Ok(Some(Place::File(call, file))) => drop(call.try_send(file)),
            Ok(Some(Place::Queue(seat))) => self.queue.keep(seat).await,
            Ok(None) => {}
            Err(reason) => {
                tracing::info!(%from, %reason, "rejected a connection");
                if let Some(notice) = reason.notice().or_else(|| self.trace(&reason, &from)) {
                    self.queue.tell(QueueEvent::Refused(notice));
                }
            }
        }
    }

    /// The trace of a caller who was refused, unless there were too many.
    fn trace(&self, reason: &RejectReason, from: &str) -> Option<String> {
        let trace = reason.trace(from)?;
        let mut limiter = self.traces.lock().unwrap_or_else(PoisonError::into_inner);
        Some(locale::text().with_unmentioned(trace, limiter.try_acquire()?))
    }

    /// Finds out where a connection belongs. One that belongs nowhere is told so and drained
    /// before this returns.
    ///
    /// The present call comes first: nothing that can fail on this machine stands before it.
    async fn place<S>(
        &self,
        stream: S,
        origin: Origin,
        permit: &HandshakePermit,
    ) -> Result<Option<Place>, RejectReason>
    where
        S: Stream + 'static,
    {
        let begun = |hello: &ClientHello<_>| {
            // Read once more when they are needed, they are there then.
            drop(self.acceptor.keyring.known.begin_load());
            let cookie = hello.cookie();
            permit.begun(cookie.is_some_and(|cookie| self.registry.has_cookie(cookie)));
        };
        let from = origin.address;
        let mut caller = match self.acceptor.accept(stream, &from, begun).await? {
            Arrival::Caller(caller) => *caller,
            Arrival::File(file, key) => match self.registry.call_of(&file, key) {
                Some(call) => return Ok(Some(Place::File(call, file))),
                None => {
                    file.refuse(RefusalCode::NoSession).await;
                    return Ok(None);
                }
            },
        };
        caller.connected.routes = origin.routes;
        tracing::info!(%from, security = ?caller.connected.peer.security, "a caller");
        let purpose = match self.registry.purpose(&caller) {
            Purpose::Resumption => self.recorded_purpose(caller.session_key()).await,
            purpose => purpose,
        };
        match purpose {
            Purpose::Call | Purpose::Resumption => {
                let caller = self.acceptor.admit(caller).await?;
                match self.queue.enter(caller) {
                    Entry::Seat(seat) => {
                        if let Some(on_call) = &self.on_call
                            && let Some(caller) = seat.newcomer()
                        {
                            on_call.run(&caller.connected.peer, caller.is_friend);
                        }
                        return Ok(Some(Place::Queue(seat)));
                    }
                    Entry::Full(caller) => caller.reject_busy(self.queue.waiting()).await,
                }
            }
            Purpose::Continuation(call) => {
                let mut connected = caller.connected;
                connected.connection.set_limit(MAX_LINE);
                return Ok(Some(Place::Call(call, connected)));
            }
            Purpose::HangUp(final_ack) => hang_up(caller.connected.connection, &final_ack).await,
            Purpose::Nothing(code) => caller.connected.connection.refuse(code).await,
        }
        Ok(None)
    }

    /// What a connection is for that resumes a call of which only a journal can know.
    async fn recorded_purpose(&self, session_key: Option<SessionKey>) -> Purpose {
        let (Some(recorder), Some(session_key)) = (&self.recorder, session_key) else {
            return Purpose::Nothing(RefusalCode::NoSession);
        };
        let SessionKey { key, session } = session_key;
        match recorder.look_up(key, session).await {
            Ok(Seen::Open) => Purpose::Resumption,
            Ok(Seen::Ended(state)) => {
                Purpose::HangUp(state.final_ack(&Name::of_account(String::new())))
            }
            Ok(Seen::Nothing) => Purpose::Nothing(RefusalCode::NoSession),
            Err(error) => {
                tracing::warn!(%error, "a journal cannot be read");
                Purpose::Nothing(RefusalCode::NoSession)
            }
        }
    }
}
