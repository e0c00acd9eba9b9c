//! Rounds of a call whose programs are killed at random instants and started again. What they
//! promise is held against the journals that they leave.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::AddAssign;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, io};

use fastrand::Rng;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::process::{Process, program};
use crate::proxy::{Fate, Proxy};
use crate::{a_port, home, soon};

/// Messages of each side.
const MESSAGES: usize = 40;

/// The longest time from a start to the next kill, in microseconds.
const LIFE: u64 = 120_000;

/// The longest pause between two messages, in microseconds.
const PAUSE: u64 = 3_000;

/// Who is killed in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The client.
    Client,
    /// The server.
    Server,
    /// Both at once.
    Both,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Rounds.
    pub rounds: usize,
    /// Programs that were killed.
    pub kills: usize,
    /// Messages that arrived.
    pub messages: usize,
    /// Lines that a program was killed right after printing, and that its successor printed again.
    pub printed_again: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.kills += other.kills;
        self.messages += other.messages;
        self.printed_again += other.printed_again;
    }
}

/// What a journal has.
#[derive(Debug, Default)]
struct Journal {
    said: Vec<String>,
    heard: Vec<String>,
    acknowledged: usize,
    ended: bool,
}

impl Journal {
    /// The only one in this home, or an empty one.
    fn read(home: &Path) -> Self {
        let mut journal = Self::default();
        let Ok(files) = fs::read_dir(home.join("calls")) else {
            return journal;
        };
        let files = files.map(|file| file.expect("an entry").path());
        let is_journal = |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "jsonl");
        let files: Vec<_> = files.filter(is_journal).collect();
        let shown = || {
            let texts = files.iter().map(fs::read_to_string);
            texts
                .map(Result::unwrap_or_default)
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert!(
            files.len() <= 1,
            "more than one session in {home:?}:\n{}",
            shown()
        );
        let Some(file) = files.first() else {
            return journal;
        };
        // It may just be replaced by one that is shorter.
        let text = fs::read_to_string(file).unwrap_or_default();
        let (whole, _torn) = text.rsplit_once('\n').unwrap_or_default();
        for line in whole.lines() {
            let record: Value = serde_json::from_str(line).expect("a record is JSON");
            let text = || record["text"].as_str().expect("a text").to_owned();
            let number = record["number"].as_u64().map(|number| number as usize);
            match record["is"].as_str().expect("a kind") {
                "said" => {
                    journal.said.push(text());
                    assert_eq!(number, Some(journal.said.len()), "{file:?}");
                }
                "heard" => {
                    journal.heard.push(text());
                    assert_eq!(number, Some(journal.heard.len()), "{file:?}");
                }
                "acknowledged" => journal.acknowledged = number.expect("a number"),
                "ended" => journal.ended = true,
                _ => {}
            }
        }
        journal
    }
}

/// The n-th message of somebody, from 1.
fn message(speaker: &str, number: usize) -> String {
    format!("{speaker} says {number} of {MESSAGES}")
}

/// The two programs, as indices.
const SERVER: usize = 0;
const CLIENT: usize = 1;

/// One of the two programs, in one life after the other.
struct Side {
    name: &'static str,
    peer: &'static str,
    home: TempDir,
    life: Option<Life>,
}

/// From a start to the end.
struct Life {
    process: Process,
    typing: JoinHandle<()>,
    printed: JoinHandle<io::Result<String>>,
    /// How many of the peer's messages were recorded when it began.
    heard_before: usize,
}

impl Side {
    fn new(name: &'static str, peer: &'static str) -> Self {
        Self {
            name,
            peer,
            home: home(),
            life: None,
        }
    }

    fn journal(&self) -> Journal {
        Journal::read(self.home.path())
    }

    /// Starts the program, which goes on saying what is not recorded yet.
    async fn start(&mut self, address: SocketAddr, seed: u64) {
        let journal = self.journal();
        let is_server = self.name == "ann";
        let executable = program(if is_server {
            "chat-server"
        } else {
            "chat-client"
        });
        let address = address.to_string();
        let mut process = Process::start(&executable, self.home.path(), &[&address, "--keep"]);
        if is_server {
            process.listens().await;
        }
        let mut stdin = process.stdin.take().expect("it is piped");
        let mut stdout = process.stdout.take().expect("it is piped");
        let name = self.name;
        let typing = tokio::spawn(async move {
            let mut rng = Rng::with_seed(seed);
            for number in journal.said.len() + 1..=MESSAGES {
                let line = message(name, number) + "\n";
                if stdin.write_all(line.as_bytes()).await.is_err() {
                    return;
                }
                sleep(Duration::from_micros(rng.u64(..PAUSE))).await;
            }
        });
        let printed = tokio::spawn(async move {
            let mut printed = String::new();
            stdout.read_to_string(&mut printed).await.map(|_| printed)
        });
        self.life = Some(Life {
            process,
            typing,
            printed,
            heard_before: journal.heard.len(),
        });
    }

    /// Kills the program, if it runs.
    async fn kill(&mut self) {
        if let Some(life) = &mut self.life {
            life.process.dies().await;
        }
    }

    /// Waits until it has ended, and looks at what it has printed: everything that was not
    /// recorded before, in order. Returns how much of it the next one will print again.
    async fn bury(&mut self) -> usize {
        let life = self.life.take().expect("it was alive");
        life.typing.abort();
        let printed = soon(life.printed).await.expect("no panic").expect("UTF-8");
        let (whole, _cut) = printed.rsplit_once('\n').unwrap_or_default();
        let lines: Vec<&str> = whole.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let due = message(self.peer, life.heard_before + index + 1);
            assert_eq!(*line, due, "printed by {}", self.name);
        }
        let recorded = self.journal().heard.len();
        let printed = life.heard_before + lines.len();
        assert!(recorded <= printed, "{} has not printed it", self.name);
        printed - recorded
    }
}

/// No message is marked as received that is not recorded at the other end.
fn assert_marks_are_true(sides: &[Side; 2]) {
    for (from, to) in [(0, 1), (1, 0)] {
        let marked = sides[from].journal().acknowledged;
        let there = sides[to].journal().heard.len();
        assert!(marked <= there, "{marked} marked, {there} recorded");
    }
}

/// Runs one round: what happens in it follows from the seed, when it happens does not.
pub async fn round(seed: u64) -> Counts {
    let mut rng = Rng::with_seed(seed);
    let victims = [
        &[Victim::Client][..],
        &[Victim::Server],
        &[Victim::Both],
        &[Victim::Client, Victim::Server, Victim::Both],
    ][(seed % 4) as usize];
    let (listener, address) = a_port().await;
    drop(listener);
    let cuts: Vec<_> = match (seed / 4) % 2 {
        0 => Vec::new(),
        _ => (0..2)
            .map(|_| (rng.usize(500..6_000), Fate::Reset))
            .collect(),
    };
    let proxy = match cuts.is_empty() {
        true => None,
        false => Some(Proxy::start(address, cuts).await),
    };
    let called = proxy.as_ref().map_or(address, |proxy| proxy.address);
    let mut counts = Counts {
        rounds: 1,
        messages: 2 * MESSAGES,
        ..Counts::default()
    };
    let mut sides = [Side::new("ann", "bob"), Side::new("bob", "ann")];
    sides[0].start(address, rng.u64(..)).await;
    sides[1].start(called, rng.u64(..)).await;
    for _ in 0..rng.usize(1..4) {
        let victim = victims[rng.usize(..victims.len())];
        sleep(Duration::from_micros(rng.u64(..LIFE))).await;
        let killed: BTreeSet<usize> = match victim {
            Victim::Server => [SERVER].into(),
            Victim::Client => [CLIENT].into(),
            Victim::Both => [SERVER, CLIENT].into(),
        };
        for &side in &killed {
            sides[side].kill().await;
        }
        assert_marks_are_true(&sides);
        for &side in &killed {
            counts.kills += 1;
            counts.printed_again += sides[side].bury().await;
            // It may have come to its end just before.
            if side == SERVER || !sides[CLIENT].journal().ended {
                let address = [address, called][side];
                sides[side].start(address, rng.u64(..)).await;
            }
        }
        if sides[CLIENT].life.is_none() {
            break;
        }
    }
    let [ann, bob] = &mut sides;
    while let Some(life) = &mut bob.life {
        let code = life.process.ends_by_itself().await;
        let told = life.process.told().to_owned();
        counts.printed_again += bob.bury().await;
        if code == Some(0) {
            break;
        }
        // The server was killed before it was reached.
        let call = told.contains("Call with");
        assert!(!call, "round {seed}: the client failed: {told}");
        bob.start(called, rng.u64(..)).await;
    }
    // The server may still be writing down that the call is over.
    let until = Instant::now() + crate::NEVER;
    while ann.journal().heard.len() < MESSAGES {
        assert!(Instant::now() < until, "round {seed}: {:?}", ann.journal());
        sleep(Duration::from_millis(1)).await;
    }
    ann.kill().await;
    ann.bury().await;
    assert_marks_are_true(&sides);
    for (from, to) in [(0, 1), (1, 0)] {
        let all: Vec<_> = (1..=MESSAGES)
            .map(|n| message(sides[from].name, n))
            .collect();
        assert_eq!(sides[from].journal().said, all, "round {seed}");
        assert_eq!(sides[to].journal().heard, all, "round {seed}");
    }
    counts
}

/// Runs so many rounds, some at a time.
pub async fn rounds(count: u64) -> Counts {
    const AT_A_TIME: u64 = 8;
    let lanes: Vec<_> = (0..AT_A_TIME)
        .map(|lane| {
            tokio::spawn(async move {
                let mut counts = Counts::default();
                for seed in (lane..count).step_by(AT_A_TIME as usize) {
                    counts += round(seed).await;
                }
                counts
            })
        })
        .collect();
    let mut counts = Counts::default();
    for lane in lanes {
        counts += lane.await.expect("every round keeps its promises");
    }
    counts
}
