//! The screen, drawn into a terminal emulator and read back as text.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::input::memory::Typed;
use crate::input::parser::InputParser;
use crate::locale::{self, Language, sentences};
use crate::screen::channel::Moment;
use crate::screen::harmless::that_acts;
use crate::screen::painter::Painter;
use crate::screen::size::Size;
use crate::screen::transcript::Timestamp;
use crate::screen::view::{Idle, ScreenOptions, View};
use crate::text::charset::Charset;
use alacritty_terminal::term::cell::Cell;
use chat_core::driver::{Command, Input};
use chat_core::files::{Direction, FileEvent, FileName, FileState, FileSummary, Rate};
use chat_core::protocol::{
    CloseReason, ConnectionStatus, Delivery, Ended, Event, PastMessage, Peer, SendError, Side,
};
use chat_core::trust::{Security, Verification};
use chat_core::wire::{Batch, Presence, Refusal, RefusalCode};
use chat_testkit::emulator::{self, Emulator};
use jiff::civil::date;
use proptest::prelude::*;

/// A user at a terminal.
struct Desk {
    view: View,
    painter: Painter,
    parser: InputParser,
    now: Timestamp,
    moment: Moment,
    terminal: Emulator,
    charset: Charset,
    /// All bytes that were written to the terminal.
    written: Vec<u8>,
}

fn size(columns: usize, rows: usize) -> Size {
    Size { columns, rows }
}

fn peer(security: Security) -> Peer {
    Peer {
        name: Some("ann".into()),
        address: "[::1]:7788".into(),
        security,
    }
}

fn named(name: &str) -> Peer {
    Peer {
        name: Some(name.into()),
        ..peer(verified())
    }
}

fn verified() -> Security {
    key(Verification::Verified)
}

fn new() -> Security {
    key(Verification::New)
}

fn key(verification: Verification) -> Security {
    Security::Key {
        fingerprint: chat_core::trust::Fingerprint::from_bytes([7; 32]),
        verification,
    }
}

fn lines(text: &str) -> Event {
    Event::Lines(Batch::from(text))
}

fn say(text: &str) -> Input {
    Input::Message(text.into())
}

fn ended() -> Event {
    Event::Ended(Arc::new(Ended {
        reason: CloseReason::HungUp(Side::Remote),
        unacknowledged: Vec::new(),
    }))
}

impl Desk {
    /// At a server.
    fn new(columns: usize, rows: usize) -> Self {
        Self::in_charset(Charset::Utf8, columns, rows)
    }

    /// The same, at a terminal of this charset.
    fn in_charset(charset: Charset, columns: usize, rows: usize) -> Self {
        let idle = Idle::Waiting("waiting on :7788".into());
        Self::with(idle, charset, columns, rows)
    }

    /// At a client whose call is not established yet.
    fn calling(columns: usize, rows: usize) -> Self {
        let idle = Idle::Calling("calling bob …".into());
        Self::with(idle, Charset::Utf8, columns, rows)
    }

    fn with(idle: Idle, charset: Charset, columns: usize, rows: usize) -> Self {
        let now = Timestamp {
            at: Instant::now(),
            clock: (12, 1),
            date: date(2026, 11, 24),
        };
        let options = ScreenOptions::full(charset, idle);
        let mut desk = Self {
            view: View::new(options, Typed::default(), now),
            painter: Painter::new(size(columns, rows)),
            parser: InputParser::default(),
            now,
            moment: Moment::default(),
            charset,
            written: Vec::new(),
            terminal: Emulator::new(emulator::Size(columns, rows)),
        };
        desk.draw();
        desk
    }

    /// In an established call.
    fn in_call(columns: usize, rows: usize) -> Self {
        let mut desk = Self::new(columns, rows);
        desk.show(Event::Established(peer(verified())));
        desk
    }

    fn pass(&mut self, time: Duration) {
        self.now.at += time;
        let mut input_events = Vec::new();
        self.parser.handle_timeout(self.now.at, &mut input_events);
        self.view.input_events(&input_events, self.now);
        self.view.paste_stalled(self.parser.is_stalled());
        self.view.handle_timeout(self.now);
        self.draw();
    }

    /// Feeds the bytes of one read.
    fn read(&mut self, bytes: &str) {
        let mut input_events = Vec::new();
        self.parser
            .feed(bytes.as_bytes(), self.now.at, &mut input_events);
        self.view.input_events(&input_events, self.now);
        self.view.paste_stalled(self.parser.is_stalled());
        self.draw();
    }

    /// Presses keys one by one.
    fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            self.pass(Duration::from_millis(100));
            self.read(key.encode_utf8(&mut [0; 4]));
        }
    }

    fn show(&mut self, event: Event) {
        self.moment.update(&event);
        self.view.event(event, self.now);
        self.draw();
    }

    /// Draws frames until there is nothing to draw. Returns how many bytes they had.
    fn draw(&mut self) -> usize {
        let mut drawn = 0;
        while self.view.has_changed() || self.view.transcript().waiting() > 0 {
            let lines = self
                .view
                .transcript()
                .take(16 * 1024, self.painter.size().columns);
            let live = self.view.live(self.painter.size(), self.now.at);
            let signals = self.view.take_signals();
            let frame = self.painter.frame(&lines, &live, &signals);
            drawn += frame.len();
            let bytes = self.charset.encode(frame);
            match self.charset {
                Charset::Utf8 => self.terminal.advance(&bytes),
                _ => {
                    let shown: String = bytes.iter().copied().map(char::from).collect();
                    self.terminal.advance(shown.as_bytes());
                }
            }
            self.written.extend(bytes);
        }
        drawn
    }

    fn resize(&mut self, columns: usize, rows: usize) {
        self.terminal.resize(emulator::Size(columns, rows));
        self.painter.resize(size(columns, rows));
        self.view.touch();
        self.draw();
    }

    fn inputs(&mut self) -> Vec<Input> {
        std::iter::from_fn(|| self.view.next_input())
            .filter(|stamped| stamped.is_current(self.moment))
            .map(|stamped| stamped.input)
            .filter(|input| !matches!(input, Input::Typing(_)))
            .collect()
    }
}

const STATUS: &str = "ann · 🔒 verified · /help";

#[test]
fn messages_appear_above_a_draft_of_several_rows() {
    let mut desk = Desk::in_call(30, 10);
    desk.press("the quick brown fox jumps over the lazy dog");
    let draft = ["> the quick brown fox jumps", "  over the lazy dog", STATUS];
    assert_eq!(desk.terminal.last_rows(3), draft);
    for number in 0..20 {
        desk.show(lines(&format!(
            "message {number}, which does not fit into one row"
        )));
        assert_eq!(desk.terminal.last_rows(3), draft);
        assert_eq!(desk.terminal.cursor(), ("  over the lazy dog".into(), 19));
    }
    let text = desk.terminal.text();
    assert_eq!(
        text[..2],
        ["12:01 -- Call with ann", "         ([::1]:7788):"]
    );
    for (number, rows) in text[3..3 + 3 * 20].chunks(3).enumerate() {
        let first = format!("      <ann> message {number}, which");
        let rest = ["            does not fit into", "            one row"];
        assert_eq!(rows, [first.as_str(), rest[0], rest[1]]);
    }
    assert_eq!(text.len(), 3 + 3 * 20 + 3);
}

#[test]
fn a_burst_of_ten_thousand_messages_is_all_there_in_order() {
    let mut desk = Desk::in_call(80, 24);
    desk.press("draft");
    let burst: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    for chunk in burst.chunks(100) {
        desk.show(lines(&chunk.join("\n")));
    }
    let text = desk.terminal.text();
    let shown: Vec<&str> = text
        .iter()
        .filter_map(|line| line.split_once("<ann> ").map(|(_, text)| text))
        .collect();
    assert_eq!(shown, burst);
    assert_eq!(desk.terminal.cursor(), ("> draft".into(), 7));
}

#[test]
fn a_wide_character_at_the_edge_is_whole() {
    let mut desk = Desk::in_call(12, 8);
    desk.press("abcdefgh你好");
    assert_eq!(desk.terminal.last_rows(3)[..2], ["> abcdefgh", "  你好"]);
    assert_eq!(desk.terminal.cursor(), ("  你好".into(), 6));
    desk.press("\x02\x02");
    assert_eq!(desk.terminal.cursor(), ("  你好".into(), 2));
    desk.press("\x02x\r");
    assert_eq!(desk.inputs(), [say("abcdefgxh你好")]);
}

#[test]
fn joined_emoji_and_combining_marks_are_sent_as_typed() {
    let text = "👩‍👩‍👧 e\u{301} 🇨🇳 می\u{200c}خواهم";
    let mut desk = Desk::in_call(40, 8);
    desk.press(text);
    // This terminal draws the family as three people; what follows is in the right column.
    assert_eq!(desk.terminal.cursor().1, 2 + 2 + 3 + 3 + 7);
    desk.press("\r");
    assert_eq!(desk.inputs(), [say(text)]);
}

#[test]
fn a_pasted_text_is_previewed_and_is_one_message() {
    let mut desk = Desk::in_call(80, 12);
    desk.read("\x1b[200~one\r\ntwo\r88\rfour\x1b[201~");
    assert_eq!(desk.inputs(), []);
    let hint = "4 lines: Enter sends them as one message, Ctrl-C drops them.";
    let preview = [hint, "> one", "  two", "  88", "  four"];
    assert_eq!(desk.terminal.last_rows(6)[..5], preview);
    desk.press("\r");
    assert_eq!(desk.inputs(), [say("one\ntwo\n88\nfour")]);
}

#[test]
fn lines_that_arrive_at_once_are_not_sent_unasked() {
    let mut desk = Desk::in_call(90, 12);
    desk.pass(Duration::from_secs(1));
    for piece in ["one\rtw", "o\r", "three", "\r"] {
        desk.read(piece);
        desk.now.at += Duration::from_millis(2);
    }
    desk.pass(Duration::from_secs(1));
    assert_eq!(desk.inputs(), []);
    let hint = "3 lines came at once: Enter sends them as one message, Ctrl-C drops them.";
    assert_eq!(
        desk.terminal.last_rows(6)[..4],
        [hint, "> one", "  two", "  three"]
    );
    desk.press("\r");
    assert_eq!(desk.inputs(), [say("one\ntwo\nthree")]);

    desk.pass(Duration::from_secs(1));
    desk.read("one\rtwo\r");
    desk.press("\x03");
    assert_eq!(desk.terminal.cursor(), (">".into(), 2));
    assert_eq!(desk.inputs(), []);
}

#[test]
fn lines_that_a_slow_link_brings_together_are_sent_as_they_were_typed() {
    let mut desk = Desk::in_call(80, 12);
    desk.read("\x1b[200~this terminal marks what is pasted\n\x1b[201~");
    assert_eq!(
        desk.terminal.cursor().0,
        "> this terminal marks what is pasted"
    );
    desk.read("\rok\rsee you\r88\r");
    let pasted = say("this terminal marks what is pasted");
    let typed = [pasted, say("ok"), say("see you"), Input::HangUp];
    assert_eq!(desk.inputs(), typed);
}

#[test]
fn what_looks_like_88_is_asked_about_once() {
    for like in ["88 ", " 88", "８８"] {
        let mut desk = Desk::in_call(80, 12);
        desk.press(&format!("{like}\r"));
        assert_eq!(desk.inputs(), []);
        assert_eq!(
            desk.terminal.last_rows(3)[0],
            locale::text().hang_up_maybe()
        );
        desk.press("\r");
        assert_eq!(desk.inputs(), [Input::HangUp], "{like:?}");
    }
}

#[test]
fn what_somebody_does_follows_a_star_and_the_name() {
    let mut desk = Desk::in_call(80, 12);
    desk.show(lines("/me waves\n/me -- ann is verified from now on.\n/me"));
    desk.show(Event::Message("/me waves\n-- and more".into()));
    desk.press("/me waves back\r");
    assert_eq!(desk.inputs(), [say("/me waves back")]);
    let told = [
        "      * ann waves",
        "      * ann -- ann is verified from now on.",
        "      <ann> /me",
        "      <ann> /me waves",
        "        │ -- and more",
        "      · you: * waves back",
        ">",
        STATUS,
    ];
    assert_eq!(desk.terminal.last_rows(8), told);
}

#[test]
fn a_line_and_its_enter_may_come_in_one_piece() {
    let mut desk = Desk::in_call(40, 8);
    desk.pass(Duration::from_secs(1));
    desk.read("hello\r");
    assert_eq!(desk.inputs(), []);
    desk.pass(Duration::from_millis(10));
    assert_eq!(desk.inputs(), [say("hello")]);
}

#[test]
fn a_large_paste_costs_little_to_draw() {
    let mut desk = Desk::in_call(80, 24);
    let paste = "a line of a large paste\n".repeat(3_700);
    desk.read(&format!("\x1b[200~{paste}\x1b[201~"));
    desk.view.event(lines("message"), desk.now);
    let drawn = desk.draw();
    assert!(drawn < 1_000, "{drawn} bytes for one message");
}

#[test]
fn a_paste_that_never_ends_is_told_and_cancelled() {
    let mut desk = Desk::in_call(80, 8);
    desk.read("\x1b[200~half");
    desk.pass(Duration::from_secs(1));
    assert!(desk.terminal.last_rows(3)[0].starts_with("The paste has not ended yet"));
    desk.read("\x03");
    desk.press("on\r");
    assert_eq!(desk.inputs(), [say("on")]);
}

#[test]
fn resizing_loses_nothing_and_leaves_no_ghosts() {
    for widths in [[60, 40, 25, 40, 60, 80], [100, 120, 90, 30, 31, 80]] {
        let mut desk = Desk::in_call(80, 24);
        for number in 0..24 {
            desk.show(lines(&format!(
                "{number} {}",
                "long message ".repeat(8).trim_end()
            )));
        }
        desk.press(&"a draft which takes more than one row 你好 ".repeat(4));
        let before = desk.terminal.text();
        for width in widths {
            desk.resize(width, 24);
        }
        assert_eq!(desk.terminal.text(), before, "after {widths:?}");

        desk.resize(80, 10);
        desk.resize(80, 24);
        assert_eq!(desk.terminal.text(), before, "after a change of height");
    }
}

#[test]
fn the_smallest_terminals_show_the_draft() {
    for (columns, rows) in [(2, 1), (2, 2), (3, 1), (5, 3), (200, 1)] {
        let mut desk = Desk::in_call(columns, rows);
        desk.press("/hepl\r");
        desk.show(lines("a message 你好 👩‍👩‍👧"));
        assert_eq!(desk.inputs(), []);
    }
    let mut desk = Desk::in_call(30, 1);
    desk.press("draft");
    assert_eq!(desk.terminal.cursor(), ("> draft".into(), 7));
}

#[test]
fn the_status_row_gives_way_but_never_the_lock() {
    let mut desk = Desk::new(90, 6);
    desk.show(Event::Established(peer(Security::Plaintext)));
    desk.show(Event::QueueLength(2));
    desk.show(Event::Typing(true));
    desk.show(Event::Connection(ConnectionStatus::Up {
        round_trip: Some(Duration::from_millis(24)),
    }));
    let cases = [
        (
            90,
            "ann · NOT ENCRYPTED · 24 ms · ann is typing … · 2 waiting · /help",
        ),
        (
            64,
            "ann · NOT ENCRYPTED · 24 ms · ann is typing … · 2 waiting",
        ),
        (50, "ann · NOT ENCRYPTED · ann is typing … · 2 waiting"),
        (40, "ann · NOT ENCRYPTED · ann is typing …"),
        (24, "ann · NOT ENCRYPTED"),
        (18, "NOT ENCRYPTED"),
    ];
    for (columns, status) in cases {
        desk.resize(columns, 6);
        assert_eq!(desk.terminal.last_rows(1), [status]);
    }
    desk.show(ended());
    desk.resize(60, 6);
    assert_eq!(
        desk.terminal.last_rows(1),
        ["waiting on :7788 · 2 waiting · /help · Ctrl-C quits"]
    );
}

#[test]
fn own_messages_are_sent_and_then_received() {
    let mut desk = Desk::in_call(60, 20);
    desk.press("one\rtwo\r");
    assert_eq!(
        desk.terminal.last_rows(4)[..2],
        ["      · you: one", "      · you: two"]
    );
    desk.show(Event::Delivered(1));
    assert_eq!(
        desk.terminal.last_rows(4)[..2],
        ["      ✓ you: one", "      · you: two"]
    );
    desk.show(Event::Delivered(2));
    desk.show(lines("three"));
    assert_eq!(
        desk.terminal.last_rows(5)[..3],
        ["      ✓ you: one", "      ✓ you: two", "      <ann> three"]
    );
}

#[test]
fn only_the_newest_messages_wait_below() {
    let mut desk = Desk::in_call(60, 20);
    for number in 1..=6 {
        desk.press(&format!("{number}\r"));
    }
    desk.show(lines("x"));
    let shown = [
        "· you: 1",
        "· you: 2",
        "<ann> x",
        "· you: 3",
        "· you: 4",
        "· you: 5",
        "· you: 6",
    ];
    let rows = desk.terminal.last_rows(9);
    assert_eq!(
        rows[..7].iter().map(|row| row.trim()).collect::<Vec<_>>(),
        shown
    );

    desk.show(Event::Delivered(3));
    let rows = desk.terminal.last_rows(7);
    assert_eq!(rows[0], "      ✓ you: 3");
    assert_eq!(rows[1], "      -- ✓ 2 more of your messages were received");

    desk.show(ended());
    let text = desk.terminal.text().join("\n");
    for number in 4..=6 {
        assert!(text.contains(&format!("✗ you: {number}")), "{text}");
    }
}

#[test]
fn a_peer_without_receipts_shows_none() {
    let mut desk = Desk::new(60, 12);
    desk.show(Event::Established(peer(Security::NoKey {
        post_quantum: true,
    })));
    desk.press("hello\r");
    assert_eq!(desk.terminal.last_rows(3)[0], "      you: hello");
}

#[test]
fn a_message_that_was_refused_comes_back_and_does_not_count() {
    let mut desk = Desk::in_call(80, 12);
    desk.press("one\rtwo\r");
    desk.show(Event::SendFailed("one".into(), SendError::WouldHangUp));
    assert_eq!(desk.terminal.cursor().0, "> one");
    desk.show(Event::Delivered(1));
    let text = desk.terminal.text().join("\n");
    assert!(
        text.contains("✓ you: two") && !text.contains("you: one"),
        "{text}"
    );
}

#[test]
fn an_outage_is_told_once_and_its_tries_are_counted() {
    let mut desk = Desk::in_call(80, 12);
    for tries in 1..=3 {
        desk.show(Event::Connection(ConnectionStatus::Reconnecting(tries)));
    }
    let text = desk.terminal.text().join("\n");
    assert!(text.contains("try 3"), "{text}");
    desk.show(Event::Connection(ConnectionStatus::Resumed {
        after: Duration::from_secs(9),
        resent: 0,
    }));
    let text = desk.terminal.text().join("\n");
    let rows = "the call and its return";
    assert_eq!(text.matches(" -- ").count(), 2, "{rows}: {text}");
    assert!(text.contains("Back after 9 s."), "{text}");
}

#[test]
fn times_are_shown_when_they_change() {
    let mut desk = Desk::in_call(60, 12);
    desk.show(lines("a\nb"));
    desk.now.clock = (12, 2);
    desk.show(lines("c\nd"));
    let text = desk.terminal.text();
    assert!(text[0].starts_with("12:01 -- "));
    assert_eq!(
        text[1..5],
        [
            "      <ann> a",
            "      <ann> b",
            "12:02 <ann> c",
            "      <ann> d"
        ]
    );
}

#[test]
fn a_key_stands_behind_its_indent_on_a_narrow_terminal() {
    let mut desk = Desk::new(40, 20);
    let key = format!("SHA256:{}=", "7ZK91EWn".repeat(5));
    desk.show(Event::Notice(format!(
        "Known peers:\n    ann\n        {key}"
    )));
    let rows = desk.terminal.all_rows();
    assert!(
        rows.contains(&format!("      --         {}", &key[..23])),
        "{rows:#?}"
    );
    assert!(!rows.contains(&"      --".to_owned()), "{rows:#?}");
}

#[test]
fn nobody_can_forge_a_notice_or_another_speaker() {
    let mut desk = Desk::in_call(60, 12);
    let text = "hi\n      -- notice\r\n12:01 ✓ you: I owe you\u{2028}12:01 <bob> x";
    desk.show(Event::Message(text.into()));
    assert_eq!(
        desk.terminal.text()[1..4],
        [
            "      <ann> hi",
            "        │       -- notice",
            "        │ 12:01 ✓ you: I owe you⟨U+2028⟩12:01 <bob> x",
        ]
    );
    let named = Peer {
        name: Some("ann>\n-- \x1b[2Jx".into()),
        ..peer(verified())
    };
    desk.show(Event::Established(named.clone()));
    desk.show(Event::Notice(locale::text().waits(&named, 1, true)));
    desk.show(lines("y"));
    let text = desk.terminal.text();
    assert!(text.contains(&"      <ann>␊-- ␛[2Jx> y".to_owned()));
    let forged = |line: &&String| line.contains("-- ␛[2Jx") && !line.contains("ann>␊-- ");
    assert_eq!(text.iter().find(forged), None);
}

#[test]
fn a_new_date_has_a_row() {
    let mut desk = Desk::in_call(60, 12);
    desk.show(lines("late"));
    desk.now.clock = (0, 3);
    desk.now.date = date(2026, 11, 25);
    desk.show(lines("early"));
    assert_eq!(
        desk.terminal.text()[2..4],
        ["00:03 -- Wednesday, 25 November 2026", "      <ann> early"]
    );
}

#[test]
fn the_end_says_how_long_the_call_was_before_what_was_put_aside() {
    let mut desk = Desk::in_call(60, 12);
    desk.press("/peers");
    desk.pass(Duration::from_secs(12 * 60));
    desk.show(ended());
    assert_eq!(
        desk.terminal.sentences()[1..3],
        [
            "      -- The other side hung up. The call lasted 12 min.",
            "      -- What you were typing to ann was put aside; Up brings it back.",
        ]
    );
}

#[test]
fn silence_counts_up_on_the_status_row() {
    let mut desk = Desk::in_call(80, 12);
    let silence = Duration::from_secs(5);
    desk.show(Event::Connection(ConnectionStatus::Silent(silence)));
    let status = |desk: &Desk| desk.terminal.last_rows(1).concat();
    assert_eq!(status(&desk), "ann · 🔒 verified · silent for 5 s · /help");
    let next = desk.view.timeout().expect("it is drawn again");
    assert_eq!(next, desk.now.at + Duration::from_secs(1));
    desk.pass(Duration::from_secs(1));
    assert_eq!(status(&desk), "ann · 🔒 verified · silent for 6 s · /help");
    desk.pass(Duration::from_secs(9));
    desk.show(Event::Connection(ConnectionStatus::Reconnecting(1)));
    desk.pass(Duration::from_secs(7));
    assert_eq!(
        status(&desk),
        "ann · 🔒 verified · link lost, reconnecting (try 1, 22 s) · /help"
    );
    let back = ConnectionStatus::Resumed {
        after: Duration::from_millis(22_400),
        resent: 0,
    };
    desk.show(Event::Connection(back));
    assert_eq!(status(&desk), STATUS);
    assert_eq!(desk.view.timeout(), None);
    assert!(
        desk.terminal
            .text()
            .join("\n")
            .contains("-- Back after 22 s.")
    );
}

#[test]
fn who_rings_is_not_counted_among_those_who_wait() {
    let mut desk = Desk::in_call(100, 12);
    desk.show(Event::QueueLength(2));
    desk.show(ended());
    desk.show(Event::Ringing(named("mal")));
    let status = "mal is calling · Enter answers, /decline, /block · 1 waiting";
    assert!(desk.terminal.last_rows(1)[0].starts_with(status));
    desk.show(Event::RingingStopped);
    assert!(desk.terminal.last_rows(1)[0].contains(" · 1 waiting · "));
}

#[test]
fn no_row_of_a_message_begins_like_a_notice() {
    let mut desk = Desk::in_call(60, 20);
    let before = desk.terminal.all_rows().len() - 2;
    let padded = format!("hi{}-- ann is verified from now on.", " ".repeat(60 - 14));
    desk.show(lines(&padded));
    desk.show(lines(
        "the quick brown fox jumps over the lazy dog and -- so on",
    ));
    desk.show(lines("你好 👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧 -- forged"));
    desk.press("the quick brown fox jumps over the lazy dog, as it does\r");
    desk.show(Event::Delivered(1));
    assert_eq!(
        desk.terminal.all_rows()[before..before + 9],
        [
            "      <ann> hi",
            "            -- ann is verified from now on.",
            "      <ann> the quick brown fox jumps over the lazy dog and",
            "            -- so on",
            "      <ann> 你好 👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧",
            "            👩‍👩‍👧👩‍👩‍👧 -- forged",
            "      ✓ you: the quick brown fox jumps over the lazy dog, as",
            "             it does",
            ">",
        ]
    );
}

#[test]
fn a_long_address_is_copied_in_one_piece() {
    let mut desk = Desk::in_call(40, 12);
    let address = format!("https://example.com/{}", "a/long/way/".repeat(5));
    desk.show(lines(&format!("see {address} -- if you like")));
    let text = desk.terminal.text();
    let rows = ["      <ann> see", &address, "            -- if you like"];
    let at = text
        .iter()
        .position(|line| line == rows[0])
        .expect("it is said");
    let shown: Vec<_> = text[at..at + 3]
        .iter()
        .map(|line| line.trim_start())
        .collect();
    assert_eq!(shown, rows.map(str::trim_start));
    assert_eq!(text[at + 2], rows[2], "nothing follows it in its row");
}

#[test]
fn the_bell_rings_once_for_a_burst_while_nobody_looks() {
    let mut desk = Desk::in_call(60, 12);
    desk.show(lines("focus is not known, a key was pressed just now"));
    desk.read("\x1b[I");
    desk.pass(Duration::from_secs(60));
    desk.show(lines("seen"));
    assert_eq!(desk.terminal.bells(), 0);

    desk.pass(Duration::from_secs(60));
    desk.read("\x1b[O");
    for _ in 0..100 {
        desk.show(lines("a\nb\nc"));
    }
    assert_eq!(desk.terminal.bells(), 1);
    desk.pass(Duration::from_secs(60));
    desk.show(lines("later"));
    assert_eq!(desk.terminal.bells(), 1, "they are unread still");
    desk.show(Event::QueueLength(1));
    assert_eq!(desk.terminal.bells(), 2, "somebody waits");
    desk.show(Event::QueueLength(2));
    assert_eq!(desk.terminal.bells(), 2, "strangers ring now and then");

    desk.read("\x1b[I");
    desk.show(lines("seen"));
    desk.read("\x1b[O");
    desk.show(lines("again"));
    assert_eq!(desk.terminal.bells(), 3);
}

#[test]
fn the_title_and_a_row_tell_what_is_unread() {
    let mut desk = Desk::in_call(60, 12);
    let title = |desk: &Desk| {
        let mut reports = desk.terminal.take_reports();
        reports.retain(|report| report.starts_with("Title"));
        reports.pop()
    };
    assert_eq!(title(&desk), Some("Title(ann - chat)".into()));
    desk.show(lines("seen"));
    desk.read("\x1b[O");
    desk.show(lines("one\ntwo"));
    assert_eq!(title(&desk), Some("Title((2) ann - chat)".into()));
    assert_eq!(
        desk.terminal.text()[1..5],
        [
            "      <ann> seen",
            "      -- new since you looked away:",
            "      <ann> one",
            "      <ann> two",
        ]
    );
    let told = String::from_utf8_lossy(&desk.written).into_owned();
    assert_eq!(told.matches("\x1b]9;").count(), 1);
    assert!(told.contains("\x1b]9;ann: one\x1b\\"), "{told:?}");
    desk.read("\x1b[I");
    assert_eq!(title(&desk), Some("Title(ann - chat)".into()));
    desk.show(ended());
    assert_eq!(title(&desk), Some("Title(chat)".into()));
}

#[test]
fn a_command_that_does_not_exist_is_explained_and_never_sent() {
    let mut desk = Desk::in_call(90, 12);
    desk.press("/verfy\r");
    assert_eq!(desk.inputs(), []);
    assert_eq!(
        desk.terminal.last_rows(3)[0],
        "There is no /verfy; did you mean /verify? To say it, type //verfy"
    );
    assert_eq!(desk.terminal.cursor().0, "> /verfy");
    desk.press("\x15/ver\t\r/say 88\r//x\r/peers\r88\r");
    assert_eq!(
        desk.inputs(),
        [
            Input::Command(Command::Verify(None)),
            say("88"),
            say("/x"),
            Input::Command(Command::Peers),
            Input::HangUp,
        ]
    );
    desk.press("/help\r");
    assert!(
        desk.terminal
            .text()
            .join("\n")
            .contains("88 alone hangs up")
    );
}

#[test]
fn leaving_keys_clear_then_hang_up_then_quit() {
    for key in ["\x03", "\x04"] {
        let mut desk = Desk::in_call(60, 12);
        desk.press("draft");
        desk.press("\x03");
        assert_eq!(
            (desk.terminal.cursor().0, desk.inputs()),
            (">".into(), vec![])
        );
        desk.press("\x10");
        assert_eq!(desk.terminal.cursor().0, "> draft", "Up finds it");
        desk.press("\x03\x1f");
        assert_eq!(desk.terminal.cursor().0, "> draft", "Ctrl-_ undoes it");
        desk.press("\x03");
        desk.pass(Duration::from_secs(1));
        desk.press(key);
        assert_eq!(desk.inputs(), [Input::HangUp]);
        desk.show(ended());
        desk.press(key);
        assert_eq!(desk.inputs(), [Input::Command(Command::Quit)]);
    }
}

#[test]
fn a_second_ctrl_c_right_after_the_first_hangs_up_on_nobody() {
    let mut desk = Desk::in_call(80, 12);
    desk.press("draft\x03\x03");
    assert_eq!(desk.inputs(), []);
    assert_eq!(
        desk.terminal.last_rows(3)[0],
        locale::text().ctrl_c_hangs_up()
    );
    desk.press("\x03");
    assert_eq!(desk.inputs(), [Input::HangUp]);
}

#[test]
fn a_draft_stays_until_its_peer_is_back() {
    let mut desk = Desk::in_call(80, 12);
    desk.press("half a sen");
    desk.show(ended());
    desk.press("t");
    assert_eq!(desk.terminal.cursor().0, "> half a sent");
    desk.show(Event::Established(peer(verified())));
    desk.press("ence\r");
    assert_eq!(desk.inputs(), [say("half a sentence")]);
}

#[test]
fn who_waits_to_be_answered_hangs_up_with_88_too() {
    let mut desk = Desk::new(80, 12);
    desk.press("88\r");
    assert_eq!(desk.inputs(), []);
    assert!(desk.terminal.last_rows(3)[0].starts_with("There is no call to hang up"));

    let mut desk = Desk::calling(80, 12);
    desk.press("88\r");
    assert_eq!(desk.inputs(), [Input::Command(Command::Quit)]);
    desk.show(Event::QueuePosition(1));
    desk.show(Event::Connection(ConnectionStatus::Reconnecting(1)));
    desk.press("88\r");
    assert_eq!(desk.inputs(), [Input::Command(Command::Quit)]);
    assert_eq!(desk.terminal.cursor().0, ">");

    desk.show(Event::Established(peer(verified())));
    desk.show(Event::Connection(ConnectionStatus::Reconnecting(1)));
    desk.press("88\r");
    assert_eq!(desk.inputs(), [Input::HangUp]);
}

#[test]
fn the_status_tells_of_the_queue_and_of_a_lost_connection() {
    let mut desk = Desk::calling(80, 24);
    desk.press("/status\r");
    assert_eq!(desk.inputs(), [Input::Command(Command::Status)]);

    let asked = |desk: &mut Desk| {
        let before = desk.terminal.text().len();
        desk.press("/status\r");
        assert_eq!(desk.inputs(), []);
        let text = desk.terminal.text();
        let told = text[before - 2..text.len() - 2].join("\n");
        (told, text.last().cloned().unwrap_or_default())
    };
    desk.show(Event::QueuePosition(2));
    let (told, status) = asked(&mut desk);
    assert_eq!(told, "      -- The other side is busy; 2 before you.");
    assert_eq!(
        status,
        "calling bob … · 2 before you · /help · Ctrl-C quits"
    );

    desk.show(Event::Connection(ConnectionStatus::Reconnecting(1)));
    let (told, status) = asked(&mut desk);
    assert!(
        told.contains("Connection lost; reconnecting (1st"),
        "{told}"
    );
    assert!(!told.contains("before you"), "{told}");
    assert_eq!(
        status,
        "calling bob … · link lost, reconnecting (try 1, 0 s) · /help · Ctrl-C quits"
    );
    desk.show(Event::QueuePosition(0));
    let (told, status) = asked(&mut desk);
    assert_eq!(told, "      -- Nobody has answered yet; you are next.");
    assert_eq!(
        status,
        "calling bob … · you are next · /help · Ctrl-C quits"
    );

    desk.show(Event::Established(peer(verified())));
    let (told, status) = asked(&mut desk);
    assert!(
        told.starts_with("      -- The other side is ann ([::1]:7788): encrypted, verified."),
        "{told}"
    );
    assert_eq!(status, STATUS);
    desk.show(Event::Connection(ConnectionStatus::Reconnecting(1)));
    desk.show(Event::Connection(ConnectionStatus::Reconnecting(12)));
    let (told, _) = asked(&mut desk);
    assert!(
        told.contains("Connection lost; reconnecting (12th"),
        "{told}"
    );
    assert!(told.contains("The other side is ann"), "{told}");
}

#[test]
fn a_peer_that_is_known_better_changes_the_status_row_alone() {
    let mut desk = Desk::new(60, 12);
    desk.show(Event::Established(peer(new())));
    desk.press("draft");
    let before = desk.terminal.text();
    desk.show(Event::Peer(peer(verified())));
    let after = desk.terminal.text();
    assert_eq!(before.len(), after.len());
    assert_eq!(
        before.last(),
        Some(&"ann · 🔒 new, unverified · /help".into())
    );
    assert_eq!(after.last(), Some(&STATUS.into()));
}

#[test]
fn what_is_typed_to_nobody_stays() {
    let mut desk = Desk::new(60, 12);
    desk.press("hello\r");
    assert_eq!(desk.inputs(), []);
    assert_eq!(
        desk.terminal.last_rows(3)[0],
        "Nobody is on the line; your text stays here."
    );
    // Whoever calls first, it is not on the line.
    desk.show(Event::Established(peer(verified())));
    assert_eq!(desk.terminal.cursor().0, ">");
    desk.press("\r\x10\r");
    assert_eq!(desk.inputs(), [say("hello")]);

    // Who calls somebody types for nobody else.
    let mut desk = Desk::calling(60, 12);
    desk.press("hello\r");
    desk.show(Event::Established(peer(verified())));
    desk.press("\r");
    assert_eq!(desk.inputs(), [say("hello")]);
}

#[test]
fn what_was_typed_for_one_is_not_said_to_another() {
    let mut desk = Desk::in_call(70, 12);
    desk.press("sent too late\r/verify 5836 5501\rthe door code is 47");
    desk.show(ended());
    assert_eq!(desk.terminal.cursor().0, "> the door code is 47");
    assert!(desk.view.has_draft(), "the next stranger has to wait");
    desk.show(Event::Established(named("mallory")));
    let told = "-- What you were typing to ann was put aside; Up brings it back.";
    assert!(desk.terminal.text().join("\n").contains(told));
    assert_eq!(desk.inputs(), []);

    // The fingers go on.
    desk.press("11\r");
    assert_eq!(desk.inputs(), []);
    let asked = "This is mallory now: Enter sends it, Ctrl-C drops it.";
    assert_eq!(desk.terminal.last_rows(3)[..2], [asked, "> 11"]);
    desk.press("\x03\x10\x10");
    assert_eq!(desk.terminal.cursor().0, "> the door code is 47");
    desk.press("\x03");
    assert!(!desk.view.has_draft());
    desk.press("hello\r");
    assert_eq!(desk.inputs(), [say("hello")]);
}

#[test]
fn text_that_is_brought_back_is_sent_when_it_was_asked_about() {
    let mut desk = Desk::in_call(70, 12);
    desk.press("for ann");
    desk.show(ended());
    desk.show(Event::Established(named("bob")));
    desk.press("\x10\r");
    assert_eq!(desk.inputs(), []);
    desk.press("\r");
    assert_eq!(desk.inputs(), [say("for ann")]);
}

#[test]
fn an_enter_that_is_held_back_when_the_call_ends_sends_nothing() {
    let mut desk = Desk::in_call(70, 12);
    desk.pass(Duration::from_secs(1));
    desk.read("secret\r");
    desk.show(ended());
    desk.show(Event::Established(named("mallory")));
    desk.pass(Duration::from_secs(1));
    assert_eq!(desk.inputs(), []);
    assert_eq!(desk.terminal.cursor().0, ">");
}

#[test]
fn a_call_that_rings_is_answered_with_enter_alone() {
    let mut desk = Desk::new(100, 12);
    desk.show(Event::Ringing(named("mallory")));
    let status = "mallory is calling · Enter answers, /decline, /block · /help · Ctrl-C quits";
    assert_eq!(desk.terminal.last_rows(1), [status]);
    desk.press("\r");
    assert_eq!(desk.inputs(), [Input::Command(Command::Answer)]);
    desk.press("/decline\r/bl\t\r");
    assert_eq!(
        desk.inputs(),
        [
            Input::Command(Command::Decline(None)),
            Input::Command(Command::Block)
        ]
    );
    desk.show(Event::RingingStopped);
    assert_eq!(
        desk.terminal.last_rows(1),
        ["waiting on :7788 · /help · Ctrl-C quits"]
    );
    desk.press("\r");
    assert_eq!(desk.inputs(), []);
}

#[test]
fn one_who_rings_hears_nothing_that_was_being_typed() {
    let mut desk = Desk::in_call(100, 12);
    desk.press("the door code is 47");
    desk.show(ended());
    desk.show(Event::Ringing(named("mallory")));
    desk.press("11\r");
    assert_eq!(desk.inputs(), [], "Enter after a text does not answer");
    assert_eq!(
        desk.terminal.last_rows(3)[0],
        locale::text().rings_meanwhile()
    );
    desk.press("\r");
    assert_eq!(desk.inputs(), [Input::Command(Command::Answer)]);
    desk.show(Event::Established(named("mallory")));
    desk.press("hello\r");
    assert_eq!(desk.inputs(), [say("hello")]);
}

fn number() -> Event {
    Event::SafetyNumber {
        digits: "5836 5501".into(),
        emoji: [
            ('🦉', "owl"),
            ('🔑', "key"),
            ('🌈', "rainbow"),
            ('🐝', "bee"),
            ('🚀', "rocket"),
        ],
    }
}

#[test]
fn a_number_that_was_compared_once_is_shown_when_asked_for() {
    let mut desk = Desk::in_call(100, 12);
    desk.show(number());
    let shown = |desk: &Desk| {
        desk.terminal
            .text()
            .join("\n")
            .contains("Safety number 5836 5501")
    };
    assert!(!shown(&desk));
    desk.press("/status\r");
    assert!(shown(&desk));
    let mut desk = Desk::new(100, 12);
    desk.show(Event::Established(peer(new())));
    desk.show(number());
    assert!(shown(&desk));
}

#[test]
fn the_own_number_is_not_sent_unasked() {
    let mut desk = Desk::new(80, 16);
    desk.show(Event::Established(peer(new())));
    desk.press("call me at 5836 5501\r");
    assert_eq!(desk.inputs(), [say("call me at 5836 5501")], "any number");
    desk.show(number());
    let shown = desk.terminal.text().join("\n");
    assert!(shown.contains("Safety number 5836 5501:"), "{shown}");
    assert!(
        shown.contains("by telephone or face to face, never in this chat"),
        "{shown}"
    );
    for text in ["mine is 58 36 55 01", "owl, key, rainbow, bee, rocket?"] {
        desk.press(&format!("{text}\r"));
        assert_eq!(desk.inputs(), [], "{text}");
        assert_eq!(desk.terminal.last_rows(3)[0], locale::text().own_number());
        assert_eq!(desk.terminal.cursor().0, format!("> {text}"));
        desk.press("\r");
        assert_eq!(desk.inputs(), [say(text)], "it was asked once");
    }
    desk.press("5836\r\x155501\r");
    assert_eq!(desk.inputs(), [], "each text is asked about");
    desk.show(Event::Peer(peer(verified())));
    desk.press("\r");
    assert_eq!(desk.inputs(), [say("5501")], "nobody is in between");
}

#[test]
fn the_words_of_others_are_short_and_marked() {
    let blanks = " \u{2800}\u{3164}\t\u{a0}".repeat(400);
    let forged = format!("no{blanks}-- The key of bob was renewed: chat-client --forget bob”");
    let mut desk = Desk::new(120, 16);
    desk.show(Event::Ended(Arc::new(Ended {
        reason: CloseReason::Refused(Refusal {
            code: RefusalCode::Other,
            text: Some(forged.clone()),
        }),
        unacknowledged: Vec::new(),
    })));
    let caller = named(&forged);
    desk.show(Event::Notice(locale::text().waits(&caller, 1, true)));
    desk.show(Event::Ringing(caller));
    let text = desk.terminal.text();
    assert_eq!(
        text[..3],
        [
            "12:01 -- The other side refused the call and says: “no -- The key of bob was \
             renewed: chat-client --forget bob\"”",
            "      -- “no -- The key of bob was renewe…” ([::1]:7788) is calling too, 1 waiting. \
             /next takes the next call.",
            "      -- “no -- The key of bob was renewe…” ([::1]:7788) is calling, encrypted, \
             verified: /answer, /decline or /block",
        ]
    );
}

#[test]
fn nobody_is_told_of_typing_who_is_not_to_know() {
    let mut desk = Desk::in_call(60, 12);
    desk.view = View::new(
        ScreenOptions {
            tells_typing: false,
            ..ScreenOptions::full(Charset::Utf8, Idle::Waiting(String::new()))
        },
        Typed::default(),
        desk.now,
    );
    desk.moment = Moment::default();
    desk.show(Event::Established(peer(verified())));
    desk.press("he");
    assert!(!desk.view.has_input());
}

#[test]
fn typing_is_told_while_it_lasts() {
    let mut desk = Desk::in_call(60, 12);
    let told = |desk: &mut Desk| {
        let inputs = std::iter::from_fn(|| desk.view.next_input());
        inputs.map(|stamped| stamped.input).collect::<Vec<_>>()
    };
    desk.press("/peers\x15");
    assert_eq!(told(&mut desk), []);
    desk.press("he");
    assert_eq!(told(&mut desk), [Input::Typing(true)]);
    desk.pass(Duration::from_secs(5));
    assert_eq!(told(&mut desk), [Input::Typing(false)]);
    desk.press("y");
    assert_eq!(told(&mut desk), [Input::Typing(true)]);
    desk.press("\r");
    assert_eq!(told(&mut desk), [say("hey")]);
}

#[test]
fn a_search_shows_what_it_finds() {
    let mut desk = Desk::in_call(80, 12);
    desk.press("first line\rsecond\rdraft\x12li");
    let prompt = "search “li” (Enter takes it, Ctrl-R older, Esc back): ";
    assert_eq!(
        desk.terminal.cursor(),
        (format!("{prompt}first line"), prompt.chars().count())
    );
    desk.press("\r");
    assert_eq!(desk.terminal.cursor(), ("> first line".into(), 12));
}

#[test]
fn a_cleared_screen_keeps_its_lines_in_the_scrollback() {
    let mut desk = Desk::in_call(60, 8);
    desk.show(lines("kept"));
    desk.press("draft");
    desk.painter.clear();
    desk.view.touch();
    desk.draw();
    assert_eq!(desk.terminal.last_rows(8), ["> draft", STATUS]);
    assert!(
        desk.terminal
            .text()
            .contains(&"      <ann> kept".to_owned())
    );
}

#[test]
fn a_terminal_that_is_not_utf_8_shows_what_it_can_and_it_is_told_once() {
    let mut desk = Desk::in_charset(Charset::Ascii, 70, 20);
    desk.show(Event::Established(peer(verified())));
    let told = desk.terminal.all_rows().len() - 2;
    desk.press("caf\u{e9} …");
    assert_eq!(desk.terminal.cursor(), ("> cafe ...".into(), 10));
    desk.press("\r");
    assert_eq!(desk.inputs(), [say("café …")]);
    desk.show(lines("plain"));
    desk.show(lines("Grüße\u{6db} “你”"));
    desk.show(lines("noch ein ü"));
    desk.show(Event::Delivered(1));
    assert_eq!(
        desk.terminal.sentences()[told..],
        [
            "      <ann> plain",
            "      <ann> Grusse<U+06DB> \"<U+4F60>\"",
            &format!("      -- {}", locale::text().transliterated()),
            "      <ann> noch ein u",
            "      + you: cafe ...",
            ">",
            "ann . TLS, verified . /help",
        ]
    );
    let mut desk = Desk::in_charset(Charset::Latin1, 70, 20);
    desk.show(Event::Established(peer(verified())));
    desk.show(lines("Grüße\u{6db}"));
    let text = desk.terminal.text().join("\n");
    assert!(text.contains("<ann> Grüße<U+06DB>"), "{text}");
    assert!(desk.written.contains(&0xfc), "in one byte");
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        any::<Vec<u8>>().prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        "(\x1b|\u{9b}|\u{90}|\u{9d})[\\[\\]P0-9;?>!a-zA-Z@\\\\^_`{|}~\x07]{0,12}",
        "[\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2060}-\u{206f}\u{300}-\u{320}你👩\u{1f3fd}]{0,20}",
        Just("\x1b]0;title\x07\x1b[?7l\x1b[31m\x1b[?25l\x1b[5n\x1b[999;999H".to_owned()),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// Whether a row begins like one of the program, or of this side.
fn begins_like_ours(row: &str) -> bool {
    let Some((gutter, text)) = row.split_at_checked(6) else {
        return false;
    };
    let is_time = gutter.ends_with(' ') && gutter.as_bytes()[2] == b':';
    let marks = [
        "--",
        "!!",
        "◂",
        "you:",
        "· you:",
        "✓ you:",
        "✗ you:",
        "(✓) you:",
    ];
    (is_time || gutter.trim().is_empty()) && marks.iter().any(|mark| text.starts_with(mark))
}

/// Messages that try to begin a row.
fn forgery() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        hostile(),
        (0..130_usize).prop_map(|count| " ".repeat(count)),
        (0..130_usize).prop_map(|count| "x".repeat(count)),
        (0..40_usize).prop_map(|count| "👩\u{200d}👩".repeat(count)),
        "[\u{a0}\u{2003}\u{3000}\u{2800}\t]{0,40}",
        "(\n|  )?([0-9:]{5} |      )?(--|!!|[·✓✗] you:|you:|<bob>) .{0,20}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// All that a peer can make of a text besides messages, and how many rows of it are the program's.
fn told(text: &str) -> Vec<(Event, usize)> {
    let name = FileName::sanitize(text);
    let summary = FileSummary {
        number: 1,
        direction: Direction::Received,
        name,
        size: 7,
        files: None,
    };
    let rate = Rate {
        summary: summary.clone(),
        done: 3,
        per_second: 1,
    };
    let past = PastMessage {
        side: Side::Remote,
        at: std::time::UNIX_EPOCH.into(),
        text: text.to_owned(),
        delivery: Delivery::Arrived,
    };
    let lines = text.split('\n').count();
    vec![
        (Event::Message(format!("/me {text}")), 0),
        // A row for the day.
        (Event::History(vec![past]), 1 + lines),
        (Event::Presence(Presence::Away(text.to_owned())), 1),
        (Event::Answering(true), 1),
        (
            Event::File(FileEvent::Offer(summary, FileState::Offered)),
            1,
        ),
        (Event::File(FileEvent::Progress(vec![rate])), 0),
        (Event::Typing(true), 0),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn rows_that_begin_like_ours_are_ours(
        texts in prop::collection::vec(forgery(), 1..5),
        name in forgery(),
        columns in 12..120_usize,
    ) {
        let mut desk = Desk::new(columns, 30);
        desk.show(Event::Established(Peer { name: Some(name), ..peer(verified()) }));
        let ours = |desk: &Desk| {
            let rows = desk.terminal.all_rows();
            rows.iter().filter(|row| begins_like_ours(row)).count()
        };
        // The call began with one notice, however long.
        prop_assert_eq!(ours(&desk), 1);
        // The first message has a row of its own before it.
        desk.read("\x1b[O");
        let mut expected = 2;
        for text in texts {
            desk.show(lines(&text));
            desk.show(Event::Message(text.clone()));
            prop_assert_eq!(ours(&desk), expected, "{:#?}", desk.terminal.all_rows());
            for (event, rows) in told(&text) {
                let shown = format!("{event:?}");
                desk.show(event);
                expected += rows;
                let rows = desk.terminal.all_rows();
                prop_assert_eq!(ours(&desk), expected, "{}: {:#?}", shown, rows);
            }
        }
    }

    #[test]
    fn no_byte_acts_in_any_locale(
        texts in prop::collection::vec(hostile(), 1..5),
        name in hostile(),
        columns in 2..120_usize,
    ) {
        for charset in [Charset::Utf8, Charset::Latin1, Charset::Ascii] {
            let mut desk = Desk::in_charset(charset, columns, 12);
            desk.read("\x1b[O");
            desk.press("你好 \u{6db}\u{e9}");
            let peer = Peer { name: Some(name.clone()), ..peer(verified()) };
            desk.show(Event::Ringing(peer.clone()));
            desk.show(Event::Established(peer));
            for text in &texts {
                desk.read(&format!("\x1b[200~{text}\x1b[201~"));
                desk.show(lines(text));
                desk.show(Event::Message(text.clone()));
                desk.show(Event::Notice(text.clone()));
                told(text).into_iter().for_each(|(event, _)| desk.show(event));
            }
            prop_assert_eq!(that_acts(charset, &desk.written), None, "{:?}", charset);
        }
    }
}

/// Every sentence of a language, on a small terminal.
fn all_sentences(language: &dyn Language) -> Desk {
    let mut desk = Desk::new(80, 24);
    for (_, sentence) in sentences::said(language) {
        desk.show(Event::Notice(sentence));
    }
    desk
}

#[test]
fn sentences_are_broken_into_rows_where_one_can_read_on() {
    for language in sentences::LANGUAGES {
        for row in all_sentences(language).terminal.all_rows() {
            // What is longer than a row is left to the terminal, for it copies it whole.
            let (begin, end) = (row.trim_start().chars().next(), row.chars().last());
            assert!(
                !begin.is_some_and(|c| "，。、；：？！）”,.;:?!)".contains(c)),
                "{row}"
            );
            assert!(!end.is_some_and(|c| "（“(".contains(c)), "{row}");
        }
    }
}

#[test]
#[ignore = "to be looked at, in a terminal of 80 columns: with --nocapture"]
fn sentences_are_painted() {
    for language in sentences::LANGUAGES {
        io::stdout()
            .write_all(&all_sentences(language).written)
            .expect("a terminal");
    }
}

proptest! {
    #[test]
    fn nothing_that_a_peer_sends_acts_on_the_terminal(
        texts in prop::collection::vec(hostile(), 1..5),
        name in hostile(),
        refusal in hostile(),
        columns in 20..120_usize,
        rows in 3..30_usize,
    ) {
        let mut desk = Desk::in_call(columns, rows);
        desk.press("draft");
        let modes = desk.terminal.mode();
        desk.show(Event::Established(Peer { name: Some(name), ..peer(verified()) }));
        for text in texts {
            desk.show(lines(&text));
            desk.show(Event::Message(text.clone()));
            desk.show(Event::Notice(text));
            prop_assert_eq!(desk.terminal.cursor(), ("> draft".to_owned(), 7));
        }
        desk.show(Event::Ended(Arc::new(Ended {
            reason: CloseReason::Refused(Refusal {
                code: RefusalCode::Other,
                text: Some(refusal),
            }),
            unacknowledged: Vec::new(),
        })));
        prop_assert_eq!(desk.terminal.cursor(), ("> draft".to_owned(), 7));
        prop_assert_eq!(desk.terminal.mode(), modes);
        prop_assert_eq!(desk.terminal.pen(), &Cell::default());
        // The title is of the program.
        let mut reports = desk.terminal.take_reports();
        reports.retain(|report| !report.starts_with("Title("));
        prop_assert!(reports.is_empty(), "{:?}", reports);
    }
}
