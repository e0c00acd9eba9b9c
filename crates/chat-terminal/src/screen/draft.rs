//! The layout of the draft: wrapped here, word by word, and not by the terminal.

use std::fmt::Write;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::screen::style::{Palette, Row, Style};
use crate::text::sanitize;
use crate::text::wrap::{self, LongWords};

/// Columns before each row of the draft.
const GUTTER: usize = 2;

/// The rows of a draft around its cursor.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The rows to draw.
    pub(crate) rows: Vec<Row>,
    /// The index of the cursor's row.
    pub(crate) row: usize,
    /// The cursor's column.
    pub(crate) column: usize,
}

/// Lays out at most `height` rows of `text` around `cursor`, a byte position.
///
/// Only the lines near the cursor are wrapped, so that a large paste is cheap to draw.
pub(crate) fn lay_out(
    text: &str,
    cursor: usize,
    columns: usize,
    height: usize,
    palette: Palette,
) -> Draft {
    let columns = columns.max(GUTTER + 3);
    let height = height.max(1);
    let start = text[..cursor].rfind('\n').map_or(0, |at| at + 1);
    let end = text[cursor..]
        .find('\n')
        .map_or(text.len(), |at| cursor + at);

    let (mut current, (row, column)) = wrap(&text[start..end], cursor - start, columns, palette);
    let mut above = Vec::new();
    let mut upper = start;
    while upper > 0 && above.len() < height {
        let begin = text[..upper - 1].rfind('\n').map_or(0, |at| at + 1);
        let (rows, _) = wrap(&text[begin..upper - 1], 0, columns, palette);
        above.splice(0..0, rows);
        upper = begin;
    }
    let row = above.len() + row;
    let mut rows = above;
    rows.append(&mut current);
    let mut lower = end;
    while lower < text.len() && rows.len() < row + height {
        let begin = lower + 1;
        lower = text[begin..].find('\n').map_or(text.len(), |at| begin + at);
        rows.extend(wrap(&text[begin..lower], 0, columns, palette).0);
    }

    let top = row
        .saturating_sub(height / 2)
        .min(rows.len().saturating_sub(height));
    let bottom = rows.len().min(top + height);
    let hidden_above = upper > 0 || top > 0;
    let hidden_below = lower < text.len() || bottom < rows.len();
    let rows = (top..bottom)
        .map(|index| {
            let gutter = match index {
                _ if index == top && hidden_above => "↑ ",
                _ if index + 1 == bottom && hidden_below => "↓ ",
                0 => "> ",
                _ => "  ",
            };
            let mut row = Row::default();
            row.push(palette, Style::Faint, gutter, columns);
            row.text.push_str(&rows[index].text);
            row.widths.extend(&rows[index].widths);
            row
        })
        .collect();
    Draft {
        rows,
        row: row - top,
        column: GUTTER + column,
    }
}

/// Wraps one line of the draft, with the last column left free for the cursor. Returns the rows,
/// and the row and column of the byte position `cursor`.
fn wrap(line: &str, cursor: usize, columns: usize, palette: Palette) -> (Vec<Row>, (usize, usize)) {
    let mut shown = String::new();
    let mut column = 0;
    let mut cursor_at = None;
    for (at, cluster) in line.grapheme_indices(true) {
        if at >= cursor {
            cursor_at.get_or_insert(shown.len());
        }
        let cluster = sanitize::grapheme(cluster, column);
        let cluster = palette.charset.show(&cluster);
        column += cluster.width();
        shown.push_str(&cluster);
    }
    let cursor_at = cursor_at.unwrap_or(shown.len());

    let room = columns - GUTTER - 1;
    let pieces = wrap::wrap(&shown, room, room, LongWords::Broken);
    let last = pieces.len() - 1;
    let mut place = (0, 0);
    let rows = pieces.into_iter().enumerate().map(|(index, piece)| {
        let range = piece.range;
        if range.contains(&cursor_at) || (index == last && range.end == cursor_at) {
            place = (index, shown[range.start..cursor_at].width());
        }
        row(&shown[range])
    });
    (rows.collect(), place)
}

/// A row of the draft, after its gutter.
fn row(text: &str) -> Row {
    let mut row = Row::default();
    let mut column = GUTTER;
    for cluster in text.graphemes(true) {
        let width = cluster.width();
        column += width;
        row.text.push_str(cluster);
        row.widths.push(width);
        // Terminals disagree on the width of joined characters: set the column after them.
        if cluster.chars().nth(1).is_some() {
            write!(row.text, "\x1b[{}G\x1b[K", column + 1).expect("a string takes everything");
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::style::Colors;
    use crate::text::charset::Charset;

    const PLAIN: Palette = Palette {
        colors: Colors::None,
        charset: Charset::Utf8,
    };

    /// The rows without styles, and the cursor's position.
    fn shown(
        text: &str,
        cursor: usize,
        columns: usize,
        height: usize,
    ) -> (Vec<String>, (usize, usize)) {
        let draft = lay_out(text, cursor, columns, height, PLAIN);
        let rows = draft.rows.iter().map(|row| {
            assert!(row.width() - usize::from(row.text.ends_with(' ')) < columns);
            row.text.replace("\x1b[2m", "").replace("\x1b[m", "")
        });
        (rows.collect(), (draft.row, draft.column))
    }

    #[test]
    fn a_long_line_is_wrapped_with_room_for_the_cursor() {
        let (rows, cursor) = shown("abcdefghij", 10, 8, 8);
        assert_eq!(rows, ["> abcde", "  fghij"]);
        assert_eq!(cursor, (1, 7));
        assert_eq!(shown("abcdefghij", 5, 8, 8).1, (1, 2));
        assert_eq!(shown("abcdefghij", 4, 8, 8).1, (0, 6));
        assert_eq!(shown("", 0, 8, 8), (vec!["> ".into()], (0, 2)));
    }

    #[test]
    fn rows_end_after_words() {
        let (rows, cursor) = shown("to be or not", 12, 8, 8);
        assert_eq!(rows, ["> to be ", "  or ", "  not"]);
        assert_eq!(cursor, (2, 5));
        assert_eq!(shown("to be or not", 6, 8, 8).1, (1, 2));
    }

    #[test]
    fn a_wide_character_is_never_cut() {
        let (rows, cursor) = shown("abcd你好", 7, 8, 8);
        assert_eq!(rows, ["> abcd", "  你好"]);
        assert_eq!(cursor, (1, 4));
        assert_eq!(shown("abcd你好", 4, 8, 8).1, (1, 2));
    }

    #[test]
    fn lines_and_control_characters_are_shown() {
        let (rows, cursor) = shown("a\tb\n\x1b[J", 7, 20, 8);
        assert_eq!(rows, ["> a       b", "  ␛[J"]);
        assert_eq!(cursor, (1, 5));
    }

    #[test]
    fn only_rows_around_the_cursor_are_shown() {
        let text = "a\nb\nc\nd\ne";
        assert_eq!(shown(text, 0, 9, 3).0, ["> a", "  b", "↓ c"]);
        assert_eq!(shown(text, 4, 9, 3).0, ["↑ b", "  c", "↓ d"]);
        assert_eq!(shown(text, 9, 9, 3).0, ["↑ c", "  d", "  e"]);
        assert_eq!(shown(text, 4, 9, 1), (vec!["↑ c".into()], (0, 2)));
    }

    #[test]
    fn after_a_joined_character_the_column_is_set() {
        let (rows, cursor) = shown("👩‍👩‍👧x", "👩‍👩‍👧x".len(), 20, 8);
        assert_eq!(rows, ["> 👩‍👩‍👧\x1b[5G\x1b[Kx"]);
        assert_eq!(cursor, (0, 5));
    }
}
