//! A text that is being edited: its cursor, what was killed, and what can be undone.

use std::mem;
use std::ops::Range;

use chat_core::wire::MAX_LINE;
use unicode_segmentation::UnicodeSegmentation;

/// The most edits that can be undone, and the most bytes that are kept for that.
const UNDO_EDITS: usize = 100;
const UNDO_BYTES: usize = 4 * MAX_LINE;

/// A text with a cursor. Words are those of readline: letters and digits.
#[derive(Debug, Default)]
pub(crate) struct Line {
    text: String,
    /// A byte position, between two graphemes.
    cursor: usize,
    killed: String,
    /// The text and the cursor before each edit, the oldest first.
    undo: Vec<(String, usize)>,
    /// The last edit was a character that was typed; the next one belongs to it.
    typing: bool,
}

impl Line {
    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The cursor, as a byte position.
    pub(crate) fn cursor(&self) -> usize {
        self.cursor
    }

    /// Takes the text. This cannot be undone.
    pub(crate) fn take(&mut self) -> String {
        self.cursor = 0;
        self.typing = false;
        self.undo.clear();
        mem::take(&mut self.text)
    }

    /// Replaces the text, with the cursor at this byte.
    pub(crate) fn replace(&mut self, text: String, cursor: usize) {
        self.remember();
        self.text = text;
        self.cursor = cursor;
    }

    /// Inserts a character that was typed. What is typed in a row is undone word by word.
    pub(crate) fn type_character(&mut self, character: char) {
        let ends_word = self.text[..self.cursor].ends_with(char::is_whitespace);
        let goes_on = self.typing && (!ends_word || character.is_whitespace());
        if !goes_on {
            self.remember();
        }
        self.text.insert(self.cursor, character);
        self.cursor += character.len_utf8();
        self.typing = true;
    }

    /// Inserts a text.
    pub(crate) fn insert(&mut self, text: &str) {
        self.remember();
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
    }

    /// Inserts what was killed last.
    pub(crate) fn yank(&mut self) {
        let killed = mem::take(&mut self.killed);
        self.insert(&killed);
        self.killed = killed;
    }

    /// Moves the cursor to this byte.
    pub(crate) fn move_to(&mut self, at: usize) {
        self.typing = false;
        self.cursor = at;
    }

    /// Deletes from the cursor to this byte, before or after it.
    pub(crate) fn delete_to(&mut self, at: usize) {
        let range = self.range_to(at);
        if !range.is_empty() {
            self.remember();
            self.cursor = range.start;
            self.text.replace_range(range, "");
        }
    }

    /// The same, so that it can be yanked.
    pub(crate) fn kill_to(&mut self, at: usize) {
        let range = self.range_to(at);
        if !range.is_empty() {
            self.killed = self.text[range].to_owned();
            self.delete_to(at);
        }
    }

    /// Takes the last edit back.
    pub(crate) fn undo(&mut self) {
        self.typing = false;
        if let Some((text, cursor)) = self.undo.pop() {
            self.text = text;
            self.cursor = cursor;
        }
    }

    /// The byte before the grapheme before the cursor.
    pub(crate) fn previous(&self) -> usize {
        self.before().next_back().map_or(0, |(at, _)| at)
    }

    /// The byte after the grapheme after the cursor.
    pub(crate) fn next(&self) -> usize {
        let next = self.after().next();
        self.cursor + next.map_or(0, |(_, grapheme)| grapheme.len())
    }

    /// The start of the word before the cursor.
    pub(crate) fn word_start(&self) -> usize {
        self.start_of(is_word)
    }

    /// The end of the word after the cursor.
    pub(crate) fn word_end(&self) -> usize {
        let word = self.after().skip_while(|(_, grapheme)| !is_word(grapheme));
        let last = word.take_while(|(_, grapheme)| is_word(grapheme)).last();
        last.map_or(self.text.len(), |(at, grapheme)| {
            self.cursor + at + grapheme.len()
        })
    }

    /// The start of what stands before the cursor after a blank.
    pub(crate) fn blank_before(&self) -> usize {
        self.start_of(|grapheme| !is_blank(grapheme))
    }

    /// The start of the last run before the cursor that `belongs`.
    fn start_of(&self, belongs: impl Fn(&str) -> bool) -> usize {
        let before = self.before().rev();
        let run = before.skip_while(|(_, grapheme)| !belongs(grapheme));
        let first = run.take_while(|(_, grapheme)| belongs(grapheme)).last();
        first.map_or(0, |(at, _)| at)
    }

    fn before(&self) -> impl DoubleEndedIterator<Item = (usize, &str)> {
        self.text[..self.cursor].grapheme_indices(true)
    }

    fn after(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text[self.cursor..].grapheme_indices(true)
    }

    fn range_to(&self, at: usize) -> Range<usize> {
        self.cursor.min(at)..self.cursor.max(at)
    }

    /// Keeps the text as it is before an edit.
    fn remember(&mut self) {
        self.typing = false;
        self.undo.push((self.text.clone(), self.cursor));
        let kept =
            |undo: &[(String, usize)]| undo.iter().map(|(text, _)| text.len()).sum::<usize>();
        while self.undo.len() > UNDO_EDITS || kept(&self.undo) > UNDO_BYTES {
            self.undo.remove(0);
        }
    }
}

fn is_word(grapheme: &str) -> bool {
    grapheme.chars().next().is_some_and(char::is_alphanumeric)
}

fn is_blank(grapheme: &str) -> bool {
    grapheme.chars().next().is_some_and(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_undone_word_by_word() {
        let mut line = Line::default();
        "one two".chars().for_each(|c| line.type_character(c));
        line.kill_to(0);
        for before in ["one two", "one ", "", ""] {
            line.undo();
            assert_eq!((line.text(), line.cursor()), (before, before.len()));
        }
    }

    #[test]
    fn undoing_takes_no_memory_without_bounds() {
        let mut line = Line::default();
        line.insert(&"x".repeat(MAX_LINE));
        for _ in 0..2 * UNDO_EDITS {
            line.insert("y");
        }
        let kept: usize = line.undo.iter().map(|(text, _)| text.len()).sum();
        assert!(kept <= UNDO_BYTES, "{kept}");
    }
}
