//! Whole calls between people who have keys: who gets through, as whom, and who does not.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat_core::driver::{Command, Input};
use chat_core::protocol::{Event, Peer};
use chat_core::transport::{ALPN, ConnectError, HANDSHAKE_TIMEOUT, TlsError};
use chat_core::trust::{Fingerprint, PeerState, RejectedKey, Security, Verification};
use chat_terminal::exit;
use chat_terminal::locale::Explain;
use chat_testkit::anybody::Anybody;
use chat_testkit::network::{NOWHERE, Network};
use chat_testkit::people::{BACKLOG, Client, Server, User, all_from, take_one, user};
use chat_testkit::wire::Wire;
use chat_testkit::{a_port, soon};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig, version};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
    copy, copy_bidirectional,
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

fn verification(peer: &Peer) -> Verification {
    match peer.security {
        Security::Key { verification, .. } => verification,
        _ => panic!("no key: {peer:?}"),
    }
}

/// The two have met in an ordinary call, each under the other's own name.
async fn have_met(ann: &User, bob: &User) -> SocketAddr {
    let mut server = bob.answers().await;
    let mut client = ann.calls(server.address);
    client.person.is_called().await;
    server.person.is_called().await;
    client.hangs_up().await;
    server.person.reads_the_end().await;
    let address = server.address;
    server.stops().await;
    assert!(ann.knows(bob.key()).is_some() && bob.knows(ann.key()).is_some());
    address
}

/// The owner of a name that was compared is the only one who may use it.
fn has_verified(user: &User, friend: &User) {
    let known = user.keyring().known;
    let verified = known.verify(friend.name, friend.key());
    verified.expect("verified");
}

/// Listens again where somebody was reached before.
async fn again_at(address: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("a socket");
    socket.bind(address).expect("the same port");
    socket.listen(16).expect("the same port")
}

/// Sits between a caller and `server` under a key of its own, for one call.
struct Proxy {
    address: SocketAddr,
    /// What it read of the caller's words.
    read: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    async fn before(server: SocketAddr, mallory: &User) -> Self {
        let (listener, address) = a_port().await;
        Self::on(listener, address, server, mallory)
    }

    fn on(listener: TcpListener, address: SocketAddr, server: SocketAddr, mallory: &User) -> Self {
        let read = Arc::default();
        let proxy = Self {
            address,
            read: Arc::clone(&read),
        };
        let secure = mallory.keyring().tls;
        tokio::spawn(async move {
            let near = secure.accept(take_one(&listener).await);
            let near = near.await.expect("a handshake").stream;
            let far = secure.connect(TcpStream::connect(server).await.expect("a server"));
            let far = far.await.expect("a handshake").stream;
            let (near_read, mut near_write) = tokio::io::split(near);
            let (mut far_read, far_write) = tokio::io::split(far);
            let there = copy_and_keep(near_read, far_write, read);
            drop(tokio::join!(there, copy(&mut far_read, &mut near_write)));
        });
        proxy
    }

    fn has_read(&self) -> String {
        let read = self.read.lock().expect("no panic");
        String::from_utf8_lossy(&read).into_owned()
    }
}

async fn copy_and_keep(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    kept: Arc<Mutex<Vec<u8>>>,
) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let bytes = &bytes[..count];
        kept.lock().expect("no panic").extend_from_slice(bytes);
        if to.write_all(bytes).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    drop(to.shutdown().await);
}

#[tokio::test]
async fn the_first_call_is_new_and_the_second_is_known() {
    let (ann, bob) = (user("ann"), user("bob"));
    let mut server = bob.answers().await;
    for (expected, shown) in [
        (Verification::New, "encrypted, new, unverified"),
        (Verification::Unverified, "encrypted, unverified"),
    ] {
        let mut client = ann.calls(server.address);
        let bob_seen = client.person.is_called().await;
        let ann_seen = server.person.is_called().await;
        assert_eq!(bob_seen.name.as_deref(), Some("bob"));
        assert_eq!(ann_seen.name.as_deref(), Some("ann"));
        assert_eq!(
            (verification(&bob_seen), verification(&ann_seen)),
            (expected, expected)
        );
        client.person.commands(Command::Status);
        client.person.reads(shown).await;
        client.hangs_up().await;
        server.person.reads_the_end().await;
    }
    let known = ann.knows(bob.key()).expect("remembered");
    assert_eq!(known.addresses, [server.address.to_string()]);
    let unverified = PeerState::Unverified;
    assert_eq!((known.name.as_str(), known.state), ("bob", unverified));
    let known = bob.knows(ann.key()).expect("remembered");
    assert_eq!(known.addresses, [""; 0]);
    assert_eq!((known.name.as_str(), known.state), ("ann", unverified));
}

#[tokio::test]
async fn a_friend_is_greeted_by_the_name_known_here() {
    let (mut ann, bob) = (user("ann"), user("bob"));
    let address = have_met(&ann, &bob).await;
    let moved = bob.answers_on(again_at(address).await, address, bob.reception());
    let mut server = moved;
    ann.name = "the queen";
    let mut client = ann.calls(address);
    assert_eq!(server.person.is_called().await.name.as_deref(), Some("ann"));
    client.person.is_called().await;
    client.hangs_up().await;
}

#[tokio::test]
async fn a_friend_who_has_moved_is_known_by_the_key() {
    let (ann, bob) = (user("ann"), user("bob"));
    let old = have_met(&ann, &bob).await;
    let server = bob.answers().await;
    let mut client = ann.calls(server.address);
    let peer = client.person.is_called().await;
    assert_eq!(peer.name.as_deref(), Some("bob"));
    assert_eq!(verification(&peer), Verification::Unverified);
    client.hangs_up().await;
    let known = ann.knows(bob.key()).expect("remembered");
    assert_eq!(
        known.addresses,
        [server.address.to_string(), old.to_string()]
    );
}

#[tokio::test]
async fn a_stranger_with_the_name_of_a_friend_gets_another_one_at_the_dialer() {
    let (ann, bob, other_bob) = (user("ann"), user("bob"), user("Bob"));
    have_met(&ann, &bob).await;
    let server = other_bob.answers().await;
    let mut client = ann.calls(server.address);
    let peer = client.person.is_called().await;
    assert_eq!(peer.name.as_deref(), Some("Bob-2"));
    assert_eq!(verification(&peer), Verification::New);
    client.hangs_up().await;
}

#[tokio::test]
async fn both_screens_show_one_safety_number_and_typing_does_not_wait() {
    let (ann, bob) = (user("ann"), user("bob"));
    let mut server = bob.answers().await;
    let mut client = ann.calls(server.address);
    client.person.says("said before anything is known");
    let anns = client.person.sees_safety_number().await;
    let bobs = server.person.sees_safety_number().await;
    assert_eq!(anns, bobs);
    server.person.hears("said before anything is known").await;
}

/// A program of this kind that leaves out its part of the safety number.
#[tokio::test]
async fn a_peer_that_never_reveals_holds_nothing_up() {
    let (ann, mute) = (user("ann"), user("mute"));
    let (listener, address) = a_port().await;
    let mut client = ann.calls(address);
    client.person.says("is anybody there?");
    let secure = mute.keyring().tls;
    let secured = soon(secure.accept(take_one(&listener).await)).await;
    let mut stream = BufReader::new(secured.expect("a handshake").stream);
    let hello = next_line(&mut stream).await;
    let hello = hello.replace(r#""name":"ann""#, r#""name":"mute""#);
    stream.write_all(hello.as_bytes()).await.expect("written");
    while next_line(&mut stream).await != "is anybody there?\n" {}
    stream.write_all(b"yes\n88\n").await.expect("written");
    client.person.hears("yes").await;
    client.ends().await;
}

async fn next_line(stream: &mut (impl AsyncBufRead + Unpin)) -> String {
    let mut line = String::new();
    let read = soon(stream.read_line(&mut line)).await;
    assert_ne!(read.expect("a line"), 0, "the end came first");
    line
}

/// Another digit; what groups them stays.
fn turned(character: char) -> char {
    match character {
        '9' => '0',
        '0'..='8' => char::from(character as u8 + 1),
        _ => character,
    }
}

#[tokio::test]
async fn verifying_is_remembered_by_the_one_who_did() {
    let (ann, bob) = (user("ann"), user("bob"));
    let mut server = bob.answers().await;
    let mut client = ann.calls(server.address);
    let number = client.person.sees_safety_number().await;
    client.person.commands(Command::Verify(None));
    client.person.reads("read the safety number to you").await;
    client.person.commands(Command::Verify(Some("000".into())));
    client.person.reads("“000” is not a safety number").await;
    let wrong: String = number.chars().map(turned).collect();
    client.person.commands(Command::Verify(Some(wrong)));
    client.person.reads("NOT THE SAME NUMBER").await;
    client.person.commands(Command::Peers);
    client.person.reads("bob  unverified since").await;
    let read_out = format!(" {}-{}", &number[..4], &number[5..]);
    client.person.commands(Command::Verify(Some(read_out)));
    client.person.reads("verified from now on").await;
    client.person.commands(Command::Peers);
    let list = client.person.reads("Known peers").await;
    assert!(list.contains(&format!("{}", bob.key())), "{list}");
    assert!(list.contains("bob  verified since"), "{list}");
    client.hangs_up().await;
    server.person.reads_the_end().await;

    let mut client = ann.calls(server.address);
    assert_eq!(
        verification(&client.person.is_called().await),
        Verification::Verified
    );
    let seen = server.person.is_called().await;
    assert_eq!(verification(&seen), Verification::Unverified);
    client.hangs_up().await;
}

#[tokio::test]
async fn a_call_goes_on_while_another_program_locks_the_known_peers() {
    let (ann, bob) = (user("ann"), user("bob"));
    let mut server = bob.answers().await;
    let mut client = ann.calls(server.address);
    let number = client.person.sees_safety_number().await;
    let lock = File::create(ann.home.path().join("known_peers.lock")).expect("a file");
    lock.lock().expect("nobody else has the lock");
    client.person.commands(Command::Verify(Some(number)));
    for round in 0..10 {
        let line = format!("line {round}");
        server.person.says(&line);
        client.person.hears(&line).await;
        client.person.says(&line);
        server.person.hears(&line).await;
    }
    drop(lock);
    client.person.reads("verified from now on").await;
    client.hangs_up().await;
}

#[tokio::test]
async fn strangers_with_a_man_in_the_middle_see_different_numbers() {
    let (ann, mallory, bob) = (user("ann"), user("mallory"), user("bob"));
    let mut server = bob.answers().await;
    let proxy = Proxy::before(server.address, &mallory).await;
    let mut client = ann.calls(proxy.address);
    assert_eq!(
        verification(&client.person.is_called().await),
        Verification::New
    );
    assert_eq!(
        verification(&server.person.is_called().await),
        Verification::New
    );
    let anns = client.person.sees_safety_number().await;
    let bobs = server.person.sees_safety_number().await;
    assert_ne!(anns, bobs);
    client.person.says("can you hear me?");
    server.person.hears("can you hear me?").await;
    let read = proxy.has_read();
    assert!(read.contains("can you hear me?"), "a true proxy: {read}");
}

/// Both keys, since when, and the way to forget the old one.
fn tells_of_change(told: &str, program: &str, name: &str, old: Fingerprint, new: Fingerprint) {
    for part in [
        old.to_string(),
        new.to_string(),
        "since 20".to_owned(),
        format!("{program} --forget {name}"),
    ] {
        assert!(told.contains(&part), "{part}: {told}");
    }
    assert!(!told.contains('\n'), "{told}");
}

#[tokio::test]
async fn a_man_in_the_middle_of_friends_is_refused_and_hears_nothing() {
    let (ann, mallory, bob) = (user("ann"), user("ann"), user("bob"));
    let address = have_met(&ann, &bob).await;
    has_verified(&bob, &ann);
    let mut server = bob.answers().await;
    let listener = again_at(address).await;
    let proxy = Proxy::on(listener, address, server.address, &mallory);
    let client = ann.calls(address);
    client.person.says("a secret");
    let refusal = client.fails().await;
    assert_eq!(exit::code_without_call(&refusal), 3);
    tells_of_change(
        &refusal.explain(),
        "chat-client",
        "bob",
        bob.key(),
        mallory.key(),
    );
    assert_eq!(proxy.has_read(), "", "not even a hello");

    // Nor can he call bob in ann's name.
    let posing = mallory.calls(server.address);
    posing.person.says("hi bob, it is me");
    let (code, _) = posing.ends().await;
    assert_eq!(code, 3);
    let told = server.person.reads("Refused a call").await;
    tells_of_change(&told, "chat-server", "ann", ann.key(), mallory.key());
    let rest = server.stops().await;
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn the_name_of_an_account_is_told_to_those_one_knows() {
    let (root, other_root, bob) = (user("root"), user("root"), user("bob"));
    let mut server = bob.answers().await;
    for (user, name) in [
        (&root, None),
        (&other_root, None),
        (&root, Some("root")),
        (&other_root, Some("root-2")),
        (&root, Some("root")),
    ] {
        let mut client = user.calls_unnamed(server.address);
        client.person.is_called().await;
        let peer = server.person.is_called().await;
        assert_eq!(peer.name.as_deref(), name);
        if name == Some("root-2") {
            server.person.reads("You know another root").await;
        }
        // Strangers who call again and again without a word would ring at last.
        client.person.says("hello");
        server.person.hears("hello").await;
        client.hangs_up().await;
        server.person.reads_the_end().await;
    }
}

/// One call under the name of a friend who has not called yet once locked the friend out.
#[tokio::test]
async fn nobody_can_take_a_name_by_calling_first() {
    let (squatter, dave, bob) = (user("dave"), user("dave"), user("bob"));
    let mut server = bob.answers().await;
    for (user, name, notice) in [
        (&squatter, "dave", None),
        (&dave, "dave-2", Some("You know another dave")),
        (&dave, "dave-2", None),
    ] {
        let mut client = user.calls(server.address);
        client.person.is_called().await;
        let peer = server.person.is_called().await;
        assert_eq!(peer.name.as_deref(), Some(name));
        if let Some(notice) = notice {
            server.person.reads(notice).await;
        }
        client.hangs_up().await;
        server.person.reads_the_end().await;
    }
}

/// Names that look alike on every screen.
#[tokio::test]
async fn a_name_that_looks_like_that_of_a_friend_is_none() {
    let (ann, bob) = (user("ann"), user("bob"));
    let mut server = bob.answers().await;
    has_verified(&bob, &ann);
    for impostor in [
        "\u{430}nn",
        "an\u{2800}n",
        "ａｎｎ",
        "a\u{301}nn",
        "ann\u{fffc}",
    ] {
        let posing = user(impostor).calls(server.address);
        let (code, _) = posing.ends().await;
        assert_eq!(code, 3, "{impostor}");
        server.person.reads("Refused a call").await;
    }
}

#[tokio::test]
async fn whom_one_has_blocked_is_neither_answered_nor_called() {
    let (ann, bob) = (user("ann"), user("$(reboot)"));
    let address = have_met(&ann, &bob).await;
    for (user, friend) in [(&ann, &bob), (&bob, &ann)] {
        let known = user.keyring().known;
        known.block("", friend.key()).expect("blocked");
    }
    let server = bob.answers_on(again_at(address).await, address, bob.reception());
    let client = ann.calls(address);
    client.person.says("a secret");
    let refusal = client.fails().await;
    let rejected = matches!(
        refusal,
        ConnectError::Key {
            reason: RejectedKey::Blocked(_),
            ..
        }
    );
    assert!(rejected, "{refusal}");
    assert_eq!(exit::code_without_call(&refusal), 3);
    let safe_to_paste = "chat-client --forget '$(reboot)'";
    assert!(refusal.explain().contains(safe_to_paste), "{refusal}");

    ann.keyring().known.forget(bob.name).expect("known");
    let client = ann.calls(address);
    client.person.says("it is me");
    let (code, ended) = client.ends().await;
    assert_eq!(code, 3);
    assert!(ended.contains("your key is blocked"), "{ended}");
    assert_eq!(server.stops().await, [""; 0], "not a word of it");
}

#[tokio::test]
async fn whoever_is_blocked_during_the_handshake_is_turned_away_at_its_end() {
    let (ann, bob) = (user("ann"), user("bob"));
    let address = have_met(&ann, &bob).await;
    let server = bob.answers_on(again_at(address).await, address, bob.reception());
    let stream = TcpStream::connect(address).await.expect("he listens");
    let secured = ann.keyring().tls.connect(stream).await.expect("TLS");
    let mut wire = Wire::new(secured.stream);

    let known = bob.keyring().known;
    known.block(ann.name, ann.key()).expect("blocked");
    let id = "0".repeat(32);
    let hello = format!(r#"{{"hello":{{"name":"ann","conversation":"{id}","received":0}}}}"#);
    wire.sends(format!("\u{1}{hello}\n")).await;
    wire.receives("\u{1}{\"refused\":{\"code\":\"blocked\"")
        .await;
    assert_eq!(server.stops().await, [""; 0], "nothing of it is shown");
}

#[tokio::test]
async fn nobody_calls_themselves() {
    let bob = user("bob");
    let mut server = bob.answers().await;
    let client = bob.calls(server.address);
    client.person.says("is that me?");
    let refusal = client.fails().await;
    let rejected = matches!(
        refusal,
        ConnectError::Key {
            reason: RejectedKey::Own,
            ..
        }
    );
    assert!(rejected, "{refusal}");
    assert!(refusal.explain().contains("CHAT_HOME="), "{refusal}");
    assert_eq!(exit::code_without_call(&refusal), 3);

    // A program that does not notice, or somebody who has taken the key.
    let secure = bob.keyring().tls;
    let stream = TcpStream::connect(server.address).await;
    let secured = soon(secure.connect(stream.expect("a server"))).await;
    let mut stream = BufReader::new(secured.expect("a handshake").stream);
    let id = "ab".repeat(16);
    let hello =
        format!("\u{1}{{\"hello\":{{\"name\":\"\",\"conversation\":\"{id}\",\"received\":0}}}}\n");
    stream.write_all(hello.as_bytes()).await.expect("written");
    stream.flush().await.expect("flushed");
    let refused = next_line(&mut stream).await;
    assert!(refused.contains("refused"), "{refused}");
    server.person.reads("your own key").await;
    assert!(bob.knows(bob.key()).is_none());
}

/// Somebody who can break handshakes must not be helped by what the program advises.
#[tokio::test]
async fn a_broken_handshake_with_a_friend_leads_to_no_lesser_call() {
    let (ann, bob) = (user("ann"), user("bob"));
    let address = have_met(&ann, &bob).await;
    let listener = again_at(address).await;
    for answer in [&b"hello\r\n"[..], b"", b"\x15\x03\x03\0\x02\x02\x28"] {
        let client = ann.calls(address);
        let mut stream = take_one(&listener).await;
        stream.write_all(answer).await.expect("written");
        stream.shutdown().await.expect("shut down");
        let refusal = client.fails().await;
        assert_eq!(exit::code_without_call(&refusal), 3, "{refusal:?}");
        let told = refusal.explain();
        assert!(told.contains("somebody may be in between"), "{told}");
        assert!(told.contains("bob"), "{told}");
        for way_down in ["--plain", "--forget", "--allow"] {
            assert!(!told.contains(way_down), "{told}");
        }
    }
}

#[tokio::test]
async fn a_changed_key_is_refused_by_the_server_which_goes_on() {
    let (ann, new_ann, bob) = (user("ann"), user("ann"), user("bob"));
    let address = have_met(&ann, &bob).await;
    has_verified(&bob, &ann);
    let mut server = bob.answers_on(again_at(address).await, address, bob.reception());
    let client = new_ann.calls(address);
    client.person.says("a secret");
    let (code, ended) = client.ends().await;
    assert_eq!(code, 3);
    assert!(ended.contains("your key is not the one"), "{ended}");
    assert!(!ended.contains("SHA256"), "no more than that: {ended}");
    let told = server.person.reads("Refused a call").await;
    tells_of_change(&told, "chat-server", "ann", ann.key(), new_ann.key());

    let mut client = ann.calls(address);
    client.person.says("it is me");
    server.person.hears("it is me").await;
    client.person.is_called().await;
    client.hangs_up().await;
    server.person.reads_the_end().await;

    // Forgotten, so there is nothing to compare the new key with.
    bob.keyring().known.forget("ann").expect("known");
    let mut client = new_ann.calls(address);
    let peer = server.person.is_called().await;
    assert_eq!(
        (peer.name.as_deref(), verification(&peer)),
        (Some("ann"), Verification::New)
    );
    client.person.is_called().await;
    client.hangs_up().await;
}

#[tokio::test]
async fn only_the_demanded_key_is_spoken_to() {
    let (ann, bob, mallory) = (user("ann"), user("bob"), user("mallory"));
    let mut server = bob.answers().await;
    let mut client = ann.calls_over(ann.way_to_only(bob.key(), server.address));
    client.person.says("good");
    server.person.hears("good").await;
    client.person.is_called().await;
    client.hangs_up().await;

    let server = mallory.answers().await;
    let client = ann.calls_over(ann.way_to_only(bob.key(), server.address));
    client.person.says("a secret");
    let refusal = client.fails().await;
    assert!(
        matches!(refusal, ConnectError::OtherKey { .. }),
        "{refusal:?}"
    );
    assert_eq!(exit::code_without_call(&refusal), 3);
    assert!(refusal.explain().contains(&mallory.key().to_string()));
    assert_eq!(server.stops().await, [""; 0]);
}

#[tokio::test]
async fn known_only_leaves_strangers_outside() {
    let (ann, bob, stranger) = (user("ann"), user("bob"), user("stranger"));
    have_met(&ann, &bob).await;
    let mut server = bob
        .answers_with(|reception| reception.known_only = true)
        .await;

    let client = stranger.calls(server.address);
    client.person.says("let me in");
    let (code, ended) = client.ends().await;
    assert_eq!(code, 3);
    assert!(ended.contains("your key is not known there"), "{ended}");
    assert_eq!(bob.knows(stranger.key()), None);

    let mut stock = stock_client(&[]).connect_to(server.address).await;
    let line = String::from_utf8(all_from(&mut stock).await).expect("text");
    assert!(line.contains("callers whose key it knows"), "{line}");

    let mut plain = TcpStream::connect(server.address).await.expect("a server");
    plain.write_all(b"let me in\n").await.expect("written");
    let line = String::from_utf8(all_from(&mut plain).await).expect("text");
    assert!(line.contains("callers whose key it knows"), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");

    let client = ann.calls(server.address);
    client.person.says("it is me");
    server.person.hears("it is me").await;
    client.person.does(Input::HangUp);
    client.ends().await;
}

/// A TLS client or server that is none of ours.
struct Foreign<T>(T);

fn stock_client(alpn: &[&[u8]]) -> Foreign<TlsConnector> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .expect("a version")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    client.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Foreign(Arc::new(client).into())
}

impl Foreign<TlsConnector> {
    async fn try_connect_to(&self, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await.expect("a server");
        let name = ServerName::try_from("localhost").expect("a name");
        let connected = soon(self.0.connect(name, stream)).await?;
        Ok(connected.into())
    }

    async fn connect_to(&self, address: SocketAddr) -> TlsStream<TcpStream> {
        let connected = self.try_connect_to(address).await;
        connected.expect("a handshake")
    }
}

/// A server with an ECDSA certificate, which asks for none.
fn stock_server(alpn: &[&[u8]]) -> Foreign<TlsAcceptor> {
    let key = rcgen::KeyPair::generate().expect("an ECDSA key");
    let params = rcgen::CertificateParams::default();
    let certificate = params.self_signed(&key).expect("a certificate");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .expect("a version")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.into()], key.into())
        .expect("a certificate");
    server.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Foreign(Arc::new(server).into())
}

impl Foreign<TlsAcceptor> {
    /// Takes one call, and answers all that is said in it.
    async fn hears_all(self, listener: TcpListener) -> Vec<u8> {
        let stream = take_one(&listener).await;
        match soon(self.0.accept(stream)).await {
            Ok(mut stream) => all_from(&mut stream).await,
            Err(_) => Vec::new(),
        }
    }
}

/// The type of each TLS record (RFC 8446, section 5.1): 22 is a handshake, 21 an alert.
fn record_types(mut bytes: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [kind, _, _, high, low, rest @ ..] = bytes {
        types.push(*kind);
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        bytes = rest.get(length..).expect("whole records");
    }
    types
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn a_plaintext_server_hears_a_client_hello_and_no_more() {
    let ann = user("ann");
    for answer in ["220 mail.example ESMTP\r\n", "hello, who is there?\n", "88"] {
        let (listener, address) = a_port().await;
        let client = ann.calls(address);
        client.person.says("a secret");
        let mut stream = take_one(&listener).await;
        stream.write_all(answer.as_bytes()).await.expect("written");
        stream.shutdown().await.expect("an open stream");
        let heard = all_from(&mut stream).await;
        let refusal = client.fails().await;
        assert_eq!(exit::code_without_call(&refusal), 3, "{refusal}");
        assert!(refusal.explain().contains("--plain"), "{refusal}");
        let types = record_types(&heard);
        assert!(matches!(types[..], [22] | [22, 21]), "{types:?}");
        assert!(!contains(&heard, b"ann") && !contains(&heard, b"secret"));
    }
}

/// No proof of plain text, but no encryption either.
#[tokio::test]
async fn servers_that_close_or_echo_do_not_encrypt_either() {
    let ann = user("ann");
    for echoes in [false, true] {
        let (listener, address) = a_port().await;
        let client = ann.calls(address);
        let mut stream = take_one(&listener).await;
        let mut hello = [0; 4096];
        let count = stream.read(&mut hello).await.expect("a ClientHello");
        if echoes {
            let echoed = stream.write_all(&hello[..count]).await;
            echoed.expect("written");
        }
        drop(stream);
        let refusal = client.fails().await;
        assert_eq!(exit::code_without_call(&refusal), 3, "{refusal}");
        assert!(refusal.explain().contains("--plain"), "{refusal}");
    }
}

#[tokio::test]
async fn a_known_address_is_not_called_in_plain_text() {
    let (ann, bob) = (user("ann"), user("$(reboot)"));
    let address = have_met(&ann, &bob).await;
    let listener = again_at(address).await;
    let refusal = ann.calls_over(ann.plain_way_to(address)).fails().await;
    assert_eq!(exit::code_without_call(&refusal), 3);
    let told = refusal.explain();
    assert!(told.contains("--plain"), "{told}");
    assert!(!told.contains("--forget"), "no way around it: {told}");
    let nobody = timeout(Duration::ZERO, listener.accept()).await;
    assert!(nobody.is_err(), "not even a connection");
}

#[tokio::test]
async fn a_known_address_that_answers_without_its_key_is_refused() {
    let (ann, bob) = (user("ann"), user("bob"));
    let address = have_met(&ann, &bob).await;
    let listener = again_at(address).await;
    let client = ann.calls(address);
    client.person.says("a secret");
    let heard = soon(stock_server(&[]).hears_all(listener));
    let (heard, refusal) = tokio::join!(heard, client.fails());
    assert_eq!(heard, b"");
    assert!(
        matches!(refusal, ConnectError::Downgraded { .. }),
        "{refusal:?}"
    );
    assert_eq!(exit::code_without_call(&refusal), 3);
    assert!(refusal.explain().contains(&bob.key().to_string()));
}

#[tokio::test]
async fn a_server_that_only_claims_to_speak_chat_1_is_refused() {
    let ann = user("ann");
    let (listener, address) = a_port().await;
    let client = ann.calls(address);
    client.person.says("a secret");
    let heard = soon(stock_server(&[ALPN]).hears_all(listener));
    let (heard, refusal) = tokio::join!(heard, client.fails());
    assert_eq!(heard, b"");
    assert_eq!(exit::code_without_call(&refusal), 3);
    assert!(refusal.explain().contains("no Ed25519 key"), "{refusal}");
}

#[tokio::test]
async fn callers_cannot_choose_their_way_past_chat_1() {
    let bob = user("bob");
    let server = bob.answers().await;
    let other = stock_client(&[b"h2", b"http/1.1"]);
    let refused = other.try_connect_to(server.address).await;
    assert!(refused.is_err(), "another protocol");

    let mut keyless = stock_client(&[b"h2", ALPN])
        .connect_to(server.address)
        .await;
    let hello = concat!(
        "\u{1}{\"hello\":{\"name\":\"ann\",\"conversation\":",
        "\"00000000000000000000000000000000\",\"received\":0}}\nhi\n"
    );
    // It may have been hung up on already.
    drop(keyless.write_all(hello.as_bytes()).await);
    let heard = all_from(&mut keyless).await;
    assert_eq!(heard, b"", "chat/1 without a key");
    let told = server.stops().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("shows no Ed25519 key"), "{told:?}");
}

#[tokio::test]
async fn stock_peers_are_marked_for_as_long_as_the_call_lasts() {
    let bob = user("bob");
    let mut server = bob.answers().await;
    let mut caller = stock_client(&[]).connect_to(server.address).await;
    let peer = server.person.is_called().await;
    assert_eq!(peer.security, Security::NoKey { post_quantum: true });
    caller.write_all(b"hello\n").await.expect("written");
    caller.flush().await.expect("sent");
    server.person.hears("hello").await;
    server.person.commands(Command::Status);
    server.person.reads("encrypted, no key").await;
    server.person.commands(Command::Verify(None));
    server.person.reads("no key to verify").await;

    let ann = user("ann");
    let (listener, address) = a_port().await;
    let mut client = ann.calls(address);
    client.person.says("hello");
    let Foreign(acceptor) = stock_server(&[]);
    let accepted = soon(acceptor.accept(take_one(&listener).await)).await;
    let mut stream = BufReader::new(accepted.expect("a handshake"));
    assert_eq!(next_line(&mut stream).await, "hello\n");
    let peer = client.person.is_called().await;
    assert_eq!(peer.security, Security::NoKey { post_quantum: true });
    client.person.commands(Command::Status);
    client.person.reads("encrypted, no key").await;
}

#[tokio::test]
async fn plaintext_callers_are_marked_or_told_what_to_do() {
    let bob = user("bob");
    let mut server = bob
        .answers_with(|reception| reception.allow_plain = true)
        .await;
    let mut caller = TcpStream::connect(server.address).await.expect("a server");
    caller.write_all(b"hello\n").await.expect("written");
    let peer = server.person.is_called().await;
    assert_eq!(peer.security, Security::Plaintext);
    server.person.hears("hello").await;
    server.person.commands(Command::Status);
    server.person.reads("NOT ENCRYPTED").await;
    drop(caller);

    let server = bob.answers().await;
    let mut caller = TcpStream::connect(server.address).await.expect("a server");
    caller.write_all(b"hello\n").await.expect("written");
    let line = String::from_utf8(all_from(&mut caller).await).expect("text");
    assert_eq!(line.lines().count(), 1, "{line}");
    for advice in ["chat-client", "--allow-plain"] {
        assert!(line.contains(advice), "{line}");
    }
    let shown = server.stops().await;
    assert_eq!(shown, [""; 0], "nothing of it was shown");
}

#[tokio::test(start_paused = true)]
async fn a_silent_caller_hears_what_to_do_once_no_handshake_can_be_on_its_way() {
    let bob = user("bob");
    let (network, callers) = Network::new();
    let _server = bob.answers_on(network, NOWHERE, bob.reception());
    let mut caller = callers.connect(4096);
    let started = Instant::now();
    let mut byte = [0];
    caller.read_exact(&mut byte).await.expect("a line");
    let waited = started.elapsed();
    let soon = HANDSHAKE_TIMEOUT + Duration::from_millis(100);
    assert!((HANDSHAKE_TIMEOUT..soon).contains(&waited), "{waited:?}");
    let rest = String::from_utf8(all_from(&mut caller).await).expect("text");
    assert!(rest.contains("--allow-plain"), "{rest}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_held_up_on_its_way_is_still_answered() {
    let (ann, bob) = (user("ann"), user("bob"));
    let (network, callers) = Network::new();
    let _server = bob.answers_on(network, NOWHERE, bob.reception());
    let near = callers.connect(64 * 1024);
    sleep(HANDSHAKE_TIMEOUT - Duration::from_millis(100)).await;
    let secured = ann.keyring().tls.connect(near).await;
    secured.expect("not a word in plain text before it");
}

/// A call that is on, and a caller's way to disturb it.
struct Disturbed {
    ann: Client,
    bob: Server,
    lines: usize,
}

impl Disturbed {
    async fn begin(bob: &User) -> Self {
        let mut server = bob.answers().await;
        let mut client = user("ann").calls(server.address);
        client.person.is_called().await;
        server.person.is_called().await;
        Self {
            ann: client,
            bob: server,
            lines: 0,
        }
    }

    async fn connect(&self) -> TcpStream {
        let connected = TcpStream::connect(self.bob.address).await;
        connected.expect("a server")
    }

    /// The two go on talking, each hearing the other.
    async fn goes_on(&mut self) {
        self.lines += 1;
        let line = format!("line {}", self.lines);
        self.ann.person.says(&line);
        self.bob.person.hears(&line).await;
        self.bob.person.says(&line);
        self.ann.person.hears(&line).await;
    }

    async fn ends_well(self) {
        self.ann.hangs_up().await;
        let mut bob = self.bob;
        let ended = bob.person.reads_the_end().await;
        assert!(ended.contains("hung up"), "{ended}");
    }
}

/// The start of a TLS record that promises a ClientHello.
const HALF_A_HELLO: [u8; 6] = [22, 3, 1, 1, 0, 1];

#[tokio::test]
async fn strangers_do_not_disturb_a_call() {
    let bob = user("bob");
    let mut call = Disturbed::begin(&bob).await;
    let mut hanging = Vec::new();
    for round in 0..3_u8 {
        let messages: [&[u8]; 6] = [
            b"",
            b"GET / HTTP/1.1\r\nHost: bob\r\n\r\n",
            b"SSH-2.0-scanner\r\n",
            &[0xff; 9_000],
            &[22; 9_000],
            // TLS 1.0, and nothing of what we speak.
            &[22, 3, 1, 0, 5, 1, 0, 0, 1, round],
        ];
        for message in messages {
            let mut stranger = call.connect().await;
            // It may be hung up on before it has said it all.
            drop(stranger.write_all(message).await);
            drop(stranger);
            let mut stranger = call.connect().await;
            drop(stranger.write_all(message).await);
            hanging.push(stranger);
            call.goes_on().await;
        }
    }
    assert_eq!(hanging.len(), 18, "half-open all the while");
    call.goes_on().await;
    call.ends_well().await;
}

#[tokio::test]
async fn a_slow_sender_does_not_delay_a_call() {
    let bob = user("bob");
    let mut call = Disturbed::begin(&bob).await;
    let mut slow = call.connect().await;
    for byte in HALF_A_HELLO {
        slow.write_all(&[byte]).await.expect("written");
        call.goes_on().await;
    }
    call.ends_well().await;
}

#[tokio::test]
async fn who_waits_for_a_server_that_ends_is_told() {
    let (ann, bob, cem) = (user("ann"), user("bob"), user("cem"));
    let mut server = bob.answers().await;
    let mut first = ann.calls(server.address);
    first.person.is_called().await;
    let mut second = cem.calls(server.address);
    second.person.reads("you are next").await;
    server.person.reads("is calling too").await;
    server.stops().await;
    first.ends().await;
    let (code, ended) = second.ends().await;
    assert_eq!(
        (code, ended.as_str()),
        (
            4,
            "The other side refused the call: nobody takes calls there any more."
        )
    );
}

/// How many strangers call in a row: in the ordinary tests just so many that a leak shows.
const CROWD: usize = 500;

#[tokio::test]
async fn a_crowd_does_not_disturb_a_call() {
    let bob = user("bob");
    let mut call = Disturbed::begin(&bob).await;
    for number in 0..CROWD {
        let mut stranger = call.connect().await;
        let message: &[u8] = if number % 2 == 0 { b"x" } else { &HALF_A_HELLO };
        drop(stranger.write_all(message).await);
        if number % 50 == 0 {
            call.goes_on().await;
        }
    }
    call.ends_well().await;
}

/// Five of them once made a server busy for ever.
#[tokio::test]
async fn stock_callers_who_left_after_a_byte_take_no_seat() {
    let (ann, bob, eve) = (user("ann"), user("bob"), user("eve"));
    let mut server = bob.answers().await;
    let mut client = ann.calls(server.address);
    client.person.is_called().await;
    for _ in 0..6 {
        let mut squatter = stock_client(&[]).connect_to(server.address).await;
        squatter.write_all(b"x").await.expect("written");
        squatter.flush().await.expect("sent");
        server.person.reads("is calling too").await;
    }
    let mut late = eve.calls(server.address);
    let waits = |event: &Event| matches!(event, Event::QueuePosition(_)).then_some(());
    late.person.sees(waits).await;
    client.hangs_up().await;
}

#[tokio::test]
async fn a_crowd_of_callers_does_not_flood_the_screen() {
    let bob = user("bob");
    let mut call = Disturbed::begin(&bob).await;
    let mut waiting = Vec::new();
    for number in 0..40 {
        let mut stranger = stock_client(&[]).connect_to(call.bob.address).await;
        if number < BACKLOG {
            waiting.push(stranger);
            continue;
        }
        let line = String::from_utf8(all_from(&mut stranger).await).expect("text");
        assert!(line.starts_with("busy"), "{line}");
    }
    call.ann.person.says("are you there?");
    let shown = call.bob.person.reads_until("are you there?").await;
    assert!(shown.len() < 20, "{shown:?}");
}

#[tokio::test(start_paused = true)]
async fn hanging_handshakes_keep_nobody_out() {
    let (ann, bob) = (user("ann"), user("bob"));
    let (network, callers) = Network::new();
    let mut server = bob.answers_on(network, NOWHERE, bob.reception());
    let started = Instant::now();
    let mut hanging = Vec::new();
    for _ in 0..200 {
        let mut stranger = callers.connect(4096);
        stranger.write_all(&HALF_A_HELLO).await.expect("written");
        hanging.push(stranger);
    }
    let near = callers.connect(64 * 1024);
    let secure = ann.keyring().tls;
    let secured = secure.connect(near).await.expect("a handshake");
    let mut stream = secured.stream;
    stream
        .write_all(hello("ann", 1, false).as_bytes())
        .await
        .expect("written");
    stream.flush().await.expect("sent");
    assert_eq!(server.person.is_called().await.name.as_deref(), Some("ann"));
    let waited = started.elapsed();
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}

/// A hello of chat/1, for the conversation of this number.
fn hello(name: &str, conversation: u8, resumed: bool) -> String {
    format!(
        "\u{1}{{\"hello\":{{\"name\":\"{name}\",\"conversation\":\"{conversation:032x}\",\
         \"received\":0,\"resumed\":{resumed}}}}}\n"
    )
}

/// A caller goes on with a call on many connections at once, and ends it.
#[tokio::test]
async fn connections_that_come_too_late_do_not_get_into_the_next_call() {
    let (mallory, ann, bob) = (user("mallory"), user("ann"), user("bob"));
    let mut server = bob.answers().await;
    let secure = mallory.keyring().tls;
    let mut connections = Vec::new();
    for _ in 0..12 {
        let stream = TcpStream::connect(server.address).await.expect("a server");
        let secured = soon(secure.connect(stream)).await;
        connections.push(secured.expect("a handshake").stream);
    }
    let (first, others) = connections.split_first_mut().expect("twelve");
    first
        .write_all(hello("mallory", 1, false).as_bytes())
        .await
        .expect("written");
    first.flush().await.expect("sent");
    server.person.is_called().await;
    for connection in others {
        let ended = hello("mallory", 1, true) + "88\n";
        // It may be over already.
        drop(connection.write_all(ended.as_bytes()).await);
        drop(connection.flush().await);
    }
    server.person.reads_the_end().await;

    let mut client = ann.calls(server.address);
    client.person.says("hello");
    let peer = server.person.is_called().await;
    assert_eq!(peer.name.as_deref(), Some("ann"));
    server.person.hears("hello").await;
    server.person.says("hello yourself");
    client.person.hears("hello yourself").await;
    client.hangs_up().await;
}

/// Takes the first call through to `server` and cuts it on demand; answers the next itself.
async fn hijacked(
    listener: TcpListener,
    server: SocketAddr,
    cut: Arc<Notify>,
    thief: User,
) -> TlsError {
    let mut near = take_one(&listener).await;
    let mut far = TcpStream::connect(server).await.expect("a server");
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        () = cut.notified() => {}
    }
    drop((near, far));
    let secure = thief.keyring().tls;
    let secured = secure.accept(take_one(&listener).await).await;
    secured.expect_err("another key is wanted")
}

#[tokio::test]
async fn a_call_that_was_cut_is_not_taken_up_by_another_key() {
    let (ann, bob, mallory) = (user("ann"), user("bob"), user("bob"));
    let (old_key, new_key) = (bob.key(), mallory.key());
    let mut server = bob.answers().await;
    let (listener, address) = a_port().await;
    let cut = Arc::new(Notify::new());
    let thief = hijacked(listener, server.address, Arc::clone(&cut), mallory);
    let thief = tokio::spawn(thief);
    let mut client = ann.calls(address);
    client.person.is_called().await;
    server.person.is_called().await;
    cut.notify_one();
    client.person.reads("Connection lost").await;
    client.person.says("a secret");
    let (code, ended) = client.ends().await;
    assert_eq!(code, 1);
    tells_of_change(&ended, "chat-client", "bob", old_key, new_key);
    assert!(
        ended.contains("1 of your messages was not received"),
        "{ended}"
    );
    let learned = soon(thief).await.expect("no panic");
    let learned = learned.to_string();
    assert!(learned.contains("alert"), "not even who calls: {learned}");
}
