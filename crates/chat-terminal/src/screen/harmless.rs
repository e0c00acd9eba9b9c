//! What the tests and the fuzzer hold the painter's bytes against.

use crate::text::charset::Charset;

/// The first byte or character that is neither printable in this charset nor a sequence of ours.
pub(crate) fn that_acts(charset: Charset, written: &[u8]) -> Option<char> {
    const OURS: &[&str] = &[
        "?2026h",
        "?2026l",
        "?25h",
        "?25l",
        "?7h",
        "?7l",
        "K",
        "C",
        "J",
        "m",
        "1m",
        "2m",
        "1;38;5;30m",
        "38;5;28m",
        "38;5;130m",
        "1;38;5;160m",
    ];
    let text = match charset {
        Charset::Utf8 => String::from_utf8(written.to_vec()).expect("it is UTF-8"),
        _ => written.iter().copied().map(char::from).collect(),
    };
    let mut rest = text.as_str();
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        let is_moved = |sequence: &str| {
            sequence.ends_with(['A', 'G']) && sequence[..sequence.len() - 1].parse::<u16>().is_ok()
        };
        match character {
            '\x1b' => {
                // The title and the notifications end with ST.
                if rest.starts_with("]2;") || rest.starts_with("]9;") {
                    let end = rest.find("\x1b\\").unwrap_or(rest.len());
                    if rest[..end].contains(char::is_control) {
                        return Some(character);
                    }
                    rest = &rest[(end + 2).min(rest.len())..];
                    continue;
                }
                let end = rest.find(char::is_alphabetic).map_or(0, |at| at + 1);
                let sequence = rest[..end].strip_prefix('[').unwrap_or("no sequence");
                if !OURS.contains(&sequence) && !is_moved(sequence) {
                    return Some(character);
                }
                rest = &rest[end..];
            }
            '\r' | '\n' | '\x07' => {}
            _ if character.is_control() => return Some(character),
            _ if charset == Charset::Ascii && !character.is_ascii() => return Some(character),
            _ => {}
        }
    }
    None
}
