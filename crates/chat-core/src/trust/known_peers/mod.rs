//! Who owns which key, as this user has learned it.
//!
//! One line a peer, `NAME[,ADDRESS…] KEYTYPE SHA256:… FIRST-SEEN STATE`. People may edit the
//! file by hand: whatever this module does not understand stays as it is, byte for byte.

mod entry;
mod list;

use std::path::{Path, PathBuf};

use super::Fingerprint;
use super::private_file::{self, FileError};

pub use entry::{KnownPeer, ParseError};
pub use list::{ChangedKey, Direction, PeerList, Unreadable};

/// How many callers are remembered whom this user has neither dialed nor verified, so that
/// strangers cannot fill the file.
const MAX_STRANGERS: usize = 1_000;

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

/// The file `known_peers`. Each method reads it again, because other programs change it too,
/// and may wait for them for up to 2 s.
#[derive(Clone, Debug)]
pub struct KnownPeers {
    path: PathBuf,
}

impl KnownPeers {
    /// Those in `data_dir`, where the identity is. Makes the directory if it is not there.
    ///
    /// # Errors
    /// The directory is not the user's alone, or cannot be made.
    pub fn open(data_dir: &Path) -> Result<Self, FileError> {
        private_file::private_dir(data_dir)?;
        Ok(Self {
            path: data_dir.join("known_peers"),
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

    /// Remembers that the owner of this key is not wanted, under this name if the key is new.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn block(&self, name: &str, key: Fingerprint) -> Result<(), KnownPeersError> {
        self.update(|list| {
            list.remember(name, None, key);
            list.block(key);
            Ok(())
        })
    }

    /// Forgets the peers with this name, and returns them.
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

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::list::MAX_NAME;
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
