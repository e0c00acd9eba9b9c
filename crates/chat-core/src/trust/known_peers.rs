//! Who owns which key, as this user has learned it.
//!
//! One line a peer, `NAME[,ADDRESS…] KEYTYPE SHA256:… FIRST-SEEN STATE`. People may edit the
//! file by hand: whatever this module does not understand stays as it is, byte for byte.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Fingerprint;
use super::private_file::{self, FileError};
use super::shell::quoted;

/// The only type of key that is ever remembered.
const KEY_TYPE: &str = "ed25519";

/// The longest name that is remembered, in bytes.
const MAX_NAME: usize = 64;

/// The name of those who give none.
const NAMELESS: &str = "peer";

const UNVERIFIED: &str = "unverified";
const VERIFIED: &str = "verified";

// The fields that are ever changed, counted from 0.
const LABELS: usize = 0;
const STATE: usize = 4;

/// A peer whose key this user has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPeer {
    /// What this user calls it; unique unless edited by hand.
    pub name: String,
    /// Where it was dialed, as `HOST:PORT`.
    pub addresses: Vec<String>,
    /// The type of its key.
    pub key_type: String,
    /// Its key.
    pub fingerprint: Fingerprint,
    /// The day of the first contact, `YYYY-MM-DD` in UTC.
    pub first_seen: String,
    /// Whether the two people have compared their safety numbers.
    pub verified: bool,
}

impl KnownPeer {
    fn is_at(&self, address: &str) -> bool {
        let known = |known: &String| known.eq_ignore_ascii_case(address);
        self.addresses.iter().any(known)
    }

    fn has_changed_to(&self, key: Fingerprint, met: Met) -> ChangedKey {
        ChangedKey {
            known: Box::new(self.clone()),
            new_key: key,
            met,
        }
    }
}

/// Why a line cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It is no UTF-8.
    #[error("it is no UTF-8")]
    Encoding,
    /// It has fewer fields than five.
    #[error("it should read NAME[,ADDRESS...] KEYTYPE SHA256:... FIRST-SEEN STATE")]
    TooShort,
    /// The name, or one of the addresses, is missing between the commas.
    #[error("a name or address is missing")]
    Nameless,
    /// The third field is no fingerprint.
    #[error(transparent)]
    Fingerprint(#[from] super::InvalidFingerprint),
    /// The fifth field is not a state.
    #[error("the state is neither unverified nor verified")]
    State,
}

/// A line that cannot be read. It is skipped, and kept as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}, line {number} is skipped: {flaw}", path = .path.display())]
pub struct Unreadable {
    /// The file.
    pub path: PathBuf,
    /// The line's number, from 1.
    pub number: usize,
    /// Why.
    pub flaw: Flaw,
}

/// A key that is not the one known from before: a new one of the same person, or somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedKey {
    /// The owner of the old key.
    pub known: Box<KnownPeer>,
    /// The key that was shown now.
    pub new_key: Fingerprint,
    /// How the new key came.
    pub met: Met,
}

/// Which end met a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Met {
    /// This side dialed the address.
    Dialed(String),
    /// The other side called, under this name.
    Called,
}

impl std::error::Error for ChangedKey {}

impl fmt::Display for ChangedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KnownPeer {
            name,
            fingerprint,
            first_seen,
            ..
        } = &*self.known;
        let program = match &self.met {
            Met::Dialed(address) => {
                write!(f, "the key of {name} at {address} has changed")?;
                "chat-client"
            }
            Met::Called => {
                write!(f, "a caller named {name} does not have the key of {name}")?;
                "chat-server"
            }
        };
        let word = quoted(name);
        write!(
            f,
            ": known since {first_seen} is {fingerprint}, now it is {new_key}; somebody else may \
             be there; if {name} confirms the new key: {program} --forget {word}",
            new_key = self.new_key
        )?;
        if self.met == Met::Called {
            write!(
                f,
                "; if this is another {name}: let them take another --name"
            )?;
        }
        Ok(())
    }
}

/// Why the known peers could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KnownPeersError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The address belongs to another key by now.
    #[error(transparent)]
    Changed(#[from] ChangedKey),
    /// An address that has no place in the file.
    #[error("{0:?} is no address that can be remembered")]
    Address(String),
    /// Nobody has this key.
    #[error("nobody with the key {0} is known")]
    NoSuchKey(Fingerprint),
    /// Nobody has this name.
    #[error("nobody named {name} is known; known are: {}", if .known.is_empty() { "none" } else { .known.as_str() })]
    NoSuchName {
        /// The name.
        name: String,
        /// Those who are known.
        known: String,
    },
}

/// The file `known_peers`. Each method reads it anew, for other programs change it too,
/// and may wait for them briefly.
#[derive(Clone, Debug)]
pub struct KnownPeers {
    path: PathBuf,
}

impl KnownPeers {
    /// Those in `home`, where the identity is.
    pub fn new(home: &Path) -> Self {
        Self {
            path: home.join("known_peers"),
        }
    }

    /// Reads the file; it need not exist.
    pub fn load(&self) -> Result<PeerList, FileError> {
        let bytes = private_file::read(&self.path)?.unwrap_or_default();
        Ok(PeerList::parse(&bytes, &self.path))
    }

    /// Remembers a key, under a name of its own, and where it was dialed if it was.
    ///
    /// A key that is known keeps its name. An address of another key is refused.
    pub fn remember(
        &self,
        name: &str,
        address: Option<&str>,
        key: Fingerprint,
    ) -> Result<KnownPeer, KnownPeersError> {
        if let Some(address) = address {
            check_address(address)?;
        }
        self.update(|list| {
            if let Some(address) = address {
                list.check_dialed(address, key)?;
            }
            list.remember(name, address, key);
            let peer = list.by_key(key).cloned();
            peer.ok_or(KnownPeersError::NoSuchKey(key))
        })
    }

    /// Remembers that the owner of this key was verified.
    pub fn verify(&self, key: Fingerprint) -> Result<(), KnownPeersError> {
        self.update(|list| {
            if list.by_key(key).is_none() {
                return Err(KnownPeersError::NoSuchKey(key));
            }
            list.verify(key);
            Ok(())
        })
    }

    /// Forgets whoever has this name, and returns them.
    pub fn forget(&self, name: &str) -> Result<Vec<KnownPeer>, KnownPeersError> {
        self.update(|list| {
            let forgotten = list.forget(name);
            if forgotten.is_empty() {
                let known: Vec<_> = list.peers().map(|peer| peer.name.as_str()).collect();
                return Err(KnownPeersError::NoSuchName {
                    name: name.to_owned(),
                    known: known.join(", "),
                });
            }
            Ok(forgotten)
        })
    }

    /// Reads, changes and writes under a lock, so that no other program's change is lost.
    fn update<T>(
        &self,
        change: impl FnOnce(&mut PeerList) -> Result<T, KnownPeersError>,
    ) -> Result<T, KnownPeersError> {
        if let Some(home) = self.path.parent() {
            private_file::private_dir(home)?;
        }
        let _lock = private_file::lock(&self.path.with_extension("lock"))?;
        let before = private_file::read(&self.path)?.unwrap_or_default();
        let mut list = PeerList::parse(&before, &self.path);
        let result = change(&mut list)?;
        let after = list.to_bytes();
        if after != before {
            private_file::replace(&self.path, &after)?;
        }
        Ok(result)
    }
}

fn check_address(address: &str) -> Result<(), KnownPeersError> {
    let fits = |c: char| !c.is_whitespace() && !c.is_control() && c != ',';
    if address.is_empty() || !address.chars().all(fits) {
        return Err(KnownPeersError::Address(address.to_owned()));
    }
    Ok(())
}

/// What stands in `known_peers` at one moment.
#[derive(Clone, Debug)]
pub struct PeerList {
    path: PathBuf,
    lines: Vec<Line>,
}

impl PeerList {
    fn parse(bytes: &[u8], path: &Path) -> Self {
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        Self {
            path: path.to_owned(),
            lines: lines.map(|raw| Line::new(raw.to_vec())).collect(),
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
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
                flaw: *line.content.as_ref().err()?,
            })
        })
    }

    /// The owner of this key.
    pub fn by_key(&self, key: Fingerprint) -> Option<&KnownPeer> {
        self.peers().find(|peer| peer.fingerprint == key)
    }

    /// Whoever was reached at this address, `HOST:PORT`.
    pub fn by_address(&self, address: &str) -> Option<&KnownPeer> {
        self.peers().find(|peer| peer.is_at(address))
    }

    /// For the dialer: whose key answered at this address; nobody's if it is new.
    ///
    /// The address is what this user asked for, so it counts before the key: even the key of
    /// another friend is refused there. A key that is known, at an address that is not, is a
    /// friend who has moved.
    pub fn check_dialed(
        &self,
        address: &str,
        key: Fingerprint,
    ) -> Result<Option<&KnownPeer>, ChangedKey> {
        let mut here = self.peers().filter(|peer| peer.is_at(address)).peekable();
        let Some(first) = here.peek().copied() else {
            return Ok(self.by_key(key));
        };
        match here.find(|peer| peer.fingerprint == key) {
            Some(peer) => Ok(Some(peer)),
            None => Err(first.has_changed_to(key, Met::Dialed(address.to_owned()))),
        }
    }

    /// For the listener: whose key called, under which name; nobody's if it is new.
    ///
    /// Where a call comes from says nothing, so the key counts first: its owner is greeted by
    /// the name that this user knows, whatever the caller claims. With an unknown key the
    /// claimed name is all there is. It proves nothing, but whoever takes the name of a friend
    /// is either that friend with a new key or somebody to be kept out, so it is refused. Of
    /// two friends with one name the second needs another (`--name`), or the first is given
    /// another in the file: a listener looks them up by their keys. A stranger can try names
    /// and learn which are known here; that is the price.
    pub fn check_caller(
        &self,
        key: Fingerprint,
        claimed: Option<&str>,
    ) -> Result<Option<&KnownPeer>, ChangedKey> {
        if let Some(peer) = self.by_key(key) {
            return Ok(Some(peer));
        }
        let claimed = claimed.and_then(tidy_name);
        match self
            .peers()
            .find(|peer| Some(&peer.name) == claimed.as_ref())
        {
            Some(peer) => Err(peer.has_changed_to(key, Met::Called)),
            None => Ok(None),
        }
    }

    /// Adds a line for a key that is new, or the address to the line of one that is known.
    fn remember(&mut self, name: &str, address: Option<&str>, key: Fingerprint) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.has_key(key)) {
            if let Some(address) = address {
                line.add_address(address);
            }
            return;
        }
        let mut labels = self.free_name(name);
        if let Some(address) = address {
            labels = format!("{labels},{address}");
        }
        let today = time::OffsetDateTime::now_utc().date();
        let line = format!("{labels} {KEY_TYPE} {key} {today} {UNVERIFIED}\n");
        if let Some(last) = self.lines.last_mut() {
            last.end();
        }
        self.lines.push(Line::new(line.into_bytes()));
    }

    fn verify(&mut self, key: Fingerprint) {
        for line in self.lines.iter_mut().filter(|line| line.has_key(key)) {
            line.set_field(STATE, VERIFIED);
        }
    }

    fn forget(&mut self, name: &str) -> Vec<KnownPeer> {
        let forgotten = |line: &mut Line| line.peer().is_some_and(|peer| peer.name == name);
        let lines = self.lines.extract_if(.., forgotten);
        lines.filter_map(|line| line.content.ok()?).collect()
    }

    /// The name, or a like one that nobody has.
    fn free_name(&self, claimed: &str) -> String {
        let name = tidy_name(claimed).unwrap_or_else(|| NAMELESS.to_owned());
        let numbered = (2..).map(|n| format!("{name}-{n}"));
        let free = |name: &String| !self.peers().any(|peer| peer.name == *name);
        let found = std::iter::once(name.clone()).chain(numbered).find(free);
        found.unwrap_or(name)
    }
}

/// One line of the file: what it says in `content` is always what stands in `raw`.
#[derive(Clone, Debug)]
struct Line {
    /// With its line ending.
    raw: Vec<u8>,
    /// A peer, or nobody on a blank line and in a comment.
    content: Result<Option<KnownPeer>, Flaw>,
}

impl Line {
    fn new(raw: Vec<u8>) -> Self {
        let content = std::str::from_utf8(&raw)
            .map_err(|_| Flaw::Encoding)
            .and_then(parse_line);
        Self { raw, content }
    }

    fn peer(&self) -> Option<&KnownPeer> {
        self.content.as_ref().ok()?.as_ref()
    }

    fn has_key(&self, key: Fingerprint) -> bool {
        self.peer().is_some_and(|peer| peer.fingerprint == key)
    }

    fn add_address(&mut self, address: &str) {
        if let Some(peer) = self.peer().filter(|peer| !peer.is_at(address)) {
            let mut labels = vec![peer.name.as_str()];
            labels.extend(peer.addresses.iter().map(String::as_str));
            labels.push(address);
            let labels = labels.join(",");
            self.set_field(LABELS, &labels);
        }
    }

    /// Puts `value` in the place of a field and leaves all other bytes as they are.
    fn set_field(&mut self, index: usize, value: &str) {
        let mut raw = Vec::with_capacity(self.raw.len() + value.len());
        let mut fields = 0;
        for piece in self.raw.split_inclusive(u8::is_ascii_whitespace) {
            let (field, space) = piece.split_at(piece.trim_ascii_end().len());
            let is_field = !field.is_empty();
            raw.extend_from_slice(if is_field && fields == index {
                value.as_bytes()
            } else {
                field
            });
            raw.extend_from_slice(space);
            fields += usize::from(is_field);
        }
        *self = Self::new(raw);
    }

    /// Ends a last line that lacks its line ending.
    fn end(&mut self) {
        if self.raw.last() != Some(&b'\n') {
            self.raw.push(b'\n');
        }
    }
}

fn parse_line(line: &str) -> Result<Option<KnownPeer>, Flaw> {
    let mut fields = line.split_ascii_whitespace();
    let Some(labels) = fields.next().filter(|first| !first.starts_with('#')) else {
        return Ok(None);
    };
    let mut field = || fields.next().ok_or(Flaw::TooShort);
    let (key_type, fingerprint, first_seen, state) = (field()?, field()?, field()?, field()?);
    let mut labels = labels.split(',').map(str::to_owned);
    let name = labels.next().unwrap_or_default();
    let addresses: Vec<_> = labels.collect();
    if name.is_empty() || addresses.iter().any(String::is_empty) {
        return Err(Flaw::Nameless);
    }
    Ok(Some(KnownPeer {
        name,
        addresses,
        key_type: key_type.to_owned(),
        fingerprint: fingerprint.parse()?,
        first_seen: first_seen.to_owned(),
        verified: match state {
            VERIFIED => true,
            UNVERIFIED => false,
            _ => return Err(Flaw::State),
        },
    }))
}

/// A claimed name in a form that fits into one field and hides nothing; none if nothing is left.
fn tidy_name(claimed: &str) -> Option<String> {
    let words = claimed
        .split(|c: char| c.is_whitespace() || c == ',')
        .map(|word| word.replace(|c: char| c.is_control() || is_ignorable(c), ""))
        .filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("-");
    // A name may look neither like a comment nor like an option on a command line.
    let name = name.trim_start_matches(['#', '-']);
    let name = &name[..name.floor_char_boundary(MAX_NAME)];
    (!name.is_empty()).then(|| name.to_owned())
}

/// Unicode's Default_Ignorable_Code_Point: what a screen shows as nothing at all.
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}
