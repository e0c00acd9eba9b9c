//! The keyboard and the screen without a terminal, for `fuzz/`.

use std::time::{Duration, Instant};

use chat_core::protocol::{Event, Peer};
use chat_core::trust::{Fingerprint, Security, Verification};
use chat_core::wire::Batch;
use jiff::civil::date;

use crate::input::memory::Typed;
use crate::input::parser::InputParser;
use crate::screen::fuzz::{Idle, Painter, ScreenOptions, Size, Timestamp, View, that_acts};
use crate::text::charset::Charset;

/// Reads keys and pastes, as one piece and byte by byte.
///
/// # Panics
/// They are not the same.
pub fn keyboard(typed: &[u8]) {
    let now = Instant::now();
    let (mut at_once, mut by_bytes) = (Vec::new(), Vec::new());
    let mut parser = InputParser::default();
    parser.feed(typed, now, &mut at_once);
    let mut parser = InputParser::default();
    for byte in typed {
        parser.feed(&[*byte], now, &mut by_bytes);
    }
    assert_eq!(at_once, by_bytes);
}

/// Shows and types what is between NULs, by turns, at a terminal that the first bytes describe.
///
/// # Panics
/// Something reaches the terminal that acts.
pub fn screen(data: &[u8]) {
    let [columns, rows, charset, data @ ..] = data else {
        return;
    };
    let charset = [Charset::Utf8, Charset::Latin1, Charset::Ascii][usize::from(charset % 3)];
    let size = Size {
        columns: usize::from(*columns).clamp(2, 200),
        rows: usize::from(*rows).clamp(2, 60),
    };
    let mut now = Timestamp {
        at: Instant::now(),
        clock: (12, 1),
        date: date(2026, 11, 24),
    };
    let options = ScreenOptions::full(charset, Idle::Waiting("waiting on :7788".into()));
    let mut view = View::new(options, Typed::default(), now);
    let mut painter = Painter::new(size);
    let mut parser = InputParser::default();
    for (turn, piece) in data.split(|byte| *byte == 0).enumerate() {
        now.at += Duration::from_millis(piece.len() as u64);
        let text = String::from_utf8_lossy(piece);
        let event = match turn % 5 {
            0 => Event::Established(Peer {
                name: Some(text.into_owned()),
                address: "[::1]:7788".into(),
                security: Security::Key {
                    fingerprint: Fingerprint::from_bytes([7; 32]),
                    verification: Verification::New,
                },
            }),
            1 => Event::Lines(Batch::from(&*text)),
            2 => Event::Message(text.into_owned()),
            3 => Event::Claims(Some(text.into_owned())),
            _ => {
                let mut typed = Vec::new();
                parser.feed(piece, now.at, &mut typed);
                parser.handle_timeout(now.at, &mut typed);
                view.input_events(&typed, now);
                while view.next_input().is_some() {}
                Event::QueueLength(piece.len())
            }
        };
        view.event(event, now);
        while view.has_changed() || view.transcript().waiting() > 0 {
            let lines = view.transcript().take(16 * 1024, size.columns);
            let live = view.live(size, now.at);
            let signals = view.take_signals();
            let written = charset.encode(painter.frame(&lines, &live, &signals));
            assert_eq!(that_acts(charset, &written), None);
        }
    }
}
