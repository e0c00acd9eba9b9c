//! Ten thousand calls whose programs are killed at random instants and started again: nothing may
//! be lost, doubled or out of order, and no mark may come before its record.
//! `cargo bench --bench crash`; `CHAT_CRASH_RUNS` changes how many.

use std::time::Instant;

use chat_testkit::crash;

const ROUNDS: u64 = 10_000;

#[tokio::main]
async fn main() {
    let rounds = std::env::var("CHAT_CRASH_RUNS");
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    let begun = Instant::now();
    let counts = crash::rounds(rounds).await;
    println!(
        "{} rounds, {} kills, {} messages in {:.0} s: 0 lost, 0 doubled, 0 out of order, 0 marked \
         without a record; {} lines were printed again, whose record a kill had prevented",
        counts.rounds,
        counts.kills,
        counts.messages,
        begun.elapsed().as_secs_f64(),
        counts.printed_again
    );
}
