//! The line being typed: the draft, its cursor, its history.
//!
//! `tui-input` keeps the text, the cursor and the kill buffer; the key bindings are here.

use std::mem;

use termina::event::{KeyCode, KeyEvent, KeyEventKind, Modifiers};
use tui_input::{Input, InputRequest};
use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use crate::input::history::History;

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
    input: Input,
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
    /// The draft.
    pub(crate) fn text(&self) -> &str {
        self.input.value()
    }

    /// The cursor, as a byte position in the draft.
    pub(crate) fn cursor(&self) -> usize {
        byte_of(self.text(), self.input.cursor())
    }

    /// The search text and the line found, while a search is on.
    pub(crate) fn search(&self) -> Option<(&str, Option<&str>)> {
        let search = self.search.as_ref()?;
        let found = search.found.and_then(|index| self.history.get(index));
        Some((&search.text, found))
    }

    /// Takes the draft and adds it to the history.
    pub(crate) fn take(&mut self) -> String {
        self.history.push(self.input.value());
        self.clear()
    }

    /// Takes the draft without adding it to the history.
    pub(crate) fn clear(&mut self) -> String {
        self.browsing = None;
        self.search = None;
        self.input.value_and_reset()
    }

    /// Replaces the draft and moves the cursor to its end.
    pub(crate) fn set(&mut self, text: String) {
        self.input = mem::take(&mut self.input).with_value(text);
    }

    /// Inserts text at the cursor.
    pub(crate) fn insert(&mut self, text: &str) {
        self.search = None;
        let at = self.cursor();
        let mut draft = self.text().to_owned();
        draft.insert_str(at, text);
        self.replace(draft, at + text.len());
    }

    /// Handles a key.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Action {
        if key.kind == KeyEventKind::Release {
            return Action::Edited;
        }
        if self.search.is_some() && self.key_in_search(key) {
            return Action::Edited;
        }
        use InputRequest as Do;
        use KeyCode::{
            Backspace, Char, Delete, Down, End, Enter, Escape, Home, Left, Right, Tab, Up,
        };
        let control = key.modifiers.contains(Modifiers::CONTROL);
        let alt = key.modifiers.contains(Modifiers::ALT);
        match key.code {
            Enter if alt => self.insert("\n"),
            Enter => return Action::Submit,
            Tab => return Action::Complete,
            Escape => return Action::Escape,
            Char('c') if control => return Action::Interrupt,
            Char('d') if control && self.text().is_empty() => return Action::EndOfInput,
            Char('z') if control => return Action::Suspend,
            Char('l') if control => return Action::Redraw,

            Char('j') if control => self.insert("\n"),
            Char('r') if control => self.begin_search(),
            Char('t') if control => self.transpose(),
            Up => self.up(),
            Down => self.down(),
            Char('p') if control => self.older(),
            Char('n') if control => self.newer(),

            Left | Right if control || alt => self.edit(match key.code {
                Left => Do::GoToPrevWord,
                _ => Do::GoToNextWord,
            }),
            Left => self.edit(Do::GoToPrevChar),
            Right => self.edit(Do::GoToNextChar),
            Home => self.edit(Do::GoToStart),
            End => self.edit(Do::GoToEnd),
            Backspace if control || alt => self.edit(Do::DeletePrevWord),
            Backspace => self.edit(Do::DeletePrevChar),
            Delete if control || alt => self.edit(Do::DeleteNextWord),
            Delete => self.edit(Do::DeleteNextChar),

            Char('a') if control => self.edit(Do::GoToStart),
            Char('e') if control => self.edit(Do::GoToEnd),
            Char('b') if control => self.edit(Do::GoToPrevChar),
            Char('f') if control => self.edit(Do::GoToNextChar),
            Char('d') if control => self.edit(Do::DeleteNextChar),
            Char('h') if control => self.edit(Do::DeletePrevChar),
            Char('k') if control => self.edit(Do::DeleteTillEnd),
            Char('u') if control => self.edit(Do::DeleteFromStart),
            Char('w') if control => self.edit(Do::DeletePrevWord),
            Char('y') if control => self.edit(Do::Yank),
            Char('b') if alt => self.edit(Do::GoToPrevWord),
            Char('f') if alt => self.edit(Do::GoToNextWord),
            Char('d') if alt => self.edit(Do::DeleteNextWord),
            Char(character) if !control && !alt => self.edit(Do::InsertChar(character)),
            _ => (),
        }
        Action::Edited
    }

    fn edit(&mut self, request: InputRequest) {
        self.input.handle(request);
    }

    fn replace(&mut self, text: String, cursor: usize) {
        let cursor = text[..cursor].chars().count();
        self.input = mem::take(&mut self.input)
            .with_value(text)
            .with_cursor(cursor);
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
        self.replace(swapped, end);
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
        let cursor = self.text()[..start + at].chars().count();
        self.edit(InputRequest::SetCursor(cursor));
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

/// The byte position of the n-th character of a text.
fn byte_of(text: &str, characters: usize) -> usize {
    text.char_indices()
        .nth(characters)
        .map_or(text.len(), |(at, _)| at)
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
            ("one two three", "Home M-d", "|two three"),
            ("one two three", "Home M-f C-d Del", "one |o three"),
            ("one two three", "Home C-Right BS C-e", "onetwo three|"),
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
