//! What is said to somebody who types, and about the input of a pipe.

use chat_core::protocol::SendError;

use super::English;
use crate::locale::TypedLine;

impl TypedLine for English {
    fn nobody(&self) -> &'static str {
        "Nobody is on the line; your text stays here."
    }

    fn rings_meanwhile(&self) -> &'static str {
        "Not sent: Up brings it back. Enter answers the call, /decline refuses it."
    }

    fn own_number(&self) -> &'static str {
        "Your safety number? Somebody in between could change it. Enter sends it anyway."
    }

    fn own_number_in_line(&self) -> &'static str {
        "Not sent. Your safety number? Somebody in between could change it. Type the same line again \
         to send it anyway."
    }

    fn hang_up_maybe(&self) -> &'static str {
        "Hang up? Enter again hangs up; /say sends it as text."
    }

    fn hang_up_maybe_in_line(&self) -> &'static str {
        "Hang up? The same line again hangs up; /say sends it as text."
    }

    fn ctrl_c_hangs_up(&self) -> &'static str {
        "The line is empty (Up brings it back): Ctrl-C again hangs up."
    }

    fn ctrl_c_quits(&self) -> &'static str {
        "The line is empty (Up brings it back): Ctrl-C again ends the program."
    }

    fn too_late(&self) -> &'static str {
        "Too late: the call was already over, so nothing was done."
    }

    fn no_call(&self) -> &'static str {
        "There is no call to hang up; /quit ends the program."
    }

    fn left_unsent(&self) -> &'static str {
        "The line 88 hung up; what follows it was not sent in this call. With --literal, 88 is text."
    }

    fn input_left(&self) -> &'static str {
        "The call ended before all of the input was sent."
    }

    fn input_not_utf8(&self) -> &'static str {
        "Some of the input is not UTF-8: each such piece was sent as U+FFFD."
    }

    fn input_cut(&self) -> &'static str {
        "A line of the input is too long: it was sent in pieces."
    }

    fn full(&self) -> &'static str {
        "Too much is waiting to be sent; your text stays here. Try again soon."
    }

    fn not_sent(&self, why: &SendError) -> String {
        match why {
            SendError::TooLong { length, limit } => {
                format!("Not sent: the message is too long: {length} bytes, and {limit} fit.")
            }
            SendError::Full => {
                "Not sent: too much is waiting to be delivered; try again soon.".into()
            }
            SendError::WouldHangUp => {
                "Not sent: this peer would take the line 88 for a hang-up.".into()
            }
        }
    }

    fn paste_stalled(&self) -> &'static str {
        "The paste has not ended yet: wait, or cancel it with Ctrl-C."
    }

    fn paste_cancelled(&self) -> &'static str {
        "The paste was cancelled."
    }

    fn gathered(&self, lines: usize) -> String {
        format!("{lines} lines came at once: Enter sends them as one message, Ctrl-C drops them.")
    }

    fn pasted(&self, lines: usize) -> String {
        format!("{lines} lines: Enter sends them as one message, Ctrl-C drops them.")
    }

    fn paste_too_long(&self, bytes: usize, limit: usize) -> String {
        format!("The paste of {bytes} bytes was dropped: a message has at most {limit}.")
    }

    fn transliterated(&self) -> &'static str {
        "Your locale is not UTF-8: characters that it lacks are shown as similar ones, or like \
         <U+4F60>. If this terminal can show more, set LC_ALL=C.UTF-8 and start again."
    }

    fn draft_not_sent(&self, draft: &str) -> String {
        format!("Not sent: {draft}")
    }

    fn draft_is_back(&self) -> &'static str {
        "What you typed last time and did not send is on the line; Ctrl-C drops it."
    }

    fn put_aside(&self, name: Option<&str>) -> String {
        let name = name.map(|name| format!(" to {name}")).unwrap_or_default();
        format!("What you were typing{name} was put aside; Up brings it back.")
    }

    fn call_has_changed(&self, name: &str) -> String {
        format!("This is {name} now: Enter sends it, Ctrl-C drops it.")
    }

    fn terminal_gone(&self) -> &'static str {
        "the terminal is gone"
    }
}
