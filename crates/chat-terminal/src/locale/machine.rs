//! The answering machine, and what it has recorded.

use chat_core::protocol::Peer;

/// The answering machine.
pub trait Machine {
    /// What callers hear where no text was chosen for them.
    fn machine_text(&self) -> &'static str;

    /// What callers of the answering machine are told who have no key. They cannot leave messages.
    fn machine_without_key(&self, text: &str) -> String;

    /// The machine takes no more messages of this caller.
    fn machine_full(&self) -> &'static str;

    /// The person types while the machine talks.
    fn machine_talks(&self) -> &'static str;

    /// What the machine has recorded in a call.
    fn machine_recorded(&self, peer: &Peer, count: u64) -> String;

    /// What somebody of this name, already safe to show, has left while nobody was there.
    fn left_while_away(&self, name: &str, count: usize) -> String;

    /// Nothing was left that is still to be read.
    fn no_messages(&self) -> &'static str;

    /// A call is on, and what is left in it can be read after that.
    fn on_the_line(&self, name: &str) -> String;

    /// What was left cannot be read.
    fn messages_unreadable(&self, why: &str) -> String;

    /// What was shown could not be marked as read.
    fn still_unread(&self, why: &str) -> String;
}
