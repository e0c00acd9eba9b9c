//! The draft and the keys that edit it, which are those of readline; the lines typed before it.

use std::mem;

use termina::event::{KeyCode, KeyEvent, KeyEventKind, Modifiers};
use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use crate::input::history::History;
use crate::input::line::Line;
use crate::input::memory::Typed;

/// What the caller has to do after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing; the draft may have changed.
    Edited,
    /// Enter.
    Submit,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D in an empty draft.
    EndOfInput,
    /// Ctrl-Z.
    Suspend,
    /// Ctrl-L.
    Redraw,
    /// Tab.
    Complete,
    /// Escape.
    Escape,
}

/// Edits one draft after another.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    line: Line,
    history: History,
    browsing: Option<Browsing>,
    search: Option<Search>,
}

/// The draft that is set aside while the user browses the history.
#[derive(Debug)]
struct Browsing {
    index: usize,
    draft: String,
}

/// A search through the history. The draft is unchanged until a line is accepted.
#[derive(Debug)]
struct Search {
    text: String,
    found: Option<usize>,
}

impl Editor {
    /// Goes on with what was typed before.
    pub(crate) fn new(typed: Typed) -> Self {
        let mut editor = Self {
            history: typed.lines.into(),
            ..Self::default()
        };
        if !typed.draft.is_empty() {
            editor.insert(&typed.draft);
        }
        editor
    }

    /// The draft, also while the person looks at older lines, and the lines of this time.
    pub(crate) fn typed(&self) -> Typed {
        let draft = match &self.browsing {
            Some(browsing) => &browsing.draft,
            None => self.text(),
        };
        Typed {
            draft: draft.to_owned(),
            lines: self.history.added().to_owned(),
        }
    }

    /// The draft.
    pub(crate) fn text(&self) -> &str {
        self.line.text()
    }

    /// The cursor, as a byte position in the draft.
    pub(crate) fn cursor(&self) -> usize {
        self.line.cursor()
    }

    /// The search text and the line found, while a search is on.
    pub(crate) fn search(&self) -> Option<(&str, Option<&str>)> {
        let search = self.search.as_ref()?;
        let found = search.found.and_then(|index| self.history.get(index));
        Some((&search.text, found))
    }

    /// Takes the draft and adds it to the history.
    pub(crate) fn take(&mut self) -> String {
        self.history.push(self.line.text());
        self.browsing = None;
        self.search = None;
        self.line.take()
    }

    /// Puts the draft into the history, and empties the line. Unlike [`take`](Self::take), this
    /// can be undone.
    pub(crate) fn put_aside(&mut self) {
        self.history.push(self.line.text());
        self.browsing = None;
        self.search = None;
        self.line.replace(String::new(), 0);
    }

    /// Replaces the draft and moves the cursor to its end.
    pub(crate) fn set(&mut self, text: String) {
        let end = text.len();
        self.line.replace(text, end);
    }

    /// Inserts text at the cursor.
    pub(crate) fn insert(&mut self, text: &str) {
        self.search = None;
        self.line.insert(text);
    }

    /// Handles a key.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Action {
        if key.kind == KeyEventKind::Release {
            return Action::Edited;
        }
        if self.search.is_some() && self.key_in_search(key) {
            return Action::Edited;
        }
        use KeyCode::{
            Backspace, Char, Delete, Down, End, Enter, Escape, Home, Left, Right, Tab, Up,
        };
        let control = key.modifiers.contains(Modifiers::CONTROL);
        let alt = key.modifiers.contains(Modifiers::ALT);
        let line = &mut self.line;
        match key.code {
            Enter if alt => self.insert("\n"),
            Enter => return Action::Submit,
            Tab => return Action::Complete,
            Escape => return Action::Escape,
            Char('c') if control => return Action::Interrupt,
            Char('d') if control && line.text().is_empty() => return Action::EndOfInput,
            Char('z') if control => return Action::Suspend,
            Char('l') if control => return Action::Redraw,

            Char('j') if control => self.insert("\n"),
            Char('r') if control => self.begin_search(),
            Char('t') if control => self.transpose(),
            Up => self.up(),
            Down => self.down(),
            Char('p') if control => self.older(),
            Char('n') if control => self.newer(),

            Left if control || alt => line.move_to(line.word_start()),
            Right if control || alt => line.move_to(line.word_end()),
            Left => line.move_to(line.previous()),
            Right => line.move_to(line.next()),
            Home => line.move_to(0),
            End => line.move_to(line.text().len()),
            Backspace if control || alt => line.kill_to(line.word_start()),
            Backspace => line.delete_to(line.previous()),
            Delete if control || alt => line.kill_to(line.word_end()),
            Delete => line.delete_to(line.next()),

            Char('a') if control => line.move_to(0),
            Char('e') if control => line.move_to(line.text().len()),
            Char('b') if control => line.move_to(line.previous()),
            Char('f') if control => line.move_to(line.next()),
            Char('d') if control => line.delete_to(line.next()),
            Char('h') if control => line.delete_to(line.previous()),
            Char('k') if control => line.kill_to(line.text().len()),
            Char('u') if control => line.kill_to(0),
            Char('w') if control => line.kill_to(line.blank_before()),
            Char('y') if control => line.yank(),
            // Terminals send Ctrl-_ as Ctrl-7, and Ctrl-/ as well.
            Char('_' | '7' | '/') if control => line.undo(),
            Char('b') if alt => line.move_to(line.word_start()),
            Char('f') if alt => line.move_to(line.word_end()),
            Char('d') if alt => line.kill_to(line.word_end()),
            Char(character) if !control && !alt => line.type_character(character),
            _ => (),
        }
        Action::Edited
    }

    /// Swaps the graphemes around the cursor; at the end of the draft, the last two.
    fn transpose(&mut self) {
        let text = self.text();
        let bounds: Vec<usize> = text
            .grapheme_indices(true)
            .map(|(at, _)| at)
            .chain([text.len()])
            .collect();
        let here = bounds.partition_point(|&at| at < self.cursor());
        let right = here.min(bounds.len().saturating_sub(2));
        let Some(left) = right.checked_sub(1) else {
            return;
        };
        let (start, middle, end) = (bounds[left], bounds[right], bounds[right + 1]);
        let swapped = [
            &text[..start],
            &text[middle..end],
            &text[start..middle],
            &text[end..],
        ]
        .concat();
        self.line.replace(swapped, end);
    }

    /// Moves up within a draft of several lines; from its first line, into the history.
    fn up(&mut self) {
        let (before, _) = self.text().split_at(self.cursor());
        match before.rfind('\n') {
            Some(end) if self.browsing.is_none() => {
                let column = before[end + 1..].graphemes(true).count();
                let start = before[..end].rfind('\n').map_or(0, |at| at + 1);
                self.go_to_column(start, column);
            }
            _ => self.older(),
        }
    }

    fn down(&mut self) {
        let (before, after) = self.text().split_at(self.cursor());
        match after.find('\n') {
            Some(end) if self.browsing.is_none() => {
                let start = before.rfind('\n').map_or(0, |at| at + 1);
                let column = before[start..].graphemes(true).count();
                self.go_to_column(before.len() + end + 1, column);
            }
            _ => self.newer(),
        }
    }

    /// Moves the cursor to a column of the line that begins at `start`.
    fn go_to_column(&mut self, start: usize, column: usize) {
        let line = self.text()[start..].split('\n').next().unwrap_or_default();
        let at = line
            .grapheme_indices(true)
            .nth(column)
            .map_or(line.len(), |(at, _)| at);
        self.line.move_to(start + at);
    }

    fn older(&mut self) {
        let index = match &self.browsing {
            Some(browsing) => browsing.index,
            None => self.history.end(),
        };
        let Some(older) = index.checked_sub(1) else {
            return;
        };
        self.browse(older);
    }

    fn newer(&mut self) {
        let Some(browsing) = &mut self.browsing else {
            return;
        };
        let newer = browsing.index + 1;
        if newer < self.history.end() {
            self.browse(newer);
        } else {
            let draft = mem::take(&mut browsing.draft);
            self.browsing = None;
            self.set(draft);
        }
    }

    fn browse(&mut self, index: usize) {
        let Some(line) = self.history.get(index).map(str::to_owned) else {
            return;
        };
        match &mut self.browsing {
            Some(browsing) => browsing.index = index,
            None => {
                let draft = self.text().to_owned();
                self.browsing = Some(Browsing { index, draft });
            }
        }
        self.set(line);
    }

    fn begin_search(&mut self) {
        self.search = Some(Search {
            text: String::new(),
            found: None,
        });
    }

    /// Handles a key during a search. Returns whether the key is consumed: an editing key
    /// accepts the found line and then edits it.
    fn key_in_search(&mut self, key: KeyEvent) -> bool {
        let Some(search) = &mut self.search else {
            return false;
        };
        let control = key.modifiers.contains(Modifiers::CONTROL);
        match key.code {
            KeyCode::Char('r') if control => {
                let end = search.found.unwrap_or(self.history.end());
                if let Some(older) = self.history.find(&search.text, end) {
                    search.found = Some(older);
                }
                return true;
            }
            KeyCode::Char('c' | 'g') if control => {
                self.search = None;
                return true;
            }
            KeyCode::Escape => {
                self.search = None;
                return true;
            }
            KeyCode::Char(character) if !control && !key.modifiers.contains(Modifiers::ALT) => {
                search.text.push(character);
            }
            KeyCode::Backspace => {
                let length = search.text.len();
                let before = GraphemeCursor::new(length, length, true)
                    .prev_boundary(&search.text, 0)
                    .ok()
                    .flatten();
                search.text.truncate(before.unwrap_or(0));
            }
            code => {
                self.take_found();
                return code == KeyCode::Enter;
            }
        }
        search.found = match search.text.is_empty() {
            true => None,
            false => self.history.find(&search.text, self.history.end()),
        };
        true
    }

    fn take_found(&mut self) {
        let search = self.search.take();
        if let Some(index) = search.and_then(|search| search.found) {
            self.browse(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(editor: &mut Editor, keys: &str) {
        for name in keys.split(' ') {
            let (modifiers, name) = match name.as_bytes() {
                [b'C', b'-', ..] => (Modifiers::CONTROL, &name[2..]),
                [b'M', b'-', ..] => (Modifiers::ALT, &name[2..]),
                _ => (Modifiers::NONE, name),
            };
            let code = match name {
                "Left" => KeyCode::Left,
                "Right" => KeyCode::Right,
                "Up" => KeyCode::Up,
                "Down" => KeyCode::Down,
                "Home" => KeyCode::Home,
                "End" => KeyCode::End,
                "Del" => KeyCode::Delete,
                "BS" => KeyCode::Backspace,
                "Enter" => KeyCode::Enter,
                "Esc" => KeyCode::Escape,
                _ => KeyCode::Char(name.chars().next().expect("a key has a name")),
            };
            editor.key(KeyEvent::new(code, modifiers));
        }
    }

    /// The draft, with its cursor shown as `|`.
    fn shown(editor: &Editor) -> String {
        let (before, after) = editor.text().split_at(editor.cursor());
        format!("{before}|{after}")
    }

    #[test]
    fn keys_edit_as_in_emacs() {
        let cases = [
            ("one two three", "C-a", "|one two three"),
            ("one two three", "Home C-f C-f", "on|e two three"),
            ("one two three", "C-b Left", "one two thr|ee"),
            ("one two three", "M-b M-b", "one |two three"),
            ("one two three", "C-Left C-Left C-k", "one |"),
            ("one two three", "C-Left C-u", "|three"),
            ("one two three", "C-w C-a C-y", "three|one two "),
            ("one two three", "Home M-d", "| two three"),
            ("one two three", "Home M-f C-d Del", "one|wo three"),
            ("one two three", "Home C-Right BS C-e", "on two three|"),
            ("see /usr/bin", "C-w C-y C-y", "see /usr/bin/usr/bin|"),
            ("see /usr/bin", "M-BS C-y", "see /usr/bin|"),
            ("see /usr/bin", "M-b M-b M-d", "see /|/bin"),
            ("e\u{301}te\u{301} x", "Home M-f", "e\u{301}te\u{301}| x"),
            ("one two three", "C-w C-w C-7 C-7", "one two three|"),
            ("ab", "C-t", "ba|"),
            ("abc", "Left Left C-t", "ba|c"),
            ("a", "C-t", "a|"),
            ("", "C-t", "|"),
            ("x", "C-j y M-Enter", "x\ny\n|"),
        ];
        for (draft, keys, expected) in cases {
            let mut editor = Editor::default();
            editor.insert(draft);
            press(&mut editor, keys);
            assert_eq!(shown(&editor), expected, "{draft:?} after {keys}");
        }
    }

    #[test]
    fn a_grapheme_is_one_step() {
        for grapheme in ["你", "e\u{301}", "👩‍👩‍👧", "🇨🇳", "❤️"] {
            let mut editor = Editor::default();
            editor.insert(&format!("a{grapheme}b"));
            press(&mut editor, "Left Left");
            assert_eq!(shown(&editor), format!("a|{grapheme}b"));
            press(&mut editor, "Right");
            assert_eq!(shown(&editor), format!("a{grapheme}|b"));
            press(&mut editor, "C-t");
            assert_eq!(shown(&editor), format!("ab{grapheme}|"));
            press(&mut editor, "BS");
            assert_eq!(shown(&editor), "ab|");
        }
    }

    #[test]
    fn up_and_down_move_within_several_lines() {
        let mut editor = Editor::default();
        editor.insert("first\n你\nthird");
        press(&mut editor, "Up");
        assert_eq!(shown(&editor), "first\n你|\nthird");
        press(&mut editor, "Up Right Down");
        assert_eq!(shown(&editor), "first\n你|\nthird");
        press(&mut editor, "Down");
        assert_eq!(shown(&editor), "first\n你\nt|hird");
    }

    fn with_history() -> Editor {
        let mut editor = Editor::default();
        for line in ["one", "two", "three"] {
            editor.insert(line);
            editor.take();
        }
        editor.insert("draft");
        editor
    }

    #[test]
    fn the_draft_is_kept_while_browsing() {
        let mut editor = with_history();
        press(&mut editor, "Up Up Up Up");
        assert_eq!(shown(&editor), "one|");
        press(&mut editor, "Down Down");
        assert_eq!(shown(&editor), "three|");
        press(&mut editor, "Down Down");
        assert_eq!(shown(&editor), "draft|");
    }

    #[test]
    fn search_finds_older_and_older_lines() {
        let mut editor = with_history();
        press(&mut editor, "C-r o");
        assert_eq!(editor.search(), Some(("o", Some("two"))));
        press(&mut editor, "C-r C-r");
        assert_eq!(editor.search(), Some(("o", Some("one"))));
        press(&mut editor, "Esc");
        assert_eq!((editor.search(), editor.text()), (None, "draft"));

        press(&mut editor, "C-r x");
        assert_eq!(editor.search(), Some(("x", None)));
        press(&mut editor, "BS t h Enter");
        assert_eq!((editor.search(), shown(&editor)), (None, "three|".into()));
        press(&mut editor, "Down");
        assert_eq!(shown(&editor), "draft|");
    }
}
