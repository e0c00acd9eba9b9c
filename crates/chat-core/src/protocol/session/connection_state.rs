//! What a session knows of one of its connections.

use std::time::{Duration, Instant};

use super::ack::DelayedAck;
use super::liveness::{DEAD_AFTER, Liveness, Silence};
use super::typing::LocalTyping;
use crate::protocol::{ConnectionStatus, Disconnect, Event};
use crate::trust::safety_number::ChannelBinding;
use crate::wire::{Control, Name, Presence, RefusalCode, WriteBuffer};

/// How long the peer may take to say hello, or that there is a queue.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a peer may take to close its side after the session is finished. One that missed
/// the end would have given the connection up before.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2 * DEAD_AFTER.as_secs());

/// How far a connection is, from its first hello to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    /// This side has said hello; the peer has until then to answer.
    HelloSent { until: Instant },
    /// The peer has answered that this side is in its queue.
    Queued,
    /// Both have said hello.
    Open,
    /// The same, and the peer was told that this side is finished.
    DoneSent,
    /// Both are finished and nothing more is sent; the peer has until then to close its side.
    Draining { until: Instant },
    /// It has closed it, or its time is up.
    Drained,
    /// The session needs another connection.
    Lost(Loss),
}

/// How a connection was lost, although the stream has not failed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Loss {
    /// The stream ended too early.
    Cut,
    /// Nothing was received for this long.
    Silent(Duration),
    /// The peer's machine has a passing trouble.
    Unavailable,
    /// The peer does not know the session, or not as it was.
    Unknown,
}

impl From<Loss> for Disconnect {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Cut => Self::Cut,
            Loss::Silent(time) => Self::Silent(time),
            Loss::Unavailable => Self::Refused(RefusalCode::Unavailable.into()),
            Loss::Unknown => Self::Refused(RefusalCode::NoSession.into()),
        }
    }
}

impl Phase {
    /// Whether the peer has said hello.
    pub(super) fn is_open(self) -> bool {
        !matches!(self, Self::HelloSent { .. } | Self::Queued | Self::Lost(_))
    }

    /// Whether the peer has answered, with its hello or its queue.
    pub(super) fn is_answered(self) -> bool {
        !matches!(self, Self::HelloSent { .. } | Self::Lost(_))
    }

    /// Whether nothing more is sent.
    pub(super) fn is_draining(self) -> bool {
        matches!(self, Self::Draining { .. } | Self::Drained)
    }
}

/// The state of one connection, dropped with it.
#[derive(Debug)]
pub(super) struct ConnectionState {
    pub(super) binding: Option<ChannelBinding>,
    /// Control lines to send before anything else.
    pub(super) control_queue: Vec<Control>,
    pub(super) phase: Phase,
    /// This side has another name than in its hello.
    pub(super) renamed: bool,
    /// What the peer knows of this side's person, if that is certain.
    told_presence: Option<Presence>,
    /// The peer has closed its side because both are finished.
    peer_closed: bool,
    pub(super) liveness: Liveness,
    pub(super) typing: LocalTyping,
    pub(super) ack: DelayedAck,
}

impl ConnectionState {
    /// `told_presence`: what the peer knows of this side's person, if that is certain.
    /// `round_trip`: that of the last connection.
    pub(super) fn new(
        binding: Option<ChannelBinding>,
        told_presence: Option<Presence>,
        round_trip: Option<Duration>,
        now: Instant,
    ) -> Self {
        let until = now + ANSWER_TIMEOUT;
        Self {
            binding,
            control_queue: Vec::new(),
            phase: Phase::HelloSent { until },
            renamed: false,
            told_presence,
            peer_closed: false,
            liveness: Liveness::new(round_trip, now),
            typing: LocalTyping::default(),
            ack: DelayedAck::default(),
        }
    }

    /// The peer has answered with its hello or its queue: from now on its liveness is checked.
    pub(super) fn answered(&mut self, phase: Phase, now: Instant) {
        if let Phase::HelloSent { .. } = self.phase {
            self.liveness = Liveness::new(self.liveness.round_trip, now);
        }
        self.phase = phase;
    }

    /// Both sides are finished, and `shown` is the last receipt: once the peer was told all that,
    /// nothing more is sent.
    pub(super) fn drain(&mut self, shown: u64, now: Instant) {
        if self.phase == Phase::DoneSent && self.ack.has_acknowledged(shown) {
            let until = now + DRAIN_TIMEOUT;
            self.phase = match self.peer_closed {
                true => Phase::Drained,
                false => Phase::Draining { until },
            };
        }
    }

    /// The peer has closed its side. Unless the session is settled, that is a loss.
    pub(super) fn peer_closed(&mut self, settled: bool) {
        match self.phase {
            Phase::Open | Phase::DoneSent if settled => self.peer_closed = true,
            phase if phase.is_draining() => self.phase = Phase::Drained,
            _ => self.phase = Phase::Lost(Loss::Cut),
        }
    }

    /// Whether reading is paused. A pause does not count against the peer.
    pub(super) fn set_paused(&mut self, paused: bool, now: Instant) {
        let pause = self.liveness.set_paused(paused, now);
        if let Phase::HelloSent { until } = &mut self.phase {
            *until += pause;
        }
    }

    /// When the peer has had its time to answer, or to close its side. One that is unresponsive may
    /// be cut off, and not know yet that the session is finished.
    fn phase_timeout(&self) -> Option<Instant> {
        match self.phase {
            _ if self.liveness.is_paused() => None,
            Phase::HelloSent { until } => Some(until),
            Phase::Draining { until } if !self.liveness.is_unresponsive() => Some(until),
            _ => None,
        }
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        if let Phase::HelloSent { .. } = self.phase {
            let timeouts = [self.phase_timeout(), self.liveness.doubt_timeout()];
            return timeouts.into_iter().flatten().min();
        }
        let others = [
            self.ack.timeout(),
            self.typing.timeout(),
            self.phase_timeout(),
        ];
        let alive = self.liveness.timeout();
        Some(others.into_iter().flatten().fold(alive, Instant::min))
    }

    /// Returns what the person should know of it.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Event> {
        if let Phase::HelloSent { .. } = self.phase {
            if self.is_late(now) {
                self.phase = Phase::Lost(Loss::Silent(ANSWER_TIMEOUT));
            }
            return None;
        }
        self.ack.handle_timeout(now);
        self.typing.handle_timeout(now);
        let silence = self.liveness.handle_timeout(now);
        if self.is_late(now) {
            self.phase = Phase::Drained;
        }
        match silence? {
            Silence::Unresponsive(time) => Some(Event::Connection(ConnectionStatus::Silent(time))),
            Silence::Dead(time) => {
                self.phase = Phase::Lost(Loss::Silent(time));
                None
            }
        }
    }

    fn is_late(&self, now: Instant) -> bool {
        self.phase_timeout().is_some_and(|until| until <= now)
    }

    pub(super) fn status_up(&self) -> Event {
        Event::Connection(ConnectionStatus::Up {
            round_trip: self.liveness.round_trip,
        })
    }

    /// Appends what the peer does not know yet of this side's person.
    pub(super) fn transmit_remarks(
        &mut self,
        out: &mut WriteBuffer,
        name: &Name,
        presence: &Presence,
    ) {
        if !self.phase.is_open() {
            return;
        }
        if std::mem::take(&mut self.renamed) {
            out.push(Control::Name(name.text.clone()).to_line());
        }
        if self.told_presence.as_ref() != Some(presence) {
            self.told_presence = Some(presence.clone());
            out.push(Control::Away(presence.clone()).to_line());
        }
    }

    /// Appends the control lines that belong to this connection alone.
    pub(super) fn transmit_controls(&mut self, out: &mut WriteBuffer, now: Instant) {
        for control in self.control_queue.drain(..) {
            out.push(control.to_line());
        }
        if let Phase::HelloSent { .. } = self.phase {
            return;
        }
        if let Some(number) = self.liveness.take_pong() {
            out.push(Control::Pong(number).to_line());
        }
        if let Some(number) = self.liveness.take_ping(now) {
            out.push(Control::Ping(number).to_line());
        }
        if !self.phase.is_open() {
            return;
        }
        if let Some(typing) = self.typing.take(now) {
            out.push(Control::Typing(typing).to_line());
        }
    }
}
