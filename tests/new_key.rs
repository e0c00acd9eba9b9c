//! A person who makes another key, and friends who are told so and decide.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use chat_core::files::{Record, RecordedSide, Store};
use chat_core::trust::{KnownPeers, PeerState};
use chat_core::wire::{Offer, OfferId};
use chat_testkit::home;
use chat_testkit::process::{Ended, Process, program};
use tempfile::TempDir;

fn client(home: &TempDir, arguments: &[&str]) -> Process {
    Process::start(&program("chat-client"), home.path(), arguments)
}

/// A server that waits for calls, and where.
async fn server(home: &TempDir, on: &str) -> (Process, String) {
    let arguments = [on, "--name", "bob", "--known-only"];
    let mut server = Process::start(&program("chat-server"), home.path(), &arguments);
    let address = server.listens().await.to_string();
    (server, address)
}

/// Runs a client that does something else than to call.
async fn manages(home: &TempDir, arguments: &[&str]) -> Ended {
    client(home, arguments).ends().await
}

/// Makes another key. Returns it.
async fn new_key(home: &TempDir) -> String {
    let made = manages(home, &["--new-key"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let mut keys = made.one_line().split([' ', ',', '.']);
    let key = keys.find(|word| word.starts_with("SHA256:"));
    key.expect("the new key").to_owned()
}

fn known_peers(home: &TempDir) -> KnownPeers {
    KnownPeers::open(home.path()).expect("known peers")
}

/// Ann and Bob have talked, and each has verified the other. Returns Bob's address.
async fn friends() -> (TempDir, TempDir, String) {
    let (ann, bob) = (home(), home());
    let mut server = Process::start(
        &program("chat-server"),
        bob.path(),
        &["127.0.0.1:0", "--name", "bob", "--once"],
    );
    let address = server.listens().await.to_string();
    let mut client = client(&ann, &[&address, "--name", "ann", "--keep"]);
    client.types("hello\n").await;
    server.prints("hello").await;
    server.types("good morning\n").await;
    client.prints("good morning").await;
    assert_eq!(client.hangs_up().await.code, Some(0));
    assert_eq!(server.ends().await.code, Some(0));
    for home in [&ann, &bob] {
        let known = known_peers(home);
        let list = known.load().expect("a list");
        let peer = list.peers().next().expect("the other");
        known
            .verify(&peer.name, peer.fingerprint)
            .expect("verified");
    }
    (ann, bob, address)
}

#[tokio::test]
async fn a_client_is_told_of_a_new_key_and_says_nothing_before_it_is_accepted() {
    let (ann, bob, address) = friends().await;
    let new = new_key(&bob).await;
    let mode = fs::metadata(bob.path().join("identity")).expect("a file");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);

    let (mut server, _) = server(&bob, &address).await;
    let mut caller = client(&ann, &[&address]);
    caller.types("a secret\n").await;
    let refused = caller.ends().await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let line = refused.one_line();
    assert!(line.contains("bob at"), "{line}");
    let vouched = "has a new key, vouched for by the old one";
    let command = format!("chat-client --accept-key bob {new}");
    for part in [vouched, "thief", &command] {
        assert!(line.contains(part), "{part}: {line}");
    }

    let accepted = manages(&ann, &["--accept-key", "bob", &new]).await;
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    let list = known_peers(&ann).load().expect("a list");
    let peer = list.by_address(&address).expect("bob");
    assert_eq!(peer.fingerprint.to_string(), new);
    assert_eq!(peer.state, PeerState::Unverified, "compared again");
    assert_eq!(peer.replaced.len(), 1);
    let read_back = manages(&ann, &["--history", "bob"]).await;
    assert!(read_back.stdout.contains("good morning"), "{read_back:?}");

    let mut caller = client(&ann, &[&address, "--name", "ann"]);
    caller.types("it is me\n").await;
    server.prints("it is me").await;
    assert_eq!(caller.hangs_up().await.code, Some(0));
    assert!(!server.seen.contains("a secret"), "{}", server.seen);
}

#[tokio::test]
async fn a_server_is_told_of_a_new_key_whatever_the_caller_calls_itself() {
    let (ann, bob, address) = friends().await;
    let new = new_key(&ann).await;
    let (mut server, _) = server(&bob, &address).await;
    let refused = client(&ann, &[&address]).ends().await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let told = server.tells("Refused a call").await;
    assert!(
        told.contains("ann, who is calling, has a new key"),
        "{told}"
    );
    let command = format!("chat-server --accept-key ann {new}");
    assert!(told.contains(&command), "{told}");

    // The server that runs sees what was decided.
    let accept = ["--accept-key", "ann", &new];
    let accepted = Process::start(&program("chat-server"), bob.path(), &accept);
    assert_eq!(accepted.ends().await.code, Some(0));
    let mut caller = client(&ann, &[&address]);
    caller.types("hello again\n").await;
    server.prints("hello again").await;
    assert_eq!(caller.hangs_up().await.code, Some(0));
}

/// Whoever has stolen Ann's old key is not she any more, even if he makes it vouch for another.
#[tokio::test]
async fn a_key_that_was_replaced_is_worth_nothing() {
    let (ann, bob, address) = friends().await;
    let thief = home();
    let stolen = fs::read(ann.path().join("identity")).expect("a key");
    fs::write(thief.path().join("identity"), stolen).expect("stolen");
    fs::set_permissions(
        thief.path().join("identity"),
        fs::Permissions::from_mode(0o600),
    )
    .expect("ours");
    let new = new_key(&ann).await;
    let known = known_peers(&bob);
    let list = known.load().expect("a list");
    let name = &list.peers().next().expect("ann").name;
    let new = new.parse().expect("a fingerprint");
    known.accept_key(name, new).expect("accepted");

    let (mut server, _) = server(&bob, &address).await;
    let refused = client(&thief, &[&address]).ends().await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let told = server.tells("Refused a call").await;
    assert!(told.contains("which was replaced by"), "{told}");

    new_key(&thief).await;
    let refused = client(&thief, &[&address, "--name", "ann"]).ends().await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let told = server.tells("Refused a call").await;
    assert!(told.contains("does not have the key of ann"), "{told}");
    assert!(!told.contains("--accept-key"), "{told}");
}

#[tokio::test]
async fn who_is_blocked_is_so_under_a_new_key() {
    let (ann, bob, address) = friends().await;
    let known = known_peers(&bob);
    let key = known
        .load()
        .expect("a list")
        .peers()
        .next()
        .expect("ann")
        .fingerprint;
    known.block("ann", key).expect("blocked");
    new_key(&ann).await;
    let (_server, _) = server(&bob, &address).await;
    let refused = client(&ann, &[&address]).ends().await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("blocked"), "{refused:?}");
}

#[tokio::test]
async fn open_offers_go_to_the_new_key_and_are_forgotten_with_the_peer() {
    let (ann, bob, _) = friends().await;
    let offers = Store::open(ann.path()).expect("a store");
    let offered = Record {
        peer: key_of_bob(&ann),
        offer: Offer {
            id: OfferId::random(),
            name: "holiday.jpg".to_owned(),
            size: 8,
            files: None,
        },
        side: RecordedSide::Sends("holiday.jpg".into()),
    };
    offers.put(&offered).expect("written");
    let new = new_key(&bob).await;
    let accepted = manages(&ann, &["--accept-key", "bob", &new]).await;
    assert_eq!(accepted.code, Some(0), "{accepted:?}");

    let old = offered.peer.parse().expect("a fingerprint");
    let new_key = new.parse().expect("a fingerprint");
    assert_eq!(offers.of_peer(old), []);
    let handed_over = Record {
        peer: new,
        ..offered
    };
    assert_eq!(offers.of_peer(new_key), [handed_over]);
    let forgotten = manages(&ann, &["--forget", "bob"]).await;
    assert_eq!(forgotten.code, Some(0), "{forgotten:?}");
    assert_eq!(offers.of_peer(new_key), []);
}

/// The key by which Ann knows Bob.
fn key_of_bob(ann: &TempDir) -> String {
    let list = known_peers(ann).load().expect("a list");
    let key = list.peers().next().expect("bob").fingerprint;
    key.to_string()
}

#[tokio::test]
async fn a_new_key_is_told_of_by_address_by_name_and_by_key() {
    let (ann, bob, address) = friends().await;
    let old = key_of_bob(&ann);
    let new = new_key(&bob).await;
    let (mut server, _) = server(&bob, &address).await;
    let who = "bob at 127.0.0.1:";
    let command = format!("chat-client --accept-key bob {new}");
    let only_old = ["--peer-key", &old];
    for arguments in [
        &[&*address][..],
        &["bob"],
        &[&address, only_old[0], only_old[1]],
        &["bob", only_old[0], only_old[1]],
    ] {
        let refused = client(&ann, arguments).ends().await;
        assert_eq!(refused.code, Some(3), "{refused:?}");
        for part in [who, "vouched for by the old one", "thief", &command] {
            assert!(
                refused.one_line().contains(part),
                "{arguments:?}: {refused:?}"
            );
        }
        assert_eq!(key_of_bob(&ann), old, "{arguments:?}: decided by nobody");
    }

    // Who knows Bob by his key alone is told, and asks for the new one.
    let carol = home();
    let refused = client(&carol, &[&address, only_old[0], only_old[1]]).ends();
    let refused = refused.await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let command = format!("--peer-key {new}");
    for part in ["vouches for it", "thief", &command] {
        assert!(refused.one_line().contains(part), "{refused:?}");
    }

    let accepted = manages(&ann, &["--accept-key", "bob", &new]).await;
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    let mut caller = client(&ann, &["bob", "--name", "ann"]);
    caller.types("it is me\n").await;
    server.prints("it is me").await;
    assert_eq!(caller.hangs_up().await.code, Some(0));
}

/// Mallory has Bob's address, and a certificate of his in place of the one that signed hers.
#[tokio::test]
async fn a_voucher_of_somebody_else_is_none_whoever_is_called_how() {
    let (ann, bob, address) = friends().await;
    let old = key_of_bob(&ann);
    new_key(&bob).await;
    let mallory = home();
    new_key(&mallory).await;
    let identity = |home: &TempDir| home.path().join("identity");
    let certificate = "-----BEGIN CERTIFICATE-----";
    let hers = fs::read_to_string(identity(&mallory)).expect("a key");
    let his = fs::read_to_string(identity(&bob)).expect("a key");
    let (hers, _) = hers.rsplit_once(certificate).expect("the old one");
    let (_, his) = his.rsplit_once(certificate).expect("the old one");
    let forged = format!("{hers}{certificate}{his}");
    fs::write(identity(&mallory), forged).expect("forged");

    let _server = server(&mallory, &address).await;
    for arguments in [&[&*address][..], &["bob"], &[&address, "--peer-key", &old]] {
        let refused = client(&ann, arguments).ends().await;
        assert_eq!(refused.code, Some(3), "{arguments:?}: {refused:?}");
        for lie in ["vouch", "--accept-key"] {
            assert!(!refused.stderr.contains(lie), "{arguments:?}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn who_is_blocked_is_not_called_under_a_new_key() {
    let (ann, bob, address) = friends().await;
    let old = key_of_bob(&ann);
    let key = old.parse().expect("a fingerprint");
    known_peers(&ann).block("bob", key).expect("blocked");
    new_key(&bob).await;
    let _server = server(&bob, &address).await;
    for arguments in [&[&*address][..], &["bob"], &[&address, "--peer-key", &old]] {
        let refused = client(&ann, arguments).ends().await;
        assert_eq!(refused.code, Some(3), "{arguments:?}: {refused:?}");
        assert!(refused.stderr.contains("blocked"), "{refused:?}");
        assert!(!refused.stderr.contains("--accept-key"), "{refused:?}");
    }
}

#[tokio::test]
async fn no_other_key_is_accepted_by_mistake() {
    let (ann, _bob, _) = friends().await;
    let unknown = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    for (arguments, code) in [
        (&["--accept-key", "carol", unknown][..], 1),
        (&["--accept-key", "bob", "SHA256:x"], 2),
        (&["--accept-key", "bob"], 2),
        (&["--accept-key", "bob", unknown, "--forget", "bob"], 2),
    ] {
        let refused = manages(&ann, arguments).await;
        assert_eq!(refused.code, Some(code), "{arguments:?}: {refused:?}");
    }
}
