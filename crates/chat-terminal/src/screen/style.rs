//! Text styles: colour if the user wants it, and weight.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::text::charset::Charset;
use crate::text::sanitize;

/// The style of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Messages and the draft.
    Plain,
    /// Less important text: times, hints.
    Faint,
    /// The peer's name.
    Peer,
    /// The mark of this side's messages.
    Own,
    /// A notice of the program.
    Notice,
    /// Good news.
    Good,
    /// A warning.
    Warning,
    /// A warning that must not be overlooked.
    Alarm,
}

/// What the terminal can show: colours, and characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Palette {
    /// Whether to use colours, and not only weight.
    pub(crate) color: bool,
    /// The characters.
    pub(crate) charset: Charset,
}

impl Palette {
    /// Appends sanitized text in a style.
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

/// A row of the screen, never wider than the screen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// The text with its escape sequences.
    pub(crate) text: String,
    /// The width of each grapheme cluster in it.
    pub(crate) widths: Vec<usize>,
}

impl Row {
    /// The width of the row, in columns.
    pub(crate) fn width(&self) -> usize {
        self.widths.iter().sum()
    }

    /// Appends as much of a sanitized text as fits into a row of `columns`.
    pub(crate) fn push(&mut self, palette: Palette, style: Style, text: &str, columns: usize) {
        let text = palette.charset.show(text);
        let text = sanitize::cut(&text, columns.saturating_sub(self.width()));
        palette.paint(style, &text, &mut self.text);
        self.widths
            .extend(text.graphemes(true).map(UnicodeWidthStr::width));
    }
}
