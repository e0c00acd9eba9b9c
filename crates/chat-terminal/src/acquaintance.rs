//! What a program does with the keys of others on the person's behalf.

use chat_core::conversation::{Peer, Security, Standing};
use chat_core::trust::{self, FileError, Keyring, KnownPeers};

use crate::words;

/// Remembers a peer that was met, and where it was dialed if it was. Its name becomes the one
/// by which it is known here. Answers what went wrong, if something did.
pub fn remember(keyring: &Keyring, peer: &mut Peer, dialed: Option<&str>) -> Option<String> {
    let Security::Key { fingerprint, .. } = peer.security else {
        return None;
    };
    let name = peer.name.as_deref().unwrap_or_default();
    match keyring.known.remember(name, dialed, fingerprint) {
        Ok(known) => {
            peer.name = Some(known.name);
            None
        }
        Err(error) => Some(words::not_remembered(&error)),
    }
}

/// Remembers that the two people compared their safety numbers. Answers what to tell them.
pub fn verify(keyring: &Keyring, peer: &mut Peer) -> String {
    let Security::Key {
        fingerprint,
        standing,
    } = &mut peer.security
    else {
        return words::NO_KEY_TO_VERIFY.into();
    };
    match keyring.known.verify(*fingerprint) {
        Ok(()) => {
            *standing = Standing::Verified;
            words::verified(peer)
        }
        Err(error) => words::not_remembered(&error),
    }
}

/// The own key and the known peers, as a list to read.
pub fn list(keyring: &Keyring) -> String {
    match keyring.known.load() {
        Ok(known) => format!(
            "{}\n{}",
            words::own_key(keyring.own_key),
            words::peers(&known)
        ),
        Err(error) => error.to_string(),
    }
}

/// What the person should know of the file of known peers before the first call: each line of
/// it that cannot be read, for the friend who stands there is not recognised.
pub fn flaws(known: &KnownPeers) -> Result<Vec<String>, FileError> {
    let flaws = known.load()?;
    Ok(flaws.unreadable().map(|flaw| flaw.to_string()).collect())
}

/// Forgets whoever has this name, and says so.
pub fn forget(name: &str) -> anyhow::Result<()> {
    let forgotten = KnownPeers::open(&trust::home()?)?.forget(name)?;
    eprintln!("{}", words::forgotten(&forgotten));
    Ok(())
}
