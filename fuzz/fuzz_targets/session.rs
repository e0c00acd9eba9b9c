//! A peer that sends anything at all: the session never panics, never claims a delivery of
//! what was not said, and sends no more than it was given to say.

#![no_main]

use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use chat_core::protocol::{
    Disconnect, Event, Handshake, Next, Outgoing, Protocol, ProtocolEvent, Session, SessionState,
    SinkState,
};
use chat_core::trust::safety_number::ChannelBinding;
use chat_core::trust::{Fingerprint, Security};
use chat_core::wire::{Hex, LineCodec, WriteBuffer};
use libfuzzer_sys::fuzz_target;
use tokio_util::codec::Decoder;

fn binding() -> ChannelBinding {
    ChannelBinding {
        exporter: [1; 32],
        own_key: Fingerprint::from_bytes([2; 32]),
        peer_key: Fingerprint::from_bytes([3; 32]),
    }
}

fuzz_target!(|wire: &[u8]| {
    let mut now = Instant::now();
    let mut session = Session::new(
        "ann".into(),
        &Security::NoKey { post_quantum: true },
        SessionState::new(Hex([0; 16])),
    );
    let mut said = 0;
    // A NUL cuts the connection.
    for connection in wire.split(|byte| *byte == 0) {
        let contact = Handshake {
            binding: Some(binding()),
            hello: None,
        };
        session.connected(contact, now);
        let mut codec = LineCodec::chat1();
        let mut incoming = BytesMut::new();
        for line in connection.split_inclusive(|byte| *byte == b'\n') {
            incoming.extend_from_slice(line);
            session.heard(now);
            loop {
                let Ok(frame) = codec.decode(&mut incoming) else {
                    return;
                };
                let Some(frame) = frame else { break };
                session.receive(Some(frame), now);
            }
            while let Some(event) = session.poll_event() {
                if let ProtocolEvent::Show(Event::Delivered(count)) = event {
                    assert!(count <= said);
                }
            }
            session.sink_changed(SinkState::Idle, now);
            if session.say("88").is_ok() {
                said += 1;
            }
            now += Duration::from_millis(line.len() as u64);
            if session.timeout().is_some_and(|at| at <= now) {
                session.handle_timeout(now);
            }
            let mut out = WriteBuffer::default();
            let next = session.poll_transmit(
                Outgoing {
                    buffer: &mut out,
                    written: true,
                    raw: false,
                },
                now,
            );
            assert!(out.remaining() < 1024 + said as usize * 32);
            match next {
                Next::Wait | Next::Close => {}
                Next::Lost(_) => break,
                Next::Ended(_) => return,
            }
        }
        session.disconnected(Disconnect::Cut, true, now);
    }
});
