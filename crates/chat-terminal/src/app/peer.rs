//! The peer of a call, and the handling of its key: remember, verify, list, forget.

use chat_core::driver::Command;
use chat_core::protocol::{Event, Peer};
use chat_core::transport::Keyring;
use chat_core::trust::{self, FileError, KnownPeers, KnownPeersError, Security, Verification};

use crate::app::runtime::Failure;
use crate::locale::{self, Explain};
use crate::text::safety_number::{Comparison, compare};

/// The peer of a call.
pub struct PeerRecord {
    peer: Peer,
    /// The known keys; `None` in a call that is not encrypted.
    keyring: Option<Keyring>,
    /// The address that this side dialed, if it did.
    dialed: Option<String>,
}

impl PeerRecord {
    /// A peer of which only what the connection tells is known.
    pub fn new(peer: Peer, keyring: Option<Keyring>, dialed: Option<String>) -> Self {
        Self {
            peer,
            keyring,
            dialed,
        }
    }

    /// What is known of the peer.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Handles the peer's hello, in which it calls itself `name`: remembers its key, and replaces
    /// its name by the one it is known by here. Returns the events to show.
    pub async fn met(&mut self, name: String) -> Vec<Event> {
        if self.peer.name.is_none() && !name.is_empty() {
            self.peer.name = Some(name);
        }
        let trouble = self.remember().await;
        let call = Event::Established(self.peer.clone());
        std::iter::once(call)
            .chain(trouble.map(Event::Notice))
            .collect()
    }

    /// Runs a command that concerns the peer, and returns the events to show. `safety_number`: the
    /// digits of this call, once they were shown; without them there is nothing to verify.
    pub async fn answer(&mut self, command: &Command, safety_number: Option<&str>) -> Vec<Event> {
        let notice = match (command, &self.keyring) {
            (Command::Verify(read_out), Some(keyring)) if self.has_key() => {
                let Some(number) = safety_number else {
                    return vec![Event::Notice(locale::NO_SAFETY_NUMBER.into())];
                };
                let Some(read_out) = read_out else {
                    return vec![Event::Notice(locale::how_to_verify(&self.peer))];
                };
                match compare(number, read_out) {
                    Comparison::Same => {
                        let notice = verify(keyring, &mut self.peer).await;
                        return vec![Event::Notice(notice), Event::Peer(self.peer.clone())];
                    }
                    Comparison::Different => {
                        return vec![Event::Alarm(locale::wrong_number(&self.peer))];
                    }
                    Comparison::NoNumber => locale::no_number(read_out),
                }
            }
            (Command::Peers, Some(keyring)) => list(keyring),
            (Command::Peers, None) | (Command::Verify(_), _) => locale::NO_KEY_TO_VERIFY.into(),
            (Command::Status, _) => locale::peer_status(&self.peer),
            (Command::Answer | Command::Decline | Command::Block, _) => locale::NOBODY_RINGS.into(),
            (Command::Next | Command::Quit, _) => locale::NEXT_IS_FOR_SERVERS.into(),
        };
        vec![Event::Notice(notice)]
    }

    fn has_key(&self) -> bool {
        matches!(self.peer.security, Security::Key { .. })
    }

    /// Remembers the peer's key. Returns a notice for the user, if there is one.
    async fn remember(&mut self) -> Option<String> {
        let (Some(keyring), Security::Key { fingerprint, .. }) =
            (&self.keyring, &self.peer.security)
        else {
            return None;
        };
        let (known, key) = (keyring.known.clone(), *fingerprint);
        let claimed = self.peer.name.clone().unwrap_or_default();
        let dialed = self.dialed.clone();
        let remembered = off_the_runtime({
            let claimed = claimed.clone();
            move || {
                let peer = known.remember(&claimed, dialed.as_deref(), key)?;
                Ok((peer, known.load()?))
            }
        });
        let (peer, list) = match remembered.await {
            Ok(remembered) => remembered,
            Err(error) => return Some(locale::not_remembered(&error)),
        };
        self.peer.name = peer.given_name().map(str::to_owned);
        if claimed.is_empty() {
            return None;
        }
        let namesake = list.like(&claimed).find(|other| other.fingerprint != key)?;
        Some(locale::name_is_taken(&namesake.name, &peer.name))
    }
}

/// Runs `work` on a thread that may wait for the disk and for other programs.
async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KnownPeersError> + Send + 'static,
) -> Result<T, KnownPeersError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.expect("work on the known peers neither panics nor is cancelled")
}

/// Marks the peer's key as verified. Returns the notice to show.
async fn verify(keyring: &Keyring, peer: &mut Peer) -> String {
    let Security::Key {
        fingerprint,
        verification,
    } = &mut peer.security
    else {
        return locale::NO_KEY_TO_VERIFY.into();
    };
    let (known, key) = (keyring.known.clone(), *fingerprint);
    let name = peer.name.clone().unwrap_or_default();
    match off_the_runtime(move || known.verify(&name, key)).await {
        Ok(()) => {
            *verification = Verification::Verified;
            locale::verified(peer)
        }
        Err(error) => locale::not_remembered(&error),
    }
}

/// Refuses all calls with the peer's key from now on. Returns the notice to show.
pub async fn block(keyring: &Keyring, peer: &Peer) -> String {
    let Security::Key { fingerprint, .. } = &peer.security else {
        return locale::NO_KEY_TO_BLOCK.into();
    };
    let (known, key) = (keyring.known.clone(), *fingerprint);
    let name = peer.name.clone().unwrap_or_default();
    match off_the_runtime(move || known.block(&name, key)).await {
        Ok(()) => locale::blocked(peer),
        Err(error) => locale::not_remembered(&error),
    }
}

/// This side's key and the known peers, as a text to show.
pub fn list(keyring: &Keyring) -> String {
    match keyring.known.load() {
        Ok(known) => {
            let own = locale::own_key(keyring.own_key);
            format!("{own}\n{}", locale::peers(&known))
        }
        Err(error) => error.explain(),
    }
}

/// The lines of the known-peers file that cannot be read. They are shown before the first call,
/// because a peer on such a line is not recognized.
///
/// # Errors
/// The file as a whole cannot be read.
pub fn flaws(known: &KnownPeers) -> Result<Vec<String>, FileError> {
    let flaws = known.load()?;
    Ok(flaws
        .unreadable()
        .map(|flaw| locale::unreadable(&flaw))
        .collect())
}

/// Forgets the peer of this name or fingerprint, and reports it on stderr.
///
/// # Errors
/// No peer has it, it is not clear who is meant, or the known-peers file cannot be used.
pub fn forget(who: &str) -> Result<(), Failure> {
    let forgotten = KnownPeers::open(&trust::data_dir()?)?.forget(who)?;
    eprintln!("{}", locale::forgotten(&forgotten));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn established_as(known: Option<&str>, claimed: &str) -> Option<String> {
        let peer = Peer {
            name: known.map(str::to_owned),
            address: "[::1]:7788".into(),
            security: Security::NoKey { post_quantum: true },
        };
        let shown = PeerRecord::new(peer, None, None).met(claimed.into()).await;
        match &shown[..] {
            [Event::Established(peer)] => peer.name.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_known_name_is_kept() {
        let shown = established_as(Some("my bob"), "bob").await;
        assert_eq!(shown.as_deref(), Some("my bob"));
    }

    #[tokio::test]
    async fn a_name_that_is_not_known_is_the_one_in_the_hello() {
        assert_eq!(established_as(None, "bob").await.as_deref(), Some("bob"));
        assert_eq!(established_as(None, "").await, None);
    }
}
