//! Standard error, where a terminal may stand that is not UTF-8.

use std::io::{self, IsTerminal, Write};

use rustix::stdio;
use rustix::termios::tcgetwinsize;

use crate::text::charset::Charset;
use crate::text::sanitize;
use crate::text::wrap::{self, LongWords};

/// Writes sanitized text to stderr, in the characters that a terminal there can show.
#[derive(Debug)]
pub(crate) struct Stderr;

impl Write for Stderr {
    /// Takes whole characters.
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        let charset = match stderr.is_terminal() {
            true => Charset::of_locale(),
            false => Charset::Utf8,
        };
        let shown = String::from_utf8_lossy(text);
        let shown = charset.show(&shown).into_owned();
        stderr.lock().write_all(&charset.encode(shown))?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Writes prose to stderr, as one line: at a terminal in rows that end after words. Errors are
/// ignored: without stderr nobody reads it.
pub(crate) fn tell(prose: &str) {
    let prose = sanitize::line(prose);
    let columns = tcgetwinsize(stdio::stderr()).map_or(0, |size| usize::from(size.ws_col));
    let _ = Stderr.write_all(rows(&prose, columns).as_bytes());
}

/// The rows of a sanitized text on a terminal of so many columns; of none, it is a single one.
fn rows(prose: &str, columns: usize) -> String {
    if columns == 0 {
        return format!("{prose}\n");
    }
    let pieces = wrap::wrap(prose, columns, columns, LongWords::Whole);
    let rows = pieces
        .into_iter()
        .map(|piece| prose[piece.range].trim_matches(' '));
    let rows = rows.filter(|row| !row.is_empty());
    rows.map(|row| format!("{row}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_breaks_at_words_and_a_key_does_not() {
        let prose = "chat-client: the key is SHA256:7ZK91EWnYU7aQ9g2rS4pxXVI6a2J3I6L now";
        assert_eq!(rows(prose, 0), format!("{prose}\n"));
        let key = "SHA256:7ZK91EWnYU7aQ9g2rS4pxXVI6a2J3I6L";
        let wrapped = format!("chat-client: the key\nis\n{key}\nnow\n");
        assert_eq!(rows(prose, 20), wrapped);
    }
}
