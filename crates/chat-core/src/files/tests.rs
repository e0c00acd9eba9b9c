//! Transfers without a network: what a sender writes is what a receiver reads, whatever becomes
//! of it on the way.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::task::{self, Way, Work};
use super::*;
use crate::trust::Fingerprint;
use crate::wire::{
    CancelCode, CancelledOffer, Control, FileLine, Have, Hex, NextFile, Offer, OfferId,
};

/// A temporary directory, in memory where the system has one: thousands of transfers wait for the
/// disk otherwise.
fn place() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    made.expect("a temporary directory")
}

/// A source and a place for it.
struct Pair {
    home: TempDir,
    source: Source,
    expected: Expected,
}

impl Pair {
    /// A single file of these bytes.
    fn file(bytes: &[u8]) -> Self {
        let home = place();
        fs::write(home.path().join("report.pdf"), bytes).expect("written");
        Self::of(home, "report.pdf")
    }

    /// A directory of these.
    fn directory(files: &[(&str, &[u8])]) -> Self {
        let home = place();
        for (path, bytes) in files {
            let path = home.path().join("photos").join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, bytes).expect("written");
        }
        Self::of(home, "photos")
    }

    fn of(home: TempDir, name: &str) -> Self {
        let source = Source::scan(&home.path().join(name)).expect("it is there");
        let expected = Expected {
            id: Hex([7; 16]),
            name: FileName::sanitize(&source.name()),
            size: source.size(),
            files: source.files(),
        };
        Self {
            home,
            source,
            expected,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn incoming(&self) -> Incoming {
        let directory = Directory::open(&self.path("in")).expect("a directory");
        Incoming::open(directory, self.expected.clone()).expect("room")
    }

    /// What is sent to whom has this already.
    fn sent(&self, have: &Have) -> Vec<u8> {
        let mut wire = Vec::new();
        let sent = self.source.send(have, &mut wire, &Progress::default());
        sent.expect("it can be read");
        wire
    }

    /// Receives these bytes, and gives the file its name.
    fn receive(&self, wire: &[u8]) -> Result<PathBuf, TransferError> {
        let mut wire = wire;
        let complete = self.incoming().receive(&mut wire, &Progress::default());
        complete?.publish()
    }

    /// What is in the directory, but for what is still on its way.
    fn arrived(&self) -> BTreeMap<String, Vec<u8>> {
        let mut arrived = tree(&self.path("in"));
        arrived.retain(|path, _| !path.starts_with('.'));
        arrived
    }
}

/// All files beneath a directory.
fn tree(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut places = vec![path.to_owned()];
    while let Some(place) = places.pop() {
        for entry in fs::read_dir(&place).expect("a directory") {
            let entry = entry.expect("an entry").path();
            if entry.is_dir() {
                places.push(entry);
            } else {
                let name = entry.strip_prefix(path).expect("beneath");
                let name = name.to_str().expect("UTF-8").to_owned();
                files.insert(name, fs::read(&entry).expect("a file"));
            }
        }
    }
    files
}

const PHOTOS: [(&str, &[u8]); 5] = [
    ("a.txt", b"one"),
    ("empty", b""),
    ("sub/b.txt", b"two and more"),
    ("sub/deep/c", b"three"),
    ("z", b"the last of them"),
];

fn photos() -> BTreeMap<String, Vec<u8>> {
    let named = |(path, bytes): &(&str, &[u8])| (format!("photos/{path}"), bytes.to_vec());
    PHOTOS.iter().map(named).collect()
}

#[test]
fn a_file_arrives_whole_and_never_over_another() {
    let pair = Pair::file(b"hello");
    for name in ["report.pdf", "report (2).pdf", "report (3).pdf"] {
        let wire = pair.sent(&pair.incoming().have());
        let path = pair.receive(&wire).expect("all is well");
        assert_eq!(path, pair.path("in").join(name));
        assert_eq!(fs::read(path).expect("it is there"), b"hello");
    }
    assert_eq!(pair.arrived().len(), 3);
    assert_eq!(tree(&pair.path("in")).len(), 3, "nothing else is left");
}

#[test]
fn a_directory_arrives_whole_and_at_once() {
    let pair = Pair::directory(&PHOTOS);
    let wire = pair.sent(&pair.incoming().have());
    assert!(pair.arrived().is_empty());
    let path = pair.receive(&wire).expect("all is well");
    assert_eq!(path, pair.path("in/photos"));
    assert_eq!(pair.arrived(), photos());
    assert_eq!(
        tree(&pair.path("in")).len(),
        PHOTOS.len(),
        "nothing else is left"
    );
}

#[test]
fn a_file_of_nothing_arrives() {
    let pair = Pair::file(b"");
    let wire = pair.sent(&pair.incoming().have());
    pair.receive(&wire).expect("all is well");
    assert_eq!(pair.arrived()["report.pdf"], b"");
}

/// Cuts the wire at each byte: what is there is gone on with, and nothing of it comes again.
#[test]
fn each_cut_is_gone_on_from() {
    for (pair, whole) in [
        (
            Pair::file(b"a few bytes"),
            BTreeMap::from([("report.pdf".into(), b"a few bytes".to_vec())]),
        ),
        (Pair::directory(&PHOTOS), photos()),
    ] {
        let length = pair.sent(&pair.incoming().have()).len();
        for cut in 0..length {
            let wire = pair.sent(&pair.incoming().have());
            let error = pair.receive(&wire[..cut]).expect_err("it was cut");
            assert!(error.is_passing(), "{error} at {cut}");
            let before = pair.incoming().done();
            let rest = pair.sent(&pair.incoming().have());
            assert!(rest.len() + usize::try_from(before).expect("few") <= length + 64);
            pair.receive(&rest).expect("the rest");
            assert_eq!(pair.arrived(), whole, "cut at {cut}");
            fs::remove_dir_all(pair.path("in")).expect("removed");
        }
    }
}

/// What is shown as the rate is what comes, not what was there.
#[test]
fn what_was_there_has_not_moved() {
    for pair in [Pair::file(&[7; 1_000]), Pair::directory(&PHOTOS)] {
        let size = pair.source.size();
        let wire = pair.sent(&pair.incoming().have());
        let cut = wire.len() - 150;
        pair.receive(&wire[..cut]).expect_err("it was cut");
        let incoming = pair.incoming();
        let there = incoming.done();
        assert!((1..size).contains(&there), "{there}");
        let (sender, receiver) = (Progress::default(), Progress::default());
        let mut rest = Vec::new();
        let sent = pair.source.send(&incoming.have(), &mut rest, &sender);
        sent.expect("it can be read");
        let received = incoming.receive(&mut &rest[..], &receiver);
        received.expect("the rest").publish().expect("a name");
        for progress in [sender, receiver] {
            assert_eq!((progress.done(), progress.moved()), (size, size - there));
        }
    }
}

/// A receiver that was killed while it wrote its list, or before it made a file that is listed.
#[test]
fn a_list_that_was_cut_off_loses_nothing() {
    for torn in 0..60 {
        let pair = Pair::directory(&PHOTOS);
        let wire = pair.sent(&pair.incoming().have());
        pair.receive(&wire[..wire.len() / 2])
            .expect_err("it was cut");
        let list = pair
            .path("in")
            .join(format!(".chat-{}.list", pair.expected.id));
        let listed = fs::read(&list).expect("a list");
        fs::write(&list, &listed[..listed.len() - torn]).expect("written");
        let rest = pair.sent(&pair.incoming().have());
        pair.receive(&rest).expect("the rest");
        let arrived = pair.arrived();
        for (path, bytes) in photos() {
            assert_eq!(arrived.get(&path), Some(&bytes), "{path} after {torn}");
        }
    }
}

#[test]
fn a_source_that_changed_begins_anew() {
    let pair = Pair::file(b"the first text");
    let wire = pair.sent(&pair.incoming().have());
    pair.receive(&wire[..wire.len() - 80])
        .expect_err("it was cut");
    assert!(pair.incoming().done() > 0);
    fs::write(pair.path("report.pdf"), b"another text 1").expect("written");
    let wire = pair.sent(&pair.incoming().have());
    pair.receive(&wire).expect("all of it");
    assert_eq!(pair.arrived()["report.pdf"], b"another text 1");

    let pair = Pair::directory(&PHOTOS);
    let wire = pair.sent(&pair.incoming().have());
    pair.receive(&wire[..wire.len() - 200])
        .expect_err("it was cut");
    assert!(pair.incoming().have().files > 1);
    fs::rename(pair.path("photos/a.txt"), pair.path("photos/b.txt")).expect("renamed");
    let changed = Pair {
        source: Source::scan(&pair.path("photos")).expect("it is there"),
        ..pair
    };
    let wire = changed.sent(&changed.incoming().have());
    changed.receive(&wire).expect("all of it");
    assert_eq!(changed.arrived(), {
        let mut photos = photos();
        let moved = photos.remove("photos/a.txt").expect("it was there");
        photos.insert("photos/b.txt".into(), moved);
        photos
    });
}

#[test]
fn a_source_that_grows_or_shrinks_meanwhile_is_noticed() {
    for text in ["short", "longer than it was"] {
        let pair = Pair::file(b"as offered");
        fs::write(pair.path("report.pdf"), text).expect("written");
        let sent = pair.source.send(
            &pair.incoming().have(),
            &mut Vec::new(),
            &Progress::default(),
        );
        assert!(matches!(sent, Err(TransferError::Changed(_))), "{sent:?}");
    }
}

#[test]
fn what_is_wrong_is_kept_aside_under_a_name_that_says_so() {
    let pair = Pair::file(b"hello world");
    let mut wire = pair.sent(&pair.incoming().have());
    let at = wire
        .windows(5)
        .position(|bytes| bytes == b"world")
        .expect("it is sent");
    wire[at] ^= 1;
    let error = pair.receive(&wire).expect_err("the hash is wrong");
    let TransferError::WrongHash { kept } = error else {
        panic!("{error}");
    };
    assert_eq!(kept, pair.path("in/report.pdf.damaged"));
    assert_eq!(fs::read(kept).expect("it is kept"), b"hello vorld");
    assert!(!pair.path("in/report.pdf").exists());
}

#[test]
fn a_disk_without_room_is_told_before_a_byte_comes() {
    let mut pair = Pair::file(b"");
    pair.expected.size = u64::MAX / 2;
    let directory = Directory::open(&pair.path("in")).expect("a directory");
    let opened = Incoming::open(directory, pair.expected);
    assert!(matches!(opened, Err(TransferError::NoSpace { .. })));
}

#[test]
fn a_part_that_is_no_file_is_refused() {
    let pair = Pair::file(b"hello");
    let part = pair
        .path("in")
        .join(format!(".chat-{}.part", pair.expected.id));
    fs::create_dir(pair.path("in")).expect("made");
    fs::write(pair.path("victim"), "mine").expect("written");
    std::os::unix::fs::symlink(pair.path("victim"), &part).expect("a link");
    let directory = Directory::open(&pair.path("in")).expect("a directory");
    let opened = Incoming::open(directory, pair.expected.clone());
    assert!(matches!(opened, Err(TransferError::Unwritable { .. })));
    assert_eq!(fs::read(pair.path("victim")).expect("it is there"), b"mine");
}

/// A task of an earlier call may still be busy with the disk when the next call begins.
#[tokio::test]
async fn what_is_taken_meanwhile_does_not_come_again() {
    let pair = Pair::file(b"hello");
    let store = Store::open(&pair.path("home")).expect("a store");
    let takes = |stage, name: &str| Record {
        peer: "ann".to_owned(),
        offer: Offer {
            id: pair.expected.id,
            name: "report.pdf".to_owned(),
            size: pair.expected.size,
            files: None,
        },
        side: RecordedSide::Takes {
            directory: pair.path("in"),
            name: name.to_owned(),
            stage,
        },
    };
    // As the next call has read it.
    let accepted = takes(Stage::Accepted, "report.pdf");
    let goes_on = || {
        let work = Work::Receive {
            directory: pair.path("in"),
            expected: pair.expected.clone(),
            record: Some((store.clone(), accepted.clone())),
        };
        task::run(work, Way::None, Arc::default(), CancellationToken::new())
    };

    // Another program of the same user, too.
    let another = Store::open(&pair.path("home")).expect("a store");
    let claim = another.claim(pair.expected.id).expect("a lock");
    assert!(claim.is_some(), "it is free");
    let error = goes_on().await.expect_err("one task at a time");
    assert!(error.is_passing(), "{error}");

    fs::write(pair.path("in/report (2).pdf"), "hello").expect("written");
    let taken = takes(Stage::Taken, "report (2).pdf");
    store.put(&taken).expect("written down");
    drop(claim);
    let path = goes_on().await.expect("it is there");
    assert_eq!(path, Some(pair.path("in/report (2).pdf")));
    assert_eq!(store.latest(&accepted), Some(taken));
    assert_eq!(pair.arrived().len(), 1);
}

/// What a sender says until it offers something, or has nothing left to do.
async fn offered(transfers: &mut Transfers) -> Option<OfferId> {
    while !transfers.is_idle() {
        let said = transfers.next().await.controls;
        if let Some(Control::Offer(offer)) = said.into_iter().next() {
            return Some(offer.id);
        }
    }
    None
}

#[tokio::test]
async fn a_program_that_is_started_anew_sends_once() {
    let pair = Pair::file(b"hello");
    let store = Store::open(&pair.path("home")).expect("a store");
    let peer = Fingerprint::of_spki(b"ann");
    let sends = || {
        let config = FileConfig {
            store: Some(store.clone()),
            ..FileConfig::none()
        };
        let mut transfers = Transfers::new(Some(peer), None, config);
        transfers.connected(Hex([1; 16]), None, true);
        transfers
    };
    let again = || FileCommand::Send(vec![pair.path("report.pdf")]);

    let mut first = sends();
    first.command(again());
    let id = offered(&mut first).await.expect("it is offered");
    let written = store.of_peer(peer);
    assert_eq!(written.len(), 1, "it is written down before it is said");
    assert_eq!(written[0].offer.id, id);
    first.stop().await;

    let mut second = sends();
    assert_eq!(offered(&mut second).await, Some(id));
    // While it looks at the path, the peer says that it has it.
    second.command(again());
    second.control(Control::Taken(id));
    assert_eq!(offered(&mut second).await, None);
    second.stop().await;
    assert_eq!(store.of_peer(peer), []);
}

/// What is offered to a program that knows no files stays open for ever otherwise, and a script
/// would wait for its answer.
#[tokio::test]
async fn nothing_is_offered_to_a_program_that_knows_no_files() {
    let pair = Pair::file(b"hello");
    let peer = Fingerprint::of_spki(b"ann");
    let mut transfers = Transfers::new(Some(peer), None, FileConfig::none());
    let sends = || FileCommand::Send(vec![pair.path("report.pdf")]);

    // Before there is a connection, and then while the path is looked at.
    transfers.command(sends());
    assert!(offered(&mut transfers).await.is_some());
    transfers.command(sends());
    transfers.connected(Hex([1; 16]), None, false);
    let shown = transfers.take_output().events;
    let refused = |event: &FileEvent| {
        let unattended = CancelCode::Unattended;
        matches!(event, FileEvent::Offer(_, FileState::Refused(code)) if *code == unattended)
    };
    assert!(shown.len() == 1 && refused(&shown[0]), "{shown:?}");
    assert_eq!(offered(&mut transfers).await, None);
    transfers.command(sends());
    let Output {
        controls, events, ..
    } = transfers.take_output();
    assert_eq!(controls, []);
    let told = |event| matches!(event, &FileEvent::NotNow(NotNow::OldPeer));
    assert!(events.iter().all(told) && !events.is_empty(), "{events:?}");
    assert!(transfers.is_idle());
    assert_eq!(transfers.unsuccessful(), (3, 0));

    // Its user has updated it.
    transfers.connected(Hex([1; 16]), None, true);
    transfers.command(sends());
    assert!(offered(&mut transfers).await.is_some());
}

/// A receiver that was started anew hears of a connection before it hears of the offer.
#[tokio::test]
async fn what_is_unknown_by_now_is_offered_again_once() {
    let pair = Pair::file(b"hello");
    let peer = Fingerprint::of_spki(b"ann");
    let mut transfers = Transfers::new(Some(peer), None, FileConfig::none());
    transfers.connected(Hex([1; 16]), None, true);
    transfers.command(FileCommand::Send(vec![pair.path("report.pdf")]));
    let id = offered(&mut transfers).await.expect("it is offered");
    transfers.control(Control::Accept(id));
    let code = CancelCode::Unknown;
    transfers.control(Control::Cancel(CancelledOffer { id, code }));
    assert_eq!(offered(&mut transfers).await, Some(id));
    transfers.control(Control::Cancel(CancelledOffer { id, code }));
    assert!(transfers.is_idle());
    assert_eq!(transfers.unsuccessful(), (1, 0));
}

/// A sender that writes whatever it likes.
fn hostile(files: &[(String, Vec<u8>)]) -> (Expected, Vec<u8>) {
    let mut wire = Vec::new();
    for (index, (path, bytes)) in (0..).zip(files) {
        let next = NextFile {
            index,
            path: path.clone(),
            size: bytes.len() as u64,
            from: 0,
        };
        wire.extend(FileLine::Next(next).to_line());
        wire.extend(bytes);
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let hash = Hex(hash.as_ref().try_into().expect("32 bytes"));
        wire.extend(FileLine::Sha256(hash).to_line());
    }
    let expected = Expected {
        id: Hex([9; 16]),
        name: FileName::sanitize("gift"),
        size: files.iter().map(|(_, bytes)| bytes.len() as u64).sum(),
        files: Some(files.len() as u64),
    };
    (expected, wire)
}

/// A component of a path as an attacker would write it, or anything.
fn component() -> impl Strategy<Value = String> {
    prop_oneof![
        select(
            &[
                "..",
                ".",
                "",
                "~",
                "-rf",
                ".ssh",
                ".chat-09.part",
                "CON",
                "a",
                "A",
                "a ",
                "a.",
                "\u{202e}a",
                "..\\..",
                "C:",
                "\0",
                "a\n",
                "/",
                "//",
                "..\u{200b}",
                "\u{2024}.",
                "authorized_keys",
            ][..]
        )
        .prop_map(str::to_owned),
        "\\PC{0,20}",
        "[a-c]{1,2}",
    ]
}

/// How many hostile names are tried, a hundred in each case; `NAMES` says otherwise.
fn cases_of_names() -> u32 {
    let names = std::env::var("NAMES").ok();
    names.map_or(5_000, |names| names.parse().expect("a number")) / 100
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases_of_names()))]

    /// None leaves the directory, none takes the place of another.
    #[test]
    fn hostile_names_stay_where_they_belong(
        paths in vec(vec(component(), 1..6), 100),
    ) {
        let home = place();
        fs::write(home.path().join("mine"), "mine").expect("written");
        fs::create_dir(home.path().join("in")).expect("made");
        std::os::unix::fs::symlink(home.path(), home.path().join("in/out")).expect("a link");
        for paths in paths.chunks(5) {
            let files: Vec<_> = (0_u8..)
                .zip(paths)
                .map(|(n, path)| (path.join("/"), vec![n; usize::from(n)]))
                .collect();
            let (expected, wire) = hostile(&files);
            let directory = Directory::open(&home.path().join("in")).expect("a directory");
            let incoming = Incoming::open(directory, expected.clone()).expect("room");
            let received = incoming.receive(&mut &wire[..], &Progress::default());
            match received.and_then(Complete::publish) {
                Ok(place) => {
                    let mut contents: Vec<_> = tree(&place).into_values().collect();
                    contents.sort_by_key(Vec::len);
                    let sent: Vec<_> = files.into_iter().map(|(_, bytes)| bytes).collect();
                    prop_assert_eq!(contents, sent, "each file is there once");
                }
                Err(_) => {
                    let directory = Directory::open(&home.path().join("in")).expect("a directory");
                    expected.discard(&directory).expect("removed");
                }
            }
        }
        fs::remove_file(home.path().join("in/out")).expect("the link is there");
        let outside: Vec<_> = tree(home.path())
            .into_iter()
            .filter(|(path, _)| !path.starts_with("in/gift"))
            .collect();
        prop_assert_eq!(outside, [("mine".to_owned(), b"mine".to_vec())]);
    }
}

/// What can become of bytes on their way. TLS lets none of it through; this is the sender's own
/// doing, or a mistake of ours.
#[derive(Clone, Debug)]
enum Damage {
    Truncated(Index),
    Extended(Vec<u8>),
    Flipped(Index, u8),
    Swapped(Index, Index),
    Removed(Index),
    Doubled(Index),
}

impl Damage {
    fn any() -> impl Strategy<Value = Self> {
        let at = any::<Index>;
        prop_oneof![
            at().prop_map(Self::Truncated),
            vec(any::<u8>(), 1..50).prop_map(Self::Extended),
            (at(), 0_u8..8).prop_map(|(at, bit)| Self::Flipped(at, bit)),
            (at(), at()).prop_map(|(one, other)| Self::Swapped(one, other)),
            at().prop_map(Self::Removed),
            at().prop_map(Self::Doubled),
        ]
    }

    fn done_to(&self, wire: &[u8]) -> Vec<u8> {
        let mut bytes = wire.to_vec();
        match self {
            Self::Truncated(at) => bytes.truncate(at.index(wire.len())),
            Self::Extended(more) => bytes.extend(more),
            Self::Flipped(at, bit) => bytes[at.index(wire.len())] ^= 1 << bit,
            Self::Swapped(one, other) => bytes.swap(one.index(wire.len()), other.index(wire.len())),
            Self::Removed(at) => _ = bytes.remove(at.index(wire.len())),
            Self::Doubled(at) => {
                let at = at.index(wire.len());
                bytes.insert(at, wire[at]);
            }
        }
        bytes
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Either nothing gets the name, or it is what was sent: damage may be in what JSON ignores,
    /// such as the case of a digit.
    #[test]
    fn damage_is_noticed(damage in Damage::any(), directory in any::<bool>()) {
        let (pair, whole) = match directory {
            true => (Pair::directory(&PHOTOS), photos()),
            false => {
                let whole = BTreeMap::from([("report.pdf".into(), b"a few bytes".to_vec())]);
                (Pair::file(b"a few bytes"), whole)
            }
        };
        let wire = pair.sent(&pair.incoming().have());
        let damaged = damage.done_to(&wire);
        match pair.receive(&damaged) {
            Ok(_) => {
                // A path of a directory is the sender's word: no hash stands behind it.
                let contents = |files: BTreeMap<_, Vec<u8>>| {
                    let mut contents: Vec<_> = files.into_values().collect();
                    contents.sort();
                    contents
                };
                prop_assert_eq!(contents(pair.arrived()), contents(whole), "{:?}", damage);
            }
            Err(TransferError::WrongHash { kept }) => {
                let name = kept.file_name().expect("a name").to_string_lossy();
                prop_assert!(name.ends_with(".damaged"), "{}", name);
            }
            Err(_) => prop_assert!(pair.arrived().is_empty()),
        }
    }
}

/// A receiver that stops after so many bytes.
struct Cut<'a>(&'a [u8], usize);

impl io::Read for Cut<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.1.min(buffer.len());
        let read = self.0.read(&mut buffer[..most])?;
        self.1 -= read;
        Ok(read)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Cut again and again at any byte, each time with a new program: all arrives, and nothing
    /// comes twice but lines.
    #[test]
    fn cuts_lose_nothing_and_repeat_nothing(cuts in vec(1_usize..400, 0..20), directory in any::<bool>()) {
        let (pair, whole) = match directory {
            true => (Pair::directory(&PHOTOS), photos()),
            false => {
                let bytes: Vec<u8> = (0..2_000_u32).map(|n| n as u8).collect();
                (Pair::file(&bytes), BTreeMap::from([("report.pdf".into(), bytes)]))
            }
        };
        let mut before = 0;
        for cut in cuts {
            let incoming = pair.incoming();
            prop_assert!(incoming.done() >= before, "what was there stays");
            before = incoming.done();
            let wire = pair.sent(&incoming.have());
            let mut input = io::BufReader::new(Cut(&wire, cut));
            if let Ok(complete) = incoming.receive(&mut input, &Progress::default()) {
                complete.publish().expect("a name");
                prop_assert_eq!(pair.arrived(), whole);
                return Ok(());
            }
        }
        let wire = pair.sent(&pair.incoming().have());
        pair.receive(&wire).expect("the rest");
        prop_assert_eq!(pair.arrived(), whole);
    }
}
