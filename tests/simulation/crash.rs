//! Programs that lose power in the middle of a call, with a disk that loses what was not synced,
//! but for a part of the last write.

use std::collections::HashMap;
use std::fs::{self, File};
use std::future::{Future, pending};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use chat_core::driver::{CallConfig, Input, RESUME_WINDOW, Sink, Source};
use chat_core::files::FileConfig;
use chat_core::journal::Recorder;
use chat_core::protocol::Event;
use chat_core::transport::Keyring;
use fastrand::Rng;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::field::{Field, Visit};
use tracing::span;
use turmoil::{Builder, Sim};

use crate::network::{Listener, Network};
use crate::{LIMIT, World, direct, server_config};

/// What each person says.
const MESSAGES: usize = 12;

/// The step of the clock.
const TICK: Duration = Duration::from_millis(20);

/// How long a disk may take, in real time, for a step of the clock.
const DISK: Duration = Duration::from_micros(30);

/// The people, by their number, and where their programs run.
const HOSTS: [&str; 2] = ["server", "client-1"];

/// How much of each journal is synced, as its writer traces it.
static SYNCED: Mutex<Option<HashMap<String, u64>>> = Mutex::new(None);

/// Hears the writers.
struct Trace;

impl Trace {
    fn listen() {
        // Other tests of this process may have done so.
        let _ = tracing::subscriber::set_global_default(Self);
    }
}

#[derive(Default)]
struct Synced {
    path: String,
    length: u64,
}

impl Visit for Synced {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "length" {
            self.length = value;
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "path" {
            self.path = format!("{value:?}");
        }
    }
}

impl tracing::Subscriber for Trace {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "chat_core::journal::writer"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut synced = Synced::default();
        event.record(&mut synced);
        let mut all = SYNCED.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.get_or_insert_default();
        all.insert(synced.path, synced.length);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// How much of this journal is synced. At its beginning, all of it is.
fn synced(path: &Path) -> u64 {
    let all = SYNCED.lock().unwrap_or_else(PoisonError::into_inner);
    let synced = all
        .as_ref()
        .and_then(|all| all.get(path.to_str()?).copied());
    synced.unwrap_or_else(|| fs::metadata(path).map_or(0, |metadata| metadata.len()))
}

/// Says what its journal does not have yet, and then waits.
struct Speaker {
    who: usize,
    rng: Rng,
    said: usize,
    next_at: Option<Instant>,
}

impl Speaker {
    fn new(who: usize, seed: u64, home: &Path) -> Self {
        Self {
            who,
            rng: Rng::with_seed(seed),
            said: Journal::read(home).said.len(),
            next_at: None,
        }
    }
}

fn message(who: usize, number: usize) -> String {
    format!("{who} says {number}")
}

impl Source for Speaker {
    async fn next(&mut self) -> io::Result<Input> {
        if self.said == MESSAGES {
            return pending().await;
        }
        let pause = Duration::from_millis(self.rng.u64(..400));
        let at = *self.next_at.get_or_insert(Instant::now() + pause);
        sleep_until(at).await;
        self.next_at = None;
        self.said += 1;
        Ok(Input::Message(message(self.who, self.said)))
    }
}

/// What came is looked up in the journal.
struct Ear;

impl Sink for Ear {
    fn show(&mut self, _: Event) {}

    async fn flushed(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a journal has.
#[derive(Debug, Default)]
struct Journal {
    said: Vec<String>,
    heard: Vec<String>,
    acknowledged: usize,
}

impl Journal {
    fn read(home: &Path) -> Self {
        let mut journal = Self::default();
        for path in journals(home) {
            let text = fs::read_to_string(path).expect("text");
            let (whole, _torn) = text.rsplit_once('\n').unwrap_or_default();
            for line in whole.lines() {
                let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
                let text = || record["text"].as_str().expect("a text").to_owned();
                match record["is"].as_str() {
                    Some("said") => journal.said.push(text()),
                    Some("heard") => journal.heard.push(text()),
                    Some("acknowledged") => {
                        journal.acknowledged = record["number"].as_u64().expect("one") as usize;
                    }
                    _ => {}
                }
            }
        }
        journal
    }
}

fn journals(home: &Path) -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(home.join("calls")) else {
        return Vec::new();
    };
    files.map(|file| file.expect("a file").path()).collect()
}

/// The power goes. What is in the journals after it is what was synced, and as much of the rest as
/// happened to be written.
fn lose_power(sim: &mut Sim<'_>, who: usize, home: &Path, rng: &mut Rng) {
    let synced: Vec<_> = journals(home)
        .into_iter()
        .map(|path| (synced(&path), path))
        .collect();
    sim.crash(HOSTS[who]);
    for (synced, path) in synced {
        let file = File::options().write(true).open(path).expect("it is there");
        // The writer goes on without its program until it has nothing more to write.
        file.lock().expect("a lock");
        let length = file.metadata().expect("a file").len();
        file.set_len(rng.u64(synced.min(length)..=length))
            .expect("cut");
    }
}

impl World {
    /// One call, whose programs lose power a few times. Returns how often they did.
    pub(crate) fn crash(&self, seed: u64) -> Result<usize, String> {
        Trace::listen();
        let mut rng = Rng::with_seed(seed);
        let homes: Vec<_> = self.homes[..2].iter().map(|home| home.path()).collect();
        for home in &homes {
            let _ = fs::remove_dir_all(home.join("calls"));
        }
        let mut sim = Builder::new()
            .rng_seed(seed)
            .tick_duration(TICK)
            .simulation_duration(LIMIT)
            .build();
        let flaws = rng.u32(..4);
        let network = Network::new(rng.fork(), flaws, 1);
        sim.host(HOSTS[0], {
            let (world, network, seed) = (self.keyrings[0].clone(), network.clone(), rng.u64(..));
            let home = homes[0].to_owned();
            move || serves(world.clone(), network.clone(), home.clone(), seed)
        });
        sim.host(HOSTS[1], {
            let (keyring, network, seed) = (self.keyrings[1].clone(), network, rng.u64(..));
            let home = homes[1].to_owned();
            move || calls(keyring.clone(), network.clone(), home.clone(), seed)
        });
        let step = |sim: &mut Sim<'_>, steps: u64| {
            for _ in 0..steps {
                sim.step().map_err(|error| error.to_string())?;
                thread::sleep(DISK);
            }
            Ok::<_, String>(())
        };
        let mut crashes = 0;
        for _ in 0..rng.usize(1..5) {
            step(&mut sim, rng.u64(1..200))?;
            let victims = [&[0][..], &[1], &[0, 1]][rng.usize(..3)];
            for &who in victims {
                lose_power(&mut sim, who, homes[who], &mut rng);
                crashes += 1;
            }
            let now = [Journal::read(homes[0]), Journal::read(homes[1])];
            for (from, to) in [(0, 1), (1, 0)] {
                if now[from].acknowledged > now[to].heard.len() {
                    return Err(format!("marked without a record: {now:?}"));
                }
            }
            step(&mut sim, rng.u64(..20))?;
            victims.iter().for_each(|who| sim.bounce(HOSTS[*who]));
        }
        let all = [0, 1].map(|who| (1..=MESSAGES).map(|n| message(who, n)).collect::<Vec<_>>());
        loop {
            step(&mut sim, 50)?;
            let now = [Journal::read(homes[0]), Journal::read(homes[1])];
            for (from, to) in [(0, 1), (1, 0)] {
                if !all[from].starts_with(&now[from].said) || !all[from].starts_with(&now[to].heard)
                {
                    return Err(format!("lost, doubled or out of order: {now:?}"));
                }
            }
            if now.iter().all(|journal| journal.acknowledged == MESSAGES) {
                // Its thread must not write into the next run.
                HOSTS.iter().for_each(|host| sim.crash(*host));
                return Ok(crashes);
            }
        }
    }
}

fn recorder(home: PathBuf) -> Recorder {
    Recorder {
        data_dir: home,
        person: true,
        keep: true,
        answering: false,
    }
}

/// The server's program, from a start to the next crash.
fn serves(
    keyring: Keyring,
    network: Network,
    home: PathBuf,
    seed: u64,
) -> impl Future<Output = turmoil::Result> {
    let mut speaker = Speaker::new(0, seed, &home);
    let config = chat_server::Config {
        recorder: Some(recorder(home)),
        ..server_config(CallConfig::default(), false)
    };
    async move {
        let listener = Listener::bind(network).await?;
        let acceptor = crate::acceptor(keyring);
        chat_server::run(
            listener,
            acceptor,
            config,
            &mut speaker,
            &mut Ear,
            pending(),
        )
        .await?;
        Ok(())
    }
}

/// The client's: when the call is lost, its person calls again.
fn calls(
    keyring: Keyring,
    network: Network,
    home: PathBuf,
    seed: u64,
) -> impl Future<Output = turmoil::Result> {
    let (mut speaker, mut ear) = (Speaker::new(1, seed, &home), Ear);
    let config = chat_client::Config {
        name: "1".to_owned().into(),
        call_config: CallConfig::default(),
        files: FileConfig::none(),
        send_files: Vec::new(),
        redial_for: Some(RESUME_WINDOW),
        when_there: None,
        recorder: Some(recorder(home.clone())),
    };
    async move {
        loop {
            let _ = fs::remove_file(home.join("first_contacts"));
            let ways = direct(1, keyring.clone(), network.clone());
            let run = chat_client::run(ways, config.clone(), &mut speaker, &mut ear, pending());
            drop(run.await);
            sleep(Duration::from_secs(1)).await;
        }
    }
}
