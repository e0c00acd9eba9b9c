//! The session of chat/1, driven by plain calls: two of them joined by byte queues and a
//! clock that only the tests move.

use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use chat_core::journal::Restored;
use chat_core::protocol::{
    CloseReason, ConnectionStatus, Disconnect, Ended, Entry, Event, Handshake, Linger, Next,
    Outgoing, Protocol, ProtocolError, ProtocolEvent, Recorded, Remark, Renewed, SendError,
    Session, SessionState, Side, SinkState,
};
use chat_core::trust::safety_number::ChannelBinding;
use chat_core::trust::{Fingerprint, Security};
use chat_core::wire::{
    Batch, Control, ControlError, Frame, Hello, Hex, LineCodec, MAX_LINE, Name, Nonce, Presence,
    Refusal, RefusalCode, SessionId, WriteBuffer,
};
use chat_terminal::locale;
use proptest::prelude::*;
use tokio_util::codec::Decoder;

const ID: SessionId = Hex([7; 16]);
const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

/// The session's side has made a connection.
fn dial(session: &mut Session, binding: Option<ChannelBinding>, now: Instant) {
    let hello = None;
    assert!(session.connected(Handshake { binding, hello }, now));
}

/// The peer has made a connection, and said hello on it.
fn accept(session: &mut Session, binding: Option<ChannelBinding>, hello: Hello, now: Instant) {
    let hello = Some(hello);
    assert!(session.connected(Handshake { binding, hello }, now));
}

/// Appends what is to be sent. `written`: so was everything before.
fn poll(session: &mut Session, buffer: &mut WriteBuffer, written: bool, now: Instant) -> Next {
    let out = Outgoing {
        buffer,
        written,
        raw: false,
    };
    session.poll_transmit(out, now)
}

fn session(name: &str) -> Session {
    restored(name, SessionState::new(ID))
}

fn restored(name: &str, state: SessionState) -> Session {
    Session::new(name.into(), &Security::NoKey { post_quantum: true }, state)
}

fn hello(received: u64) -> Hello {
    Hello {
        name: "bob".into(),
        chosen: false,
        conversation: ID,
        received,
        resumed: false,
        keeps: false,
        history: false,
        answering: false,
        files: false,
        ended: false,
        commitment: None,
    }
}

fn binding(dialer: bool) -> ChannelBinding {
    let (own, peer) = if dialer { (1, 2) } else { (2, 1) };
    ChannelBinding {
        exporter: [3; 32],
        own_key: Fingerprint::from_bytes([own; 32]),
        peer_key: Fingerprint::from_bytes([peer; 32]),
    }
}

/// The lines that an event brings.
fn texts(event: &Event) -> Vec<String> {
    match event {
        Event::Lines(lines) => lines.lines().map(str::to_owned).collect(),
        Event::Message(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}

/// Where a session is recorded. What was not synced is lost with the power, but for as much of it
/// as happens to be there already.
#[derive(Debug, Default)]
struct Disk {
    entries: Vec<Entry>,
    synced: usize,
    /// Whatever is written waits to be synced.
    stalls: bool,
}

impl Disk {
    fn said(&self) -> Vec<String> {
        let texts = self.entries.iter().filter_map(|entry| match entry {
            Entry::Said(text) => Some(text.clone()),
            _ => None,
        });
        texts.collect()
    }

    fn heard(&self) -> Vec<String> {
        let texts = self.entries.iter().filter_map(|entry| match entry {
            Entry::Heard(text) => Some(text.clone()),
            _ => None,
        });
        texts.collect()
    }

    /// What an earlier program has left.
    fn restored(&self) -> Restored {
        let mut restored = Restored::default();
        for entry in &self.entries[..self.synced] {
            match entry {
                Entry::Said(text) => {
                    restored.said += 1;
                    restored.unacknowledged.insert(restored.said, text.clone());
                }
                Entry::Heard(_) => restored.heard += 1,
                Entry::Acknowledged(number) => {
                    assert!((restored.acknowledged..=restored.said).contains(number));
                    restored.acknowledged = *number;
                    restored.unacknowledged.retain(|said, _| said > number);
                }
                Entry::Finished => restored.finished = true,
                Entry::PeerFinished(last) => restored.peer_last = Some(*last),
            }
        }
        restored
    }

    fn recorded(&self) -> Recorded {
        let restored = self.restored();
        Recorded {
            said: restored.said,
            heard: restored.heard,
            finished: restored.finished,
        }
    }
}

/// One end of a call: a session, its side of the stream, and a person who writes all down.
struct End {
    session: Session,
    /// `None` if the session is not recorded.
    disk: Option<Disk>,
    codec: LineCodec,
    incoming: BytesMut,
    /// The listener's session knows of the connection.
    begun: bool,
    outgoing: WriteBuffer,
    /// On the way to the other end.
    flight: BytesMut,
    closed: bool,
    /// Whether the other end's close has been taken.
    told_end: bool,
    said: Vec<String>,
    /// What the peer calls itself.
    met: Option<String>,
    /// And later.
    renamed: Vec<String>,
    events: Vec<Event>,
    heard: Vec<String>,
    /// How much of it in sessions before.
    heard_before: usize,
    shown: u64,
    delivered: u64,
    /// The person looks at everything at once.
    attentive: bool,
    reason: Option<CloseReason>,
    lost: Option<Disconnect>,
    /// What was sent again in a new session.
    renewed: Option<Renewed>,
    /// Whether the connection is in doubt.
    doubted: bool,
}

impl End {
    fn new(name: &str) -> Self {
        Self {
            session: session(name),
            disk: None,
            codec: LineCodec::chat1(),
            incoming: BytesMut::new(),
            begun: false,
            outgoing: WriteBuffer::default(),
            flight: BytesMut::new(),
            closed: false,
            told_end: false,
            said: Vec::new(),
            met: None,
            renamed: Vec::new(),
            events: Vec::new(),
            heard: Vec::new(),
            heard_before: 0,
            shown: 0,
            delivered: 0,
            attentive: true,
            reason: None,
            lost: None,
            renewed: None,
            doubted: false,
        }
    }

    fn say(&mut self, text: &str) {
        self.said.push(text.to_owned());
        self.session.say(text).expect("a message that fits");
    }

    fn say_lines(&mut self, text: &str) {
        let lines = Batch::from(text);
        self.said.extend(lines.lines().map(str::to_owned));
        self.session.say_lines(lines).expect("lines that fit");
    }

    fn show(&mut self, now: Instant) {
        self.shown = self.heard.len() as u64;
        self.session.sink_changed(SinkState::Idle, now);
    }

    /// Takes what came, as the driver of a call does, and writes what is due then.
    fn receive(&mut self, bytes: &[u8], end: bool, now: Instant) -> Result<(), ProtocolError> {
        self.incoming.extend_from_slice(bytes);
        if self.begun && !bytes.is_empty() {
            self.session.heard(now);
        }
        loop {
            let decoded = if end {
                self.codec.decode_eof(&mut self.incoming)?
            } else {
                self.codec.decode(&mut self.incoming)?
            };
            let Some(frame) = decoded else { break };
            if self.begun {
                self.session.receive(Some(frame), now);
            } else {
                let Frame::Control(json) = frame else {
                    panic!("{frame:?} came before the hello");
                };
                let Ok(Some(Control::Hello(hello))) = Control::parse(&json) else {
                    panic!("{json:?} came before the hello");
                };
                accept(&mut self.session, Some(binding(false)), hello, now);
                self.begun = true;
            }
        }
        if end && !std::mem::replace(&mut self.told_end, true) && self.begun {
            self.session.receive(None, now);
        }
        self.take_events(now);
        self.transmit(now);
        match self
            .reason
            .take_if(|reason| matches!(reason, CloseReason::Protocol(_)))
        {
            Some(CloseReason::Protocol(error)) => Err(error),
            _ => Ok(()),
        }
    }

    fn take_events(&mut self, now: Instant) {
        let mut any = false;
        while let Some(event) = self.session.poll_event() {
            any = true;
            let event = match event {
                ProtocolEvent::Established(name) => {
                    assert_eq!(self.met.replace(name.text), None, "only once");
                    continue;
                }
                ProtocolEvent::Renewed(renewed) => {
                    self.renewed = Some(renewed);
                    continue;
                }
                ProtocolEvent::Renamed(name) => {
                    self.renamed.push(name.text);
                    continue;
                }
                ProtocolEvent::Cookie(_) | ProtocolEvent::File(_) => continue,
                ProtocolEvent::Doubted(doubted) => {
                    self.doubted = doubted;
                    continue;
                }
                ProtocolEvent::Show(event) => event,
            };
            self.heard.extend(texts(&event));
            if let Event::Delivered(count) = event {
                assert!(count > self.delivered, "receipts only grow");
                self.delivered = count;
            }
            self.events.push(event);
        }
        if any && self.attentive {
            self.show(now);
        }
    }

    /// The session is recorded from now on.
    fn record(&mut self) {
        self.disk = Some(Disk::default());
        self.session.record(Recorded::default(), false);
    }

    /// Has everything recorded that happened since the last time.
    fn write_entries(&mut self, now: Instant) {
        let Some(disk) = &mut self.disk else { return };
        while let Some(entry) = self.session.poll_entry() {
            disk.entries.push(entry);
        }
        if !disk.stalls && disk.synced < disk.entries.len() {
            disk.synced = disk.entries.len();
            self.session.recorded(disk.recorded(), now);
        }
    }

    /// The disk stalls, or no longer.
    fn stall(&mut self, stalls: bool) {
        if let Some(disk) = &mut self.disk {
            disk.stalls = stalls;
        }
    }

    /// The power goes, and comes back. Of what was not synced, so many entries are there.
    fn crash(&mut self, torn: usize) {
        let Some(disk) = &mut self.disk else { return };
        disk.entries.truncate(disk.synced.saturating_add(torn));
        disk.synced = disk.entries.len();
        let restored = disk.restored();
        let id = self.session.state().id();
        let state = restored.session(id).expect("what was said before");
        self.said = disk.said();
        self.heard.truncate(self.heard_before + disk.heard().len());
        self.session = self::restored("again", state);
        self.session.record(disk.recorded(), false);
        self.shown = self.heard.len() as u64;
        self.delivered = restored.acknowledged;
        self.met = None;
    }

    /// The call goes on in this session, which begins with what the peer may not have.
    fn renew(&mut self, id: SessionId) {
        self.session.renew(id, None);
        self.heard_before = self.heard.len();
        // It counts all messages of the call again.
        self.delivered = 0;
        if let Some(disk) = &mut self.disk {
            *disk = Disk {
                entries: self
                    .session
                    .unacknowledged()
                    .into_iter()
                    .map(Entry::Said)
                    .collect(),
                ..Disk::default()
            };
            disk.synced = disk.entries.len();
            self.session.record(disk.recorded(), false);
        }
    }

    /// The program is started with an empty disk, and calls or is called in this session.
    fn begin(&mut self, id: SessionId) {
        self.session = restored("again", SessionState::new(id));
        self.met = None;
        self.heard_before = self.heard.len();
        self.delivered = 0;
        if self.disk.is_some() {
            self.record();
        }
    }

    /// Writes what there is to write, all of it.
    fn transmit(&mut self, now: Instant) {
        self.write_entries(now);
        while self.reason.is_none() {
            let next = poll(&mut self.session, &mut self.outgoing, true, now);
            let idle = self.outgoing.is_empty();
            assert!(idle || !self.closed, "nothing is sent after the close");
            while self.outgoing.has_remaining() {
                let chunk = self.outgoing.chunk();
                self.flight.extend_from_slice(chunk);
                let length = chunk.len();
                self.outgoing.advance(length);
            }
            match next {
                Next::Wait => {}
                Next::Close => self.closed = true,
                Next::Lost(disconnect) => self.lost = Some(disconnect),
                Next::Ended(reason) => {
                    self.reason = Some(reason);
                    self.closed = true;
                }
            }
            if idle {
                return;
            }
        }
    }

    /// No other connection can be made.
    fn give_up(&mut self, now: Instant) {
        self.session.disconnected(Disconnect::Cut, false, now);
        self.transmit(now);
        assert!(self.reason.is_some());
    }

    /// The program ends, and another goes on with what it has written down. What was not shown is
    /// forgotten.
    fn restart(&mut self) {
        let written = serde_json::to_string(self.session.state());
        let state = serde_json::from_str(&written.expect("JSON")).expect("the same");
        self.session = restored("again", state);
        self.met = None;
        self.heard.truncate(self.shown as usize);
    }

    fn disconnected(&mut self, now: Instant) {
        if self.reason.is_none() {
            self.session.disconnected(Disconnect::Cut, true, now);
            self.transmit(now);
        }
        self.codec = LineCodec::chat1();
        self.incoming.clear();
        self.outgoing.clear();
        self.flight.clear();
        (self.begun, self.closed, self.told_end) = (false, false, false);
        self.lost = None;
    }
}

/// Two ends and the network between them.
struct Call {
    ends: [End; 2],
    now: Instant,
    connected: bool,
}

const DIALER: usize = 0;
const LISTENER: usize = 1;

impl Call {
    fn new() -> Self {
        Self {
            ends: [End::new("ann"), End::new("bob")],
            now: Instant::now(),
            connected: false,
        }
    }

    /// A call whose hellos have been said.
    fn on() -> Self {
        let mut call = Self::new();
        call.connect();
        call.settle();
        call
    }

    fn connect(&mut self) {
        assert!(!self.connected);
        self.connected = true;
        let dialer = &mut self.ends[DIALER];
        dial(&mut dialer.session, Some(binding(true)), self.now);
        dialer.begun = true;
    }

    fn cut(&mut self) {
        self.connected = false;
        for end in &mut self.ends {
            end.disconnected(self.now);
        }
    }

    fn transmit(&mut self) {
        for end in &mut self.ends {
            end.transmit(self.now);
        }
        for (end, other) in [(DIALER, LISTENER), (LISTENER, DIALER)] {
            assert!(
                self.ends[end].delivered <= self.ends[other].shown,
                "a receipt claims more than was shown"
            );
        }
    }

    /// Brings so many bytes to an end. Returns whether that changed anything.
    fn deliver(&mut self, to: usize, count: usize) -> bool {
        self.transmit();
        let from = &mut self.ends[1 - to];
        let count = count.min(from.flight.len());
        let bytes = from.flight.split_to(count);
        let end = from.closed && from.flight.is_empty();
        let to = &mut self.ends[to];
        if to.reason.is_some() || (bytes.is_empty() && (!end || to.told_end)) {
            return false;
        }
        to.receive(&bytes, end, self.now)
            .expect("a well-behaved peer");
        self.transmit();
        true
    }

    /// Brings everything everywhere, without time passing.
    fn settle(&mut self) {
        while self.connected
            && (self.deliver(DIALER, usize::MAX) | self.deliver(LISTENER, usize::MAX))
        {}
        self.transmit();
    }

    /// Lets time pass. `flowing`: bytes move.
    fn pass(&mut self, time: Duration, flowing: bool) {
        let until = self.now + time;
        loop {
            if flowing {
                self.settle();
            } else {
                self.transmit();
            }
            let running = |end: &&End| end.reason.is_none() && end.lost.is_none();
            let next = self.ends.iter().filter(running);
            let next = next.filter_map(|end| end.session.timeout()).min();
            let Some(next) = next.filter(|next| *next <= until) else {
                break;
            };
            self.now = self.now.max(next);
            for end in &mut self.ends {
                if end.session.timeout().is_some_and(|at| at <= self.now) {
                    end.session.handle_timeout(self.now);
                    end.take_events(self.now);
                }
            }
        }
        self.now = until;
    }

    fn assert_all_arrived(&self) {
        let [dialer, listener] = &self.ends;
        assert_eq!(listener.heard, dialer.said);
        assert_eq!(dialer.heard, listener.said);
        assert!(dialer.session.unacknowledged().is_empty());
        assert!(listener.session.unacknowledged().is_empty());
    }
}

fn has(end: &End, wanted: impl Fn(&Event) -> bool) -> bool {
    end.events.iter().any(wanted)
}

mod talking {
    use super::*;

    #[test]
    fn hellos_bring_the_names() {
        let call = Call::on();
        for (end, other) in [(DIALER, "bob"), (LISTENER, "ann")] {
            assert_eq!(call.ends[end].met.as_deref(), Some(other));
        }
    }

    #[test]
    fn both_talk_at_once() {
        let mut call = Call::on();
        for n in 0..100 {
            call.ends[DIALER].say(&format!("ping {n}"));
            call.ends[LISTENER].say(&format!("pong {n}"));
        }
        call.settle();
        call.pass(20 * MS, true);
        call.assert_all_arrived();
        assert_eq!(call.ends[DIALER].delivered, 100);
        assert_eq!(call.ends[LISTENER].delivered, 100);
    }

    #[test]
    fn every_text_arrives_as_it_was() {
        let texts = [
            "",
            "88",
            "88\r",
            " 88",
            "a\nb",
            "88\n88",
            "\n",
            "\r",
            "a\r",
            "a\rb",
            "\u{1}{}",
            "\u{1}",
            "你好",
            "\0",
            "\u{85}\u{2028}",
            "\\n",
            "\"",
        ];
        let mut call = Call::on();
        for text in texts {
            call.ends[DIALER].say(text);
        }
        call.settle();
        assert_eq!(call.ends[LISTENER].heard, texts);
    }

    #[test]
    fn lines_arrive_as_they_were() {
        let mut call = Call::on();
        call.ends[DIALER].say_lines("88\none\n88\r\r\n88\n\u{1}x\n\u{1}\n88 \ntwo\r\r\n\n88");
        call.ends[DIALER].say_lines("plain\ntext");
        call.settle();
        call.pass(20 * MS, true);
        call.assert_all_arrived();
        assert_eq!(call.ends[DIALER].said.len(), 12);
    }

    #[test]
    fn plain_lines_cross_the_wire_as_they_are() {
        let mut call = Call::on();
        call.ends[DIALER].say_lines("one\n你好\n");
        call.transmit();
        assert_eq!(call.ends[DIALER].flight, "one\n你好\n\n");
    }

    #[test]
    fn plain_lines_are_not_copied() {
        let mut call = Call::on();
        let lines = Batch::from("x".repeat(100_000).as_str());
        let place = lines.as_bytes().as_ptr();
        let session = &mut call.ends[DIALER].session;
        session.say_lines(lines).expect("a line that fits");
        let mut out = WriteBuffer::default();
        poll(session, &mut out, true, call.now);
        assert_eq!(out.chunk().as_ptr(), place);
    }

    #[test]
    fn what_waits_to_be_written_is_bounded() {
        let mut call = Call::on();
        let line = "x".repeat(30_000);
        for _ in 0..100 {
            call.ends[DIALER].say(&line);
        }
        let mut out = WriteBuffer::default();
        poll(&mut call.ends[DIALER].session, &mut out, true, call.now);
        assert!(out.is_full() && out.remaining() < 300_000);
    }

    #[test]
    fn a_line_that_does_not_fit_is_refused() {
        let mut call = Call::on();
        let end = &mut call.ends[DIALER];
        let fits = "x".repeat(MAX_LINE);
        end.say(&fits);
        let long = "x".repeat(MAX_LINE + 1);
        let refused = SendError::TooLong {
            length: MAX_LINE + 1,
            limit: MAX_LINE,
        };
        assert_eq!(end.session.say(&long), Err(refused));
        let long = "\n".repeat(MAX_LINE / 2);
        assert!(matches!(
            end.session.say(&long),
            Err(SendError::TooLong { length, .. }) if length > MAX_LINE
        ));
        // It fits as it is, but cannot go as it is.
        let lines = ["before", &"\u{1}".repeat(MAX_LINE), "after"].join("\n");
        assert!(matches!(
            end.session.say_lines(Batch::from(lines.as_str())),
            Err(SendError::TooLong { length, .. }) if length > MAX_LINE
        ));
        call.settle();
        assert_eq!(call.ends[LISTENER].heard, [&fits, "before"]);
    }

    #[test]
    fn a_receipt_makes_as_much_room_as_it_acknowledges() {
        let mut call = Call::on();
        call.ends[DIALER].say("a");
        let long = "x".repeat(60_000);
        while call.ends[DIALER].session.has_room() {
            call.ends[DIALER].say_lines(&long);
        }
        assert!(call.deliver(LISTENER, "a\n".len()));
        call.pass(20 * MS, false);
        assert!(call.deliver(DIALER, usize::MAX));
        assert_eq!(call.ends[DIALER].delivered, 1);
        assert!(!call.ends[DIALER].session.has_room());
        call.pass(S, true);
        assert!(call.ends[DIALER].session.has_room());
    }

    #[test]
    fn the_outbox_is_bounded() {
        let mut call = Call::on();
        call.ends[LISTENER].attentive = false;
        let line = "x".repeat(MAX_LINE - 1);
        let fill = |dialer: &mut End| {
            let mut count = 0;
            while dialer.session.has_room() {
                dialer.say(&line);
                count += 1;
            }
            count
        };
        assert_eq!(fill(&mut call.ends[DIALER]), 4);
        call.settle();
        assert!(!call.ends[DIALER].session.has_room());
        let now = call.now;
        call.ends[LISTENER].show(now);
        call.settle();
        assert_eq!(call.ends[DIALER].delivered, 4);
        call.cut();
        assert_eq!(
            fill(&mut call.ends[DIALER]),
            8,
            "more is kept for an outage"
        );
        call.connect();
        call.settle();
        assert!(!call.ends[DIALER].session.has_room());
        let now = call.now;
        call.ends[LISTENER].show(now);
        call.settle();
        assert!(call.ends[DIALER].session.has_room());
        assert_eq!(call.ends[DIALER].delivered, 12);
    }
}

mod receipts {
    use super::*;

    fn acks(end: &End) -> usize {
        let bytes = &end.flight[..];
        bytes.windows(11).filter(|w| *w == b"{\"received\"").count()
    }

    #[test]
    fn only_what_was_shown_is_acknowledged() {
        let mut call = Call::on();
        call.ends[LISTENER].attentive = false;
        call.ends[DIALER].say("hello?");
        call.settle();
        call.ends[LISTENER].say("busy reading");
        call.pass(S, true);
        assert_eq!(call.ends[DIALER].delivered, 0);
        assert_eq!(call.ends[DIALER].session.unacknowledged(), ["hello?"]);
        let now = call.now;
        call.ends[LISTENER].show(now);
        call.pass(20 * MS, true);
        assert_eq!(call.ends[DIALER].delivered, 1);
        assert!(call.ends[DIALER].session.unacknowledged().is_empty());
    }

    #[test]
    fn a_single_line_is_acknowledged_soon() {
        let mut call = Call::on();
        call.ends[DIALER].say("hello");
        call.settle();
        assert_eq!(call.ends[DIALER].delivered, 0);
        call.pass(20 * MS, true);
        assert_eq!(call.ends[DIALER].delivered, 1);
    }

    #[test]
    fn an_acknowledgement_goes_with_an_answer() {
        let mut call = Call::on();
        call.ends[DIALER].say("hello");
        call.pass(10 * MS, true);
        assert_eq!(call.ends[DIALER].delivered, 0);
        call.ends[LISTENER].say("hello yourself");
        call.settle();
        assert_eq!(call.ends[DIALER].delivered, 1);
    }

    #[test]
    fn a_quick_exchange_is_not_slowed_by_acknowledgements() {
        let mut call = Call::on();
        for _ in 0..100 {
            call.ends[DIALER].say("ping");
            call.settle();
            call.ends[LISTENER].say("pong");
            call.settle();
        }
        assert_eq!(call.ends[DIALER].delivered, 0);
        call.pass(20 * MS, true);
        assert_eq!(call.ends[DIALER].delivered, 100);
    }

    #[test]
    fn an_acknowledgement_is_not_sent_early_because_something_else_is_due() {
        for wait in [0, 10] {
            let mut call = Call::on();
            call.ends[DIALER].say("hello");
            call.pass(wait * MS, true);
            let now = call.now;
            call.ends[LISTENER].session.handle_timeout(now);
            call.settle();
            assert_eq!(call.ends[DIALER].delivered, 0, "after {wait} ms");
        }
    }

    #[test]
    fn what_is_acknowledged_is_not_due_again() {
        let mut call = Call::on();
        call.ends[DIALER].say("hello");
        call.pass(20 * MS, true);
        assert_eq!(call.ends[DIALER].delivered, 1);
        let now = call.now;
        call.ends[LISTENER].show(now);
        call.pass(20 * MS, true);
        call.ends[DIALER].say("are you there?");
        call.settle();
        assert_eq!(call.ends[DIALER].delivered, 1, "it waits for its own time");
    }

    #[test]
    fn the_last_acknowledgement_goes_with_the_hang_up() {
        let mut call = Call::on();
        call.ends[DIALER].say("hello");
        call.settle();
        let now = call.now;
        call.ends[LISTENER].session.hang_up(Linger::Brief, now);
        call.settle();
        let reason = &call.ends[DIALER].reason;
        assert!(matches!(reason, Some(CloseReason::HungUp(Side::Remote))));
        assert_eq!(call.ends[DIALER].delivered, 1);
    }

    #[test]
    fn the_end_is_told_after_all_that_is_said() {
        let mut call = Call::on();
        let text = "x".repeat(30_000);
        for _ in 0..100 {
            call.ends[DIALER].say(&text);
        }
        call.ends[DIALER].session.finish();
        call.settle();
        assert_eq!(call.ends[LISTENER].heard.len(), 100);
        assert!(has(&call.ends[LISTENER], |event| matches!(
            event,
            Event::PeerEof
        )));
    }

    #[test]
    fn bulk_is_acknowledged_in_bulk() {
        let mut call = Call::on();
        let lines = vec!["x".repeat(99); 10_000].join("\n");
        call.ends[DIALER].say_lines(&lines);
        while call.deliver(LISTENER, 16 * 1024) {}
        let acks = acks(&call.ends[LISTENER]);
        assert!((1..=4).contains(&acks), "{acks} for 1 MB");
        call.pass(20 * MS, true);
        assert_eq!(call.ends[DIALER].delivered, 10_000);
    }
}

/// Nothing leaves before its record is written.
mod recorded {
    use super::*;

    /// A call in which both ends are recorded.
    fn call() -> Call {
        let mut call = Call::new();
        call.ends.iter_mut().for_each(End::record);
        call.connect();
        call.settle();
        call
    }

    fn count(end: &End, wanted: impl Fn(&Event) -> bool) -> usize {
        end.events.iter().filter(|event| wanted(event)).count()
    }

    #[test]
    fn a_message_is_sent_once_it_is_recorded() {
        let mut call = call();
        call.ends[DIALER].say("one");
        call.settle();
        call.ends[DIALER].stall(true);
        call.ends[DIALER].say_lines("two\nthree");
        call.pass(S, true);
        assert_eq!(call.ends[LISTENER].heard, ["one"]);
        call.ends[DIALER].stall(false);
        call.settle();
        assert_eq!(call.ends[LISTENER].heard, ["one", "two", "three"]);
    }

    #[test]
    fn a_message_is_acknowledged_once_it_is_recorded() {
        let mut call = call();
        call.ends[LISTENER].stall(true);
        call.ends[DIALER].say("one");
        call.pass(S, true);
        assert_eq!(call.ends[LISTENER].heard, ["one"]);
        assert_eq!(call.ends[DIALER].delivered, 0);
        call.ends[LISTENER].stall(false);
        call.pass(20 * MS, true);
        assert_eq!(call.ends[DIALER].delivered, 1);
    }

    #[test]
    fn the_end_is_told_once_it_is_recorded() {
        let is_end = |event: &Event| matches!(event, Event::PeerEof);
        let mut call = call();
        call.ends[DIALER].stall(true);
        call.ends[DIALER].session.finish();
        call.pass(S, true);
        assert!(!has(&call.ends[LISTENER], is_end));
        call.ends[DIALER].stall(false);
        call.settle();
        assert!(has(&call.ends[LISTENER], is_end));
    }

    #[test]
    fn a_hang_up_waits_for_the_record_of_what_came() {
        let mut call = call();
        call.ends[LISTENER].stall(true);
        call.ends[DIALER].say("one");
        call.settle();
        let now = call.now;
        call.ends[LISTENER].session.hang_up(Linger::Endless, now);
        call.settle();
        assert!(call.ends[DIALER].reason.is_none());
        call.ends[LISTENER].stall(false);
        call.settle();
        assert!(call.ends[DIALER].reason.is_some());
        assert_eq!(call.ends[DIALER].delivered, 1);
    }

    #[test]
    fn what_was_there_before_the_record_is_recorded() {
        let mut session = session("ann");
        for text in ["one", "two", "three"] {
            session.say(text).expect("a message that fits");
        }
        session.finish();
        let recorded = Recorded {
            said: 1,
            ..Recorded::default()
        };
        session.record(recorded, false);
        let entries: Vec<_> = std::iter::from_fn(|| session.poll_entry()).collect();
        let said = ["two", "three"].map(|text| Entry::Said(text.into()));
        assert_eq!(entries, [&said[..], &[Entry::Finished]].concat());
    }

    #[test]
    fn a_disk_that_fails_is_told_and_holds_nothing_up() {
        let mut call = call();
        assert!(call.ends[LISTENER].session.peer_keeps());
        call.ends[DIALER].stall(true);
        call.ends[LISTENER].say("two");
        call.settle();
        call.ends[DIALER].say("one");
        let now = call.now;
        call.ends[DIALER].session.stop_recording(now);
        call.ends[DIALER].session.stop_recording(now);
        call.pass(20 * MS, true);
        call.assert_all_arrived();
        let told = |event: &Event| matches!(event, Event::PeerKeeps(false));
        assert_eq!(count(&call.ends[LISTENER], told), 1);
        assert!(!call.ends[LISTENER].session.peer_keeps());
    }

    #[test]
    fn what_stays_written_down_is_told_on_every_connection() {
        let told = |event: &Event| matches!(event, Event::PeerHistory(true));
        let mut call = call();
        for _ in 0..2 {
            call.ends[DIALER].session.keep_history();
            call.settle();
            assert_eq!(count(&call.ends[LISTENER], told), 1);
        }
        call.cut();
        call.connect();
        call.settle();
        assert_eq!(count(&call.ends[LISTENER], told), 2);
    }
}

/// The peer's program was started again and knows nothing.
mod renewing {
    use super::*;

    const OTHER: SessionId = Hex([8; 16]);

    /// The listener has lost its disk, and the two begin anew.
    fn renew(call: &mut Call) {
        call.cut();
        call.ends[DIALER].renew(OTHER);
        call.ends[LISTENER].begin(OTHER);
        call.connect();
        call.pass(20 * MS, true);
    }

    #[test]
    fn what_was_not_sent_is_said_once_and_counted_on() {
        let mut call = Call::on();
        call.ends[DIALER].say_lines("one\ntwo");
        call.pass(20 * MS, true);
        call.cut();
        call.ends[DIALER].say("three");
        call.connected = true;
        renew(&mut call);
        assert_eq!(call.ends[LISTENER].heard, ["one", "two", "three"]);
        assert_eq!(call.ends[DIALER].delivered, 3);
        let renewed = Renewed {
            resent: 1,
            in_doubt: false,
        };
        assert_eq!(call.ends[DIALER].renewed, Some(renewed));
    }

    #[test]
    fn what_may_have_arrived_is_said_again_and_told() {
        let mut call = Call::on();
        call.ends[DIALER].say("one");
        call.ends[DIALER].session.finish();
        call.transmit();
        renew(&mut call);
        assert_eq!(call.ends[LISTENER].heard, ["one"]);
        let told = |event: &Event| matches!(event, Event::PeerEof);
        assert!(has(&call.ends[LISTENER], told), "so is the end");
        let renewed = Renewed {
            resent: 1,
            in_doubt: true,
        };
        assert_eq!(call.ends[DIALER].renewed, Some(renewed));
    }

    /// Whether it is in doubt what the dialer says again.
    fn is_in_doubt(call: &Call) -> bool {
        let renewed = call.ends[DIALER].renewed;
        renewed.expect("the call has begun anew").in_doubt
    }

    #[test]
    fn what_another_program_may_have_sent_is_in_doubt_until_the_peer_is_met() {
        let mut call = Call::new();
        call.connected = true;
        call.ends[DIALER].record();
        call.ends[DIALER].say("one");
        renew(&mut call);
        assert!(!is_in_doubt(&call), "it was not sent");

        let mut call = Call::new();
        call.connected = true;
        call.ends[DIALER].record();
        call.ends[DIALER].say("one");
        call.transmit();
        call.ends[DIALER].crash(0);
        renew(&mut call);
        assert!(is_in_doubt(&call), "the program before may have sent it");

        let mut call = Call::on();
        call.ends[DIALER].record();
        call.ends[DIALER].say("one");
        call.pass(50 * MS, true);
        call.cut();
        call.ends[DIALER].crash(0);
        call.connect();
        call.pass(50 * MS, true);
        call.cut();
        call.ends[DIALER].say("two");
        call.connected = true;
        renew(&mut call);
        assert!(!is_in_doubt(&call), "the peer has told what it has");
        assert_eq!(call.ends[LISTENER].heard, ["one", "two"]);
    }

    #[test]
    fn nothing_is_in_doubt_where_everything_has_arrived() {
        let mut call = Call::on();
        call.ends[DIALER].say("one");
        call.pass(20 * MS, true);
        renew(&mut call);
        let renewed = Renewed {
            resent: 0,
            in_doubt: false,
        };
        assert_eq!(call.ends[DIALER].renewed, Some(renewed));
        assert_eq!(call.ends[DIALER].delivered, 1);
    }
}

mod remarks {
    use super::*;

    #[test]
    fn who_is_away_is_so_on_each_connection_until_back() {
        let presences = |call: &Call| -> Vec<Presence> {
            let events = call.ends[LISTENER].events.iter();
            let presences = events.filter_map(|event| match event {
                Event::Presence(presence) => Some(presence.clone()),
                _ => None,
            });
            presences.collect()
        };
        let away = [Presence::Away("lunch".into())];
        let mut call = Call::on();
        let remark = Remark::Presence(away[0].clone());
        call.ends[DIALER].session.remark(remark);
        call.settle();
        assert_eq!(presences(&call), away);
        call.cut();
        call.connect();
        call.settle();
        assert_eq!(presences(&call), away, "that is no news");
        call.cut();
        let remark = Remark::Presence(Presence::Here);
        call.ends[DIALER].session.remark(remark);
        call.connect();
        call.settle();
        let [away] = away;
        assert_eq!(presences(&call), [away, Presence::Here]);
    }

    #[test]
    fn a_name_and_a_note_are_told() {
        let mut call = Call::on();
        let session = &mut call.ends[DIALER].session;
        session.remark(Remark::Name("bea".into()));
        session.remark(Remark::Note("one moment".into()));
        call.transmit();
        let sent = String::from_utf8_lossy(&call.ends[DIALER].flight).into_owned();
        assert!(sent.contains(r#"{"name":"bea"}"#), "{sent}");
        call.settle();
        assert_eq!(call.ends[LISTENER].heard, ["one moment"]);
    }

    #[test]
    fn who_was_never_away_says_nothing_of_it() {
        let mut call = Call::new();
        call.ends[DIALER].session = session("ann").with_presence(Presence::Here);
        call.connect();
        call.deliver(LISTENER, usize::MAX);
        call.deliver(DIALER, usize::MAX);
        let sent = String::from_utf8_lossy(&call.ends[DIALER].flight).into_owned();
        assert!(sent.contains("nonce") && !sent.contains("away"), "{sent}");
    }

    #[test]
    fn a_name_is_news_once() {
        let mut call = Call::on();
        for _ in 0..2 {
            let session = &mut call.ends[DIALER].session;
            session.remark(Remark::Name("bea".into()));
            call.settle();
            call.cut();
            call.connect();
            call.settle();
        }
        assert_eq!(call.ends[LISTENER].renamed, ["bea"]);
        assert!(call.ends[DIALER].renamed.is_empty());
    }

    #[test]
    fn of_files_only_so_much_waits_to_be_said_and_only_on_a_connection() {
        let said = |call: &Call| {
            let sent = String::from_utf8_lossy(&call.ends[DIALER].flight).into_owned();
            sent.matches("taken").count()
        };
        let mut call = Call::new();
        let taken = || Control::Taken(Hex([1; 16]));
        call.ends[DIALER].session.say_of_file(taken());
        call.connect();
        call.ends[DIALER].session.say_of_file(taken());
        call.transmit();
        assert_eq!(said(&call), 0);
        call.settle();
        for _ in 0..300 {
            call.ends[DIALER].session.say_of_file(taken());
        }
        call.transmit();
        assert_eq!(said(&call), 256);
    }

    #[test]
    fn a_person_is_no_machine() {
        let call = Call::on();
        let told = |event: &Event| matches!(event, Event::Answering(_));
        assert!(!call.ends.iter().any(|end| has(end, told)));
    }

    #[test]
    fn a_machine_says_that_it_is_one_and_makes_no_number() {
        let mut call = Call::new();
        call.ends[LISTENER].session = session("bob").with_machine(true);
        call.connect();
        call.settle();
        let told = |event: &Event| matches!(event, Event::Answering(true));
        assert!(has(&call.ends[DIALER], told));
        let number = |event: &Event| matches!(event, Event::SafetyNumber { .. });
        assert!(!call.ends.iter().any(|end| has(end, number)));
    }
}

mod safety_number {
    use super::*;

    fn numbers(end: &End) -> Vec<String> {
        let numbers = end.events.iter().filter_map(|event| match event {
            Event::SafetyNumber { digits, .. } => Some(digits.clone()),
            _ => None,
        });
        numbers.collect()
    }

    #[test]
    fn both_people_see_the_same() {
        let call = Call::on();
        let [dialer, listener] = &call.ends;
        assert_eq!(numbers(dialer).len(), 1);
        assert_eq!(numbers(dialer), numbers(listener));
    }

    #[test]
    fn it_stays_when_the_call_is_resumed() {
        let mut call = Call::on();
        call.cut();
        call.connect();
        call.settle();
        assert_eq!(numbers(&call.ends[DIALER]).len(), 1);
        assert_eq!(numbers(&call.ends[LISTENER]).len(), 1);
    }

    /// A connection on which the dialer's nonce is lost.
    fn lose_nonce(call: &mut Call) {
        call.connect();
        call.deliver(LISTENER, usize::MAX);
        call.deliver(DIALER, usize::MAX);
        call.cut();
    }

    /// A connection on which the listener's reveal is lost.
    fn lose_reveal(call: &mut Call) {
        call.connect();
        call.deliver(LISTENER, usize::MAX);
        let flight = &call.ends[LISTENER].flight;
        let hello = flight.iter().position(|byte| *byte == b'\n');
        call.deliver(DIALER, hello.expect("a hello") + 1);
        call.deliver(LISTENER, usize::MAX);
        call.cut();
    }

    #[test]
    fn nonces_that_are_lost_are_made_up_for() {
        let mut call = Call::new();
        lose_nonce(&mut call);
        lose_nonce(&mut call);
        for end in &call.ends {
            assert_eq!(numbers(end).len(), 0);
        }
        call.connect();
        call.settle();
        let [dialer, listener] = &call.ends;
        assert_eq!(numbers(listener).len(), 1);
        assert_eq!(numbers(dialer), numbers(listener));
    }

    #[test]
    fn a_reveal_that_is_lost_again_and_again_is_caught_up() {
        let mut call = Call::new();
        for _ in 0..3 {
            lose_reveal(&mut call);
            assert_eq!(numbers(&call.ends[DIALER]).len(), 0);
            assert_eq!(numbers(&call.ends[LISTENER]).len(), 1);
        }
        call.connect();
        call.settle();
        let [dialer, listener] = &call.ends;
        assert_eq!(numbers(dialer).len(), 1);
        assert_eq!(numbers(dialer), numbers(listener));
    }

    #[test]
    fn whoever_withholds_the_reveal_gets_three_nonces() {
        let mut call = Call::new();
        for _ in 0..10 {
            lose_nonce(&mut call);
        }
        call.connect();
        call.deliver(LISTENER, usize::MAX);
        call.deliver(DIALER, usize::MAX);
        let nonce = br#"{"nonce":"#;
        let sent = &call.ends[DIALER].flight;
        assert!(!sent.windows(nonce.len()).any(|bytes| bytes == nonce));
        call.settle();
        for end in &call.ends {
            assert_eq!(numbers(end).len(), 0);
        }
    }

    #[test]
    fn the_number_is_shown_when_it_is_revealed_and_not_before() {
        let wait = 100 * S;
        let mut call = Call::new();
        call.ends[LISTENER].session = session("bob").reveal_after(Some(call.now + wait));
        call.connect();
        call.pass(wait - S, true);
        call.cut();
        call.connect();
        call.settle();
        for end in &call.ends {
            assert_eq!(numbers(end).len(), 0);
        }
        call.pass(S, true);
        let [dialer, listener] = &call.ends;
        assert_eq!(numbers(listener).len(), 1);
        assert_eq!(numbers(dialer), numbers(listener));
    }

    /// What can happen between any two lines.
    #[derive(Clone, Copy, Debug)]
    enum Fault {
        Cut,
        /// This side's program dies, and is started again.
        Crash(usize),
        /// Both do.
        CrashBoth,
        /// The same, and this side's journal is gone.
        LoseDisk(usize),
    }

    const FAULTS: [Fault; 6] = [
        Fault::Cut,
        Fault::Crash(DIALER),
        Fault::Crash(LISTENER),
        Fault::CrashBoth,
        Fault::LoseDisk(DIALER),
        Fault::LoseDisk(LISTENER),
    ];

    impl Fault {
        /// Happens to a call, which goes on over another connection; in the session `anew` if it
        /// has to begin anew.
        fn happens(self, call: &mut Call, anew: SessionId) {
            call.cut();
            match self {
                Self::Cut => {}
                Self::Crash(side) => call.ends[side].crash(0),
                Self::CrashBoth => call.ends.iter_mut().for_each(|end| end.crash(0)),
                Self::LoseDisk(side) => {
                    call.ends[1 - side].renew(anew);
                    call.ends[side].begin(anew);
                }
            }
            call.connect();
        }
    }

    /// Brings the next line to whoever is first to read, if there is one.
    fn deliver_line(call: &mut Call, order: [usize; 2]) -> bool {
        call.transmit();
        order.into_iter().any(|to| {
            let flight = &call.ends[1 - to].flight;
            let end = flight.iter().position(|byte| *byte == b'\n');
            call.deliver(to, end.map_or(usize::MAX, |end| end + 1))
        })
    }

    /// Whoever dies, and whatever is cut, between any two lines: nobody takes the other's part for
    /// one that is out of turn, and nobody sees a number that the listener does not see.
    #[test]
    fn no_crash_and_no_cut_breaks_the_exchange() {
        // Who reads first, and who says something.
        let calls: [([usize; 2], &[usize]); 2] = [
            ([DIALER, LISTENER], &[]),
            ([LISTENER, DIALER], &[DIALER, LISTENER]),
        ];
        let mut runs = 0;
        for (order, speakers) in calls {
            for (first, second) in FAULTS.into_iter().flat_map(|f| FAULTS.map(|s| (f, s))) {
                // So many lines come before each of the faults.
                'first: for before in 0.. {
                    for between in 0.. {
                        let mut call = Call::new();
                        call.ends.iter_mut().for_each(End::record);
                        speakers
                            .iter()
                            .for_each(|side| call.ends[*side].say("hello"));
                        call.connect();
                        if !(0..before).all(|_| deliver_line(&mut call, order)) {
                            break 'first;
                        }
                        first.happens(&mut call, Hex([8; 16]));
                        if !(0..between).all(|_| deliver_line(&mut call, order)) {
                            break;
                        }
                        second.happens(&mut call, Hex([9; 16]));
                        call.pass(S, true);
                        let case = (order, speakers, first, before, second, between);
                        let [dialer, listener] = &call.ends;
                        let seen = numbers(listener);
                        assert!(numbers(dialer).iter().all(|n| seen.contains(n)), "{case:?}");
                        for end in &call.ends {
                            assert!(end.lost.is_none(), "{case:?}: {:?}", end.lost);
                            assert!(end.reason.is_none(), "{case:?}: {:?}", end.reason);
                        }
                        runs += 1;
                    }
                }
            }
        }
        assert!(runs > 5_000, "only {runs}");
    }

    #[test]
    fn who_hangs_up_first_sends_no_nonce() {
        let mut call = Call::new();
        call.connect();
        let now = call.now;
        call.ends[DIALER].say("only this");
        call.ends[DIALER].session.hang_up(Linger::Steady, now);
        call.pass(20 * MS, true);
        call.assert_all_arrived();
        assert_eq!(numbers(&call.ends[LISTENER]).len(), 0);
    }

    #[test]
    fn no_key_no_number() {
        let mut call = Call::new();
        call.connected = true;
        let now = call.now;
        dial(&mut call.ends[DIALER].session, None, now);
        call.ends[DIALER].begun = true;
        call.settle();
        assert!(numbers(&call.ends[DIALER]).is_empty());
        assert!(numbers(&call.ends[LISTENER]).is_empty());
    }
}

mod liveness {
    use super::*;

    #[test]
    fn an_idle_call_goes_on() {
        let mut call = Call::on();
        call.pass(1000 * S, true);
        for end in &call.ends {
            assert!(end.lost.is_none() && end.reason.is_none());
            assert!(!has(end, |event| matches!(
                event,
                Event::Connection(ConnectionStatus::Silent(_))
            )));
        }
    }

    #[test]
    fn the_round_trip_is_measured() {
        let mut call = Call::on();
        call.pass(2 * S, true);
        call.ends[DIALER].events.clear();
        call.pass(2 * S, false);
        call.pass(100 * MS, false);
        call.settle();
        assert!(has(&call.ends[DIALER], |event| matches!(
            event,
            Event::Connection(ConnectionStatus::Up { round_trip: Some(time) }) if *time >= 100 * MS
        )));
    }

    #[test]
    fn silence_is_told_then_ends_the_link() {
        let mut call = Call::on();
        call.pass(4900 * MS, false);
        let silent = |event: &Event| matches!(event, Event::Connection(ConnectionStatus::Silent(time)) if *time == 5 * S);
        assert!(!has(&call.ends[DIALER], silent));
        call.pass(200 * MS, false);
        assert!(has(&call.ends[DIALER], silent));
        call.pass(9800 * MS, false);
        assert!(call.ends[DIALER].lost.is_none());
        call.pass(200 * MS, false);
        assert!(matches!(call.ends[DIALER].lost, Some(Disconnect::Silent(time)) if time == 15 * S));
        assert!(call.ends[DIALER].reason.is_none(), "the call goes on");
    }

    #[test]
    fn who_was_asked_and_is_silent_is_in_doubt_until_it_speaks() {
        let mut call = Call::on();
        call.ends[DIALER].say("are you there?");
        call.transmit();
        call.pass(1400 * MS, false);
        assert!(!call.ends[DIALER].doubted);
        call.pass(200 * MS, false);
        assert!(call.ends[DIALER].doubted);
        assert!(call.ends[DIALER].lost.is_none());
        call.pass(20 * MS, true);
        assert!(!call.ends[DIALER].doubted);
        call.assert_all_arrived();
    }

    #[test]
    fn an_idle_link_is_in_doubt_once_a_ping_has_no_answer() {
        let mut call = Call::on();
        call.pass(3400 * MS, false);
        assert!(call.ends.iter().all(|end| !end.doubted));
        call.pass(200 * MS, false);
        assert!(call.ends.iter().all(|end| end.doubted));
    }

    #[test]
    fn only_an_answer_to_what_was_asked_in_doubt_ends_it() {
        let mut call = Call::on();
        call.pass(3600 * MS, false);
        assert!(call.ends[DIALER].doubted);
        call.ends[DIALER].events.clear();
        let up = |event: &Event| matches!(event, Event::Connection(ConnectionStatus::Up { .. }));
        // The first ping was answered, the second put the connection in doubt.
        for (number, ends) in [(2, false), (3, true)] {
            let pong = Control::Pong(number).to_line();
            let now = call.now;
            let dialer = &mut call.ends[DIALER];
            dialer.receive(&pong, false, now).expect("a pong in turn");
            assert_eq!(dialer.doubted, !ends, "pong {number}");
            assert_eq!(has(dialer, up), ends, "pong {number}");
        }
    }

    #[test]
    fn a_long_way_is_given_more_time() {
        let mut call = Call::on();
        call.pass(2 * S, true);
        call.pass(2 * S, false);
        call.pass(600 * MS, false);
        call.settle();
        // The round trip of 600 ms is known: four of them are waited for.
        call.ends[DIALER].say("and now?");
        call.transmit();
        call.pass(3800 * MS, false);
        assert!(!call.ends[DIALER].doubted);
        call.pass(200 * MS, false);
        assert!(call.ends[DIALER].doubted);
    }

    #[test]
    fn who_has_moved_asks_at_once() {
        let mut call = Call::on();
        let now = call.now;
        call.ends[DIALER].session.suspect(now);
        call.ends[DIALER].take_events(now);
        assert!(call.ends[DIALER].doubted);
        call.settle();
        assert!(!call.ends[DIALER].doubted, "the pong has come");
    }

    #[test]
    fn a_connection_beside_one_in_doubt_takes_its_place() {
        let mut call = Call::on();
        call.ends[DIALER].say_lines("one\ntwo");
        call.transmit();
        call.pass(4 * S, false);
        assert!(call.ends[DIALER].doubted);
        call.cut();
        call.connect();
        call.pass(20 * MS, true);
        call.assert_all_arrived();
        assert!(has(&call.ends[DIALER], |event| matches!(
            event,
            Event::Connection(ConnectionStatus::Resumed { after, .. }) if *after >= 4 * S
        )));
    }

    #[test]
    fn a_glance_at_the_screen_does_not_begin_the_silence_anew() {
        let mut call = Call::on();
        call.pass(5100 * MS, false);
        let now = call.now;
        let dialer = &mut call.ends[DIALER].session;
        dialer.sink_changed(SinkState::Busy, now);
        dialer.sink_changed(SinkState::Idle, now + MS);
        call.pass(9800 * MS, false);
        assert!(call.ends[DIALER].lost.is_none());
        call.pass(200 * MS, false);
        assert!(matches!(call.ends[DIALER].lost, Some(Disconnect::Silent(time)) if time == 15 * S));
    }

    #[test]
    fn a_silence_that_ends_is_told() {
        let mut call = Call::on();
        call.pass(6 * S, false);
        call.ends[DIALER].events.clear();
        call.settle();
        assert!(has(&call.ends[DIALER], |event| matches!(
            event,
            Event::Connection(ConnectionStatus::Up { .. })
        )));
    }

    #[test]
    fn a_slow_person_is_not_a_silent_peer() {
        let mut call = Call::on();
        let now = call.now;
        call.ends[DIALER].session.sink_changed(SinkState::Busy, now);
        for _ in 0..60 {
            call.pass(S, false);
            // The dialer does not read; the listener still hears it.
            call.deliver(LISTENER, usize::MAX);
        }
        for end in &call.ends {
            assert!(end.lost.is_none());
        }
        let now = call.now;
        call.ends[DIALER].session.sink_changed(SinkState::Idle, now);
        call.pass(4 * S, false);
        assert!(call.ends[DIALER].lost.is_none());
        assert!(!has(&call.ends[DIALER], |event| matches!(
            event,
            Event::Connection(ConnectionStatus::Silent(_))
        )));
    }

    #[test]
    fn a_slow_person_is_no_reason_to_doubt() {
        let mut call = Call::on();
        let now = call.now;
        call.ends[LISTENER]
            .session
            .sink_changed(SinkState::Busy, now);
        for number in 0..20 {
            call.ends[DIALER].say(&number.to_string());
            for _ in 0..10 {
                call.pass(100 * MS, false);
                // The listener does not read; the dialer still hears it.
                call.deliver(DIALER, usize::MAX);
                assert!(!call.ends[DIALER].doubted);
            }
        }
    }

    /// The dialer's person looks away for so long, while nothing moves.
    fn look_away(call: &mut Call, time: Duration) {
        for (sink, time) in [(SinkState::Busy, time), (SinkState::Idle, Duration::ZERO)] {
            let now = call.now;
            call.ends[DIALER].session.sink_changed(sink, now);
            call.pass(time, false);
        }
    }

    #[test]
    fn while_the_person_looks_away_no_answer_is_late() {
        let mut call = Call::on();
        call.ends[DIALER].say("are you there?");
        call.pass(S, false);
        look_away(&mut call, 3 * S);
        call.pass(400 * MS, false);
        assert!(!call.ends[DIALER].doubted);
        call.pass(200 * MS, false);
        assert!(call.ends[DIALER].doubted);

        let mut call = Call::new();
        call.connect();
        call.pass(S, false);
        look_away(&mut call, 20 * S);
        call.pass(8900 * MS, false);
        assert!(call.ends[DIALER].lost.is_none());
        call.pass(200 * MS, false);
        assert!(call.ends[DIALER].lost.is_some());
    }

    #[test]
    fn while_the_person_looks_away_nobody_is_missed() {
        let mut call = Call::on();
        call.pass(S, false);
        let now = call.now;
        call.ends[DIALER].session.sink_changed(SinkState::Busy, now);
        call.pass(3 * S, false);
        call.cut();
        call.connect();
        call.settle();
        assert!(has(&call.ends[DIALER], |event| matches!(
            event,
            Event::Connection(ConnectionStatus::Resumed { after, .. }) if *after == S
        )));
    }

    #[test]
    fn bytes_without_a_whole_line_are_a_sign_of_life() {
        let mut call = Call::on();
        call.ends[LISTENER].say(&"x".repeat(1000));
        call.transmit();
        for _ in 0..60 {
            call.pass(S, false);
            call.deliver(DIALER, 1);
        }
        assert!(call.ends[DIALER].lost.is_none());
    }

    #[test]
    fn many_pings_have_one_pong() {
        let mut call = Call::on();
        let pings: String = (1..100)
            .map(|n| format!("\u{1}{{\"ping\":{n}}}\n"))
            .collect();
        let now = call.now;
        let dialer = &mut call.ends[DIALER];
        dialer.receive(pings.as_bytes(), false, now).expect("pings");
        dialer.transmit(now);
        assert_eq!(dialer.flight, Control::Pong(99).to_line());
    }

    #[test]
    fn an_unanswered_dial_is_given_up_after_ten_seconds() {
        let mut call = Call::new();
        call.connect();
        call.pass(9900 * MS, false);
        assert!(call.ends[DIALER].lost.is_none());
        call.pass(200 * MS, false);
        assert!(matches!(call.ends[DIALER].lost, Some(Disconnect::Silent(time)) if time == 10 * S));
    }

    #[test]
    fn a_stuck_writer_does_not_make_the_clock_spin() {
        let mut call = Call::on();
        let mut out = WriteBuffer::default();
        let end = &mut call.ends[DIALER];
        end.session
            .say_lines(Batch::from("x".repeat(MAX_LINE).as_str()))
            .expect("a line that fits");
        end.session.typing(true);
        poll(&mut end.session, &mut out, true, call.now);
        assert!(out.is_full());
        let mut calls = 0;
        let mut now = call.now;
        while let Some(at) = end.session.timeout().filter(|at| *at < call.now + 14 * S) {
            now = now.max(at);
            end.session.handle_timeout(now);
            poll(&mut end.session, &mut out, false, now);
            calls += 1;
        }
        assert!(calls < 20, "{calls}");
        let typing = Control::Typing(true).to_line();
        assert_eq!(out.remaining(), MAX_LINE + 1 + typing.len());
    }
}

mod waiting {
    use super::*;

    fn dialer() -> (End, Instant) {
        let now = Instant::now();
        let mut end = End::new("ann");
        dial(&mut end.session, None, now);
        end.begun = true;
        (end, now)
    }

    fn receive(end: &mut End, control: &Control, now: Instant) {
        let line = control.to_line();
        end.receive(&line, false, now).expect("a good line");
        end.transmit(now);
    }

    #[test]
    fn nothing_but_the_hello_is_sent_before_an_answer() {
        let (mut end, now) = dialer();
        end.say("are you there?");
        end.session.typing(true);
        end.transmit(now);
        let line = end.flight.split();
        assert!(line.starts_with(b"\x01{\"hello\":") && line.ends_with(b"}\n"));
        assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        receive(&mut end, &Control::Waiting { ahead: 1 }, now);
        assert!(!end.flight.windows(5).any(|w| w == b"there"));
        end.flight.clear();
        receive(&mut end, &Control::Hello(hello(0)), now);
        assert!(end.flight.windows(5).any(|w| w == b"there"));
    }

    #[test]
    fn a_place_in_the_queue_is_shown_and_lifts_the_limit() {
        let (mut end, mut now) = dialer();
        receive(&mut end, &Control::Waiting { ahead: 2 }, now);
        assert!(has(&end, |event| matches!(event, Event::QueuePosition(2))));
        for _ in 0..100 {
            now += S;
            end.session.handle_timeout(now);
            receive(&mut end, &Control::Waiting { ahead: 1 }, now);
        }
        assert!(end.lost.is_none());
        receive(&mut end, &Control::Hello(hello(0)), now);
        assert!(end.met.is_some());
    }

    #[test]
    fn who_waits_is_told_anew_why_nobody_answers() {
        let (mut end, now) = dialer();
        let away = Control::Away(Presence::Away("lunch".into()));
        for _ in 0..2 {
            receive(&mut end, &Control::Waiting { ahead: 0 }, now);
            receive(&mut end, &away, now);
            end.disconnected(now);
            dial(&mut end.session, Some(binding(true)), now);
            end.begun = true;
        }
        let told = end.events.iter();
        let told = told.filter(|event| matches!(event, Event::Presence(_)));
        assert_eq!(told.count(), 2);
    }

    #[test]
    fn a_queue_that_falls_silent_is_lost() {
        let (mut end, now) = dialer();
        receive(&mut end, &Control::Waiting { ahead: 2 }, now);
        end.session.handle_timeout(now + 15 * S);
        end.transmit(now + 15 * S);
        assert!(matches!(end.lost, Some(Disconnect::Silent(_))));
    }

    #[test]
    fn busy_and_refused_end_the_call() {
        let (mut end, now) = dialer();
        receive(&mut end, &Control::Busy { waiting: 5 }, now);
        assert!(matches!(end.reason, Some(CloseReason::Busy { waiting: 5 })));
        let (mut end, now) = dialer();
        let refusal = Refusal::from(RefusalCode::UnknownKey);
        receive(&mut end, &Control::Refused(refusal.clone()), now);
        assert!(matches!(end.reason, Some(CloseReason::Refused(told)) if told == refusal));
    }

    #[test]
    fn a_passing_trouble_of_the_other_side_is_a_lost_connection() {
        let (mut end, now) = dialer();
        let refused = Control::Refused(RefusalCode::Unavailable.into());
        receive(&mut end, &refused, now);
        assert!(end.reason.is_none());
        let lost = end.lost.take().expect("a loss");
        assert!(matches!(lost, Disconnect::Refused(_)));
        end.session.disconnected(lost, true, now);
        end.transmit(now);
        assert!(end.reason.is_none());
    }

    #[test]
    fn a_hang_up_in_the_queue_is_immediate() {
        let (mut end, now) = dialer();
        receive(&mut end, &Control::Waiting { ahead: 2 }, now);
        end.flight.clear();
        end.session.hang_up(Linger::Brief, now);
        end.transmit(now);
        assert_eq!(end.flight, "88\n");
        assert!(matches!(end.reason, Some(CloseReason::HungUp(Side::Local))));
    }

    #[test]
    fn a_hang_up_that_lingers_waits_for_an_answer() {
        for (linger, text, waits) in [
            (Linger::Brief, Some("bye"), false),
            (Linger::Steady, Some("bye"), true),
            (Linger::Endless, None, true),
        ] {
            let (mut end, mut now) = dialer();
            text.into_iter().for_each(|text| end.say(text));
            end.session.hang_up(linger, now);
            for _ in 0..10 {
                receive(&mut end, &Control::Waiting { ahead: 1 }, now);
                now += S;
                end.session.handle_timeout(now);
            }
            assert_eq!(end.reason.is_none(), waits, "{linger:?}");
            assert_eq!(end.flight.ends_with(b"88\n"), !waits, "{linger:?}");
        }
    }

    /// How a connection, or the call, ends that is refused like this, before the hello or after it.
    fn refused(end: &mut End, greeted: bool, code: RefusalCode, now: Instant) -> &'static str {
        if greeted {
            receive(end, &Control::Hello(hello(0)), now);
        }
        receive(end, &Control::Refused(code.into()), now);
        match (&end.reason, &end.lost) {
            (Some(CloseReason::Refused(_)), None) => "refused",
            (Some(CloseReason::Lost(Disconnect::Refused(_))), None) => "ended",
            (None, Some(Disconnect::Refused(_))) => "lost",
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_who_has_forgotten_a_call_is_called_anew() {
        let codes = [RefusalCode::NoSession, RefusalCode::UnknownKey];
        for (resumed, greeted, outcomes) in [
            (false, false, ["refused", "refused"]),
            (false, true, ["ended", "ended"]),
            (true, false, ["lost", "ended"]),
            (true, true, ["ended", "ended"]),
        ] {
            for (code, outcome) in codes.into_iter().zip(outcomes) {
                let (mut end, now) = dialer();
                if resumed {
                    receive(&mut end, &Control::Hello(hello(0)), now);
                    end.disconnected(now);
                    dial(&mut end.session, None, now);
                    end.begun = true;
                }
                let is = refused(&mut end, greeted, code, now);
                assert_eq!(is, outcome, "{code:?}, {resumed}, {greeted}");
            }
        }
    }
}

mod typing {
    use super::*;

    fn notices(end: &End) -> Vec<bool> {
        let notices = end.events.iter().filter_map(|event| match event {
            Event::Typing(typing) => Some(*typing),
            _ => None,
        });
        notices.collect()
    }

    #[test]
    fn it_is_told_and_ends_with_the_message() {
        let mut call = Call::on();
        call.ends[DIALER].session.typing(true);
        call.settle();
        assert_eq!(notices(&call.ends[LISTENER]), [true]);
        call.ends[DIALER].say("done");
        call.settle();
        assert_eq!(notices(&call.ends[LISTENER]), [true, false]);
    }

    #[test]
    fn it_is_told_at_most_every_three_seconds() {
        let mut call = Call::on();
        for n in 0..100 {
            call.ends[DIALER].session.typing(n % 2 == 0);
            call.ends[DIALER].session.typing(true);
            call.pass(100 * MS, false);
        }
        let flight = &call.ends[DIALER].flight;
        let told = flight
            .windows(13)
            .filter(|w| *w == b"{\"typing\":tru")
            .count();
        assert_eq!(told, 4);
    }

    #[test]
    fn a_new_message_is_told_at_once() {
        let mut call = Call::on();
        for _ in 0..3 {
            call.ends[DIALER].session.typing(true);
            call.settle();
            call.ends[DIALER].say("short");
            call.settle();
        }
        assert_eq!(notices(&call.ends[LISTENER]), [true, false].repeat(3));
    }

    #[test]
    fn it_stays_as_long_as_somebody_types() {
        let mut call = Call::on();
        call.ends[DIALER].session.typing(true);
        call.pass(60 * S, true);
        assert_eq!(notices(&call.ends[LISTENER]), [true]);
        call.ends[DIALER].session.typing(false);
        call.settle();
        assert_eq!(notices(&call.ends[LISTENER]), [true, false]);
    }

    #[test]
    fn who_goes_away_is_away_until_the_other_is_said() {
        let mut call = Call::on();
        let told = |end: &End| -> Vec<bool> {
            let away = end.events.iter().filter_map(|event| match event {
                Event::Presence(presence) => Some(*presence != Presence::Here),
                _ => None,
            });
            away.collect()
        };
        call.ends[DIALER].session.typing(true);
        call.settle();
        call.ends[DIALER].session.suspended(true);
        call.settle();
        assert_eq!(notices(&call.ends[LISTENER]), [true, false]);
        assert_eq!(told(&call.ends[LISTENER]), [true]);
        call.cut();
        call.ends[DIALER].session.suspended(false);
        call.connect();
        call.settle();
        assert_eq!(told(&call.ends[LISTENER]), [true, false]);
        assert!(told(&call.ends[DIALER]).is_empty(), "the other never was");
    }

    #[test]
    fn it_expires_when_the_link_is_gone() {
        let mut call = Call::on();
        call.ends[DIALER].session.typing(true);
        call.settle();
        call.cut();
        call.pass(8 * S, false);
        assert_eq!(notices(&call.ends[LISTENER]), [true, false]);
    }
}

mod resuming {
    use super::*;

    #[test]
    fn what_was_lost_goes_out_again() {
        let mut call = Call::on();
        call.ends[DIALER].say("one");
        call.settle();
        call.pass(20 * MS, true);
        call.ends[DIALER].say_lines("two\nthree\nfour");
        call.transmit();
        call.deliver(LISTENER, "two\nthr".len());
        call.cut();
        call.ends[DIALER].say("five");
        call.pass(12 * S, false);
        call.connect();
        call.settle();
        call.pass(20 * MS, true);
        call.assert_all_arrived();
        // The receipt of the first message came 5 ms before the cut.
        assert!(has(&call.ends[DIALER], |event| matches!(
            event,
            Event::Connection(ConnectionStatus::Resumed { after, resent: 3 })
                if *after == 12 * S + 5 * MS
        )));
    }

    #[test]
    fn an_outage_is_measured_from_the_last_byte() {
        let mut call = Call::on();
        call.pass(15 * S, false);
        assert!(call.ends[DIALER].lost.is_some(), "that was silence enough");
        call.cut();
        call.pass(7 * S, false);
        call.connect();
        call.settle();
        assert!(has(&call.ends[DIALER], |event| matches!(
            event,
            Event::Connection(ConnectionStatus::Resumed { after, .. }) if *after == 22 * S
        )));
    }

    #[test]
    fn an_outage_is_measured_with_the_sleep_in_it() {
        let mut call = Call::on();
        call.ends[DIALER].session.slept(3 * S);
        call.ends[LISTENER].say("awake, and the connection is there still");
        call.settle();
        call.pass(S, false);
        call.ends[DIALER].session.slept(8 * 3_600 * S);
        call.cut();
        call.pass(2 * S, false);
        call.connect();
        call.settle();
        assert!(has(&call.ends[DIALER], |event| matches!(
            event,
            Event::Connection(ConnectionStatus::Resumed { after, .. })
                if *after == 8 * 3_600 * S + 3 * S
        )));
    }

    #[test]
    fn messages_that_came_but_were_not_shown_come_once() {
        let mut call = Call::on();
        call.ends[LISTENER].attentive = false;
        call.ends[DIALER].say_lines("one\ntwo");
        call.settle();
        call.cut();
        call.connect();
        call.settle();
        assert_eq!(call.ends[DIALER].delivered, 0);
        let now = call.now;
        call.ends[LISTENER].show(now);
        call.pass(20 * MS, true);
        call.assert_all_arrived();
        assert_eq!(call.ends[DIALER].delivered, 2);
    }

    #[test]
    fn an_acknowledgement_that_was_lost_is_made_up_for() {
        let mut call = Call::on();
        call.ends[DIALER].say("one");
        call.deliver(LISTENER, usize::MAX);
        call.pass(20 * MS, false);
        call.cut();
        assert_eq!(call.ends[DIALER].delivered, 0);
        call.connect();
        call.settle();
        assert_eq!(call.ends[DIALER].delivered, 1);
    }

    #[test]
    fn that_holds_after_a_queue_too() {
        let mut call = Call::on();
        call.ends[LISTENER].say("one");
        call.settle();
        call.cut();
        call.connect();
        let now = call.now;
        let dialer = &mut call.ends[DIALER];
        for control in [Control::Waiting { ahead: 0 }, Control::Hello(hello(0))] {
            dialer.flight.clear();
            let line = control.to_line();
            dialer.receive(&line, false, now).expect("in turn");
            dialer.transmit(now);
        }
        assert_eq!(dialer.flight, "\u{1}{\"received\":1}\n");
    }

    #[test]
    fn a_cut_before_the_first_hello_is_no_harm() {
        let mut call = Call::new();
        call.connect();
        call.ends[DIALER].say("early");
        call.transmit();
        call.deliver(LISTENER, 10);
        call.cut();
        assert!(call.ends[DIALER].met.is_none());
        call.connect();
        call.settle();
        call.pass(20 * MS, true);
        call.assert_all_arrived();
        assert!(call.ends[DIALER].met.is_some());
    }

    #[test]
    fn a_stream_that_ends_without_a_good_bye_is_a_cut() {
        let mut call = Call::on();
        let now = call.now;
        let dialer = &mut call.ends[DIALER];
        dialer.receive(b"half a li", true, now).expect("an end");
        dialer.transmit(now);
        assert!(matches!(dialer.lost, Some(Disconnect::Cut)));
        assert!(dialer.reason.is_none() && dialer.heard.is_empty());
    }

    #[test]
    fn a_newer_connection_takes_the_place_of_the_present_one() {
        let mut call = Call::on();
        call.ends[LISTENER].say("one");
        call.transmit();
        let now = call.now;
        let listener = &mut call.ends[LISTENER];
        listener.flight.clear();
        accept(&mut listener.session, None, hello(0), now);
        listener.transmit(now);
        assert!(listener.flight.starts_with(b"\x01{\"hello\":"));
        assert!(listener.flight.windows(4).any(|w| w == b"one\n"));
        assert!(listener.reason.is_none());
    }

    #[test]
    fn an_older_connection_does_not() {
        let mut call = Call::on();
        call.ends[LISTENER].say("one");
        call.settle();
        call.pass(20 * MS, true);
        assert_eq!(call.ends[LISTENER].delivered, 1);
        let held_up = Handshake {
            binding: None,
            hello: Some(hello(0)),
        };
        let now = call.now;
        assert!(!call.ends[LISTENER].session.connected(held_up, now));
        call.ends[DIALER].say("still here");
        call.pass(20 * MS, true);
        call.assert_all_arrived();
    }

    #[test]
    fn a_call_that_is_given_up_is_lost() {
        let mut call = Call::on();
        call.ends[DIALER].say("never arrives");
        call.cut();
        let dialer = &mut call.ends[DIALER];
        dialer.give_up(call.now);
        assert!(matches!(
            dialer.reason,
            Some(CloseReason::Lost(Disconnect::Cut))
        ));
        assert_eq!(dialer.session.unacknowledged(), ["never arrives"]);
    }
}

mod restarting {
    use super::*;

    #[test]
    fn a_session_that_was_written_down_goes_on() {
        for side in [DIALER, LISTENER] {
            let mut call = Call::on();
            for end in &mut call.ends {
                end.say_lines("one\n88\nthree");
            }
            call.settle();
            call.pass(20 * MS, true);
            call.ends[side].say("four");
            call.transmit();
            call.cut();
            call.ends[side].restart();
            call.ends[side].say("five");
            call.ends[1 - side].say("you again?");
            call.connect();
            call.settle();
            call.pass(20 * MS, true);
            call.assert_all_arrived();
            assert_eq!(call.ends[side].delivered, 5);
            let restored = |event: &Event| {
                matches!(event, Event::Connection(ConnectionStatus::Restored { .. }))
            };
            assert!(has(&call.ends[side], restored), "not a new call");
        }
    }

    #[test]
    fn what_was_not_shown_before_comes_again_and_so_does_the_end() {
        let mut call = Call::on();
        call.ends[DIALER].say_lines("one\ntwo");
        call.settle();
        call.ends[LISTENER].attentive = false;
        call.ends[DIALER].say_lines("three\n\u{1}four");
        call.ends[DIALER].session.finish();
        call.settle();
        assert_eq!(call.ends[LISTENER].heard.len(), 4);
        call.cut();
        call.ends[LISTENER].restart();
        assert_eq!(call.ends[LISTENER].heard.len(), 2);
        call.ends[LISTENER].attentive = true;
        call.ends[LISTENER].session.finish();
        call.connect();
        call.pass(20 * MS, true);
        call.assert_all_arrived();
        for end in &call.ends {
            assert!(matches!(end.reason, Some(CloseReason::BothFinished)));
        }
    }

    #[test]
    fn a_peer_may_have_all_that_was_written_down_and_no_more() {
        let mut call = Call::on();
        call.ends[DIALER].say("one");
        let now = call.now;
        let early = serde_json::to_string(call.ends[DIALER].session.state()).expect("JSON");
        for (received, fits) in [(1, true), (2, false)] {
            let state = serde_json::from_str::<SessionState>(&early).expect("the same");
            let mut session = restored("ann", state);
            let handshake = Handshake {
                binding: None,
                hello: Some(hello(received)),
            };
            assert_eq!(session.connected(handshake, now), fits);
            let next = poll(&mut session, &mut WriteBuffer::default(), true, now);
            assert!(matches!(next, Next::Wait), "{next:?}");
            assert_eq!(session.unacknowledged(), ["one"]);
        }
    }

    #[test]
    fn what_is_no_session_is_refused() {
        let session = session("ann");
        let written = serde_json::to_string(session.state()).expect("JSON");
        let broken = written.replace("\"messages\":[]", "\"messages\":[\"no LF\"]");
        assert_ne!(broken, written);
        serde_json::from_str::<SessionState>(&broken).expect_err("half a message");
    }
}

mod endings {
    use super::*;

    fn here(end: &End) -> bool {
        matches!(end.reason, Some(CloseReason::HungUp(Side::Local)))
    }

    fn there(end: &End) -> bool {
        matches!(end.reason, Some(CloseReason::HungUp(Side::Remote)))
    }

    /// A call whose dialer has said one last thing and hangs up, before any of it is sent.
    fn leaving(linger: Linger) -> Call {
        let mut call = Call::on();
        let now = call.now;
        call.ends[DIALER].say("bye");
        call.ends[DIALER].session.hang_up(linger, now);
        call
    }

    #[test]
    fn a_hang_up_waits_for_the_receipt() {
        let mut call = leaving(Linger::Brief);
        call.transmit();
        assert!(call.ends[DIALER].flight.ends_with(b"bye\n"));
        call.pass(20 * MS, true);
        assert!(here(&call.ends[DIALER]));
        assert!(there(&call.ends[LISTENER]));
        call.assert_all_arrived();
    }

    #[test]
    fn but_not_for_ever() {
        let mut call = leaving(Linger::Brief);
        call.pass(1900 * MS, false);
        assert!(call.ends[DIALER].reason.is_none());
        call.pass(200 * MS, false);
        assert!(here(&call.ends[DIALER]));
        assert!(call.ends[DIALER].flight.ends_with(b"88\n"));
        assert_eq!(call.ends[DIALER].session.unacknowledged(), ["bye"]);
    }

    #[test]
    fn patience_lasts_as_long_as_the_link() {
        let mut call = Call::on();
        call.ends[LISTENER].attentive = false;
        let now = call.now;
        call.ends[DIALER].say("bye");
        call.ends[DIALER].session.hang_up(Linger::Endless, now);
        call.pass(600 * S, true);
        assert!(call.ends[DIALER].reason.is_none());
        call.cut();
        assert!(call.ends[DIALER].reason.is_none());
        call.connect();
        call.settle();
        let now = call.now;
        call.ends[LISTENER].show(now);
        call.pass(20 * MS, true);
        assert!(here(&call.ends[DIALER]) && there(&call.ends[LISTENER]));
        call.assert_all_arrived();
    }

    #[test]
    fn a_pipe_hangs_up_on_a_peer_that_acknowledges_nothing() {
        let mut call = Call::on();
        call.ends[LISTENER].attentive = false;
        call.ends[DIALER].say("bye");
        call.settle();
        let now = call.now;
        call.ends[DIALER].session.hang_up(Linger::Steady, now);
        call.pass(1900 * MS, false);
        assert!(call.ends[DIALER].reason.is_none());
        call.pass(200 * MS, false);
        assert!(here(&call.ends[DIALER]));
        assert_eq!(call.ends[DIALER].session.unacknowledged(), ["bye"]);
    }

    #[test]
    fn patience_begins_anew_when_the_peer_comes_back() {
        let mut call = leaving(Linger::Steady);
        call.pass(1_900 * MS, false);
        call.cut();
        call.connect();
        // The hellos arrive, and no receipt.
        call.ends[LISTENER].attentive = false;
        call.settle();
        call.pass(1_900 * MS, true);
        assert!(call.ends[DIALER].reason.is_none());
        let now = call.now;
        call.ends[LISTENER].show(now);
        call.pass(50 * MS, true);
        assert!(here(&call.ends[DIALER]) && there(&call.ends[LISTENER]));
        call.assert_all_arrived();
    }

    #[test]
    fn what_comes_after_a_hang_up_is_not_taken() {
        let mut call = Call::on();
        let now = call.now;
        let wire = b"one\n88\ntwo\n\x01{\"say\":\"three\"}\n";
        call.ends[LISTENER]
            .receive(wire, false, now)
            .expect("a hang-up");
        assert!(there(&call.ends[LISTENER]));
        assert_eq!(call.ends[LISTENER].heard, ["one"]);
    }

    /// What a peer that comes back is told of a call that is over.
    fn last_words(end: &End) -> (u64, u64, bool) {
        match &end.session.final_ack()[..] {
            [Control::Hello(hello), Control::Received(number)] => {
                (hello.received, *number, hello.ended)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_last_words_claim_what_was_shown_and_recorded() {
        let mut call = Call::on();
        call.ends[LISTENER].record();
        call.ends[DIALER].say("one");
        call.pass(50 * MS, true);
        assert_eq!(last_words(&call.ends[LISTENER]), (1, 1, true));
        call.ends[LISTENER].attentive = false;
        call.ends[DIALER].say("two");
        call.pass(50 * MS, true);
        assert_eq!(call.ends[LISTENER].heard, ["one", "two"]);
        assert_eq!(last_words(&call.ends[LISTENER]), (1, 1, true));
        call.ends[LISTENER].stall(true);
        let now = call.now;
        call.ends[LISTENER].show(now);
        call.settle();
        assert_eq!(last_words(&call.ends[LISTENER]), (1, 1, true));
        call.ends[LISTENER].stall(false);
        call.settle();
        assert_eq!(last_words(&call.ends[LISTENER]), (2, 2, true));
        let state = call.ends[LISTENER].session.state();
        let name = Name::from("bob");
        let told = state.final_ack(&name);
        assert!(matches!(told[..], [_, Control::Received(2)]), "{told:?}");
    }

    #[test]
    fn patience_may_come_to_an_end() {
        let mut call = leaving(Linger::Endless);
        call.pass(10 * S, false);
        let now = call.now;
        call.ends[DIALER].session.hang_up(Linger::Brief, now);
        call.pass(2 * S, false);
        assert!(here(&call.ends[DIALER]));
    }

    #[test]
    fn both_may_hang_up_at_once() {
        let mut call = Call::on();
        let now = call.now;
        for end in &mut call.ends {
            end.session.hang_up(Linger::Brief, now);
        }
        call.settle();
        assert!(here(&call.ends[DIALER]) && here(&call.ends[LISTENER]));
    }

    #[test]
    fn a_writer_that_is_stuck_still_hangs_up() {
        let mut call = Call::on();
        let session = &mut call.ends[DIALER].session;
        let mut out = WriteBuffer::default();
        session
            .say_lines(Batch::from("x".repeat(MAX_LINE).as_str()))
            .expect("a line that fits");
        session.hang_up(Linger::Brief, call.now);
        for _ in 0..2 {
            let next = poll(session, &mut out, false, call.now);
            assert!(matches!(next, Next::Wait | Next::Close));
            call.now += 2 * S;
            session.handle_timeout(call.now);
        }
        assert!(matches!(
            poll(session, &mut out, false, call.now),
            Next::Ended(CloseReason::HungUp(Side::Local))
        ));
    }

    #[test]
    fn nothing_is_written_after_a_hang_up() {
        let mut call = Call::on();
        let session = &mut call.ends[DIALER].session;
        let mut out = WriteBuffer::default();
        session.hang_up(Linger::Brief, call.now);
        for _ in 0..2 {
            poll(session, &mut out, false, call.now);
            assert_eq!(out.chunk(), b"88\n");
            session.receive(Some(Frame::Control("{\"ping\":1}".into())), call.now);
        }
    }

    #[test]
    fn a_hang_up_without_a_link_is_immediate() {
        let mut call = Call::on();
        call.ends[DIALER].say("lost");
        call.transmit();
        call.cut();
        let now = call.now;
        call.ends[DIALER].session.hang_up(Linger::Brief, now);
        call.transmit();
        assert!(here(&call.ends[DIALER]));
        assert_eq!(call.ends[DIALER].session.unacknowledged(), ["lost"]);
    }

    #[test]
    fn a_link_that_goes_during_a_hang_up_ends_the_call() {
        let mut call = Call::on();
        let now = call.now;
        call.ends[DIALER].say("lost\ntoo");
        call.ends[DIALER].session.hang_up(Linger::Brief, now);
        call.transmit();
        call.cut();
        assert!(here(&call.ends[DIALER]));
        assert_eq!(call.ends[DIALER].session.unacknowledged(), ["lost\ntoo"]);
    }

    #[test]
    fn nothing_is_said_after_a_hang_up() {
        let mut call = Call::on();
        let session = &mut call.ends[DIALER].session;
        session.hang_up(Linger::Brief, call.now);
        session.say("too late").expect("no error either");
        assert_eq!(session.say_lines(Batch::from("too late")), Ok(()));
        assert!(session.unacknowledged().is_empty());
    }

    #[test]
    fn a_silent_peer_is_told_why_it_is_hung_up_on() {
        let mut call = Call::on();
        let now = call.now;
        call.ends[LISTENER].session.idle_timeout(10 * S, now);
        call.settle();
        assert!(here(&call.ends[LISTENER]) && there(&call.ends[DIALER]));
        assert!(has(&call.ends[DIALER], |event| matches!(
            event,
            Event::PeerIdleTimeout(idle) if *idle == 10 * S
        )));
    }

    #[test]
    fn both_have_no_more_to_say() {
        let mut call = Call::on();
        call.ends[DIALER].say("all");
        call.ends[DIALER].session.finish();
        call.settle();
        assert!(has(&call.ends[LISTENER], |event| matches!(
            event,
            Event::PeerEof
        )));
        call.ends[LISTENER].say("still talking");
        call.pass(S, true);
        assert!(call.ends[DIALER].reason.is_none());
        call.ends[LISTENER].session.finish();
        call.pass(20 * MS, true);
        for end in &call.ends {
            assert!(matches!(end.reason, Some(CloseReason::BothFinished)));
        }
        call.assert_all_arrived();
    }

    /// A session whose call is settled, with a peer that goes on with pings and never closes.
    struct Settled(Session, Instant, WriteBuffer);

    impl Settled {
        fn new() -> Self {
            let Call { ends, now, .. } = Call::on();
            let [dialer, _] = ends;
            let mut settled = Self(dialer.session, now, WriteBuffer::default());
            settled.0.finish();
            assert!(matches!(settled.hears(&Control::Done(true)), Next::Close));
            settled.2.clear();
            settled
        }

        fn hears(&mut self, control: &Control) -> Next {
            let Self(session, now, _) = self;
            let line = control.to_line();
            let frame = Frame::Control(line.slice(1..line.len() - 1));
            session.heard(*now);
            session.receive(Some(frame), *now);
            session.sink_changed(SinkState::Idle, *now);
            self.goes_on()
        }

        fn goes_on(&mut self) -> Next {
            let Self(session, now, out) = self;
            session.handle_timeout(*now);
            poll(session, out, true, *now)
        }

        /// How it ends, and after how many seconds of pings.
        fn close_reason(mut self) -> (Option<CloseReason>, u64) {
            let ending = (0..60).find_map(|second| {
                let next = self.hears(&Control::Ping(second));
                assert!(self.2.is_empty(), "all is said");
                self.1 += S;
                match next {
                    Next::Ended(reason) => Some((reason, second)),
                    _ => None,
                }
            });
            ending.map_or((None, 60), |(ending, second)| (Some(ending), second))
        }
    }

    #[test]
    fn a_settled_peer_that_never_closes_is_not_waited_for_for_ever() {
        let (ending, seconds) = Settled::new().close_reason();
        assert!(
            matches!(ending, Some(CloseReason::BothFinished)),
            "{ending:?}"
        );
        assert!((29..=31).contains(&seconds), "after {seconds} s");
    }

    #[test]
    fn a_settled_peer_that_is_cut_off_may_not_know_of_the_end() {
        let mut settled = Settled::new();
        for second in 0..20 {
            settled.hears(&Control::Ping(second));
            settled.1 += S;
        }
        let next = (20..40).find_map(|_| {
            settled.1 += S;
            match settled.goes_on() {
                Next::Close => None,
                next => Some(next),
            }
        });
        assert!(
            matches!(next, Some(Next::Lost(Disconnect::Silent(_)))),
            "{next:?}"
        );
    }

    #[test]
    fn a_hang_up_ends_a_settled_call() {
        let mut settled = Settled::new();
        settled.0.hang_up(Linger::Brief, settled.1);
        let (ending, seconds) = settled.close_reason();
        assert!(matches!(ending, Some(CloseReason::HungUp(Side::Local))));
        assert_eq!(seconds, 0);
    }

    #[test]
    fn no_side_ends_before_the_other_knows() {
        let mut call = Call::on();
        for end in &mut call.ends {
            end.say("all");
            end.session.finish();
        }
        call.deliver(LISTENER, usize::MAX);
        call.deliver(DIALER, usize::MAX);
        // The dialer knows that all has arrived; the listener does not.
        assert!(call.ends[DIALER].closed);
        assert!(!call.ends[LISTENER].closed);
        assert!(call.ends[DIALER].reason.is_none());
        call.cut();
        call.connect();
        call.pass(20 * MS, true);
        for end in &call.ends {
            assert!(matches!(end.reason, Some(CloseReason::BothFinished)));
        }
        call.assert_all_arrived();
    }

    #[test]
    fn the_last_receipt_is_sent_before_the_end() {
        let mut call = Call::on();
        call.ends[DIALER].say("last");
        call.ends[LISTENER].session.finish();
        call.settle();
        call.ends[LISTENER].attentive = false;
        call.ends[DIALER].session.finish();
        call.pass(20 * MS, true);
        for end in &call.ends {
            assert!(matches!(end.reason, Some(CloseReason::BothFinished)));
        }
        assert_eq!(call.ends[DIALER].delivered, 1);
    }

    /// The peer has ended the call with so much received, and says so to who comes back.
    fn hears_of_the_end(end: &mut End, received: u64, now: Instant) {
        dial(&mut end.session, Some(binding(true)), now);
        end.begun = true;
        let ended = Hello {
            ended: true,
            ..hello(received)
        };
        let line = Control::Hello(ended).to_line();
        end.receive(&line, false, now).expect("no violation");
        end.transmit(now);
    }

    /// A recorded call in which two messages were said, and none acknowledged.
    fn said_two() -> (End, Instant) {
        let mut call = Call::on();
        let [mut end, _] = call.ends;
        end.record();
        end.say("one");
        end.say("two");
        end.transmit(call.now);
        end.disconnected(call.now);
        call.now += S;
        (end, call.now)
    }

    #[test]
    fn a_program_started_anew_says_what_is_missing_in_another_session() {
        let (mut end, now) = said_two();
        end.crash(0);
        hears_of_the_end(&mut end, 1, now);
        let lost = end.lost.as_ref().expect("another session is begun");
        assert!(
            matches!(lost, Disconnect::Refused(refusal) if refusal.code == RefusalCode::NoSession),
            "{lost}"
        );
        assert_eq!(end.session.unacknowledged(), ["two"]);
        end.disconnected(now);
        end.renew(Hex([8; 16]));
        let anew = Control::Hello(Hello {
            conversation: Hex([8; 16]),
            ..hello(0)
        });
        dial(&mut end.session, Some(binding(true)), now);
        end.begun = true;
        end.receive(&anew.to_line(), false, now)
            .expect("no violation");
        let renewed = Renewed {
            resent: 1,
            in_doubt: false,
        };
        assert_eq!(end.renewed, Some(renewed));
    }

    #[test]
    fn a_program_that_has_met_the_peer_goes_on_with_what_is_missing() {
        for anew in [false, true] {
            let (mut end, now) = said_two();
            if anew {
                end.crash(0);
                dial(&mut end.session, Some(binding(true)), now);
                end.begun = true;
                let hello = Control::Hello(hello(1)).to_line();
                end.receive(&hello, false, now).expect("no violation");
                end.disconnected(now);
            }
            hears_of_the_end(&mut end, 1, now);
            assert!(end.lost.is_none());
            assert!(end.flight.ends_with(b"two\n"), "{:?}", end.flight);
        }
    }

    #[test]
    fn a_program_started_anew_is_at_its_end_only_if_nothing_is_missing() {
        for (finished, received, is_over) in [
            (true, 2, true),
            (true, 1, false),
            (false, 2, false),
            (false, 1, false),
        ] {
            let (mut end, now) = said_two();
            if finished {
                end.session.finish();
            }
            end.transmit(now);
            end.crash(0);
            hears_of_the_end(&mut end, received, now);
            assert_eq!(end.lost.is_none(), is_over, "{finished}, {received}");
        }
    }

    #[test]
    fn a_settled_call_needs_no_answer_from_a_peer_that_has_ended_it() {
        for refused in [true, false] {
            let mut call = Call::on();
            for end in &mut call.ends {
                end.session.finish();
            }
            call.transmit();
            call.deliver(DIALER, usize::MAX);
            call.cut();
            call.connect();
            let dialer = &mut call.ends[DIALER];
            if refused {
                let refused = Control::Refused(RefusalCode::NoSession.into()).to_line();
                dialer.receive(&refused, true, call.now).expect("in turn");
                dialer.transmit(call.now);
            } else {
                dialer.give_up(call.now);
            }
            assert!(matches!(dialer.reason, Some(CloseReason::BothFinished)));
        }
    }
}

mod bad_peers {
    use super::*;

    /// What becomes of a call with a peer that sends this after its hello.
    fn after_hello(wire: &str) -> Result<(), ProtocolError> {
        let now = Instant::now();
        let mut end = End::new("ann");
        dial(&mut end.session, Some(binding(true)), now);
        end.begun = true;
        end.say("one");
        let hello = Control::Hello(hello(0)).to_line();
        end.receive(&hello, false, now)?;
        end.transmit(now);
        end.receive(wire.as_bytes(), false, now)
    }

    /// What becomes of a call with a peer that begins with this.
    fn first(wire: &str) -> Result<(), ProtocolError> {
        let now = Instant::now();
        let mut end = End::new("ann");
        dial(&mut end.session, Some(binding(true)), now);
        end.begun = true;
        end.receive(wire.as_bytes(), false, now)
    }

    fn control(json: &str) -> String {
        format!("\u{1}{json}\n")
    }

    fn assert_absurd(result: Result<(), ProtocolError>, words: &str) {
        match result {
            Err(error @ (ProtocolError::Violation(_) | ProtocolError::Exchange(_))) => {
                let ended = Ended {
                    reason: error.into(),
                    unacknowledged: Vec::new(),
                };
                let told = locale::text()
                    .describe(&Event::Ended(ended.into()))
                    .expect("a notice");
                assert!(told.contains(words), "{told}");
            }
            other => panic!("{words}: {other:?}"),
        }
    }

    #[test]
    fn the_well_behaved_one_is_heard() {
        let lines = ["{\"received\":1}", "{}", "{\"new\":1}", "{\"received\":1}"];
        after_hello(&lines.map(control).concat()).expect("nothing is wrong");
    }

    #[test]
    fn what_is_out_of_order() {
        let hello = Control::Hello(hello(0)).to_line();
        let hello = std::str::from_utf8(&hello).expect("JSON");
        assert_absurd(after_hello(hello), "hello twice");
        assert_absurd(first("text\n"), "text before its hello");
        let away = Control::Away(Presence::Here).to_line();
        let away = std::str::from_utf8(&away).expect("JSON");
        assert_absurd(first(away), "something before its hello");
        for json in [
            "{\"say\":\"x\"}",
            "{\"received\":0}",
            "{\"typing\":true}",
            "{\"done\":true}",
            "{\"idle\":1}",
        ] {
            let result = first(&control(json));
            assert!(matches!(result, Err(ProtocolError::Violation(_))), "{json}");
        }
        for json in ["{\"waiting\":{\"ahead\":1}}", "{\"busy\":{\"waiting\":1}}"] {
            assert_absurd(after_hello(&control(json)), "made a call wait");
        }
        let done = control("{\"done\":true}");
        assert_absurd(after_hello(&format!("{done}x\n")), "no more to say");
        let said = control("{\"say\":\"x\"}");
        assert_absurd(after_hello(&format!("{done}{said}")), "no more to say");
        assert_absurd(after_hello(&control("{\"done\":false}")), "went on after");
    }

    #[test]
    fn what_cannot_be() {
        for number in [2, u64::MAX] {
            let json = format!("{{\"received\":{number}}}");
            assert_absurd(after_hello(&control(&json)), "never sent");
        }
        let back = ["{\"received\":1}", "{\"received\":0}"].map(control);
        assert_absurd(after_hello(&back.concat()), "took an acknowledgement back");
        for number in [2, u64::MAX] {
            let json = format!("{{\"pong\":{number}}}");
            assert_absurd(after_hello(&control(&json)), "ping that was never sent");
        }
        let other = Control::Hello(Hello {
            conversation: Hex([8; 16]),
            ..hello(0)
        });
        let line = other.to_line();
        let line = std::str::from_utf8(&line).expect("JSON");
        assert_absurd(first(line), "another session");
        let ahead = Control::Hello(hello(1)).to_line();
        let ahead = std::str::from_utf8(&ahead).expect("JSON");
        assert_absurd(first(ahead), "never sent");
    }

    #[test]
    fn a_hello_that_went_back() {
        let mut call = Call::on();
        call.ends[DIALER].say("one");
        call.pass(20 * MS, true);
        call.cut();
        call.connect();
        let hello = Control::Hello(hello(0)).to_line();
        let now = call.now;
        let dialer = &mut call.ends[DIALER];
        dialer.receive(&hello, false, now).expect("no violation");
        let lost = dialer.lost.as_ref().expect("another session is begun");
        assert!(
            matches!(lost, Disconnect::Refused(refusal) if refusal.code == RefusalCode::NoSession),
            "{lost}"
        );
    }

    #[test]
    fn parts_of_the_safety_number_out_of_turn() {
        let nonce = Control::Nonce(Nonce::random()).to_line();
        let nonce = std::str::from_utf8(&nonce).expect("JSON");
        assert_absurd(after_hello(nonce), "unasked");
        let mut call = Call::on();
        let now = call.now;
        let result = call.ends[LISTENER].receive(nonce.as_bytes(), false, now);
        assert_absurd(result, "unasked");
        let mut end = End::new("bob");
        let commitment = Some(Hex([1; 32]));
        let hello = Hello {
            commitment,
            ..hello(0)
        };
        accept(&mut end.session, Some(binding(false)), hello, now);
        assert_absurd(end.receive(b"", false, now), "unasked");
        let reveal = Control::Reveal(Nonce::random()).to_line();
        let reveal = std::str::from_utf8(&reveal).expect("JSON");
        assert_absurd(after_hello(reveal), "unasked");
    }

    #[test]
    fn a_wrong_reveal() {
        let mut call = Call::new();
        call.connect();
        call.deliver(LISTENER, usize::MAX);
        call.deliver(DIALER, usize::MAX);
        let reveal = Control::Reveal(Nonce::random()).to_line();
        let now = call.now;
        let result = call.ends[DIALER].receive(&reveal, false, now);
        assert_absurd(result, "tampered");
    }

    #[test]
    fn what_cannot_be_read() {
        for json in [
            "",
            "{",
            "7",
            "{\"received\":-1}",
            "{\"received\":1e99}",
            "\u{1}",
        ] {
            let result = after_hello(&control(json));
            assert!(matches!(result, Err(ProtocolError::Malformed(_))), "{json}");
        }
        let megabyte = format!("{{\"typing\":[{}true]}}", "1,".repeat(400_000));
        let result = after_hello(&control(&megabyte));
        assert!(matches!(result, Err(ProtocolError::Malformed(_))));
        let megabyte = format!("{{\"new\":\"{}\"}}", "x".repeat(1_000_000));
        let result = after_hello(&control(&megabyte));
        assert!(matches!(
            result,
            Err(ProtocolError::Malformed(ControlError::TooLong))
        ));
        let line = "x".repeat(MAX_LINE + 1);
        let result = after_hello(&line);
        assert!(matches!(result, Err(ProtocolError::Line(_))));
    }
}

/// A step of a random call.
#[derive(Clone, Debug)]
enum Move {
    Say(usize, String),
    SayLines(usize, Vec<String>),
    Deliver(usize, usize),
    Look(usize),
    LookAway(usize),
    Pass(u64),
    Cut,
    Connect,
    Restart(usize),
    Stall(usize, bool),
    Crash(usize, usize),
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z8]{0,8}",
        1 => Just("88".to_owned()),
        1 => Just("x".repeat(5000)),
        1 => "[a8\u{1}\r\n你\"]{0,6}",
    ]
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{0,8}",
        1 => Just("88".to_owned()),
        1 => "[a8\u{1}\r你]{0,4}",
    ]
}

fn a_move() -> impl Strategy<Value = Move> {
    let side = 0..2_usize;
    prop_oneof![
        4 => (side.clone(), text()).prop_map(|(side, text)| Move::Say(side, text)),
        2 => (side.clone(), prop::collection::vec(line(), 1..20))
            .prop_map(|(side, lines)| Move::SayLines(side, lines)),
        6 => (side.clone(), 0..60_usize).prop_map(|(side, count)| Move::Deliver(side, count)),
        4 => side.clone().prop_map(|side| Move::Deliver(side, usize::MAX)),
        2 => side.clone().prop_map(Move::Look),
        1 => side.clone().prop_map(Move::LookAway),
        2 => prop_oneof![0..50_u64, 0..4_000_u64].prop_map(Move::Pass),
        2 => Just(Move::Cut),
        4 => Just(Move::Connect),
        1 => side.prop_map(Move::Restart),
    ]
}

/// The same with programs that are recorded, and crash.
fn a_recorded_move() -> impl Strategy<Value = Move> {
    let side = 0..2_usize;
    prop_oneof![
        8 => a_move(),
        2 => (side.clone(), any::<bool>()).prop_map(|(side, stalls)| Move::Stall(side, stalls)),
        1 => (side, 0..4_usize).prop_map(|(side, torn)| Move::Crash(side, torn)),
    ]
}

fn play(call: &mut Call, moves: &[Move]) {
    for step in moves {
        match step {
            Move::Say(side, text) => call.ends[*side].say(text),
            Move::SayLines(side, lines) => call.ends[*side].say_lines(&lines.join("\n")),
            Move::Deliver(side, count) if call.connected => {
                call.deliver(*side, *count);
            }
            Move::Look(side) => {
                let now = call.now;
                call.ends[*side].attentive = true;
                call.ends[*side].show(now);
            }
            Move::LookAway(side) => call.ends[*side].attentive = false,
            Move::Pass(millis) => {
                call.pass(Duration::from_millis(*millis), false);
                if call.ends.iter().any(|end| end.lost.is_some()) {
                    call.cut();
                }
            }
            Move::Cut if call.connected => call.cut(),
            Move::Connect if !call.connected => call.connect(),
            Move::Restart(side) if call.ends[*side].reason.is_none() => {
                if call.connected {
                    call.cut();
                }
                match call.ends[*side].disk {
                    None => call.ends[*side].restart(),
                    // Whoever ends a program waits for its disk.
                    Some(_) => call.ends[*side].crash(usize::MAX),
                }
            }
            Move::Stall(side, stalls) => call.ends[*side].stall(*stalls),
            // One that has ended is not there to be told how far the other has come.
            Move::Crash(side, torn) if call.ends.iter().all(|end| end.reason.is_none()) => {
                if call.connected {
                    call.cut();
                }
                call.ends[*side].crash(*torn);
            }
            _ => {}
        }
        call.transmit();
    }
    // What came is never more than what was said, nor in another order.
    for (end, other) in [(DIALER, LISTENER), (LISTENER, DIALER)] {
        assert!(call.ends[other].said.starts_with(&call.ends[end].heard));
    }
}

/// The network is well again, and everybody looks.
fn heal(call: &mut Call) {
    if !call.connected && call.ends.iter().all(|end| end.reason.is_none()) {
        call.connect();
    }
    let now = call.now;
    for end in &mut call.ends {
        end.attentive = true;
        end.show(now);
        end.stall(false);
    }
    call.pass(5 * S, true);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn everything_arrives_once_and_in_order(
        before in prop::collection::vec(a_move(), 0..60),
        after in prop::collection::vec(a_move(), 0..20),
    ) {
        let mut call = Call::new();
        play(&mut call, &before);
        let unsaid = |step: &Move| !matches!(step, Move::Say(..) | Move::SayLines(..));
        let after: Vec<_> = after.into_iter().filter(unsaid).collect();
        for end in &mut call.ends {
            end.session.finish();
        }
        play(&mut call, &after);
        // One end may have ended while its last words were cut off: then the other goes alone.
        let ended = call.ends.iter().any(|end| end.reason.is_some());
        heal(&mut call);
        if ended {
            for end in call.ends.iter_mut().filter(|end| end.reason.is_none()) {
                end.give_up(call.now);
            }
        }
        for end in &call.ends {
            prop_assert!(matches!(end.reason, Some(CloseReason::BothFinished)), "{:?}", end.reason);
        }
        call.assert_all_arrived();
        for (end, other) in [(DIALER, LISTENER), (LISTENER, DIALER)] {
            prop_assert_eq!(call.ends[end].delivered, call.ends[other].heard.len() as u64);
        }
    }

    #[test]
    fn whoever_loses_power_goes_on_where_the_call_was(
        before in prop::collection::vec(a_recorded_move(), 0..60),
        after in prop::collection::vec(a_recorded_move(), 0..20),
    ) {
        let mut call = Call::new();
        call.ends.iter_mut().for_each(End::record);
        play(&mut call, &before);
        for end in &mut call.ends {
            end.session.finish();
        }
        let unsaid = |step: &Move| !matches!(step, Move::Say(..) | Move::SayLines(..));
        let after: Vec<_> = after.into_iter().filter(unsaid).collect();
        play(&mut call, &after);
        let ended = call.ends.iter().any(|end| end.reason.is_some());
        for end in &mut call.ends {
            // It may have been lost.
            end.session.finish();
        }
        heal(&mut call);
        if ended {
            for end in call.ends.iter_mut().filter(|end| end.reason.is_none()) {
                end.give_up(call.now);
            }
        }
        for end in &call.ends {
            prop_assert!(matches!(end.reason, Some(CloseReason::BothFinished)), "{:?}", end.reason);
            let disk = end.disk.as_ref().expect("it is recorded");
            prop_assert_eq!((&disk.said(), &disk.heard()), (&end.said, &end.heard));
            let restored = disk.restored();
            prop_assert_eq!(restored.acknowledged, end.said.len() as u64);
            prop_assert_eq!(restored.peer_last, Some(end.heard.len() as u64));
        }
        call.assert_all_arrived();
    }

    #[test]
    fn a_hang_up_leaves_no_doubt(
        before in prop::collection::vec(a_move(), 0..40),
        side in 0..2_usize,
        patiently: bool,
        after in prop::collection::vec(a_move(), 0..20),
    ) {
        let mut call = Call::new();
        play(&mut call, &before);
        let now = call.now;
        call.ends[side].session.hang_up(if patiently { Linger::Endless } else { Linger::Brief }, now);
        // Who restarts has forgotten that it hung up.
        let unsaid = |step: &Move| {
            !matches!(step, Move::Say(..) | Move::SayLines(..) | Move::Restart(_))
        };
        let after: Vec<_> = after.into_iter().filter(unsaid).collect();
        play(&mut call, &after);
        heal(&mut call);
        for end in &mut call.ends {
            // Its peer is gone, and did not get to say so.
            if end.reason.is_none() {
                end.give_up(call.now);
            }
        }
        prop_assert!(matches!(call.ends[side].reason, Some(CloseReason::HungUp(Side::Local))));
        for (end, other) in [(DIALER, LISTENER), (LISTENER, DIALER)] {
            let said = &call.ends[other].said;
            let heard = call.ends[end].heard.len();
            let missing = call.ends[other].session.unacknowledged();
            prop_assert_eq!(&call.ends[end].heard[..], &said[..heard]);
            prop_assert!(said.len() - missing.len() <= heard, "a false receipt");
            prop_assert_eq!(&missing[..], &said[said.len() - missing.len()..]);
            if patiently && end != side {
                prop_assert!(missing.is_empty());
            }
        }
    }
}
