//! The transcript of the call, as lines that wait to be drawn.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Instant;

use jiff::civil::Date;

use crate::locale;
use crate::screen::line::{Line, Mark};
use crate::screen::style::{Palette, Style};
use crate::text::{action, sanitize};

/// A point in time, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timestamp {
    /// Monotonic, to measure with.
    pub(crate) at: Instant,
    /// Hour and minute in local time, to show.
    pub(crate) clock: (i8, i8),
    /// The date in local time.
    pub(crate) date: Date,
}

impl Timestamp {
    /// The current time.
    pub(crate) fn now() -> Self {
        let time = jiff::Zoned::now();
        Self {
            at: Instant::now(),
            clock: (time.hour(), time.minute()),
            date: time.date(),
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
    /// Acknowledged by the peer's answering machine.
    Recorded,
    /// The call ended before it was acknowledged.
    Lost,
}

/// Lines that wait to be drawn.
#[derive(Debug)]
pub(crate) struct Transcript {
    palette: Palette,
    clock: Option<(i8, i8)>,
    date: Option<Date>,
    lines: VecDeque<Line>,
    written: u64,
    taken: u64,
    /// Whether the terminal could not show a message as it is.
    transliterated: bool,
}

impl Transcript {
    /// An empty transcript.
    pub(crate) fn new(palette: Palette) -> Self {
        Self {
            palette,
            clock: None,
            date: None,
            lines: VecDeque::new(),
            written: 0,
            taken: 0,
            transliterated: false,
        }
    }

    /// Appends a message of the peer. The name must be sanitized already.
    pub(crate) fn message(&mut self, name: &str, text: &str, now: Timestamp) {
        let name = self.palette.charset.show(name).into_owned();
        match action::of(text) {
            Some(action) => self.lines_of(Mark::Actor(name), action, now),
            None => self.lines_of(Mark::Peer(name), text, now),
        }
    }

    /// Appends a message of this side.
    pub(crate) fn own(&mut self, state: DeliveryState, text: &str, now: Timestamp) {
        self.lines_of(Mark::Own(state), &action::after_name(text), now);
    }

    /// Appends a notice of the program, of one line or more.
    pub(crate) fn remark(&mut self, style: Style, text: &str, now: Timestamp) {
        for text in text.lines() {
            self.push(Mark::Program(style), text, now);
        }
    }

    /// Appends a row of a message of earlier, which is marked as such; what is new after it shows
    /// its time again.
    pub(crate) fn past(&mut self, row: &str) {
        self.lines.push_back(Line {
            clock: None,
            mark: Mark::Past,
            text: self.palette.charset.show(row).into_owned(),
        });
        self.written += 1;
        self.clock = None;
    }

    /// Whether the terminal could not show a message as it is.
    pub(crate) fn is_transliterated(&self) -> bool {
        self.transliterated
    }

    /// How many lines wait to be drawn.
    pub(crate) fn waiting(&self) -> usize {
        self.lines.len()
    }

    /// How many lines were appended in all, and how many of them were taken.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.written, self.taken)
    }

    /// Takes whole lines until they are at least so many bytes, as rows for a terminal of so many
    /// columns, each ended by CRLF.
    pub(crate) fn take(&mut self, bytes: usize, columns: usize) -> String {
        let mut taken = String::new();
        while taken.len() < bytes {
            let Some(line) = self.lines.pop_front() else {
                break;
            };
            line.lay_out(self.palette, columns, &mut taken);
            self.taken += 1;
        }
        taken
    }

    /// Appends a message, which may have line breaks.
    fn lines_of(&mut self, mark: Mark, text: &str, now: Timestamp) {
        let mut mark = Some(mark);
        for text in text.split('\n') {
            let text = text.strip_suffix('\r').unwrap_or(text);
            let changed = self.push(mark.take().unwrap_or(Mark::Further), text, now);
            self.transliterated |= changed;
        }
    }

    /// Appends a line. Returns whether the terminal cannot show it as it is.
    fn push(&mut self, mark: Mark, text: &str, now: Timestamp) -> bool {
        let date = self.date.replace(now.date);
        if date.is_some_and(|date| date != now.date) {
            self.push(
                Mark::Program(Style::Notice),
                &locale::text().day(now.date),
                now,
            );
        }
        let text = sanitize::line(text);
        let shown = self.palette.charset.show(&text);
        let changed = matches!(shown, Cow::Owned(_));
        let is_new = self.clock.replace(now.clock) != Some(now.clock);
        self.lines.push_back(Line {
            clock: is_new.then_some(now.clock),
            mark,
            text: shown.into_owned(),
        });
        self.written += 1;
        changed
    }
}
