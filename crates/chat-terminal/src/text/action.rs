//! `/me`: a message that tells what its author does.

use std::borrow::Cow;

/// What a message tells that its author does; `None` if it is an ordinary one.
pub(crate) fn of(message: &str) -> Option<&str> {
    let action = message.strip_prefix("/me ")?.trim();
    (!action.is_empty() && !action.contains('\n')).then_some(action)
}

/// A message with a star in place of `/me`, to stand after the name of its author.
pub(crate) fn after_name(message: &str) -> Cow<'_, str> {
    match of(message) {
        Some(action) => Cow::Owned(format!("* {action}")),
        None => Cow::Borrowed(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_one_line_after_me() {
        assert_eq!(of("/me waves"), Some("waves"));
        for text in [
            "/me",
            "/me ",
            "/mew",
            " /me waves",
            "/me waves\n-- and more",
        ] {
            assert_eq!(of(text), None, "{text:?}");
        }
    }
}
