//! Standard error, where a terminal may stand that is not UTF-8.

use std::io::{self, IsTerminal, Write};

use crate::text::charset::Charset;

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
