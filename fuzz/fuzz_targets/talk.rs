//! Two sessions of one call, and any order of what can happen to them: messages, pieces of what is
//! on the way, cuts, pauses. Each message is heard once and in order, nothing counts as delivered
//! that was not heard, and when nothing more is cut, all of it arrives.

#![no_main]

use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use chat_core::protocol::{
    Disconnect, Event, Handshake, Next, Outgoing, Protocol, ProtocolEvent, Session, SessionState,
    SinkState,
};
use chat_core::trust::safety_number::ChannelBinding;
use chat_core::trust::{Fingerprint, Security};
use chat_core::wire::{Control, Frame, Hex, LineCodec, WriteBuffer};
use libfuzzer_sys::fuzz_target;
use tokio_util::codec::Decoder;

/// A call whose connection comes back this soon each time is never given up.
const BACK: Duration = Duration::from_millis(100);

struct End {
    session: Session,
    is_dialer: bool,
    codec: LineCodec,
    incoming: BytesMut,
    flight: BytesMut,
    /// The session knows of the connection: the listener's, once it has read a hello.
    connected: bool,
    lost: bool,
    attentive: bool,
    said: Vec<String>,
    heard: Vec<String>,
    delivered: u64,
}

impl End {
    fn new(is_dialer: bool) -> Self {
        let security = Security::NoKey { post_quantum: true };
        let state = SessionState::new(Hex([7; 16]));
        Self {
            session: Session::new("x".into(), &security, state),
            is_dialer,
            codec: LineCodec::chat1(),
            incoming: BytesMut::new(),
            flight: BytesMut::new(),
            connected: false,
            lost: false,
            attentive: true,
            said: Vec::new(),
            heard: Vec::new(),
            delivered: 0,
        }
    }

    fn say(&mut self, text: String) {
        if self.session.say(&text).is_ok() {
            self.said.push(text);
        }
    }

    fn connect(&mut self, hello: Option<chat_core::wire::Hello>, now: Instant) {
        let (own, peer) = if self.is_dialer { (1, 2) } else { (2, 1) };
        let binding = Some(ChannelBinding {
            exporter: [3; 32],
            own_key: Fingerprint::from_bytes([own; 32]),
            peer_key: Fingerprint::from_bytes([peer; 32]),
        });
        assert!(self.session.connected(Handshake { binding, hello }, now));
        self.connected = true;
    }

    fn cut(&mut self, now: Instant) {
        if self.connected {
            self.session.disconnected(Disconnect::Cut, true, now);
            self.step(now);
        }
        self.codec = LineCodec::chat1();
        self.incoming.clear();
        self.flight.clear();
        (self.connected, self.lost) = (false, false);
    }

    fn receive(&mut self, bytes: &[u8], now: Instant) {
        self.incoming.extend_from_slice(bytes);
        if self.connected {
            self.session.heard(now);
        }
        while let Some(frame) = self.codec.decode(&mut self.incoming).expect("ours") {
            if self.connected {
                self.session.receive(Some(frame), now);
                continue;
            }
            let Frame::Control(json) = frame else {
                panic!("{frame:?} came before the hello");
            };
            match Control::parse(&json) {
                Ok(Some(Control::Hello(hello))) => self.connect(Some(hello), now),
                other => panic!("{other:?} came before the hello"),
            }
        }
        self.step(now);
    }

    /// Shows what there is to show, and sends what there is to send.
    fn step(&mut self, now: Instant) {
        while let Some(event) = self.session.poll_event() {
            match event {
                ProtocolEvent::Show(Event::Message(text)) => self.heard.push(text),
                ProtocolEvent::Show(Event::Lines(lines)) => {
                    self.heard.extend(lines.lines().map(str::to_owned));
                }
                ProtocolEvent::Show(Event::Delivered(count)) => {
                    assert!(count > self.delivered, "receipts only grow");
                    self.delivered = count;
                }
                _ => {}
            }
        }
        let sink = match self.attentive {
            true => SinkState::Idle,
            false => SinkState::Busy,
        };
        self.session.sink_changed(sink, now);
        if self.session.timeout().is_some_and(|at| at <= now) {
            self.session.handle_timeout(now);
        }
        loop {
            let mut buffer = WriteBuffer::default();
            let out = Outgoing {
                buffer: &mut buffer,
                written: true,
                raw: false,
            };
            match self.session.poll_transmit(out, now) {
                Next::Wait | Next::Close => {}
                Next::Lost(_) => self.lost = true,
                Next::Ended(reason) => panic!("nobody hung up: {reason:?}"),
            }
            if !buffer.has_remaining() {
                return;
            }
            while buffer.has_remaining() {
                let length = buffer.chunk().len();
                self.flight.extend_from_slice(buffer.chunk());
                buffer.advance(length);
            }
        }
    }
}

struct Call {
    ends: [End; 2],
    now: Instant,
}

impl Call {
    fn carry(&mut self, from: usize, most: usize) {
        let flight = &mut self.ends[from].flight;
        let piece = flight.split_to(most.min(flight.len()));
        self.ends[1 - from].receive(&piece, self.now);
        self.ends[from].step(self.now);
    }

    /// The connection is gone, and there is another.
    fn cut(&mut self) {
        self.now += BACK;
        self.ends.iter_mut().for_each(|end| end.cut(self.now));
        self.ends[0].connect(None, self.now);
        self.ends[0].step(self.now);
    }

    fn check(&self) {
        for (from, to) in [(0, 1), (1, 0)] {
            let (from, to) = (&self.ends[from], &self.ends[to]);
            assert!(
                from.said.starts_with(&to.heard),
                "{:?} {:?}",
                from.said,
                to.heard
            );
            assert!(from.delivered <= to.heard.len() as u64);
        }
    }
}

fuzz_target!(|events: &[u8]| {
    let mut call = Call {
        ends: [End::new(true), End::new(false)],
        now: Instant::now(),
    };
    call.cut();
    for (number, event) in events.iter().enumerate() {
        let (end, amount) = (usize::from(event & 1), usize::from(event >> 4));
        match event >> 1 & 7 {
            0 => call.ends[end].say(format!("{end}: {number}")),
            1 => call.ends[end].say(["88", "", "\u{1}{}", "two\nlines"][amount % 4].into()),
            2 => call.carry(end, amount + 1),
            3 => call.carry(end, amount * 100),
            4 => call.cut(),
            5 => call.now += Duration::from_millis(amount as u64 * 20),
            6 => call.ends[end].attentive = amount % 2 == 0,
            _ => call.ends[end].session.suspect(call.now),
        }
        call.ends[end].step(call.now);
        if call.ends.iter().any(|end| end.lost) {
            call.cut();
        }
        call.check();
    }
    call.ends.iter_mut().for_each(|end| end.attentive = true);
    for _ in 0..200 {
        call.carry(0, usize::MAX);
        call.carry(1, usize::MAX);
        call.now += BACK;
        if call.ends.iter().any(|end| end.lost) {
            call.cut();
        }
    }
    call.check();
    for (from, to) in [(0, 1), (1, 0)] {
        assert_eq!(call.ends[from].said, call.ends[to].heard);
        assert_eq!(call.ends[from].delivered, call.ends[to].heard.len() as u64);
    }
});
