//! A person who makes another key, and friends who are told so and decide.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use chat_core::trust::{KnownPeers, PeerState};
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
    for part in [vouched, "stolen", &command] {
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
    assert!(told.contains("ann, who calls, has a new key"), "{told}");
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
