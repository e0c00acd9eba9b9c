//! Parses the bytes that a terminal sends into keys, pastes and focus changes.
//!
//! `termina` parses the keys. Pastes are framed here, because a library that frames them holds
//! back every key, even Ctrl-C, when the end of a paste is lost.

use std::mem;
use std::time::{Duration, Instant};

use chat_core::wire::MAX_LINE;
use memchr::memmem;
use termina::event::KeyEvent;
use termina::{Event, Parser};

const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// An escape character this old is the Escape key, not the beginning of a sequence.
const ESCAPE: Duration = Duration::from_millis(50);

/// A paste without new bytes for this long can be cancelled.
const STALLED: Duration = Duration::from_millis(500);

/// The most bytes of a paste that are kept: more than fit into one message.
const MAX_PASTE: usize = 2 * MAX_LINE;

/// What the user did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InputEvent {
    /// Pressed a key.
    Key(KeyEvent),
    /// Pasted this.
    Paste(String),
    /// Pasted so many bytes, more than are kept.
    PasteTooLong(usize),
    /// Cancelled a paste that did not end.
    PasteCancelled,
    /// Focused the terminal (`true`), or another window.
    Focus(bool),
}

/// Parses input events from bytes, wherever a read splits them.
#[derive(Debug, Default)]
pub(crate) struct InputParser {
    parser: Parser,
    /// Bytes that may be the start of a paste mark.
    held: Vec<u8>,
    paste: Option<Paste>,
    fed: Option<Instant>,
}

#[derive(Debug, Default)]
struct Paste {
    bytes: Vec<u8>,
    length: usize,
    stalled: bool,
}

impl InputParser {
    /// Parses the bytes of one read, and appends the complete events.
    pub(crate) fn feed(&mut self, bytes: &[u8], now: Instant, events: &mut Vec<InputEvent>) {
        self.handle_timeout(now, events);
        self.fed = Some(now);
        if self.is_stalled() && (bytes.starts_with(b"\x03") || bytes == b"\x1b") {
            self.paste = None;
            self.held.clear();
            events.push(InputEvent::PasteCancelled);
            return;
        }
        if let Some(paste) = &mut self.paste {
            paste.stalled = false;
        }
        self.held.extend_from_slice(bytes);
        while self.advance(events) {}
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(crate) fn timeout(&self) -> Option<Instant> {
        let pause = match self.paste {
            Some(_) => STALLED,
            None => ESCAPE,
        };
        self.fed.map(|fed| fed + pause)
    }

    /// Completes what was waiting for more bytes, if the timeout is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, events: &mut Vec<InputEvent>) {
        if self.timeout().is_none_or(|due| now < due) {
            return;
        }
        self.fed = None;
        match &mut self.paste {
            Some(paste) => paste.stalled = true,
            None => {
                let held = mem::take(&mut self.held);
                self.parser.parse(&held, false);
                self.drain(events);
            }
        }
    }

    /// Whether a paste has begun and its end is overdue.
    pub(crate) fn is_stalled(&self) -> bool {
        self.paste.as_ref().is_some_and(|paste| paste.stalled)
    }

    /// Advances past the next paste mark. Returns whether there was one.
    fn advance(&mut self, events: &mut Vec<InputEvent>) -> bool {
        let mark = match self.paste {
            Some(_) => PASTE_ENDS,
            None => PASTE_BEGINS,
        };
        let found = memmem::find(&self.held, mark);
        let before = found.unwrap_or_else(|| self.held.len() - overlap(&self.held, mark));
        match &mut self.paste {
            Some(paste) => paste.push(&self.held[..before]),
            None => {
                self.parser.parse(&self.held[..before], found.is_none());
                self.drain(events);
            }
        }
        self.held.drain(..before + found.map_or(0, |_| mark.len()));
        if found.is_some() {
            match self.paste.take() {
                Some(paste) => events.push(paste.into_event()),
                None => self.paste = Some(Paste::default()),
            }
        }
        found.is_some()
    }

    fn drain(&mut self, events: &mut Vec<InputEvent>) {
        while let Some(event) = self.parser.pop() {
            match event {
                Event::Key(key) => events.push(InputEvent::Key(key)),
                Event::FocusIn => events.push(InputEvent::Focus(true)),
                Event::FocusOut => events.push(InputEvent::Focus(false)),
                _ => (),
            }
        }
    }
}

impl Paste {
    fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        let room = MAX_PASTE - self.bytes.len();
        self.bytes
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Normalizes line breaks, which terminals paste as CR, LF, or both.
    fn into_event(self) -> InputEvent {
        if self.length > MAX_PASTE {
            return InputEvent::PasteTooLong(self.length);
        }
        let text = String::from_utf8_lossy(&self.bytes);
        InputEvent::Paste(text.replace("\r\n", "\n").replace('\r', "\n"))
    }
}

/// The length of the longest end of `bytes` that is a start of `mark`.
fn overlap(bytes: &[u8], mark: &[u8]) -> usize {
    (1..mark.len())
        .rev()
        .find(|&length| bytes.ends_with(&mark[..length]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use termina::event::{KeyCode, Modifiers};

    use super::*;

    fn key(code: KeyCode, modifiers: Modifiers) -> InputEvent {
        InputEvent::Key(KeyEvent::new(code, modifiers))
    }

    fn read(pieces: &[&[u8]]) -> Vec<InputEvent> {
        let mut parser = InputParser::default();
        let mut events = Vec::new();
        let now = Instant::now();
        for bytes in pieces {
            parser.feed(bytes, now, &mut events);
        }
        parser.handle_timeout(now + ESCAPE, &mut events);
        events
    }

    #[test]
    fn keys_are_read_wherever_they_are_cut() {
        let bytes = "a你\x1bb\x1b[1;5D\x1b[3~\x1b[I\x1b[200~x\r\ny\rz\x1b[201~\r".as_bytes();
        let expected = [
            key(KeyCode::Char('a'), Modifiers::NONE),
            key(KeyCode::Char('你'), Modifiers::NONE),
            key(KeyCode::Char('b'), Modifiers::ALT),
            key(KeyCode::Left, Modifiers::CONTROL),
            key(KeyCode::Delete, Modifiers::NONE),
            InputEvent::Focus(true),
            InputEvent::Paste("x\ny\nz".into()),
            key(KeyCode::Enter, Modifiers::NONE),
        ];
        for cut in 0..=bytes.len() {
            assert_eq!(
                read(&[&bytes[..cut], &bytes[cut..]]),
                expected,
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_lone_escape_is_the_escape_key() {
        assert_eq!(read(&[b"\x1b"]), [key(KeyCode::Escape, Modifiers::NONE)]);
    }

    #[test]
    fn control_characters_inside_a_paste_are_text() {
        let events = read(&[b"\x1b[200~a\x03", b"\x1b", b"b\x1b[201~"]);
        assert_eq!(events, [InputEvent::Paste("a\x03\x1bb".into())]);
    }

    #[test]
    fn a_paste_that_never_ends_can_be_cancelled() {
        let mut parser = InputParser::default();
        let mut events = Vec::new();
        let begun = Instant::now();
        parser.feed(b"\x1b[200~half", begun, &mut events);
        assert!(!parser.is_stalled());

        let later = parser.timeout().expect("a paste is on");
        parser.handle_timeout(later, &mut events);
        assert!(parser.is_stalled());
        assert_eq!((parser.timeout(), events.as_slice()), (None, [].as_slice()));

        parser.feed(b"\x03", later, &mut events);
        parser.feed(b"k", later, &mut events);
        assert_eq!(
            events,
            [
                InputEvent::PasteCancelled,
                key(KeyCode::Char('k'), Modifiers::NONE)
            ]
        );
    }

    #[test]
    fn a_paste_without_bounds_takes_no_memory_without_bounds() {
        let mut parser = InputParser::default();
        let mut events = Vec::new();
        let now = Instant::now();
        parser.feed(PASTE_BEGINS, now, &mut events);
        for _ in 0..3 {
            parser.feed(&vec![b'x'; MAX_LINE], now, &mut events);
        }
        assert!(
            parser
                .paste
                .as_ref()
                .is_some_and(|paste| paste.bytes.len() == MAX_PASTE)
        );
        parser.feed(PASTE_ENDS, now, &mut events);
        assert_eq!(events, [InputEvent::PasteTooLong(3 * MAX_LINE)]);
    }
}
