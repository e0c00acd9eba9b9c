//! Reading back a million messages: the last of them, all of them, and searches.
//!
//! The journal is made first, in a temporary directory, and read from the system's cache.

use std::sync::LazyLock;

use chat_core::journal::{Calls, Durability, History, HistoryEntries};
use chat_core::trust::Fingerprint;
use chat_core::wire::Hex;
use divan::Bencher;
use divan::counter::ItemsCount;
use tempfile::TempDir;

const MESSAGES: usize = 1_000_000;

/// In one of them, and in none.
const RARE: &str = "The Needle in the haystack";
const ABSENT: &str = "ZÜRICH";

/// What is searched for, and how many messages have it.
const SEARCHES: [(&str, usize); 4] = [
    (RARE, 1),
    (ABSENT, 0),
    ("said", 0),
    ("IS THE TRAIN", MESSAGES - 1),
];

static HOME: LazyLock<TempDir> = LazyLock::new(|| {
    let home = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    runtime
        .block_on(write(home.path()))
        .expect("a disk with room");
    home
});

fn main() {
    let size: u64 = std::fs::read_dir(HOME.path().join("calls"))
        .expect("it was made")
        .map(|entry| {
            entry
                .expect("a file")
                .metadata()
                .expect("it is there")
                .len()
        })
        .sum();
    println!("{MESSAGES} messages, {} MB", size / 1_000_000);
    divan::main();
}

fn peer() -> Fingerprint {
    Fingerprint::of_spki(b"ann")
}

async fn write(home: &std::path::Path) -> Result<(), chat_core::journal::JournalError> {
    let mut journal = Calls::open(home)?.begin(peer(), Hex([7; 16]), Durability::Program)?;
    journal.keep();
    for number in 0..MESSAGES {
        let text = match number == MESSAGES / 2 {
            true => RARE.to_lowercase(),
            false => format!("message {number}: is the train on time today"),
        };
        match number % 2 {
            0 => journal.said(&text),
            _ => journal.heard(&text),
        }
        while !journal.has_room() {
            journal.changed().await?;
        }
    }
    journal.acknowledged(MESSAGES as u64 / 2);
    journal.close().await
}

fn history() -> History {
    History::open(HOME.path(), peer()).expect("it can be read")
}

fn count(entries: HistoryEntries) -> usize {
    let entries = entries.map(|entry| entry.expect("nothing is damaged"));
    entries.fold(0, |count, _| count + 1)
}

#[divan::bench]
fn last_twenty(bencher: Bencher) {
    bencher.bench_local(|| assert_eq!(history().last(20).0.len(), 20));
}

/// What `/search` does. `is the train` is in all messages but one, and `said` only beside the texts.
#[divan::bench(args = SEARCHES, sample_count = 9)]
fn search_at_the_screen(bencher: Bencher, (text, found): (&str, usize)) {
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
        let matches = history().matches(text, 20).expect("it is short");
        assert_eq!(matches.total, found);
    });
}

/// What `--search` does, without printing.
#[divan::bench(args = SEARCHES, sample_count = 9)]
fn search(bencher: Bencher, (text, found): (&str, usize)) {
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
        let entries = history().search(text).expect("it is short");
        assert_eq!(count(entries), found);
    });
}

#[divan::bench(sample_count = 9)]
fn read_all(bencher: Bencher) {
    bencher
        .counter(ItemsCount::new(MESSAGES))
        .bench_local(|| assert_eq!(count(history().entries()), MESSAGES));
}
