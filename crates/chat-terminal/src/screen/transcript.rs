//! The transcript of the call, as lines for the terminal's own scrollback.
//!
//! A peer cannot forge a line: its messages follow its name in angle brackets, and what it does its
//! name after a star; further lines of a message follow a bar, and only the program sets weight and colour.

use std::collections::VecDeque;
use std::time::Instant;

use crate::locale;
use crate::screen::style::{Palette, Row, Style};
use crate::text::{action, sanitize};

/// A point in time, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timestamp {
    /// Monotonic, to measure with.
    pub(crate) at: Instant,
    /// Hour and minute in local time, to show.
    pub(crate) clock: (i8, i8),
}

impl Timestamp {
    /// The current time.
    pub(crate) fn now() -> Self {
        let time = jiff::Zoned::now();
        Self {
            at: Instant::now(),
            clock: (time.hour(), time.minute()),
        }
    }
}

/// The delivery state of a message of this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryState {
    /// Sent to a peer without acknowledgements.
    Unknown,
    /// Sent, not acknowledged yet.
    Sent,
    /// Acknowledged by the peer.
    Received,
    /// The call ended before it was acknowledged.
    Lost,
}

/// Lines that wait to be drawn.
#[derive(Debug)]
pub(crate) struct Transcript {
    palette: Palette,
    clock: Option<(i8, i8)>,
    lines: VecDeque<String>,
    written: u64,
    taken: u64,
}

impl Transcript {
    /// An empty transcript.
    pub(crate) fn new(palette: Palette) -> Self {
        Self {
            palette,
            clock: None,
            lines: VecDeque::new(),
            written: 0,
            taken: 0,
        }
    }

    /// Appends a message of the peer. The name must be sanitized already.
    pub(crate) fn message(&mut self, name: &str, text: &str, now: Timestamp) {
        let mut line = self.begin(now);
        let (name, text) = match action::of(text) {
            Some(action) => (format!("* {name}"), action),
            None => (format!("<{name}>"), text),
        };
        self.palette.paint(Style::Peer, &name, &mut line);
        line.push(' ');
        self.body(line, text);
    }

    /// Appends a message of this side.
    pub(crate) fn own(&mut self, state: DeliveryState, text: &str, now: Timestamp) {
        let mut mark = Row::default();
        own_mark(self.palette, state, usize::MAX, &mut mark);
        let line = self.begin(now) + &mark.text;
        self.body(line, &action::after_name(text));
    }

    /// Appends a message that was shown before. The name must be sanitized already.
    pub(crate) fn earlier(&mut self, name: &str, text: &str, now: Timestamp) {
        let mut line = self.begin(now);
        let mark = format!("{} {name}", locale::EARLIER);
        self.palette.paint(Style::Faint, &mark, &mut line);
        line.push(' ');
        self.body(line, text);
    }

    /// Appends a notice of the program, of one line or more.
    pub(crate) fn remark(&mut self, style: Style, text: &str, now: Timestamp) {
        for text in text.lines() {
            let mut line = self.begin(now);
            self.palette
                .paint(style, &format!("-- {}", sanitize::line(text)), &mut line);
            self.finish(line);
        }
    }

    /// How many lines wait to be drawn.
    pub(crate) fn waiting(&self) -> usize {
        self.lines.len()
    }

    /// How many lines were appended in all, and how many of them were taken.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.written, self.taken)
    }

    /// Takes whole lines, each ended by CRLF, until they are at least so many bytes.
    pub(crate) fn take(&mut self, bytes: usize) -> String {
        let mut taken = String::new();
        while taken.len() < bytes {
            let Some(line) = self.lines.pop_front() else {
                break;
            };
            taken.push_str(&line);
            self.taken += 1;
        }
        taken
    }

    /// Starts a line: with the time if it differs from that of the line before.
    fn begin(&mut self, now: Timestamp) -> String {
        let mut line = String::new();
        if self.clock.replace(now.clock) == Some(now.clock) {
            line.push_str("      ");
        } else {
            let (hour, minute) = now.clock;
            self.palette
                .paint(Style::Faint, &format!("{hour:02}:{minute:02}"), &mut line);
            line.push(' ');
        }
        line
    }

    fn body(&mut self, mut line: String, text: &str) {
        for (index, text) in text.split('\n').enumerate() {
            if index > 0 {
                self.finish(line);
                line = String::from("      ");
                self.palette.paint(Style::Faint, "  │ ", &mut line);
            }
            line.push_str(&sanitize::line(text.strip_suffix('\r').unwrap_or(text)));
        }
        self.finish(line);
    }

    fn finish(&mut self, mut line: String) {
        line.push_str("\r\n");
        self.lines.push_back(line);
        self.written += 1;
    }
}

/// Appends the mark before a message of this side.
pub(crate) fn own_mark(palette: Palette, state: DeliveryState, columns: usize, row: &mut Row) {
    let (style, mark) = match state {
        DeliveryState::Unknown => (Style::Plain, ""),
        DeliveryState::Sent => (Style::Faint, "· "),
        DeliveryState::Received => (Style::Good, "✓ "),
        DeliveryState::Lost => (Style::Alarm, "✗ "),
    };
    row.push(palette, style, mark, columns);
    row.push(palette, Style::Own, locale::YOU, columns);
    row.push(palette, Style::Plain, " ", columns);
}
