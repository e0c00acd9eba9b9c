//! The line codec beside tokio-util's `LinesCodec` and beside a bare scan for line feeds.
//!
//! Every run takes what one large read brings: 128 KiB of lines of one length.

use bytes::BytesMut;
use chat_core::wire::{Frame, Framing, LineCodec};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use tokio_util::codec::{Decoder, Encoder, LinesCodec};

/// Length of a line, in bytes, its line feed included.
const WIDTHS: [usize; 3] = [8, 100, 10 * 1024];

/// What one read brings, in bytes.
const READ: usize = 128 * 1024;

fn main() {
    divan::main();
}

fn read(width: usize) -> BytesMut {
    let mut line = vec![b'x'; width - 1];
    line.push(b'\n');
    BytesMut::from(&line.repeat(READ / width)[..])
}

fn bytes(width: usize) -> BytesCount {
    BytesCount::new(READ / width * width)
}

fn lines(width: usize) -> ItemsCount {
    ItemsCount::new(READ / width)
}

fn decoded(mut codec: LineCodec, src: &mut BytesMut) -> Option<Frame> {
    codec.decode(src).expect("the lines are within the limit")
}

mod decode {
    use super::*;

    /// Finding every line feed, and nothing else.
    #[divan::bench(args = WIDTHS)]
    fn memchr_scan(bencher: Bencher, width: usize) {
        let src = read(width);
        bencher
            .counter(bytes(width))
            .counter(lines(width))
            .bench(|| memchr::memchr_iter(b'\n', black_box(&src)).fold(0, |sum, at| sum ^ at));
    }

    #[divan::bench(args = WIDTHS)]
    fn plain(bencher: Bencher, width: usize) {
        bencher
            .counter(bytes(width))
            .counter(lines(width))
            .with_inputs(|| read(width))
            .bench_refs(|src| decoded(LineCodec::new(Framing::Auto), src));
    }

    #[divan::bench(args = WIDTHS)]
    fn chat1(bencher: Bencher, width: usize) {
        bencher
            .counter(bytes(width))
            .counter(lines(width))
            .with_inputs(|| read(width))
            .bench_refs(|src| decoded(LineCodec::chat1(), src));
    }

    /// As above, and then looks at every line, as `LinesCodec` makes its user do.
    #[divan::bench(args = WIDTHS)]
    fn chat1_line_by_line(bencher: Bencher, width: usize) {
        bencher
            .counter(bytes(width))
            .counter(lines(width))
            .with_inputs(|| read(width))
            .bench_refs(|src| match decoded(LineCodec::chat1(), src) {
                Some(Frame::Text(batch)) => batch.lines().map(|line| black_box(line).len()).sum(),
                _ => 0,
            });
    }

    #[divan::bench(args = WIDTHS)]
    fn lines_codec(bencher: Bencher, width: usize) {
        bencher
            .counter(bytes(width))
            .counter(lines(width))
            .with_inputs(|| read(width))
            .bench_refs(|src| {
                let mut codec = LinesCodec::new();
                let mut length = 0;
                while let Some(line) = codec.decode(src).expect("the lines are UTF-8") {
                    length += black_box(line).len();
                }
                length
            });
    }
}

mod encode {
    use super::*;

    /// The batch of one read, as one frame.
    #[divan::bench(args = WIDTHS)]
    fn chat1(bencher: Bencher, width: usize) {
        let frame = decoded(LineCodec::chat1(), &mut read(width)).expect("there are lines");
        bencher
            .counter(bytes(width))
            .counter(lines(width))
            .with_inputs(|| (frame.clone(), BytesMut::with_capacity(READ)))
            .bench_values(|(frame, mut dst)| {
                LineCodec::chat1().encode(frame, &mut dst).map(|()| dst)
            });
    }

    /// The same lines as frames of one line each.
    #[divan::bench(args = WIDTHS)]
    fn chat1_line_by_line(bencher: Bencher, width: usize) {
        let frame = decoded(LineCodec::chat1(), &mut read(width)).expect("there are lines");
        let Frame::Text(mut batch) = frame else {
            unreachable!("the lines are text");
        };
        let mut frames = Vec::new();
        while !batch.is_empty() {
            frames.push(Frame::Text(batch.split_to(1)));
        }
        bencher
            .counter(bytes(width))
            .counter(lines(width))
            .with_inputs(|| (frames.clone(), BytesMut::with_capacity(READ)))
            .bench_values(|(frames, mut dst)| {
                let mut codec = LineCodec::chat1();
                let mut frames = frames.into_iter();
                frames
                    .try_for_each(|frame| codec.encode(frame, &mut dst))
                    .map(|()| dst)
            });
    }

    #[divan::bench(args = WIDTHS)]
    fn lines_codec(bencher: Bencher, width: usize) {
        let line = "x".repeat(width - 1);
        bencher
            .counter(bytes(width))
            .counter(lines(width))
            .with_inputs(|| BytesMut::with_capacity(READ))
            .bench_values(|mut dst| {
                let mut codec = LinesCodec::new();
                (0..READ / width)
                    .try_for_each(|_| codec.encode(black_box(&line), &mut dst))
                    .map(|()| dst)
            });
    }
}
