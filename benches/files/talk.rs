//! How long a line takes, from the key to the other side's pipe, while a file fills a link of
//! 20 Mbit/s, and how much of the link the file gets: `cargo bench --bench files -- talk`, as root on
//! Linux. The side that sends the file says the lines. `SECONDS` is how long each row is measured.
//!
//! All parts go before the rest of the machine and keep their files in memory, so that it is the
//! link that is measured and not what else runs.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use chat_testkit::lab::{ANN, Lab};
use chat_testkit::process::{self, Process, program};
use chat_testkit::terminal::{Size, Terminal, command_at};
use tokio::time::sleep;

use super::number;

/// The link, in bits a second.
const RATE: f64 = 20e6;

/// One way through the link, in seconds, apart from what waits before it.
const DELAY: f64 = 0.0025;

/// Between a line and the next.
const PAUSE: Duration = Duration::from_millis(30);

/// After so long a file has found how fast it may be.
const SETTLED: Duration = Duration::from_secs(3);

/// More than any row takes.
const FILE: u64 = 1_000_000_000;

const PORT: &str = "7788";

/// Who sends the file, and says the lines.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sender {
    Dialer,
    Listener,
}

/// Two people on the two machines of a lab.
struct Talk {
    sender: Terminal,
    receiver: Process,
    lines: u64,
}

impl Talk {
    async fn begin(lab: &Lab, sender: Sender, home: &Path) -> Self {
        let downloads = home.join("in");
        let takes = ["--accept-files", downloads.to_str().expect("UTF-8")];
        let address = format!("{ANN}:{PORT}");
        let (mut sender, receiver) = match sender {
            Sender::Dialer => {
                let arguments = [&[address.as_str(), "--from-anyone"], &takes[..]].concat();
                let mut receiver = in_pipes(lab, 0, "chat-server", home, &arguments);
                receiver.tells("chat-client").await;
                (
                    at_terminal(lab, 1, "chat-client", home, &[&address]),
                    receiver,
                )
            }
            Sender::Listener => {
                let mut sender = at_terminal(lab, 0, "chat-server", home, &[&address]);
                sender.wait_for_line("chat-client").await;
                let arguments = [&[address.as_str()], &takes[..]].concat();
                (sender, in_pipes(lab, 1, "chat-client", home, &arguments))
            }
        };
        sender.wait_for_line("Safety number").await;
        Self {
            sender,
            receiver,
            lines: 0,
        }
    }

    /// Says a line, and waits until the other side has it.
    async fn line(&mut self) -> Duration {
        self.lines += 1;
        let line = format!("line {}.", self.lines);
        let begun = Instant::now();
        self.sender.type_keys(&format!("{line}\r")).await;
        while !self.receiver.next_line().await.ends_with(&line) {}
        begun.elapsed()
    }

    async fn lines(&mut self, duration: Duration) -> Vec<Duration> {
        let begun = Instant::now();
        let mut times = Vec::new();
        while begun.elapsed() < duration {
            times.push(self.line().await);
            sleep(PAUSE).await;
        }
        times.sort();
        times
    }
}

fn in_machine<'a>(lab: &'a Lab, who: usize, program: &'a Path) -> Vec<&'a str> {
    let program = program.to_str().expect("UTF-8");
    vec!["netns", "exec", &lab.machines[who], program]
}

fn in_pipes(lab: &Lab, who: usize, name: &str, home: &Path, arguments: &[&str]) -> Process {
    let program = program(name);
    let arguments = [in_machine(lab, who, &program), arguments.to_vec()].concat();
    let home = home.join(name);
    let started = Process::spawn(&mut process::command(Path::new("ip"), &home, &arguments));
    started.expect("it starts")
}

fn at_terminal(lab: &Lab, who: usize, name: &str, home: &Path, arguments: &[&str]) -> Terminal {
    let program = program(name);
    let command = command_at(Path::new("ip"), &home.join(name))
        .args(in_machine(lab, who, &program))
        .args(arguments);
    Terminal::start(Size(80, 24), command)
}

/// How many bytes have arrived.
fn arrived(home: &Path) -> u64 {
    let entries = fs::read_dir(home.join("in"))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .sum()
}

fn show(what: &str, times: &[Duration]) {
    let at = |share: f64| times[(times.len() as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "  {what:<10} p50 {:>5.1}  p90 {:>5.1}  p99 {:>5.1}  max {:>5.1} ms",
        at(0.5),
        at(0.9),
        at(0.99),
        times.last().expect("there are some").as_secs_f64() * 1e3
    );
}

/// Has this process and its children go before all others.
fn go_first() {
    let id = std::process::id().to_string();
    let mut chrt = Command::new("chrt");
    let done = chrt
        .args(["--all-tasks", "--rr", "--pid", "10", &id])
        .status();
    if !done.is_ok_and(|status| status.success()) {
        println!("other programs of this machine may be in the way");
    }
}

/// Measures each row, and prints it.
pub async fn measure() {
    go_first();
    let duration = Duration::from_secs(number("SECONDS", 30) as u64);
    for (control, queue) in [("cubic", 0.1), ("reno", 0.1), ("cubic", 0.5), ("reno", 0.5)] {
        for sender in [Sender::Dialer, Sender::Listener] {
            let lab = Lab::new("f").and_then(|mut lab| {
                lab.congestion_control(control)?;
                lab.set("delay", DELAY)?;
                lab.set("queue", queue)?;
                lab.set("rate", RATE)?;
                Ok(lab)
            });
            let lab = match lab {
                Ok(lab) => lab,
                Err(reason) => {
                    println!("{control}: skipped, no such network can be built here ({reason})");
                    break;
                }
            };
            println!(
                "{control}, a queue of {} ms, the file from the {sender:?}",
                queue * 1e3
            );
            let home = tempfile::tempdir_in("/dev/shm").expect("a temporary directory");
            let file = home.path().join("big.bin");
            File::create(&file)
                .and_then(|file| file.set_len(FILE))
                .expect("room");
            let mut talk = Talk::begin(&lab, sender, home.path()).await;
            show("alone", &talk.lines(duration / 3).await);
            talk.sender
                .type_keys(&format!("/send {}\r", file.display()))
                .await;
            sleep(SETTLED).await;
            let (begun, before) = (Instant::now(), arrived(home.path()));
            let times = talk.lines(duration).await;
            let bytes = arrived(home.path()) - before;
            show("beside it", &times);
            let share = bytes as f64 * 8.0 / begun.elapsed().as_secs_f64() / RATE;
            println!("  the file has {:.0} % of the link", share * 100.0);
        }
    }
}
