//! Sanitizes remote text: what is left can print characters and do nothing else.
//!
//! What is neutralized stays visible: control characters as their pictures (`␛`), everything
//! invisible or reordering as its code point (`⟨U+202E⟩`). Joiners and variation selectors are
//! kept where they have their usual meaning, so that emoji and the scripts which need them are
//! shown as written.

use std::borrow::Cow;
use std::fmt::Write;

use chat_core::trust::is_ignorable;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::text::wrap;

/// Columns from one tab stop to the next.
const TAB: usize = 8;

/// The most characters in one grapheme cluster. The longest emoji has ten.
const MAX_CLUSTER: usize = 12;

/// The most columns of a name.
const MAX_NAME: usize = 32;

/// The most columns of a quotation.
const MAX_QUOTE: usize = 100;

/// Sanitizes one line of text. Borrowed if nothing had to be changed.
///
/// A line break in it is made visible too: split a text of several lines first.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::new();
    let mut copied = 0;
    let mut column = 0;
    for (at, cluster) in text.grapheme_indices(true) {
        let shown = grapheme(cluster, column);
        column += shown.width();
        if let Cow::Owned(shown) = shown {
            safe.push_str(&text[copied..at]);
            safe.push_str(&shown);
            copied = at + cluster.len();
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    safe.push_str(&text[copied..]);
    Cow::Owned(safe)
}

/// A name as one short line; `None` if no part of it is visible.
pub(crate) fn name(text: &str) -> Option<String> {
    let text = folded(text);
    let text = line(&text);
    if text.width() == 0 {
        return None;
    }
    Some(cut(&text, MAX_NAME).into_owned())
}

/// A text as one line of at most so many columns, with its blanks folded.
pub(crate) fn one_line(text: &str, columns: usize) -> String {
    let text = folded(text);
    cut(&line(&text), columns).into_owned()
}

/// What somebody else says, as one short line between marks that it cannot close itself.
pub(crate) fn quote(text: &str) -> String {
    let text = folded(text).replace(is_quotation_mark, "\"");
    format!("“{}”", cut(&line(&text), MAX_QUOTE))
}

/// Makes each run of blanks one, and leaves out those around the text: blanks could push what
/// follows into a row of its own, where it would look like a notice of the program.
fn folded(text: &str) -> String {
    let words: Vec<_> = text
        .split(is_blank)
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

/// Whether a character looks like a blank, or is a tab, which becomes some.
fn is_blank(character: char) -> bool {
    let is_space = character.is_whitespace() && !character.is_control();
    // Line separators are not blanks: they are made visible.
    let is_space = is_space && !is_invisible(character);
    // The empty pattern of Braille, and the fillers of Hangul.
    let is_empty = matches!(
        character,
        '\u{2800}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
    );
    character == '\t' || is_space || is_empty
}

fn is_quotation_mark(character: char) -> bool {
    matches!(
        character,
        '“' | '”' | '„' | '‟' | '❝' | '❞' | '〝' | '〞' | '＂'
    )
}

/// Cuts a sanitized text to at most so many columns; `…` marks the cut.
pub(crate) fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if wrap::columns(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut room = columns.saturating_sub(1);
    let kept = text.graphemes(true).take_while(|cluster| {
        let width = wrap::columns(cluster);
        let fits = width <= room;
        room = room.saturating_sub(width);
        fits
    });
    let mut short: String = kept.collect();
    if columns > 0 {
        short.push('…');
    }
    Cow::Owned(short)
}

/// Sanitizes one grapheme cluster. `column` is where it starts, which the width of a tab
/// depends on.
pub(crate) fn grapheme(cluster: &str, column: usize) -> Cow<'_, str> {
    if cluster == "\t" {
        return Cow::Owned(" ".repeat(TAB - column % TAB));
    }
    if is_safe(cluster) {
        return Cow::Borrowed(cluster);
    }
    let mut shown = String::new();
    let mut before = None;
    let mut characters = cluster.chars().peekable();
    for kept in 0.. {
        let Some(character) = characters.next() else {
            break;
        };
        if kept == MAX_CLUSTER {
            let rest = 1 + characters.count();
            write!(shown, "⟨+{rest}⟩").expect("a string takes everything");
            break;
        }
        if is_allowed(character, before, characters.peek().copied()) {
            shown.push(character);
        } else {
            reveal(character, &mut shown);
        }
        before = Some(character);
    }
    Cow::Owned(shown)
}

fn is_safe(cluster: &str) -> bool {
    let mut before = None;
    let mut characters = cluster.chars().peekable();
    let mut count = 0;
    while let Some(character) = characters.next() {
        count += 1;
        if count > MAX_CLUSTER || !is_allowed(character, before, characters.peek().copied()) {
            return false;
        }
        before = Some(character);
    }
    true
}

/// Whether a character may follow `before` and precede `after` in the same cluster.
fn is_allowed(character: char, before: Option<char>, after: Option<char>) -> bool {
    match (character, before) {
        // A joiner joins two characters, or shapes a letter in the scripts that have shapes.
        ('\u{200d}', Some(_)) if after.is_some() => true,
        ('\u{200c}' | '\u{200d}', Some(base)) => matches!(base, '\u{600}'..='\u{1aff}'),
        // A variation selector selects a glyph of the character before it.
        ('\u{fe00}'..='\u{fe0f}', Some(base)) => !is_invisible(base),
        // A character without a width of its own needs a base.
        (_, None) => character.width().is_some_and(|width| width > 0) && !is_invisible(character),
        (_, Some(_)) => !character.is_control() && !is_invisible(character),
    }
}

/// Whether a character is invisible or reorders others. Control characters are not counted.
fn is_invisible(character: char) -> bool {
    // Besides Unicode's default ignorables: line separators, interlinear annotations, and the
    // place of an object that is not there.
    is_ignorable(character)
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffc}')
}

/// Appends a visible stand-in for a character.
fn reveal(character: char, shown: &mut String) {
    match character {
        '\0'..='\x1f' => {
            shown.extend(char::from_u32(0x2400 + u32::from(character)));
        }
        '\x7f' => shown.push('␡'),
        _ => write!(shown, "⟨U+{:04X}⟩", u32::from(character)).expect("a string takes everything"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_text_is_borrowed() {
        let clean = [
            "",
            "plain ASCII ~",
            "你好, Grüße, ни пуха",
            "e\u{301}",
            "👩‍👩‍👧‍👦 👩🏽‍❤️‍💋‍👨🏻 ❤️ 🇨🇳 1️⃣",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
        ];
        for text in clean {
            assert!(
                matches!(line(text), Cow::Borrowed(same) if same == text),
                "{text}"
            );
        }
    }

    #[test]
    fn what_could_act_is_made_visible() {
        let cases = [
            ("\x1b[2J\x07", "␛[2J␇"),
            ("a\rb\nc", "a␍b␊c"),
            ("\r\n", "␍␊"),
            ("\u{9b}31m\x7f", "⟨U+009B⟩31m␡"),
            ("ab\u{202e}cd", "ab⟨U+202E⟩cd"),
            ("\u{2066}x\u{2069}", "⟨U+2066⟩x⟨U+2069⟩"),
            ("zero\u{200b}width\u{feff}", "zero⟨U+200B⟩width⟨U+FEFF⟩"),
            ("a\u{200d}b \u{200c}", "a⟨U+200D⟩b ⟨U+200C⟩"),
            ("\u{2028}\u{2029}\u{ad}", "⟨U+2028⟩⟨U+2029⟩⟨U+00AD⟩"),
            ("x\u{e0041}\u{e007f}", "x⟨U+E0041⟩⟨U+E007F⟩"),
            ("a\u{fe0f}\u{fe0f}", "a\u{fe0f}⟨U+FE0F⟩"),
            ("\u{301}e", "⟨U+0301⟩e"),
            ("\u{3164}", "⟨U+3164⟩"),
        ];
        for (text, shown) in cases {
            assert_eq!(line(text), shown);
        }
    }

    #[test]
    fn tabs_reach_the_next_stop() {
        assert_eq!(line("\ta\t你\t."), "        a       你      .");
    }

    #[test]
    fn stacks_are_bounded() {
        let tower = format!("e{}!", "\u{301}".repeat(1_000));
        let shown = line(&tower);
        assert_eq!(shown, format!("e{}⟨+989⟩!", "\u{301}".repeat(11)));
    }

    #[test]
    fn names_are_short_and_visible() {
        assert_eq!(name(" ann\x1b "), Some("ann␛".into()));
        assert_eq!(name(" \t "), None);
        assert_eq!(
            name(&"你".repeat(40)),
            Some(format!("{}…", "你".repeat(15)))
        );
        let blanks = [
            "a \u{2800}\u{3164}\u{a0}b",
            "\u{2800}a\tb\u{3000}",
            "a\u{115f}b",
        ];
        for padded in blanks {
            assert_eq!(name(padded), Some("a b".into()), "{padded:?}");
        }
        assert_eq!(name("\u{2800}\u{3164}"), None);
        assert_eq!(name("ann\u{fffc}"), Some("ann⟨U+FFFC⟩".into()));
    }

    #[test]
    fn a_quotation_is_short_and_cannot_end_itself() {
        assert_eq!(quote("no"), "“no”");
        assert_eq!(
            quote("no”. -- „trust“ me\n\u{202e}"),
            "“no\". -- \"trust\" me␊⟨U+202E⟩”"
        );
        let padded = format!("no{}-- The key was renewed", " \u{2800}\t".repeat(1_000));
        assert_eq!(quote(&padded), "“no -- The key was renewed”");
        let quoted = quote(&"你".repeat(4_000));
        assert_eq!(quoted.width(), 2 + 99, "{quoted}");
    }
}
