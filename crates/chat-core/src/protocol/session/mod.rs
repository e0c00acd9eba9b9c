//! chat/1: a session that outlives its connections and loses nothing (compare MQTT 5, 4.1, and
//! XEP-0198).

mod ack;
mod connection_state;
mod encode;
mod liveness;
mod outbox;
mod receive;
mod recording;
mod state;
mod typing;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Buf;

use super::close::{CloseState, Patience};
use super::{
    CloseReason, Disconnect, Entry, Event, Handshake, Linger, Next, Outgoing, Protocol,
    ProtocolEvent, Recorded, SendError, Side, SinkState,
};
use crate::trust::safety_number::{DialerExchange, ListenerExchange, SafetyNumber};
use crate::trust::{Security, Verification};
use crate::wire::{Batch, Control, Frame, HANG_UP, Hello, Name, Presence, SessionId, WriteBuffer};

use connection_state::{ConnectionState, Loss, Phase};
use recording::Recording;
use typing::{LocalTyping, RemoteTyping};

pub use state::SessionState;

/// The most control lines that wait to be written.
const MAX_CONTROLS: usize = 256;

/// What a person tells the peer's program besides messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// Whether the person is there.
    Presence(Presence),
    /// What the person is called from now on.
    Name(Name),
    /// What the person says who waits for an answer.
    Note(String),
}

/// One end of a chat/1 session, over one connection after another.
///
/// Each connection begins with [`connected`](Protocol::connected) and ends with
/// [`disconnected`](Protocol::disconnected).
#[derive(Debug)]
pub struct Session {
    name: Name,
    state: SessionState,
    events: VecDeque<ProtocolEvent>,
    /// `None` if nothing is written down.
    recording: Option<Recording>,
    /// What is said stays written down when the call is over.
    history: bool,
    /// The peer has said hello to this program.
    met: bool,
    /// The call has begun anew in this session, and whether what it begins with may have arrived
    /// before.
    renewed: Option<bool>,
    /// What the peer has of a session that it has ended is known.
    settled: bool,
    /// Messages that were acknowledged in the sessions before.
    delivered_before: u64,
    /// Whether the peer records what it receives.
    peer_keeps: bool,
    /// Whether the peer's program knows what is said about files, once it has said hello.
    peer_files: Option<bool>,
    /// This side's part in the safety number if it has dialed.
    dialer: DialerExchange,
    /// And if it was called.
    listener: ListenerExchange,
    /// The present connection, if there is one.
    connection: Option<ConnectionState>,
    /// The round trip on the last connection.
    round_trip: Option<Duration>,
    /// When the peer was last heard on the connection that was lost.
    down_since: Option<Instant>,
    /// How long this machine has slept since then, which no `Instant` counts.
    slept: Duration,
    peer_typing: RemoteTyping,
    /// Whether this side's person is there, as the person says.
    presence: Presence,
    /// A machine records what the peer says, for nobody is there.
    answering: bool,
    /// Whether that is so at the peer.
    peer_answering: bool,
    /// This side's program is stopped for a while.
    suspended: bool,
    /// The peer may think that this side's person is away.
    was_away: bool,
    peer_presence: Presence,
    /// What the peer called itself last.
    peer_name: Option<Name>,
    close: CloseState,
    /// The call is over for another reason than a hang-up.
    over: Option<CloseReason>,
}

impl Session {
    /// A session without a connection yet: a new one, or one that was restored. `name` is that of
    /// this side's person; a peer whose key is new is told it only if it was chosen.
    pub fn new(name: Name, peer: &Security, state: SessionState) -> Self {
        let (dialer, listener) = match state.established {
            true => (DialerExchange::forgotten(), ListenerExchange::forgotten()),
            false if state.restored => (DialerExchange::restored(), ListenerExchange::new(None)),
            false => (DialerExchange::default(), ListenerExchange::new(None)),
        };
        let was_away = state.established;
        Self {
            name: name_for(peer, name),
            state,
            events: VecDeque::new(),
            recording: None,
            history: false,
            met: false,
            renewed: None,
            settled: false,
            delivered_before: 0,
            peer_keeps: false,
            peer_files: None,
            dialer,
            listener,
            connection: None,
            round_trip: None,
            down_since: None,
            slept: Duration::ZERO,
            peer_typing: RemoteTyping::default(),
            presence: Presence::Here,
            answering: false,
            peer_answering: false,
            suspended: false,
            // The program may have been ended while its person was away.
            was_away,
            peer_presence: Presence::Here,
            peer_name: None,
            close: CloseState::Open,
            over: None,
        }
    }

    /// The same, but as the listener it shows and reveals no safety number before this moment.
    pub fn reveal_after(mut self, moment: Option<Instant>) -> Self {
        if !self.state.established {
            self.listener = ListenerExchange::new(moment);
        }
        self
    }

    /// The same, with a person who is there or not.
    pub fn with_presence(mut self, presence: Presence) -> Self {
        self.remark(Remark::Presence(presence));
        self
    }

    /// What a peer on a new connection knows of this side's person, if that is certain.
    fn told_presence(&self) -> Option<Presence> {
        (!self.was_away).then_some(Presence::Here)
    }

    /// The same, but nobody is there, and a machine records what is said. As the listener it has no
    /// part in a safety number, which nobody could compare.
    pub fn with_machine(self, answering: bool) -> Self {
        Self { answering, ..self }
    }

    /// Tells the peer something besides messages, on this connection and each later one. A note is
    /// for who is waiting, and told once.
    pub fn remark(&mut self, remark: Remark) {
        match remark {
            Remark::Presence(presence) => {
                self.was_away |= presence != Presence::Here;
                self.presence = presence;
            }
            Remark::Name(name) => {
                self.name = name;
                if let Some(connection) = &mut self.connection {
                    connection.renamed = true;
                }
            }
            Remark::Note(text) => {
                if let Some(connection) = &mut self.connection {
                    connection.control_queue.push(Control::Note(text));
                }
            }
        }
    }

    /// What outlives the connections.
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// What to tell a peer that reconnects after this side has hung up: the last receipt.
    pub fn final_ack(&self) -> Vec<Control> {
        self.state.final_ack_up_to(&self.name, self.receipt())
    }

    /// Records the session from now on, of which so much is recorded already: nothing is sent, and
    /// nothing acknowledged, before it is [`recorded`](Self::recorded). `history`: it stays written
    /// down when the call is over.
    pub fn record(&mut self, recorded: Recorded, history: bool) {
        let mut recording = Recording::new(recorded);
        let unrecorded = self.state.outbox.after(recorded.said);
        unrecorded.for_each(|batch| recording.said(&batch));
        if self.state.finished && !recorded.finished {
            recording.push(Entry::Finished);
        }
        self.recording = Some(recording);
        self.history = history;
    }

    /// What is to be recorded next. The caller takes all there is after each input, frame and flush.
    pub fn poll_entry(&mut self) -> Option<Entry> {
        self.recording.as_mut()?.pop()
    }

    /// So much is recorded now.
    pub fn recorded(&mut self, recorded: Recorded, now: Instant) {
        if let Some(recording) = &mut self.recording {
            recording.recorded = recorded;
            self.acknowledge_shown(now);
        }
    }

    /// Nothing can be recorded any more. The session goes on without, and the peer is told.
    pub fn stop_recording(&mut self, now: Instant) {
        if self.recording.take().is_some() {
            self.history = false;
            self.tell(Control::Keeps(false));
            self.acknowledge_shown(now);
        }
    }

    /// What is said from now on stays written down when the call is over, and the peer is told.
    pub fn keep_history(&mut self) {
        if !std::mem::replace(&mut self.history, true) {
            self.tell(Control::History(true));
        }
    }

    /// Whether what the peer acknowledges is written down there.
    pub fn peer_keeps(&self) -> bool {
        self.peer_keeps
    }

    /// Whether the peer's program knows what is said about files, as its last hello says.
    pub fn peer_knows_files(&self) -> Option<bool> {
        self.peer_files
    }

    /// Goes on in a new session, which the peer has begun, or which this side begins because the
    /// peer no longer knows the old one. What it has not received is said again. As the listener, a
    /// safety number is shown, but not before this moment.
    pub fn renew(&mut self, id: SessionId, reveal_after: Option<Instant>) {
        let is_unsure = self.state.restored && !self.met;
        let in_doubt = is_unsure || self.state.outbox.may_have_arrived();
        self.renewed = Some(in_doubt && !std::mem::take(&mut self.settled));
        let acknowledged = self.state.outbox.acknowledged();
        let outbox = std::mem::take(&mut self.state.outbox);
        self.delivered_before += acknowledged;
        self.state = SessionState {
            outbox: outbox.renewed(acknowledged),
            finished: self.state.finished,
            ..SessionState::new(id)
        };
        self.recording = None;
        self.history = false;
        self.connection = None;
        self.peer_typing = RemoteTyping::default();
        // Another number would be another guess for somebody in between.
        self.dialer.renew();
        self.listener = ListenerExchange::new(reveal_after);
    }

    /// The number of the last message that may be acknowledged.
    fn receipt(&self) -> u64 {
        let shown = self.state.shown;
        let recording = self.recording.as_ref();
        recording.map_or(shown, |recording| shown.min(recording.recorded.heard))
    }

    /// More may be acknowledged than before.
    fn acknowledge_shown(&mut self, now: Instant) {
        let receipt = self.receipt();
        let last = self.state.has_all() && receipt == self.state.shown;
        if let Some(connection) = &mut self.connection {
            connection.ack.shown(receipt, last, now);
        }
    }

    /// Tells the peer, if it listens; otherwise the next hello does.
    fn tell(&mut self, control: Control) {
        if let Some(connection) = self.connection.as_mut().filter(|c| c.phase.is_open()) {
            connection.control_queue.push(control);
        }
    }

    fn hello(&self) -> Hello {
        Hello {
            keeps: self.recording.is_some(),
            history: self.history,
            answering: self.answering,
            ..self.state.hello(&self.name, self.state.received())
        }
    }

    /// There is a reason to doubt the present connection, such as that this machine has moved: the
    /// peer is asked whether it still hears this side.
    pub fn suspect(&mut self, now: Instant) {
        if let Some(connection) = &mut self.connection {
            connection.liveness.suspect(now);
        }
        self.take_doubt(now);
    }

    /// This machine has slept for so long, while no clock of ours went on. A person was without the
    /// peer all that time, unless the connection is there still.
    pub fn slept(&mut self, time: Duration) {
        self.slept += time;
    }

    /// Reports that the present connection is in doubt, or no longer.
    fn take_doubt(&mut self, now: Instant) {
        let connection = self.connection.as_mut();
        let doubt = connection.and_then(|connection| connection.liveness.take_doubt(now));
        self.events.extend(doubt.map(ProtocolEvent::Doubted));
    }

    /// The dialer's part in the safety number.
    pub fn dialer_exchange(&mut self) -> &mut DialerExchange {
        &mut self.dialer
    }

    /// Says this about a file, unless there is no connection: it belongs to one, and is said again
    /// on the next. One too many is left out, for a peer that asks and does not listen.
    pub fn say_of_file(&mut self, control: Control) {
        if let Some(connection) = self.connection.as_mut().filter(|c| c.phase.is_open())
            && connection.control_queue.len() < MAX_CONTROLS
        {
            connection.control_queue.push(control);
        }
    }

    fn show(&mut self, event: Event) {
        self.events.push_back(ProtocolEvent::Show(event));
    }

    fn phase(&self) -> Option<Phase> {
        self.connection.as_ref().map(|connection| connection.phase)
    }

    /// Whether the peer has said hello on the present connection.
    fn is_open(&self) -> bool {
        self.phase().is_some_and(Phase::is_open)
    }

    fn is_draining(&self) -> bool {
        self.phase().is_some_and(Phase::is_draining)
    }

    fn push(&mut self, lines: Batch) {
        if let Some(recording) = &mut self.recording {
            recording.said(&lines);
        }
        self.state.outbox.push(lines);
        if let Some(connection) = &mut self.connection {
            connection.typing.message_sent();
        }
    }

    /// When this side hangs up with messages still on their way, or stops waiting for the hang-up to
    /// be written. Before the peer's hello on this connection, one that lingers has no limit.
    fn close_timeout(&self) -> Option<Instant> {
        let waits = !self.is_open() && self.close.linger() != Some(Linger::Brief);
        self.close.timeout().filter(|_| !waits)
    }

    fn is_expired(&self, now: Instant) -> bool {
        self.close_timeout().is_some_and(|until| until <= now)
    }

    /// Whether the next thing to send is the hang-up. Unless in a hurry, it waits for the peer's
    /// hello, which may still refuse the call.
    fn is_leaving(&self, now: Instant) -> bool {
        let CloseState::Flushing(patience) = self.close else {
            return false;
        };
        let may_leave = self.is_open() || patience.linger == Linger::Brief;
        let has_all = self.state.outbox.is_empty() && self.receipt() == self.state.shown;
        self.is_expired(now) || (has_all && may_leave)
    }

    /// Whether a hang-up has nothing to wait for: without a connection, only one that lingers
    /// waits for the next.
    fn is_hopeless(&self) -> bool {
        let brief = self.close.linger() == Some(Linger::Brief);
        self.connection.is_none() && (brief || self.state.outbox.is_empty())
    }

    fn transmit(&mut self, out: &mut WriteBuffer, now: Instant) {
        let (leaving, expired) = (self.is_leaving(now), self.is_expired(now));
        let receipt = self.receipt();
        let recorded = self.recording.as_ref().map(|recording| recording.recorded);
        let sendable = recorded.map_or(u64::MAX, |recorded| recorded.said);
        let may_finish = recorded.is_none_or(|recorded| recorded.finished);
        let Some(connection) = &mut self.connection else {
            return;
        };
        if self.close.is_closed() || connection.phase.is_draining() {
            return;
        }
        if !out.is_full() {
            let before = out.remaining();
            connection.transmit_controls(out, now);
            let away = Presence::Away(String::new());
            let presence = match &self.presence {
                Presence::Here if self.suspended => &away,
                presence => presence,
            };
            connection.transmit_remarks(out, &self.name, presence);
            if connection.phase.is_open() {
                if self.close == CloseState::Open
                    && let Some(nonce) = self.dialer.take_nonce()
                {
                    out.push(Control::Nonce(nonce).to_line());
                }
                while !expired
                    && !out.is_full()
                    && let Some(bytes) = self.state.outbox.send(sendable)
                {
                    out.push(bytes);
                    connection.liveness.asked(now);
                }
                let finished = self.state.finished && self.state.outbox.is_sent();
                if finished && may_finish && connection.phase == Phase::Open {
                    connection.phase = Phase::DoneSent;
                    out.push(Control::Done(true).to_line());
                }
                if leaving {
                    connection.ack.ack_now();
                }
                let piggyback = out.remaining() > before;
                if let Some(number) = connection.ack.take(receipt, piggyback, now) {
                    out.push(Control::Received(number).to_line());
                }
            }
        }
        if leaving {
            // With its LF, so that it counts even if the connection is reset right after it.
            out.push(Batch::from(HANG_UP).into());
            self.close = CloseState::Queued(Patience::new(Linger::Brief, now));
        } else if self.close == CloseState::Open && self.state.is_settled() {
            connection.drain(self.state.shown, now);
        }
    }

    /// Why the call is over, once it is.
    fn take_reason(&mut self) -> Option<CloseReason> {
        let drained = self.phase() == Some(Phase::Drained);
        let finished = drained.then_some(CloseReason::BothFinished);
        self.over.take().or(self.close.reason()).or(finished)
    }
}

/// What the peer is told of this side's name: strangers learn only one that was chosen.
fn name_for(peer: &Security, name: Name) -> Name {
    let is_stranger = matches!(
        peer,
        Security::Key {
            verification: Verification::New,
            ..
        }
    );
    match is_stranger && !name.chosen {
        true => Name::of_account(String::new()),
        false => name,
    }
}

impl Protocol for Session {
    /// The caller makes sure that a session is resumed under the same key.
    fn connected(&mut self, handshake: Handshake, now: Instant) -> bool {
        let Handshake { binding, hello } = handshake;
        // A hello with a lower count than was acknowledged was written before that, or the peer
        // has lost what it had acknowledged.
        let fits = |hello: &Hello| self.state.outbox.agrees(hello.received);
        if self.may_renew() && !hello.as_ref().is_none_or(fits) {
            return false;
        }
        if self.connection.is_some() {
            self.disconnected(Disconnect::Cut, true, now);
        }
        let Some(hello) = hello else {
            self.dialed(binding, now);
            return true;
        };
        if let Err(error) = self.accepted(binding, hello, now) {
            self.over.get_or_insert(error.into());
        }
        true
    }

    fn disconnected(&mut self, disconnect: Disconnect, resumable: bool, now: Instant) {
        self.over = self.take_reason();
        let connection = self.connection.take();
        if self.over.is_some() {
            return;
        }
        // The person has waited since the last byte, not since the loss was noticed.
        let heard = connection.map_or(now, |connection| connection.liveness.last_heard(now));
        self.down_since.get_or_insert(heard);
        self.over = match self.close {
            CloseState::Open if resumable => None,
            CloseState::Flushing(_) if resumable && !self.is_hopeless() => None,
            _ if !resumable && self.state.is_settled() => Some(CloseReason::BothFinished),
            CloseState::Open => Some(disconnect.into()),
            _ => Some(CloseReason::HungUp(Side::Local)),
        };
    }

    fn heard(&mut self, now: Instant) {
        if self.down_since.is_none() {
            self.slept = Duration::ZERO;
        }
        if let Some(connection) = &mut self.connection
            && connection.liveness.heard(now)
        {
            let status = connection.status_up();
            self.show(status);
        }
        self.take_doubt(now);
    }

    fn receive(&mut self, frame: Option<Frame>, now: Instant) {
        let forgotten = self.phase() == Some(Phase::Lost(Loss::Unknown));
        if self.close == CloseState::PeerClosed || self.over.is_some() || forgotten {
            return;
        }
        if let Some(frame) = frame {
            if let Err(error) = self.receive_frame(frame, now) {
                self.over = Some(error.into());
            }
        } else if let Some(connection) = &mut self.connection {
            connection.peer_closed(self.state.is_settled());
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

    fn typing(&mut self, typing: bool) {
        if let Some(connection) = &mut self.connection {
            connection.typing.typing(typing);
        }
    }

    fn suspended(&mut self, suspended: bool) {
        self.suspended = suspended;
        self.was_away |= suspended;
        if suspended && let Some(connection) = &mut self.connection {
            connection.typing = LocalTyping::default();
        }
    }

    fn finish(&mut self) {
        if !std::mem::replace(&mut self.state.finished, true)
            && let Some(recording) = &mut self.recording
        {
            recording.push(Entry::Finished);
        }
    }

    fn hang_up(&mut self, linger: Linger, now: Instant) {
        self.close.hang_up(linger, now);
        let flushing = matches!(self.close, CloseState::Flushing(_));
        if flushing && (self.is_draining() || self.is_hopeless()) {
            self.close = CloseState::Sent;
        }
    }

    fn idle_timeout(&mut self, idle: Duration, now: Instant) {
        if self.close == CloseState::Open
            && let Some(connection) = self.connection.as_mut().filter(|c| c.phase.is_open())
        {
            let idle = Control::Idle(idle.as_millis() as u64);
            connection.control_queue.push(idle);
        }
        self.hang_up(Linger::Brief, now);
    }

    fn sink_changed(&mut self, sink: SinkState, now: Instant) {
        let idle = sink == SinkState::Idle;
        if let Some(connection) = &mut self.connection {
            connection.set_paused(sink == SinkState::Busy, now);
        }
        if idle {
            self.state.shown += std::mem::take(&mut self.state.unshown);
            if let Some(recording) = &mut self.recording {
                recording.shown();
            }
            self.acknowledge_shown(now);
        }
    }

    fn poll_event(&mut self) -> Option<ProtocolEvent> {
        self.events.pop_front()
    }

    fn poll_transmit(&mut self, out: Outgoing<'_>, now: Instant) -> Next {
        if out.written {
            self.close.written();
        }
        if self.over.is_none() {
            self.transmit(out.buffer, now);
        }
        if let Some(reason) = self.take_reason() {
            return Next::Ended(reason);
        }
        match self.phase() {
            Some(Phase::Lost(loss)) => Next::Lost(loss.into()),
            _ if self.close.is_closed() || self.is_draining() => Next::Close,
            _ => Next::Wait,
        }
    }

    fn timeout(&self) -> Option<Instant> {
        let connection = self.connection.as_ref().and_then(ConnectionState::timeout);
        let reveal = self.connection.as_ref().and(self.listener.timeout());
        let timeouts = [
            self.close_timeout(),
            connection,
            self.peer_typing.timeout(),
            reveal,
        ];
        timeouts.into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let CloseState::Queued(_) = self.close
            && self.is_expired(now)
        {
            self.close = CloseState::Sent;
        }
        if self.peer_typing.handle_timeout(now) {
            self.show(Event::Typing(false));
        }
        let connection = self.connection.as_mut();
        let event = connection.and_then(|connection| connection.handle_timeout(now));
        self.events.extend(event.map(ProtocolEvent::Show));
        self.take_doubt(now);
        self.reveal(now);
    }

    fn session(&mut self) -> Option<&mut Session> {
        Some(self)
    }

    fn unacknowledged(&self) -> Vec<String> {
        self.state.unacknowledged().collect()
    }
}

impl From<SafetyNumber> for Event {
    fn from(SafetyNumber { digits, emoji }: SafetyNumber) -> Self {
        Self::SafetyNumber { digits, emoji }
    }
}
