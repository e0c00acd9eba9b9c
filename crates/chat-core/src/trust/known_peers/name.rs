//! Names of peers: made fit for the file, and compared by how they look.

use unicode_normalization::UnicodeNormalization;

use crate::trust::ignorable::is_ignorable;

/// The longest name that is remembered, in bytes.
pub(super) const MAX_NAME: usize = 64;

/// What a fingerprint begins with: no name may pass for one.
const FINGERPRINT: &str = "SHA256:";

/// The characters that look like others, in order, and where in [`LOOKS`] that look begins.
static LOOK_ALIKES: &[(char, u16)] = include!(concat!(env!("OUT_DIR"), "/look_alikes.rs"));

/// How they look, one behind the other.
static LOOKS: &str = include_str!(concat!(env!("OUT_DIR"), "/looks.txt"));

/// A claimed name, reduced to visible characters in one field; `None` if nothing is left.
pub(super) fn tidy(claimed: &str) -> Option<String> {
    let words = claimed
        .split(|c: char| c.is_whitespace() || c == ',')
        .map(|word| word.replace(|c: char| c.is_control() || is_invisible(c), ""))
        .filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("-");
    // A name may look neither like a comment nor like an option on a command line.
    let name = name.trim_start_matches(['#', '-']);
    let name = name.replacen(FINGERPRINT, "SHA256-", 1);
    let name = &name[..name.floor_char_boundary(MAX_NAME)];
    (!name.is_empty()).then(|| name.to_owned())
}

/// How a name looks: equal for names that people could take for each other.
///
/// This is the skeleton of UTS 39, section 4, of a name without compatibility forms (such as
/// full-width letters), accents and case. It is only for comparing: it need not be readable.
pub(super) fn likeness(name: &str) -> String {
    let visible = name.nfkd().filter(|c| !is_accent(*c) && !is_invisible(*c));
    // The skeleton takes a capital I for an l, so a small i must be one too.
    let lower = skeleton(&visible.collect::<String>()).to_lowercase();
    skeleton(&lower).replace('i', "l")
}

/// The skeleton of a text without ignorable characters.
fn skeleton(text: &str) -> String {
    let mut looks = String::new();
    for c in text.nfd() {
        match LOOK_ALIKES.binary_search_by_key(&c, |(alike, _)| *alike) {
            Ok(index) => {
                let start = LOOK_ALIKES[index].1 as usize;
                let next = LOOK_ALIKES.get(index + 1);
                let end = next.map_or(LOOKS.len(), |(_, start)| *start as usize);
                looks.push_str(&LOOKS[start..end]);
            }
            Err(_) => looks.push(c),
        }
    }
    looks.nfd().collect()
}

/// Characters that leave no trace in a name: ignorable ones, the blank of Braille, and the
/// stand-in for an object.
fn is_invisible(c: char) -> bool {
    is_ignorable(c) || matches!(c, '\u{2800}' | '\u{fffc}')
}

/// The combining marks that can stand on any letter. Those of one script, such as vowel signs,
/// make another name.
fn is_accent(c: char) -> bool {
    matches!(
        c,
        '\u{300}'..='\u{36f}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_all_look_alikes() {
        for c in ('\0'..='\u{3ffff}').filter(|c| !is_ignorable(*c)) {
            let text = c.to_string();
            let wanted: String = unicode_security::skeleton(&text).collect();
            assert_eq!(skeleton(&text), wanted, "{c:?}");
        }
    }

    #[test]
    fn names_that_look_alike_are_alike() {
        for (name, impostors) in [
            (
                "ann",
                &[
                    "ANN",
                    "\u{430}nn",  // Cyrillic
                    "ａｎｎ",     // full width
                    "a\u{301}nn", // an accent
                    "ánn",
                    "an\u{2800}n", // the blank of Braille
                    "ann\u{fffc}",
                    "a\u{200d}nn",
                    "𝐚𝐧𝐧",
                    "ᵃⁿⁿ",
                ][..],
            ),
            ("bill", &["BILL", "biII", "bi11", "b\u{456}ll"]),
            ("bob", &["b0b", "B\u{41e}B", "bοb"]),
            ("tom", &["torn"]),
        ] {
            for impostor in impostors {
                assert_eq!(
                    likeness(impostor),
                    likeness(name),
                    "{impostor:?} and {name}"
                );
            }
        }
    }

    #[test]
    fn names_that_differ_are_told_apart() {
        let names = [
            "ann",
            "anna",
            "bob",
            "李雷",
            "李蕾",
            "राम",
            "रोम",
            "רון",
            "ron",
            "ann-2",
        ];
        let likenesses: std::collections::HashSet<_> = names.map(likeness).into();
        assert_eq!(likenesses.len(), names.len());
    }

    #[test]
    fn no_name_passes_for_a_fingerprint_a_comment_or_an_option() {
        for (claimed, name) in [
            ("SHA256:47DEQpj8", "SHA256-47DEQpj8"),
            ("# -SHA256:x", "SHA256-x"),
            ("--forget", "forget"),
        ] {
            assert_eq!(tidy(claimed).as_deref(), Some(name));
        }
        assert_eq!(tidy("\u{2800}\u{fffc}\u{200b}"), None);
    }
}
