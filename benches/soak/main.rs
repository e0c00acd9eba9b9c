//! A million messages between the real programs through a hundred cuts: nothing may be lost or
//! doubled, and memory must stay flat. `cargo bench --bench soak`

use std::fs;
use std::time::{Duration, Instant};

use chat_testkit::process::{Process, lines};
use chat_testkit::proxy::{Fate, Proxy};
use tokio::time::sleep;

/// Messages in each direction.
const MESSAGES: usize = 500_000;

/// Far longer than the call takes.
const LONG_CALL: Duration = Duration::from_secs(600);

const CUTS: usize = 100;

/// The most memory that either program may ever have used, in KiB.
const MEMORY: u64 = 64 * 1024;

/// The pause between two looks at the memory.
const LOOK: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() {
    let (to_client, to_server) = (lines("ann", MESSAGES), lines("bob", MESSAGES));
    let bytes = to_client.len() + to_server.len();
    let (mut server, address) = Process::server(&["--once"]).await;
    // The last connection still has something to carry.
    let cuts = (0..CUTS).map(|_| (bytes / (CUTS + 2), Fate::Reset));
    let proxy = Proxy::start(address, cuts).await;
    let begun = Instant::now();
    let mut client = Process::client(proxy.address, &[]);
    let ids = [server.id(), client.id()];
    server.types_at_last(to_client.clone());
    client.types_at_last(to_server.clone());

    let mut memory: Vec<[u64; 2]> = Vec::new();
    let look = async {
        loop {
            sleep(LOOK).await;
            if let [Some(server), Some(client)] = ids.map(most_memory) {
                memory.push([server, client]);
            }
        }
    };
    let ended =
        async { tokio::join!(server.ends_within(LONG_CALL), client.ends_within(LONG_CALL)) };
    let (server, client) = tokio::select! {
        ended = ended => ended,
        () = look => unreachable!("it looks for ever"),
    };

    let took = begun.elapsed();
    let outages = client.stderr.matches("Back after").count();
    println!(
        "{} messages, {bytes} bytes, {outages} outages in {:.1} s",
        2 * MESSAGES,
        took.as_secs_f64()
    );
    for quarter in 1..=4 {
        let [server, client] = memory[(memory.len() * quarter / 4).saturating_sub(1)];
        println!("VmHWM after {quarter}/4: server {server} KiB, client {client} KiB");
    }
    server.printed_exactly(&to_server);
    client.printed_exactly(&to_client);
    assert_eq!((server.code, client.code), (Some(0), Some(0)));
    assert!(outages >= CUTS, "there were only {outages} outages");
    let most = memory.iter().flatten().max();
    assert!(
        most.is_some_and(|most| *most < MEMORY),
        "{most:?} KiB were used"
    );
}

/// The most memory that a process has used so far, in KiB, while it runs.
fn most_memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
