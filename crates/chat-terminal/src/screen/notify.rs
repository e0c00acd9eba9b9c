//! Notifications of the desktop, by the escape sequences that some terminals have for them.

use std::env;

use crate::text::charset::Charset;
use crate::text::sanitize;

/// The most columns of a notification.
const MAX_TEXT: usize = 100;

/// How a terminal is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// OSC 9, of iTerm2.
    Osc9,
    /// OSC 777, of rxvt-unicode.
    Osc777,
    /// OSC 99, of kitty.
    Osc99,
}

impl Protocol {
    /// How the terminal of the environment is told, if it is known to take one of these.
    pub(crate) fn of_terminal() -> Option<Self> {
        let value = |name| env::var(name).unwrap_or_default();
        let is_vte = env::var_os("VTE_VERSION").is_some();
        Self::of(&value("TERM"), &value("TERM_PROGRAM"), is_vte)
    }

    fn of(term: &str, program: &str, is_vte: bool) -> Option<Self> {
        match (term, program) {
            // What is between the program and the terminal keeps them to itself.
            _ if term.starts_with("tmux") || term.starts_with("screen") => None,
            ("xterm-kitty", _) => Some(Self::Osc99),
            ("xterm-ghostty", _) | (_, "iTerm.app" | "WezTerm" | "ghostty") => Some(Self::Osc9),
            _ if is_vte || term.starts_with("foot") || term.starts_with("rxvt-unicode") => {
                Some(Self::Osc777)
            }
            _ => None,
        }
    }
}

/// A notification, safe to be sent to a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notification {
    protocol: Protocol,
    text: String,
}

impl Notification {
    /// A notification with a text that may hold the words of others.
    pub(crate) fn new(protocol: Protocol, text: &str, charset: Charset) -> Self {
        let text = sanitize::one_line(text, MAX_TEXT);
        // A semicolon separates parameters.
        let text = charset.show(&text).replace(';', ",");
        Self { protocol, text }
    }

    /// The sequence that shows it.
    pub(crate) fn sequence(&self) -> String {
        let text = &self.text;
        match self.protocol {
            Protocol::Osc9 => format!("\x1b]9;{text}\x1b\\"),
            Protocol::Osc777 => format!("\x1b]777;notify;chat;{text}\x1b\\"),
            Protocol::Osc99 => format!("\x1b]99;;{text}\x1b\\"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_terminals_that_take_it_are_told() {
        for (term, program, is_vte, protocol) in [
            ("xterm-kitty", "", false, Some(Protocol::Osc99)),
            ("xterm-256color", "iTerm.app", false, Some(Protocol::Osc9)),
            ("xterm-256color", "", true, Some(Protocol::Osc777)),
            ("foot", "", false, Some(Protocol::Osc777)),
            ("xterm-256color", "", false, None),
            ("tmux-256color", "tmux", true, None),
        ] {
            assert_eq!(Protocol::of(term, program, is_vte), protocol, "{term}");
        }
    }

    #[test]
    fn the_words_of_others_end_no_sequence() {
        let hostile = "ann: 9;4;\x1b\\\x07\u{9c}\u{202e}\nx";
        let told = Notification::new(Protocol::Osc777, hostile, Charset::Utf8).sequence();
        assert_eq!(
            told,
            "\x1b]777;notify;chat;ann: 9,4,␛\\␇⟨U+009C⟩⟨U+202E⟩␊x\x1b\\"
        );
        let long = Notification::new(Protocol::Osc9, &"x".repeat(1_000), Charset::Ascii);
        assert_eq!(
            long.sequence().len(),
            "\x1b]9;\x1b\\".len() + 99 + "...".len()
        );
    }
}
