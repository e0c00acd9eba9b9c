//! What is searched for in journals: first in their bytes, as JSON has it, then in the texts.

use std::collections::HashMap;
use std::fmt::Write;
use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use regex::bytes::Regex;

/// The longest text that can be searched for, in bytes.
const MAX_NEEDLE: usize = 1024;

/// What stands before the text of a record.
const TEXT: &[u8] = br#","text":""#;

/// What stands after it, in bytes: `","sum":"01234567"}`.
const AFTER_TEXT: usize = 19;

/// The characters of which [`fold`] makes another, by that one. The table that a regular expression
/// would have for this is so large that each start takes longer.
static CASES: LazyLock<HashMap<char, Vec<char>>> = LazyLock::new(|| {
    let mut cases: HashMap<_, Vec<_>> = HashMap::new();
    for c in '\0'..=LAST_WITH_CASE {
        let folded = fold(c);
        if folded != c {
            cases.entry(folded).or_default().push(c);
        }
    }
    cases
});

/// No character after this plane has a case.
const LAST_WITH_CASE: char = '\u{1ffff}';

/// A text to search for, in upper or lower case, by Unicode's simple mappings.
#[derive(Clone, Debug)]
pub(super) struct Needle {
    text: Regex,
    /// The same as it is written in JSON.
    json: Regex,
    text_begins: Finder<'static>,
}

/// The text is too long to be searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_NEEDLE} bytes cannot be searched for")]
pub struct NeedleTooLong;

impl Needle {
    pub(super) fn new(text: &str) -> Result<Self, NeedleTooLong> {
        if text.len() > MAX_NEEDLE {
            return Err(NeedleTooLong);
        }
        let literal = |text: &str| Regex::new(&in_any_case(text)).map_err(|_| NeedleTooLong);
        let json = serde_json::to_string(text).expect("a string is JSON");
        Ok(Self {
            text: literal(text)?,
            json: literal(&json[1..json.len() - 1])?,
            text_begins: Finder::new(TEXT),
        })
    }

    /// Where it stands first in these lines, be it outside a text.
    pub(super) fn find(&self, lines: &[u8]) -> Option<Range<usize>> {
        self.json.find(lines).map(|found| found.range())
    }

    /// Whether it may be in the text of the record in this line, in which it was found first here.
    pub(super) fn may_be_in(&self, line: &[u8], found: &Range<usize>) -> bool {
        let Some(start) = self.text_begins.find(line) else {
            return false;
        };
        let start = start + TEXT.len();
        // Whatever has no such end is damaged, and named as that.
        let Some(end) = line
            .len()
            .checked_sub(AFTER_TEXT)
            .filter(|end| *end >= start)
        else {
            return true;
        };
        let is_there = start <= found.start && found.end <= end;
        is_there || self.json.is_match(&line[start..end])
    }

    /// Whether it is in this text.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.text.is_match(text.as_bytes())
    }
}

/// A regular expression for this text, in upper or lower case.
fn in_any_case(text: &str) -> String {
    let mut pattern = String::new();
    for folded in text.chars().map(fold) {
        let others = CASES.get(&folded).into_iter().flatten().copied();
        pattern.push('[');
        for c in others.chain([folded]) {
            let _ = write!(pattern, r"\x{{{:x}}}", u32::from(c));
        }
        pattern.push(']');
    }
    pattern
}

/// The one character that stands for this one and those which differ from it only in case. Upper
/// case comes first, in which final and other sigmas are one.
fn fold(c: char) -> char {
    let upper = only(c.to_uppercase()).unwrap_or(c);
    only(upper.to_lowercase()).unwrap_or(upper)
}

/// The only one of these, if there is but one.
fn only(mut characters: impl ExactSizeIterator<Item = char>) -> Option<char> {
    characters.next().filter(|_| characters.len() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_makes_no_difference_in_any_script() {
        for (needle, text) in [
            ("train", "The TRAIN is late"),
            ("ZÜRICH", "nach Zürich"),
            ("ПРИВЕТ", "ну привет"),
            ("σασ", "ΣΑΣ"),
            ("ΣΑΣ", "σας"),
            ("straße", "STRAẞE"),
            ("kelvin", "\u{212a}ELVIN"),
            ("a.c", "A.C"),
            ("", "anything"),
        ] {
            let needle = Needle::new(needle).expect("short enough");
            assert!(needle.is_in(text), "{text}");
        }
        let dot = Needle::new("a.c").expect("short enough");
        assert!(!dot.is_in("abc"));
    }

    #[test]
    fn what_is_too_long_is_refused() {
        assert!(Needle::new(&"ß".repeat(512)).is_ok());
        assert!(Needle::new(&"x".repeat(1025)).is_err());
    }
}
