//! The peer of a call, and the handling of its key: remember, verify, list.

use std::collections::VecDeque;
use std::future::pending;

use chat_core::driver::Command;
use chat_core::protocol::{Event, Peer};
use chat_core::transport::Keyring;
use chat_core::trust::{Fingerprint, KnownPeersError, PeerList, Security, Verification};
use chat_core::wire::{Name, Presence};
use chat_core::{Blocking, blocking};

use crate::app::history;
use crate::locale::{self, Explain};
use crate::text::safety_number::{Comparison, compare};

/// The peer of a call. The files of keys are read and written on another thread, one `Task`
/// after the other; the call goes on meanwhile.
pub struct PeerRecord {
    peer: Peer,
    /// The known keys; `None` in a call that is not encrypted.
    keyring: Option<Keyring>,
    /// What the peer calls itself, where this user calls it something else.
    claimed: Option<String>,
    tasks: VecDeque<Task>,
    running: Option<Blocking<Done>>,
    remembering: bool,
}

/// Where this side has reached a peer.
#[derive(Clone, Debug)]
pub struct Dialed {
    /// An address or a number.
    pub address: String,
    /// The peer was called by its name, so the address need not be its own for good.
    pub by_name: bool,
}

/// Work on the files of keys.
type Task = Box<dyn FnOnce() -> Done + Send>;

/// What has become of a [`Task`].
struct Done {
    /// The peer, if more is known of it now.
    peer: Option<Peer>,
    /// What it calls itself, if that has changed, and this user calls it something else.
    claimed: Option<Option<String>>,
    /// What to show.
    events: Vec<Event>,
}

impl Done {
    fn show(events: Vec<Event>) -> Self {
        Self {
            peer: None,
            claimed: None,
            events,
        }
    }
}

impl PeerRecord {
    /// A peer of which only what the connection tells is known.
    pub fn new(peer: Peer, keyring: Option<Keyring>) -> Self {
        Self {
            peer,
            keyring,
            claimed: None,
            tasks: VecDeque::new(),
            running: None,
            remembering: false,
        }
    }

    /// The peer's hello has come, in which it calls itself `name`. Its key is remembered, and where
    /// this side has `dialed` it if it did; then the call is shown, under the name that the peer is
    /// known by here.
    pub fn met(&mut self, name: Name, dialed: Option<Dialed>) {
        let Name { text, chosen } = name;
        let claimed = Some(text.clone()).filter(|_| chosen);
        if self.peer.name.is_none() && !text.is_empty() {
            self.peer.name = Some(text);
        }
        self.remembering = true;
        let (keyring, peer) = (self.keyring.clone(), self.peer.clone());
        self.enqueue(move || {
            let done = remember(keyring.as_ref(), dialed.as_ref(), peer);
            done.with_claim(keyring.as_ref(), claimed)
        });
    }

    /// The peer calls itself something else from now on.
    pub fn renamed(&mut self, name: Name) {
        let (keyring, peer) = (self.keyring.clone(), self.peer.clone());
        self.enqueue(move || {
            let done = Done {
                peer: Some(peer),
                claimed: None,
                events: Vec::new(),
            };
            done.with_claim(keyring.as_ref(), Some(name.text))
        });
    }

    /// Who it is, as far as is known.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether the peer's key is still to be remembered.
    pub fn is_remembering(&self) -> bool {
        self.remembering
    }

    /// Waits for what has become of the next task, as events to show. Cancel safe.
    pub async fn next(&mut self) -> Vec<Event> {
        self.begin_task();
        let Some(running) = &mut self.running else {
            return pending().await;
        };
        let done = running.await;
        self.running = None;
        if let Some(peer) = done.peer {
            self.peer = peer;
            self.remembering = false;
        }
        if let Some(claimed) = done.claimed {
            self.claimed = claimed;
        }
        done.events
    }

    /// Runs a command that concerns the peer, and returns the events to show at once.
    /// `safety_number`: the digits of this call, once they were shown; without them there is
    /// nothing to verify.
    pub fn answer(&mut self, command: &Command, safety_number: Option<&str>) -> Vec<Event> {
        let notice = match (command, &self.keyring) {
            (Command::Verify(read_out), Some(keyring))
                if self.peer.security.fingerprint().is_some() =>
            {
                match (safety_number, read_out) {
                    (None, _) => locale::text().no_safety_number().into(),
                    (Some(_), None) => locale::text().how_to_verify(&self.peer),
                    (Some(number), Some(read_out)) => match compare(number, read_out) {
                        Comparison::Same => {
                            let (keyring, peer) = (keyring.clone(), self.peer.clone());
                            self.enqueue(move || verify(&keyring, peer));
                            return Vec::new();
                        }
                        Comparison::Different => {
                            return vec![Event::Alarm(locale::text().wrong_number(&self.peer))];
                        }
                        Comparison::NoNumber => locale::text().no_number(read_out),
                    },
                }
            }
            (Command::Peers, Some(keyring)) => {
                let keyring = keyring.clone();
                self.enqueue(move || Done::show(vec![Event::Notice(list(&keyring))]));
                return Vec::new();
            }
            (Command::Rename(name), Some(keyring))
                if self.peer.security.fingerprint().is_some() =>
            {
                let Some(name) = name.clone().or_else(|| self.claimed.clone()) else {
                    return vec![Event::Notice(locale::text().rename_to_what().into())];
                };
                let (keyring, peer) = (keyring.clone(), self.peer.clone());
                self.enqueue(move || rename(&keyring, peer, &name));
                return Vec::new();
            }
            (Command::Rename(_), _) => locale::text().no_key_to_name().into(),
            (Command::History(_) | Command::Search(_), Some(keyring)) => {
                let (keyring, peer, command) =
                    (keyring.clone(), self.peer.clone(), command.clone());
                self.enqueue(move || Done::show(read_back(&keyring, &peer, &command)));
                return Vec::new();
            }
            (Command::History(_) | Command::Search(_), None) => {
                locale::text().nothing_recorded(&self.peer)
            }
            (Command::Peers, None) | (Command::Verify(_), _) => {
                locale::text().no_key_to_verify().into()
            }
            (Command::Status, _) => locale::text().peer_status(&self.peer),
            (Command::Answer | Command::Decline(_) | Command::Block, _) => {
                locale::text().nobody_rings().into()
            }
            (Command::File(_), _) => locale::text().no_files().into(),
            (Command::Next | Command::Quit | Command::Keep, _) => {
                locale::text().next_is_for_servers().into()
            }
            (Command::Away(_) | Command::Name(_) | Command::Note(_), _) => {
                locale::text().nothing_to_wait_for().into()
            }
        };
        vec![Event::Notice(notice)]
    }

    fn enqueue(&mut self, task: impl FnOnce() -> Done + Send + 'static) {
        self.tasks.push_back(Box::new(task));
        self.begin_task();
    }

    fn begin_task(&mut self) {
        if self.running.is_none() {
            self.running = self.tasks.pop_front().map(blocking);
        }
    }
}

impl Done {
    /// Tells the person what the peer calls itself, if it is called something else here.
    fn with_claim(mut self, keyring: Option<&Keyring>, claimed: Option<String>) -> Self {
        let (Some(keyring), Some(claimed), Some(peer)) = (keyring, claimed, &self.peer) else {
            return self;
        };
        let Security::Key { fingerprint, .. } = peer.security else {
            return self;
        };
        // A name that is another's here was told of before.
        let is_another = keyring
            .known
            .load()
            .is_ok_and(|known| !known.is_called(fingerprint, &claimed))
            && namesake(keyring, &claimed, fingerprint).is_none();
        let claims = is_another.then_some(claimed);
        self.events.push(Event::Claims(claims.clone()));
        if let Some(claimed) = &claims {
            let notice = locale::text().calls_itself(peer, claimed);
            self.events.push(Event::Notice(notice));
        }
        self.claimed = Some(claims);
        self
    }
}

/// Remembers the peer's key, and replaces its name by the one it is known by here. The call begins
/// with what was recorded last.
fn remember(keyring: Option<&Keyring>, dialed: Option<&Dialed>, mut peer: Peer) -> Done {
    let mut trouble = None;
    let mut past = None;
    if let (Some(keyring), Security::Key { fingerprint, .. }) = (keyring, &peer.security) {
        past = history::opening(&keyring.data_dir, *fingerprint);
        let claimed = peer.name.take().unwrap_or_default();
        let address = dialed.map(|dialed| dialed.address.as_str());
        let remembered = match keyring.known.remember(&claimed, address, *fingerprint) {
            // It was found where somebody else was known, who may be there again.
            Err(KnownPeersError::Changed(_)) if dialed.is_some_and(|dialed| dialed.by_name) => {
                keyring.known.remember(&claimed, None, *fingerprint)
            }
            remembered => remembered,
        };
        match remembered {
            Ok(known) => {
                peer.name = known.given_name().map(str::to_owned);
                trouble = namesake(keyring, &claimed, *fingerprint)
                    .map(|namesake| locale::text().name_is_taken(&namesake, &known.name));
            }
            Err(error) => {
                peer.name = Some(claimed).filter(|claimed| !claimed.is_empty());
                trouble = Some(locale::text().not_remembered(&error.explain()));
            }
        }
    }
    let call = Event::Established(peer.clone());
    Done {
        peer: Some(peer),
        claimed: None,
        events: std::iter::once(call)
            .chain(past)
            .chain(trouble.map(Event::Notice))
            .collect(),
    }
}

/// The name of another known peer who could be taken for the one that `claimed` it.
fn namesake(keyring: &Keyring, claimed: &str, key: Fingerprint) -> Option<String> {
    if claimed.is_empty() {
        return None;
    }
    let list = keyring.known.load().ok()?;
    let mut namesakes = list.like(claimed);
    let namesake = namesakes.find(|other| other.fingerprint != key)?;
    Some(namesake.name.clone())
}

/// Calls the peer by another name.
fn rename(keyring: &Keyring, mut peer: Peer, name: &str) -> Done {
    let Security::Key { fingerprint, .. } = peer.security else {
        unreachable!("only who has a key is renamed");
    };
    match keyring.known.rename(name, fingerprint) {
        Ok(name) => {
            let notice = locale::text().renamed(&peer, &name);
            peer.name = Some(name);
            Done {
                events: vec![
                    Event::Notice(notice),
                    Event::Peer(peer.clone()),
                    Event::Claims(None),
                ],
                claimed: Some(None),
                peer: Some(peer),
            }
        }
        Err(error) => Done {
            peer: None,
            claimed: None,
            events: vec![Event::Notice(error.explain())],
        },
    }
}

/// What was recorded with the peer.
fn read_back(keyring: &Keyring, peer: &Peer, command: &Command) -> Vec<Event> {
    let shown = match (peer.security.fingerprint(), command) {
        (Some(key), Command::History(count)) => history::last(&keyring.data_dir, key, *count),
        (Some(key), Command::Search(text)) => history::search(&keyring.data_dir, key, text),
        _ => Vec::new(),
    };
    match shown.is_empty() {
        true => vec![Event::Notice(locale::text().nothing_recorded(peer))],
        false => shown,
    }
}

/// Marks the peer's key as verified.
fn verify(keyring: &Keyring, mut peer: Peer) -> Done {
    let mut notice = locale::text().no_key_to_verify().into();
    if let Security::Key {
        fingerprint,
        verification,
    } = &mut peer.security
    {
        let name = peer.name.as_deref().unwrap_or_default();
        notice = match keyring.known.verify(name, *fingerprint) {
            Ok(()) => {
                *verification = Verification::Verified;
                locale::text().verified(&peer)
            }
            Err(error) => locale::text().not_remembered(&error.explain()),
        };
    }
    Done {
        events: vec![Event::Notice(notice), Event::Peer(peer.clone())],
        claimed: None,
        peer: Some(peer),
    }
}

/// What `/away` means for a person who is there or not, and what to tell them.
pub fn away(before: &Presence, text: Option<String>) -> (Presence, Event) {
    let after = match (before, text) {
        (_, Some(text)) => Presence::Away(text),
        (Presence::Here, None) => Presence::Away(String::new()),
        (Presence::Away(_), None) => Presence::Here,
    };
    let notice = match &after {
        Presence::Here => locale::text().you_are_back(),
        Presence::Away(_) => locale::text().you_are_away(),
    };
    (after, Event::Notice(notice.to_owned()))
}

/// Refuses all calls with the peer's key from now on. Returns the notice to show.
pub async fn block(keyring: &Keyring, peer: &Peer) -> String {
    let Security::Key { fingerprint, .. } = peer.security else {
        return locale::text().no_key_to_block().into();
    };
    let known = keyring.known.clone();
    let name = peer.name.clone().unwrap_or_default();
    match blocking(move || known.block(&name, fingerprint)).await {
        Ok(()) => locale::text().blocked(peer),
        Err(error) => locale::text().not_remembered(&error.explain()),
    }
}

/// This side's key and the known peers, as a text to show.
pub fn list(keyring: &Keyring) -> String {
    match keyring.known.load() {
        Ok(known) => {
            let own = locale::text().own_key(keyring.own_key);
            format!("{own}\n{}", locale::text().peers(&known))
        }
        Err(error) => error.explain(),
    }
}

/// The lines of the known-peers file that cannot be read. They are shown before the first call,
/// because a peer on such a line is not recognized.
pub fn flaws(known: &PeerList) -> Vec<String> {
    let flaws = known.unreadable();
    flaws.map(|flaw| locale::text().unreadable(&flaw)).collect()
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
        let mut record = PeerRecord::new(peer, None);
        record.met(Name::of_account(claimed.into()), None);
        assert!(record.is_remembering());
        let shown = record.next().await;
        assert!(!record.is_remembering());
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
