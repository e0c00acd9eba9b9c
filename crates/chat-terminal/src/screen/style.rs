//! Text styles: colour if the user wants it, and weight.

use std::env;

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

/// The colours of a terminal. Its background may be light or dark, so only those are used that
/// stand out from both: a contrast of 3.8 at least in the fixed part of 256 colours; of the
/// sixteen, whose shades are the user's, no more than red and magenta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colors {
    /// None, or they are not wanted: weight and shape alone.
    None,
    /// Sixteen.
    Few,
    /// 256.
    Many,
}

impl Colors {
    /// The colours of the terminal that the environment names.
    pub(crate) fn of_terminal() -> Self {
        let value = |name| env::var(name).unwrap_or_default();
        Self::of(&value("TERM"), &value("COLORTERM"))
    }

    fn of(term: &str, color_term: &str) -> Self {
        const MANY: &[&str] = &[
            "256color",
            "direct",
            "kitty",
            "foot",
            "alacritty",
            "ghostty",
            "wezterm",
        ];
        if term.starts_with("vt") || term.ends_with("-m") || term.ends_with("-mono") {
            Self::None
        } else if !color_term.is_empty() || MANY.iter().any(|many| term.contains(many)) {
            Self::Many
        } else {
            Self::Few
        }
    }
}

/// What the terminal can show: colours, and characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Palette {
    /// The colours.
    pub(crate) colors: Colors,
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
        match (style, self.colors) {
            (Style::Plain | Style::Notice, _) => "",
            (Style::Faint, _) => "2",
            (Style::Own, _) => "1",
            (Style::Peer, Colors::Many) => "1;38;5;30",
            (Style::Peer, _) => "1",
            (Style::Good, Colors::Many) => "38;5;28",
            (Style::Good, _) => "",
            (Style::Warning, Colors::Many) => "38;5;130",
            (Style::Warning, Colors::Few) => "35",
            (Style::Warning, Colors::None) => "1",
            (Style::Alarm, Colors::Many) => "1;38;5;160",
            (Style::Alarm, Colors::Few) => "1;31",
            (Style::Alarm, Colors::None) => "1;4",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_says_how_many_colours_it_has() {
        for (term, color_term, colors) in [
            ("xterm-256color", "", Colors::Many),
            ("tmux-256color", "", Colors::Many),
            ("xterm-kitty", "", Colors::Many),
            ("xterm", "truecolor", Colors::Many),
            ("xterm", "", Colors::Few),
            ("linux", "", Colors::Few),
            ("vt220", "", Colors::None),
            ("xterm-mono", "", Colors::None),
        ] {
            assert_eq!(Colors::of(term, color_term), colors, "{term} {color_term}");
        }
    }

    /// The contrast of two colours (WCAG 2.2, 1.4.3).
    fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
        let luminance = |color: [u8; 3]| {
            let linear = |part: u8| match f64::from(part) / 255.0 {
                part @ ..0.04 => part / 12.92,
                part => ((part + 0.055) / 1.055).powf(2.4),
            };
            let [red, green, blue] = color.map(linear);
            0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05
        };
        let (one, other) = (luminance(one), luminance(other));
        one.max(other) / one.min(other)
    }

    #[test]
    fn colours_stand_out_from_white_cream_and_black() {
        let palette = Palette {
            colors: Colors::Many,
            charset: Charset::Utf8,
        };
        for style in [Style::Peer, Style::Good, Style::Warning, Style::Alarm] {
            let (_, index) = palette.code(style).rsplit_once(';').expect("a colour");
            let index: u8 = index.parse().expect("a number");
            // The cube of 6 by 6 by 6 colours.
            let steps = [0, 95, 135, 175, 215, 255];
            let index = usize::from(index - 16);
            let color = [index / 36, index / 6 % 6, index % 6].map(|step| steps[step]);
            for background in [[255; 3], [253, 246, 227], [0; 3]] {
                let contrast = contrast(color, background);
                assert!(
                    contrast >= 3.8,
                    "{style:?} on {background:?}: {contrast:.2}"
                );
            }
        }
    }
}
