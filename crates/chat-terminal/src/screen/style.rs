//! How text stands out: by colour where the person wants colours, by weight anyway.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::text::sanitize;

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// What people say, and what is typed.
    Plain,
    /// What may be overlooked: times, hints.
    Faint,
    /// The peer's name.
    Peer,
    /// The mark of one's own messages.
    Own,
    /// A remark by the program.
    Notice,
    /// What is as it should be.
    Good,
    /// What deserves attention.
    Warning,
    /// What must not be overlooked.
    Alarm,
}

/// Writes styles as escape sequences.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Palette {
    /// Whether colours are used, and not only weight.
    pub(crate) color: bool,
}

impl Palette {
    /// Appends harmless text in a style.
    pub(crate) fn paint(self, style: Style, text: &str, out: &mut String) {
        let code = self.code(style);
        if code.is_empty() {
            out.push_str(text);
            return;
        }
        for part in ["\x1b[", code, "m", text, "\x1b[m"] {
            out.push_str(part);
        }
    }

    /// The parameters of SGR (ECMA-48, 8.3.117).
    fn code(self, style: Style) -> &'static str {
        match (style, self.color) {
            (Style::Plain, _) => "",
            (Style::Faint, _) => "2",
            (Style::Peer, true) => "1;36",
            (Style::Notice, true) => "33",
            (Style::Good, true) => "32",
            (Style::Warning, true) => "33",
            (Style::Alarm, true) => "1;31",
            (Style::Notice | Style::Good | Style::Warning, false) => "2",
            (Style::Own | Style::Peer | Style::Alarm, _) => "1",
        }
    }
}

/// A row of the screen that is never wider than the screen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// The text with its escape sequences.
    pub(crate) text: String,
    /// The width of each grapheme cluster in it.
    pub(crate) widths: Vec<usize>,
}

impl Row {
    /// How many columns it takes.
    pub(crate) fn width(&self) -> usize {
        self.widths.iter().sum()
    }

    /// Appends as much of a harmless text as fits into `columns` in all.
    pub(crate) fn push(&mut self, palette: Palette, style: Style, text: &str, columns: usize) {
        let text = sanitize::cut(text, columns.saturating_sub(self.width()));
        palette.paint(style, &text, &mut self.text);
        self.widths
            .extend(text.graphemes(true).map(UnicodeWidthStr::width));
    }
}
