//! The queue of callers who wait while a call is on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chat_core::protocol::Peer;
use chat_core::trust::Fingerprint;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use crate::accept::{Caller, PeerHello, SessionKey};
use crate::waiting::wait;

/// How long waiting callers may take to leave when the queue is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Events that nobody has read yet; more are dropped, because strangers can cause any number.
const EVENT_BUFFER: usize = 32;

/// What the person may want to know of the queue.
#[derive(Debug)]
pub(crate) enum QueueEvent {
    /// A caller waits.
    Arrived(Peer),
    /// A caller no longer waits.
    Left(Peer),
    /// A caller was told that this side is busy.
    TurnedAway(Peer),
    /// A caller was refused, for a reason that the person should know.
    Refused(String),
}

/// A queue of callers, each kept by a task of its own that notices when it hangs up.
#[derive(Debug)]
pub(crate) struct CallQueue {
    capacity: usize,
    state: Mutex<State>,
    arrived: Notify,
    /// Tells waiting callers that the queue has changed. Each of them subscribes.
    changed: watch::Sender<()>,
    events: mpsc::Sender<QueueEvent>,
}

#[derive(Debug, Default)]
struct State {
    tickets: VecDeque<Ticket>,
    next_number: u64,
    /// The person is ready for the next caller, which therefore needs no capacity.
    idle: bool,
    /// Nobody takes calls any more.
    closed: bool,
}

#[derive(Debug)]
struct Ticket {
    number: u64,
    arrived: Instant,
    peer: Peer,
    session_key: Option<SessionKey>,
    /// Takes the caller out of the queue.
    call: oneshot::Sender<oneshot::Sender<Caller>>,
}

impl Ticket {
    /// Whether both are for the same session of the same caller.
    fn is_of(&self, other: &Self) -> bool {
        self.session_key.is_some() && self.session_key == other.session_key
    }
}

impl CallQueue {
    /// A queue in which `capacity` callers may wait, and its events.
    pub(crate) fn new(capacity: usize) -> (Arc<Self>, mpsc::Receiver<QueueEvent>) {
        let (events, unread) = mpsc::channel(EVENT_BUFFER);
        let queue = Self {
            capacity,
            state: Mutex::default(),
            arrived: Notify::new(),
            changed: watch::Sender::new(()),
            events,
        };
        (Arc::new(queue), unread)
    }

    /// How many callers wait.
    pub(crate) fn waiting(&self) -> usize {
        self.state().tickets.len()
    }

    /// Whether the owner of this key waits, and arrived after that moment.
    pub(crate) fn has_newer(&self, key: Fingerprint, moment: Instant) -> bool {
        let state = self.state();
        let mut later = state
            .tickets
            .iter()
            .filter(|ticket| ticket.arrived > moment);
        later.any(|ticket| {
            ticket
                .session_key
                .is_some_and(|session_key| session_key.key == key)
        })
    }

    /// The next caller, in order of arrival. Cancel safe, except that a caller just being handed
    /// over is disconnected.
    pub(crate) async fn next(&self) -> Caller {
        loop {
            let Some(ticket) = self.first() else {
                self.arrived.notified().await;
                continue;
            };
            let (slot, caller) = oneshot::channel();
            // It may have given up just now.
            if ticket.call.send(slot).is_ok()
                && let Ok(caller) = caller.await
            {
                return caller;
            }
        }
    }

    /// Takes the first ticket. While there is none, the next caller need not wait; those who
    /// come while that one is being handed over have to.
    fn first(&self) -> Option<Ticket> {
        let mut state = self.state();
        let ticket = state.tickets.pop_front();
        state.idle = ticket.is_none();
        drop(state);
        self.changed.send_replace(());
        ticket
    }

    /// Keeps a caller until its turn comes or it hangs up; rejects it if the queue is full.
    pub(crate) async fn enqueue(&self, mut caller: Caller) {
        let (call, mut called) = oneshot::channel();
        let changed = self.changed.subscribe();
        let Some((number, waits)) = self.add(&caller, call) else {
            self.tell(QueueEvent::TurnedAway(caller.peer.clone()));
            return caller.reject_busy(self.waiting()).await;
        };
        tokio::select! {
            slot = &mut called => match slot {
                // The person may have left in the meantime.
                Ok(slot) => drop(slot.send(caller)),
                Err(_) if self.state().closed => caller.reject_closed().await,
                // It has reconnected, and the new connection has its ticket.
                Err(_) => {}
            },
            // One that is served at once may only listen, and must not be checked for pings.
            () = wait(&mut caller, || self.ahead(number), changed.clone()), if waits => {
                self.remove(number);
            }
        }
    }

    /// Nobody takes calls any more: tells waiting callers, and lets them leave, for at most 1 s.
    pub(crate) async fn close(&self) {
        {
            let mut state = self.state();
            state.closed = true;
            state.tickets.clear();
        }
        if timeout(CLOSE_TIMEOUT, self.changed.closed()).await.is_err() {
            tracing::debug!("a waiting caller did not leave in time");
        }
    }

    /// Adds a ticket. Returns its number and whether the caller has to wait; `None` if full.
    fn add(
        &self,
        caller: &Caller,
        call: oneshot::Sender<oneshot::Sender<Caller>>,
    ) -> Option<(u64, bool)> {
        let mut state = self.state();
        if state.closed {
            // A number without a ticket: the caller is told that the queue is closed.
            return Some((state.next_number, false));
        }
        let waits = !state.idle || !state.tickets.is_empty();
        let number = state.next_number;
        let mut ticket = Ticket {
            number,
            arrived: Instant::now(),
            peer: caller.peer.clone(),
            session_key: caller.peer_hello.as_ref().and_then(PeerHello::session_key),
            call,
        };
        let mut tickets = state.tickets.iter_mut();
        // A caller that reconnects keeps its place; its old connection ends.
        if let Some(place) = tickets.find(|other| other.is_of(&ticket)) {
            ticket.arrived = place.arrived;
            *place = ticket;
            state.next_number += 1;
            return Some((number, true));
        }
        if state.tickets.len() >= self.capacity + usize::from(state.idle) {
            return None;
        }
        state.next_number += 1;
        state.tickets.push_back(ticket);
        drop(state);
        self.arrived.notify_one();
        if waits {
            self.tell(QueueEvent::Arrived(caller.peer.clone()));
        }
        Some((number, waits))
    }

    fn remove(&self, number: u64) {
        let mut state = self.state();
        let at = state
            .tickets
            .iter()
            .position(|ticket| ticket.number == number);
        let left = at.and_then(|at| state.tickets.remove(at));
        drop(state);
        self.changed.send_replace(());
        if let Some(ticket) = left {
            self.tell(QueueEvent::Left(ticket.peer));
        }
    }

    /// How many callers are served before this one, the present call not counted. `None` if it is
    /// about to be served.
    fn ahead(&self, number: u64) -> Option<u64> {
        let state = self.state();
        let mut tickets = state.tickets.iter();
        let ahead = tickets.position(|ticket| ticket.number == number)?;
        (ahead > 0 || !state.idle).then_some(ahead as u64)
    }

    /// Queues an event for the person, or drops it if there are too many.
    pub(crate) fn tell(&self, event: QueueEvent) {
        tracing::info!(?event, "the queue changed");
        if self.events.try_send(event).is_err() {
            tracing::debug!("an event of the queue was dropped");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use chat_core::driver::Connection;
    use chat_core::trust::Security;
    use chat_core::wire::LineCodec;
    use tokio::io::duplex;

    use super::*;

    fn caller() -> Caller {
        let (here, _) = duplex(64);
        Caller {
            peer: Peer {
                name: None,
                address: "somewhere".to_owned(),
                security: Security::Plaintext,
            },
            connection: Connection::new(Box::new(here), LineCodec::default()),
            peer_hello: None,
        }
    }

    fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn who_comes_while_another_is_being_handed_over_has_to_wait() {
        let (queue, mut events) = CallQueue::new(0);
        let mut next = pin!(queue.next());
        assert!(poll(next.as_mut()).is_pending());
        let mut first = pin!(queue.enqueue(caller()));
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(next.as_mut()).is_pending());
        let mut second = pin!(queue.enqueue(caller()));
        // Nobody is at its other end, so that it is told at once.
        assert!(poll(second.as_mut()).is_ready());
        assert!(matches!(events.try_recv(), Ok(QueueEvent::TurnedAway(_))));
        assert!(poll(first.as_mut()).is_ready());
        assert!(poll(next.as_mut()).is_ready());
    }
}
