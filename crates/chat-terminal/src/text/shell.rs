//! Text that is safe to paste into a shell.

use std::borrow::Cow;
use std::path::Path;

/// One shell word (POSIX) that stands for `text`.
///
/// Commands that mend something hold paths, and names that strangers chose.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
    }
}

/// Whether a text is one word that no shell reads as anything else.
pub(crate) fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "/._-:@%+".contains(c);
    !text.is_empty() && text.chars().all(plain)
}

/// One shell word that stands for `path`.
pub(crate) fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_shell_would_touch_is_quoted() {
        assert_eq!(quoted("/home/ann/.local/share"), "/home/ann/.local/share");
        assert_eq!(quoted("李雷"), "李雷");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("$(reboot)"), "'$(reboot)'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
