//! A terminal in memory, whose screen and scrollback can be read.

use std::sync::{Arc, Mutex, PoisonError};

use alacritty_terminal::event::{Event, EventListener};
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::term::{Config, Term, TermMode};
use alacritty_terminal::vte::ansi::Processor;

/// What the terminal is made to do besides showing text: bells, titles, answers.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<String>>>);

impl EventListener for Reports {
    fn send_event(&self, event: Event) {
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reports.push(format!("{event:?}"));
    }
}

/// Columns and rows.
#[derive(Clone, Copy, Debug)]
pub struct Size(pub usize, pub usize);

impl Dimensions for Size {
    fn total_lines(&self) -> usize {
        self.1
    }

    fn screen_lines(&self) -> usize {
        self.1
    }

    fn columns(&self) -> usize {
        self.0
    }
}

/// How each frame begins: a synchronized update.
const FRAME: &[u8] = b"\x1b[?2026h";

/// The core of a real terminal emulator.
pub struct Emulator {
    /// How many bytes were written to it.
    pub bytes: usize,
    /// How many frames these were.
    pub frames: usize,
    /// Whether they were all ASCII.
    pub is_ascii: bool,
    /// How much of [`FRAME`] was read last.
    begun: usize,
    terminal: Term<Reports>,
    processor: Processor,
    reports: Reports,
}

impl Emulator {
    /// A terminal of this size, with 20,000 lines of scrollback.
    pub fn new(size: Size) -> Self {
        let config = Config {
            scrolling_history: 20_000,
            ..Config::default()
        };
        let reports = Reports::default();
        Self {
            bytes: 0,
            frames: 0,
            is_ascii: true,
            begun: 0,
            terminal: Term::new(config, &size, reports.clone()),
            processor: Processor::new(),
            reports,
        }
    }

    /// Shows what a program writes.
    pub fn advance(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.is_ascii &= bytes.is_ascii();
        for &byte in bytes {
            self.begun = match byte {
                _ if byte == FRAME[self.begun] => self.begun + 1,
                _ => usize::from(byte == FRAME[0]),
            };
            if self.begun == FRAME.len() {
                self.frames += 1;
                self.begun = 0;
            }
        }
        self.processor.advance(&mut self.terminal, bytes);
    }

    /// Gives it another size.
    pub fn resize(&mut self, size: Size) {
        self.terminal.resize(size);
    }

    /// The cells of one row of the screen with their columns, without those that a wide
    /// character covers besides its own.
    pub fn cells(&self, row: usize) -> impl Iterator<Item = (usize, &Cell)> {
        self.cells_of(Line(row as i32))
    }

    fn cells_of(&self, line: Line) -> impl Iterator<Item = (usize, &Cell)> {
        let covered = Flags::WIDE_CHAR_SPACER | Flags::LEADING_WIDE_CHAR_SPACER;
        let row = &self.terminal.grid()[line];
        (0..self.terminal.columns())
            .map(|column| (column, &row[Column(column)]))
            .filter(move |(_, cell)| !cell.flags.intersects(covered))
    }

    fn row(&self, line: Line) -> (String, bool) {
        let mut text = String::new();
        for (_, cell) in self.cells_of(line) {
            text.push(cell.c);
            text.extend(cell.zerowidth().unwrap_or_default());
        }
        let last = Column(self.terminal.columns() - 1);
        let goes_on = self.terminal.grid()[line][last]
            .flags
            .contains(Flags::WRAPLINE);
        (text, goes_on)
    }

    /// Every line of the scrollback and the screen, as it would be copied, without the blank
    /// ones at the end.
    pub fn text(&self) -> Vec<String> {
        let mut text = vec![String::new()];
        for line in self.terminal.topmost_line().0..=self.terminal.bottommost_line().0 {
            let (row, goes_on) = self.row(Line(line));
            let current = text.last_mut().expect("there is a line");
            current.push_str(&row);
            if !goes_on {
                current.truncate(current.trim_end().len());
                text.push(String::new());
            }
        }
        while text.last().is_some_and(String::is_empty) {
            text.pop();
        }
        text
    }

    /// The rows of the screen, without wrapping undone and without the blank ones at the end.
    pub fn rows(&self) -> Vec<String> {
        let mut rows: Vec<String> = (0..self.terminal.screen_lines())
            .map(|line| self.row(Line(line as i32)).0.trim_end().to_owned())
            .collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }

    /// The same, with the rows that the program has wrapped under their first column put together
    /// again, as a person reads them.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences: Vec<String> = Vec::new();
        for line in self.text() {
            let text = line.trim_start_matches(' ');
            let hangs = line.len() - text.len() >= 8 && !text.starts_with('│');
            match sentences.last_mut().filter(|_| hangs) {
                Some(sentence) => *sentence += &format!(" {text}"),
                None => sentences.push(line),
            }
        }
        sentences
    }

    /// Every row of the scrollback and the screen, as it is seen.
    pub fn all_rows(&self) -> Vec<String> {
        let lines = self.terminal.topmost_line().0..=self.terminal.bottommost_line().0;
        let mut rows: Vec<String> = lines
            .map(|line| self.row(Line(line)).0.trim_end().to_owned())
            .collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }

    /// The last of [`rows`](Self::rows).
    pub fn last_rows(&self, count: usize) -> Vec<String> {
        let mut rows = self.rows();
        rows.split_off(rows.len().saturating_sub(count))
    }

    /// The cursor's row as text, and its column.
    pub fn cursor(&self) -> (String, usize) {
        let point = self.terminal.grid().cursor.point;
        (self.row(point.line).0.trim_end().to_owned(), point.column.0)
    }

    /// Where the cursor is: its row on the screen, and its column.
    pub fn cursor_point(&self) -> (usize, usize) {
        let point = self.terminal.grid().cursor.point;
        (point.line.0.max(0) as usize, point.column.0)
    }

    /// The style of what would be written next.
    pub fn pen(&self) -> &Cell {
        &self.terminal.grid().cursor.template
    }

    /// Which modes the program has switched on.
    pub fn mode(&self) -> TermMode {
        *self.terminal.mode()
    }

    /// What the terminal was made to do since it was last asked.
    pub fn take_reports(&self) -> Vec<String> {
        let mut reports = self
            .reports
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut reports)
    }

    /// How often it has rung since its reports were last taken.
    pub fn bells(&self) -> usize {
        let reports = self
            .reports
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        reports.iter().filter(|report| *report == "Bell").count()
    }
}
