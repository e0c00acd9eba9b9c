//! The safety number as people write it and read it out.

use std::collections::HashSet;

use chat_core::trust::safety_number::SafetyNumber;

use crate::locale;

/// So many of the pictures in one text are hardly there by chance.
const TELLING_PICTURES: usize = 3;

/// What a number that was typed is, beside that of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// The same number.
    Same,
    /// Another number.
    Different,
    /// Something else than so many digits, grouped by blanks and dashes.
    NoNumber,
}

/// Compares a number that was typed, in any grouping, with the digits of the call.
pub(crate) fn compare(digits: &str, typed: &str) -> Comparison {
    let plain = |text: &str| text.replace(is_separator, "");
    let (digits, typed) = (plain(digits), plain(typed));
    if digits == typed {
        Comparison::Same
    } else if typed.len() == digits.len() && typed.bytes().all(|byte| byte.is_ascii_digit()) {
        Comparison::Different
    } else {
        Comparison::NoNumber
    }
}

/// Whether a text gives the number away: its digits in any grouping, one group of them alone, or
/// most of its pictures, as such or by name.
pub(crate) fn gives_away(text: &str, number: &SafetyNumber) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let mut runs = text.split(|character: char| !character.is_ascii_digit());
    let is_group = |run: &str| number.digits.split(is_separator).any(|group| group == run);
    if digits.contains(&number.digits.replace(is_separator, "")) || runs.any(is_group) {
        return true;
    }
    let lower = text.to_lowercase();
    let words: HashSet<&str> = lower
        .split(|character: char| !character.is_alphabetic())
        .collect();
    let pictures = HashSet::from(number.emoji);
    let shown = pictures.iter().filter(|(sign, name)| {
        let named = locale::text().picture_name(*sign, name);
        // Not every language has blanks between its words.
        let is_named = named != *name && lower.contains(named);
        text.contains(*sign) || words.contains(name) || is_named
    });
    shown.count() >= TELLING_PICTURES.min(pictures.len())
}

fn is_separator(character: char) -> bool {
    character.is_whitespace() || matches!(character, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number() -> SafetyNumber {
        SafetyNumber {
            digits: "5836 5501".into(),
            emoji: [
                ('🦉', "owl"),
                ('🔑', "key"),
                ('🌈', "rainbow"),
                ('🐝', "bee"),
                ('🦉', "owl"),
            ],
        }
    }

    #[test]
    fn a_number_is_compared_in_any_grouping() {
        let compare = |typed| compare(&number().digits, typed);
        for typed in [
            "58365501",
            " 5836 5501 ",
            "58-36-55-01",
            "5836\u{a0}–\u{2009}5501",
        ] {
            assert_eq!(compare(typed), Comparison::Same, "{typed}");
        }
        for typed in ["58365502", "5501 5836", "0-0-0-0 0000"] {
            assert_eq!(compare(typed), Comparison::Different, "{typed}");
        }
        for typed in [
            "",
            "5836",
            "5836 5501 1",
            "5836550I",
            "5836.5501",
            "owl key",
            "٥٨٣٦٥٥٠١",
        ] {
            assert_eq!(compare(typed), Comparison::NoNumber, "{typed}");
        }
    }

    #[test]
    fn a_text_that_holds_the_number_is_noticed() {
        for text in [
            "58365501",
            "mine is 5836 5501, and yours?",
            "5-8-3-6-5-5-0-1",
            "58 36\n55 01",
            "mine begins with 5836 …",
            "… and ends with 5501",
            "🦉🔑🌈",
            "an Owl, a key and a bee, right?",
            "🦉 key bee",
        ] {
            assert!(gives_away(text, &number()), "{text}");
        }
    }

    #[test]
    fn ordinary_text_is_not_disturbed() {
        for text in [
            "",
            "hello",
            "the key is under the owl",
            "call 0171 5836550 after 8",
            "15836",
            "keys, bees, owls, rainbows",
        ] {
            assert!(!gives_away(text, &number()), "{text}");
        }
    }
}
