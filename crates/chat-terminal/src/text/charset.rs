//! The characters that a terminal can show, by the codeset of the locale.
//!
//! To a terminal that is not UTF-8, the bytes of a harmless character may be a control: U+06DB
//! ends with 0x9B, which is CSI (ECMA-48, 5.4). What it cannot show is transliterated, or else
//! written as its code point.

use std::borrow::Cow;
use std::env;
use std::fmt::Write;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::decompose_compatible;

/// What a terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Charset {
    /// All characters.
    #[default]
    Utf8,
    /// ISO 8859-1, a byte each.
    Latin1,
    /// ASCII, which all others contain.
    Ascii,
}

impl Charset {
    /// The codeset of the locale, by the environment (POSIX, 8.2).
    pub(crate) fn of_locale() -> Self {
        let names = ["LC_ALL", "LC_CTYPE", "LANG"].map(env::var);
        let mut set = names.into_iter().flatten().filter(|name| !name.is_empty());
        Self::of(&set.next().unwrap_or_default())
    }

    /// The codeset of a locale such as `de_DE.ISO-8859-1@euro`.
    fn of(locale: &str) -> Self {
        let codeset = locale.split_once('.').map_or("", |(_, codeset)| codeset);
        let codeset = codeset.split('@').next().unwrap_or_default();
        let letters = codeset.chars().filter(char::is_ascii_alphanumeric);
        match letters.collect::<String>().to_ascii_lowercase().as_str() {
            "utf8" => Self::Utf8,
            "iso88591" => Self::Latin1,
            _ => Self::Ascii,
        }
    }

    fn has(self, character: char) -> bool {
        match self {
            Self::Utf8 => true,
            Self::Latin1 => matches!(character, '\0'..='\x7f' | '\u{a0}'..='\u{ff}'),
            Self::Ascii => character.is_ascii(),
        }
    }

    /// A sanitized text as this terminal can show it. Borrowed if it can.
    pub(crate) fn show(self, text: &str) -> Cow<'_, str> {
        if self == Self::Utf8 || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let mut shown = String::new();
        for character in text.nfc() {
            self.push(character, &mut shown);
        }
        match shown == text {
            true => Cow::Borrowed(text),
            false => Cow::Owned(shown),
        }
    }

    fn push(self, character: char, shown: &mut String) {
        if self.has(character) {
            return shown.push(character);
        }
        if let Some(like) = transliteration(character) {
            return shown.push_str(like);
        }
        let mut parts = String::new();
        decompose_compatible(character, |part| {
            if !is_accent(part) {
                parts.push(part);
            }
        });
        let is_visible = |part| self.has(part) && !char::is_control(part);
        if !parts.is_empty() && parts.chars().all(is_visible) {
            shown.push_str(&parts);
        } else if !(is_accent(character) && shown.ends_with(char::is_alphabetic)) {
            write!(shown, "<U+{:04X}>", u32::from(character)).expect("a string takes everything");
        }
    }

    /// The bytes of a frame. What [`show`](Self::show) has not seen is a question mark.
    pub(crate) fn encode(self, frame: String) -> Vec<u8> {
        if self == Self::Utf8 || frame.is_ascii() {
            return frame.into_bytes();
        }
        let byte = |character| match character {
            '…' => b'.',
            _ if self.has(character) => character as u8,
            _ => b'?',
        };
        frame.chars().map(byte).collect()
    }

    /// What was typed, as UTF-8. In a locale without a codeset, the terminal may well send that.
    pub(crate) fn decode(self, typed: &[u8]) -> Cow<'_, [u8]> {
        if self != Self::Latin1 || typed.is_ascii() {
            return Cow::Borrowed(typed);
        }
        let text: String = typed.iter().copied().map(char::from).collect();
        Cow::Owned(text.into_bytes())
    }
}

/// Whether a character is an accent on the letter before it.
fn is_accent(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}')
}

/// What stands for a character in plain ASCII, where its decomposition does not tell.
fn transliteration(character: char) -> Option<&'static str> {
    Some(match character {
        '…' => "...",
        '·' | '․' => ".",
        '•' | '◦' | '∙' => "*",
        '‘' | '’' | '‚' | '′' => "'",
        '“' | '”' | '„' | '″' | '«' | '»' => "\"",
        '‐' | '‑' | '–' | '−' => "-",
        '—' => "--",
        '│' => "|",
        '─' => "-",
        '✓' => "+",
        '✗' | '×' => "x",
        '↑' => "^",
        '↓' => "v",
        '→' => "->",
        '←' => "<-",
        '⟨' => "<",
        '⟩' => ">",
        '🔒' => "TLS,",
        '€' => "EUR",
        'ß' => "ss",
        'ẞ' => "SS",
        'æ' => "ae",
        'Æ' => "AE",
        'œ' => "oe",
        'Œ' => "OE",
        'ø' => "o",
        'Ø' => "O",
        'ł' => "l",
        'Ł' => "L",
        'đ' | 'ð' => "d",
        'Đ' | 'Ð' => "D",
        'þ' => "th",
        'Þ' => "Th",
        'ı' => "i",
        '\u{2400}'..='\u{241f}' => CONTROLS[character as usize - 0x2400],
        '␡' => "^?",
        _ => return None,
    })
}

/// The pictures of control characters, in caret notation.
const CONTROLS: [&str; 32] = [
    "^@", "^A", "^B", "^C", "^D", "^E", "^F", "^G", "^H", "^I", "^J", "^K", "^L", "^M", "^N", "^O",
    "^P", "^Q", "^R", "^S", "^T", "^U", "^V", "^W", "^X", "^Y", "^Z", "^[", "^\\", "^]", "^^",
    "^_",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codeset_decides() {
        for utf8 in ["C.UTF-8", "en_GB.utf8", "de_DE.UTF-8@euro", "zh_CN.Utf-8"] {
            assert_eq!(Charset::of(utf8), Charset::Utf8, "{utf8}");
        }
        for latin1 in ["de_DE.ISO-8859-1", "de_DE.iso88591"] {
            assert_eq!(Charset::of(latin1), Charset::Latin1, "{latin1}");
        }
        for ascii in ["", "C", "POSIX", "zh_CN.GBK", "de_DE.ISO-8859-15", "en_GB"] {
            assert_eq!(Charset::of(ascii), Charset::Ascii, "{ascii}");
        }
    }

    #[test]
    fn what_cannot_be_shown_is_like_it_or_its_number() {
        let ascii = |text| Charset::Ascii.show(text).into_owned();
        assert_eq!(ascii("“Grüße” – café … Łódź"), "\"Grusse\" - cafe ... Lodz");
        assert_eq!(ascii("␛[2J ⟨U+202E⟩"), "^[[2J <U+202E>");
        assert_eq!(ascii("你\u{6db}"), "<U+4F60><U+06DB>");
        assert_eq!(ascii("e\u{301}ﬁ Ａ"), "efi A");
        assert_eq!(
            Charset::Latin1.show("Gru\u{308}ße ✓ 你"),
            "Grüße + <U+4F60>"
        );
        assert_eq!(Charset::Utf8.show("你\u{6db}"), "你\u{6db}");
    }

    #[test]
    fn no_other_byte_is_written() {
        let every: String = ('\u{20}'..=char::MAX).collect();
        for (charset, allowed) in [
            (Charset::Ascii, 0x20..=0x7f),
            (Charset::Latin1, 0x20..=0xff),
        ] {
            for text in [every.clone(), charset.show(&every).into_owned()] {
                let bytes = charset.encode(text);
                let bad = |byte: &&u8| !allowed.contains(*byte) || (0x80..0xa0).contains(*byte);
                assert_eq!(bytes.iter().find(bad), None, "{charset:?}");
            }
        }
    }

    #[test]
    fn what_is_typed_is_read_in_the_same_codeset() {
        assert_eq!(*Charset::Latin1.decode(b"caf\xe9"), *"café".as_bytes());
        assert_eq!(
            *Charset::Ascii.decode("café".as_bytes()),
            *"café".as_bytes()
        );
    }
}
