//! The answering machine, and what it has recorded.

use chat_core::protocol::Peer;

use super::{English, messages};
use crate::locale::{Machine, who};

impl Machine for English {
    fn machine_text(&self) -> &'static str {
        "away"
    }

    fn machine_without_key(&self, text: &str) -> String {
        format!("{text} (Nobody is there. Only chat-client can leave messages here.)")
    }

    fn machine_full(&self) -> &'static str {
        "There is no room for more messages here: what you have no receipt for was not recorded."
    }

    fn machine_talks(&self) -> &'static str {
        "The answering machine has a caller: /answer takes the call."
    }

    fn machine_recorded(&self, peer: &Peer, count: u64) -> String {
        let left = messages(count);
        format!("{} left {left} with the answering machine.", who(peer))
    }

    fn left_while_away(&self, name: &str, count: usize) -> String {
        format!("{} of {name}, new:", messages(count as u64))
    }

    fn no_messages(&self) -> &'static str {
        "No new messages."
    }

    fn on_the_line(&self, name: &str) -> String {
        format!("{name} is on the line; their messages can be read after that.")
    }

    fn messages_unreadable(&self, why: &str) -> String {
        format!("What callers have left cannot be read: {why}")
    }

    fn still_unread(&self, why: &str) -> String {
        format!("These messages will be shown again, because they cannot be marked as read: {why}")
    }
}
