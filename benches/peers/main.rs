//! Both programs beside the ones that a user would otherwise run: `nc`, `ncat`, `socat`,
//! plain and with TLS. Real processes on pipes over loopback, in turn within one run.
//!
//! ```text
//! cargo bench --bench peers
//! ROUNDS=9 LINES=5000000 TRIPS=5000 cargo bench --bench peers
//! ```
//!
//! `LINES` are of 100 bytes; of 10 KiB there go a hundredth of them. `ONLY=chat,nc` runs
//! contenders whose names are listed, and `BEFORE=DIRECTORY` the programs of another build besides.
//! Needs Linux, for its `/proc`.

mod contender;
mod lines;
mod pair;
mod table;

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::str::FromStr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use contender::{Certificate, Contender};
use pair::Pair;
use table::{Figures, Measure, percentile};

/// A contender that loses a line would be waited for without an end.
const PATIENCE: Duration = Duration::from_secs(120);

/// Round trips before those that count.
const WARM_UP: usize = 200;

const SHORT_LINE: usize = 100;
const LONG_LINE: usize = 10 * 1024;

fn main() -> anyhow::Result<()> {
    let rounds = setting("ROUNDS", 5)?;
    let trips = setting("TRIPS", 2000)?;
    let lines = setting("LINES", 2_000_000)?;
    let only = setting("ONLY", String::new())?;
    let before = env::var_os("BEFORE").map(PathBuf::from);

    let [server, client] = build()?;
    let mut contenders = contender::installed([&server, &client], before.as_deref());
    contenders.retain(|one| only.is_empty() || only.split(',').any(|name| name == one.name));
    let home = tempfile::tempdir()?;
    let certificate =
        Certificate::make(home.path()).context("no certificate without the openssl tool")?;
    let mut figures: Vec<_> = contenders.iter().map(|_| Figures::default()).collect();
    let measure = |contender: &Contender, lines, figures: &mut Figures| {
        guarded(contender.name, || {
            measure(contender, &certificate, home.path(), trips, lines, figures)
        })
        .with_context(|| contender.name)
    };
    // Once for nothing: keys are made and files are read for the first time.
    for contender in &contenders {
        measure(contender, SHORT_LINE, &mut Figures::default())?;
    }
    // In any order: a machine that was just kept busy is slower for whoever comes next.
    let mut turns: Vec<_> = (0..contenders.len()).collect();
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        fastrand::shuffle(&mut turns);
        for &turn in &turns {
            measure(&contenders[turn], lines, &mut figures[turn])?;
        }
    }
    println!("{rounds} rounds of {trips} round trips and {lines} lines\n");
    table::print(&contenders, &figures);
    Ok(())
}

/// Starts a pair and measures all there is.
fn measure(
    contender: &Contender,
    certificate: &Certificate,
    home: &Path,
    trips: usize,
    lines: usize,
    figures: &mut Figures,
) -> io::Result<()> {
    let (mut pair, beginning) = Pair::start(contender, certificate, home)?;
    figures.add(Measure::Listening, beginning.listening.as_secs_f64() * 1e3);
    figures.add(Measure::Connected, beginning.connected.as_secs_f64() * 1e3);
    figures.add(Measure::ListenerIdle, mebibytes(pair.listener.memory()?));
    figures.add(Measure::DialerIdle, mebibytes(pair.dialer.memory()?));

    for _ in 0..WARM_UP {
        pair.round_trip()?;
    }
    let before = pair.processor_time()?;
    let trips: Vec<_> = (0..trips)
        .map(|_| Ok(pair.round_trip()?.as_secs_f64() * 1e6))
        .collect::<io::Result<_>>()?;
    let processor = pair.processor_time()? - before;
    let each = processor.as_secs_f64() * 1e6 / trips.len() as f64;
    figures.add(Measure::TripProcessor, each);
    figures.add(Measure::TripMedian, percentile(trips.iter().copied(), 50));
    figures.add(Measure::TripSlow, percentile(trips.into_iter(), 99));

    for (lines, width, flow, processor) in [
        (
            lines,
            SHORT_LINE,
            Measure::ShortFlow,
            Measure::ShortFlowProcessor,
        ),
        (
            lines / SHORT_LINE,
            LONG_LINE,
            Measure::LongFlow,
            Measure::LongFlowProcessor,
        ),
    ] {
        let bytes = (lines * width) as f64;
        let before = pair.processor_time()?;
        let elapsed = pair.flow(lines, width)?;
        let spent = pair.processor_time()? - before;
        figures.add(flow, bytes / 1e6 / elapsed.as_secs_f64());
        figures.add(processor, spent.as_secs_f64() * 1e9 / bytes);
    }
    // Nothing may have come that was not sent.
    pair.round_trip()?;
    figures.add(
        Measure::ListenerPeak,
        mebibytes(pair.listener.peak_memory()?),
    );
    figures.add(Measure::DialerPeak, mebibytes(pair.dialer.peak_memory()?));
    Ok(())
}

fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}

/// Ends the run if `work` takes too long.
fn guarded<T>(name: &'static str, work: impl FnOnce() -> T) -> T {
    let (done, waiting) = mpsc::channel::<()>();
    thread::spawn(move || {
        if waiting.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{name} does not come to an end");
            process::exit(1);
        }
    });
    let result = work();
    drop(done);
    result
}

/// Reads a setting from the environment.
fn setting<T>(name: &str, default: T) -> anyhow::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    match env::var(name) {
        Ok(value) => value.parse().with_context(|| format!("{name}={value}")),
        Err(_) => Ok(default),
    }
}

/// Builds server and client as a user would, and answers where they are.
fn build() -> anyhow::Result<[PathBuf; 2]> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args([
            "build",
            "--release",
            "-p",
            "chat-server",
            "-p",
            "chat-client",
        ])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()?;
    if !built.status.success() {
        bail!("the programs cannot be built");
    }
    let executables: Vec<_> = String::from_utf8(built.stdout)?
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
        .collect();
    let find = |name: &str| {
        let mut all = executables.iter();
        let found = all.find(|path| path.file_stem().is_some_and(|stem| stem == name));
        found
            .cloned()
            .with_context(|| format!("cargo built no {name}"))
    };
    Ok([find("chat-server")?, find("chat-client")?])
}
