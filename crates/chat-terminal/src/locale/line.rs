//! What is said to somebody who types, and about the input of a pipe.

use chat_core::protocol::SendError;

use super::{Language, name_in_notice};

/// To somebody who types, and about the input of a pipe.
pub trait TypedLine {
    /// A message was typed while there is no call.
    fn nobody(&self) -> &'static str;

    /// A message was typed while somebody rings.
    fn rings_meanwhile(&self) -> &'static str;

    /// A message that holds this side's safety number.
    fn own_number(&self) -> &'static str;

    /// The same where lines are not edited here.
    fn own_number_in_line(&self) -> &'static str;

    /// Something like 88.
    fn hang_up_maybe(&self) -> &'static str;

    /// The same where lines are not edited here.
    fn hang_up_maybe_in_line(&self) -> &'static str;

    /// Ctrl-C once more, right after it dropped a draft in a call.
    fn ctrl_c_hangs_up(&self) -> &'static str;

    /// The same while there is no call.
    fn ctrl_c_quits(&self) -> &'static str;

    /// A command that was given to a call, or to a caller, that is gone.
    fn too_late(&self) -> &'static str;

    /// `88` without a call.
    fn no_call(&self) -> &'static str;

    /// A line of a pipe hung up, and more lines follow it.
    fn left_unsent(&self) -> &'static str;

    /// The call ended before all of a pipe was said.
    fn input_left(&self) -> &'static str;

    /// Bytes of a pipe that are no text.
    fn input_not_utf8(&self) -> &'static str;

    /// A line of a pipe that is too long for a peer that gets it in pieces.
    fn input_cut(&self) -> &'static str;

    /// Too many messages wait to be sent.
    fn full(&self) -> &'static str;

    /// A message was not sent.
    fn not_sent(&self, why: &SendError) -> String;

    /// A paste has begun and its end is overdue.
    fn paste_stalled(&self) -> &'static str;

    /// A paste was cancelled.
    fn paste_cancelled(&self) -> &'static str;

    /// Several lines came faster than anyone types.
    fn gathered(&self, lines: usize) -> String;

    /// Several lines were pasted.
    fn pasted(&self, lines: usize) -> String;

    /// A paste that is too large for one message.
    fn paste_too_long(&self, bytes: usize, limit: usize) -> String;

    /// A message had characters that a terminal of this locale cannot show.
    fn transliterated(&self) -> &'static str;

    /// At the end of the program: what was typed and not sent.
    fn draft_not_sent(&self, draft: &str) -> String;

    /// A draft of last time is on the line again.
    fn draft_is_back(&self) -> &'static str;

    /// What was typed, to this person if it was to anybody, is off the line.
    fn put_aside(&self, name: Option<&str>) -> String;

    /// The first message to somebody else than the one to whom it was begun.
    fn call_has_changed(&self, name: &str) -> String;

    /// The terminal has hung up, so that there is no input any more.
    fn terminal_gone(&self) -> &'static str;
}

impl dyn Language + '_ {
    /// At the end of the program: what was typed and not sent, for the eye and the clipboard.
    pub(crate) fn draft(&self, draft: &str) -> String {
        let shown = &draft[..draft.floor_char_boundary(SHOWN_DRAFT)];
        let more = if shown.len() < draft.len() {
            " …"
        } else {
            ""
        };
        self.draft_not_sent(&format!("{shown}{more}"))
    }

    /// What was typed for somebody of this name, or for nobody yet, is off the line.
    pub(crate) fn draft_put_aside(&self, name: Option<&str>) -> String {
        self.put_aside(name.and_then(name_in_notice).as_deref())
    }

    /// The first message to somebody else than the one to whom it was begun.
    pub(crate) fn now_talking_to(&self, name: &str) -> String {
        self.call_has_changed(&name_in_notice(name).unwrap_or_default())
    }
}

/// The most of a draft that is shown at the end, in bytes.
const SHOWN_DRAFT: usize = 2_000;
