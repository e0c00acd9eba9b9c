//! Draws on the terminal: messages that scroll away as ordinary lines, and below them the live
//! region, which is drawn again in each frame.
//!
//! The painter never queries the terminal. It knows where the cursor is because it put it there.

use std::fmt::Write;
use std::mem;

use crate::screen::size::Size;
use crate::screen::style::Row;
use crate::screen::view::Signals;

const INFALLIBLE: &str = "a string takes everything";

/// Erases from the start of a row to the end of the screen. Not with one sequence: in the first row,
/// tmux takes that for a screen to be cleared, and saves it in the scrollback.
const ERASE: &str = "\x1b[K\x1b[C\x1b[J\r";

/// What is drawn below the messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct LiveRegion {
    /// Rows, none wider than the terminal.
    pub(crate) rows: Vec<Row>,
    /// The index of the cursor's row, and its column.
    pub(crate) cursor: (usize, usize),
}

/// Draws frames.
#[derive(Debug)]
pub(crate) struct Painter {
    size: Size,
    /// The widths of the clusters drawn in each row from the top to the cursor, inclusive.
    above: Vec<Vec<usize>>,
    /// Whether the next frame clears the screen first.
    clear: bool,
}

impl Painter {
    /// A painter for a terminal of this size, whose cursor is at the start of a row.
    pub(crate) fn new(size: Size) -> Self {
        Self {
            size,
            above: Vec::new(),
            clear: false,
        }
    }

    /// The size of the terminal.
    pub(crate) fn size(&self) -> Size {
        self.size
    }

    /// Sets the size of the terminal.
    pub(crate) fn resize(&mut self, size: Size) {
        self.size = size;
    }

    /// Forgets where the live region was drawn: another program has written to the terminal.
    pub(crate) fn forget(&mut self) {
        self.above.clear();
    }

    /// Makes the next frame clear the screen; its contents go into the scrollback.
    pub(crate) fn clear(&mut self) {
        self.clear = true;
    }

    /// Returns one frame: `lines`, each ended by CRLF, and the live region below them.
    pub(crate) fn frame(&mut self, lines: &str, live: &LiveRegion, signals: &Signals) -> String {
        // Synchronized output, cursor hidden, to the top of the live region, erase it.
        let mut frame = String::from("\x1b[?2026h\x1b[?25l\r");
        up(self.rows_above(), &mut frame);
        frame.push_str(ERASE);
        if mem::take(&mut self.clear) {
            // As many rows scroll away as are above the live region.
            frame.push_str(&"\n".repeat(self.size.rows - 1));
            frame.push_str("\x1b[H");
        }
        frame.push_str(lines);
        // No autowrap: the terminal must not take a row of the live region for the start of a
        // longer line, which a resize would reflow.
        frame.push_str("\x1b[?7l");
        for (index, row) in live.rows.iter().enumerate() {
            if index > 0 {
                frame.push_str("\r\n");
            }
            // Terminals disagree on whether trailing blanks belong to a row.
            frame.push_str(row.text.trim_end_matches(' '));
        }
        let (row, column) = live.cursor;
        up(live.rows.len().saturating_sub(row + 1), &mut frame);
        write!(frame, "\x1b[{}G", column + 1).expect(INFALLIBLE);
        if signals.bell {
            frame.push('\x07');
        }
        if let Some(title) = &signals.title {
            write!(frame, "\x1b]2;{title}\x1b\\").expect(INFALLIBLE);
        }
        if let Some(notification) = &signals.notification {
            frame.push_str(&notification.sequence());
        }
        frame.push_str("\x1b[?7h\x1b[?25h\x1b[?2026l");
        self.above = above(live);
        frame
    }

    /// How many rows lie between the top of the live region and the cursor. A terminal that
    /// became narrower has wrapped the rows that no longer fit.
    fn rows_above(&self) -> usize {
        let rows = |widths: &Vec<usize>| broken(widths, self.size.columns);
        self.above.iter().map(rows).sum::<usize>().saturating_sub(1)
    }
}

/// The widths of the clusters in each row from the top to the cursor, inclusive.
fn above(live: &LiveRegion) -> Vec<Vec<usize>> {
    let (last, column) = live.cursor;
    // Blanks at the end are not drawn.
    let drawn = |row: &Row| {
        let blanks = row.text.len() - row.text.trim_end_matches(' ').len();
        row.widths[..row.widths.len() - blanks].to_vec()
    };
    let mut above: Vec<_> = live.rows.iter().take(last).map(drawn).collect();
    let mut before = live.rows.get(last).map(drawn).unwrap_or_default();
    let width: usize = before.iter().sum();
    // A cursor behind what is drawn stays in its row.
    if column <= width {
        let mut reached = 0;
        before.retain(|width| {
            let is_before = reached < column;
            reached += width;
            is_before
        });
        before.push(1);
    }
    above.push(before);
    above
}

/// How many rows a row takes when it is wrapped to so many columns.
fn broken(widths: &[usize], columns: usize) -> usize {
    let mut rows = 1;
    let mut column = 0;
    for width in widths {
        if column + width > columns {
            rows += 1;
            column = 0;
        }
        column += width;
    }
    rows
}

fn up(rows: usize, frame: &mut String) {
    if rows > 0 {
        write!(frame, "\x1b[{rows}A").expect(INFALLIBLE);
    }
}
