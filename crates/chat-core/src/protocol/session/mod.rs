//! chat/1: a session that outlives its connections and loses nothing (compare MQTT 5, 4.1, and
//! XEP-0198).

mod ack;
mod connection_state;
mod encode;
mod liveness;
mod outbox;
mod state;
mod typing;

use std::time::{Duration, Instant};

use bytes::Buf;

use super::close::{CloseState, LINGER_TIMEOUT};
use super::{
    CloseReason, ConnectionStatus, Disconnect, Event, Handshake, Linger, Peer, Protocol,
    ProtocolError, SendError, Side,
};
use crate::trust::safety_number::{ChannelBinding, CommitReveal, ExchangeError, SafetyNumber};
use crate::wire::{
    Batch, Commitment, Control, Cookie, Frame, HANG_UP, Hello, Name, SessionId, WriteBuffer,
};

use connection_state::ConnectionState;
use state::SessionState;
use typing::RemoteTyping;

/// What a session needs to know at its start.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The name of this side's person.
    pub name: Name,
    /// The other side, as far as it is known. A name that is known is kept.
    pub peer: Peer,
    /// A new id at the dialer, the one in the dialer's hello at the listener.
    pub id: SessionId,
}

/// One end of a chat/1 session, over one connection after another.
///
/// Each connection begins with [`connected`](Protocol::connected) and ends with
/// [`disconnected`](Protocol::disconnected).
#[derive(Debug)]
pub struct Session {
    name: Name,
    peer: Peer,
    state: SessionState,
    commit_reveal: CommitReveal,
    /// The present connection, if there is one.
    connection: Option<ConnectionState>,
    /// The peer has said hello, on this connection or an earlier one.
    established: bool,
    /// When the last connection was lost.
    down_since: Option<Instant>,
    peer_typing: RemoteTyping,
    close: CloseState,
    /// The call is over for another reason than a hang-up.
    over: Option<CloseReason>,
}

impl Session {
    /// A session without a connection yet.
    pub fn new(config: SessionConfig) -> Self {
        Self {
            name: config.name.fitting(),
            peer: config.peer,
            state: SessionState::new(config.id),
            commit_reveal: CommitReveal::default(),
            connection: None,
            established: false,
            down_since: None,
            peer_typing: RemoteTyping::default(),
            close: CloseState::Open,
            over: None,
        }
    }

    /// This side has dialed: its hello goes first.
    fn dialed(&mut self, binding: Option<ChannelBinding>, now: Instant) {
        let commitment = match binding {
            Some(_) => self.commit_reveal.commit(),
            None => None,
        };
        let hello = self.hello(self.state.received, commitment);
        let mut connection = ConnectionState::new(binding, now);
        connection.control_queue.push(hello);
        self.connection = Some(connection);
    }

    /// The peer has dialed, and said `hello`.
    fn accepted(
        &mut self,
        binding: Option<ChannelBinding>,
        hello: Hello,
        events: &mut Vec<Event>,
        now: Instant,
    ) -> Result<(), ProtocolError> {
        let mut connection = ConnectionState::new(binding, now);
        connection
            .control_queue
            .push(self.hello(self.state.received, None));
        if connection.binding.is_some()
            && let Some(nonce) = self.commit_reveal.answer(hello.commitment)
        {
            connection.control_queue.push(Control::Nonce(nonce));
        }
        let cookie = Cookie::random();
        connection.control_queue.push(Control::Cookie(cookie));
        events.push(Event::Cookie(cookie));
        self.connection = Some(connection);
        self.hello_arrived(hello, events, now)
    }

    fn hello(&self, received: u64, commitment: Option<Commitment>) -> Control {
        Control::Hello(Hello {
            name: self.name.text.clone(),
            chosen: self.name.chosen,
            conversation: self.state.id,
            received,
            resumed: self.established,
            commitment,
        })
    }

    /// The peer said hello: resume from what it has received.
    fn hello_arrived(
        &mut self,
        hello: Hello,
        events: &mut Vec<Event>,
        now: Instant,
    ) -> Result<(), ProtocolError> {
        if hello.conversation != self.state.id {
            return Err(ProtocolError::Violation("its hello is for another session"));
        }
        let resent = self.state.outbox.resume(hello.received)?;
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        connection.answered(now);
        connection.hello_received = true;
        connection.ack.repeat(self.state.shown);
        self.close.delivered(now);
        let down_since = self.down_since.take();
        if std::mem::replace(&mut self.established, true) {
            let after = down_since.map_or(Duration::ZERO, |since| now - since);
            events.push(Event::Connection(ConnectionStatus::Resumed {
                after,
                resent,
            }));
        } else {
            if self.peer.name.is_none() && !hello.name.is_empty() {
                self.peer.name = Some(hello.name);
            }
            events.push(Event::Established(self.peer.clone()));
        }
        Ok(())
    }

    fn receive_control(
        &mut self,
        control: Control,
        events: &mut Vec<Event>,
        now: Instant,
    ) -> Result<(), ProtocolError> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        match control {
            Control::Hello(_) if connection.hello_received => {
                return Err(ProtocolError::Violation("it said hello twice"));
            }
            Control::Hello(hello) => return self.hello_arrived(hello, events, now),
            Control::Waiting { .. } | Control::Busy { .. } if connection.hello_received => {
                return Err(ProtocolError::Violation("it queued a call that is on"));
            }
            Control::Waiting { ahead } => {
                connection.answered(now);
                events.push(Event::QueuePosition(ahead));
            }
            Control::Busy { waiting } => self.over = Some(CloseReason::Busy { waiting }),
            // A peer that no longer knows a finished session has ended it already.
            Control::Refused(_) if self.state.is_settled() => {
                self.over = Some(CloseReason::BothFinished)
            }
            Control::Refused(refusal) if refusal.is_passing() => {
                connection.disconnect = Some(Disconnect::Refused(refusal));
            }
            Control::Refused(refusal) if self.established => {
                self.over = Some(Disconnect::Refused(refusal).into());
            }
            Control::Refused(refusal) => self.over = Some(CloseReason::Refused(refusal)),
            Control::Ping(number) => connection.liveness.ping(number),
            Control::Pong(number) => {
                if connection.liveness.pong(number, now)? {
                    events.push(connection.status_up());
                }
            }
            _ if !connection.hello_received => {
                return Err(ProtocolError::Violation(
                    "it said something before its hello",
                ));
            }
            Control::Say(text) => {
                let bytes = text.len();
                self.receive_text(encode::event(text), 1, bytes, events, now)?;
            }
            Control::Received(number) => {
                if self.state.outbox.acknowledge(number)? {
                    self.close.delivered(now);
                    events.push(Event::Delivered(number));
                }
            }
            Control::Typing(typing) => {
                if self.peer_typing.typing(typing, now) {
                    events.push(Event::Typing(typing));
                }
            }
            Control::Done(true) => {
                if !std::mem::replace(&mut self.state.peer_finished, true) {
                    events.push(Event::PeerEof);
                }
            }
            Control::Done(false) => {
                return Err(ProtocolError::Violation(
                    "it took back that it has no more to say",
                ));
            }
            Control::Cookie(cookie) => events.push(Event::Cookie(cookie)),
            Control::Idle(millis) => {
                events.push(Event::PeerIdleTimeout(Duration::from_millis(millis)));
            }
            Control::Nonce(nonce) => {
                let binding = connection.binding.as_ref().ok_or(ExchangeError::Unasked)?;
                let (own, number) = self.commit_reveal.reveal(binding, nonce)?;
                connection.control_queue.push(Control::Reveal(own));
                events.push(number.into());
            }
            Control::Reveal(nonce) => {
                let binding = connection.binding.as_ref().ok_or(ExchangeError::Unasked)?;
                events.push(self.commit_reveal.open(binding, nonce)?.into());
            }
        }
        Ok(())
    }

    /// Accepts `count` messages of `bytes` on the wire.
    fn receive_text(
        &mut self,
        text: Event,
        count: usize,
        bytes: usize,
        events: &mut Vec<Event>,
        now: Instant,
    ) -> Result<(), ProtocolError> {
        let connection = self
            .connection
            .as_mut()
            .filter(|connection| connection.hello_received);
        let connection =
            connection.ok_or(ProtocolError::Violation("it sent text before its hello"))?;
        if self.state.peer_finished {
            return Err(ProtocolError::Violation(
                "it sent text after it had no more to say",
            ));
        }
        self.state.received += count as u64;
        connection.ack.received(bytes);
        // A message also says that its author has stopped typing.
        if self.peer_typing.typing(false, now) {
            events.push(Event::Typing(false));
        }
        events.push(text);
        Ok(())
    }

    fn push(&mut self, lines: Batch) {
        self.state.outbox.push(lines);
        if let Some(connection) = &mut self.connection {
            connection.typing.message_sent();
        }
    }

    /// Whether the next thing to send is the hang-up.
    fn is_leaving(&self) -> bool {
        match self.close {
            // Unless in a hurry, wait for the peer's hello: it may still refuse the call.
            CloseState::Flushing { linger, .. } => {
                let established = self
                    .connection
                    .as_ref()
                    .is_some_and(|connection| connection.hello_received);
                self.state.outbox.is_empty() && (established || linger == Linger::Brief)
            }
            CloseState::Expired => true,
            _ => false,
        }
    }

    /// Whether a hang-up has nothing to wait for: without a connection, only one that lingers
    /// waits for the next.
    fn is_hopeless(&self, linger: Linger) -> bool {
        self.connection.is_none() && (linger == Linger::Brief || self.state.outbox.is_empty())
    }

    /// A lingering hang-up has no deadline before the peer's hello on this connection.
    fn close_timeout(&self) -> Option<Instant> {
        let apart = !self
            .connection
            .as_ref()
            .is_some_and(|connection| connection.hello_received);
        let waits = apart && self.close.is_lingering();
        self.close.timeout().filter(|_| !waits)
    }

    fn transmit_hang_up(&mut self, out: &mut WriteBuffer, now: Instant) {
        if self.is_leaving() {
            // With its LF, so that it counts even if the connection is reset right after it.
            out.push(Batch::from(HANG_UP).into());
            self.close = CloseState::Queued {
                by: now + LINGER_TIMEOUT,
            };
        }
    }
}

impl Protocol for Session {
    /// The caller makes sure that a session is resumed under the same key.
    fn connected(
        &mut self,
        handshake: Handshake,
        events: &mut Vec<Event>,
        now: Instant,
    ) -> Result<(), ProtocolError> {
        match handshake.hello {
            Some(hello) => self.accepted(handshake.binding, hello, events, now),
            None => {
                self.dialed(handshake.binding, now);
                Ok(())
            }
        }
    }

    fn counts_messages(&self) -> bool {
        true
    }

    /// A hello with a lower count than was acknowledged was written before that.
    fn is_stale(&self, handshake: &Handshake) -> bool {
        let received = handshake.hello.as_ref().map(|hello| hello.received);
        received.is_some_and(|received| received < self.state.outbox.acknowledged())
    }

    fn give_up(&mut self, disconnect: Disconnect) -> CloseReason {
        self.connection = None;
        if self.state.is_settled() {
            CloseReason::BothFinished
        } else if self.close == CloseState::Open {
            CloseReason::Lost(disconnect)
        } else {
            CloseReason::HungUp(Side::Local)
        }
    }

    fn has_room(&self) -> bool {
        self.state.outbox.has_room(self.connection.is_some())
    }

    fn say_lines(&mut self, lines: Batch) -> Result<(), SendError> {
        match self.close {
            CloseState::Open => encode::lines(lines, &mut |batch| self.push(batch)),
            _ => Ok(()),
        }
    }

    fn say(&mut self, text: &str) -> Result<(), SendError> {
        if self.close == CloseState::Open {
            self.push(encode::message(text)?);
        }
        Ok(())
    }

    fn typing(&mut self, typing: bool, _now: Instant) {
        if let Some(connection) = &mut self.connection {
            connection.typing.typing(typing);
        }
    }

    fn finish(&mut self) {
        self.state.finished = true;
    }

    fn hang_up(&mut self, linger: Linger, now: Instant) {
        let wanted = match self.close {
            CloseState::Open => true,
            // A graceful close may become immediate.
            close => close.is_lingering(),
        };
        if wanted {
            let settled = self
                .connection
                .as_ref()
                .is_some_and(ConnectionState::is_draining);
            self.close = match settled || self.is_hopeless(linger) {
                true => CloseState::Sent,
                false => CloseState::flushing(linger, now),
            };
        }
    }

    fn idle_timeout(&mut self, idle: Duration, now: Instant) {
        if self.close == CloseState::Open
            && let Some(connection) = self
                .connection
                .as_mut()
                .filter(|connection| connection.hello_received)
        {
            connection
                .control_queue
                .push(Control::Idle(idle.as_millis() as u64));
        }
        self.hang_up(Linger::Brief, now);
    }

    fn heard(&mut self, events: &mut Vec<Event>, now: Instant) {
        if let Some(connection) = &mut self.connection
            && connection.liveness.heard(now)
        {
            events.push(connection.status_up());
        }
    }

    fn receive(
        &mut self,
        frame: Frame,
        events: &mut Vec<Event>,
        now: Instant,
    ) -> Result<(), ProtocolError> {
        if self.close == CloseState::PeerClosed || self.over.is_some() {
            return Ok(());
        }
        self.heard(events, now);
        match frame {
            Frame::Text(lines) => {
                let (count, bytes) = (lines.len(), lines.wire_len());
                self.receive_text(Event::Lines(lines), count, bytes, events, now)
            }
            Frame::Control(json) => match Control::parse(&json)? {
                Some(control) => self.receive_control(control, events, now),
                None => Ok(()),
            },
            Frame::HangUp => {
                self.close.peer_closed();
                Ok(())
            }
        }
    }

    fn receive_eof(&mut self, _events: &mut Vec<Event>, _now: Instant) {
        if let Some(connection) = &mut self.connection {
            connection.peer_closed = true;
            if !self.state.is_settled() {
                connection.disconnect = Some(Disconnect::Cut);
            }
        }
    }

    fn delivered_to_user(&mut self, now: Instant) {
        self.state.shown = self.state.received;
        if let Some(connection) = &mut self.connection {
            let last = self.state.peer_finished;
            connection.ack.shown(self.state.shown, last, now);
        }
    }

    fn set_paused(&mut self, paused: bool, now: Instant) {
        if let Some(connection) = &mut self.connection {
            connection.set_paused(paused, now);
        }
    }

    fn poll_transmit(&mut self, _raw: bool, out: &mut WriteBuffer, now: Instant) {
        if self.close.is_closed() {
            return;
        }
        let leaving = self.is_leaving();
        let Some(connection) = self
            .connection
            .as_mut()
            .filter(|connection| !connection.is_draining())
        else {
            return;
        };
        if !out.is_full() {
            let before = out.remaining();
            connection.transmit_controls(out, now);
            if connection.hello_received {
                let may_say = self.close != CloseState::Expired;
                self.state.transmit(connection, may_say, out);
                if leaving {
                    connection.ack.ack_now();
                }
                let piggyback = out.remaining() > before;
                if let Some(number) = connection.ack.take(self.state.shown, piggyback, now) {
                    out.push(Control::Received(number).to_line());
                }
            }
        }
        if self.close == CloseState::Open {
            if connection.done_sent
                && self.state.is_settled()
                && connection.ack.has_acknowledged(self.state.shown)
            {
                connection.start_draining(now);
            }
        } else {
            self.transmit_hang_up(out, now);
        }
    }

    fn transmitted(&mut self, _now: Instant) {
        self.close.sent();
    }

    fn wants_close(&self) -> bool {
        self.close.is_closed()
            || self.over.is_some()
            || self
                .connection
                .as_ref()
                .is_some_and(ConnectionState::is_draining)
    }

    fn timeout(&self) -> Option<Instant> {
        let connection = self.connection.as_ref().and_then(ConnectionState::timeout);
        let timeouts = [self.close_timeout(), connection, self.peer_typing.timeout()];
        timeouts.into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, events: &mut Vec<Event>, now: Instant) {
        if self.close_timeout().is_some() {
            self.close.handle_timeout(now);
        }
        if self.peer_typing.handle_timeout(now) {
            events.push(Event::Typing(false));
        }
        if let Some(connection) = &mut self.connection {
            connection.handle_timeout(events, now);
        }
    }

    fn connection_lost(&mut self) -> Option<Disconnect> {
        self.connection.as_mut()?.disconnect.take()
    }

    fn disconnected(&mut self, _loss: Disconnect, now: Instant) -> Option<CloseReason> {
        if let Some(close_reason) = self.close_reason(true) {
            return Some(close_reason);
        }
        self.connection = None;
        self.down_since.get_or_insert(now);
        let hopeless = match self.close {
            CloseState::Open => false,
            CloseState::Flushing { linger, .. } => self.is_hopeless(linger),
            _ => true,
        };
        hopeless.then_some(CloseReason::HungUp(Side::Local))
    }

    fn close_reason(&mut self, written: bool) -> Option<CloseReason> {
        if let Some(close_reason) = self.over.take() {
            return Some(close_reason);
        }
        match self.close {
            CloseState::PeerClosed => Some(CloseReason::HungUp(Side::Remote)),
            CloseState::Sent => Some(CloseReason::HungUp(Side::Local)),
            _ => {
                let connection = self.connection.as_ref()?;
                (connection.is_draining() && connection.peer_closed && written)
                    .then_some(CloseReason::BothFinished)
            }
        }
    }

    fn final_ack(&self) -> Vec<Control> {
        let shown = self.state.shown;
        vec![self.hello(shown, None), Control::Received(shown)]
    }

    fn unacknowledged(&self) -> Vec<String> {
        let lines = self.state.outbox.batches().flat_map(Batch::lines);
        lines.map(encode::text_of).collect()
    }
}

impl From<SafetyNumber> for Event {
    fn from(SafetyNumber { digits, emoji }: SafetyNumber) -> Self {
        Self::SafetyNumber { digits, emoji }
    }
}
