//! What is recorded, and what was.

use std::path::Path;

use chat_core::protocol::Peer;

use super::{English, messages};
use crate::locale::{Past, who};
use crate::text::sanitize;

impl Past for English {
    fn nothing_recorded(&self, peer: &Peer) -> String {
        format!("Nothing is recorded of calls with {}.", who(peer))
    }

    fn search_found(&self, text: &str, found: usize, shown: usize) -> String {
        let text = sanitize::quote(text);
        match found {
            0 => format!("No recorded message with this peer contains {text}."),
            1 => format!("One recorded message contains {text}:"),
            _ if found == shown => format!("{found} recorded messages contain {text}:"),
            _ => format!("{found} recorded messages contain {text}; the last {shown}:"),
        }
    }

    fn nothing_found(&self) -> &'static str {
        "Nothing was found."
    }

    fn needle_too_long(&self) -> &'static str {
        "that is too long to search for: give a part of it"
    }

    fn carried_over(&self, count: usize) -> String {
        let messages = messages(count as u64);
        format!("{messages} of an earlier call sent again, which may arrive twice.")
    }

    fn not_recorded(&self, why: &str) -> String {
        format!(
            "This call is not recorded: {why}. It goes on, but what has not arrived when a program ends is lost."
        )
    }

    fn end_not_recorded(&self, why: &str) -> String {
        format!(
            "The end of this call is not recorded: {why}. The next call may send some of it again."
        )
    }

    fn passed_over(&self, why: &str) -> String {
        format!("An earlier call cannot go on: {why}.")
    }

    fn set_aside(&self, path: &Path) -> String {
        format!(
            "A part of an earlier call could not be read; all of it is in {}.",
            path.display()
        )
    }

    fn kept(&self) -> &'static str {
        "What is said from now on stays on this machine after the call."
    }

    fn cannot_keep(&self) -> &'static str {
        "This call is not recorded, so nothing of it can be kept."
    }

    fn cannot_keep_for_later(&self, why: &str) -> String {
        format!("What you say cannot be kept, so nobody is called: {why}")
    }
}
