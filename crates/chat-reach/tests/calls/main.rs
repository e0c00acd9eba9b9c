//! Whole calls by way of a relay on this machine.

mod cut;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use chat_client::{Connector, Trust, Wanted, Ways};
use chat_core::driver::Command;
use chat_core::files::{FileCommand, FileEvent, FileState};
use chat_core::protocol::{ConnectionStatus, Event};
use chat_core::transport::{ConnectError, Dial, DialError, Listen, Packets, Route};
use chat_core::trust::{Identity, Number};
use chat_core::wire::Framing;
use chat_reach::{ReachDialer, ReachListener, ReachStream, Relay};
use chat_testkit::network::NOWHERE;
use chat_testkit::people::{Server, User, user};
use chat_testkit::soon;
use cut::cuttable;
use iroh_relay::server::{self, RelayConfig, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const LIMIT: Duration = Duration::from_secs(30);

/// For calls that must not come about.
const SHORT_LIMIT: Duration = Duration::from_secs(5);

/// A relay on a free port of this machine. It ends when it is dropped.
async fn relay() -> (server::Server, Relay) {
    let server = relay_at((Ipv4Addr::LOCALHOST, 0).into()).await;
    let address = server.http_addr().expect("an address");
    let relay = format!("http://{address}").parse().expect("a relay");
    (server, relay)
}

async fn relay_at(address: SocketAddr) -> server::Server {
    let mut config = ServerConfig::default();
    config.relay = Some(RelayConfig::new(address));
    server::Server::spawn(config).await.expect("a relay")
}

/// Waits at a relay under the key of a user.
async fn listener(user: &User, relay: &Relay) -> ReachListener {
    let seed = Identity::seed(user.home.path()).expect("a key");
    let listener = ReachListener::bind(relay, &seed).await;
    listener.expect("a listener")
}

/// Answers calls at a relay. Returns the number too.
async fn answers(user: &User, relay: &Relay) -> (Server, Number) {
    let reception = user.reception();
    let listener = listener(user, relay).await;
    let number = listener.number();
    (user.answers_on(listener, NOWHERE, reception), number)
}

/// The way of a user to this number.
fn way(user: &User, number: &Number) -> Connector<ReachDialer> {
    let wanted = Wanted::Key(number.key.fingerprint());
    way_over(user, dialer(number), wanted)
}

fn dialer(number: &Number) -> ReachDialer {
    ReachDialer::new(number, LIMIT).expect("a number")
}

/// The way of a user over this dialer.
fn way_over<D>(user: &User, dialer: D, wanted: Wanted) -> Connector<D> {
    Connector {
        dialer,
        trust: Trust::Encrypted {
            keyring: user.keyring(),
            wanted,
        },
        framing: Framing::Auto,
    }
}

#[tokio::test]
async fn two_people_who_know_only_the_relay_hold_a_call() {
    let (_relay, relay) = relay().await;
    let (ann, bob) = (user("ann"), user("bob"));
    let (mut server, number) = answers(&ann, &relay).await;
    let mut client = bob.calls_over(way(&bob, &number));
    let callee = client.person.is_called().await;
    let caller = server.person.is_called().await;
    assert_eq!(callee.security.fingerprint(), Some(ann.key()));
    assert_eq!(caller.security.fingerprint(), Some(bob.key()));
    client.person.says("hello");
    server.person.hears("hello").await;
    server.person.says("hello yourself");
    client.person.hears("hello yourself").await;
    client.hangs_up().await;
    server.person.reads_the_end().await;
    server.stops().await;
    let known = bob.knows(ann.key()).expect("a friend");
    assert_eq!(known.number, Some(number));
}

#[tokio::test]
async fn who_was_called_by_number_is_called_by_name() {
    let (_relay, relay) = relay().await;
    let (ann, bob) = (user("ann"), user("bob"));
    let (mut server, number) = answers(&ann, &relay).await;
    let mut client = bob.calls_over(way(&bob, &number));
    client.person.is_called().await;
    client.hangs_up().await;

    let known = bob.knows(ann.key()).expect("a friend");
    let number = known.number.expect("a number");
    let wanted = Wanted::Known(ann.key());
    let way = way_over(&bob, dialer(&number), wanted);
    let trust = way.trust.clone();
    let ways = Ways::to_known(known.name, trust, LIMIT, vec![way], None);
    let mut client = bob.calls_over(ways);
    let callee = client.person.is_called().await;
    assert_eq!(callee.name.as_deref(), Some("ann"));
    client.person.says("by name");
    server.person.hears("by name").await;
    client.hangs_up().await;
}

#[tokio::test]
async fn a_file_goes_beside_the_talk() {
    let (_relay, relay) = relay().await;
    let (ann, bob) = (user("ann"), user("bob"));
    let (mut server, number) = answers(&ann, &relay).await;
    let mut client = bob.calls_over(way(&bob, &number));
    client.person.is_called().await;
    let path = bob.home.path().join("report.pdf");
    let bytes: Vec<_> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    fs::write(&path, &bytes).expect("written");
    let sends = FileCommand::Send(vec![path]);
    client.person.commands(Command::File(sends));
    let state = |event: &Event| match event {
        Event::File(FileEvent::Offer(_, state)) => Some(state.clone()),
        _ => None,
    };
    while !matches!(server.person.sees(state).await, FileState::Offered) {}
    let (number, name) = (None, None);
    let accepts = FileCommand::Accept { number, name };
    server.person.commands(Command::File(accepts));
    let arrived = loop {
        match server.person.sees(state).await {
            FileState::Done { path, .. } => break path.expect("a path"),
            FileState::Refused(_) | FileState::Failed(_) => panic!("it was to arrive"),
            _ => {}
        }
    };
    assert!(fs::read(arrived).expect("a file") == bytes);
    client.person.says("did you get it?");
    server.person.hears("did you get it?").await;
    client.hangs_up().await;
}

#[tokio::test]
async fn a_call_that_is_cut_goes_on() {
    let (_relay, relay) = relay().await;
    let (ann, bob) = (user("ann"), user("bob"));
    let (mut server, number) = answers(&ann, &relay).await;
    let (dialer, scissors) = cuttable(dialer(&number));
    let wanted = Wanted::Key(number.key.fingerprint());
    let mut client = bob.calls_over(way_over(&bob, dialer, wanted));
    client.person.is_called().await;
    server.person.is_called().await;
    let resumed = |event: &Event| {
        matches!(event, Event::Connection(ConnectionStatus::Resumed { .. })).then_some(())
    };
    for line in ["once", "twice"] {
        scissors.cut();
        client.person.says(line);
        server.person.says(line);
        client.person.sees(resumed).await;
        server.person.hears(line).await;
        client.person.hears(line).await;
    }
    client.hangs_up().await;
}

#[tokio::test]
async fn who_waits_is_told_when_the_relay_is_gone_and_when_it_is_back() {
    let (there, relay) = relay().await;
    let address = there.http_addr().expect("an address");
    let ann = user("ann");
    ann.key();
    let listener = listener(&ann, &relay).await;
    let status = listener.status();
    let mut server = ann.answers_as(listener, NOWHERE, ann.reception(), |config| {
        config.relay = Some(status);
    });
    soon(there.shutdown()).await.expect("it ends");
    let told = server.person.is_told("Nobody can call your number").await;
    assert!(told.contains(&relay.to_string()), "{told}");
    let _there = relay_at(address).await;
    server.person.is_told("can be called again").await;
}

#[tokio::test]
async fn a_key_other_than_the_one_that_was_dialed_is_refused() {
    let (_relay, relay) = relay().await;
    let (ann, bob, eve) = (user("ann"), user("bob"), user("eve"));
    ann.key();
    // Eve waits under Ann's key, and has another one inside.
    let listener = listener(&ann, &relay).await;
    let number = listener.number();
    let _server = eve.answers_on(listener, NOWHERE, eve.reception());
    let error = bob.calls_over(way(&bob, &number)).fails().await;
    assert!(matches!(error, ConnectError::OtherKey { .. }), "{error}");
}

#[tokio::test]
async fn a_relay_that_is_gone_is_told_from_a_person_who_is_not_there() {
    let (server, gone) = relay().await;
    soon(server.shutdown()).await.expect("it ends");
    let (_relay, there) = relay().await;
    let ann = user("ann");
    ann.key();
    let key = listener(&ann, &there).await.number().key;
    for relay in [gone, there.clone()] {
        let number = Number::new(key, &relay.to_string()).expect("a number");
        let dialer = ReachDialer::new(&number, SHORT_LIMIT).expect("a number");
        match soon(dialer.dial(Packets::default()))
            .await
            .expect_err("nobody is there")
        {
            DialError::Relay { .. } => assert_ne!(relay, there),
            DialError::Timeout { .. } => assert_eq!(relay, there),
            error => panic!("{error}"),
        }
    }
}

/// Two ends of a stream, and the one who dialed.
async fn stream(ann: &User, relay: &Relay) -> (ReachDialer, ReachStream, ReachStream) {
    ann.key();
    let mut listener = listener(ann, relay).await;
    let dialer = ReachDialer::new(&listener.number(), LIMIT).expect("a number");
    let dialed = dialer.dial(Packets::default());
    let mut dialed = soon(dialed).await.expect("somebody waits");
    // Nobody is called before something is said.
    dialed.write_all(b"hello").await.expect("a stream");
    let (accepted, _) = soon(listener.accept()).await.expect("a caller");
    // Who is called may go on when nobody waits any more.
    drop(listener);
    (dialer, dialed, accepted)
}

#[tokio::test]
async fn on_one_machine_the_way_becomes_direct() {
    let (_relay, relay) = relay().await;
    let (dialer, _dialed, _accepted) = stream(&user("ann"), &relay).await;
    let mut routes = dialer.routes().expect("several ways");
    let direct = routes.wait_for(|route| *route == Route::Direct);
    assert!(soon(direct).await.is_ok());
}

#[tokio::test]
async fn what_was_written_arrives_although_both_ends_are_dropped() {
    let (_relay, relay) = relay().await;
    let (_dialer, mut dialed, mut accepted) = stream(&user("ann"), &relay).await;
    let written = vec![b'x'; 100_000];
    dialed.write_all(&written).await.expect("a stream");
    drop(dialed);
    let mut read = Vec::new();
    soon(accepted.read_to_end(&mut read))
        .await
        .expect("its end");
    assert_eq!(read.len(), b"hello".len() + written.len());
}
