//! One of the connections that a chat/1 conversation goes over, one after another.

use std::time::{Duration, Instant};

use super::ack::Acks;
use super::liveness::{DEAD, Liveness, Silence};
use super::typing::Teller;
use crate::protocol::{Event, LinkState, Loss};
use crate::trust::safety_number::Binding;
use crate::wire::{Control, Outgoing};

/// How long the peer may take to say hello, or that there is a queue.
const ANSWER: Duration = Duration::from_secs(10);

/// How long a settled peer may go on without closing its side. One that did not hear the end
/// would have given the connection up before.
const LINGER: Duration = Duration::from_secs(2 * DEAD.as_secs());

/// What is forgotten with the connection.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) binding: Option<Binding>,
    /// Control lines that go out before anything else.
    pub(super) due: Vec<Control>,
    /// The peer has said hello on this connection.
    pub(super) greeted: bool,
    /// When the peer must have said hello, until it has shown that it is there.
    answer_by: Option<Instant>,
    pub(super) liveness: Liveness,
    pub(super) typing: Teller,
    pub(super) acks: Acks,
    /// The peer was told that this side has no more to say.
    pub(super) told_done: bool,
    /// The conversation is settled, the peer was told everything, nothing more is sent. A peer
    /// that is heard at this time still, and has not closed its side, never will.
    pub(super) closing_until: Option<Instant>,
    /// The peer sends nothing more that matters.
    pub(super) peer_closed: bool,
    /// The connection is as good as gone.
    pub(super) lost: Option<Loss>,
}

impl Leg {
    pub(super) fn new(binding: Option<Binding>, now: Instant) -> Self {
        Self {
            binding,
            due: Vec::new(),
            greeted: false,
            answer_by: Some(now + ANSWER),
            liveness: Liveness::new(now),
            typing: Teller::default(),
            acks: Acks::default(),
            told_done: false,
            closing_until: None,
            peer_closed: false,
            lost: None,
        }
    }

    /// The peer has shown that it is there: from now on it must go on doing so.
    pub(super) fn answered(&mut self, now: Instant) {
        if self.answer_by.take().is_some() {
            self.liveness = Liveness::new(now);
        }
    }

    /// Whether the connection is read from now on.
    pub(super) fn listening(&mut self, listening: bool, now: Instant) {
        let deaf = self.liveness.listening(listening, now);
        if let Some(by) = &mut self.answer_by {
            *by += deaf;
        }
    }

    /// Nothing more is sent from here on.
    pub(super) fn close(&mut self, now: Instant) {
        self.closing_until.get_or_insert(now + LINGER);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing_until.is_some()
    }

    /// When to stop waiting for the peer to close its side. A silent one may be cut off, and not
    /// know yet that all is settled.
    fn closing_timeout(&self) -> Option<Instant> {
        let audible = self.liveness.is_listening() && !self.liveness.is_silent();
        self.closing_until.filter(|_| audible && !self.peer_closed)
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        if self.answer_by.is_some() {
            return self.answer_by.filter(|_| self.liveness.is_listening());
        }
        let alive = self.liveness.timeout();
        let others = [
            self.acks.timeout(),
            self.typing.timeout(),
            self.closing_timeout(),
        ];
        Some(others.into_iter().flatten().fold(alive, Instant::min))
    }

    pub(super) fn handle_timeout(&mut self, events: &mut Vec<Event>, now: Instant) {
        if let Some(by) = self.answer_by {
            if by <= now && self.liveness.is_listening() {
                self.lost = Some(Loss::Silent(ANSWER));
            }
            return;
        }
        match self.liveness.handle_timeout(now) {
            Some(Silence::Notable(time)) => events.push(Event::Link(LinkState::Silent(time))),
            Some(Silence::Deadly(time)) => self.lost = Some(Loss::Silent(time)),
            None => {}
        }
        self.peer_closed |= self.closing_timeout().is_some_and(|until| until <= now);
        self.acks.handle_timeout(now);
        self.typing.handle_timeout(now);
    }

    pub(super) fn link_up(&self) -> Event {
        Event::Link(LinkState::Up {
            round_trip: self.liveness.round_trip,
        })
    }

    /// Appends what depends on nothing but this connection.
    pub(super) fn transmit_controls(&mut self, out: &mut Outgoing, now: Instant) {
        for control in self.due.drain(..) {
            out.push(control.to_line());
        }
        if self.answer_by.is_some() {
            return;
        }
        if let Some(number) = self.liveness.take_pong() {
            out.push(Control::Pong(number).to_line());
        }
        if let Some(number) = self.liveness.take_ping(now) {
            out.push(Control::Ping(number).to_line());
        }
        if self.greeted
            && let Some(typing) = self.typing.take(now)
        {
            out.push(Control::Typing(typing).to_line());
        }
    }
}
