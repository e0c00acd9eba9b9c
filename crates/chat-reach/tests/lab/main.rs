//! Calls between two homes that know nothing but a relay. Needs root, and Linux with network
//! namespaces and NAT: `cargo test -p chat-reach --test lab -- --ignored --nocapture`. Where that is
//! not to be had, it is skipped with a word.

mod network;
mod people;

use std::time::{Duration, Instant};

use network::{Nat, Network};
use people::{Person, Programs, Relay};
use tempfile::TempDir;

/// So soon a call must go on once the network is back.
const SOON: Duration = Duration::from_secs(5);

/// How long a direct way is waited for.
const FOR_DIRECT: Duration = Duration::from_secs(10);

/// How often each is tried; `LAB_ROUNDS` says otherwise.
const ROUNDS: usize = 3;

/// A network, and a relay in it.
struct Lab {
    network: Network,
    programs: Programs,
    relay: Relay,
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

    async fn waits(&self) -> (Person, String) {
        let certificate = self.directory.path().join("relay.pem");
        Person::waits(&self.network, &self.programs, &certificate).await
    }

    fn calls(&self, number: &str) -> Person {
        let certificate = self.directory.path().join("relay.pem");
        Person::calls(&self.network, &self.programs, &certificate, number)
    }

    /// Begins a call. Returns also how long the first line took.
    async fn call(&self) -> (Person, Person, Duration) {
        let (mut ann, number) = self.waits().await;
        ann.reads("the relay is there").await;
        let begun = Instant::now();
        let mut bob = self.calls(&number);
        bob.says("hello").await;
        ann.hears("hello").await;
        (ann, bob, begun.elapsed())
    }
}

fn rounds() -> usize {
    let rounds = std::env::var("LAB_ROUNDS").ok();
    rounds
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(ROUNDS)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test]
#[ignore = "needs root"]
async fn everybody_is_reached_behind_every_router() {
    println!("| waits behind | calls from behind | first line, median | the way |");
    println!("|---|---|---|---|");
    for waits in Nat::ALL {
        for calls in Nat::ALL {
            let Some(lab) = Lab::new([waits, calls]).await else {
                return;
            };
            let (mut first_lines, mut direct) = (Vec::new(), 0);
            for _ in 0..rounds() {
                let (_ann, mut bob, first_line) = lab.call().await;
                first_lines.push(first_line);
                direct += usize::from(bob.is_direct_within(FOR_DIRECT).await);
            }
            let all = first_lines.len();
            let way = match direct {
                0 => "relayed".to_owned(),
                direct => format!("direct, {direct} of {all}"),
            };
            let first_line = median(first_lines);
            println!("| {waits} | {calls} | {first_line:.2?} | {way} |");
            let cones = waits != Nat::Symmetric && calls != Nat::Symmetric;
            assert!(!cones || direct > 0, "{waits} and {calls}");
        }
    }
}

#[tokio::test]
#[ignore = "needs root"]
async fn a_network_without_udp_is_left_over_the_relay() {
    let Some(lab) = Lab::new([Nat::PortRestricted; 2]).await else {
        return;
    };
    lab.network.block_udp(0).expect("a rule");
    lab.network.block_udp(1).expect("a rule");
    let (mut ann, mut bob, first_line) = lab.call().await;
    ann.says("hello yourself").await;
    bob.hears("hello yourself").await;
    println!("without UDP: the first line after {first_line:.2?}");
}

#[tokio::test]
#[ignore = "needs root"]
async fn nobody_but_the_relay_and_the_other_side_gets_a_packet() {
    let Some(lab) = Lab::new([Nat::FullCone; 2]).await else {
        return;
    };
    let (mut ann, mut bob, _) = lab.call().await;
    assert!(bob.is_direct_within(FOR_DIRECT).await);
    bob.says("and more").await;
    ann.hears("and more").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    for home in [0, 1] {
        assert_eq!(lab.network.packets_to_others(home).expect("a counter"), "0");
        lab.network.send_to_others(home);
        assert_eq!(lab.network.packets_to_others(home).expect("a counter"), "1");
    }
}

#[tokio::test]
#[ignore = "needs root"]
async fn a_call_outlives_its_relay() {
    for routers in [[Nat::Symmetric; 2], [Nat::FullCone; 2]] {
        let Some(mut lab) = Lab::new(routers).await else {
            return;
        };
        let (mut ann, mut bob, _) = lab.call().await;
        for round in 0..rounds() {
            let certificate = lab.directory.path().join("relay.pem");
            lab.relay.kill().await;
            tokio::time::sleep(Duration::from_secs(10)).await;
            bob.says(&format!("round {round}")).await;
            lab.relay = Relay::start(&lab.network, &lab.programs, &certificate).await;
            let begun = Instant::now();
            ann.hears(&format!("round {round}")).await;
            println!(
                "{}, relay killed: back after {:.2?}",
                routers[0],
                begun.elapsed()
            );
            assert!(begun.elapsed() < SOON);
        }
    }
}

#[tokio::test]
#[ignore = "needs root"]
async fn a_call_outlives_sleep() {
    let Some(lab) = Lab::new([Nat::PortRestricted; 2]).await else {
        return;
    };
    let (mut ann, mut bob, _) = lab.call().await;
    for round in 0..rounds() {
        bob.stop();
        tokio::time::sleep(Duration::from_secs(60)).await;
        ann.says(&format!("good morning {round}")).await;
        bob.wake();
        let begun = Instant::now();
        bob.hears(&format!("good morning {round}")).await;
        println!("60 s asleep: back after {:.2?}", begun.elapsed());
        assert!(begun.elapsed() < SOON);
    }
}

#[tokio::test]
#[ignore = "needs root"]
async fn a_call_moves_to_another_address() {
    for routers in [[Nat::PortRestricted; 2], [Nat::Symmetric; 2]] {
        for home in [0, 1] {
            let Some(lab) = Lab::new(routers).await else {
                return;
            };
            let (mut ann, mut bob, _) = lab.call().await;
            lab.network.readdress(home).expect("an address");
            let begun = Instant::now();
            bob.says("still there?").await;
            ann.hears("still there?").await;
            println!(
                "{}, address changed: back after {:.2?}",
                routers[0],
                begun.elapsed()
            );
            assert!(begun.elapsed() < SOON);
        }
    }
}
