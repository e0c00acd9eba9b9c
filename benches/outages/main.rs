//! How soon a talk goes on after the network came back: ours, and with mosh, ssh and nc.
//!
//! `cargo bench --bench outages`, as root on Linux: it builds two machines and a router out of
//! network namespaces. Words after `--` choose the rows whose names have them. `CHAT_BEFORE` is a
//! directory with other builds of our programs to measure beside, `CHAT_OUTAGES` how many outages a
//! row has.

mod contender;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, io, thread};

use chat_testkit::lab::{ANN, BOB, Lab};
use chat_testkit::process::program;

use contender::{Contender, Talk};

/// After so long without a word a talk counts as over.
const LIMIT: Duration = Duration::from_secs(20);

/// What happens, again and again.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Weather {
    /// The router loses everything, for so many seconds.
    Dead(u64, u64),
    /// Bob's machine has another address from now on.
    Roams,
    /// The router resets and refuses every connection, for 12 s.
    Refuses,
    /// The router is dead for 8 to 12 s, and then Ann has another address under her name.
    Renamed,
    /// Large packets are lost from now on, and both say a long line.
    Hole,
    /// Large packets are lost from the beginning.
    HoleAtDial,
}

const ROWS: [(&str, Weather); 7] = [
    ("router dead for 3-4 s", Weather::Dead(3, 4)),
    ("router dead for 8-12 s", Weather::Dead(8, 12)),
    ("router dead for 16-60 s", Weather::Dead(16, 60)),
    ("own address changed", Weather::Roams),
    ("12 s of refused and reset connections", Weather::Refuses),
    ("name looked up again after 8-12 s", Weather::Renamed),
    ("a long line into an MTU black hole", Weather::Hole),
];

const LAST_ROW: (&str, Weather) = ("first call through an MTU black hole", Weather::HoleAtDial);

/// What came of a contender in a row.
struct Outcome {
    name: &'static str,
    /// For each outage how long the talk took to go on, if it did.
    times: Vec<Option<Duration>>,
    wrong: u64,
    notices: usize,
}

fn main() {
    if let Err(reason) = Lab::new("t") {
        println!("skipped: no network can be built here ({reason}); it takes root and python3");
        return;
    }
    let chosen: Vec<String> = env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|word| name.contains(word));
    let outages = env::var("CHAT_OUTAGES").map_or(20, |n| n.parse().expect("a number"));
    let contenders = contenders();
    let rows: Vec<_> = ROWS.into_iter().chain([LAST_ROW]).collect();
    // Each row has machines of its own, so they run at once.
    let running: Vec<_> = rows
        .into_iter()
        .filter(|(name, _)| is_chosen(name))
        .zip(0..)
        .map(|((name, weather), number)| {
            let contenders = contenders.clone();
            let row = move || run(weather, contenders, outages, number);
            (name, thread::spawn(row))
        })
        .collect();
    let slow = ["30 % of the packets are lost", "a round trip of 600 ms"];
    let slow: Vec<_> = slow
        .into_iter()
        .filter(|name| is_chosen(name))
        .zip(0..)
        .flat_map(|(name, number)| {
            let ours = contenders
                .iter()
                .filter(|c| matches!(c, Contender::Chat { .. }));
            ours.cloned()
                .zip(0..)
                .map(move |(contender, which)| {
                    let tag = format!("s{number}{which}");
                    let lossy = name.contains("lost");
                    (
                        name,
                        contender.name(),
                        thread::spawn(move || flap(&contender, lossy, &tag)),
                    )
                })
                .collect::<Vec<_>>()
        })
        .collect();
    for (name, row) in running {
        println!("\n{name}");
        match row.join().expect("no panic") {
            Ok(outcomes) => outcomes.iter().for_each(print),
            Err(error) => println!("  failed: {error}"),
        }
    }
    for (name, who, steady) in slow {
        match steady.join().expect("no panic") {
            Ok(told) => println!("\n{name}, {who}: {told}"),
            Err(error) => println!("\n{name}, {who}: failed: {error}"),
        }
    }
    if is_chosen("idle") {
        for contender in contenders
            .iter()
            .filter(|c| matches!(c, Contender::Chat { .. }))
        {
            match idle(contender) {
                Ok(wakeups) => {
                    println!("\nidle, {}: {wakeups} wake-ups a minute", contender.name())
                }
                Err(error) => println!("\nidle: failed: {error}"),
            }
        }
    }
}

fn contenders() -> Vec<Contender> {
    let client = program("chat-client");
    let ours = |label, programs: &Path, port| Contender::Chat {
        label,
        programs: programs.to_owned(),
        port,
    };
    let mut all = vec![ours("chat", client.parent().expect("a directory"), 7788)];
    if let Some(before) = env::var_os("CHAT_BEFORE") {
        all.push(ours("chat, before", &PathBuf::from(before), 7789));
    }
    all.extend([Contender::Mosh, Contender::Ssh, Contender::Nc]);
    all.retain(|contender| {
        let is_there = contender.is_there();
        if !is_there {
            println!("skipped: {} is not installed", contender.name());
        }
        is_there
    });
    all
}

/// Runs a row: all contenders go through the same outages.
fn run(
    weather: Weather,
    contenders: Vec<Contender>,
    outages: usize,
    row: u64,
) -> io::Result<Vec<Outcome>> {
    let mut rng = fastrand::Rng::with_seed(row);
    let mut lab = Lab::new(&row.to_string())?;
    let by_name = weather == Weather::Renamed;
    let contenders = contenders.into_iter().filter(|contender| match weather {
        Weather::Renamed | Weather::Hole | Weather::HoleAtDial => {
            matches!(contender, Contender::Chat { .. })
        }
        _ => true,
    });
    let mut talks: Vec<_> = contenders
        .map(|contender| {
            let outcome = Outcome {
                name: contender.name(),
                times: Vec::new(),
                wrong: 0,
                notices: 0,
            };
            (contender, outcome, None::<Talk>)
        })
        .collect();
    for outage in 0..outages {
        let (mut from, mut moment) = ([ANN, BOB], Instant::now());
        if weather == Weather::HoleAtDial {
            lab.set("mtu", 1280)?;
        }
        for (contender, _, talk) in &mut talks {
            if talk.is_none() {
                *talk = Some(begin(contender, &lab, by_name)?);
            }
        }
        if outage % 2 == 1 {
            from = [Lab::OTHER_ANN, Lab::OTHER_BOB];
        }
        if weather != Weather::HoleAtDial {
            thread::sleep(Duration::from_millis(rng.u64(4_000..6_000)));
            moment = strike(weather, &mut lab, &from, &talks, &mut rng)?;
        }
        let waiting = Instant::now();
        loop {
            thread::sleep(Duration::from_millis(20));
            let is_back = |(_, _, talk): &(_, _, Option<Talk>)| {
                talk.as_ref()
                    .is_some_and(|talk| back(talk, weather, moment).is_some())
            };
            if talks.iter().all(is_back) || waiting.elapsed() > LIMIT {
                break;
            }
        }
        for (_, outcome, talk) in &mut talks {
            let Some(running) = talk else { continue };
            let time = back(running, weather, moment);
            outcome.times.push(time);
            let renews = matches!(weather, Weather::Hole | Weather::HoleAtDial);
            if time.is_none() || renews || outage + 1 == outages {
                outcome.wrong += running.wrong();
                outcome.notices += running.told("Back after");
                *talk = None;
            }
        }
        lab.set("mtu", 65_535)?;
    }
    Ok(talks.into_iter().map(|(_, outcome, _)| outcome).collect())
}

fn begin(contender: &Contender, lab: &Lab, by_name: bool) -> io::Result<Talk> {
    contender.begin(lab, by_name, true)
}

/// Lets it happen once. Returns when it was over.
fn strike(
    weather: Weather,
    lab: &mut Lab,
    from: &[&str; 2],
    talks: &[(Contender, Outcome, Option<Talk>)],
    rng: &mut fastrand::Rng,
) -> io::Result<Instant> {
    let other = |address: &str| match address {
        ANN => Lab::OTHER_ANN,
        Lab::OTHER_ANN => ANN,
        BOB => Lab::OTHER_BOB,
        _ => BOB,
    };
    match weather {
        Weather::Dead(least, most) => {
            lab.set("dead", 1)?;
            thread::sleep(Duration::from_millis(rng.u64(least * 1000..most * 1000)));
            lab.set("dead", 0)?;
        }
        Weather::Roams => lab.readdress(1, from[1], other(from[1]))?,
        Weather::Refuses => {
            lab.set("refuse", 1)?;
            thread::sleep(Duration::from_secs(12));
            lab.set("refuse", 0)?;
        }
        Weather::Renamed => {
            lab.set("dead", 1)?;
            lab.readdress(0, from[0], other(from[0]))?;
            lab.set("name", other(from[0]))?;
            thread::sleep(Duration::from_millis(rng.u64(8_000..12_000)));
            lab.set("dead", 0)?;
        }
        Weather::Hole => {
            lab.set("mtu", 1280)?;
            let moment = Instant::now();
            for (_, _, talk) in talks {
                for who in [0, 1] {
                    talk.iter().for_each(|talk| talk.says_long(who, 6_000));
                }
            }
            return Ok(moment);
        }
        Weather::HoleAtDial => {}
    }
    Ok(Instant::now())
}

/// How long a talk took to go on, if it did.
fn back(talk: &Talk, weather: Weather, moment: Instant) -> Option<Duration> {
    match weather {
        Weather::HoleAtDial => talk.heard_since(talk.began, false),
        Weather::Hole => talk.heard_since(moment, true),
        _ => talk.heard_since(moment, false),
    }
}

fn print(outcome: &Outcome) {
    let Outcome {
        name,
        times,
        wrong,
        notices,
    } = outcome;
    let mut back: Vec<_> = times.iter().flatten().map(Duration::as_secs_f64).collect();
    back.sort_by(f64::total_cmp);
    let never = times.len() - back.len();
    let figures = match (back.get(back.len() / 2), back.last()) {
        (Some(median), Some(worst)) => format!("median {median:5.2} s, worst {worst:5.2} s"),
        _ => "never back".to_owned(),
    };
    let mut told = format!("  {name:<14}{figures} of {} outages", times.len());
    if never > 0 {
        told += &format!("; {never} times not within {} s", LIMIT.as_secs());
    }
    if name.starts_with("chat") {
        told += &format!("; {wrong} lines wrong; {notices} notices of a return at both ends");
    }
    println!("{told}");
}

/// Talks for ten minutes over a bad link. Tells what it took.
fn flap(contender: &Contender, lossy: bool, tag: &str) -> io::Result<String> {
    let minutes = env::var("CHAT_MINUTES").map_or(10, |n| n.parse().expect("a number"));
    let mut lab = Lab::new(tag)?;
    match lossy {
        true => lab.set("loss", 0.3)?,
        false => lab.set("delay", 0.3)?,
    }
    let talk = begin(contender, &lab, false)?;
    thread::sleep(Duration::from_secs(60 * minutes));
    let opened = lab.connections_opened(1)?;
    Ok(format!(
        "{opened} connections opened in {minutes} min, {} taken over, {} lines wrong",
        talk.told("Back after").div_ceil(2),
        talk.wrong()
    ))
}

/// How often both programs wake up in a minute in which nobody says a word.
fn idle(contender: &Contender) -> io::Result<u64> {
    let lab = Lab::new("i")?;
    let talk = contender.begin(&lab, false, false)?;
    thread::sleep(Duration::from_secs(5));
    let before = talk.wakeups();
    thread::sleep(Duration::from_secs(60));
    Ok(talk.wakeups() - before)
}
