//! What the peer says, and what comes of it.

use std::time::{Duration, Instant};

use super::connection_state::{ConnectionState, Loss, Phase};
use super::{Session, encode};
use crate::protocol::close::CloseState;
use crate::protocol::{
    CloseReason, ConnectionStatus, Disconnect, Entry, Event, ProtocolError, ProtocolEvent, Renewed,
    Violation,
};
use crate::trust::safety_number::{ChannelBinding, ExchangeError, Reveal};
use crate::wire::{Control, Cookie, Frame, Hello, Name, Presence, Refusal, RefusalCode};

impl Session {
    /// This side has dialed: its hello goes first.
    pub(super) fn dialed(&mut self, binding: Option<ChannelBinding>, now: Instant) {
        self.dialer.connected();
        if !self.state.established {
            // Who waits is told anew.
            self.peer_presence = Presence::Here;
        }
        let hello = self.hello();
        let mut connection =
            ConnectionState::new(binding, self.told_presence(), self.round_trip, now);
        connection.control_queue.push(Control::Hello(hello));
        // The first hello may wait for a person.
        if self.state.established {
            connection.liveness.asked(now);
        }
        self.connection = Some(connection);
    }

    /// The peer has dialed, and said `hello`.
    pub(super) fn accepted(
        &mut self,
        binding: Option<ChannelBinding>,
        hello: Hello,
        now: Instant,
    ) -> Result<(), ProtocolError> {
        if hello.commitment.is_some() {
            return Err(ExchangeError::Unasked.into());
        }
        let compared = binding.as_ref().filter(|_| !self.answering);
        let commitment = compared.and_then(|_| self.listener.commit());
        let own_hello = Hello {
            commitment,
            ..self.hello()
        };
        let mut connection =
            ConnectionState::new(binding, self.told_presence(), self.round_trip, now);
        connection.control_queue.push(Control::Hello(own_hello));
        let cookie = Cookie::random();
        connection.control_queue.push(Control::Cookie(cookie));
        self.events.push_back(ProtocolEvent::Cookie(cookie));
        self.connection = Some(connection);
        self.hello_arrived(hello, now)?;
        self.reveal(now);
        Ok(())
    }

    /// Shows this side's person the safety number and reveals it to the dialer, once it is due.
    pub(super) fn reveal(&mut self, now: Instant) {
        if let Some(connection) = &mut self.connection
            && let Some(Reveal { nonce, number }) = self.listener.reveal(now)
        {
            connection.control_queue.push(Control::Reveal(nonce));
            let number = number.map(Event::from);
            self.events.extend(number.map(ProtocolEvent::Show));
        }
    }

    /// The peer said hello: resume from what it has received.
    fn hello_arrived(&mut self, hello: Hello, now: Instant) -> Result<(), ProtocolError> {
        if hello.conversation != self.state.id {
            return Err(ProtocolError::Violation(Violation::OtherSession));
        }
        let receipt = self.receipt();
        let may_renew = self.may_renew();
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        if !self.state.outbox.agrees(hello.received) {
            if !may_renew {
                return Err(ProtocolError::Violation(Violation::HasUnsent));
            }
            connection.phase = Phase::Lost(Loss::Unknown);
            return Ok(());
        }
        let resent = self.state.outbox.resume(hello.received);
        let is_fresh = self.state.restored && !self.met;
        if hello.ended && is_fresh && !(self.state.finished && resent == 0) {
            // The call is over there, and this program was started for another.
            self.state.outbox.acknowledge(hello.received)?;
            self.settled = true;
            connection.phase = Phase::Lost(Loss::Unknown);
            return Ok(());
        }
        connection.answered(Phase::Open, now);
        connection.ack.repeat(receipt);
        self.peer_keeps = hello.keeps;
        self.peer_files = Some(hello.files);
        self.close.delivered(now);
        let name = Name {
            text: hello.name,
            chosen: hello.chosen,
        };
        let resumed = std::mem::replace(&mut self.state.established, true);
        let met = std::mem::replace(&mut self.met, true);
        if met {
            self.peer_is_called(name);
        } else {
            self.peer_name = Some(name.clone());
            self.events.push_back(ProtocolEvent::Established(name));
        }
        self.tell_of_return(met, resumed, resent, now);
        if hello.history {
            self.show(Event::PeerHistory(true));
        }
        if std::mem::replace(&mut self.peer_answering, hello.answering) != hello.answering {
            self.show(Event::Answering(hello.answering));
        }
        Ok(())
    }

    /// The session goes on: on another connection if they have `met`, after a restart of this
    /// program if it is `resumed`.
    fn tell_of_return(&mut self, met: bool, resumed: bool, resent: u64, now: Instant) {
        let down_since = self.down_since.take();
        if let Some(in_doubt) = self.renewed.take() {
            let renewed = Renewed { resent, in_doubt };
            self.events.push_back(ProtocolEvent::Renewed(renewed));
            if self.delivered_before > 0 {
                self.show(Event::Delivered(self.delivered_before));
            }
        } else if met {
            let slept = std::mem::take(&mut self.slept);
            let after = down_since.map_or(Duration::ZERO, |since| now - since + slept);
            let resumed = ConnectionStatus::Resumed { after, resent };
            self.show(Event::Connection(resumed));
        } else if resumed {
            self.show(Event::Connection(ConnectionStatus::Restored { resent }));
        }
    }

    /// The peer calls itself this. After a restart of this side that is no news.
    fn peer_is_called(&mut self, name: Name) {
        let before = self.peer_name.replace(name.clone());
        if before.is_some_and(|before| before != name) && name.chosen {
            self.events.push_back(ProtocolEvent::Renamed(name));
        }
    }

    /// Whether the peer may have forgotten the session: both knew it once.
    pub(super) fn may_renew(&self) -> bool {
        self.state.established || self.state.restored
    }

    pub(super) fn receive_frame(
        &mut self,
        frame: Frame,
        now: Instant,
    ) -> Result<(), ProtocolError> {
        match frame {
            Frame::Text(lines) => {
                let (count, bytes) = (lines.len(), lines.wire_len());
                self.receive_text(Event::Lines(lines), count, bytes, now)
            }
            Frame::Control(json) => match Control::parse(&json)? {
                Some(control) => self.receive_control(control, now),
                None => Ok(()),
            },
            Frame::HangUp => {
                self.close.peer_closed();
                Ok(())
            }
        }
    }

    fn receive_control(&mut self, control: Control, now: Instant) -> Result<(), ProtocolError> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        match control {
            Control::Hello(_) if connection.phase.is_open() => {
                return Err(ProtocolError::Violation(Violation::SecondHello));
            }
            Control::Hello(hello) => {
                if self.close == CloseState::Open
                    && let (Some(binding), Some(commitment)) =
                        (&connection.binding, hello.commitment)
                {
                    self.dialer.committed(binding, commitment);
                }
                return self.hello_arrived(hello, now);
            }
            Control::Waiting { .. } | Control::Busy { .. } if connection.phase.is_open() => {
                return Err(ProtocolError::Violation(Violation::LateQueue));
            }
            Control::Waiting { ahead } => {
                connection.answered(Phase::Queued, now);
                self.show(Event::QueuePosition(ahead));
            }
            Control::Busy { waiting } => self.over = Some(CloseReason::Busy { waiting }),
            Control::Refused(refusal) => self.refused(refusal),
            Control::Ping(number) => connection.liveness.ping(number),
            Control::Pong(number) => {
                let is_measured = connection.liveness.pong(number, now)?;
                self.round_trip = connection.liveness.round_trip;
                let status = connection.status_up();
                self.take_doubt(now);
                if is_measured {
                    self.show(status);
                }
            }
            // Who waits for an answer hears why there is none.
            Control::Away(presence) if connection.phase.is_answered() => {
                self.peer_is_away(presence, now);
            }
            _ if !connection.phase.is_open() => {
                return Err(ProtocolError::Violation(Violation::ControlBeforeHello));
            }
            control => return self.receive_in_call(control, now),
        }
        Ok(())
    }

    /// The peer refuses this connection, or the call.
    fn refused(&mut self, refusal: Refusal) {
        let may_renew = self.may_renew() && refusal.code == RefusalCode::NoSession;
        let is_settled = self.state.is_settled();
        let Some(connection) = &mut self.connection else {
            return;
        };
        if is_settled {
            // A peer that no longer knows a finished session has ended it already.
            self.over = Some(CloseReason::BothFinished);
        } else if refusal.is_passing() {
            connection.phase = Phase::Lost(Loss::Unavailable);
        } else if may_renew && !connection.phase.is_open() {
            connection.phase = Phase::Lost(Loss::Unknown);
        } else if self.state.established {
            self.over = Some(Disconnect::Refused(refusal).into());
        } else {
            self.over = Some(CloseReason::Refused(refusal));
        }
    }

    fn peer_is_away(&mut self, presence: Presence, now: Instant) {
        if self.peer_typing.typing(false, now) {
            self.show(Event::Typing(false));
        }
        if std::mem::replace(&mut self.peer_presence, presence.clone()) != presence {
            self.show(Event::Presence(presence));
        }
    }

    /// What only comes while the connection is open.
    fn receive_in_call(&mut self, control: Control, now: Instant) -> Result<(), ProtocolError> {
        match control {
            Control::Name(name) => self.peer_is_called(name.into()),
            // The call has begun meanwhile, so it is heard like a message.
            Control::Note(text) => self.show(encode::event(text)),
            Control::Say(text) => {
                let bytes = text.len();
                self.receive_text(encode::event(text), 1, bytes, now)?;
            }
            Control::Received(number) => {
                if self.state.outbox.acknowledge(number)? {
                    self.close.delivered(now);
                    if let Some(recording) = &mut self.recording {
                        recording.push(Entry::Acknowledged(number));
                    }
                    self.show(Event::Delivered(self.delivered_before + number));
                }
            }
            Control::Typing(typing) => {
                if self.peer_typing.typing(typing, now) {
                    self.show(Event::Typing(typing));
                }
            }
            Control::Done(true) => {
                let last = self.state.received();
                if self.state.peer_last.replace(last).is_none() {
                    if let Some(recording) = &mut self.recording {
                        recording.push(Entry::PeerFinished(last));
                    }
                    self.show(Event::PeerEof);
                }
            }
            Control::Done(false) => {
                return Err(ProtocolError::Violation(Violation::DoneTakenBack));
            }
            Control::Cookie(cookie) => self.events.push_back(ProtocolEvent::Cookie(cookie)),
            Control::Offer(_) | Control::Accept(_) | Control::Taken(_) | Control::Cancel(_) => {
                self.events.push_back(ProtocolEvent::File(control));
            }
            Control::Idle(millis) => {
                self.show(Event::PeerIdleTimeout(Duration::from_millis(millis)));
            }
            Control::Keeps(keeps) => {
                if std::mem::replace(&mut self.peer_keeps, keeps) != keeps {
                    self.show(Event::PeerKeeps(keeps));
                }
            }
            Control::History(history) => self.show(Event::PeerHistory(history)),
            Control::Nonce(nonce) => {
                let binding = self.connection.as_ref().and_then(|c| c.binding.as_ref());
                self.listener
                    .settle(binding.ok_or(ExchangeError::Unasked)?, nonce)?;
                self.reveal(now);
            }
            Control::Reveal(nonce) => {
                let number = self.dialer.open(nonce)?.map(Event::from);
                self.events.extend(number.map(ProtocolEvent::Show));
            }
            // What `receive_control` has taken.
            Control::Hello(_)
            | Control::Waiting { .. }
            | Control::Busy { .. }
            | Control::Refused(_)
            | Control::Ping(_)
            | Control::Pong(_)
            | Control::Away(_) => {}
        }
        Ok(())
    }

    /// Accepts `count` messages of `bytes` on the wire.
    pub(super) fn receive_text(
        &mut self,
        text: Event,
        count: usize,
        bytes: usize,
        now: Instant,
    ) -> Result<(), ProtocolError> {
        let Some(connection) = self.connection.as_mut().filter(|c| c.phase.is_open()) else {
            return Err(ProtocolError::Violation(Violation::TextBeforeHello));
        };
        if self.state.has_all() {
            return Err(ProtocolError::Violation(Violation::TextAfterDone));
        }
        self.state.unshown += count as u64;
        connection.ack.received(bytes);
        if let Some(recording) = &mut self.recording {
            recording.received(&text);
        }
        // A message also says that its author has stopped typing.
        if self.peer_typing.typing(false, now) {
            self.show(Event::Typing(false));
        }
        self.show(text);
        Ok(())
    }
}
