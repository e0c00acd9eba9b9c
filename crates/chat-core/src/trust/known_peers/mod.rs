//! Who owns which key, as this user has learned it.
//!
//! One line a peer, `NAME[,ADDRESS…] KEYTYPE SHA256:… FIRST-SEEN STATE`, and behind that what is
//! not known of every peer: `heard=DAY`, `key=KEY`, `relay=RELAY` and `replaced=SHA256:…`. People may
//! edit the file by hand: whatever this module does not understand stays as it is, byte for byte.

mod entry;
mod list;
mod name;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Fingerprint;
use super::private_file::{self, FileError, Stamp};
use crate::{Blocking, blocking};

pub use entry::{KnownPeer, ParseError, PeerState};
pub use list::{ChangedKey, Claim, Direction, PeerList, Unreadable};

/// Why the known peers could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KnownPeersError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The address belongs to another key.
    #[error(transparent)]
    Changed(#[from] ChangedKey),
    /// An address that cannot be written into the file.
    #[error("an address that cannot be written down: {0:?}")]
    Address(String),
    /// A name of which nothing can be written down.
    #[error("no name: {0:?}")]
    NoName(String),
    /// Nobody has this key.
    #[error("the key {0} is not known")]
    NoSuchKey(Fingerprint),
    /// Somebody has this key already.
    #[error("the key is that of {0}")]
    Taken(String),
    /// Nobody has this name.
    #[error("nobody named {name} is known")]
    NoSuchName {
        /// The name.
        name: String,
        /// Those who are known.
        known: Vec<String>,
    },
    /// The name could mean somebody else than who was meant.
    #[error("{name} could mean {} peers", .alike.len())]
    Ambiguous {
        /// The name.
        name: String,
        /// Those whose names look like it.
        alike: Vec<KnownPeer>,
    },
}

/// The file `known_peers`. Other programs change it too, so each method sees whether it has
/// changed, and those that write wait for the others for up to 2 s: not on the thread of an
/// asynchronous runtime.
#[derive(Clone, Debug)]
pub struct KnownPeers {
    path: PathBuf,
    /// What was read or written last. A file with a thousand strangers takes a while to parse.
    cache: Arc<Mutex<Cache>>,
}

#[derive(Debug)]
struct Cache {
    /// Of the file when it held `list`; `None` if there was no file.
    stamp: Option<Stamp>,
    list: Arc<PeerList>,
}

impl KnownPeers {
    /// Those in `data_dir`, where the identity is. Makes the directory if it is not there.
    ///
    /// # Errors
    /// The directory is not the user's alone, or cannot be made.
    pub fn open(data_dir: &Path) -> Result<Self, FileError> {
        private_file::private_dir(data_dir)?;
        let path = data_dir.join("known_peers");
        let cache = Cache {
            stamp: None,
            list: Arc::new(PeerList::parse(b"", &path)),
        };
        Ok(Self {
            path,
            cache: Arc::new(Mutex::new(cache)),
        })
    }

    /// The list in the file; it need not exist.
    ///
    /// # Errors
    /// The file is not the user's alone, or cannot be read.
    pub fn load(&self) -> Result<Arc<PeerList>, FileError> {
        let mut cache = self.cache();
        let stamp = private_file::stamp(&self.path)?;
        if cache.stamp != stamp {
            let bytes = private_file::read(&self.path)?.unwrap_or_default();
            *cache = Cache {
                stamp,
                list: Arc::new(PeerList::parse(&bytes, &self.path)),
            };
        }
        Ok(Arc::clone(&cache.list))
    }

    /// The same on another thread, which begins at once: whoever shakes hands meanwhile does not
    /// wait for it.
    ///
    /// # Panics
    /// There is no Tokio runtime.
    pub fn begin_load(&self) -> Blocking<Result<Arc<PeerList>, FileError>> {
        let known = self.clone();
        blocking(move || known.load())
    }

    /// Remembers a key, under a name of its own, and where it was dialed if it was.
    ///
    /// A key that is known keeps its name. Of too many strangers, the oldest are forgotten.
    ///
    /// # Errors
    /// The address belongs to another key, or cannot be written down; the file cannot be used.
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
                list.check_dialed(address, key, &[])?;
            }
            list.remember(name, address, key);
            let peer = list.by_key(key).cloned();
            peer.ok_or(KnownPeersError::NoSuchKey(key))
        })
    }

    /// Remembers that the owner of this key was verified, under this name if the key is new.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn verify(&self, name: &str, key: Fingerprint) -> Result<(), KnownPeersError> {
        self.decide(name, key, PeerState::Verified)
    }

    /// Remembers that the owner of this key is not wanted, under this name if the key is new.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn block(&self, name: &str, key: Fingerprint) -> Result<(), KnownPeersError> {
        self.decide(name, key, PeerState::Blocked)
    }

    /// Calls the owner of this key by another name from now on, and returns it.
    ///
    /// # Errors
    /// It is no name, looks like that of another peer, or nobody has this key; the file cannot be
    /// used.
    pub fn rename(&self, name: &str, key: Fingerprint) -> Result<String, KnownPeersError> {
        let Some(tidied) = name::tidy(name) else {
            return Err(KnownPeersError::NoName(name.to_owned()));
        };
        self.update(|list| {
            let others = list.like(&tidied).filter(|peer| peer.fingerprint != key);
            let alike: Vec<_> = others.cloned().collect();
            if !alike.is_empty() {
                let name = tidied.clone();
                return Err(KnownPeersError::Ambiguous { name, alike });
            }
            match list.rename(&tidied, key) {
                true => Ok(tidied.clone()),
                false => Err(KnownPeersError::NoSuchKey(key)),
            }
        })
    }

    /// Knows the peer with this fingerprint, or with exactly this name, by another key from now on.
    /// The old one is remembered as replaced. Returns the peer with the old key.
    ///
    /// # Errors
    /// Nobody has this fingerprint or name, others have names that look like it, a friend has the
    /// new key, or the file cannot be used.
    pub fn accept_key(
        &self,
        who: &str,
        new_key: Fingerprint,
    ) -> Result<KnownPeer, KnownPeersError> {
        self.update(|list| {
            let key = list.key_of(who)?;
            let known = list.by_key(key).cloned();
            let known = known.ok_or(KnownPeersError::NoSuchKey(key))?;
            // A stranger is who has called with it before it was accepted.
            match list.by_key(new_key) {
                Some(other) if !other.is_stranger() => {
                    return Err(KnownPeersError::Taken(other.name.clone()));
                }
                _ => list.replace_key(key, new_key),
            }
            Ok(known)
        })
    }

    fn decide(
        &self,
        name: &str,
        key: Fingerprint,
        state: PeerState,
    ) -> Result<(), KnownPeersError> {
        self.update(|list| {
            list.decide(name, key, state);
            Ok(())
        })
    }

    /// Forgets the peer with this fingerprint, or with exactly this name, and returns it.
    ///
    /// # Errors
    /// Nobody has this fingerprint or name, others have names that look like it, or the file
    /// cannot be used.
    pub fn forget(&self, who: &str) -> Result<Vec<KnownPeer>, KnownPeersError> {
        self.update(|list| {
            let key = list.key_of(who)?;
            let forgotten = list.forget(key);
            if forgotten.is_empty() {
                return Err(KnownPeersError::NoSuchKey(key));
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
        let before = self.load()?;
        let mut list = PeerList::clone(&before);
        let result = change(&mut list)?;
        let after = list.to_bytes();
        if after != before.to_bytes() {
            let stamp = private_file::replace(&self.path, &after)?;
            *self.cache() = Cache {
                stamp: Some(stamp),
                list: Arc::new(list),
            };
        }
        Ok(result)
    }

    /// It is whole even if a thread has panicked that held it.
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_address(address: &str) -> Result<(), KnownPeersError> {
    let fits = |c: char| !c.is_whitespace() && !c.is_control() && c != ',';
    if address.is_empty() || !address.chars().all(fits) {
        return Err(KnownPeersError::Address(address.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::list::MAX_STRANGERS;
    use super::name::MAX_NAME;
    use super::*;
    use crate::trust::PublicKey;

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

    fn load(known: &KnownPeers) -> Arc<PeerList> {
        known.load().expect("a list")
    }

    fn today() -> String {
        time::OffsetDateTime::now_utc().date().to_string()
    }

    fn state_of(known: &KnownPeers, key: Fingerprint) -> Option<PeerState> {
        load(known).by_key(key).map(|peer| peer.state)
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
        let refused = known.load().expect_err("open to others");
        assert!(matches!(refused, FileError::Exposed { mend: 0o600, .. }));
        assert!(known.forget("ann").is_err());
    }

    #[test]
    fn a_known_key_keeps_its_name_and_gains_addresses() {
        let (_home, known) = known(format!("ann\ted25519  {ANN} 2026-01-02 verified # met\r\n"));
        for address in ["a:1", "b:2", "A:1"] {
            let peer = known.remember("eve", Some(address), ann()).expect("known");
            assert_eq!(peer.name, "ann");
            assert_eq!(peer.state, PeerState::Verified);
        }
        assert_eq!(
            text(&known),
            format!(
                "ann,a:1,b:2\ted25519  {ANN} 2026-01-02 verified heard={} # met\r\n",
                today()
            )
        );
    }

    const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    #[test]
    fn the_number_that_was_dialed_is_kept_and_its_relay_may_change() {
        let number = |relay: &str| format!("{KEY}@{relay}");
        let owner = KEY.parse::<PublicKey>().expect("a key").fingerprint();
        let (_home, known) = known("");
        for relay in ["old.example", "new.example"] {
            known
                .remember("ann", Some(&number(relay)), owner)
                .expect("remembered");
        }
        let line = format!("ann ed25519 {owner} {} unverified", today());
        assert_eq!(
            text(&known),
            format!("{line} key={KEY} relay=new.example\n")
        );
        let list = load(&known);
        let ann = list.by_address(&number("NEW.example")).expect("ann");
        assert_eq!(ann.number, number("new.example").parse().ok());
        assert!(ann.is_friend() && ann.addresses.is_empty());
        assert_eq!(list.by_address(&number("old.example")), None);
    }

    #[test]
    fn a_number_of_somebody_else_is_not_remembered() {
        let (_home, known) = known("");
        let number = format!("{KEY}@relay.example");
        known
            .remember("ann", Some(&number), ann())
            .expect("remembered");
        let line = format!("ann ed25519 {ANN} {} unverified\n", today());
        assert_eq!(text(&known), line);
    }

    #[test]
    fn what_is_no_number_of_the_peer_is_kept_and_is_none() {
        for extras in [
            format!("key={KEY} relay=r.example"), // of somebody else
            format!("key={KEY}"),
            "key=x relay=r.example".to_owned(),
            format!("# key={KEY} relay=r.example"),
        ] {
            let before = format!("ann k {ANN} d verified {extras} more\n");
            let (_home, known) = known(&before);
            assert_eq!(load(&known).by_key(ann()).expect("ann").number, None);
            known.block("ann", ann()).expect("blocked");
            assert_eq!(text(&known), before.replace("verified", "blocked"));
        }
    }

    #[test]
    fn the_day_on_which_a_peer_was_last_heard_is_written_once() {
        let (_home, known) = known(format!(
            "ann k {ANN} 2026-01-02 verified heard=2026-02-03\n"
        ));
        assert_eq!(
            load(&known).by_key(ann()).expect("ann").last_heard(),
            "2026-02-03"
        );
        for _ in 0..2 {
            known.remember("ann", None, ann()).expect("known");
            assert_eq!(
                text(&known),
                format!("ann k {ANN} 2026-01-02 verified heard={}\n", today())
            );
        }
    }

    #[test]
    fn the_address_that_answered_last_is_the_first_and_the_oldest_is_dropped() {
        let (_home, known) = known("");
        for n in 0..10 {
            let address = format!("h{n}:1");
            known
                .remember("ann", Some(&address), ann())
                .expect("remembered");
        }
        known
            .remember("ann", Some("H5:1"), ann())
            .expect("remembered");
        assert_eq!(
            load(&known).by_key(ann()).expect("ann").addresses,
            [
                "h5:1", "h9:1", "h8:1", "h7:1", "h6:1", "h4:1", "h3:1", "h2:1"
            ]
        );
    }

    #[test]
    fn this_machine_is_known_under_each_of_its_names() {
        let (_home, known) = known(format!("ann,127.0.0.1:1 k {ANN} d verified\n"));
        for address in ["localhost:1", "LOCALHOST:1", "127.0.0.1:1", "[::1]:1"] {
            let list = load(&known);
            assert_eq!(list.by_address(address).expect("ann").name, "ann");
            list.check_dialed(address, key(1), &[])
                .expect_err("another key");
            known
                .remember("ann", Some(address), ann())
                .expect("remembered");
        }
        let list = load(&known);
        assert_eq!(list.by_key(ann()).expect("ann").addresses, ["127.0.0.1:1"]);
        assert_eq!(list.by_address("localhost:2"), None);
    }

    #[test]
    fn only_who_was_dialed_or_verified_is_meant_by_a_name() {
        let (_home, known) = known(format!(
            "ann,h:1 k {ANN} d unverified\nbob k {} d unverified\neve k {} d verified\n",
            key(1),
            key(2),
        ));
        let list = load(&known);
        let named = |name| {
            let peers = list.friends_named(name).into_iter();
            peers.map(|peer| &*peer.name).collect::<Vec<_>>()
        };
        assert_eq!(named("ANN"), ["ann"]);
        assert_eq!(named("\u{430}nn"), ["ann"], "in Cyrillic");
        assert_eq!(named("eve"), ["eve"]);
        assert_eq!(named("bob"), [""; 0], "who has only called");
    }

    #[test]
    fn verified_is_all_that_verifying_changes() {
        let before = format!("# friends\n\n ann,h:1 x {ANN} long-ago unverified more\r\nbad\n");
        let (_home, known) = known(&before);
        known.verify("eve", ann()).expect("verified");
        assert_eq!(text(&known), before.replace("unverified", "verified"));
        known.block("eve", ann()).expect("blocked");
        assert_eq!(text(&known), before.replace("unverified", "blocked"));
        assert_eq!(state_of(&known, ann()), Some(PeerState::Blocked));
    }

    #[test]
    fn who_is_renamed_keeps_all_but_the_name() {
        let before = format!("# friends\nann,h:1 x {ANN} long-ago verified more\n");
        let (_home, known) = known(&before);
        known.remember("bob", None, key(1)).expect("remembered");
        assert_eq!(known.rename("Ann Lee", ann()).expect("renamed"), "Ann-Lee");
        assert!(text(&known).starts_with(&before.replace("ann,", "Ann-Lee,")));
        for (name, key) in [("BOB", ann()), ("\u{202e}", ann()), ("eve", key(9))] {
            known.rename(name, key).expect_err(name);
        }
        known.rename("ann-lee", ann()).expect("it is the same");
    }

    #[test]
    fn forgetting_takes_one_line_out() {
        let (_home, known) = known(format!("# one\nann k {ANN} d verified\n# two"));
        match known.forget("bob") {
            Err(KnownPeersError::NoSuchName { name, known }) => {
                assert_eq!((&*name, known), ("bob", vec!["ann".to_owned()]));
            }
            other => panic!("{other:?}"),
        }
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
            .map(|line| (line.number, line.error))
            .collect();
        assert_eq!(
            flaws,
            [
                (3, ParseError::TooShort),
                (4, ParseError::Fingerprint(super::super::InvalidFingerprint)),
                (5, ParseError::Nameless),
                (6, ParseError::State),
                (8, ParseError::Encoding),
            ]
        );
        let flaw = list.unreadable().next().expect("a flaw");
        assert_eq!(flaw.path, known.path);
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
            (7, "\u{202e}", &key(7).short()),
            (8, "", &key(8).short()),
            (9, "李雷", "李雷"),
            (10, "ANN", "ANN-4"),
            (12, "\u{430}nn", "\u{430}nn-5"),
            (13, &key(8).short(), &key(8).short().replace(':', "-")),
        ] {
            let peer = known.remember(claimed, None, key(n)).expect("remembered");
            assert_eq!(peer.name, given);
        }
        assert_eq!(load(&known).peers().count(), 12);
        let long = known
            .remember(&"é".repeat(999), None, key(11))
            .expect("remembered");
        assert_eq!(long.name, "é".repeat(MAX_NAME / 2));
    }

    #[test]
    fn who_gave_no_name_gets_the_one_given_later() {
        let (_home, known) = known("# me\n");
        let nameless = known.remember("", Some("h:1"), ann()).expect("remembered");
        assert_eq!(
            (nameless.name.as_str(), nameless.given_name()),
            ("SHA256:47DEQpj8", None)
        );
        assert_eq!(known.remember("", None, ann()).expect("known"), nameless);
        let named = known.remember("Ann Lee", None, ann()).expect("known");
        assert_eq!(named.given_name(), Some("Ann-Lee"));
        let kept = known.remember("eve", None, ann()).expect("known");
        assert_eq!(kept.name, "Ann-Lee");
        assert!(text(&known).starts_with("# me\nAnn-Lee,h:1 ed25519 "));
        // It is no way to the name of somebody else.
        known.remember("", None, key(1)).expect("remembered");
        let second = known.remember("ann  LEE", None, key(1)).expect("known");
        assert_eq!(second.name, "ann-LEE-2");
    }

    /// As many strangers as there is room for, between two friends.
    fn crowd() -> String {
        let stranger = |n: usize| {
            let key = Fingerprint::of_spki(&n.to_be_bytes());
            format!("s{n} ed25519 {key} 2026-01-02 unverified\n")
        };
        let strangers: String = (0..MAX_STRANGERS).map(stranger).collect();
        let (ann, bob) = (key(1), key(2));
        format!(
            "# friends\nann k {ann} 2026-01-02 verified\n{strangers}# blocked\nbob k {bob} d blocked"
        )
    }

    #[test]
    fn strangers_who_call_push_out_the_oldest_of_them() {
        let (_home, known) = known(crowd());
        for n in 10..15 {
            known.remember("eve", None, key(n)).expect("remembered");
        }
        let after = text(&known);
        assert!(after.starts_with("# friends\nann "), "{after:.99}");
        assert!(after.contains("\n# blocked\nbob k "));
        assert_eq!(load(&known).peers().count(), MAX_STRANGERS + 2);
        let gone = ["s0", "s1", "s2", "s3", "s4"];
        let list = load(&known);
        assert!(list.peers().all(|peer| !gone.contains(&peer.name.as_str())));
        assert!((10..15).all(|n| list.by_key(key(n)).is_some()));
    }

    /// A thousand calls of strangers once kept out every friend that was made later.
    #[test]
    fn there_is_always_room_to_verify_block_and_dial() {
        let (_home, known) = known(crowd());
        known.verify("carol", key(20)).expect("verified");
        known.block("dave", key(21)).expect("blocked");
        let dialed = known.remember("eve", Some("eve:7788"), key(22));
        assert_eq!(dialed.expect("remembered").name, "eve");
        for n in 100..120 {
            known
                .remember("stranger", None, key(n))
                .expect("remembered");
        }
        assert_eq!(state_of(&known, key(20)), Some(PeerState::Verified));
        assert_eq!(state_of(&known, key(21)), Some(PeerState::Blocked));
        assert_eq!(state_of(&known, key(22)), Some(PeerState::Unverified));
    }

    #[test]
    fn a_change_of_another_program_is_seen() {
        let (home, ours) = known(format!("ann k {ANN} d verified\n"));
        let theirs = KnownPeers::open(home.path()).expect("known peers");
        assert!(Arc::ptr_eq(&load(&ours), &load(&ours)), "read once");
        theirs.block("ann", ann()).expect("blocked");
        assert_eq!(state_of(&ours, ann()), Some(PeerState::Blocked));
        ours.remember("bob", None, key(1)).expect("remembered");
        assert!(load(&theirs).by_key(key(1)).is_some());
        fs::remove_file(&ours.path).expect("removed");
        assert_eq!(load(&ours).peers().count(), 0);
    }

    #[test]
    fn who_is_forgotten_is_never_somebody_else() {
        let eve = "\u{430}nn"; // Cyrillic
        let (_home, known) = known(format!(
            "ann k {ANN} d verified\nbob k {} d verified\n{eve} k {} d unverified\n",
            key(1),
            key(2),
        ));
        let before = text(&known);
        for name in ["ann", eve, "ANN", "Bob", "b0b", "carol"] {
            let looks_alike = ["ann", eve, "ANN"].contains(&name);
            match known.forget(name) {
                Err(KnownPeersError::Ambiguous { alike, .. }) if looks_alike => {
                    let keys: Vec<_> = alike.iter().map(|peer| peer.fingerprint).collect();
                    assert_eq!(keys, [ann(), key(2)]);
                }
                Err(KnownPeersError::NoSuchName { .. } | KnownPeersError::Ambiguous { .. })
                    if !looks_alike => {}
                other => panic!("{name}: {other:?}"),
            }
        }
        assert!(known.forget(&key(3).to_string()).is_err());
        assert_eq!(text(&known), before);

        let forgotten = known.forget(&key(2).to_string()).expect("forgotten");
        assert_eq!(forgotten[0].name, eve);
        assert_eq!(known.forget("ann").expect("forgotten").len(), 1);
        assert_eq!(known.forget("bob").expect("forgotten").len(), 1);
        assert_eq!(text(&known), "");
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
            let peer = list.check_dialed(address, key, &[]).expect("unchanged");
            peer.map(|peer| peer.name.as_str())
        };
        assert_eq!(dialed("home:1", ann()), Some("ann"));
        assert_eq!(dialed("both:1", ann()), Some("ann"));
        assert_eq!(dialed("both:1", bob), Some("bob"));
        assert_eq!(dialed("new:1", bob), Some("bob"));
        assert_eq!(dialed("new:1", key(2)), None);
        for stranger in [bob, key(2)] {
            let changed = list
                .check_dialed("home:1", stranger, &[])
                .expect_err("changed");
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
        let ok = |key, claimed| list.check_caller(key, claimed, &[]).expect("unchanged");
        assert_eq!(ok(ann(), Some("bob")).expect("ann").name, "ann");
        assert_eq!(ok(ann(), None).expect("ann").name, "ann");
        assert_eq!(ok(key(1), Some("bob")), None);
        assert_eq!(ok(key(1), None), None);
        assert_eq!(ok(key(1), Some("")), None);
        for claimed in ["ann", " ann\n", "a\u{200d}nn", "Ann", "\u{430}nn", "ａｎｎ"] {
            let changed = list.check_caller(key(1), Some(claimed), &[]);
            assert_eq!(changed.expect_err("changed").known.name, "ann");
        }
    }

    /// One call as "dave" once locked the real Dave out.
    #[test]
    fn a_name_is_only_kept_for_who_was_dialed_or_verified() {
        let (_home, known) = known("");
        known.remember("dave", None, key(1)).expect("remembered");
        let list = load(&known);
        assert_eq!(list.check_caller(key(2), Some("dave"), &[]), Ok(None));
        let dave = known.remember("dave", None, key(2)).expect("remembered");
        assert_eq!(dave.name, "dave-2");

        known
            .remember("bob", Some("h:1"), key(3))
            .expect("remembered");
        known.verify("dave", key(2)).expect("verified");
        known.block("mallory", key(4)).expect("blocked");
        let list = load(&known);
        list.check_caller(key(5), Some("bob"), &[])
            .expect_err("dialed");
        list.check_caller(key(5), Some("dave-2"), &[])
            .expect_err("verified");
        assert_eq!(list.check_caller(key(5), Some("mallory"), &[]), Ok(None));
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
        // More than these would not all get their turn within 2 s on a disk that is busy.
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let (known, start) = (&known, &start);
                scope.spawn(move || {
                    start.wait();
                    for n in 0..8 {
                        let key = key(writer * 8 + n);
                        known.remember("ann", None, key).expect("remembered");
                        known.verify("ann", key).expect("verified");
                    }
                });
            }
        });
        let list = load(&known);
        assert!((0..32).all(|n| state_of(&known, key(n)) == Some(PeerState::Verified)));
        let names: std::collections::HashSet<_> = list.peers().map(|peer| &peer.name).collect();
        assert_eq!(names.len(), 32);
        assert!(text(&known).starts_with("# kept\n"));
    }

    /// A line that somebody wrote by hand, without its line ending.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        let space = "[ \t]{1,3}";
        let peer = (
            0..4_u8,
            "[a-c](,[a-c]:1){0,2}",
            space,
            "(un)?verified|blocked",
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
            after.decide("ann", key(n), PeerState::Verified);

            let added = after.lines.len() - before.lines.len();
            prop_assert_eq!(added, usize::from(before.by_key(key(n)).is_none()));
            let verified = |peer: &KnownPeer| peer.state == PeerState::Verified && peer.is_at("new:1");
            prop_assert!(after.by_key(key(n)).is_some_and(verified));
            for (old, new) in before.lines.iter().zip(&after.lines) {
                if !old.has_key(key(n)) {
                    prop_assert_eq!(new.raw.strip_prefix(&old.raw[..]).map(|end| end.len() < 2), Some(true));
                }
            }
            // What a program keeps in mind is what the next one reads.
            let read = PeerList::parse(&after.to_bytes(), Path::new(""));
            prop_assert!(read.peers().eq(after.peers()));

            let forgotten = after.forget(key(n));
            prop_assert!(forgotten.iter().all(|peer| peer.fingerprint == key(n)));
            prop_assert!(!forgotten.is_empty() && after.by_key(key(n)).is_none());
        }
    }
}
