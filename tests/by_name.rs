//! Calls by name: all ways to a peer at once, and only the one that leads to its key.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chat_client::Search;
use chat_core::protocol::{ConnectionStatus, Event};
use chat_core::transport::tcp::TcpDialer;
use chat_core::transport::{ConnectError, TlsError};
use chat_testkit::a_port;
use chat_testkit::people::{User, take_one, user};
use chat_testkit::proxy::{Fate, Proxy};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// `user` has dialed `friend` at these addresses, the last one first.
fn has_dialed(user: &User, friend: &User, addresses: &[SocketAddr]) {
    for address in addresses.iter().rev() {
        let known = user.keyring().known;
        known
            .remember(friend.name, Some(&address.to_string()), friend.key())
            .expect("remembered");
    }
}

/// Finds one way, once.
fn finds(user: &User, friend: &User, address: SocketAddr) -> Search<TcpDialer> {
    let way = user.way_to_known(friend.key(), address);
    Arc::new(move || {
        let (found, finding) = mpsc::channel(1);
        found.try_send(way.clone()).expect("room");
        finding
    })
}

/// An address at which nobody listens.
async fn nobody() -> SocketAddr {
    a_port().await.1
}

#[tokio::test]
async fn who_has_her_old_address_now_hears_nothing() {
    let (ann, bob, carol, dave) = (user("ann"), user("bob"), user("carol"), user("dave"));
    let (mut at_anns, mut at_bobs) = (ann.answers().await, bob.answers().await);
    let addresses = [at_bobs.address, at_anns.address];
    has_dialed(&carol, &ann, &addresses);

    let ways = carol.ways_to_known("ann", ann.key(), &addresses, None);
    let mut call = carol.calls_over(ways);
    assert_eq!(call.person.is_called().await.name.as_deref(), Some("ann"));
    call.person.says("hello, ann");
    at_anns.person.hears("hello, ann").await;
    call.hangs_up().await;

    // The first thing that Bob's screen shows is the call of somebody else.
    let next = dave.calls(at_bobs.address);
    let first = |event: &Event| match event {
        Event::QueueLength(0) => None,
        event => Some(event.clone()),
    };
    let first = at_bobs.person.sees(first).await;
    match first {
        Event::Established(peer) => assert_eq!(peer.name.as_deref(), Some("dave")),
        other => panic!("{other:?}"),
    }
    assert_eq!(bob.knows(carol.key()), None);
    next.hangs_up().await;
    let known = carol.knows(ann.key()).expect("ann");
    assert_eq!(known.addresses[0], at_anns.address.to_string());
}

#[tokio::test]
async fn who_has_another_key_does_not_learn_who_called() {
    let (ann, bob, carol) = (user("ann"), user("bob"), user("carol"));
    let (listener, address) = a_port().await;
    let ways = carol.ways_to_known("ann", ann.key(), &[address], None);
    let call = carol.calls_over(ways);
    let accepted = bob.keyring().tls.accept(take_one(&listener).await).await;
    match accepted {
        Err(TlsError::Handshake(error)) => {
            assert!(matches!(error, rustls::Error::AlertReceived(_)), "{error}");
        }
        other => panic!("{other:?}"),
    }
    match call.fails().await {
        ConnectError::OtherKey { wanted, found, .. } => {
            assert_eq!((wanted, found), (ann.key(), Some(bob.key())));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_address_that_is_silent_holds_nobody_up() {
    let (ann, carol) = (user("ann"), user("carol"));
    let at_anns = ann.answers().await;
    // It takes connections and says nothing on them.
    let (_silent, silence) = a_port().await;
    let addresses = [silence, at_anns.address];
    let ways = carol.ways_to_known("ann", ann.key(), &addresses, None);
    let begun = Instant::now();
    let mut call = carol.calls_over(ways);
    call.person.is_called().await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    call.hangs_up().await;
}

#[tokio::test]
async fn a_way_that_does_not_win_leaves_no_trace_with_the_peer() {
    let (ann, carol) = (user("ann"), user("carol"));
    let at_anns = ann.answers().await;
    // Over the first way the handshake begins, and hangs.
    let proxy = Proxy::start(at_anns.address, [(1_000, Fate::Stalls)]).await;
    let addresses = [proxy.address, at_anns.address];
    let ways = carol.ways_to_known("ann", ann.key(), &addresses, None);
    let mut call = carol.calls_over(ways);
    call.person.is_called().await;
    call.hangs_up().await;
    let shown = at_anns.stops().await;
    let calls = shown.iter().filter(|row| row.contains("Call with carol"));
    assert_eq!(calls.count(), 1, "{shown:#?}");
    let trouble = ["efused", "calling", "waiting", "broke off"];
    let trouble = |row: &&String| trouble.iter().any(|words| row.contains(words));
    assert_eq!(shown.iter().find(trouble), None, "{shown:#?}");
}

#[tokio::test]
async fn who_is_at_no_known_address_is_looked_for_and_found() {
    let (ann, bob, carol) = (user("ann"), user("bob"), user("carol"));
    let (at_anns, at_bobs) = (ann.answers().await, bob.answers().await);
    let old = [nobody().await, at_bobs.address];
    has_dialed(&carol, &ann, &old);
    let search = finds(&carol, &ann, at_anns.address);
    let ways = carol.ways_to_known("ann", ann.key(), &old, Some(search));
    let mut call = carol.calls_over(ways);
    call.person.is_called().await;
    call.hangs_up().await;
    let known = carol.knows(ann.key()).expect("ann");
    assert_eq!(known.addresses[0], at_anns.address.to_string());
}

#[tokio::test]
async fn who_is_nowhere_is_not_there_and_each_way_says_why() {
    let (ann, bob, carol) = (user("ann"), user("bob"), user("carol"));
    let at_bobs = bob.answers().await;
    let addresses = [nobody().await, at_bobs.address];
    let ways = carol.ways_to_known("ann", ann.key(), &addresses, None);
    match carol.calls_over(ways).fails().await {
        ConnectError::NoWay { name, errors } => {
            assert_eq!(name, "ann");
            assert!(matches!(errors[0], ConnectError::Dial(_)), "{errors:?}");
            assert!(errors[1].is_another_peer(), "{errors:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_address_of_another_friend_is_not_written_down() {
    let (ann, bob, carol) = (user("ann"), user("bob"), user("carol"));
    let at_anns = ann.answers().await;
    // Bob had this address before.
    has_dialed(&carol, &bob, &[at_anns.address]);
    has_dialed(&carol, &ann, &[nobody().await]);
    let search = finds(&carol, &ann, at_anns.address);
    let ways = carol.ways_to_known("ann", ann.key(), &[], Some(search));
    let mut call = carol.calls_over(ways);
    assert_eq!(call.person.is_called().await.name.as_deref(), Some("ann"));
    call.hangs_up().await;
    let address = at_anns.address.to_string();
    let at_address = |friend: &User| {
        let known = carol.knows(friend.key()).expect("known");
        known.addresses.contains(&address)
    };
    assert!(at_address(&bob) && !at_address(&ann));
}

#[tokio::test]
async fn a_call_goes_on_over_another_way() {
    let (ann, carol) = (user("ann"), user("carol"));
    let mut at_anns = ann.answers().await;
    let proxy = Proxy::start(at_anns.address, []).await;
    let addresses = [proxy.address, at_anns.address];
    let ways = carol.ways_to_known("ann", ann.key(), &addresses, None);
    let mut call = carol.calls_over(ways);
    call.person.is_called().await;
    proxy.weather(Fate::Reset);
    let again = |event: &Event| {
        matches!(event, Event::Connection(ConnectionStatus::Resumed { .. })).then_some(())
    };
    call.person.says("over the other way");
    at_anns.person.hears("over the other way").await;
    call.person.sees(again).await;
    call.hangs_up().await;
}
