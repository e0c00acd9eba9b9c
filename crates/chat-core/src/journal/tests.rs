//! Journals that are torn, changed, locked, full, old and forgotten.

use std::fs::{self, OpenOptions};

use proptest::prelude::*;
use tempfile::TempDir;

use super::record::Message;
use super::*;
use crate::protocol::Side;
use crate::wire::Hello;

const SESSION: SessionId = Hex([7; 16]);

fn peer() -> Fingerprint {
    Fingerprint::of_spki(b"ann")
}

struct Home {
    directory: TempDir,
    calls: Calls,
    path: PathBuf,
}

fn home() -> Home {
    let directory = tempfile::tempdir().expect("a directory");
    let calls = Calls::open(directory.path()).expect("calls");
    let path = calls.path(peer(), SESSION);
    Home {
        directory,
        calls,
        path,
    }
}

impl Home {
    fn begin(&self) -> Journal {
        let begun = self.calls.begin(peer(), SESSION, Durability::Program);
        begun.expect("a new journal")
    }

    fn found(&self) -> Found {
        let found = self.calls.resume(peer(), SESSION, Durability::Power);
        found.expect("a journal that can be looked at")
    }

    fn resume(&self) -> (Journal, Restored) {
        match self.found() {
            Found::Open(journal, restored) => (journal, restored),
            other => panic!("{other:?}"),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).expect("the file")
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes()).expect("text")
    }
}

/// What a session does with its journal.
#[derive(Clone, Debug)]
enum Happens {
    Said(String),
    Heard(String),
    Acknowledged,
    Finished,
    PeerFinished,
    Keep,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => any::<String>().prop_map(Happens::Said),
        4 => any::<String>().prop_map(Happens::Heard),
        2 => Just(Happens::Acknowledged),
        1 => Just(Happens::Finished),
        1 => Just(Happens::PeerFinished),
        1 => Just(Happens::Keep),
    ]
}

fn record(journal: &mut Journal, said: &mut u64, happens: &Happens) {
    match happens {
        Happens::Said(text) => {
            *said += 1;
            journal.said(text);
        }
        Happens::Heard(text) => journal.heard(text),
        Happens::Acknowledged => journal.acknowledged(*said),
        Happens::Finished => journal.finished(),
        Happens::PeerFinished => journal.peer_finished(3),
        Happens::Keep => journal.keep(),
    }
}

/// The journal of these happenings, byte for byte.
fn written(happenings: &[Happens]) -> Vec<u8> {
    let home = home();
    let mut journal = home.begin();
    let mut said = 0;
    for happens in happenings {
        record(&mut journal, &mut said, happens);
    }
    flushed(&mut journal);
    home.bytes()
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().expect("a runtime");
    runtime.block_on(future)
}

fn flushed(journal: &mut Journal) {
    block_on(journal.flushed()).expect("a disk that works");
}

/// What these happenings come to, without times.
fn expected(happenings: &[Happens]) -> (Restored, Vec<(Side, String)>) {
    let mut restored = Restored::default();
    let mut texts = Vec::new();
    for happens in happenings {
        match happens {
            Happens::Said(text) => {
                restored.said += 1;
                restored.unacknowledged.insert(restored.said, text.clone());
                texts.push((Side::Local, text.clone()));
            }
            Happens::Heard(text) => {
                restored.heard += 1;
                texts.push((Side::Remote, text.clone()));
            }
            Happens::Acknowledged => {
                restored.acknowledged = restored.said;
                restored.unacknowledged.clear();
            }
            Happens::Finished => restored.finished = true,
            Happens::PeerFinished => restored.peer_last = Some(3),
            Happens::Keep => restored.keep = true,
        }
    }
    let recent = texts.split_off(texts.len().saturating_sub(20));
    (restored, recent)
}

fn without_times(mut restored: Restored) -> (Restored, Vec<(Side, String)>) {
    let recent = std::mem::take(&mut restored.recent);
    let texts = recent.into_iter().map(|text| (text.side, text.text));
    (restored, texts.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn torn_at_any_byte_a_journal_restores_what_was_whole(
        happenings in prop::collection::vec(happens(), 0..30),
        cut in any::<prop::sample::Index>(),
        more in happens(),
    ) {
        let bytes = written(&happenings);
        let header = bytes.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
        let cut = header + cut.index(bytes.len() - header + 1);
        let whole = bytes[header..cut].iter().filter(|byte| **byte == b'\n').count();
        let home = home();
        private_file::create(&home.path, &bytes[..cut]).expect("a file");

        let (mut journal, restored) = home.resume();
        let mut said = restored.said;
        prop_assert_eq!(without_times(restored), expected(&happenings[..whole]));

        // It goes on as if the rest had never been there.
        record(&mut journal, &mut said, &more);
        block_on(journal.close()).expect("written, and no longer locked");
        let (_journal, restored) = home.resume();
        let all = [&happenings[..whole], &[more]].concat();
        prop_assert_eq!(without_times(restored), expected(&all));
    }

    #[test]
    fn a_changed_bit_is_named_and_the_rest_restored(
        happenings in prop::collection::vec(happens(), 1..20),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let bytes = written(&happenings);
        let at = at.index(bytes.len() - 1);
        let mut changed = bytes.clone();
        changed[at] ^= 1_u8 << bit;
        let line = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        let home = home();
        private_file::create(&home.path, &changed).expect("a file");

        let Found::Damaged(damaged) = home.found() else {
            return Err(TestCaseError::fail("it was taken for whole"));
        };
        // A line feed that was changed has made one line of two, and the first of them is named.
        prop_assert_eq!(damaged.unreadable[0].line, line);
        let before = happenings[..line.saturating_sub(2)].len() as u64;
        prop_assert!(damaged.restored.said + damaged.restored.heard <= happenings.len() as u64);
        let known = expected(&happenings[..before as usize]).0;
        prop_assert!(damaged.restored.said >= known.said);
        prop_assert!(damaged.restored.heard >= known.heard);
        let aside = damaged.set_aside().expect("a new name");
        prop_assert_eq!(fs::read(aside).expect("the file"), changed);
        prop_assert!(matches!(home.found(), Found::Nothing));
    }

    #[test]
    fn anything_at_all_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (restored, unreadable, _) = restore::read(&bytes);
        prop_assert_eq!(restored, Restored::default());
        prop_assert!(!unreadable.is_empty());
    }
}

proptest! {
    #[test]
    fn a_message_reads_as_it_was_said(text in any::<String>(), number: u64, is_own: bool) {
        let message = Message { number, at: record::now(), text: text.into() };
        let record = if is_own { Record::Said(message) } else { Record::Heard(message) };
        let mut line = Vec::new();
        record.write_to(&mut line);
        prop_assert_eq!(Record::parse(&line[..line.len() - 1]), Ok(record));
    }
}

/// Members in another order, and others between them, as another program might write them.
#[test]
fn a_message_may_be_written_in_another_way() {
    let said = |members: &str| {
        let mut line = format!(r#"{{"is":"said",{members}}}"#).into_bytes();
        line.pop();
        let sum = record::checksum(&line);
        line.extend_from_slice(br#","sum":""#);
        line.extend_from_slice(&sum);
        line.extend_from_slice(br#""}"#);
        match Record::parse(&line) {
            Ok(Record::Said(message)) => Some((message.number, message.text.into_owned())),
            _ => None,
        }
    };
    let at = r#""at":"2026-11-24T10:03:55.007Z""#;
    let wanted = Some((7, "hi".to_owned()));
    assert_eq!(said(&format!(r#""number":7,{at},"text":"hi""#)), wanted);
    assert_eq!(said(&format!(r#""text":"hi",{at},"number":7"#)), wanted);
    assert_eq!(
        said(&format!(r#""number":7,{at},"text":"hi","by":"ann""#)),
        wanted
    );
    assert_eq!(
        said(&format!(r#""number":7,{at},"text":"hi","by":1"#)),
        wanted
    );
    assert_eq!(
        said(&format!(r#""number":7,{at},"text":"\u0068i""#)),
        wanted
    );
    assert_eq!(said(&format!(r#""number":-7,{at},"text":"hi""#)), None);
    assert_eq!(said(r#""number":7,"at":"today","text":"hi""#), None);
}

#[test]
fn a_line_reads_like_its_document() {
    let home = home();
    let mut journal = home.begin();
    journal.said("is the train on time?");
    flushed(&mut journal);
    let text = home.text();
    let lines: Vec<&str> = text.lines().collect();
    let header = format!(
        r#"{{"is":"journal","version":1,"peer":"{}","session":"{SESSION}","at":"2"#,
        peer()
    );
    assert!(lines[0].starts_with(&header), "{text}");
    assert!(
        lines[1].starts_with(r#"{"is":"said","number":1,"at":"2"#),
        "{text}"
    );
    let end = lines[1].split_once(r#","text":"is the train on time?","sum":""#);
    let (_, end) = end.expect("text, then the checksum");
    assert_eq!(end.len(), "01234567\"}".len(), "{text}");
    // As `sha256sum` has it.
    assert_eq!(&record::checksum(b"abc"), b"ba7816bf");
}

#[cfg(unix)]
#[test]
fn journals_are_private_and_must_be() {
    use std::os::unix::fs::PermissionsExt;
    let home = home();
    drop(home.begin());
    let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(&home.path), 0o600);
    assert_eq!(mode(&home.calls.directory), 0o700);
    fs::set_permissions(&home.path, fs::Permissions::from_mode(0o644)).expect("chmod");
    let refused = home.calls.resume(peer(), SESSION, Durability::Program);
    let JournalError::File(refused) = refused.expect_err("open to others") else {
        panic!("it can be used");
    };
    assert!(matches!(*refused, FileError::Exposed { mend: 0o600, .. }));
}

#[test]
fn a_journal_in_use_is_left_alone_and_nobody_waits() {
    let home = home();
    let mut journal = home.begin();
    assert!(matches!(home.found(), Found::InUse));
    let again = home.calls.begin(peer(), SESSION, Durability::Program);
    assert!(matches!(again, Err(JournalError::Exists(_))), "{again:?}");
    journal.said("hi");
    flushed(&mut journal);
    let text = home.text();
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[tokio::test]
async fn progress_is_told_in_order_and_after_writing() {
    let home = home();
    let mut journal = home.begin();
    assert_eq!(journal.recorded().expect("no error").said, 0);
    journal.said("one");
    journal.heard("two");
    let mut recorded = journal.recorded().expect("no error");
    while (recorded.said, recorded.heard) != (1, 1) {
        recorded = journal.changed().await.expect("no error");
        let lines = home.text().lines().count() as u64;
        assert!(lines > recorded.said + recorded.heard);
    }
    // Nothing waits for what is recorded already.
    journal.flushed().await.expect("no error");
}

#[tokio::test]
async fn a_call_that_ended_leaves_counts_and_no_text() {
    let home = home();
    let mut journal = home.begin();
    journal.said("a secret");
    journal.acknowledged(1);
    journal.heard("another secret");
    journal.end().await.expect("written");
    assert!(!home.text().contains("secret"), "{}", home.text());
    let Found::Ended(restored) = home.found() else {
        panic!("the call is over");
    };
    assert_eq!(
        (restored.said, restored.acknowledged, restored.heard),
        (1, 1, 1)
    );

    // Whoever comes back within a week is recognised; then nothing is left.
    let week = Duration::from_secs(604_800);
    let minute = Duration::from_secs(60);
    for (age, is_kept) in [(week - minute, true), (week + minute, false)] {
        let file = OpenOptions::new()
            .write(true)
            .open(&home.path)
            .expect("the file");
        file.set_modified(SystemTime::now() - age).expect("a time");
        Calls::open(home.directory.path()).expect("calls");
        assert_eq!(home.path.exists(), is_kept, "{age:?}");
    }
}

#[tokio::test]
async fn what_was_said_after_keep_is_kept() {
    let home = home();
    let mut journal = home.begin();
    journal.heard("before");
    journal.keep();
    journal.heard("after");
    journal.end().await.expect("written");
    let Found::Ended(restored) = home.found() else {
        panic!("the call is over");
    };
    assert_eq!(restored.heard, 2);
    let texts: Vec<&str> = restored
        .recent
        .iter()
        .map(|text| text.text.as_str())
        .collect();
    assert_eq!(texts, ["after"]);
}

#[tokio::test]
async fn a_disk_that_fails_is_told_and_nothing_waits_for_it() {
    let home = home();
    let path = home.path.clone();
    drop(home.begin());
    let read_only = File::open(&path).expect("the file");
    let restored = Restored::default();
    let mut journal =
        Journal::start(read_only, path, &restored, Durability::Program).expect("a thread");
    journal.said("hi");
    let error = journal.flushed().await.expect_err("it cannot be written");
    assert!(matches!(error, JournalError::Write { .. }), "{error}");
    // The call goes on, and the text is not gathered for a disk that takes none.
    (0..10_000).for_each(|_| journal.said(&"x".repeat(1000)));
    assert!(journal.has_room());
    assert!(journal.changed().await.is_err());
    assert!(journal.flushed().await.is_err());
    assert!(journal.end().await.is_err());
}

#[test]
fn a_file_set_aside_does_not_replace_another() {
    let home = home();
    let aside = ["one\n", "two\n"].map(|text| {
        private_file::create(&home.path, text.as_bytes()).expect("a file");
        let Found::Damaged(damaged) = home.found() else {
            panic!("it is no journal");
        };
        damaged.set_aside().expect("a new name")
    });
    let texts = aside.map(|path| fs::read_to_string(path).expect("the file"));
    assert_eq!(texts, ["one\n", "two\n"]);
    assert_eq!(home.calls.forget(peer()).expect("removed"), 2);
}

#[test]
fn lines_that_are_missing_or_come_again_are_named() {
    let text = |text: &str| Happens::Said(text.into());
    let bytes = written(&[
        text("one"),
        text("two"),
        Happens::Acknowledged,
        text("three"),
    ]);
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let [header, one, two, acknowledged, three] = lines[..] else {
        panic!("five lines");
    };
    for (lines, line, reason) in [
        (
            [header, one, acknowledged, three],
            3,
            "it acknowledges what is not there",
        ),
        ([header, one, two, two], 4, "its number was there before"),
        (
            [header, two, acknowledged, three],
            2,
            "lines before it are missing",
        ),
        ([header, one, two, header], 4, "it is not where it belongs"),
        (
            [one, two, acknowledged, three],
            1,
            "it is not where it belongs",
        ),
    ] {
        let (restored, unreadable, _) = restore::read(&lines.concat());
        assert_eq!(unreadable[0], Unreadable { line, reason });
        assert!(restored.said >= 2, "the rest is read: {restored:?}");
    }
}

#[test]
fn numbers_that_cannot_be_are_named() {
    let counts = |said, acknowledged| Record::Counts {
        said,
        acknowledged,
        heard: 0,
    };
    let acknowledged = |number| Record::Acknowledged { number };
    let not_there = Some("it acknowledges what is not there");
    let misplaced = Some("it is not where it belongs");
    for (before, record, wrong) in [
        (counts(4, 2), acknowledged(1), not_there),
        (counts(4, 2), acknowledged(2), None),
        (counts(4, 2), acknowledged(4), None),
        (counts(4, 2), acknowledged(5), not_there),
        (counts(4, 2), counts(4, 2), misplaced),
        (counts(0, 0), counts(4, 4), None),
        (counts(0, 0), counts(4, 5), misplaced),
    ] {
        let mut bytes = Vec::new();
        let header = Record::header(peer(), SESSION);
        for record in [&header, &before, &record] {
            record.write_to(&mut bytes);
        }
        let (_, unreadable, _) = restore::read(&bytes);
        let reason = unreadable.first().map(|unreadable| unreadable.reason);
        assert_eq!(reason, wrong, "{before:?}, {record:?}");
    }
}

#[test]
fn the_last_texts_are_restored() {
    let home = home();
    let mut journal = home.begin();
    (1..=25).for_each(|number| journal.heard(&number.to_string()));
    block_on(journal.close()).expect("written");
    let (_journal, restored) = home.resume();
    let numbers: Vec<u64> = restored.recent.iter().map(|text| text.number).collect();
    assert_eq!(numbers, Vec::from_iter(6..=25));
}

/// A disk that stalls while nobody reads it, and on which nothing can be synced.
#[cfg(unix)]
fn on_a_pipe(durability: Durability) -> (Journal, io::PipeReader) {
    let (disk, file) = io::pipe().expect("a pipe");
    let file = File::from(std::os::fd::OwnedFd::from(file));
    let none = Restored::default();
    let journal = Journal::start(file, "pipe".into(), &none, durability);
    (journal.expect("a thread"), disk)
}

#[cfg(unix)]
#[test]
fn what_is_to_outlive_the_power_is_synced() {
    for (durability, syncs) in [(Durability::Program, false), (Durability::Power, true)] {
        let (mut journal, _disk) = on_a_pipe(durability);
        journal.said("one");
        assert_eq!(block_on(journal.flushed()).is_err(), syncs);
    }
}

#[test]
fn a_journal_that_is_dropped_is_free_once_all_is_written() {
    let home = home();
    let mut journal = home.begin();
    journal.said("one");
    drop(journal);
    let deadline = SystemTime::now() + Duration::from_secs(10);
    let restored = loop {
        match home.found() {
            Found::Open(_, restored) => break restored,
            other => assert!(SystemTime::now() < deadline, "{other:?}"),
        }
        std::thread::yield_now();
    };
    assert_eq!(restored.said, 1);
}

#[cfg(unix)]
#[test]
fn a_disk_that_does_not_keep_up_is_noticed() {
    use std::io::Read;

    let (mut journal, mut disk) = on_a_pipe(Durability::Program);
    let text = "x".repeat(1 << 20);
    for _ in 0..3 {
        journal.said(&text);
    }
    assert!(journal.has_room());
    for _ in 0..3 {
        journal.said(&text);
    }
    assert!(!journal.has_room());
    let reader = std::thread::spawn(move || disk.read_to_end(&mut Vec::new()));
    flushed(&mut journal);
    assert!(journal.has_room());
    drop(journal);
    reader.join().expect("a reader").expect("all was written");
}

#[test]
fn a_session_is_resumed_from_its_journal() {
    let home = home();
    let mut journal = home.begin();
    for text in ["one", "88", "three\nlines\nlong"] {
        journal.said(text);
    }
    journal.acknowledged(1);
    journal.heard("four");
    journal.peer_finished(1);
    block_on(journal.close()).expect("written");
    let (_journal, restored) = home.resume();
    let state = restored.session(SESSION).expect("messages that fit");
    let unacknowledged: Vec<String> = state.unacknowledged().collect();
    assert_eq!(unacknowledged, ["88", "three\nlines\nlong"]);
    let written = serde_json::to_value(&state).expect("JSON");
    assert_eq!(written["outbox"]["acknowledged"], 1);
    assert_eq!(written["shown"], 1);
    assert_eq!(written["peer_last"], 1);
    assert_eq!(written["established"], true);
    assert_eq!(written["finished"], false);
}

#[test]
fn a_later_version_is_left_as_it_is() {
    let home = home();
    let mut line = Vec::new();
    let mut header = Record::header(peer(), SESSION);
    if let Record::Journal { version, .. } = &mut header {
        *version = 2;
    }
    header.write_to(&mut line);
    line.extend_from_slice(b"whatever that version has\n");
    private_file::create(&home.path, &line).expect("a file");
    let refused = home.calls.resume(peer(), SESSION, Durability::Program);
    let refused = refused.expect_err("a later version");
    assert!(
        matches!(refused, JournalError::Version { version: 2, .. }),
        "{refused}"
    );
    assert_eq!(home.bytes(), line);
}

#[test]
fn sessions_are_found_by_their_peer_and_forgotten_with_it() {
    let home = home();
    let other = Fingerprint::of_spki(b"bob");
    for (peer, session) in [(peer(), Hex([1; 16])), (peer(), SESSION), (other, SESSION)] {
        let begun = home.calls.begin(peer, session, Durability::Program);
        drop(begun.expect("a new journal"));
    }
    let file = OpenOptions::new()
        .write(true)
        .open(&home.path)
        .expect("the file");
    let later = SystemTime::now() + Duration::from_secs(60);
    file.set_modified(later).expect("a time");
    let sessions = || home.calls.sessions(peer()).expect("a list");
    assert_eq!(sessions(), [SESSION, Hex([1; 16])]);
    fs::rename(&home.path, home.path.with_extension(SET_ASIDE)).expect("renamed");
    assert_eq!(sessions(), [Hex([1; 16])]);
    assert_eq!(home.calls.forget(peer()).expect("removed"), 2);
    assert_eq!(home.calls.sessions(other).expect("a list"), [SESSION]);
}

/// The hello of a caller who has received so much of this session.
fn hello(received: u64, resumed: bool) -> Hello {
    Hello {
        name: "ann".into(),
        chosen: false,
        conversation: SESSION,
        received,
        resumed,
        keeps: false,
        history: false,
        answering: false,
        files: false,
        ended: false,
        commitment: None,
    }
}

impl Home {
    fn recorder(&self, person: bool, keep: bool) -> Recorder {
        Recorder {
            data_dir: self.directory.path().to_owned(),
            person,
            keep,
            answering: false,
        }
    }
}

#[tokio::test]
async fn a_caller_is_answered_where_both_know_the_session() {
    for (finished, person, received, answered) in [
        (false, true, 0, false),
        (false, true, 1, true),
        (false, true, 2, true),
        (false, true, 3, false),
        (true, true, 2, false),
        (true, false, 2, true),
    ] {
        let home = home();
        let mut journal = home.begin();
        journal.said("one");
        journal.said("two");
        journal.acknowledged(1);
        if finished {
            journal.finished();
        }
        journal.close().await.expect("written");
        let recorder = home.recorder(person, false);
        let answer = recorder.answer(peer(), &hello(received, true)).await;
        let is_answered = answer.expect("it can be looked at").is_some();
        assert_eq!(is_answered, answered, "{finished}, {person}, {received}");
    }
    for (resumed, answered) in [(false, true), (true, false)] {
        let recorder = home().recorder(true, false);
        let answer = recorder.answer(peer(), &hello(0, resumed)).await;
        assert_eq!(answer.expect("a new journal").is_some(), answered);
    }
}

#[tokio::test]
async fn a_session_is_known_while_its_call_goes_on_and_after_it() {
    let home = home();
    let recorder = home.recorder(true, false);
    let seen = async || recorder.look_up(peer(), SESSION).await.expect("a look");
    assert!(matches!(seen().await, Seen::Nothing));
    let mut journal = home.begin();
    journal.said("one");
    journal.flushed().await.expect("written");
    assert!(matches!(seen().await, Seen::Open));
    journal.end().await.expect("written");
    assert!(matches!(seen().await, Seen::Ended(_)));
}

#[tokio::test]
async fn what_is_kept_says_so_once_and_nothing_else_does() {
    for (before, keep) in [(false, false), (false, true), (true, false), (true, true)] {
        let home = home();
        let mut journal = home.begin();
        for text in ["is it", "late?"] {
            journal.said(text);
            journal.heard("no");
        }
        journal.acknowledged(1);
        if before {
            journal.keep();
        }
        journal.close().await.expect("written");
        let dialed = home.recorder(true, keep).dial(peer()).await;
        let recording = dialed.expect("a journal");
        assert_eq!(recording.session.id(), SESSION);
        assert_eq!(recording.history, before || keep);
        let records = home.text().matches(r#"{"is":"keep""#).count();
        assert_eq!(records, usize::from(before || keep), "{before}, {keep}");
        let earlier = recording.earlier().expect("a text");
        assert_eq!(earlier.unreceived, ["late?"]);
        let recent: Vec<_> = earlier.recent.iter().map(|text| &text.text).collect();
        assert_eq!(recent, ["is it", "no", "no"]);
    }
}

/// What the machine has heard, from every peer.
fn unread(calls: &Calls) -> Vec<Unread> {
    let (unread, in_use) = calls.unread().expect("it can be read");
    assert_eq!(in_use, []);
    unread
}

fn texts(unread: &Unread) -> Vec<&str> {
    let texts = unread.messages.iter();
    texts.map(|message| message.text.as_str()).collect()
}

#[tokio::test]
async fn what_the_machine_heard_stays_until_it_was_read() {
    let home = home();
    let mut journal = home.begin();
    journal.heard("to the person");
    journal.answering(true);
    journal.heard("one");
    journal.said("a machine");
    journal.acknowledged(1);
    journal.heard("two");
    journal.end().await.expect("written");
    assert!(!home.text().contains("to the person"), "{}", home.text());

    let left = unread(&home.calls);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].peer, peer());
    assert_eq!(texts(&left[0]), ["one", "two"]);
    let waiting = Tally::default().count(&home.calls);
    let six = Waiting {
        messages: 2,
        bytes: 6,
    };
    assert_eq!(waiting.expect("it can be read")[&peer()], six);
    // Who looks and does not read takes nothing away.
    drop(left);

    for left in unread(&home.calls) {
        left.mark_read().expect("written");
    }
    assert!(unread(&home.calls).is_empty());
    assert!(!home.text().contains("\"text\""), "{}", home.text());
    let Found::Ended(restored) = home.found() else {
        panic!("the call is over");
    };
    assert_eq!((restored.said, restored.heard), (1, 3));
}

#[tokio::test]
async fn what_was_read_and_kept_is_there_but_not_new() {
    let home = home();
    let mut journal = home.begin();
    journal.keep();
    journal.answering(true);
    journal.heard("one");
    journal.end().await.expect("written");
    for left in unread(&home.calls) {
        left.mark_read().expect("written");
    }
    assert!(unread(&home.calls).is_empty());
    let Found::Ended(restored) = home.found() else {
        panic!("the call is over");
    };
    assert_eq!(restored.recent.len(), 1);
    assert!(
        home.text()
            .trim_end()
            .lines()
            .last()
            .is_some_and(|line| line.contains("ended"))
    );
}

#[tokio::test]
async fn a_call_that_goes_on_after_it_was_read_has_its_counts() {
    let home = home();
    let mut journal = home.begin();
    journal.answering(true);
    journal.heard("one");
    journal.flushed().await.expect("written");
    let (now, in_use) = home.calls.unread().expect("it can be looked at");
    assert!(now.is_empty());
    assert_eq!(in_use, [peer()]);
    journal.close().await.expect("written");
    for left in unread(&home.calls) {
        left.mark_read().expect("written");
    }
    let (mut journal, restored) = home.resume();
    assert_eq!((restored.heard, restored.answering), (1, false));
    journal.heard("to the person");
    journal.close().await.expect("written");
    assert!(unread(&home.calls).is_empty());
}

#[tokio::test]
async fn what_the_machine_heard_is_there_also_when_its_journal_is_damaged() {
    for torn in ["", r#"{"is":"heard","number":3"#] {
        let home = home();
        let mut journal = home.begin();
        journal.answering(true);
        journal.heard("one");
        journal.heard("two");
        journal.close().await.expect("written");
        let damaged = home.text().replace("two", "ten") + torn;
        fs::write(&home.path, &damaged).expect("written");
        let Found::Damaged(found) = home.found() else {
            panic!("a checksum is wrong");
        };
        let aside = found.set_aside().expect("a new name");

        let mut left = unread(&home.calls);
        assert_eq!(texts(&left[0]), ["one"]);
        left.remove(0).mark_read().expect("written");
        assert!(unread(&home.calls).is_empty());
        assert_eq!(
            Tally::default().count(&home.calls).expect("a count").len(),
            0
        );
        let kept = fs::read_to_string(aside).expect("text");
        assert!(kept.starts_with(&damaged), "nothing of it is lost: {kept}");
        let (restored, unreadable, _) = restore::read(kept.as_bytes());
        assert!(!restored.answering);
        assert_eq!(unreadable.len(), 1 + usize::from(!torn.is_empty()));
    }
}

/// Ten thousand callers leave as many files, and each call asks what waits.
#[tokio::test]
async fn a_journal_that_has_not_changed_is_not_read_again() {
    let home = home();
    let mut tally = Tally::default();
    let mut messages = || {
        let waiting = tally.count(&home.calls).expect("it can be read");
        waiting
            .values()
            .map(|waiting| waiting.messages)
            .sum::<u64>()
    };
    assert_eq!(messages(), 0);
    let mut journal = home.begin();
    journal.answering(true);
    journal.heard("one");
    journal.close().await.expect("written");
    assert_eq!(messages(), 1);
    // To whoever looks at its stamp, this is the same.
    let modified = fs::metadata(&home.path).and_then(|file| file.modified());
    let changed = home.text().replace("heard", "board");
    fs::write(&home.path, changed).expect("written");
    let file = OpenOptions::new()
        .append(true)
        .open(&home.path)
        .expect("it is there");
    file.set_modified(modified.expect("a time"))
        .expect("it is ours");
    assert_eq!(messages(), 1);
    file.set_modified(SystemTime::now()).expect("it is ours");
    assert_eq!(messages(), 0);
    fs::remove_file(&home.path).expect("removed");
    assert_eq!(messages(), 0);
}
