//! First contacts that broke off before their safety number was known, by address.
//!
//! Whoever answers there knows the number first. If it is not the one he wants, he can break
//! off, so that each of these tries is a guess for somebody in the middle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::place::place;
use super::private_file::{self, FileError};

/// How many tries an address has.
pub const MAX_TRIES: usize = 3;

/// How long a try counts, in seconds.
const COUNTS_FOR: u64 = 24 * 60 * 60;

/// Why no try may be made, or none can be written down.
#[derive(Debug, thiserror::Error)]
pub enum FirstContactError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// An address that cannot be written into the file.
    #[error("an address that cannot be written down: {0:?}")]
    Address(String),
    /// All tries are used up.
    #[error("no try is left at {0}")]
    TooMany(String),
}

/// The file `first_contacts`: one line an address, `ADDRESS SECONDS…`, each number the time of a
/// try in seconds since 1970. Each method reads it again, because other programs change it too,
/// and may wait for them for up to 2 s.
#[derive(Clone, Debug)]
pub struct FirstContacts {
    path: PathBuf,
}

impl FirstContacts {
    /// Those in `data_dir`, where the identity is. Makes the directory if it is not there.
    ///
    /// # Errors
    /// The directory is not the user's alone, or cannot be made.
    pub fn open(data_dir: &Path) -> Result<Self, FileError> {
        private_file::private_dir(data_dir)?;
        Ok(Self {
            path: data_dir.join("first_contacts"),
        })
    }

    /// Checks that `address` may be tried.
    ///
    /// # Errors
    /// It was tried [`MAX_TRIES`] times within a day; the file cannot be used.
    pub fn check(&self, address: &str) -> Result<(), FirstContactError> {
        self.load(now())?.check(address)
    }

    /// Writes down that `address` is tried. It counts for a day.
    ///
    /// # Errors
    /// It was tried [`MAX_TRIES`] times within a day, or cannot be written down; the file cannot
    /// be used.
    pub fn record(&self, address: &str) -> Result<(), FirstContactError> {
        self.record_at(address, now())
    }

    /// The last try at `address` was none.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn take_back(&self, address: &str) -> Result<(), FirstContactError> {
        self.update(now(), |tries| {
            tries.0.entry(place(address)).or_default().pop();
            Ok(())
        })
    }

    /// Forgets the tries at `address`: its safety number is known, or the user wants to try again.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn clear(&self, address: &str) -> Result<(), FirstContactError> {
        self.update(now(), |tries| {
            tries.0.remove(&place(address));
            Ok(())
        })
    }

    fn record_at(&self, address: &str, now: u64) -> Result<(), FirstContactError> {
        if address.is_empty() || address.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(FirstContactError::Address(address.to_owned()));
        }
        self.update(now, |tries| {
            tries.check(address)?;
            tries.0.entry(place(address)).or_default().push(now);
            Ok(())
        })
    }

    fn load(&self, now: u64) -> Result<Tries, FileError> {
        let bytes = private_file::read(&self.path)?.unwrap_or_default();
        Ok(Tries::parse(&bytes, now))
    }

    /// Reads, changes and writes under a lock, so that no other program's change is lost.
    fn update(
        &self,
        now: u64,
        change: impl FnOnce(&mut Tries) -> Result<(), FirstContactError>,
    ) -> Result<(), FirstContactError> {
        let _lock = private_file::lock(&self.path.with_extension("lock"))?;
        let before = private_file::read(&self.path)?;
        let written = before.as_deref().unwrap_or_default();
        let mut tries = Tries::parse(written, now);
        change(&mut tries)?;
        let after = tries.to_bytes();
        match after.strip_prefix(written) {
            Some([]) => {}
            // A call waits for this, and a line is on the disk sooner than a new file.
            Some(more) if before.is_some() => private_file::append(&self.path, more)?,
            _ => _ = private_file::replace(&self.path, &after)?,
        }
        Ok(())
    }
}

/// The tries that still count, in order, by address.
#[derive(Debug, Default)]
struct Tries(BTreeMap<String, Vec<u64>>);

impl Tries {
    /// What cannot be read is dropped: the file is not for people.
    fn parse(bytes: &[u8], now: u64) -> Self {
        let mut tries = Self::default();
        let counts = |tried: &u64| now.saturating_sub(*tried) < COUNTS_FOR;
        for line in bytes.split(|byte| *byte == b'\n') {
            let mut words = str::from_utf8(line).unwrap_or_default().split(' ');
            if let Some(address) = words.next() {
                let times = words.filter_map(|word| word.parse().ok()).filter(counts);
                let known = tries.0.entry(place(address)).or_default();
                known.extend(times);
            }
        }
        tries
    }

    fn check(&self, address: &str) -> Result<(), FirstContactError> {
        let tries = self.0.get(&place(address)).map_or(0, Vec::len);
        match tries < MAX_TRIES {
            true => Ok(()),
            false => Err(FirstContactError::TooMany(address.to_owned())),
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut text = String::new();
        for (address, times) in self.0.iter().filter(|(_, times)| !times.is_empty()) {
            text.push_str(address);
            for time in times {
                text.push_str(&format!(" {time}"));
            }
            text.push('\n');
        }
        text.into_bytes()
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const BOB: &str = "bob.example:7788";

    fn contacts() -> (tempfile::TempDir, FirstContacts) {
        let home = tempfile::tempdir().expect("a temporary directory");
        let contacts = FirstContacts::open(home.path()).expect("a directory");
        (home, contacts)
    }

    fn use_up(contacts: &FirstContacts, address: &str) {
        for _ in 0..MAX_TRIES {
            contacts.check(address).expect("a try is left");
            contacts.record(address).expect("a try is left");
        }
    }

    fn is_used_up(contacts: &FirstContacts, address: &str) -> bool {
        matches!(contacts.check(address), Err(FirstContactError::TooMany(_)))
    }

    #[test]
    fn each_address_has_three_tries() {
        let (_home, contacts) = contacts();
        use_up(&contacts, BOB);
        assert!(is_used_up(&contacts, BOB));
        let again = contacts.record(BOB);
        assert!(matches!(again, Err(FirstContactError::TooMany(_))));
        contacts.check("[::1]:7788").expect("another address");
    }

    #[test]
    fn other_programs_and_later_ones_count_too() {
        let (home, contacts) = contacts();
        use_up(&contacts, BOB);
        let other = FirstContacts::open(home.path()).expect("a directory");
        assert!(is_used_up(&other, BOB));
    }

    #[test]
    fn a_number_that_is_known_clears_its_address_alone() {
        let (_home, contacts) = contacts();
        use_up(&contacts, BOB);
        use_up(&contacts, "[::1]:7788");
        contacts.clear(BOB).expect("the file can be written");
        contacts.check(BOB).expect("nothing is left");
        assert!(is_used_up(&contacts, "[::1]:7788"));
    }

    #[test]
    fn one_that_is_taken_back_does_not_count() {
        let (_home, contacts) = contacts();
        contacts.take_back(BOB).expect("nothing to take back");
        use_up(&contacts, BOB);
        contacts.take_back(BOB).expect("the file can be written");
        contacts.record(BOB).expect("a try is left");
        assert!(is_used_up(&contacts, BOB));
    }

    #[test]
    fn where_nothing_changes_nothing_is_written() {
        let (_home, contacts) = contacts();
        contacts.clear(BOB).expect("nothing to clear");
        assert!(!contacts.path.exists());
    }

    #[test]
    fn a_try_counts_for_a_day() {
        let (_home, contacts) = contacts();
        let now = now();
        for age in [COUNTS_FOR, COUNTS_FOR - 60, 60] {
            contacts.record_at(BOB, now - age).expect("a try is left");
        }
        contacts.record(BOB).expect("the first is a day old");
        assert!(is_used_up(&contacts, BOB));
    }

    #[test]
    fn rubbish_is_no_try_and_goes() {
        let (_home, contacts) = contacts();
        let rubbish = format!("\n{BOB}\n{BOB} x -1 {}\n\n x\n", "9".repeat(30));
        private_file::replace(&contacts.path, rubbish.as_bytes()).expect("a file");
        use_up(&contacts, BOB);
        let text = fs::read_to_string(&contacts.path).expect("text");
        assert_eq!(text.lines().count(), 1);
        let error = contacts.record("bob example").expect_err("no address");
        assert!(matches!(error, FirstContactError::Address(_)));
    }

    #[test]
    fn a_line_that_was_cut_off_harms_no_other() {
        let (_home, contacts) = contacts();
        for rest in ["", "1", "1764"] {
            let torn = format!("a.example:7788 {}\n{BOB} {rest}", now());
            private_file::replace(&contacts.path, torn.as_bytes()).expect("a file");
            use_up(&contacts, "c.example:7788");
            use_up(&contacts, BOB);
            assert!(is_used_up(&contacts, BOB));
            assert!(is_used_up(&contacts, "c.example:7788"));
            contacts.record("a.example:7788").expect("a try is left");
            contacts.record("a.example:7788").expect("a try is left");
            assert!(is_used_up(&contacts, "a.example:7788"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_the_file_or_have_made_it() {
        use std::os::unix::fs::PermissionsExt;

        let (_home, contacts) = contacts();
        use_up(&contacts, BOB);
        let mode = fs::metadata(&contacts.path).expect("a file").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let open = fs::Permissions::from_mode(0o644);
        fs::set_permissions(&contacts.path, open).expect("my own file");
        let exposed = contacts.check(BOB);
        assert!(matches!(exposed, Err(FirstContactError::File(_))));
    }
}
