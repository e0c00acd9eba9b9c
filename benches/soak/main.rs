//! The real programs, talking through a network that resets them again and again: nothing may be
//! lost or doubled, and memory, descriptors and threads must stay flat. `SOAK_SECONDS=1800 cargo
//! bench --bench soak`; a minute without that.

use std::env;
use std::fs;
use std::time::{Duration, Instant};

use chat_testkit::process::{Process, lines};
use chat_testkit::proxy::{Fate, Proxy};

/// Messages that each side says before it hears those of the other.
const PIECE: usize = 500;

/// A connection carries so many bytes, then it is reset.
const CARRIES: usize = 1_000_000;

/// More than there can be.
const CUTS: usize = 100_000;

/// The most memory that either program may ever have used, in KiB.
const MEMORY: u64 = 64 * 1024;

/// So much more may be in use at the end than after a quarter of the time, in KiB.
const GROWTH: u64 = 2 * 1024;

/// The pause between two looks at what is used.
const LOOK: Duration = Duration::from_millis(250);

/// What a process uses.
#[derive(Clone, Copy, Debug)]
struct Use {
    /// In KiB.
    memory: u64,
    /// The most so far, in KiB.
    most_memory: u64,
    threads: u64,
    descriptors: usize,
}

#[tokio::main]
async fn main() {
    let seconds = env::var("SOAK_SECONDS").map_or(60, |text| text.parse().expect("a number"));
    let limit = Duration::from_secs(seconds);
    let (mut server, address) = Process::server(&["--once"]).await;
    let proxy = Proxy::start(address, vec![(CARRIES, Fate::Reset); CUTS]).await;
    let mut client = Process::client(proxy.address, &[]);
    let ids = [server.id(), client.id()];
    let (to_client, to_server) = (lines("ann", PIECE), lines("bob", PIECE));

    let begun = Instant::now();
    let mut looks = Vec::new();
    let mut messages = 0;
    while begun.elapsed() < limit {
        server.types(&to_client).await;
        client.types(&to_server).await;
        for (ann, bob) in to_client.lines().zip(to_server.lines()) {
            client.prints(ann).await;
            server.prints(bob).await;
        }
        messages += 2 * PIECE;
        if begun.elapsed() > LOOK * looks.len() as u32 {
            looks.push(ids.map(now));
        }
    }
    let client = client.hangs_up().await;
    let server = server.ends().await;

    let outages = client.stderr.matches("Back after").count();
    println!("{messages} messages, {outages} outages in {seconds} s");
    let quarters = [1, 2, 3, 4].map(|quarter| looks[(looks.len() * quarter / 4).max(1) - 1]);
    for (quarter, [server, client]) in (1..).zip(quarters) {
        println!("after {quarter}/4:\n  server {server:?}\n  client {client:?}");
    }
    assert_eq!((server.code, client.code), (Some(0), Some(0)));
    assert!(outages as u64 > seconds / 10, "too little happens");
    for (early, late) in quarters[0].iter().zip(quarters[3]) {
        assert!(late.most_memory < MEMORY);
        assert!(late.memory <= early.memory + GROWTH);
        // Those of a connection that is just made come and go.
        assert!(late.threads <= early.threads + 2);
        assert!(late.descriptors <= early.descriptors + 4);
    }
}

/// What a process uses now, while it runs.
fn now(process: u32) -> Use {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let number = |name: &str| {
        let mut lines = status.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = value.and_then(|value| value.split_whitespace().next()?.parse().ok());
        number.expect("the kernel tells")
    };
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).expect("it runs");
    Use {
        memory: number("VmRSS"),
        most_memory: number("VmHWM"),
        threads: number("Threads"),
        descriptors: descriptors.count(),
    }
}
