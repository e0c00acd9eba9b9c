//! A peer that sends anything at all: the session never panics, never claims a delivery of
//! what was not said, and sends no more than it was given to say.

#![no_main]

use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use chat_core::protocol::{Disconnect, Event, Handshake, Peer, Protocol, Session, SessionConfig};
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
    let mut session = Session::new(SessionConfig {
        name: "ann".into(),
        peer: Peer {
            name: None,
            address: String::new(),
            security: Security::NoKey { post_quantum: true },
        },
        id: Hex([0; 16]),
        reveal_after: None,
    });
    let mut said = 0;
    // A NUL cuts the connection.
    for connection in wire.split(|byte| *byte == 0) {
        let contact = Handshake {
            binding: Some(binding()),
            hello: None,
        };
        let dialed = session.connected(contact, &mut Vec::new(), now);
        dialed.expect("a dialer has heard nothing yet");
        let mut codec = LineCodec::chat1();
        let mut incoming = BytesMut::new();
        for line in connection.split_inclusive(|byte| *byte == b'\n') {
            incoming.extend_from_slice(line);
            let mut events = Vec::new();
            loop {
                let Ok(frame) = codec.decode(&mut incoming) else {
                    return;
                };
                let Some(frame) = frame else { break };
                if session.receive(frame, &mut events, now).is_err() {
                    return;
                }
            }
            for event in events {
                if let Event::Delivered(count) = event {
                    assert!(count <= said);
                }
            }
            session.delivered_to_user(now);
            if session.say("88").is_ok() {
                said += 1;
            }
            now += Duration::from_millis(line.len() as u64);
            if session.timeout().is_some_and(|at| at <= now) {
                session.handle_timeout(&mut Vec::new(), now);
            }
            let mut out = WriteBuffer::default();
            session.poll_transmit(false, &mut out, now);
            assert!(out.remaining() < 1024 + said as usize * 32);
            session.transmitted(now);
            if session.close_reason(true).is_some() {
                return;
            }
        }
        if session.disconnected(Disconnect::Cut, now).is_some() {
            return;
        }
    }
});
