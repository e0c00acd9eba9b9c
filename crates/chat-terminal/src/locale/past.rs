//! What is recorded, and what was.

use std::path::Path;

use chat_core::protocol::Peer;

/// What is recorded, and what was.
pub trait Past {
    /// `/history` with nothing to show.
    fn nothing_recorded(&self, peer: &Peer) -> String;

    /// What `/search` found, before the last `shown` of it.
    fn search_found(&self, text: &str, found: usize, shown: usize) -> String;

    /// `--history` or `--search` with nothing to print.
    fn nothing_found(&self) -> &'static str;

    /// A text that is too long to be searched for.
    fn needle_too_long(&self) -> &'static str;

    /// What an earlier call has left undelivered is said in this one.
    fn carried_over(&self, count: usize) -> String;

    /// A call cannot be recorded, or not any more.
    fn not_recorded(&self, why: &str) -> String;

    /// The last of a call could not be recorded.
    fn end_not_recorded(&self, why: &str) -> String;

    /// A journal of an earlier call cannot be used.
    fn passed_over(&self, why: &str) -> String;

    /// A journal of an earlier call could not be read to its end.
    fn set_aside(&self, path: &Path) -> String;

    /// `/keep`.
    fn kept(&self) -> &'static str;

    /// `/keep` in a call that is not recorded.
    fn cannot_keep(&self) -> &'static str;

    /// Text for later cannot be kept.
    fn cannot_keep_for_later(&self, why: &str) -> String;
}
