//! A line of the transcript, and the rows in which it is shown.
//!
//! A peer cannot forge a row. Every line begins with the time or blanks, then its mark: `--` for
//! the program, a name in angle brackets for the peer, or after a star for what it does, `you:` for
//! this side. The rows that it is
//! wrapped into begin further right than any mark does. Only a word that is longer than a row,
//! such as an address, is wrapped by the terminal itself, to be copied in one piece: there is no
//! blank in it, and nothing follows it in its last row.

use std::iter::repeat_n;

use crate::locale;
use crate::screen::style::{Palette, Row, Style};
use crate::screen::transcript::DeliveryState;
use crate::text::past::MARK;
use crate::text::sanitize;
use crate::text::wrap::{self, LongWords};

/// Columns before the mark: the time, or blanks.
pub(crate) const GUTTER: &str = "      ";

/// The least column at which a wrapped row begins, right of every mark's first.
const HANG: usize = GUTTER.len() + 2;

/// A text is not squeezed into fewer columns than this to stand under its own first column.
const LEAST_ROOM: usize = 12;

/// The least columns of a name.
const LEAST_NAME: usize = 4;

/// Whose line it is.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    /// The peer's, by its sanitized name.
    Peer(String),
    /// Tells what the peer of this sanitized name does.
    Actor(String),
    /// This side's.
    Own(DeliveryState),
    /// Of whoever is named after it: it was said earlier.
    Past,
    /// The program's.
    Program(Style),
    /// Of whoever the line before is.
    Further,
}

/// A line of the transcript.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The time, where it differs from that of the line before.
    pub(crate) clock: Option<(i8, i8)>,
    /// Whose line it is.
    pub(crate) mark: Mark,
    /// The sanitized text.
    pub(crate) text: String,
}

impl Line {
    /// Appends the rows of the line for a terminal of so many columns, each ended by CRLF.
    pub(crate) fn lay_out(&self, palette: Palette, columns: usize, out: &mut String) {
        let mut head = String::new();
        match self.clock {
            Some((hour, minute)) => {
                let time = format!("{hour:02}:{minute:02}");
                palette.paint(Style::Faint, &time, &mut head);
                head.push(' ');
            }
            None => head.push_str(GUTTER),
        }
        let mark_ends = GUTTER.len() + self.mark.paint(palette, columns, &mut head);
        let style = self.mark.style_of_text();
        let blanks = self.text.len() - self.text.trim_start_matches(' ').len();
        let hang = hang(mark_ends + blanks, columns);
        // What is indented has no row of blanks alone before a long word.
        let indent = hang.saturating_sub(mark_ends).min(blanks);
        let (indented, text) = self.text.split_at(indent);
        head.push_str(indented);
        let start = mark_ends + indent;
        let pieces = wrap::wrap(
            text,
            columns.saturating_sub(start),
            columns.saturating_sub(hang),
            LongWords::Whole,
        );
        let mut may_overflow = start > columns || !self.mark.is_certain();
        for piece in pieces {
            let mut row = text[piece.range].trim_end_matches(' ');
            if head.is_empty() {
                row = row.trim_start_matches(' ');
                if row.is_empty() {
                    continue;
                }
                head.extend(repeat_n(' ', hang));
            }
            // Where a terminal may draw a row wider, it must not wrap it: what stands at the start
            // of a row is not for the peer to choose.
            let guarded = !piece.is_whole && (may_overflow || !wrap::is_certain(row));
            out.push_str(if guarded { "\x1b[?7l" } else { "" });
            out.push_str(&head);
            palette.paint(style, row, out);
            out.push_str(if guarded { "\x1b[?7h\r\n" } else { "\r\n" });
            may_overflow = false;
            head.clear();
        }
    }
}

impl Mark {
    /// Appends the mark and a blank. Returns how many columns they take.
    fn paint(&self, palette: Palette, columns: usize, out: &mut String) -> usize {
        let (style, text) = match self {
            Self::Peer(name) | Self::Actor(name) => {
                let room = (columns / 2).saturating_sub(HANG + 1);
                let name = sanitize::cut(name, room.max(LEAST_NAME));
                let mark = match self {
                    Self::Actor(_) => format!("* {name}"),
                    _ => format!("<{name}>"),
                };
                (Style::Peer, mark)
            }
            Self::Own(state) => {
                let mut row = Row::default();
                own_mark(palette, *state, usize::MAX, &mut row);
                out.push_str(&row.text);
                return row.width();
            }
            Self::Past => (Style::Faint, MARK.to_owned()),
            Self::Program(Style::Alarm) => (Style::Alarm, "!!".to_owned()),
            Self::Program(style) => (*style, "--".to_owned()),
            Self::Further => (Style::Faint, "  │".to_owned()),
        };
        let text = palette.charset.show(&text);
        palette.paint(style, &text, out);
        out.push(' ');
        wrap::columns(&text) + 1
    }

    fn style_of_text(&self) -> Style {
        match self {
            Self::Program(style) => *style,
            Self::Past => Style::Faint,
            Self::Peer(_) | Self::Actor(_) | Self::Own(_) | Self::Further => Style::Plain,
        }
    }

    /// Whether all terminals agree on its width: of the program's own they do.
    fn is_certain(&self) -> bool {
        match self {
            Self::Peer(name) | Self::Actor(name) => wrap::is_certain(name),
            Self::Past | Self::Own(_) | Self::Program(_) | Self::Further => true,
        }
    }
}

/// Appends the mark before a message of this side.
pub(crate) fn own_mark(palette: Palette, state: DeliveryState, columns: usize, row: &mut Row) {
    let (style, mark) = match state {
        DeliveryState::Unknown => (Style::Plain, ""),
        DeliveryState::Sent => (Style::Faint, "· "),
        DeliveryState::Received => (Style::Good, "✓ "),
        DeliveryState::Recorded => (Style::Faint, "(✓) "),
        DeliveryState::Lost => (Style::Alarm, "✗ "),
    };
    row.push(palette, style, mark, columns);
    row.push(palette, Style::Own, locale::text().you(), columns);
    row.push(palette, Style::Plain, " ", columns);
}

/// The column at which wrapped rows begin: under the first of the text, as long as that leaves
/// room for it.
fn hang(start: usize, columns: usize) -> usize {
    match start + LEAST_ROOM <= columns {
        true => start,
        false => HANG.min(columns.saturating_sub(2)),
    }
}
