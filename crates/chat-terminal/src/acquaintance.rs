//! The peer of a call, and what a program does about its key on the person's behalf.

use chat_core::driver::Command;
use chat_core::protocol::{Event, Peer};
use chat_core::transport::Keyring;
use chat_core::trust::{self, FileError, KnownPeer, KnownPeers, Security, Verification};

use crate::words;

/// The peer of a call.
pub struct Acquaintance {
    peer: Peer,
    /// The keys of others; none in a call that is not encrypted.
    keyring: Option<Keyring>,
    /// Where this side dialed it, if it did.
    dialed: Option<String>,
}

impl Acquaintance {
    /// A peer of whom no more is known than the connection tells.
    pub fn new(peer: Peer, keyring: Option<Keyring>, dialed: Option<String>) -> Self {
        Self {
            peer,
            keyring,
            dialed,
        }
    }

    /// The peer, as far as it is known.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The peer has said hello. It is remembered, and called what it is known as here. Answers
    /// what to show.
    pub fn met(&mut self, peer: Peer) -> Vec<Event> {
        self.peer = peer;
        let trouble = self.remember();
        let call = Event::Established(self.peer.clone());
        std::iter::once(call)
            .chain(trouble.map(Event::Notice))
            .collect()
    }

    /// Answers a command that concerns the peer with what to show. `comparable`: the safety
    /// number was shown, without which there is nothing to verify a peer by.
    pub fn answer(&mut self, command: Command, comparable: bool) -> Vec<Event> {
        let notice = match (command, &self.keyring) {
            (Command::Verify, Some(_)) if self.has_key() && !comparable => {
                words::NO_SAFETY_NUMBER.into()
            }
            (Command::Verify, Some(keyring)) => {
                let notice = verify(keyring, &mut self.peer);
                return vec![Event::Notice(notice), Event::Peer(self.peer.clone())];
            }
            (Command::Peers, Some(keyring)) => list(keyring),
            (Command::Verify | Command::Peers, None) => words::NO_KEY_TO_VERIFY.into(),
            (Command::Status, _) => words::status(&self.peer),
            (Command::Next | Command::Quit, _) => words::NEXT_IS_FOR_SERVERS.into(),
        };
        vec![Event::Notice(notice)]
    }

    fn has_key(&self) -> bool {
        matches!(self.peer.security, Security::Key { .. })
    }

    /// Answers what went wrong, if something did.
    fn remember(&mut self) -> Option<String> {
        let (Some(keyring), Security::Key { fingerprint, .. }) =
            (&self.keyring, &self.peer.security)
        else {
            return None;
        };
        let name = self.peer.name.as_deref().unwrap_or_default();
        let dialed = self.dialed.as_deref();
        match keyring.known.remember(name, dialed, *fingerprint) {
            Ok(known) => {
                let claimed = self.peer.name.replace(known.name.clone());
                let claimed = claimed.filter(|claimed| is_of_another(keyring, claimed, &known));
                claimed.map(|claimed| words::name_is_taken(&claimed, &known.name))
            }
            Err(error) => Some(words::not_remembered(&error)),
        }
    }
}

/// Whether a name is that of somebody else who is known here.
fn is_of_another(keyring: &Keyring, name: &str, peer: &KnownPeer) -> bool {
    let known = keyring.known.load();
    known.is_ok_and(|known| {
        known
            .peers()
            .any(|other| other.name == name && other.fingerprint != peer.fingerprint)
    })
}

/// Remembers that the two people compared their safety numbers. Answers what to tell them.
fn verify(keyring: &Keyring, peer: &mut Peer) -> String {
    let Security::Key {
        fingerprint,
        verification,
    } = &mut peer.security
    else {
        return words::NO_KEY_TO_VERIFY.into();
    };
    match keyring.known.verify(*fingerprint) {
        Ok(()) => {
            *verification = Verification::Verified;
            words::verified(peer)
        }
        Err(error) => words::not_remembered(&error),
    }
}

/// The own key and the known peers, as a list to read.
pub fn list(keyring: &Keyring) -> String {
    match keyring.known.load() {
        Ok(known) => {
            let own = words::own_key(keyring.own_key);
            format!("{own}\n{}", words::peers(&known))
        }
        Err(error) => error.to_string(),
    }
}

/// What the person should know of the file of known peers before the first call: each line of
/// it that cannot be read, for the friend who stands there is not recognised.
///
/// # Errors
/// The file as a whole cannot be used.
pub fn flaws(known: &KnownPeers) -> Result<Vec<String>, FileError> {
    let flaws = known.load()?;
    Ok(flaws.unreadable().map(|flaw| flaw.to_string()).collect())
}

/// Forgets whoever has this name, and says so on stderr.
///
/// # Errors
/// Nobody has this name, or the file of known peers cannot be used.
pub fn forget(name: &str) -> anyhow::Result<()> {
    let forgotten = KnownPeers::open(&trust::data_dir()?)?.forget(name)?;
    eprintln!("{}", words::forgotten(&forgotten));
    Ok(())
}
