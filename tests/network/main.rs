//! The real programs over real sockets, through a network that fails on command.

mod program;
mod proxy;
mod stranger;

use program::{Program, lines};
use proxy::{Fate, Proxy};

/// A call through a proxy; both have heard each other.
async fn call(options: &[&str]) -> (Program, Proxy, Program) {
    let (mut server, address) = Program::server(options).await;
    let proxy = Proxy::start(address, []).await;
    let mut client = Program::client(proxy.address, &[]);
    client.says("hello\n").await;
    server.hears("hello\n").await;
    server.says("hello yourself\n").await;
    client.hears("hello yourself\n").await;
    (server, proxy, client)
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_the_network_cuts() {
    let (mut server, address) = Program::server(&["--once"]).await;
    let plan = [
        (30_000, Fate::Reset),
        (2_000, Fate::Reset),
        (400_000, Fate::HalfClosed),
        (4_600, Fate::HalfClosed),
        (300_000, Fate::Reset),
    ];
    let proxy = Proxy::start(address, plan).await;
    let mut client = Program::client(proxy.address, &[]);
    let (to_client, to_server) = (lines("ann", 10_000), lines("bob", 10_000));
    server.says_at_last(to_client.clone());
    client.says_at_last(to_server.clone());
    let (server, client) = tokio::join!(server.ends(), client.ends());
    server.heard_exactly(&to_server);
    client.heard_exactly(&to_client);
    for words in ["reconnecting (1st try)", "Back after", "Call over"] {
        assert!(client.notices(words), "{words}: {client:?}");
    }
    for words in [
        "waiting for the other side to call again",
        "Back after",
        "Call over",
    ] {
        assert!(server.notices(words), "{words}: {server:?}");
    }
    assert_eq!((server.code, client.code), (Some(0), Some(0)));
}

#[tokio::test]
async fn a_silent_link_is_noticed_and_replaced() {
    let (mut server, proxy, mut client) = call(&["--once"]).await;
    proxy.weather(Fate::Stalls);
    client.says("is anybody there?\n").await;
    client.notices("Link silent for 5 s").await;
    client.notices("reconnecting (1st try)").await;
    proxy.weather(Fate::Carries);
    client.notices("Back after").await;
    server.hears("is anybody there?\n").await;
    client.says("88\n").await;
    let (server, client) = tokio::join!(server.ends(), client.ends());
    assert!(server.notices("The other side hung up"), "{server:?}");
    assert_eq!((server.code, client.code), (Some(0), Some(0)));
}

#[tokio::test]
async fn the_server_keeps_the_place_and_its_person_goes_on_talking() {
    let (mut server, proxy, mut client) = call(&["--once"]).await;
    proxy.weather(Fate::Reset);
    server
        .notices("waiting for the other side to call again")
        .await;
    client.notices("reconnecting (2nd try)").await;
    server.says("take your time\n").await;
    proxy.weather(Fate::Carries);
    client.hears("take your time\n").await;
    client.says("here I am\n88\n").await;
    server.hears("here I am\n").await;
    let (server, client) = tokio::join!(server.ends(), client.ends());
    assert_eq!((server.code, client.code), (Some(0), Some(0)));
}

#[tokio::test]
async fn a_hang_up_during_an_outage_is_heard_after_it() {
    let (mut server, address) = Program::server(&[]).await;
    let proxy = Proxy::start(address, []).await;
    let mut client = Program::client(proxy.address, &[]);
    client.says("hello\n").await;
    server.hears("hello\n").await;
    proxy.weather(Fate::Reset);
    server
        .notices("waiting for the other side to call again")
        .await;
    server.says("88\n").await;
    server.notices("You hung up").await;
    proxy.weather(Fate::Carries);
    client.notices("The other side hung up").await;
    assert_eq!(client.ends().await.code, Some(0));
}

#[tokio::test]
async fn what_was_shown_just_before_a_hang_up_counts_as_received() {
    let (mut server, address) = Program::server(&["--once"]).await;
    let mut client = Program::client(address, &[]);
    client.says("hello\n").await;
    server.hears("hello\n").await;
    server.says("88\n").await;
    let (server, client) = tokio::join!(server.ends(), client.ends());
    assert!(!client.notices("not received"), "{client:?}");
    assert_eq!((server.code, client.code), (Some(0), Some(0)));
}

#[tokio::test]
async fn without_redial_a_cut_is_the_end() {
    let (mut server, address) = Program::server(&[]).await;
    let proxy = Proxy::start(address, []).await;
    let mut client = Program::client(proxy.address, &["--no-redial"]);
    server.says("hello\n").await;
    client.hears("hello\n").await;
    proxy.weather(Fate::Reset);
    let client = client.ends().await;
    assert!(client.notices("Connection lost"), "{client:?}");
    assert!(!client.notices("reconnecting"), "{client:?}");
    assert_eq!(client.code, Some(1));
}

#[tokio::test]
async fn a_server_that_is_gone_for_good_ends_the_call_and_what_it_missed_is_counted() {
    let (mut server, proxy, mut client) = call(&[]).await;
    server.dies().await;
    client.notices("reconnecting (1st try)").await;
    client.says("are you there?\nplease answer\n").await;
    drop(proxy);
    let client = client.ends().await;
    assert!(
        client.notices("Connection lost: it could not be had back"),
        "{client:?}"
    );
    assert!(
        client.notices("2 of your messages were not received"),
        "{client:?}"
    );
    assert_eq!(client.code, Some(1));
}
