//! chat/1: a conversation that outlives its connections, and loses nothing.

mod ack;
mod connection_state;
mod encode;
mod liveness;
mod outbox;
mod state;
mod typing;

use std::time::{Duration, Instant};

use bytes::Buf;

use super::close::{GoodBye, PATIENCE};
use super::{
    Contact, Ending, Event, LinkState, Loss, Patience, Peer, Protocol, ProtocolError, Side,
    Unsayable,
};
use crate::trust::safety_number::{Binding, Exchange, ExchangeError, SafetyNumber};
use crate::wire::{
    Batch, Commitment, Control, ConversationId, Frame, HANG_UP, Hello, Name, Outgoing,
};

use connection_state::Leg;
use state::Ledger;
use typing::Watcher;

/// What a session is about.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// What this side's person is called.
    pub name: Name,
    /// The other side, as far as it is known. A name that is known is kept.
    pub peer: Peer,
    /// The conversation: a new one at the dialer, the one in the dialer's hello at the listener.
    pub conversation: ConversationId,
}

/// One person's end of a chat/1 conversation, over one connection after another.
///
/// Each connection begins with [`connected`](Protocol::connected) and ends with
/// [`disconnected`](Protocol::disconnected).
#[derive(Debug)]
pub struct Session {
    name: Name,
    peer: Peer,
    ledger: Ledger,
    exchange: Exchange,
    /// The connection there is, if there is one.
    leg: Option<Leg>,
    /// The two sides have met, on this connection or an earlier one.
    met: bool,
    /// When the last connection was lost.
    down_since: Option<Instant>,
    peer_typing: Watcher,
    good_bye: GoodBye,
    /// The call is over for another reason than a hang-up.
    over: Option<Ending>,
}

impl Session {
    /// A conversation without a connection yet.
    pub fn new(config: SessionConfig) -> Self {
        Self {
            name: config.name.fitting(),
            peer: config.peer,
            ledger: Ledger::new(config.conversation),
            exchange: Exchange::default(),
            leg: None,
            met: false,
            down_since: None,
            peer_typing: Watcher::default(),
            good_bye: GoodBye::Talking,
            over: None,
        }
    }

    /// This side has made a connection: its hello goes first.
    fn dialed(&mut self, binding: Option<Binding>, now: Instant) {
        let commitment = match binding {
            Some(_) => self.exchange.commit(),
            None => None,
        };
        let hello = self.hello(self.ledger.received, commitment);
        let mut leg = Leg::new(binding, now);
        leg.due.push(hello);
        self.leg = Some(leg);
    }

    /// The peer has made a connection, and said `hello` on it.
    fn accepted(
        &mut self,
        binding: Option<Binding>,
        hello: Hello,
        events: &mut Vec<Event>,
        now: Instant,
    ) -> Result<(), ProtocolError> {
        let mut leg = Leg::new(binding, now);
        leg.due.push(self.hello(self.ledger.received, None));
        if leg.binding.is_some()
            && let Some(nonce) = self.exchange.answer(hello.commitment)
        {
            leg.due.push(Control::Nonce(nonce));
        }
        self.leg = Some(leg);
        self.greet(hello, events, now)
    }

    fn hello(&self, received: u64, commitment: Option<Commitment>) -> Control {
        Control::Hello(Hello {
            name: self.name.text.clone(),
            chosen: self.name.chosen,
            conversation: self.ledger.conversation,
            received,
            resumed: self.met,
            commitment,
        })
    }

    /// The peer said hello: go on where it is.
    fn greet(
        &mut self,
        hello: Hello,
        events: &mut Vec<Event>,
        now: Instant,
    ) -> Result<(), ProtocolError> {
        if hello.conversation != self.ledger.conversation {
            return Err(ProtocolError::Absurd(
                "its hello is for another conversation",
            ));
        }
        let resent = self.ledger.outbox.resume(hello.received)?;
        let Some(leg) = &mut self.leg else {
            return Ok(());
        };
        leg.answered(now);
        leg.greeted = true;
        leg.acks.repeat(self.ledger.shown);
        self.good_bye.delivered(now);
        let down_since = self.down_since.take();
        if std::mem::replace(&mut self.met, true) {
            let after = down_since.map_or(Duration::ZERO, |since| now - since);
            events.push(Event::Link(LinkState::Back { after, resent }));
        } else {
            if self.peer.name.is_none() && !hello.name.is_empty() {
                self.peer.name = Some(hello.name);
            }
            events.push(Event::Call(self.peer.clone()));
        }
        Ok(())
    }

    fn receive_control(
        &mut self,
        control: Control,
        events: &mut Vec<Event>,
        now: Instant,
    ) -> Result<(), ProtocolError> {
        let Some(leg) = &mut self.leg else {
            return Ok(());
        };
        match control {
            Control::Hello(_) if leg.greeted => {
                return Err(ProtocolError::Absurd("it said hello twice"));
            }
            Control::Hello(hello) => return self.greet(hello, events, now),
            Control::Waiting { .. } | Control::Busy { .. } if leg.greeted => {
                return Err(ProtocolError::Absurd("it queued a call that is on"));
            }
            Control::Waiting { ahead } => {
                leg.answered(now);
                events.push(Event::Ahead(ahead));
            }
            Control::Busy { waiting } => self.over = Some(Ending::Busy { waiting }),
            // A peer that knows nothing of a settled conversation has ended it already.
            Control::Refused(_) if self.ledger.is_settled() => self.over = Some(Ending::InputOver),
            Control::Refused(reason) if self.met => {
                self.over = Some(Loss::Unreachable(reason).into());
            }
            Control::Refused(reason) => self.over = Some(Ending::Refused(reason)),
            Control::Ping(number) => leg.liveness.ping(number),
            Control::Pong(number) => {
                if leg.liveness.pong(number, now)? {
                    events.push(leg.link_up());
                }
            }
            _ if !leg.greeted => {
                return Err(ProtocolError::Absurd("it said something before its hello"));
            }
            Control::Say(text) => {
                let bytes = text.len();
                self.receive_text(encode::heard(text), 1, bytes, events, now)?;
            }
            Control::Received(number) => {
                if self.ledger.outbox.acknowledge(number)? {
                    self.good_bye.delivered(now);
                    events.push(Event::Delivered(number));
                }
            }
            Control::Typing(typing) => {
                if self.peer_typing.typing(typing, now) {
                    events.push(Event::Typing(typing));
                }
            }
            Control::Done(true) => {
                if !std::mem::replace(&mut self.ledger.peer_finished, true) {
                    events.push(Event::PeerFinished);
                }
            }
            Control::Done(false) => {
                return Err(ProtocolError::Absurd(
                    "it took back that it has no more to say",
                ));
            }
            Control::Idle(millis) => {
                events.push(Event::Dismissed(Duration::from_millis(millis)));
            }
            Control::Nonce(nonce) => {
                let binding = leg.binding.as_ref().ok_or(ExchangeError::Unasked)?;
                let (own, number) = self.exchange.reveal(binding, nonce)?;
                leg.due.push(Control::Reveal(own));
                events.push(number.into());
            }
            Control::Reveal(nonce) => {
                let binding = leg.binding.as_ref().ok_or(ExchangeError::Unasked)?;
                events.push(self.exchange.open(binding, nonce)?.into());
            }
        }
        Ok(())
    }

    /// Messages came, which take so many bytes.
    fn receive_text(
        &mut self,
        text: Event,
        count: usize,
        bytes: usize,
        events: &mut Vec<Event>,
        now: Instant,
    ) -> Result<(), ProtocolError> {
        let leg = self.leg.as_mut().filter(|leg| leg.greeted);
        let leg = leg.ok_or(ProtocolError::Absurd("it sent text before its hello"))?;
        if self.ledger.peer_finished {
            return Err(ProtocolError::Absurd(
                "it sent text after it had no more to say",
            ));
        }
        self.ledger.received += count as u64;
        leg.acks.received(bytes);
        // Its text says by itself that it stopped typing.
        if self.peer_typing.typing(false, now) {
            events.push(Event::Typing(false));
        }
        events.push(text);
        Ok(())
    }

    fn push(&mut self, lines: Batch) {
        self.ledger.outbox.push(lines);
        if let Some(leg) = &mut self.leg {
            leg.typing.said();
        }
    }

    /// Whether the next thing to send is the hang-up.
    fn is_leaving(&self) -> bool {
        match self.good_bye {
            // A pipe first learns who is there, and whether it may talk at all.
            GoodBye::Wanted { patience, .. } => {
                let met = self.leg.as_ref().is_some_and(|leg| leg.greeted);
                self.ledger.outbox.is_empty() && (met || patience == Patience::Brief)
            }
            GoodBye::Due => true,
            _ => false,
        }
    }

    /// Whether a hang-up has nothing to wait for: without a connection only a pipe waits, for
    /// the next one.
    fn is_hopeless(&self, patience: Patience) -> bool {
        self.leg.is_none() && (patience == Patience::Brief || self.ledger.outbox.is_empty())
    }

    /// While the two sides have not met, or not again, a pipe's hang-up waits with the rest.
    fn good_bye_timeout(&self) -> Option<Instant> {
        let apart = !self.leg.as_ref().is_some_and(|leg| leg.greeted);
        let waits = apart && self.good_bye.is_patient();
        self.good_bye.timeout().filter(|_| !waits)
    }

    fn transmit_good_bye(&mut self, out: &mut Outgoing, now: Instant) {
        if self.is_leaving() {
            // A line like the others: it counts although the connection is reset right after it.
            out.push(Batch::from(HANG_UP).into());
            self.good_bye = GoodBye::Appended { by: now + PATIENCE };
        }
    }
}

impl Protocol for Session {
    /// The caller makes sure that a conversation goes on under the same key.
    fn connected(
        &mut self,
        contact: Contact,
        events: &mut Vec<Event>,
        now: Instant,
    ) -> Result<(), ProtocolError> {
        match contact.hello {
            Some(hello) => self.accepted(contact.binding, hello, events, now),
            None => {
                self.dialed(contact.binding, now);
                Ok(())
            }
        }
    }

    fn counts_messages(&self) -> bool {
        true
    }

    /// A hello that knows less than was acknowledged was written before that.
    fn is_outdated(&self, contact: &Contact) -> bool {
        let received = contact.hello.as_ref().map(|hello| hello.received);
        received.is_some_and(|received| received < self.ledger.outbox.acknowledged())
    }

    fn give_up(&mut self, loss: Loss) -> Ending {
        self.leg = None;
        if self.ledger.is_settled() {
            Ending::InputOver
        } else if self.good_bye == GoodBye::Talking {
            Ending::Lost(loss)
        } else {
            Ending::HungUp(Side::Here)
        }
    }

    fn has_room(&self) -> bool {
        self.ledger.outbox.has_room(self.leg.is_some())
    }

    fn say_lines(&mut self, lines: Batch) -> Result<(), Unsayable> {
        match self.good_bye {
            GoodBye::Talking => encode::lines(lines, &mut |batch| self.push(batch)),
            _ => Ok(()),
        }
    }

    fn say(&mut self, text: &str) -> Result<(), Unsayable> {
        if self.good_bye == GoodBye::Talking {
            self.push(encode::message(text)?);
        }
        Ok(())
    }

    fn typing(&mut self, typing: bool, _now: Instant) {
        if let Some(leg) = &mut self.leg {
            leg.typing.typing(typing);
        }
    }

    fn finish(&mut self) {
        self.ledger.finished = true;
    }

    fn hang_up(&mut self, patience: Patience, now: Instant) {
        let wanted = match self.good_bye {
            GoodBye::Talking => true,
            // Who was patient may no longer be.
            good_bye => good_bye.is_patient(),
        };
        if wanted {
            let settled = self.leg.as_ref().is_some_and(Leg::is_closing);
            self.good_bye = match settled || self.is_hopeless(patience) {
                true => GoodBye::Written,
                false => GoodBye::wanted(patience, now),
            };
        }
    }

    fn dismiss(&mut self, idle: Duration, now: Instant) {
        if self.good_bye == GoodBye::Talking
            && let Some(leg) = self.leg.as_mut().filter(|leg| leg.greeted)
        {
            leg.due.push(Control::Idle(idle.as_millis() as u64));
        }
        self.hang_up(Patience::Brief, now);
    }

    fn heard(&mut self, events: &mut Vec<Event>, now: Instant) {
        if let Some(leg) = &mut self.leg
            && leg.liveness.heard(now)
        {
            events.push(leg.link_up());
        }
    }

    fn receive(
        &mut self,
        frame: Frame,
        events: &mut Vec<Event>,
        now: Instant,
    ) -> Result<(), ProtocolError> {
        if self.good_bye == GoodBye::Heard || self.over.is_some() {
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
                self.good_bye.heard();
                Ok(())
            }
        }
    }

    fn receive_end(&mut self, _events: &mut Vec<Event>, _now: Instant) {
        if let Some(leg) = &mut self.leg {
            leg.peer_closed = true;
            if !self.ledger.is_settled() {
                leg.lost = Some(Loss::Cut);
            }
        }
    }

    fn shown(&mut self, now: Instant) {
        self.ledger.shown = self.ledger.received;
        if let Some(leg) = &mut self.leg {
            let last = self.ledger.peer_finished;
            leg.acks.shown(self.ledger.shown, last, now);
        }
    }

    fn listening(&mut self, listening: bool, now: Instant) {
        if let Some(leg) = &mut self.leg {
            leg.listening(listening, now);
        }
    }

    fn transmit(&mut self, _raw: bool, out: &mut Outgoing, now: Instant) {
        if self.good_bye.is_said() {
            return;
        }
        let leaving = self.is_leaving();
        let Some(leg) = self.leg.as_mut().filter(|leg| !leg.is_closing()) else {
            return;
        };
        if !out.is_full() {
            let before = out.remaining();
            leg.transmit_controls(out, now);
            if leg.greeted {
                let may_say = self.good_bye != GoodBye::Due;
                self.ledger.transmit(leg, may_say, out);
                if leaving {
                    leg.acks.hasten();
                }
                let in_company = out.remaining() > before;
                if let Some(number) = leg.acks.take(self.ledger.shown, in_company, now) {
                    out.push(Control::Received(number).to_line());
                }
            }
        }
        if self.good_bye == GoodBye::Talking {
            if leg.told_done && self.ledger.is_settled() && leg.acks.has_told(self.ledger.shown) {
                leg.close(now);
            }
        } else {
            self.transmit_good_bye(out, now);
        }
    }

    fn transmitted(&mut self, _now: Instant) {
        self.good_bye.written();
    }

    fn closes(&self) -> bool {
        self.good_bye.is_said()
            || self.over.is_some()
            || self.leg.as_ref().is_some_and(Leg::is_closing)
    }

    fn timeout(&self) -> Option<Instant> {
        let leg = self.leg.as_ref().and_then(Leg::timeout);
        let timeouts = [self.good_bye_timeout(), leg, self.peer_typing.timeout()];
        timeouts.into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, events: &mut Vec<Event>, now: Instant) {
        if self.good_bye_timeout().is_some() {
            self.good_bye.handle_timeout(now);
        }
        if self.peer_typing.handle_timeout(now) {
            events.push(Event::Typing(false));
        }
        if let Some(leg) = &mut self.leg {
            leg.handle_timeout(events, now);
        }
    }

    fn link_lost(&mut self) -> Option<Loss> {
        self.leg.as_mut()?.lost.take()
    }

    fn disconnected(&mut self, _loss: Loss, now: Instant) -> Option<Ending> {
        if let Some(ending) = self.ending(true) {
            return Some(ending);
        }
        self.leg = None;
        self.down_since.get_or_insert(now);
        let hopeless = match self.good_bye {
            GoodBye::Talking => false,
            GoodBye::Wanted { patience, .. } => self.is_hopeless(patience),
            _ => true,
        };
        hopeless.then_some(Ending::HungUp(Side::Here))
    }

    fn ending(&mut self, written: bool) -> Option<Ending> {
        if let Some(ending) = self.over.take() {
            return Some(ending);
        }
        match self.good_bye {
            GoodBye::Heard => Some(Ending::HungUp(Side::There)),
            GoodBye::Written => Some(Ending::HungUp(Side::Here)),
            _ => {
                let leg = self.leg.as_ref()?;
                (leg.is_closing() && leg.peer_closed && written).then_some(Ending::InputOver)
            }
        }
    }

    fn last_words(&self) -> Vec<Control> {
        let shown = self.ledger.shown;
        vec![self.hello(shown, None), Control::Received(shown)]
    }

    fn undelivered(&self) -> Vec<String> {
        let lines = self.ledger.outbox.batches().flat_map(Batch::lines);
        lines.map(encode::text_of).collect()
    }
}

impl From<SafetyNumber> for Event {
    fn from(SafetyNumber { digits, emoji }: SafetyNumber) -> Self {
        Self::SafetyNumber { digits, emoji }
    }
}
