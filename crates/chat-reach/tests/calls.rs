//! Whole calls by way of a relay on this machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use chat_client::{Connector, Trust};
use chat_core::driver::Input;
use chat_core::transport::{ConnectError, Dial, DialError, Packets};
use chat_core::trust::{Identity, Security};
use chat_core::wire::Framing;
use chat_reach::{ReachDialer, ReachListener, Relay};
use chat_testkit::people::{Server, User, user};
use chat_testkit::soon;
use iroh_relay::server::{self, RelayConfig, ServerConfig};

/// Where nobody listens over TCP.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

const LIMIT: Duration = Duration::from_secs(10);

/// A relay on a free port of this machine. It ends when it is dropped.
async fn relay() -> (server::Server, Relay) {
    let mut config = ServerConfig::default();
    config.relay = Some(RelayConfig::new((Ipv4Addr::LOCALHOST, 0)));
    let server = server::Server::spawn(config).await.expect("a relay");
    let address = server.http_addr().expect("an address");
    let relay = format!("http://{address}").parse().expect("a relay");
    (server, relay)
}

/// Answers calls at a relay.
async fn answers(user: &User, relay: &Relay) -> Server {
    user.key();
    let seed = Identity::seed(user.home.path()).expect("a key");
    let listener = ReachListener::bind(relay, &seed).await;
    let listener = listener.expect("a listener");
    user.answers_on(listener, NOWHERE, user.reception())
}

/// The public key of a user.
fn number(user: &User) -> [u8; 32] {
    let seed = Identity::seed(user.home.path()).expect("a key");
    *iroh::SecretKey::from_bytes(&seed).public().as_bytes()
}

fn dialer(key: &[u8; 32], relay: &Relay) -> ReachDialer {
    let dialer = ReachDialer::new(key, relay.clone(), "the number".to_owned(), LIMIT);
    dialer.expect("a key")
}

/// The way from a user to this number; `pinned_key` is the one that must be behind it.
fn way(user: &User, callee: &User, dialer: ReachDialer) -> Connector<ReachDialer> {
    Connector {
        dialer,
        trust: Trust::Encrypted {
            keyring: user.keyring(),
            pinned_key: Some(callee.key()),
        },
        framing: Framing::Auto,
    }
}

#[tokio::test]
async fn two_people_who_know_only_the_relay_hold_a_call() {
    let (_relay, relay) = relay().await;
    let (ann, bob) = (user("ann"), user("bob"));
    let mut server = answers(&ann, &relay).await;
    let mut client = bob.calls_over(way(&bob, &ann, dialer(&number(&ann), &relay)));
    let callee = client.person.is_called().await;
    let caller = server.person.is_called().await;
    assert_eq!(callee.security.fingerprint(), Some(ann.key()));
    assert_eq!(caller.security.fingerprint(), Some(bob.key()));
    client.person.says("hello");
    server.person.hears("hello").await;
    server.person.says("hello yourself");
    client.person.hears("hello yourself").await;
    let number = client.person.sees_safety_number().await;
    assert_eq!(server.person.sees_safety_number().await, number);
    client.hangs_up().await;
    server.person.reads_the_end().await;
    server.stops().await;
}

#[tokio::test]
async fn a_key_other_than_the_one_that_was_dialed_is_refused() {
    let (_relay, relay) = relay().await;
    let (ann, bob, eve) = (user("ann"), user("bob"), user("eve"));
    // Eve waits under Ann's key, which she cannot use inside.
    let seed = { ann.key(); Identity::seed(ann.home.path()).expect("a key") };
    let listener = ReachListener::bind(&relay, &seed).await.expect("a listener");
    let _server = eve.answers_on(listener, NOWHERE, eve.reception());
    let client = bob.calls_over(way(&bob, &ann, dialer(&number(&ann), &relay)));
    let error = client.fails().await;
    assert!(matches!(error, ConnectError::OtherKey { .. }), "{error}");
}

#[tokio::test]
async fn a_relay_that_is_not_there_is_told_from_a_person_who_is_not() {
    let gone = relay().await.1;
    let (_relay, relay) = relay().await;
    let (ann, key) = (user("ann"), [7; 32]);
    ann.key();
    for (relay, there) in [(&gone, false), (&relay, true)] {
        let key = if there { number(&ann) } else { key };
        let Ok(dialer) = ReachDialer::new(&key, relay.clone(), "ann".into(), Duration::from_secs(4))
        else { continue };
        let failed = soon(dialer.dial(Packets::default())).await;
        match failed.expect_err("nobody is there") {
            DialError::Relay { .. } => assert!(!there),
            DialError::Timeout { .. } => assert!(there),
            error => panic!("{error}"),
        }
    }
}
