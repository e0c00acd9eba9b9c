//! What the shell offers for a half-typed argument.

use std::ffi::OsStr;

use chat_core::DEFAULT_PORT;
use chat_core::trust::{KnownPeer, KnownPeers, data_dir};
use clap::Command;
use clap_complete::env::CompleteEnv;
use clap_complete::{ArgValueCandidates, CompletionCandidate};

use crate::text::shell::is_plain;

/// If a shell asks what could be typed here, answers it and ends the program. `COMPLETE` is the
/// name of the shell then. Must be the first thing that the program does.
pub(super) fn answer(command: impl Fn() -> Command) {
    CompleteEnv::with_factory(command).complete();
}

/// Whom one can call: the names of known peers, and where they were dialed.
pub fn targets() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        offer(|peer| {
            let port = format!(":{DEFAULT_PORT}");
            let addresses = peer.addresses.iter();
            let addresses = addresses.map(|address| address.strip_suffix(&port).unwrap_or(address));
            let addresses = addresses.map(|address| (address.to_owned(), peer.name.clone()));
            let name = peer.is_friend().then(|| {
                let help = format!("{}-since-{}", peer.state.as_str(), peer.first_seen);
                (peer.name.clone(), help)
            });
            name.into_iter().chain(addresses).collect()
        })
    })
}

/// The fingerprints of known peers.
pub fn fingerprints() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        offer(|peer| vec![(peer.fingerprint.to_string(), peer.name.clone())])
    })
}

/// The names of known peers.
pub(crate) fn names() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        offer(|peer| vec![(peer.name.clone(), peer.state.as_str().to_owned())])
    })
}

/// What a peer is known by, each with a help text.
///
/// A shell puts the first on its command line as it is, and strangers choose their names: only
/// what means nothing to any shell is offered.
fn offer(values: impl Fn(&KnownPeer) -> Vec<(String, String)>) -> Vec<CompletionCandidate> {
    // A shell that only asks must not make the directory.
    let directory = data_dir().ok().filter(|directory| directory.is_dir());
    let known = directory.and_then(|directory| KnownPeers::open(&directory).ok()?.load().ok());
    let Some(known) = known else {
        return Vec::new();
    };
    let offered = known.peers().flat_map(values);
    // The padding of a fingerprint means nothing to a shell either.
    let plain =
        offered.filter(|(value, help)| is_plain(value.trim_end_matches('=')) && is_plain(help));
    plain
        .map(|(value, help)| CompletionCandidate::new(OsStr::new(&value)).help(Some(help.into())))
        .collect()
}
