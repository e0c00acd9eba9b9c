//! The real programs over real sockets, through a network that fails on command.

mod door;
mod stranger;

use std::time::Duration;

use chat_testkit::process::{Process, lines};
use chat_testkit::proxy::{Fate, Proxy};

/// Far longer than a call through many cuts takes.
const LONG_CALL: Duration = Duration::from_secs(600);

/// A call through a proxy; both have heard each other.
async fn call(options: &[&str]) -> (Process, Proxy, Process) {
    call_with(options, &[]).await
}

/// The same, with options of the client.
async fn call_with(server: &[&str], client: &[&str]) -> (Process, Proxy, Process) {
    let (mut server, address) = Process::server(server).await;
    let proxy = Proxy::start(address, []).await;
    let mut client = Process::client(proxy.address, client);
    client.types("hello\n").await;
    server.prints("hello").await;
    server.types("hello yourself\n").await;
    client.prints("hello yourself").await;
    (server, proxy, client)
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_the_network_cuts() {
    let (mut server, address) = Process::server(&["--once"]).await;
    let plan = [
        (30_000, Fate::Reset),
        (2_000, Fate::Reset),
        (400_000, Fate::HalfClosed),
        (4_600, Fate::HalfClosed),
        (300_000, Fate::Reset),
    ];
    let proxy = Proxy::start(address, plan).await;
    let mut client = Process::client(proxy.address, &[]);
    let (to_client, to_server) = (lines("ann", 10_000), lines("bob", 10_000));
    server.types_at_last(to_client.clone());
    client.types_at_last(to_server.clone());
    let (server, client) =
        tokio::join!(server.ends_within(LONG_CALL), client.ends_within(LONG_CALL));
    server.printed_exactly(&to_server);
    client.printed_exactly(&to_client);
    for words in ["reconnecting (1st try)", "Back after", "Call over"] {
        assert!(client.tells(words), "{words}: {client:?}");
    }
    for words in [
        "waiting for the other side to call again",
        "Back after",
        "Call over",
    ] {
        assert!(server.tells(words), "{words}: {server:?}");
    }
    assert_eq!((server.code, client.code), (Some(0), Some(0)));
}

#[tokio::test]
async fn a_silent_link_is_noticed_and_replaced() {
    let (mut server, proxy, mut client) = call(&["--once"]).await;
    proxy.weather(Fate::Stalls);
    client.types("is anybody there?\n").await;
    client.tells("Link silent for 5 s").await;
    proxy.weather(Fate::Carries);
    client.tells("Back after").await;
    server.prints("is anybody there?").await;
    client.types("88\n").await;
    let (server, client) = tokio::join!(server.ends(), client.ends());
    assert!(server.tells("The other side hung up"), "{server:?}");
    assert_eq!((server.code, client.code), (Some(0), Some(0)));
}

#[tokio::test]
async fn the_server_keeps_the_place_and_its_person_goes_on_talking() {
    let (mut server, proxy, mut client) = call(&["--once"]).await;
    proxy.weather(Fate::Reset);
    server
        .tells("waiting for the other side to call again")
        .await;
    client.tells("reconnecting (1st try)").await;
    server.types("take your time\n").await;
    proxy.weather(Fate::Carries);
    client.prints("take your time").await;
    client.types("here I am\n88\n").await;
    server.prints("here I am").await;
    let (server, client) = tokio::join!(server.ends(), client.ends());
    assert_eq!((server.code, client.code), (Some(0), Some(0)));
}

#[tokio::test]
async fn a_hang_up_during_an_outage_is_heard_after_it() {
    let (mut server, address) = Process::server(&[]).await;
    let proxy = Proxy::start(address, []).await;
    let mut client = Process::client(proxy.address, &[]);
    client.types("hello\n").await;
    server.prints("hello").await;
    proxy.weather(Fate::Reset);
    server
        .tells("waiting for the other side to call again")
        .await;
    server.types("88\n").await;
    server.tells("You hung up").await;
    proxy.weather(Fate::Carries);
    client.tells("The other side hung up").await;
    assert_eq!(client.ends().await.code, Some(0));
}

#[tokio::test]
async fn what_was_shown_just_before_a_hang_up_counts_as_received() {
    let (mut server, address) = Process::server(&["--once"]).await;
    let mut client = Process::client(address, &[]);
    client.types("hello\n").await;
    server.prints("hello").await;
    server.types("88\n").await;
    let (server, client) = tokio::join!(server.ends(), client.ends());
    assert!(!client.tells("not received"), "{client:?}");
    assert_eq!((server.code, client.code), (Some(0), Some(0)));
}

#[tokio::test]
async fn without_redial_a_cut_is_the_end() {
    let (mut server, address) = Process::server(&[]).await;
    let proxy = Proxy::start(address, []).await;
    let mut client = Process::client(proxy.address, &["--no-redial"]);
    server.types("hello\n").await;
    client.prints("hello").await;
    proxy.weather(Fate::Reset);
    let client = client.ends().await;
    assert!(client.tells("Connection lost"), "{client:?}");
    assert!(!client.tells("reconnecting"), "{client:?}");
    assert_eq!(client.code, Some(1));
}

#[tokio::test]
async fn refusal_is_weather() {
    let (mut server, proxy, mut client) = call(&["--once"]).await;
    proxy.weather(Fate::Reset);
    client.types("is anybody there?\n").await;
    client
        .tells("Nobody answers at that port. Trying for 5 more minutes; Ctrl-C gives up.")
        .await;
    proxy.weather(Fate::Carries);
    client.tells("Back after").await;
    server.prints("is anybody there?").await;
    client.types("88\n").await;
    let (server, client) = tokio::join!(server.ends(), client.ends());
    assert_eq!((server.code, client.code), (Some(0), Some(0)));
}

#[tokio::test]
async fn who_waits_for_a_server_that_refuses_may_leave() {
    let (_server, proxy, mut client) = call(&[]).await;
    proxy.weather(Fate::Reset);
    client.tells("Nobody answers at that port").await;
    client.signal("INT").await;
    assert_eq!(client.ends().await.code, Some(130));
}

#[tokio::test]
async fn a_server_that_is_gone_for_good_ends_the_call_and_what_it_missed_is_counted() {
    let (mut server, proxy, mut client) = call_with(&[], &["--give-up-after", "3s"]).await;
    // The hello of another connection says what has arrived; a receipt may be late.
    proxy.weather(Fate::Reset);
    client.tells("reconnecting (1st try)").await;
    proxy.weather(Fate::Carries);
    client.tells("Back after").await;
    server.dies().await;
    client.types("are you there?\nplease answer\n").await;
    drop(proxy);
    let client = client.ends().await;
    assert!(
        client.tells("Connection lost, and it could not be restored"),
        "{client:?}"
    );
    assert!(
        client.tells("2 of your messages were not received"),
        "{client:?}"
    );
    assert_eq!(client.code, Some(1));
}
