//! Any bytes, cut into any pieces, become the same messages. The first byte chooses the
//! codec, the second one the size of the pieces.

#![no_main]

use bytes::{Bytes, BytesMut};
use chat_core::wire::{Frame, Framing, LineCodec};
use libfuzzer_sys::fuzz_target;
use tokio_util::codec::Decoder;

#[derive(Debug, PartialEq)]
enum Piece {
    Line(String),
    Control(Bytes),
    HangUp,
    Error,
}

fn decode(mut codec: LineCodec, chunks: &[&[u8]]) -> Vec<Piece> {
    let mut incoming = BytesMut::new();
    let mut pieces = Vec::new();
    for (n, chunk) in chunks.iter().enumerate() {
        incoming.extend_from_slice(chunk);
        let last = n + 1 == chunks.len();
        loop {
            let decoded = if last {
                codec.decode_eof(&mut incoming)
            } else {
                codec.decode(&mut incoming)
            };
            match decoded {
                Ok(Some(Frame::Text(batch))) => {
                    assert_eq!(batch.lines().count(), batch.len());
                    pieces.extend(batch.lines().map(|line| Piece::Line(line.to_owned())));
                }
                Ok(Some(Frame::Control(json))) => pieces.push(Piece::Control(json)),
                Ok(Some(Frame::HangUp)) => pieces.push(Piece::HangUp),
                Ok(None) => break,
                Err(_) => {
                    pieces.push(Piece::Error);
                    return pieces;
                }
            }
        }
    }
    pieces
}

fuzz_target!(|data: &[u8]| {
    let [kind, size, wire @ ..] = data else {
        return;
    };
    let codec = match kind % 4 {
        0 => LineCodec::chat1(),
        1 => LineCodec::chat1().limit(8),
        2 => LineCodec::new(Framing::Line).limit(8),
        _ => LineCodec::new(Framing::Line).literal(true),
    };
    let chunks: Vec<_> = wire.chunks(usize::from(*size).max(1)).collect();
    assert_eq!(decode(codec.clone(), &[wire]), decode(codec, &chunks));
});
