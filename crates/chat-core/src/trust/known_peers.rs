//! Who owns which key, as this user has learned it.
//!
//! One line a peer, `NAME[,ADDRESS…] KEYTYPE SHA256:… FIRST-SEEN STATE`. People may edit the
//! file by hand: whatever this module does not understand stays as it is, byte for byte.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::Fingerprint;
use super::ignorable::is_ignorable;
use super::private_file::{self, FileError};
use super::shell::quoted;

/// The only type of key that is ever remembered.
const KEY_TYPE: &str = "ed25519";

/// The longest name that is remembered, in bytes.
const MAX_NAME: usize = 64;

/// How many callers are remembered whom this user has neither dialed nor verified: strangers
/// are not to fill the file.
const MAX_STRANGERS: usize = 1_000;

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

    fn changed_key(&self, new_key: Fingerprint, met: Met) -> ChangedKey {
        ChangedKey {
            known: Box::new(self.clone()),
            new_key,
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
    /// Too many strangers have called.
    #[error(
        "{path} holds {MAX_STRANGERS} callers who were never verified: take some out",
        path = .0.display()
    )]
    Full(PathBuf),
    /// Nobody has this key.
    #[error("nobody with the key {0} is known")]
    NoSuchKey(Fingerprint),
    /// Nobody has this name.
    #[error("nobody named {name} is known; known are: {known}")]
    NoSuchName {
        /// The name.
        name: String,
        /// Those who are known, in one line.
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
    /// Those in `home`, where the identity is. Makes the directory if it is not there.
    ///
    /// # Errors
    /// The directory is not the user's alone, or cannot be made.
    pub fn open(home: &Path) -> Result<Self, FileError> {
        private_file::private_dir(home)?;
        Ok(Self {
            path: home.join("known_peers"),
        })
    }

    /// Reads the file; it need not exist.
    ///
    /// # Errors
    /// The file is not the user's alone, or cannot be read.
    pub fn load(&self) -> Result<PeerList, FileError> {
        let bytes = private_file::read(&self.path)?.unwrap_or_default();
        Ok(PeerList::parse(&bytes, &self.path))
    }

    /// Remembers a key, under a name of its own, and where it was dialed if it was.
    ///
    /// A key that is known keeps its name.
    ///
    /// # Errors
    /// The address belongs to another key, or cannot be written down; too many strangers have
    /// called already; the file cannot be used.
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
            } else if list.by_key(key).is_none() && list.strangers() >= MAX_STRANGERS {
                return Err(KnownPeersError::Full(self.path.clone()));
            }
            list.remember(name, address, key);
            let peer = list.by_key(key).cloned();
            peer.ok_or(KnownPeersError::NoSuchKey(key))
        })
    }

    /// Remembers that the owner of this key was verified.
    ///
    /// # Errors
    /// Nobody has this key, or the file cannot be used.
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
    ///
    /// # Errors
    /// Nobody has this name, or the file cannot be used.
    pub fn forget(&self, name: &str) -> Result<Vec<KnownPeer>, KnownPeersError> {
        self.update(|list| {
            let forgotten = list.forget(name);
            if forgotten.is_empty() {
                return Err(KnownPeersError::NoSuchName {
                    name: name.to_owned(),
                    known: list.names(),
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
    ///
    /// # Errors
    /// Another key is known at this address.
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
            None => Err(first.changed_key(key, Met::Dialed(address.to_owned()))),
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
    ///
    /// # Errors
    /// Another key is known under the claimed name.
    pub fn check_caller(
        &self,
        key: Fingerprint,
        claimed: Option<&str>,
    ) -> Result<Option<&KnownPeer>, ChangedKey> {
        if let Some(peer) = self.by_key(key) {
            return Ok(Some(peer));
        }
        let Some(claimed) = claimed.and_then(tidy_name).map(|name| folded(&name)) else {
            return Ok(None);
        };
        match self.peers().find(|peer| folded(&peer.name) == claimed) {
            Some(peer) => Err(peer.changed_key(key, Met::Called)),
            None => Ok(None),
        }
    }

    /// How many have called of whom nothing else is known.
    fn strangers(&self) -> usize {
        let stranger = |peer: &&KnownPeer| !peer.verified && peer.addresses.is_empty();
        self.peers().filter(stranger).count()
    }

    /// All names in one line.
    fn names(&self) -> String {
        let names: Vec<_> = self.peers().map(|peer| peer.name.as_str()).collect();
        if names.is_empty() {
            return "none".to_owned();
        }
        names.join(", ")
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
        let taken: HashSet<_> = self.peers().map(|peer| folded(&peer.name)).collect();
        let numbered = (2..).map(|n| format!("{name}-{n}"));
        let free = |name: &String| !taken.contains(&folded(name));
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

/// What two names have in common that people take for one: `Bob` is not to pass for `bob`.
fn folded(name: &str) -> String {
    name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    const ANN: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    fn key(n: u8) -> Fingerprint {
        Fingerprint::of_spki(&[n])
    }

    fn ann() -> Fingerprint {
        ANN.parse().expect("a fingerprint")
    }

    /// Known peers in a directory of their own, with this text in the file.
    fn known(text: impl AsRef<[u8]>) -> (TempDir, KnownPeers) {
        let home = tempfile::tempdir().expect("a directory");
        let known = KnownPeers::open(home.path()).expect("known peers");
        private_file::replace(&known.path, text.as_ref()).expect("a file");
        (home, known)
    }

    fn text(known: &KnownPeers) -> String {
        fs::read_to_string(&known.path).expect("the file")
    }

    fn load(known: &KnownPeers) -> PeerList {
        known.load().expect("a list")
    }

    #[test]
    fn no_file_is_an_empty_list() {
        let home = tempfile::tempdir().expect("a directory");
        let known = KnownPeers::open(&home.path().join("new")).expect("known peers");
        assert_eq!(load(&known).peers().count(), 0);
        assert!(!known.path.exists());
    }

    #[test]
    fn first_contact_writes_one_line() {
        let (_home, known) = known("");
        let peer = known
            .remember("ann", Some("host:7788"), ann())
            .expect("remembered");
        let today = time::OffsetDateTime::now_utc().date();
        assert_eq!(
            text(&known),
            format!(
                "ann,host:7788 ed25519 {ANN} {} unverified\n",
                peer.first_seen
            )
        );
        assert!(
            [today, today - time::Duration::DAY]
                .map(|day| day.to_string())
                .contains(&peer.first_seen)
        );
        assert_eq!(load(&known).by_key(ann()), Some(&peer));
        assert_eq!(load(&known).by_address("HOST:7788"), Some(&peer));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_private_and_must_be() {
        use std::os::unix::fs::PermissionsExt;
        let (_home, known) = known("");
        known.remember("ann", None, ann()).expect("remembered");
        let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode();
        assert_eq!(mode(&known.path) & 0o777, 0o600);
        fs::set_permissions(&known.path, fs::Permissions::from_mode(0o644)).expect("chmod");
        let refused = known.load().expect_err("open to others").to_string();
        assert!(refused.contains("chmod 600 "), "{refused}");
        assert!(known.forget("ann").is_err());
    }

    #[test]
    fn a_known_key_keeps_its_name_and_gains_addresses() {
        let (_home, known) = known(format!("ann\ted25519  {ANN} 2026-01-02 verified # met\r\n"));
        for address in ["a:1", "b:2", "A:1"] {
            let peer = known.remember("eve", Some(address), ann()).expect("known");
            assert_eq!(peer.name, "ann");
            assert!(peer.verified);
        }
        assert_eq!(
            text(&known),
            format!("ann,a:1,b:2\ted25519  {ANN} 2026-01-02 verified # met\r\n")
        );
    }

    #[test]
    fn verified_is_all_that_verifying_changes() {
        let before = format!("# friends\n\n ann,h:1 x {ANN} long-ago unverified more\r\nbad\n");
        let (_home, known) = known(&before);
        known.verify(ann()).expect("verified");
        assert_eq!(text(&known), before.replace("unverified", "verified"));
        assert!(load(&known).by_key(ann()).expect("ann").verified);
        assert!(matches!(
            known.verify(key(1)),
            Err(KnownPeersError::NoSuchKey(_))
        ));
    }

    #[test]
    fn forgetting_takes_one_line_out() {
        let (_home, known) = known(format!("# one\nann k {ANN} d verified\n# two"));
        let nobody = known.forget("bob").expect_err("nobody").to_string();
        assert_eq!(nobody, "nobody named bob is known; known are: ann");
        assert_eq!(known.forget("ann").expect("forgotten").len(), 1);
        assert_eq!(text(&known), "# one\n# two");
        known.remember("bob", None, ann()).expect("remembered");
        assert!(text(&known).starts_with("# one\n# two\nbob ed25519 "));
    }

    #[test]
    fn unreadable_lines_are_named_and_kept() {
        let mut bytes = format!(
            "# fine\n\nann k {ANN} d\nann k SHA256:x d verified\nann,,a k {ANN} d verified\n\
             ann k {ANN} d Verified\nbob k {ANN} d verified\r\n"
        )
        .into_bytes();
        bytes.extend_from_slice(b"\xff k x d verified");
        let (_home, known) = known(&bytes);
        let list = load(&known);
        let flaws: Vec<_> = list
            .unreadable()
            .map(|line| (line.number, line.flaw))
            .collect();
        assert_eq!(
            flaws,
            [
                (3, Flaw::TooShort),
                (4, Flaw::Fingerprint(super::super::InvalidFingerprint)),
                (5, Flaw::Nameless),
                (6, Flaw::State),
                (8, Flaw::Encoding),
            ]
        );
        let warning = list.unreadable().next().expect("a warning").to_string();
        assert!(
            warning.contains("known_peers, line 3 is skipped: "),
            "{warning}"
        );
        assert_eq!(list.by_key(ann()).expect("bob").name, "bob");

        known.remember("eve", None, key(1)).expect("remembered");
        let after = fs::read(&known.path).expect("the file");
        assert_eq!(after[..bytes.len()], bytes);
        assert_eq!(load(&known).unreadable().count(), 5);
    }

    #[test]
    fn names_are_made_unique_and_fit_for_the_file() {
        let (_home, known) = known("");
        for (n, claimed, given) in [
            (1, "ann", "ann"),
            (2, "ann", "ann-2"),
            (3, "an\u{200b}n", "ann-3"),
            (4, " Ann  Lee, MD\n", "Ann-Lee-MD"),
            (5, "# -rf", "rf"),
            (6, "\u{1b}[2J", "[2J"),
            (7, "\u{202e}", "peer"),
            (8, "", "peer-2"),
            (9, "李雷", "李雷"),
            (10, "ANN", "ANN-4"),
        ] {
            let peer = known.remember(claimed, None, key(n)).expect("remembered");
            assert_eq!(peer.name, given);
        }
        assert_eq!(load(&known).peers().count(), 10);
        let long = known
            .remember(&"é".repeat(999), None, key(11))
            .expect("remembered");
        assert_eq!(long.name, "é".repeat(MAX_NAME / 2));
    }

    #[test]
    fn strangers_who_call_cannot_fill_the_file() {
        let stranger = |n| format!("s{n} ed25519 {} 2026-01-02 unverified\n", key(1));
        let (_home, known) = known((0..MAX_STRANGERS).map(stranger).collect::<String>());
        let full = known.remember("ann", None, ann()).expect_err("full");
        assert!(matches!(full, KnownPeersError::Full(_)), "{full}");
        let dialed = known.remember("ann", Some("ann:7788"), ann());
        assert_eq!(dialed.expect("remembered").name, "ann");
        known.remember("ann", None, ann()).expect("known already");
    }

    #[test]
    fn addresses_must_fit_into_the_file() {
        let (_home, known) = known("");
        for address in ["", "a b", "a,b", "a\n", "a\u{1b}"] {
            assert!(
                known.remember("ann", Some(address), ann()).is_err(),
                "{address:?}"
            );
        }
        known
            .remember("ann", Some("[fe80::1%eth0]:7788"), ann())
            .expect("fits");
    }

    #[test]
    fn a_dialer_knows_by_address_and_then_by_key() {
        let bob = key(1);
        let (_home, known) = known(format!(
            "ann,home:1,both:1 k {ANN} 2026-01-02 verified\nbob,both:1 k {bob} d unverified\n"
        ));
        let list = load(&known);
        let dialed = |address, key| {
            let peer = list.check_dialed(address, key).expect("unchanged");
            peer.map(|peer| peer.name.as_str())
        };
        assert_eq!(dialed("home:1", ann()), Some("ann"));
        assert_eq!(dialed("both:1", ann()), Some("ann"));
        assert_eq!(dialed("both:1", bob), Some("bob"));
        assert_eq!(dialed("new:1", bob), Some("bob"));
        assert_eq!(dialed("new:1", key(2)), None);
        for stranger in [bob, key(2)] {
            let changed = list.check_dialed("home:1", stranger).expect_err("changed");
            assert_eq!(
                (changed.known.fingerprint, changed.new_key),
                (ann(), stranger)
            );
        }
    }

    #[test]
    fn a_listener_knows_by_key_and_then_by_claimed_name() {
        let (_home, known) = known(format!("ann k {ANN} 2026-01-02 verified\n"));
        let list = load(&known);
        let ok = |key, claimed| list.check_caller(key, claimed).expect("unchanged");
        assert_eq!(ok(ann(), Some("bob")).expect("ann").name, "ann");
        assert_eq!(ok(ann(), None).expect("ann").name, "ann");
        assert_eq!(ok(key(1), Some("bob")), None);
        assert_eq!(ok(key(1), None), None);
        assert_eq!(ok(key(1), Some("")), None);
        for claimed in ["ann", " ann\n", "a\u{200d}nn", "Ann"] {
            let changed = list.check_caller(key(1), Some(claimed));
            assert_eq!(changed.expect_err("changed").known.name, "ann");
        }
    }

    #[test]
    fn a_changed_key_is_told_in_one_line() {
        let (_home, known) = known(format!("$(x) k {ANN} 2026-01-02 verified\n"));
        known.remember("", Some("h:1"), ann()).expect("known");
        let list = load(&known);
        let dialed = list.check_dialed("h:1", key(1)).expect_err("changed");
        let called = list
            .check_caller(key(1), Some("$(x)"))
            .expect_err("changed");
        for (changed, program) in [(dialed, "chat-client"), (called, "chat-server")] {
            let line = changed.to_string();
            let command = format!("{program} --forget '$(x)'");
            for part in ["2026-01-02", ANN, &key(1).to_string(), &command] {
                assert!(line.contains(part), "{part} in {line}");
            }
            assert!(!line.contains('\n'));
        }
    }

    #[test]
    fn an_address_that_was_taken_meanwhile_is_refused() {
        let (_home, known) = known(format!("ann,h:1 k {ANN} d verified\n"));
        let late = known.remember("eve", Some("h:1"), key(1));
        assert!(matches!(late, Err(KnownPeersError::Changed(_))));
        assert_eq!(load(&known).peers().count(), 1);
    }

    #[test]
    fn writers_at_the_same_time_lose_nothing() {
        let (_home, known) = known("# kept\n");
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let (known, start) = (&known, &start);
                scope.spawn(move || {
                    start.wait();
                    for n in 0..8 {
                        let key = key(writer * 8 + n);
                        known.remember("ann", None, key).expect("remembered");
                        known.verify(key).expect("verified");
                    }
                });
            }
        });
        let list = load(&known);
        assert!((0..64).all(|n| list.by_key(key(n)).is_some_and(|peer| peer.verified)));
        let names: std::collections::HashSet<_> = list.peers().map(|peer| &peer.name).collect();
        assert_eq!(names.len(), 64);
        assert!(text(&known).starts_with("# kept\n"));
    }

    /// A line that somebody wrote by hand, without its line ending.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        let space = "[ \t]{1,3}";
        let peer = (
            0..4_u8,
            "[a-c](,[a-c]:1){0,2}",
            space,
            "(un)?verified",
            "([ \t].*)?",
        )
            .prop_map(|(n, labels, space, state, rest)| {
                let fields = [
                    &labels,
                    "ed25519",
                    &key(n).to_string(),
                    "2026-01-02",
                    &state,
                ];
                (fields.join(&space) + &rest).into_bytes()
            });
        prop_oneof![
            3 => peer,
            1 => "[ \t]{0,2}(#.*)?".prop_map(String::into_bytes),
            1 => proptest::collection::vec(any::<u8>(), 0..40),
        ]
    }

    /// Files edited by hand.
    fn file() -> impl Strategy<Value = Vec<u8>> {
        let ended = (line(), prop_oneof!["\n", "\r\n"]);
        let lines = proptest::collection::vec(ended, 0..6);
        (lines, proptest::option::of(line())).prop_map(|(lines, last)| {
            let lines = lines.into_iter();
            let lines = lines.map(|(line, end)| [line, end.into_bytes()].concat());
            lines.chain(last).collect::<Vec<_>>().concat()
        })
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(PeerList::parse(&bytes, Path::new("")).to_bytes(), bytes);
        }

        #[test]
        fn changes_touch_only_the_lines_of_one_peer(bytes in file(), n in 0..5_u8) {
            let before = PeerList::parse(&bytes, Path::new(""));
            let mut after = before.clone();
            after.remember("ann", Some("new:1"), key(n));
            after.verify(key(n));

            let added = after.lines.len() - before.lines.len();
            prop_assert_eq!(added, usize::from(before.by_key(key(n)).is_none()));
            prop_assert!(after.by_key(key(n)).is_some_and(|peer| peer.verified && peer.is_at("new:1")));
            for (old, new) in before.lines.iter().zip(&after.lines) {
                if !old.has_key(key(n)) {
                    prop_assert_eq!(new.raw.strip_prefix(&old.raw[..]).map(|end| end.len() < 2), Some(true));
                }
            }
            // What a program keeps in mind is what the next one reads.
            let read = PeerList::parse(&after.to_bytes(), Path::new(""));
            prop_assert!(read.peers().eq(after.peers()));

            let name = after.by_key(key(n)).map(|peer| peer.name.clone()).unwrap_or_default();
            let forgotten = after.forget(&name);
            prop_assert!(forgotten.iter().any(|peer| peer.fingerprint == key(n)));
            prop_assert!(after.peers().all(|peer| peer.name != name));
        }
    }
}
