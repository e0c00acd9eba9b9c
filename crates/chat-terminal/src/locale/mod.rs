//! Every text that a user reads, apart from the logic; one file for each language.

mod en;
mod explain;

use chat_core::protocol::Peer;

pub use en::*;
pub use explain::Explain;

use crate::text::sanitize;

/// What a peer is called.
pub(crate) fn name_or_address(peer: &Peer) -> &str {
    peer.name.as_deref().unwrap_or(&peer.address)
}

/// The most columns of a text that another program gives for a notice.
const MAX_QUOTE: usize = 100;

/// Words of another program within a notice: on one line, not too long, and marked as theirs.
fn quote(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let line = words.join(" ");
    format!("“{}”", sanitize::cut(&sanitize::line(&line), MAX_QUOTE))
}

/// The peer's name and where it is. The name is sanitized here already: a line break in it
/// would split the notice in two.
fn who(peer: &Peer) -> String {
    match &peer.name {
        Some(name) => format!("{} ({})", sanitize::line(name), peer.address),
        None => peer.address.clone(),
    }
}
