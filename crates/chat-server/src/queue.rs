//! The queue of callers who wait while a call is on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chat_core::protocol::Peer;
use chat_core::wire::{MAX_LINE, Presence, Refusal};
use tokio::sync::oneshot::error::RecvError;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use crate::accept::{Caller, SessionKey};
use crate::idle::declined;
use crate::waiting::{Room, wait};

/// How long waiting callers may take to leave when the queue is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Events that nobody has read yet; more are dropped, because strangers can cause any number.
const EVENT_BUFFER: usize = 32;

/// What the person may want to know of the queue.
#[derive(Debug)]
pub(crate) enum QueueEvent {
    /// A caller waits.
    Arrived(Peer),
    /// A caller who waits says this.
    Note(Peer, String),
    /// A caller no longer waits.
    Left(Peer),
    /// A caller was told that this side is busy.
    TurnedAway(Peer),
    /// A caller was refused, and this is the notice of it.
    Refused(String),
    /// The relay is gone, or there again, and this is the notice of it.
    Relay(String),
}

/// A queue of callers, each kept by a task of its own that notices when it hangs up.
#[derive(Debug)]
pub(crate) struct CallQueue {
    capacity: usize,
    state: Mutex<State>,
    /// Wakes the one task that takes callers.
    arrived: Notify,
    /// Tells waiting callers that the queue has changed. Each of them subscribes.
    changed: watch::Sender<()>,
    events: mpsc::Sender<QueueEvent>,
}

#[derive(Debug, Default)]
struct State {
    /// Friends before strangers, and each in order of arrival.
    tickets: VecDeque<Ticket>,
    next_number: u64,
    /// No call is on, so that the next caller needs no capacity.
    free: bool,
    /// The caller that rings. Any other who is the first is about to be taken.
    ringing: Option<u64>,
    /// Nobody takes calls any more.
    closed: bool,
    /// Whether the person is there, as those who wait are told.
    presence: Presence,
}

impl State {
    /// How many have left, and are still to be heard.
    fn last_words(&self) -> usize {
        let has_left = |ticket: &&Ticket| ticket.has_left;
        self.tickets.iter().filter(has_left).count()
    }

    /// How many seats are taken.
    fn seated(&self) -> usize {
        self.tickets.len() - self.last_words()
    }
}

#[derive(Debug)]
struct Ticket {
    number: u64,
    arrived: Instant,
    peer: Peer,
    is_friend: bool,
    /// Nobody is there any more, or need be: it takes no seat, and is heard when its turn comes.
    has_left: bool,
    session_key: Option<SessionKey>,
    /// Takes the caller out of the queue.
    turn: oneshot::Sender<Turn>,
}

impl Ticket {
    /// Whether both are for the same session of the same caller.
    fn is_of(&self, other: &Self) -> bool {
        self.session_key.is_some() && self.session_key == other.session_key
    }
}

/// What becomes of a caller whose turn has come.
#[derive(Debug)]
enum Turn {
    /// It is handed over.
    Call(oneshot::Sender<Caller>),
    /// The person does not want its call.
    Refused(Refusal),
}

/// The caller whose turn is next.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    /// Tells it from others.
    pub number: u64,
    /// Who it is.
    pub peer: Peer,
    /// Whether this user has dialed or verified it.
    pub is_friend: bool,
    /// Whether nobody may be there any more to answer.
    pub has_left: bool,
}

/// What becomes of a caller that comes.
#[derive(Debug)]
pub(crate) enum Entry {
    /// It may wait.
    Seat(Seat),
    /// Too many wait already.
    Full(Caller),
}

/// A caller with a place in the queue.
#[derive(Debug)]
pub(crate) struct Seat {
    caller: Caller,
    number: u64,
    is_new: bool,
    turn: oneshot::Receiver<Turn>,
    changed: watch::Receiver<()>,
}

impl Seat {
    /// The caller, unless it had a seat before and has only reconnected.
    pub(crate) fn newcomer(&self) -> Option<&Caller> {
        self.is_new.then_some(&self.caller)
    }
}

/// What a ticket was given for.
#[derive(Clone, Copy, Debug)]
struct Place {
    number: u64,
    is_new: bool,
}

impl CallQueue {
    /// A queue in which `capacity` callers may wait, and its events. A friend may wait beyond
    /// that, unless nobody may.
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

    /// How many callers are to be heard.
    pub(crate) fn waiting(&self) -> usize {
        self.state().tickets.len()
    }

    /// The number of the first who waits for this session, or with its key arrived after that
    /// moment.
    pub(crate) fn newer(&self, session_key: SessionKey, moment: Instant) -> Option<u64> {
        let state = self.state();
        let is_newer = |ticket: &&Ticket| {
            ticket.session_key.is_some_and(|other| {
                other == session_key || (other.key == session_key.key && ticket.arrived > moment)
            })
        };
        state
            .tickets
            .iter()
            .find(is_newer)
            .map(|ticket| ticket.number)
    }

    /// While no call is on: waits until another caller than the one that rings is the next.
    /// `None` is nobody. Cancel safe.
    pub(crate) async fn front(&self, ringing: Option<u64>) -> Option<Front> {
        loop {
            let front = self.first(ringing);
            if front.as_ref().map(|front| front.number) != ringing {
                return front;
            }
            self.arrived.notified().await;
        }
    }

    fn first(&self, ringing: Option<u64>) -> Option<Front> {
        let mut state = self.state();
        state.free = true;
        let changed = std::mem::replace(&mut state.ringing, ringing) != ringing;
        let front = state.tickets.front().map(|ticket| Front {
            number: ticket.number,
            peer: ticket.peer.clone(),
            is_friend: ticket.is_friend,
            has_left: ticket.has_left,
        });
        drop(state);
        if changed {
            self.changed.send_replace(());
        }
        front
    }

    /// Takes a caller out of the queue for a call; `None` if it has just left.
    pub(crate) async fn take(&self, number: u64) -> Option<Caller> {
        self.state().free = false;
        self.hand_over(number).await
    }

    /// The same for a call that is on.
    pub(crate) async fn hand_over(&self, number: u64) -> Option<Caller> {
        let ticket = self.remove(number)?;
        let (slot, caller) = oneshot::channel();
        ticket.turn.send(Turn::Call(slot)).ok()?;
        caller.await.ok()
    }

    /// Refuses a caller who waits.
    pub(crate) fn refuse(&self, number: u64, refusal: Refusal) {
        if let Some(ticket) = self.remove(number) {
            // It may have left just now.
            drop(ticket.turn.send(Turn::Refused(refusal)));
        }
    }

    /// Declines the call of whom the next turn is, with a word; `None` if nobody waits.
    pub(crate) fn decline_next(&self, text: Option<String>) -> Option<Peer> {
        let (number, peer) = {
            let state = self.state();
            let mut waiting = state.tickets.iter().filter(|ticket| !ticket.has_left);
            waiting
                .next()
                .map(|ticket| (ticket.number, ticket.peer.clone()))?
        };
        self.refuse(number, declined(text));
        Some(peer)
    }

    /// Tells those who wait, and who will, whether the person is there.
    pub(crate) fn set_presence(&self, presence: Presence) {
        self.state().presence = presence;
        self.changed.send_replace(());
    }

    /// Gives a caller a seat, or gives it back if there is none.
    pub(crate) fn enter(&self, caller: Caller) -> Entry {
        let changed = self.changed.subscribe();
        let (turn, comes) = oneshot::channel();
        match self.add(&caller, turn) {
            Some(Place { number, is_new }) => Entry::Seat(Seat {
                caller,
                number,
                is_new,
                turn: comes,
                changed,
            }),
            None => {
                self.tell(QueueEvent::TurnedAway(caller.connected.peer.clone()));
                Entry::Full(caller)
            }
        }
    }

    /// Keeps a caller until its turn comes or it hangs up.
    pub(crate) async fn keep(&self, seat: Seat) {
        let Seat {
            mut caller,
            number,
            mut turn,
            changed,
            ..
        } = seat;
        tokio::select! {
            turn = &mut turn => self.finish(caller, turn).await,
            has_said = self.wait(&mut caller, number, changed) => {
                if has_said && self.leave(number) {
                    return self.finish(caller, turn.await).await;
                }
                match self.remove(number) {
                    Some(ticket) => self.tell(QueueEvent::Left(ticket.peer)),
                    // Its turn has come just now.
                    None if has_said => self.finish(caller, turn.await).await,
                    None => {}
                }
            }
        }
    }

    /// Waits with a caller. Returns whether it has left, and has something to say.
    async fn wait(&self, caller: &mut Caller, number: u64, changed: watch::Receiver<()>) -> bool {
        let peer = caller.connected.peer.clone();
        let room = Room {
            ahead: || self.ahead(number),
            presence: || self.state().presence.clone(),
            note: |text| self.tell(QueueEvent::Note(peer.clone(), text)),
        };
        wait(caller, room, changed).await
    }

    async fn finish(&self, mut caller: Caller, turn: Result<Turn, RecvError>) {
        match turn {
            Ok(Turn::Call(slot)) => {
                caller.connected.connection.set_limit(MAX_LINE);
                // The person may have left in the meantime.
                drop(slot.send(caller));
            }
            Ok(Turn::Refused(refusal)) => caller.reject_declined(refusal).await,
            Err(_) if self.state().closed => caller.reject_closed().await,
            // It has reconnected, and the new connection has its ticket.
            Err(_) => {}
        }
    }

    /// Gives the seat of a caller back and keeps its place in the order. Returns whether it has one.
    fn leave(&self, number: u64) -> bool {
        let mut state = self.state();
        let has_room = state.last_words() < self.capacity;
        let mut tickets = state.tickets.iter_mut();
        let ticket = tickets.find(|ticket| ticket.number == number && has_room);
        ticket.map(|ticket| ticket.has_left = true).is_some()
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

    /// Adds a ticket; `None` if there is no place.
    fn add(&self, caller: &Caller, turn: oneshot::Sender<Turn>) -> Option<Place> {
        let mut state = self.state();
        if state.closed {
            // A number without a ticket: the caller is told that the queue is closed.
            return Some(Place {
                number: state.next_number,
                is_new: false,
            });
        }
        let waits = !state.free || !state.tickets.is_empty();
        let number = state.next_number;
        let mut ticket = Ticket {
            number,
            arrived: Instant::now(),
            peer: caller.connected.peer.clone(),
            is_friend: caller.is_friend,
            has_left: false,
            session_key: caller.session_key(),
            turn,
        };
        let mut tickets = state.tickets.iter_mut();
        // A caller that reconnects keeps its place; its old connection ends.
        if let Some(place) = tickets.find(|other| other.is_of(&ticket)) {
            ticket.arrived = place.arrived;
            *place = ticket;
            state.next_number += 1;
            drop(state);
            self.arrived.notify_one();
            return Some(Place {
                number,
                is_new: false,
            });
        }
        // Not even one that rings may keep a friend out.
        let kept_seat = ticket.is_friend && (self.capacity > 0 || state.free);
        let seats = self.capacity + usize::from(kept_seat) + usize::from(state.free);
        if state.seated() >= seats {
            return None;
        }
        state.next_number += 1;
        let strangers = |other: &Ticket| !other.is_friend;
        let place = match ticket.is_friend {
            true => state.tickets.iter().position(strangers),
            false => None,
        };
        let place = place.unwrap_or(state.tickets.len());
        state.tickets.insert(place, ticket);
        drop(state);
        self.arrived.notify_one();
        self.changed.send_replace(());
        if waits {
            self.tell(QueueEvent::Arrived(caller.connected.peer.clone()));
        }
        Some(Place {
            number,
            is_new: true,
        })
    }

    fn remove(&self, number: u64) -> Option<Ticket> {
        let mut state = self.state();
        let at = state
            .tickets
            .iter()
            .position(|ticket| ticket.number == number);
        let removed = at.and_then(|at| state.tickets.remove(at));
        drop(state);
        self.arrived.notify_one();
        self.changed.send_replace(());
        removed
    }

    /// How many callers are served before this one, the present call not counted. `None` if it is
    /// about to be served.
    fn ahead(&self, number: u64) -> Option<u64> {
        let state = self.state();
        let mut tickets = state.tickets.iter();
        let ahead = tickets.position(|ticket| ticket.number == number)?;
        let is_taken = ahead == 0 && state.free && state.ringing != Some(number);
        (!is_taken).then_some(ahead as u64)
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
    use std::collections::HashSet;
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use chat_core::driver::{Connected, Connection};
    use chat_core::protocol::Handshake;
    use chat_core::trust::{self, Fingerprint, Security};
    use chat_core::wire::{Hello, Hex, LineCodec};
    use tokio::io::duplex;
    use tokio::time::advance;

    use super::*;

    fn caller(is_friend: bool) -> Caller {
        let (here, _) = duplex(64);
        Caller {
            connected: Connected {
                connection: Connection::new(Box::new(here), LineCodec::default()),
                peer: Peer {
                    name: None,
                    address: "somewhere".to_owned(),
                    security: Security::Plaintext,
                },
                handshake: None,
                routes: None,
            },
            is_friend,
            replaced_keys: Vec::new(),
        }
    }

    fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn enter(queue: &CallQueue, is_friend: bool) -> u64 {
        seat(queue, is_friend).number
    }

    fn seat(queue: &CallQueue, is_friend: bool) -> Seat {
        match queue.enter(caller(is_friend)) {
            Entry::Seat(seat) => seat,
            Entry::Full(_) => panic!("there is no seat"),
        }
    }

    fn is_full(queue: &CallQueue, is_friend: bool) -> bool {
        matches!(queue.enter(caller(is_friend)), Entry::Full(_))
    }

    /// The number of the next caller.
    fn front(queue: &CallQueue) -> Option<u64> {
        match poll(pin!(queue.front(None))) {
            Poll::Ready(front) => front.map(|front| front.number),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn who_comes_while_another_is_being_handed_over_has_to_wait() {
        let (queue, mut events) = CallQueue::new(0);
        assert_eq!(front(&queue), None);
        let first = seat(&queue, false);
        let number = front(&queue).expect("a caller");
        assert!(is_full(&queue, false));
        assert!(matches!(events.try_recv(), Ok(QueueEvent::TurnedAway(_))));
        let (taken, ()) = tokio::join!(queue.take(number), queue.keep(first));
        taken.expect("a caller");
        assert!(is_full(&queue, false));
    }

    #[tokio::test]
    async fn friends_go_before_strangers_and_have_a_seat_kept() {
        let (queue, _events) = CallQueue::new(2);
        let strangers = [(); 2].map(|()| enter(&queue, false));
        assert!(is_full(&queue, false));
        let friend = enter(&queue, true);
        assert!(is_full(&queue, true));
        assert_eq!(front(&queue), Some(friend));
        assert_eq!(
            strangers.map(|number| queue.ahead(number)),
            [Some(1), Some(2)]
        );
        queue.refuse(friend, declined(None));
        assert_eq!(front(&queue), Some(strangers[0]));
        // The first of them was seen already.
        let (seen, next) = (strangers[0], strangers[1]);
        assert!(poll(pin!(queue.front(Some(seen)))).is_pending());
        queue.refuse(seen, declined(None));
        let front =
            poll(pin!(queue.front(Some(seen)))).map(|front| front.map(|front| front.number));
        assert_eq!(front, Poll::Ready(Some(next)));
        queue.refuse(next, declined(None));
        assert!(matches!(
            poll(pin!(queue.front(Some(next)))),
            Poll::Ready(None)
        ));
    }

    #[tokio::test]
    async fn a_stranger_who_rings_keeps_no_friend_out() {
        let (queue, _events) = CallQueue::new(0);
        assert_eq!(front(&queue), None);
        let stranger = enter(&queue, false);
        assert_eq!(queue.ahead(stranger), None);
        assert!(poll(pin!(queue.front(Some(stranger)))).is_pending());
        assert_eq!(queue.ahead(stranger), Some(0));
        assert!(is_full(&queue, false));
        let friend = enter(&queue, true);
        assert_eq!(front(&queue), Some(friend));
    }

    const SESSION: SessionKey = SessionKey {
        session: Hex([1; 16]),
        key: Fingerprint::from_bytes([1; 32]),
    };

    fn with_key(SessionKey { session, key }: SessionKey) -> Caller {
        let mut caller = caller(false);
        caller.connected.peer.security = trust::security(key, None);
        let hello = Hello {
            name: String::new(),
            chosen: false,
            conversation: session,
            received: 0,
            resumed: false,
            keeps: false,
            history: false,
            answering: false,
            files: false,
            ended: false,
            commitment: None,
        };
        caller.connected.handshake = Some(Handshake {
            binding: None,
            hello: Some(hello),
        });
        caller
    }

    #[tokio::test(start_paused = true)]
    async fn newer_is_who_has_the_session_or_called_anew_with_its_key() {
        let (queue, _events) = CallQueue::new(1);
        let before = Instant::now();
        advance(Duration::from_secs(1)).await;
        let Entry::Seat(seat) = queue.enter(with_key(SESSION)) else {
            panic!("there is no seat");
        };
        let now = Instant::now();
        let newer = Some(seat.number);
        let another_session = SessionKey {
            session: Hex([2; 16]),
            ..SESSION
        };
        let another_key = SessionKey {
            key: Fingerprint::from_bytes([2; 32]),
            ..SESSION
        };
        assert_eq!(queue.newer(SESSION, before), newer);
        assert_eq!(queue.newer(SESSION, now), newer);
        assert_eq!(queue.newer(another_session, before), newer);
        assert_eq!(queue.newer(another_session, now), None);
        assert_eq!(queue.newer(another_key, before), None);
        assert_eq!(queue.newer(another_key, now), None);
    }

    #[tokio::test]
    async fn who_reconnects_gets_a_number_that_nobody_else_gets() {
        let (queue, _events) = CallQueue::new(3);
        let mut numbers = HashSet::new();
        for caller in [
            with_key(SESSION),
            with_key(SESSION),
            caller(false),
            caller(false),
        ] {
            let Entry::Seat(seat) = queue.enter(caller) else {
                panic!("there is no seat");
            };
            assert!(numbers.insert(seat.number), "{seat:?}");
        }
        assert_eq!(queue.waiting(), 3);
    }

    #[tokio::test]
    async fn where_nobody_may_wait_no_seat_is_kept() {
        let (queue, _events) = CallQueue::new(0);
        assert!(is_full(&queue, true));
    }
}
