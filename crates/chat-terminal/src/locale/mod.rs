//! Every text that a user reads, apart from the logic.
//!
//! A language is one type that implements the traits of this module, with a method for each
//! sentence: a sentence that a language lacks does not compile. They hold words alone, with plural
//! and word order as the language has them. Which sentence an event or an error calls for is the
//! same in each, and stands beside the trait, as a method of `dyn Language`.

mod callers;
mod calls;
mod en;
mod errors;
mod explain;
mod files;
mod help;
mod line;
mod machine;
mod past;
mod peers;
mod replies;
mod select;
mod start;
mod status;
mod zh;

#[cfg(test)]
pub(crate) mod sentences;

use chat_core::protocol::Peer;
use clap::Command;

pub use callers::Callers;
pub use calls::Calls;
pub use errors::Errors;
pub use explain::Explain;
pub use files::Files;
pub use help::Help;
pub use line::TypedLine;
pub use machine::Machine;
pub use past::Past;
pub use peers::Peers;
pub use replies::Replies;
pub(crate) use select::choose;
pub use select::{Lang, text};
pub use start::Start;
pub use status::StatusRow;
pub(crate) use status::{TITLE, title};

use crate::text::sanitize;
use errors::said_by_the_system;
use files::bytes;

/// All sentences in one language.
pub trait Language:
    Callers
    + Calls
    + Errors
    + Files
    + Help
    + Machine
    + Past
    + Peers
    + Replies
    + Start
    + StatusRow
    + TypedLine
    + Sync
{
    /// Two sentences, one after the other.
    fn joined(&self, sentence: &str, next: &str) -> String;
}

/// A program's command line in the language of this user. The English stands at the arguments.
pub(crate) fn command(command: Command) -> Command {
    match select::chosen() {
        Lang::En => command,
        Lang::Zh => zh::arguments::translated(command),
    }
}

/// What is wrong with a command line, if that is not told as clap does.
pub(crate) fn complaint(error: &clap::Error) -> Option<String> {
    match select::chosen() {
        Lang::En => None,
        Lang::Zh => zh::arguments::complaint(error),
    }
}

/// What a peer is called.
pub(crate) fn name_or_address(peer: &Peer) -> &str {
    peer.name.as_deref().unwrap_or(&peer.address)
}

/// The peer's name, or where it is.
pub(crate) fn short_name(peer: &Peer) -> String {
    name_in_notice(name_or_address(peer)).unwrap_or_else(|| peer.address.clone())
}

/// The peer's name and where it is.
fn who(peer: &Peer) -> String {
    match peer.name.as_deref().and_then(name_in_notice) {
        Some(name) => format!("{name} ({})", peer.address),
        None => peer.address.clone(),
    }
}

/// The peer's name for another program; empty if it has none. A careless script may paste it
/// into a shell's command line or give it as an argument, so neither must it mean anything there.
pub fn plain_name(peer: &Peer) -> String {
    let name = peer.name.as_deref().and_then(sanitize::name);
    let name = name.unwrap_or_default();
    let is_plain = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || " ._+-".contains(c);
    let name = name.replace(|c| !is_plain(c), "_");
    name.trim_start_matches('-').to_owned()
}

/// A name as a part of a notice. It is made safe here already: a line break in it would split the
/// notice in two, and one of several words would read like a notice.
pub(crate) fn name_in_notice(name: &str) -> Option<String> {
    let name = sanitize::name(name)?;
    Some(match name.contains(' ') {
        true => sanitize::quote(&name),
        false => name,
    })
}

#[cfg(test)]
mod tests {
    use chat_core::trust::Security;

    use super::*;

    #[test]
    fn a_name_means_nothing_to_other_programs() {
        for (name, plain) in [
            ("ann", "ann"),
            ("李雷 Li-Lei", "李雷 Li-Lei"),
            ("--help", "help"),
            ("$(reboot)`x`;'\"&|<>*", "__reboot__x_________"),
            ("a\nb\u{1b}[2J", "a␊b␛_2J"),
            ("", ""),
        ] {
            let peer = Peer {
                name: Some(name.to_owned()),
                address: "192.0.2.7:9".to_owned(),
                security: Security::Plaintext,
            };
            assert_eq!(plain_name(&peer), plain, "{name:?}");
        }
    }
}
