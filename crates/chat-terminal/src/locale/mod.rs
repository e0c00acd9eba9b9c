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

/// The peer's name and where it is.
fn who(peer: &Peer) -> String {
    match peer.name.as_deref().and_then(name_in_notice) {
        Some(name) => format!("{name} ({})", peer.address),
        None => peer.address.clone(),
    }
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
