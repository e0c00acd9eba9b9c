//! The contents of `known_peers` at one moment, and whether a key agrees with them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::KnownPeersError;
use super::entry::{KnownPeer, Line, ParseError, PeerState};
use super::name::{likeness, tidy};
use crate::trust::{Fingerprint, Number};

/// How many strangers are remembered, callers whom this user has neither dialed nor verified.
pub(super) const MAX_STRANGERS: usize = 1_000;

/// A line that cannot be read. It is skipped, and kept as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}, line {number}: {error}", .path.display())]
pub struct Unreadable {
    /// The file.
    pub path: PathBuf,
    /// The line's number, from 1.
    pub number: usize,
    /// Why.
    pub error: ParseError,
}

/// A key that differs from the known one: a new key of the same person, or somebody else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is known by {}, not by {new_key}", .known.name, .known.fingerprint)]
pub struct ChangedKey {
    /// The owner of the old key.
    pub known: Box<KnownPeer>,
    /// The key that was shown now.
    pub new_key: Fingerprint,
    /// Whether this side dialed or was called.
    pub direction: Direction,
    /// What tells for the new key.
    pub claim: Claim,
}

/// What tells that a new key belongs to somebody who is known by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing but a name or an address.
    Unproven,
    /// The known key vouches for it. So can whoever has stolen that.
    Vouched,
    /// It is one that the known key has replaced, and may have been stolen.
    Replaced,
}

/// Which end dialed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Direction {
    /// This side dialed the address.
    Dialed(String),
    /// The other side called, under this name.
    Called,
}

impl ChangedKey {
    /// `replaced`: the keys that vouch for the new one.
    fn new(
        known: &KnownPeer,
        new_key: Fingerprint,
        replaced: &[Fingerprint],
        direction: Direction,
    ) -> Self {
        let claim = if replaced.contains(&known.fingerprint) {
            Claim::Vouched
        } else if known.replaced.contains(&new_key) {
            Claim::Replaced
        } else {
            Claim::Unproven
        };
        Self {
            known: Box::new(known.clone()),
            new_key,
            direction,
            claim,
        }
    }
}

/// The contents of `known_peers` at one moment.
#[derive(Clone, Debug)]
pub struct PeerList {
    path: PathBuf,
    pub(super) lines: Vec<Line>,
}

impl PeerList {
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Self {
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        Self {
            path: path.to_owned(),
            lines: lines.map(|raw| Line::new(raw.to_vec())).collect(),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let lines: Vec<_> = self.lines.iter().map(|line| &line.raw[..]).collect();
        lines.concat()
    }

    /// The peers, in the order of the file.
    pub fn peers(&self) -> impl Iterator<Item = &KnownPeer> {
        self.lines.iter().filter_map(Line::peer)
    }

    /// The lines that cannot be read.
    pub fn unreadable(&self) -> impl Iterator<Item = Unreadable> {
        (1..).zip(&self.lines).filter_map(|(number, line)| {
            Some(Unreadable {
                path: self.path.clone(),
                number,
                error: *line.content.as_ref().err()?,
            })
        })
    }

    /// The owner of this key.
    pub fn by_key(&self, key: Fingerprint) -> Option<&KnownPeer> {
        self.peers().find(|peer| peer.fingerprint == key)
    }

    /// The key of the peer with this fingerprint, or with exactly this name if no other name can be
    /// taken for it. Whether a fingerprint is known is not asked.
    ///
    /// # Errors
    /// Nobody has this name, or others have names that look like it.
    pub fn key_of(&self, who: &str) -> Result<Fingerprint, KnownPeersError> {
        if let Ok(key) = who.parse() {
            return Ok(key);
        }
        let alike: Vec<_> = self.like(who).collect();
        let Some(first) = alike.first() else {
            return Err(KnownPeersError::NoSuchName {
                name: who.to_owned(),
                known: self.peers().map(|peer| peer.name.clone()).collect(),
            });
        };
        let is_it = |peer: &&KnownPeer| peer.name == who && peer.fingerprint == first.fingerprint;
        if alike.iter().all(is_it) {
            return Ok(first.fingerprint);
        }
        Err(KnownPeersError::Ambiguous {
            name: who.to_owned(),
            alike: alike.into_iter().cloned().collect(),
        })
    }

    /// The peer at this address, `HOST:PORT`.
    pub fn by_address(&self, address: &str) -> Option<&KnownPeer> {
        self.peers().find(|peer| peer.is_at(address))
    }

    /// The one whom this key was, or is, to belong to although it is not theirs: it was replaced, or
    /// theirs vouches for it.
    fn by_other_key(&self, key: Fingerprint, replaced: &[Fingerprint]) -> Option<&KnownPeer> {
        let mut peers = self.peers();
        peers.find(|peer| peer.replaced.contains(&key) || replaced.contains(&peer.fingerprint))
    }

    /// For the dialer: the owner of the key that answered at this address; `None` if it is new.
    /// `replaced`: the keys that vouch for it.
    ///
    /// The address is what this user asked for, so it counts before the key: even the key of
    /// another friend is refused there. A key that is known, at an address that is not, is a
    /// friend who has moved.
    ///
    /// # Errors
    /// Another key is known at this address.
    pub fn check_dialed(
        &self,
        address: &str,
        key: Fingerprint,
        replaced: &[Fingerprint],
    ) -> Result<Option<&KnownPeer>, ChangedKey> {
        let mut here = self.peers().filter(|peer| peer.is_at(address)).peekable();
        let other = match here.peek().copied() {
            Some(first) => match here.find(|peer| peer.fingerprint == key) {
                Some(peer) => return Ok(Some(peer)),
                None => first,
            },
            None => match (self.by_key(key), self.by_other_key(key, replaced)) {
                (None, Some(other)) => other,
                (known, _) => return Ok(known),
            },
        };
        let dialed = Direction::Dialed(address.to_owned());
        Err(ChangedKey::new(other, key, replaced, dialed))
    }

    /// For the dialer of the peer that is known by the key `wanted`, wherever it answers: the owner
    /// of the key that did; `None` if it is somebody else. `replaced`: the keys that vouch for it.
    ///
    /// # Errors
    /// The wanted key vouches for it, or has replaced it.
    pub fn check_known(
        &self,
        wanted: Fingerprint,
        address: &str,
        key: Fingerprint,
        replaced: &[Fingerprint],
    ) -> Result<Option<&KnownPeer>, ChangedKey> {
        let Some(peer) = self.by_key(wanted) else {
            return Ok(None);
        };
        if key == wanted {
            return Ok(Some(peer));
        }
        let dialed = Direction::Dialed(address.to_owned());
        match ChangedKey::new(peer, key, replaced, dialed) {
            changed if changed.claim == Claim::Unproven => Ok(None),
            changed => Err(changed),
        }
    }

    /// For the listener: the owner of the key that called, under a name if it was chosen; `None`
    /// if it is new. `replaced`: the keys that vouch for it.
    ///
    /// The caller's address proves nothing, so the key counts first: its owner is shown under
    /// the name that this user knows, whatever the caller claims. With an unknown key there is
    /// only the claimed name. It proves nothing either, but a caller whose name looks like that of
    /// somebody whom this user has dialed or verified is that friend with a new key or an
    /// impostor, and is refused. Of two friends with one name, the second needs another
    /// (`--name`), or the first is renamed in the file. A stranger can try names and learn which
    /// are known here; that is the price. The name of an account claims nothing, and the name of
    /// who has only called is not kept for them: such a caller is new, and gets a name of its own.
    ///
    /// # Errors
    /// Another key is known under the claimed name.
    pub fn check_caller(
        &self,
        key: Fingerprint,
        claimed: Option<&str>,
        replaced: &[Fingerprint],
    ) -> Result<Option<&KnownPeer>, ChangedKey> {
        if let Some(peer) = self.by_key(key) {
            return Ok(Some(peer));
        }
        let changed = |peer| ChangedKey::new(peer, key, replaced, Direction::Called);
        if let Some(other) = self.by_other_key(key, replaced) {
            return Err(changed(other));
        }
        let Some(claimed) = claimed.and_then(tidy) else {
            return Ok(None);
        };
        match self.like(&claimed).find(|peer| peer.is_friend()) {
            Some(peer) => Err(changed(peer)),
            None => Ok(None),
        }
    }

    /// The peers whose names look like this one.
    pub fn like(&self, name: &str) -> impl Iterator<Item = &KnownPeer> {
        let likeness = likeness(name);
        let alike = self.lines.iter();
        let alike = alike.filter(move |line| line.likeness() == likeness);
        alike.filter_map(Line::peer)
    }

    /// The peers whom this user may mean by a name, because it has dialed or verified them. Names
    /// that look alike are the same; who has only called chose the name, and is not meant.
    pub fn friends_named(&self, name: &str) -> Vec<&KnownPeer> {
        self.like(name).filter(|peer| peer.is_friend()).collect()
    }

    /// Gives the owner of this key another name. Returns whether there is one.
    pub(super) fn rename(&mut self, name: &str, key: Fingerprint) -> bool {
        let mut lines = self.lines.iter_mut().filter(|line| line.has_key(key));
        let renamed = lines.by_ref().map(|line| line.set_name(name)).count();
        renamed > 0
    }

    /// Puts another key in the place of this one, which is remembered as replaced. The new one is
    /// not verified: nobody has compared a number under it.
    pub(super) fn replace_key(&mut self, old: Fingerprint, new: Fingerprint) {
        self.lines.retain(|line| !line.has_key(new));
        for line in self.lines.iter_mut().filter(|line| line.has_key(old)) {
            line.replace_key(new);
        }
    }

    /// Whether a peer may call itself this and be meant by the name that it has here.
    pub fn is_called(&self, key: Fingerprint, claimed: &str) -> bool {
        let claimed = tidy(claimed).map(|claimed| likeness(&claimed));
        let known = self.by_key(key).map(|peer| likeness(&peer.name));
        claimed.is_none() || claimed == known
    }

    /// Adds a line for a key that is new. To the line of one that is known, adds that it was heard,
    /// its address or number, and the name if it had none.
    pub(super) fn remember(&mut self, name: &str, address: Option<&str>, key: Fingerprint) {
        if self.by_key(key).is_none() {
            self.add(name, key);
        }
        let Some(known) = self.by_key(key) else {
            return;
        };
        let name = match known.given_name() {
            None => tidy(name).map(|name| self.free_name(name)),
            Some(_) => None,
        };
        let Some(line) = self.lines.iter_mut().find(|line| line.has_key(key)) else {
            return;
        };
        if let Some(name) = name {
            line.set_name(&name);
        }
        line.set_heard();
        match address.map(|address| (address, address.parse::<Number>())) {
            Some((_, Ok(number))) if number.key.fingerprint() == key => line.set_number(&number),
            Some((address, Err(_))) => line.reached_at(address),
            _ => {}
        }
        self.forget_oldest_strangers();
    }

    /// Adds a line for a key that is new.
    fn add(&mut self, name: &str, key: Fingerprint) {
        let name = self.free_name(tidy(name).unwrap_or_else(|| key.short()));
        if let Some(last) = self.lines.last_mut() {
            last.end();
        }
        self.lines.push(Line::of_new_key(&name, key));
    }

    /// Makes room for the strangers to come.
    fn forget_oldest_strangers(&mut self) {
        let strangers = self.peers().filter(|peer| peer.is_stranger()).count();
        let is_stranger = |line: &mut Line| line.peer().is_some_and(KnownPeer::is_stranger);
        let excess = strangers.saturating_sub(MAX_STRANGERS);
        let oldest = self.lines.extract_if(.., is_stranger).take(excess);
        oldest.for_each(drop);
    }

    /// Notes what this user has decided about a key. It is added if it is new.
    pub(super) fn decide(&mut self, name: &str, key: Fingerprint, state: PeerState) {
        if self.by_key(key).is_none() {
            self.add(name, key);
        }
        for line in self.lines.iter_mut().filter(|line| line.has_key(key)) {
            line.set_state(state);
        }
        self.forget_oldest_strangers();
    }

    pub(super) fn forget(&mut self, key: Fingerprint) -> Vec<KnownPeer> {
        let forgotten = self.lines.extract_if(.., |line| line.has_key(key));
        forgotten.filter_map(|line| line.content.ok()?).collect()
    }

    /// The name, or a similar one, so that no two names look alike.
    fn free_name(&self, name: String) -> String {
        let taken: HashSet<_> = self.lines.iter().map(Line::likeness).collect();
        let numbered = (2..).map(|n| format!("{name}-{n}"));
        let mut names = std::iter::once(name.clone()).chain(numbered);
        let free = names.find(|name| !taken.contains(&*likeness(name)));
        free.unwrap_or(name)
    }
}
