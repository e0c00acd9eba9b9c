//! Wraps text into rows: after blanks and beside wide characters, such as ideographs, and within
//! a word only where it is longer than a row.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What becomes of a word that is longer than a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LongWords {
    /// It is broken into rows like everything else.
    Broken,
    /// Of plain ASCII, such as an address or a key, it is left in one piece: the terminal itself
    /// wraps it at the edge, and copies it whole.
    Whole,
}

/// A row of a wrapped text, or a long word that the terminal wraps into several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where it is in the text, with the blanks around it.
    pub(crate) range: Range<usize>,
    /// Whether it is a long word. Nothing may follow it on its last row.
    pub(crate) is_whole: bool,
}

/// Wraps a sanitized text without line breaks: the first row has `first` columns, those after it
/// have `room`, which is no less. There is always a row, and one of no room still takes a
/// character.
pub(crate) fn wrap(text: &str, first: usize, room: usize, long_words: LongWords) -> Vec<Piece> {
    if text.len() <= first && text.is_ascii() {
        let range = 0..text.len();
        let is_whole = false;
        return vec![Piece { range, is_whole }];
    }
    let mut rows = Rows {
        pieces: Vec::new(),
        start: 0,
        column: 0,
        limit: first,
        // A first row that is shorter may stay empty.
        opportunity: (first < room).then_some((0, 0)),
    };
    let mut clusters = text.grapheme_indices(true).peekable();
    let mut before = "";
    while let Some((at, cluster)) = clusters.next() {
        let width = columns(cluster);
        if may_break(before, cluster) {
            rows.opportunity = Some((at, rows.column));
        }
        // A blank at the end of a row is no reason for another.
        let hangs = cluster == " " && before != " " && rows.column == rows.limit;
        while rows.column + width > rows.limit && !(hangs && at > rows.start) {
            if cluster == " " && at > rows.start {
                rows.end(at, room);
                rows.column = 0;
                continue;
            }
            if let Some((at, column)) = rows.opportunity.take() {
                rows.end(at, room);
                rows.column -= column;
                continue;
            }
            let rest = &text[rows.start..];
            let end = rows.start + rest.find(' ').unwrap_or(rest.len());
            let mut word = text[rows.start..end].bytes();
            if long_words == LongWords::Whole
                && end > at
                && word.all(|byte| byte.is_ascii_graphic())
            {
                rows.pieces.push(Piece {
                    range: rows.start..end,
                    is_whole: true,
                });
                while clusters.next_if(|(at, _)| *at < end).is_some() {}
                rows.begin(end, room);
                break;
            }
            if at == rows.start {
                break;
            }
            rows.end(at, room);
            rows.column = 0;
        }
        if at >= rows.start {
            rows.column += width;
        }
        before = cluster;
    }
    if rows.start < text.len() || rows.pieces.is_empty() {
        rows.end(text.len(), room);
    }
    rows.pieces
}

/// The rows so far, and the one that is being filled.
struct Rows {
    pieces: Vec<Piece>,
    /// Where the row starts in the text, how many columns it has by now, and at most.
    start: usize,
    column: usize,
    limit: usize,
    /// The last place at which the row may end, and the columns before it.
    opportunity: Option<(usize, usize)>,
}

impl Rows {
    fn end(&mut self, at: usize, room: usize) {
        self.pieces.push(Piece {
            range: self.start..at,
            is_whole: false,
        });
        self.start = at;
        self.limit = room;
        self.opportunity = None;
    }

    fn begin(&mut self, at: usize, room: usize) {
        self.start = at;
        self.column = 0;
        self.limit = room;
        self.opportunity = None;
    }
}

/// How many columns a sanitized text takes at most. Terminals disagree on joined characters: some
/// draw one, some each of them.
pub(crate) fn columns(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    let columns = |cluster: &str| {
        let apart: usize = cluster.chars().filter_map(UnicodeWidthChar::width).sum();
        apart.max(cluster.width())
    };
    text.graphemes(true).map(columns).sum()
}

/// Whether all terminals agree on how many columns a text takes.
pub(crate) fn is_certain(text: &str) -> bool {
    let is_certain = |cluster: &str| {
        let mut characters = cluster.chars();
        match (characters.next(), characters.next()) {
            (Some(only), None) => {
                let (width, widest) = (only.width(), only.width_cjk());
                only.is_ascii() || (width == widest && (width == Some(2) || only.is_alphabetic()))
            }
            _ => false,
        }
    };
    text.is_ascii() || text.graphemes(true).all(is_certain)
}

/// Whether a row may end between two grapheme clusters.
fn may_break(before: &str, after: &str) -> bool {
    if before == " " {
        return after != " ";
    }
    if [before, after].contains(&NO_BREAK) {
        return false;
    }
    let is_wide = |cluster: &str| !cluster.is_ascii() && cluster.width() == 2;
    (is_wide(before) || is_wide(after))
        && !before.is_empty()
        && after != " "
        && !after.starts_with(ENDS)
        && !before.starts_with(BEGINS)
}

/// The blank at which no row ends.
const NO_BREAK: &str = "\u{a0}";

/// Punctuation that begins no row.
const ENDS: &[char] = &[
    '，', '。', '、', '；', '：', '？', '！', '）', '」', '』', '】', '》', '〉', '〕', '”', '’',
    '…', 'ー', '々', ')', ',', '.', ';', ':', '?', '!',
];

/// Punctuation that ends no row.
const BEGINS: &[char] = &['（', '「', '『', '【', '《', '〈', '〔', '“', '‘', '('];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rows as they are drawn, without the blanks around them.
    fn wrapped(text: &str, columns: usize) -> Vec<&str> {
        let pieces = wrap(text, columns, columns, LongWords::Broken);
        let rows = pieces.into_iter().map(|piece| text[piece.range].trim());
        rows.filter(|row| !row.is_empty()).collect()
    }

    #[test]
    fn rows_end_after_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("one    two", 4), ["one", "two"]);
        assert_eq!(wrapped("Grüße an alle", 8), ["Grüße an", "alle"]);
    }

    #[test]
    fn a_long_word_is_broken_or_left_to_the_terminal() {
        assert_eq!(wrapped("a abcdefgh b", 5), ["a", "abcde", "fgh b"]);
        let text = "see https://example.com/a/b then";
        let pieces = wrap(text, 10, 10, LongWords::Whole);
        let pieces: Vec<_> = pieces
            .into_iter()
            .map(|piece| (&text[piece.range], piece.is_whole))
            .collect();
        let expected = [
            ("see ", false),
            ("https://example.com/a/b", true),
            (" then", false),
        ];
        assert_eq!(pieces, expected);
        let word = "w".repeat(11);
        assert!(wrap(&word, 10, 10, LongWords::Whole)[0].is_whole);
    }

    #[test]
    fn ideographs_are_words_and_keep_their_punctuation() {
        assert_eq!(wrapped("今天天气很好。", 8), ["今天天气", "很好。"]);
        assert_eq!(wrapped("今天天气。很好", 8), ["今天天", "气。很好"]);
        assert_eq!(wrapped("use 你好 now", 6), ["use 你", "好 now"]);
        assert_eq!(wrapped("a 🚀\u{a0}rocket", 9), ["a", "🚀\u{a0}rocket"]);
    }

    #[test]
    fn joined_characters_take_the_room_that_they_may_need() {
        assert_eq!(columns("👩‍👩‍👧"), 6);
        assert_eq!(columns("❤️"), 2);
        assert!(is_certain("Grüße, 你好"));
        assert!(!is_certain("👩‍👩‍👧") && !is_certain("…") && !is_certain("e\u{301}"));
    }

    proptest! {
        #[test]
        fn rows_fit_and_nothing_is_lost(
            text in "[a-c 你。ё👩\u{200d}]{0,60}",
            less in 0..4_usize,
            room in 2..20_usize,
            whole in any::<bool>(),
        ) {
            let text = crate::text::sanitize::line(&text);
            let long_words = if whole { LongWords::Whole } else { LongWords::Broken };
            let first = room.saturating_sub(less);
            let pieces = wrap(&text, first, room, long_words);
            let all: String = pieces.iter().map(|piece| &text[piece.range.clone()]).collect();
            prop_assert_eq!(all, text.as_ref());
            for (index, piece) in pieces.iter().enumerate() {
                let row = text[piece.range.clone()].trim_end_matches(' ');
                let room = if index == 0 { first } else { room };
                let one = row.graphemes(true).count() <= 1;
                prop_assert!(piece.is_whole || one || columns(row) <= room, "{:?}", row);
                prop_assert!(!piece.is_whole || row.bytes().all(|b| b.is_ascii_graphic()));
            }
        }
    }
}
