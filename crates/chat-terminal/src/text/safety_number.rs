//! The safety number as people write it and read it out.

use std::collections::HashSet;

use chat_core::trust::safety_number::SafetyNumber;

/// So many of the pictures in one text are hardly there by chance.
const TELLING_PICTURES: usize = 3;

/// The digits in two groups, which are easier to read out: `5836 5501`.
pub(crate) fn grouped(digits: &str) -> String {
    let (first, second) = halves(digits);
    format!("{first} {second}")
}

/// The digits of a number that was typed, however they are grouped by blanks and dashes; `None`
/// if it has anything else in it.
pub(crate) fn typed_digits(typed: &str) -> Option<String> {
    let characters = typed.chars().filter(|character| !is_separator(*character));
    characters
        .map(|character| character.is_ascii_digit().then_some(character))
        .collect()
}

/// Whether a text gives the number away: its digits in any grouping, one group of them alone, or
/// most of its pictures, as such or by name.
pub(crate) fn gives_away(text: &str, number: &SafetyNumber) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (first, second) = halves(&number.digits);
    let mut runs = text.split(|character: char| !character.is_ascii_digit());
    if digits.contains(&number.digits) || runs.any(|run| run == first || run == second) {
        return true;
    }
    let lower = text.to_lowercase();
    let words: HashSet<&str> = lower
        .split(|character: char| !character.is_alphabetic())
        .collect();
    let pictures = HashSet::from(number.emoji);
    let shown = pictures
        .iter()
        .filter(|(sign, name)| text.contains(*sign) || words.contains(name));
    shown.count() >= TELLING_PICTURES.min(pictures.len())
}

fn halves(digits: &str) -> (&str, &str) {
    digits.split_at(digits.len() / 2)
}

fn is_separator(character: char) -> bool {
    character.is_whitespace() || matches!(character, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number() -> SafetyNumber {
        SafetyNumber {
            digits: "58365501".into(),
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
    fn digits_are_grouped_for_the_ear() {
        assert_eq!(grouped("58365501"), "5836 5501");
        assert_eq!(grouped("583655"), "583 655");
    }

    #[test]
    fn a_number_is_typed_in_any_grouping() {
        for typed in [
            "58365501",
            " 5836 5501 ",
            "58-36-55-01",
            "5836\u{a0}–\u{2009}5501",
        ] {
            assert_eq!(typed_digits(typed).as_deref(), Some("58365501"), "{typed}");
        }
        for typed in ["5836550I", "5836.5501", "owl key", "٥٨٣٦"] {
            assert_eq!(typed_digits(typed), None, "{typed}");
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
