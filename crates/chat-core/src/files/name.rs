//! Names of files, made safe: what a peer calls a file is a wish.

use std::fmt;

use unicode_segmentation::UnicodeSegmentation;

use crate::trust::is_ignorable;

/// The longest name of a file, in bytes (limits.h, `NAME_MAX`).
pub const MAX_NAME: usize = 255;

/// The longest ending that is kept when a name is cut, with its dot, in bytes.
const MAX_ENDING: usize = 16;

/// What a file is called that has no name.
const NAMELESS: &str = "file";

/// What takes the place of a character that a name must not have.
const STAND_IN: char = '_';

/// Names that Windows takes for devices, whatever their ending: a disk may be carried there.
const RESERVED: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// One component of a path that can be shown and made: no separator, nothing invisible, no
/// leading dot, dash or tilde, at most 255 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName(String);

impl FileName {
    /// The nearest safe name to any text.
    pub fn sanitize(wish: &str) -> Self {
        let clean: String = wish.chars().map(safe).collect();
        let mut name = clean.trim().to_owned();
        // A hidden file, an option, a home directory: none of them at its word.
        if name.starts_with(['.', '-', '~']) {
            name.replace_range(..1, "_");
        }
        let end = name.trim_end_matches(['.', ' ']).len();
        name.truncate(end);
        if name.is_empty() || name.chars().all(|character| character == STAND_IN) {
            name = NAMELESS.to_owned();
        }
        let stem = name.split('.').next().unwrap_or_default().trim_end();
        if RESERVED.contains(&stem.to_ascii_lowercase().as_str()) {
            name.insert(0, STAND_IN);
        }
        // A cut within a long ending may leave a short one, which is trimmed before its dot too.
        let cut = fitting(&name, "");
        Self(fitting(&cut, ""))
    }

    /// The name of the n-th file that wants this one: from the second on with its number, before
    /// the ending.
    pub fn numbered(&self, n: u32) -> Self {
        match n {
            0 | 1 => self.clone(),
            n => Self(fitting(&self.0, &format!(" ({n})"))),
        }
    }

    /// The same with this after it.
    pub(crate) fn with_suffix(&self, suffix: &str) -> Self {
        let room = MAX_NAME - suffix.len();
        Self(format!("{}{suffix}", cut(&self.0, room)))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The character, or what takes its place.
fn safe(character: char) -> char {
    match character {
        '/' | '\\' => STAND_IN,
        // Separators of lines and annotations; no characters at all; places of nothing.
        '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffd}' => STAND_IN,
        '\u{2800}' => STAND_IN,
        _ if character.is_control() || is_ignorable(character) => STAND_IN,
        _ if character.is_whitespace() => ' ',
        _ => character,
    }
}

/// The name with `number` before its ending, cut to 255 bytes by whole characters as people see
/// them.
fn fitting(name: &str, number: &str) -> String {
    let ending = match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= MAX_ENDING => &name[dot..],
        _ => "",
    };
    let stem = &name[..name.len() - ending.len()];
    let stem = cut(stem, MAX_NAME - ending.len() - number.len());
    format!("{}{number}{ending}", stem.trim_end_matches([' ', '.']))
}

/// At most so many bytes, in whole characters.
fn cut(text: &str, room: usize) -> &str {
    if text.len() <= room {
        return text;
    }
    let end = text
        .grapheme_indices(true)
        .map(|(at, whole)| at + whole.len());
    match end.take_while(|&end| end <= room).last() {
        Some(end) => &text[..end],
        // One character of marks without end.
        None => &text[..text.floor_char_boundary(room)],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_made_safe() {
        for (wish, name) in [
            ("report.pdf", "report.pdf"),
            ("你好.txt", "你好.txt"),
            ("12:30 notes", "12:30 notes"),
            ("../../etc/passwd", "_._._etc_passwd"),
            ("/etc/passwd", "_etc_passwd"),
            ("..\\..\\boot.ini", "_._.._boot.ini"),
            (".bashrc", "_bashrc"),
            ("-rf", "_rf"),
            ("~root", "_root"),
            ("..", "file"),
            (".", "file"),
            ("", "file"),
            (" \u{3000}\t", "file"),
            ("a\nb\x1b[2Jc\0", "a_b_[2Jc_"),
            ("invoice\u{202e}fdp.exe", "invoice_fdp.exe"),
            ("a\u{200b}b\u{2066}", "a_b_"),
            ("trailing. . ", "trailing"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("com1 .log", "_com1.log"),
            ("console", "console"),
        ] {
            assert_eq!(FileName::sanitize(wish).as_str(), name, "{wish:?}");
        }
    }

    #[test]
    fn a_number_stands_before_the_ending() {
        let numbered = |name: &str, n| FileName::sanitize(name).numbered(n).0;
        assert_eq!(numbered("report.pdf", 1), "report.pdf");
        assert_eq!(numbered("report.pdf", 2), "report (2).pdf");
        assert_eq!(numbered("archive.tar.gz", 3), "archive.tar (3).gz");
        assert_eq!(numbered("README", 2), "README (2)");
        let long = numbered(&format!("{}.pdf", "安".repeat(100)), 12);
        assert!(
            long.ends_with("安 (12).pdf") && long.len() <= MAX_NAME,
            "{long}"
        );
    }

    #[test]
    fn a_long_name_is_cut_by_whole_characters_and_keeps_its_ending() {
        let flags = FileName::sanitize(&format!("{}.png", "🇨🇳".repeat(60)));
        assert_eq!(flags.0.len(), 8 * 31 + 4);
        assert!(flags.0.ends_with("🇨🇳.png"));
        let marks = FileName::sanitize(&format!("e{}", "\u{301}".repeat(1_000)));
        assert_eq!(marks.0.len(), MAX_NAME);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn every_name_is_one_safe_component(wish in "(\\PC|[./\\\\~ -]|\\p{C}|\\p{Z}){0,300}", n in 0_u32..5_000) {
            let name = FileName::sanitize(&wish);
            for name in [name.clone(), name.numbered(n), name.with_suffix(".damaged")] {
                let FileName(name) = name;
                prop_assert!(!name.is_empty() && name.len() <= MAX_NAME, "{name:?}");
                prop_assert!(!name.starts_with(['.', '-', '~', ' ']), "{name:?}");
                prop_assert!(!name.contains(['/', '\\', '\0']), "{name:?}");
                prop_assert!(!name.chars().any(|c| c.is_control() || is_ignorable(c)), "{name:?}");
            }
            prop_assert_eq!(FileName::sanitize(name.as_str()), name, "it is safe already");
        }
    }
}
