//! A peer of plain lines that sends anything at all: what is said to it goes out, and no panic.

#![no_main]

use std::time::{Duration, Instant};

use bytes::BytesMut;
use chat_core::protocol::{Linger, Next, Outgoing, Plain, Protocol, SinkState};
use chat_core::wire::{Framing, LineCodec, WriteBuffer};
use libfuzzer_sys::fuzz_target;
use tokio_util::codec::Decoder;

fuzz_target!(|data: &[u8]| {
    let [kind, wire @ ..] = data else { return };
    let mut now = Instant::now();
    let mut plain = Plain::new();
    let framing = [Framing::Auto, Framing::Line, Framing::Raw][usize::from(kind % 3)];
    let mut codec = LineCodec::new(framing);
    let mut incoming = BytesMut::new();
    for piece in wire.split_inclusive(|byte| *byte == 0) {
        incoming.extend_from_slice(piece);
        plain.heard(now);
        while let Ok(Some(frame)) = codec.decode(&mut incoming) {
            plain.receive(Some(frame), now);
        }
        while plain.poll_event().is_some() {}
        plain.sink_changed(SinkState::Idle, now);
        let _ = plain.say("hello");
        now += Duration::from_millis(piece.len() as u64);
        if plain.timeout().is_some_and(|at| at <= now) {
            plain.handle_timeout(now);
        }
        let mut buffer = WriteBuffer::default();
        let out = Outgoing {
            buffer: &mut buffer,
            written: true,
            raw: kind % 2 == 0,
        };
        if let Next::Ended(_) = plain.poll_transmit(out, now) {
            return;
        }
    }
    plain.receive(None, now);
    plain.hang_up(Linger::Brief, now);
    while plain.poll_event().is_some() {}
});
