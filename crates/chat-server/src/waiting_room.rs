//! Callers who wait while a call is on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chat_core::protocol::Peer;
use chat_core::trust::Fingerprint;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use crate::caller::{Caller, Introduction, Party};
use crate::hold::hold;

/// How long those who wait may take to leave when the room is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// News that nobody has read yet; beyond them news is dropped, for a stranger can make any
/// amount of it.
const UNREAD_NEWS: usize = 32;

/// What the person may want to know of the waiting room.
#[derive(Debug)]
pub enum News {
    /// A caller waits.
    Came(Peer),
    /// A caller no longer waits.
    Left(Peer),
    /// A caller was told that this side is busy.
    TurnedAway(Peer),
    /// A caller was refused, for a reason that the person should know.
    Refused(String),
}

/// A queue of callers, each kept by a task of its own that notices when it gives up.
#[derive(Debug)]
pub struct WaitingRoom {
    seats: usize,
    queue: Mutex<Queue>,
    came: Notify,
    /// Tells those who wait that somebody left the queue. Everybody in the room listens.
    moved: watch::Sender<()>,
    news: mpsc::Sender<News>,
}

#[derive(Debug, Default)]
struct Queue {
    tickets: VecDeque<Ticket>,
    next_number: u64,
    /// Somebody is ready to take the next caller, so that one needs no seat.
    idle: bool,
    /// Nobody will take the next caller.
    closed: bool,
}

#[derive(Debug)]
struct Ticket {
    number: u64,
    came: Instant,
    peer: Peer,
    party: Option<Party>,
    /// Takes the caller out of the room.
    call: oneshot::Sender<oneshot::Sender<Caller>>,
}

impl Ticket {
    /// Whether both are for the same caller and the same conversation.
    fn is_of(&self, other: &Self) -> bool {
        self.party.is_some() && self.party == other.party
    }
}

impl WaitingRoom {
    /// A room where `seats` callers may wait, and the news of it.
    pub fn new(seats: usize) -> (Arc<Self>, mpsc::Receiver<News>) {
        let (news, unread) = mpsc::channel(UNREAD_NEWS);
        let room = Self {
            seats,
            queue: Mutex::default(),
            came: Notify::new(),
            moved: watch::Sender::new(()),
            news,
        };
        (Arc::new(room), unread)
    }

    /// How many callers wait.
    pub fn waiting(&self) -> usize {
        self.queue().tickets.len()
    }

    /// Whether the owner of this key waits, and came after that moment.
    pub fn has_since(&self, key: Fingerprint, moment: Instant) -> bool {
        let queue = self.queue();
        let mut later = queue.tickets.iter().filter(|ticket| ticket.came > moment);
        later.any(|ticket| ticket.party.is_some_and(|party| party.key == key))
    }

    /// The next caller, in order of arrival. Cancel safe, but for a caller on its way through
    /// the door: that one is hung up on.
    pub async fn next(&self) -> Caller {
        loop {
            let Some(ticket) = self.first() else {
                self.came.notified().await;
                continue;
            };
            let (door, caller) = oneshot::channel();
            // It may have given up just now.
            if ticket.call.send(door).is_ok()
                && let Ok(caller) = caller.await
            {
                return caller;
            }
        }
    }

    /// Takes the first in the queue. Until there is one, nobody who comes has to wait; who
    /// comes while that one is on its way through the door has to.
    fn first(&self) -> Option<Ticket> {
        let mut queue = self.queue();
        let ticket = queue.tickets.pop_front();
        queue.idle = ticket.is_none();
        drop(queue);
        self.moved.send_replace(());
        ticket
    }

    /// Waits with a caller until its turn comes, it gives up, or there is no seat for it.
    pub async fn seat(&self, mut caller: Caller) {
        let (call, mut called) = oneshot::channel();
        let moved = self.moved.subscribe();
        let Some((number, waits)) = self.enter(&caller, call) else {
            self.tell(News::TurnedAway(caller.peer.clone()));
            return caller.turn_away(self.waiting()).await;
        };
        tokio::select! {
            door = &mut called => match door {
                // The person may have left in the meantime.
                Ok(door) => drop(door.send(caller)),
                Err(_) if self.queue().closed => caller.send_home().await,
                // It has come again, over another connection.
                Err(_) => {}
            },
            // Whoever does not have to wait may be somebody who only listens.
            () = hold(&mut caller, || self.ahead(number), moved.clone()), if waits => {
                self.leave(number);
            }
        }
    }

    /// Nobody takes calls any more: tells those who wait, and lets them leave, for at most 1 s.
    pub async fn close(&self) {
        {
            let mut queue = self.queue();
            queue.closed = true;
            queue.tickets.clear();
        }
        if timeout(FAREWELL, self.moved.closed()).await.is_err() {
            tracing::debug!("somebody who waited did not leave");
        }
    }

    /// Gives a caller a number, and tells whether it has to wait.
    fn enter(
        &self,
        caller: &Caller,
        call: oneshot::Sender<oneshot::Sender<Caller>>,
    ) -> Option<(u64, bool)> {
        let mut queue = self.queue();
        if queue.closed {
            // Without a ticket nobody is called.
            return Some((queue.next_number, false));
        }
        let waits = !queue.idle || !queue.tickets.is_empty();
        let number = queue.next_number;
        let mut ticket = Ticket {
            number,
            came: Instant::now(),
            peer: caller.peer.clone(),
            party: caller.introduction.as_ref().and_then(Introduction::party),
            call,
        };
        let mut tickets = queue.tickets.iter_mut();
        // One who was cut off while it waited keeps its place. The old connection ends.
        if let Some(place) = tickets.find(|other| other.is_of(&ticket)) {
            ticket.came = place.came;
            *place = ticket;
            queue.next_number += 1;
            return Some((number, true));
        }
        if queue.tickets.len() >= self.seats + usize::from(queue.idle) {
            return None;
        }
        queue.next_number += 1;
        queue.tickets.push_back(ticket);
        drop(queue);
        self.came.notify_one();
        if waits {
            self.tell(News::Came(caller.peer.clone()));
        }
        Some((number, waits))
    }

    fn leave(&self, number: u64) {
        let mut queue = self.queue();
        let at = queue
            .tickets
            .iter()
            .position(|ticket| ticket.number == number);
        let left = at.and_then(|at| queue.tickets.remove(at));
        drop(queue);
        self.moved.send_replace(());
        if let Some(ticket) = left {
            self.tell(News::Left(ticket.peer));
        }
    }

    /// How many callers are served before the one with this number, beside the call that is on.
    /// Nothing, if the next caller is about to be taken.
    fn ahead(&self, number: u64) -> Option<u64> {
        let queue = self.queue();
        let mut tickets = queue.tickets.iter();
        let ahead = tickets.position(|ticket| ticket.number == number)?;
        (ahead > 0 || !queue.idle).then_some(ahead as u64)
    }

    /// Has the person told, unless there is too much to tell.
    pub fn tell(&self, news: News) {
        tracing::info!(?news, "at the door");
        if self.news.try_send(news).is_err() {
            tracing::debug!("news of the waiting room was dropped");
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
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
            link: Connection::new(Box::new(here), LineCodec::default()),
            introduction: None,
        }
    }

    fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn who_comes_while_another_is_on_its_way_through_the_door_has_to_wait() {
        let (room, mut news) = WaitingRoom::new(0);
        let mut next = pin!(room.next());
        assert!(poll(next.as_mut()).is_pending());
        let mut first = pin!(room.seat(caller()));
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(next.as_mut()).is_pending());
        let mut second = pin!(room.seat(caller()));
        // Nobody is at its other end, so that it is told at once.
        assert!(poll(second.as_mut()).is_ready());
        assert!(matches!(news.try_recv(), Ok(News::TurnedAway(_))));
        assert!(poll(first.as_mut()).is_ready());
        assert!(poll(next.as_mut()).is_ready());
    }
}
