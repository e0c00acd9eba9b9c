//! The row on which a person types, at a terminal where nothing is drawn twice: what arrives
//! meanwhile waits until the keys rest. Then it is written below, and the half-typed line after it
//! once more. No terminal is needed here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chat_core::wire::MAX_LINE;
use termina::event::{KeyCode, KeyEvent, KeyEventKind, Modifiers};
use unicode_segmentation::UnicodeSegmentation;

use crate::text::{sanitize, wrap};

/// After the last key, what has arrived waits for this long while a line is half typed.
const REST: Duration = Duration::from_secs(2);

/// The half-typed line is repeated this long after the last of what has arrived, so that a burst
/// repeats it once, and another program at the end of a pipe has written its part.
const REPEAT: Duration = Duration::from_millis(100);

/// What waits is written however the keys go on, once it is more than this, in bytes.
const MAX_HELD: usize = 64 * 1024;

/// A piece of what is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// The other side's words, for standard output.
    Said(Vec<u8>),
    /// A notice, for standard error.
    Told(String),
    /// What the person types, for the terminal.
    Echo(String),
}

impl Piece {
    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Said(bytes) => bytes.len(),
            Self::Told(text) | Self::Echo(text) => text.len(),
        }
    }
}

/// What a key does beyond the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// Enter.
    Line(String),
    /// Ctrl-D on an empty row.
    End,
    /// Ctrl-Z.
    Suspend,
}

/// The half-typed line, and what waits to be written.
#[derive(Debug)]
pub(super) struct Row {
    line: String,
    /// Whether the line is on the terminal's last row.
    shown: bool,
    held: Vec<Piece>,
    out: VecDeque<Piece>,
    last_key: Option<Instant>,
    repeat_at: Option<Instant>,
    columns: usize,
}

impl Row {
    /// An empty row of a terminal with so many columns.
    pub(super) fn new(columns: usize) -> Self {
        Self {
            line: String::new(),
            shown: true,
            held: Vec::new(),
            out: VecDeque::new(),
            last_key: None,
            repeat_at: None,
            columns,
        }
    }

    /// The terminal has another width.
    pub(super) fn resize(&mut self, columns: usize) {
        self.columns = columns;
    }

    /// What was typed and not sent.
    pub(super) fn half_typed(&self) -> &str {
        &self.line
    }

    /// Whether something is to be written.
    pub(super) fn is_busy(&self) -> bool {
        !self.out.is_empty()
    }

    /// Takes what is to be written next.
    pub(super) fn next(&mut self) -> Option<Piece> {
        self.out.pop_front()
    }

    /// Something arrives.
    pub(super) fn arrive(&mut self, piece: Piece, now: Instant) {
        self.held.push(piece);
        self.settle(now);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(super) fn timeout(&self) -> Option<Instant> {
        let rests = self.last_key.filter(|_| !self.held.is_empty());
        let rests = rests.map(|last| last + REST);
        [rests, self.repeat_at].into_iter().flatten().min()
    }

    /// Handles the timeouts that are due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.settle(now);
        if self.repeat_at.is_some_and(|due| due <= now) {
            self.show();
        }
    }

    /// Handles a key.
    pub(super) fn key(&mut self, key: KeyEvent, now: Instant) -> Option<Typed> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        self.show();
        self.last_key = Some(now);
        let control = key.modifiers.contains(Modifiers::CONTROL);
        let other = key.modifiers - Modifiers::CONTROL - Modifiers::SHIFT;
        let typed = match key.code {
            _ if !other.is_empty() => None,
            KeyCode::Char('j' | 'm') if control => Some(self.enter()),
            KeyCode::Char('d') if control && self.line.is_empty() => Some(Typed::End),
            KeyCode::Char('z') if control => Some(Typed::Suspend),
            KeyCode::Char('u') if control => self.erase(0),
            KeyCode::Char('w') if control => self.erase(self.word()),
            KeyCode::Char('h') if control => self.erase(self.character()),
            KeyCode::Char('l' | 'r') if control => self.again(),
            KeyCode::Char(character) if !control => self.insert(character),
            KeyCode::Tab => self.insert(' '),
            KeyCode::Enter => Some(self.enter()),
            KeyCode::Backspace => self.erase(self.character()),
            _ => None,
        };
        self.settle(now);
        typed
    }

    /// The program ends, or stops for a while: all that waits is written, and the row is left.
    pub(super) fn leave(&mut self) {
        self.set_down();
        self.out.extend(self.held.drain(..));
        self.repeat_at = None;
    }

    /// The half-typed line is on the last row again.
    pub(super) fn show(&mut self) {
        self.repeat_at = None;
        if !self.shown {
            self.shown = true;
            self.echo(sanitize::line(&self.line).into_owned());
        }
    }

    /// Writes what has arrived, unless somebody is typing.
    fn settle(&mut self, now: Instant) {
        let rests = |last| now.duration_since(last) >= REST;
        let rests = self.line.is_empty() || self.last_key.is_none_or(rests);
        let held = self.held.iter().map(Piece::len).sum::<usize>();
        if held == 0 || !rests && held <= MAX_HELD {
            return;
        }
        self.set_down();
        self.out.extend(self.held.drain(..));
        self.repeat_at = (!self.shown).then(|| now + REPEAT);
    }

    /// Leaves the row, so that something else can be written.
    fn set_down(&mut self) {
        if self.shown && !self.line.is_empty() {
            self.shown = false;
            self.echo("\n".to_owned());
        }
    }

    fn enter(&mut self) -> Typed {
        self.echo("\n".to_owned());
        Typed::Line(std::mem::take(&mut self.line))
    }

    fn insert(&mut self, character: char) -> Option<Typed> {
        if self.line.len() + character.len_utf8() <= MAX_LINE {
            self.line.push(character);
            let shown = sanitize::line(character.encode_utf8(&mut [0; 4])).into_owned();
            self.echo(shown);
        }
        None
    }

    /// Where the last character begins.
    fn character(&self) -> usize {
        let last = self.line.grapheme_indices(true).next_back();
        last.map_or(0, |(index, _)| index)
    }

    /// Where the last word begins.
    fn word(&self) -> usize {
        let before = self.line.trim_end_matches(' ');
        before.rfind(' ').map_or(0, |blank| blank + 1)
    }

    /// Takes away what is typed from here on. No terminal goes back over the edge of a row, so a
    /// line of several is written again.
    fn erase(&mut self, from: usize) -> Option<Typed> {
        let all = wrap::columns(&sanitize::line(&self.line));
        let erased = self.line.split_off(from);
        let width = all - wrap::columns(&sanitize::line(&self.line));
        match all < self.columns {
            true => {
                let back = "\u{8}".repeat(width);
                self.echo(format!("{back}{}{back}", " ".repeat(width)));
            }
            false if !erased.is_empty() => return self.again(),
            false => (),
        }
        None
    }

    /// Writes the line on a row of its own.
    fn again(&mut self) -> Option<Typed> {
        let line = sanitize::line(&self.line);
        let line = format!("\n{line}");
        self.echo(line);
        None
    }

    fn echo(&mut self, text: String) {
        if !text.is_empty() {
            self.out.push_back(Piece::Echo(text));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(character: char) -> KeyEvent {
        match character {
            '\n' => KeyCode::Enter.into(),
            '\u{8}' => KeyCode::Backspace.into(),
            _ => KeyCode::Char(character).into(),
        }
    }

    /// What stands on the terminal after all that was written, row by row.
    fn shown(row: &mut Row) -> Vec<String> {
        let mut rows = vec![Vec::new()];
        let mut column = 0;
        while let Some(piece) = row.next() {
            let text = match piece {
                Piece::Said(bytes) => String::from_utf8(bytes).expect("it is text"),
                Piece::Told(text) | Piece::Echo(text) => text,
            };
            for character in text.chars() {
                let last = rows.last_mut().expect("there is one");
                match character {
                    '\n' => {
                        rows.push(Vec::new());
                        column = 0;
                    }
                    '\u{8}' => column -= 1,
                    _ => {
                        last.resize(last.len().max(column + 1), ' ');
                        last[column] = character;
                        column += 1;
                    }
                }
            }
        }
        let text = |row: Vec<char>| row.into_iter().collect::<String>();
        let rows = rows.into_iter().map(text);
        rows.map(|row| row.trim_end().to_owned()).collect()
    }

    fn type_keys(row: &mut Row, keys: &str, now: Instant) -> Vec<String> {
        let typed = keys.chars().filter_map(|typed| row.key(key(typed), now));
        let lines = typed.filter_map(|typed| match typed {
            Typed::Line(line) => Some(line),
            Typed::End | Typed::Suspend => None,
        });
        lines.collect()
    }

    #[test]
    fn what_arrives_waits_until_the_line_is_sent() {
        let (mut row, now) = (Row::new(80), Instant::now());
        type_keys(&mut row, "half", now);
        row.arrive(Piece::Said(b"<ann> hello\n".to_vec()), now);
        assert_eq!(type_keys(&mut row, "\u{8}\u{8}y\n", now), ["hay"]);
        assert_eq!(shown(&mut row), ["hay", "<ann> hello", ""]);
    }

    #[test]
    fn the_half_typed_line_is_repeated_once_the_keys_rest() {
        let (mut row, now) = (Row::new(80), Instant::now());
        type_keys(&mut row, "half", now);
        row.arrive(Piece::Told("* a notice\n".into()), now);
        assert_eq!(row.timeout(), Some(now + REST));
        row.handle_timeout(now + REST);
        row.arrive(Piece::Said(b"<ann> hello\n".to_vec()), now + REST);
        row.handle_timeout(now + REST + REPEAT);
        let rows = ["half", "* a notice", "<ann> hello", "half"];
        assert_eq!(shown(&mut row), rows);
        assert_eq!(row.timeout(), None);
        assert_eq!(type_keys(&mut row, "way\n", now), ["halfway"]);
        assert_eq!(shown(&mut row), ["way", ""]);
    }

    #[test]
    fn a_key_repeats_the_line_at_once() {
        let (mut row, now) = (Row::new(80), Instant::now());
        type_keys(&mut row, "half", now);
        row.arrive(Piece::Said(b"<ann> hello\n".to_vec()), now + REST);
        type_keys(&mut row, "w", now + REST);
        assert_eq!(shown(&mut row), ["half", "<ann> hello", "halfw"]);
    }

    #[test]
    fn a_flood_waits_for_no_keys() {
        let (mut row, now) = (Row::new(80), Instant::now());
        type_keys(&mut row, "half", now);
        let flood = [[b'x'; MAX_HELD].as_slice(), b"\n"].concat();
        row.arrive(Piece::Said(flood), now);
        assert!(row.is_busy() && row.timeout().is_some());
    }

    #[test]
    fn a_line_of_several_rows_is_written_again() {
        let (mut row, now) = (Row::new(4), Instant::now());
        type_keys(&mut row, "abcde\u{8}", now);
        assert_eq!(shown(&mut row), ["abcde", "abcd"]);
    }

    proptest! {
        /// Whatever is typed and arrives, each arriving line has a row of its own, and the last
        /// row is the half-typed line.
        #[test]
        fn no_line_is_mixed_with_another(
            steps in prop::collection::vec((0..4_u8, "[ab\u{8}\n]", 0..3_000_u64), 0..60),
        ) {
            let mut now = Instant::now();
            let mut row = Row::new(usize::MAX);
            let (mut lines, mut arrived) = (Vec::new(), 0);
            for (what, keys, pause) in steps {
                now += Duration::from_millis(pause);
                row.handle_timeout(now);
                if what == 0 {
                    arrived += 1;
                    row.arrive(Piece::Said(format!("<ann> {arrived}\n").into()), now);
                } else {
                    lines.extend(type_keys(&mut row, &keys, now));
                }
            }
            row.handle_timeout(now + REST);
            row.handle_timeout(now + REST + REPEAT);
            let rows = shown(&mut row);
            let heard = rows.iter().filter(|row| row.starts_with("<ann> "));
            let wanted: Vec<_> = (1..=arrived).map(|count| format!("<ann> {count}")).collect();
            prop_assert_eq!(heard.collect::<Vec<_>>(), wanted.iter().collect::<Vec<_>>());
            let typed = |row: &String| row.chars().all(|c| matches!(c, 'a' | 'b'));
            prop_assert!(rows.iter().all(|row| row.starts_with("<ann> ") || typed(row)));
            prop_assert_eq!(rows.last().map(String::as_str), Some(row.half_typed()));
            for line in lines {
                prop_assert!(rows.contains(&line));
            }
        }
    }
}
