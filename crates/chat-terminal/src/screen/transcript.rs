//! What was said, as lines for the terminal's own scrollback.
//!
//! Nobody can forge a line: what the peer says stands behind its name in angle brackets, the
//! further lines of a message behind a bar, and weight and colour are ours alone.

use std::collections::VecDeque;
use std::time::Instant;

use crate::locale;
use crate::screen::style::{Palette, Row, Style};
use crate::text::sanitize;

/// A moment, and what the clock on the wall says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timestamp {
    /// For measuring.
    pub(crate) at: Instant,
    /// For showing: hour and minute, local time.
    pub(crate) clock: (i8, i8),
}

impl Timestamp {
    /// This moment.
    pub(crate) fn now() -> Self {
        let time = jiff::Zoned::now();
        Self {
            at: Instant::now(),
            clock: (time.hour(), time.minute()),
        }
    }
}

/// How far one's own message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryState {
    /// On its way to a peer that acknowledges nothing.
    Unknown,
    /// On its way.
    Sent,
    /// Shown to the peer.
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
    /// Nothing was said yet.
    pub(crate) fn new(palette: Palette) -> Self {
        Self {
            palette,
            clock: None,
            lines: VecDeque::new(),
            written: 0,
            taken: 0,
        }
    }

    /// The peer's message. The name must be harmless already.
    pub(crate) fn message(&mut self, name: &str, text: &str, now: Timestamp) {
        let mut line = self.begin(now);
        self.palette
            .paint(Style::Peer, &format!("<{name}>"), &mut line);
        line.push(' ');
        self.body(line, text);
    }

    /// One's own message.
    pub(crate) fn own(&mut self, state: DeliveryState, text: &str, now: Timestamp) {
        let mut mark = Row::default();
        own_mark(self.palette, state, usize::MAX, &mut mark);
        let line = self.begin(now) + &mark.text;
        self.body(line, text);
    }

    /// A remark by the program, of one line or more.
    pub(crate) fn remark(&mut self, style: Style, text: &str, now: Timestamp) {
        for text in text.lines() {
            let mut line = self.begin(now);
            self.palette
                .paint(style, &format!("-- {}", sanitize::line(text)), &mut line);
            self.finish(line);
        }
    }

    /// How many lines wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lines.len()
    }

    /// How many lines there were in all, and how many of them were taken.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.written, self.taken)
    }

    /// Takes whole lines, each ended by CRLF, until there are so many bytes.
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

    /// The time, where it is another than in the line before.
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

/// Appends what stands before one's own message.
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
