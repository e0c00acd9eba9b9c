//! Calls between two homes that know nothing but a relay. Needs root, and Linux with network
//! namespaces and NAT: `cargo test -p chat-reach --test lab -- --ignored --nocapture`. Where that is
//! not to be had, it is skipped with a word.

mod call;
mod figures;
mod network;
mod people;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use call::Call;
use figures::Times;
use network::{ADDRESSES, Nat, Network, Place, RELAY, RELAY_NAME};
use people::{Person, Programs, Relay};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// So soon a call must go on once the network is back.
const SOON: Duration = Duration::from_secs(5);

/// So soon the first line must be there where both routers let everybody or somebody in.
const FIRST_LINE: Duration = Duration::from_secs(1);

/// How long a direct way is waited for.
const FOR_DIRECT: Duration = Duration::from_secs(10);

/// The same, once the network lets it through that did not before.
const FOR_DIRECT_AGAIN: Duration = Duration::from_secs(90);

/// Between two looks at the same counter.
const A_MOMENT: Duration = Duration::from_millis(100);

/// A line that takes longer is a pause that a person notices.
const NOTICED: Duration = Duration::from_millis(500);

/// How often each is tried; `LAB_ROUNDS` says otherwise.
const ROUNDS: usize = 3;

/// A network, and a relay in it.
struct Lab {
    network: Network,
    programs: Programs,
    relay: Relay,
    /// The homes of the users, and the certificate of the relay.
    directory: TempDir,
}

impl Lab {
    /// Nothing where there can be none.
    async fn new(routers: [Nat; 2]) -> Option<Self> {
        let network = match Network::new(routers) {
            Ok(network) => network,
            Err(error) => {
                eprintln!("skipped: {error}");
                return None;
            }
        };
        let programs = Programs::build().await;
        let directory = tempfile::tempdir().expect("a directory");
        let relay = Relay::start(&network, &programs, &directory.path().join("relay.pem")).await;
        Some(Self {
            network,
            programs,
            relay,
            directory,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Whoever is in this home starts a program.
    fn start(&self, home: usize, program: &str, args: &[&str]) -> Person {
        let mut command = self
            .network
            .command(Place::Home(home), &self.programs.path(program));
        command.args(args);
        let user = self.path(&format!("user{home}"));
        Person::start(command, &user, &self.path("relay.pem"))
    }

    /// Waits for calls in the first home.
    fn waits(&self, args: &[&str]) -> Person {
        // The one of the last round may not be gone yet.
        let args = [&["-v", "--reach", RELAY, "0"], args].concat();
        self.start(0, "chat-server", &args)
    }

    /// Calls from the second.
    fn calls(&self, whom: &str, args: &[&str]) -> Person {
        let args = [&["-v", "--connect-timeout", "30s", whom], args].concat();
        self.start(1, "chat-client", &args)
    }

    /// Whoever is in this home types a command, and these arguments behind it.
    fn types(&self, home: usize, command: &str, args: &[&str]) -> Person {
        let (program, rest) = command.split_once(' ').expect("a program");
        let args: Vec<_> = rest.split(' ').chain(args.iter().copied()).collect();
        self.start(home, program, &args)
    }

    /// Begins a call.
    async fn call(&self) -> Call {
        let mut ann = self.waits(&[]);
        let number = ann.number(RELAY).await;
        ann.reads("the relay is there").await;
        let begun = Instant::now();
        let mut bob = self.calls(&number, &[]);
        bob.says("hello").await;
        ann.hears("hello").await;
        Call {
            ann,
            bob,
            first_line: begun.elapsed(),
        }
    }

    async fn kill_relay(&mut self) {
        self.relay.kill().await;
    }

    async fn start_relay(&mut self) {
        let certificate = self.path("relay.pem");
        self.relay = Relay::start(&self.network, &self.programs, &certificate).await;
    }
}

/// The commands that the README gives for calls across the internet: of who waits and who calls.
fn commands_of_the_readme() -> [String; 2] {
    let readme = include_str!("../../../../README.md");
    let chapter = readme.split("## Across the internet").nth(1);
    let block = chapter.and_then(|chapter| chapter.split("```").nth(1));
    let commands = block.expect("a block").lines().skip(1).map(|line| {
        let command = line.split('#').next().expect("a command");
        command.trim().to_owned()
    });
    let commands: Vec<_> = commands.collect();
    commands.try_into().expect("two commands")
}

fn rounds() -> usize {
    let rounds = std::env::var("LAB_ROUNDS").ok();
    rounds
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(ROUNDS)
}

#[tokio::test]
#[ignore = "needs root"]
async fn everybody_is_reached_behind_every_router() {
    println!("| waits behind | calls from behind | first line, median and worst | the way |");
    println!("|---|---|---|---|");
    let pairs = Nat::ALL.map(|waits| Nat::ALL.map(|calls| [waits, calls]));
    for routers in pairs.into_iter().flatten() {
        let Some(lab) = Lab::new(routers).await else {
            return;
        };
        let (mut first_lines, mut direct) = (Times::default(), 0);
        for _ in 0..rounds() {
            let mut call = lab.call().await;
            first_lines.add(call.first_line);
            direct += usize::from(call.bob.is_direct_within(FOR_DIRECT).await);
        }
        let all = first_lines.count();
        let way = match direct {
            0 => "relayed".to_owned(),
            direct => format!("direct, {direct} of {all}"),
        };
        let [waits, calls] = routers;
        println!("| {waits} | {calls} | {first_lines} | {way} |");
        if !routers.contains(&Nat::Symmetric) {
            assert_eq!(direct, all, "{waits} and {calls}");
            assert!(first_lines.median() <= FIRST_LINE, "{waits} and {calls}");
        }
    }
}

#[tokio::test]
#[ignore = "needs root"]
async fn everybody_is_reached_without_udp() {
    for (blocked, who) in [
        (&[0, 1][..], "both"),
        (&[0], "who waits"),
        (&[1], "who calls"),
    ] {
        let Some(lab) = Lab::new([Nat::PortRestricted; 2]).await else {
            return;
        };
        for home in blocked {
            lab.network.block_udp(*home).expect("a rule");
        }
        let mut first_lines = Times::default();
        for _ in 0..rounds() {
            let mut call = lab.call().await;
            first_lines.add(call.first_line);
            call.exchange("without UDP").await;
        }
        println!("| UDP blocked for {who} | port-restricted | {first_lines} | relayed, over TCP |");
    }
}

#[tokio::test]
#[ignore = "needs root"]
async fn nobody_but_the_relay_and_the_other_side_gets_a_packet() {
    let Some(lab) = Lab::new([Nat::FullCone; 2]).await else {
        return;
    };
    let mut call = lab.call().await;
    assert!(call.bob.is_direct_within(FOR_DIRECT).await);
    call.exchange("and more").await;
    sleep(Duration::from_secs(10)).await;
    let to_others = |home| lab.network.packets_to_others(home).expect("a counter");
    assert_eq!([0, 1].map(to_others), [0, 0]);
    // By the word n0 alone somebody else is asked.
    let _n0 = lab.start(0, "chat-server", &["--reach", "n0", "0"]);
    let asked = async {
        while to_others(0) == 0 {
            sleep(A_MOMENT).await;
        }
    };
    assert!(timeout(FOR_DIRECT, asked).await.is_ok());
    assert_eq!(to_others(1), 0);
}

#[tokio::test]
#[ignore = "needs root"]
async fn what_the_readme_says_is_true_where_only_the_relay_is_known() {
    let Some(lab) = Lab::new([Nat::PortRestricted; 2]).await else {
        return;
    };
    let [waits, calls] = commands_of_the_readme();
    let downloads = lab.path("downloads");
    let downloads = downloads.to_str().expect("UTF-8");
    let mut ann = lab.types(0, &waits, &["--name", "ann", "--accept-files", downloads]);
    let number = ann.number(RELAY_NAME).await;
    let command = calls.replace(&format!("KEY@{RELAY_NAME}"), &number);
    assert_ne!(command, calls);
    let mut bob = lab.types(1, &command, &[]);
    bob.says("by your number").await;
    ann.hears("by your number").await;
    bob.hangs_up().await;

    // The next time her name will do, for a file as well.
    let mut bob = lab.types(1, "chat-client ann", &[]);
    bob.says("by your name").await;
    ann.hears("by your name").await;
    bob.hangs_up().await;
    let sent = lab.path("report.pdf");
    fs::write(&sent, vec![b'x'; 1_000_000]).expect("written");
    let sent = sent.to_str().expect("UTF-8");
    lab.types(1, "chat-client ann --send-file", &[sent])
        .ends()
        .await;
    let arrived = fs::read(lab.path("downloads/report.pdf")).expect("a file");
    assert!(arrived == fs::read(sent).expect("a file"));
}

#[tokio::test]
#[ignore = "needs root"]
async fn a_direct_way_is_taken_without_a_cut() {
    let (mut at_the_start, mut longest_at_the_start) = (Times::default(), Times::default());
    let (mut later, mut longest_later) = (Times::default(), Times::default());
    for _ in 0..rounds() {
        let Some(lab) = Lab::new([Nat::PortRestricted; 2]).await else {
            return;
        };
        let mut call = lab.call().await;
        let change = call.becomes_direct(FOR_DIRECT).await.expect("a way");
        at_the_start.add(change.after);
        longest_at_the_start.add(change.longest_line);
        call.bob.hangs_up().await;

        for home in [0, 1] {
            lab.network.block_udp(home).expect("a rule");
        }
        let mut call = lab.call().await;
        sleep(SOON).await;
        assert!(call.bob.has_read("Direct").is_none());
        for home in [0, 1] {
            lab.network.let_udp_out(home).expect("a rule");
        }
        let change = call.becomes_direct(FOR_DIRECT_AGAIN).await.expect("a way");
        later.add(change.after);
        longest_later.add(change.longest_line);
    }
    println!("direct after {at_the_start} of a call; a line took {longest_at_the_start}");
    println!("direct after {later} once UDP was let out; a line took {longest_later}");
    assert!(longest_at_the_start.worst().max(longest_later.worst()) < NOTICED);
}

#[tokio::test]
#[ignore = "needs root"]
async fn a_call_outlives_its_relay() {
    for routers in [[Nat::Symmetric; 2], [Nat::FullCone; 2]] {
        let Some(mut lab) = Lab::new(routers).await else {
            return;
        };
        let mut call = lab.call().await;
        let mut back = Times::default();
        for round in 0..rounds() {
            lab.kill_relay().await;
            sleep(Duration::from_secs(10)).await;
            call.bob.says(&format!("without it {round}")).await;
            lab.start_relay().await;
            let begun = Instant::now();
            call.ann.hears(&format!("without it {round}")).await;
            call.exchange(&format!("with it {round}")).await;
            back.add(begun.elapsed());
        }
        call.says_nothing().await;
        let (router, times) = (routers[0], back.count());
        println!("relay killed, {router}, {times} times: back after {back}");
        assert!(back.worst() < SOON);
    }
}

#[tokio::test]
#[ignore = "needs root"]
async fn a_call_outlives_sleep() {
    let Some(lab) = Lab::new([Nat::PortRestricted; 2]).await else {
        return;
    };
    let mut call = lab.call().await;
    let mut back = Times::default();
    for round in 0..rounds() {
        let (asleep, awake) = call.ends(round % 2);
        asleep.stop();
        sleep(Duration::from_secs(60)).await;
        awake.says(&format!("good morning {round}")).await;
        let begun = Instant::now();
        asleep.wake();
        asleep.hears(&format!("good morning {round}")).await;
        call.exchange(&format!("awake {round}")).await;
        back.add(begun.elapsed());
    }
    call.says_nothing().await;
    println!("60 s asleep, {} times: back after {back}", back.count());
    assert!(back.worst() < SOON);
}

#[tokio::test]
#[ignore = "needs root"]
async fn a_call_moves_to_another_network() {
    for routers in [[Nat::PortRestricted; 2], [Nat::Symmetric; 2]] {
        let Some(lab) = Lab::new(routers).await else {
            return;
        };
        let mut call = lab.call().await;
        let (mut addresses, mut back) = ([0, 0], Times::default());
        for round in 0..rounds() {
            // Either machine, at once or after a while.
            let (home, pause) = (round % 2, Duration::from_secs(3) * (round as u32 / 2 % 2));
            lab.network.leave(home).expect("an address");
            let (moves, _) = call.ends(home);
            moves.says(&format!("on my way {round}")).await;
            sleep(pause).await;
            addresses[home] ^= 1;
            let address = ADDRESSES[addresses[home]];
            lab.network.join(home, address).expect("an address");
            let begun = Instant::now();
            let (_, stays) = call.ends(home);
            stays.hears(&format!("on my way {round}")).await;
            call.exchange(&format!("there {round}")).await;
            back.add(begun.elapsed());
        }
        call.says_nothing().await;
        let (router, times) = (routers[0], back.count());
        println!("another network, {router}, {times} times: back after {back}");
        assert!(back.worst() < SOON);
    }
}
