//! What a session knows of one of its connections.

use std::time::{Duration, Instant};

use super::ack::DelayedAck;
use super::liveness::{DEAD_AFTER, Liveness, Silence};
use super::typing::LocalTyping;
use crate::protocol::{ConnectionStatus, Disconnect, Event};
use crate::trust::safety_number::ChannelBinding;
use crate::wire::{Control, WriteBuffer};

/// How long the peer may take to say hello, or that there is a queue.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a peer may take to close its side after the session is finished. One that missed
/// the end would have given the connection up before.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2 * DEAD_AFTER.as_secs());

/// The state of one connection, dropped with it.
#[derive(Debug)]
pub(super) struct ConnectionState {
    pub(super) binding: Option<ChannelBinding>,
    /// Control lines to send before anything else.
    pub(super) control_queue: Vec<Control>,
    /// The peer has said hello on this connection.
    pub(super) hello_received: bool,
    /// By when the peer must have answered; `None` once it has.
    answer_deadline: Option<Instant>,
    pub(super) liveness: Liveness,
    pub(super) typing: LocalTyping,
    pub(super) ack: DelayedAck,
    /// The peer was told that this side is finished.
    pub(super) done_sent: bool,
    /// Set when the session is finished and nothing more is sent: by when the peer must have
    /// closed its side.
    pub(super) drain_deadline: Option<Instant>,
    /// The peer has closed its side.
    pub(super) peer_closed: bool,
    /// Why the connection is considered lost.
    pub(super) disconnect: Option<Disconnect>,
}

impl ConnectionState {
    pub(super) fn new(binding: Option<ChannelBinding>, now: Instant) -> Self {
        Self {
            binding,
            control_queue: Vec::new(),
            hello_received: false,
            answer_deadline: Some(now + ANSWER_TIMEOUT),
            liveness: Liveness::new(now),
            typing: LocalTyping::default(),
            ack: DelayedAck::default(),
            done_sent: false,
            drain_deadline: None,
            peer_closed: false,
            disconnect: None,
        }
    }

    /// The peer has answered: from now on its liveness is checked.
    pub(super) fn answered(&mut self, now: Instant) {
        if self.answer_deadline.take().is_some() {
            self.liveness = Liveness::new(now);
        }
    }

    /// Whether reading is paused. A pause does not count against the peer.
    pub(super) fn set_paused(&mut self, paused: bool, now: Instant) {
        let pause = self.liveness.set_paused(paused, now);
        if let Some(by) = &mut self.answer_deadline {
            *by += pause;
        }
    }

    /// Nothing more is sent from here on.
    pub(super) fn start_draining(&mut self, now: Instant) {
        self.drain_deadline.get_or_insert(now + DRAIN_TIMEOUT);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.drain_deadline.is_some()
    }

    /// When to stop waiting for the peer to close its side. One that is unresponsive may be cut
    /// off, and not know yet that the session is finished.
    fn drain_timeout(&self) -> Option<Instant> {
        let audible = !self.liveness.is_paused() && !self.liveness.is_unresponsive();
        self.drain_deadline.filter(|_| audible && !self.peer_closed)
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        if self.answer_deadline.is_some() {
            return self.answer_deadline.filter(|_| !self.liveness.is_paused());
        }
        let alive = self.liveness.timeout();
        let others = [
            self.ack.timeout(),
            self.typing.timeout(),
            self.drain_timeout(),
        ];
        Some(others.into_iter().flatten().fold(alive, Instant::min))
    }

    pub(super) fn handle_timeout(&mut self, events: &mut Vec<Event>, now: Instant) {
        if let Some(by) = self.answer_deadline {
            if by <= now && !self.liveness.is_paused() {
                self.disconnect = Some(Disconnect::Silent(ANSWER_TIMEOUT));
            }
            return;
        }
        match self.liveness.handle_timeout(now) {
            Some(Silence::Unresponsive(time)) => {
                events.push(Event::Connection(ConnectionStatus::Silent(time)))
            }
            Some(Silence::Dead(time)) => self.disconnect = Some(Disconnect::Silent(time)),
            None => {}
        }
        self.peer_closed |= self.drain_timeout().is_some_and(|until| until <= now);
        self.ack.handle_timeout(now);
        self.typing.handle_timeout(now);
    }

    pub(super) fn status_up(&self) -> Event {
        Event::Connection(ConnectionStatus::Up {
            round_trip: self.liveness.round_trip,
        })
    }

    /// Appends the control lines that belong to this connection alone.
    pub(super) fn transmit_controls(&mut self, out: &mut WriteBuffer, now: Instant) {
        for control in self.control_queue.drain(..) {
            out.push(control.to_line());
        }
        if self.answer_deadline.is_some() {
            return;
        }
        if let Some(number) = self.liveness.take_pong() {
            out.push(Control::Pong(number).to_line());
        }
        if let Some(number) = self.liveness.take_ping(now) {
            out.push(Control::Ping(number).to_line());
        }
        if self.hello_received
            && let Some(typing) = self.typing.take(now)
        {
            out.push(Control::Typing(typing).to_line());
        }
    }
}
