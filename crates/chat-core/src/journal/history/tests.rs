//! Journals that overlap, are in use, torn, changed, or full of whatever.

use proptest::prelude::*;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

use super::*;
use crate::journal::record::{Message, Record, VERSION};
use crate::journal::{Calls, Durability};
use crate::protocol::Delivery;
use crate::wire::MAX_LINE;

fn peer() -> Fingerprint {
    Fingerprint::of_spki(b"ann")
}

/// The files of a user, in `calls`.
struct Home {
    directory: TempDir,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Calls::open(directory.path()).expect("calls");
        Self { directory }
    }

    fn path(&self, session: u8, extension: &str) -> PathBuf {
        let name = format!(
            "{}.{}.{extension}",
            Hex(*peer().as_bytes()),
            Hex([session; 16])
        );
        self.directory.path().join("calls").join(name)
    }

    fn write(&self, path: &Path, bytes: &[u8]) {
        private_file::replace(path, bytes).expect("written");
    }

    /// A journal that begins at this second, with these records.
    fn journal(&self, session: u8, begun: i64, records: &[Record<'_>]) -> PathBuf {
        let path = self.path(session, EXTENSION);
        self.write(&path, &lines(session, begun, records));
        path
    }

    fn history(&self) -> History {
        History::open(self.directory.path(), peer()).expect("it can be read")
    }

    /// The texts, and what could not be read.
    fn entries(&self) -> (Vec<String>, Vec<Flaw>) {
        apart(self.history().entries())
    }

    fn last(&self, count: usize) -> (Vec<String>, Vec<Flaw>) {
        let (entries, flaws) = self.history().last(count);
        (entries.into_iter().map(text).collect(), flaws)
    }

    /// The texts with this in them, which both ways to search have found.
    fn search(&self, needle: &str) -> Vec<String> {
        let found = self.history().search(needle).expect("short enough");
        let found = apart(found).0;
        let matches = self.history().matches(needle, 2).expect("short enough");
        assert_eq!(matches.total, found.len());
        let last: Vec<_> = matches.last.into_iter().map(text).collect();
        assert_eq!(last.len(), found.len().min(2));
        assert!(last.iter().all(|text| found.contains(text)), "{last:?}");
        found
    }
}

fn lines(session: u8, begun: i64, records: &[Record<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let header = Record::Journal {
        version: VERSION,
        peer: peer().to_string().into(),
        session: Hex([session; 16]),
        at: at(begun),
    };
    std::iter::once(&header)
        .chain(records)
        .for_each(|record| record.write_to(&mut bytes));
    bytes
}

fn at(second: i64) -> OffsetDateTime {
    let begun = OffsetDateTime::from_unix_timestamp(1_795_514_400).expect("2026-11-24 10:00");
    begun + Duration::seconds(second)
}

fn message(number: u64, second: i64, text: &str) -> Message<'_> {
    Message {
        number,
        at: at(second),
        text: text.into(),
    }
}

fn said(number: u64, second: i64, text: &str) -> Record<'_> {
    Record::Said(message(number, second, text))
}

fn heard(number: u64, second: i64, text: &str) -> Record<'_> {
    Record::Heard(message(number, second, text))
}

fn text(entry: HistoryEntry) -> String {
    entry.message.text
}

fn apart(entries: HistoryEntries) -> (Vec<String>, Vec<Flaw>) {
    let (mut texts, mut flaws) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Ok(entry) => texts.push(text(entry)),
            Err(flaw) => flaws.push(flaw),
        }
    }
    (texts, flaws)
}

#[test]
fn nothing_is_made_where_nothing_is() {
    let home = tempfile::tempdir().expect("a directory");
    let history = History::open(home.path(), peer()).expect("nothing to read");
    assert_eq!(history.entries().count(), 0);
    let file = home.path().join("file");
    fs::write(&file, "").expect("written");
    History::open(&file, peer()).expect_err("it is no directory");
    fs::remove_file(&file).expect("removed");
    assert_eq!(fs::read_dir(home.path()).expect("it is there").count(), 0);
}

#[test]
fn journals_are_merged_in_the_order_of_time() {
    let home = Home::new();
    home.journal(2, 0, &[said(1, 1, "1"), heard(1, 4, "4"), said(2, 9, "9")]);
    home.journal(1, 1, &[said(1, 3, "3"), heard(1, 5, "5")]);
    home.journal(3, 20, &[heard(1, 21, "21")]);
    home.write(
        &home.path(4, "damaged-2"),
        &lines(4, 6, &[heard(1, 7, "7")]),
    );
    home.write(&home.path(5, "txt"), &lines(5, 0, &[heard(1, 0, "no")]));
    let all = ["1", "3", "4", "5", "7", "9", "21"];
    assert_eq!(home.entries().0, all);
    for count in 0..9 {
        assert_eq!(home.last(count).0, all[all.len().saturating_sub(count)..]);
    }
    let other = History::open(home.directory.path(), Fingerprint::of_spki(b"bob"));
    assert_eq!(other.expect("none").entries().count(), 0);
}

#[test]
fn calls_that_are_not_over_can_be_left_out() {
    let home = Home::new();
    home.journal(1, 0, &[said(1, 1, "now")]);
    home.journal(
        2,
        0,
        &[said(1, 2, "then"), Record::Ended { carried: false }],
    );
    assert_eq!(apart(home.history().of_ended_calls().entries()).0, ["then"]);
}

#[test]
fn damage_before_the_last_messages_is_not_looked_for() {
    let home = Home::new();
    let earlier = home.journal(1, 0, &[heard(1, 1, "one"), heard(2, 2, "two")]);
    let damaged = fs::read_to_string(&earlier).expect("text");
    home.write(&earlier, damaged.replace("one", "ore").as_bytes());
    home.journal(2, 3, &[heard(1, 4, "three"), heard(2, 5, "four")]);
    for (count, told) in [(2, 0), (3, 1)] {
        assert_eq!(home.last(count).1.len(), told, "{count}");
    }
}

#[test]
fn what_has_not_arrived_is_marked() {
    let home = Home::new();
    let records = [
        Record::Counts {
            said: 4,
            acknowledged: 4,
            heard: 0,
        },
        Record::Keep,
        said(5, 1, "arrived"),
        said(6, 1, "not"),
        Record::Acknowledged { number: 5 },
        heard(1, 2, "theirs"),
    ];
    let ended = [&records[..], &[Record::Ended { carried: false }]].concat();
    for (records, fate) in [(&records[..], Delivery::Pending), (&ended, Delivery::Lost)] {
        home.journal(1, 0, records);
        let entries = home.history().entries().collect::<Result<Vec<_>, _>>();
        let entries = entries.expect("no flaws");
        let fates: Vec<_> = entries.iter().map(|entry| entry.message.delivery).collect();
        assert_eq!(fates, [Delivery::Arrived, fate, Delivery::Arrived]);
        assert_eq!(home.history().last(20).0, entries);
    }
}

#[test]
fn what_is_said_again_in_another_session_is_shown_once() {
    let home = Home::new();
    let acknowledged = Record::Acknowledged { number: 1 };
    let ended = Record::Ended { carried: true };
    let earlier = [
        said(1, 1, "one"),
        acknowledged,
        said(2, 2, "two"),
        heard(1, 3, "and?"),
        ended,
    ];
    home.journal(1, 0, &earlier);
    home.journal(2, 4, &[said(1, 5, "two"), heard(1, 6, "so do I")]);
    let all = ["one", "and?", "two", "so do I"];
    assert_eq!(home.entries().0, all);
    assert_eq!(home.last(9).0, all);
    assert_eq!(home.search("two"), ["two"]);
}

#[test]
fn what_a_journal_that_was_set_aside_has_not_delivered_is_shown_once() {
    let home = Home::new();
    let acknowledged = Record::Acknowledged { number: 1 };
    let records = [said(1, 1, "one"), acknowledged, said(2, 2, "two")];
    home.write(&home.path(1, SET_ASIDE), &lines(1, 0, &records));
    home.journal(2, 3, &[said(1, 4, "two")]);
    assert_eq!(home.entries().0, ["one", "two"]);
    assert_eq!(home.last(9).0, ["one", "two"]);
    assert_eq!(home.search("two"), ["two"]);
}

#[test]
fn a_journal_in_use_is_read_and_a_torn_line_is_not() {
    let home = Home::new();
    let path = home.journal(1, 0, &[said(1, 1, "whole"), said(2, 2, "torn")]);
    let bytes = fs::read(&path).expect("the journal");
    home.write(&path, &bytes[..bytes.len() - 1]);
    let _lock = private_file::open_locked(&path)
        .expect("it is there")
        .expect("free");
    for (texts, flaws) in [home.entries(), home.last(20)] {
        assert_eq!(texts, ["whole"]);
        assert!(flaws.is_empty(), "{flaws:?}");
    }
    let calls = Calls::open(home.directory.path()).expect("calls");
    let journal = calls.begin(peer(), Hex([2; 16]), Durability::Program);
    let _journal = journal.expect("another one");
    assert_eq!(home.entries().0, ["whole"]);
}

#[test]
fn damage_is_named_and_the_rest_is_read() {
    let home = Home::new();
    let path = home.journal(
        1,
        0,
        &[said(1, 1, "one"), heard(1, 2, "two"), said(2, 3, "three")],
    );
    let damaged = fs::read_to_string(&path)
        .expect("text")
        .replace("two", "twO");
    home.write(&path, damaged.as_bytes());
    let newer = home.path(2, EXTENSION);
    let mut bytes = Vec::new();
    Record::Journal {
        version: 9,
        peer: "".into(),
        session: Hex([2; 16]),
        at: at(0),
    }
    .write_to(&mut bytes);
    home.write(&newer, &bytes);
    for (texts, mut flaws) in [home.entries(), home.last(20)] {
        assert_eq!(texts, ["one", "three"]);
        flaws.sort_by_key(ToString::to_string);
        let told: Vec<_> = flaws.iter().map(ToString::to_string).collect();
        assert_eq!(flaws.len(), 2, "{told:?}");
        let line = format!(
            "{}: line 3: its checksum is wrong; 1 in all",
            path.display()
        );
        assert_eq!(told[0], line);
        assert!(matches!(
            &flaws[1],
            Flaw::File(JournalError::Version { version: 9, .. })
        ));
    }
    assert_eq!(home.search("tw").len(), 0);
    let search = home.history().search("two").expect("short enough");
    assert_eq!(apart(search).1.len(), 2);
}

#[cfg(unix)]
#[test]
fn a_file_that_is_open_to_others_is_not_read() {
    use std::os::unix::fs::PermissionsExt;

    let home = Home::new();
    let path = home.journal(1, 0, &[said(1, 1, "seen by all")]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let (texts, flaws) = home.entries();
    assert!(texts.is_empty(), "{texts:?}");
    assert!(
        flaws[0].to_string().contains("open to other users"),
        "{flaws:?}"
    );
}

#[test]
fn a_line_that_never_ends_takes_no_memory_without_bounds() {
    let home = Home::new();
    let path = home.journal(1, 0, &[said(1, 1, "before")]);
    let mut bytes = fs::read(&path).expect("the journal");
    bytes.resize(8 << 20, b'x');
    bytes.push(b'\n');
    said(2, 2, "after").write_to(&mut bytes);
    home.write(&path, &bytes);
    for ((texts, flaws), text) in [(home.entries(), "before"), (home.last(20), "after")] {
        assert_eq!(texts, [text]);
        assert!(
            flaws[0].to_string().ends_with("a line is too long"),
            "{flaws:?}"
        );
    }
}

#[test]
fn long_texts_are_read_from_both_ends() {
    let home = Home::new();
    let long = [700_000, 10, 262_000, 1_000_000].map(|length| "\u{1}x".repeat(length / 2));
    let records: Vec<_> = (1..)
        .zip(&long)
        .map(|(n, text)| said(n, n as i64, text))
        .collect();
    home.journal(1, 0, &records);
    assert_eq!(home.entries().0, long);
    assert_eq!(home.last(4).0, long);
    assert_eq!(home.search("X").len(), 4);

    let megabytes = "y".repeat(1 << 20);
    let many: Vec<_> = (1..=10).map(|n| heard(n, n as i64, &megabytes)).collect();
    home.journal(2, 9, &many);
    assert_eq!(home.last(1_000).0.len(), 7);
}

/// The longest message there can be, of characters that take the most room when written down.
#[test]
fn the_longest_record_is_read_from_both_ends() {
    let home = Home::new();
    let longest = "\u{1}".repeat(MAX_LINE);
    home.journal(1, 0, &[said(1, 1, &longest), heard(2, 2, "after it")]);
    assert_eq!(home.entries().0, [longest.as_str(), "after it"]);
    assert_eq!(home.last(2).0, [longest.as_str(), "after it"]);
}

/// The last messages of one journal, by both ways to them, take bounded memory.
#[test]
fn of_one_journal_no_more_is_kept_than_is_wanted_or_fits() {
    let home = Home::new();
    let megabyte = "y".repeat(1 << 20);
    let many: Vec<_> = (1..=40).map(|n| heard(n, n as i64, &megabyte)).collect();
    let path = home.journal(1, 0, &many);
    let needle = needle::Needle::new("y").expect("short enough");
    // A line takes a megabyte, and what is read of it another.
    for (count, last, matches) in [(2, 2, 2), (1_000, 8, 16)] {
        let file = || file::JournalFile::new(path.clone()).expect("it can be read");
        let mut flaws = VecDeque::new();
        assert_eq!(file().last(count, None, &mut flaws).len(), last);
        let (total, found) = file().matches(&needle, count, &mut flaws);
        assert_eq!((total, found.len()), (40, matches));
    }
}

#[test]
fn only_texts_are_searched() {
    let home = Home::new();
    let records = [
        said(1, 1, "Der Zug\nnach ZÜRICH"),
        heard(1, 2, r#"a "quoted" \ one"#),
        heard(2, 3, "8\n8"),
        heard(3, 4, "a sad saddle"),
    ];
    home.journal(1, 0, &records);
    for (needle, found) in [
        ("zürich", 1),
        ("zug\nnach", 1),
        ("Quoted\" \\", 1),
        ("ug\\n", 0),
        ("said", 0),
        ("text", 0),
        ("2026", 0),
        ("heard", 0),
        ("sum", 0),
        ("number", 0),
        ("n", 2),
        ("sad", 1),
        ("Z", 1),
        ("", 4),
    ] {
        assert_eq!(home.search(needle).len(), found, "{needle}");
    }
}

/// Lines as they are written, as they are not, and bytes that are no lines.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let texts = || prop_oneof!["[ab\\n\"]{0,3}", any::<String>()];
    let record = prop_oneof![
        (1..9_u64, 0..9_i64, texts()).prop_map(|(number, second, text)| {
            let mut line = Vec::new();
            said(number, second, &text).write_to(&mut line);
            line
        }),
        (1..9_u64, 0..9_i64, texts()).prop_map(|(number, second, text)| {
            let mut line = Vec::new();
            heard(number, second, &text).write_to(&mut line);
            line
        }),
        prop::collection::vec(any::<u8>(), 0..40),
        Just(b"\n".to_vec()),
        Just(lines(1, 0, &[Record::Keep])),
        Just(br#"{"is":"said","text":""#.to_vec()),
    ];
    prop::collection::vec(record, 0..12).prop_map(|records| records.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever stands in the file: nothing panics, both directions read the same messages of it,
    /// and a search finds those with the needle.
    #[test]
    fn any_file_can_be_read(bytes in anything(), needle in "[abAB\\n\"]{0,2}") {
        let home = Home::new();
        home.write(&home.path(1, EXTENSION), &bytes);
        let (entries, flaws) = home.entries();
        let (mut last, _) = home.history().last(usize::MAX);
        let mut all: Vec<_> = home.history().entries().filter_map(Result::ok).collect();
        prop_assert_eq!(all.len(), entries.len());
        prop_assert!(flaws.len() <= 1);
        all.sort_by_key(|entry| entry.message.at);
        last.sort_by_key(|entry| entry.message.at);
        prop_assert_eq!(last, all);
        let lower = needle.to_lowercase();
        let expected = entries.into_iter().filter(|text| text.to_lowercase().contains(&lower));
        let found = home.history().search(&needle).expect("short enough");
        prop_assert_eq!(apart(found).0, expected.collect::<Vec<_>>());
        home.history().matches(&needle, 2).expect("short enough");
    }
}
