//! Calls as a program holds them, by the handle alone.

use std::time::Duration;

use chat_core::driver::Connection;
use chat_core::protocol::{CloseReason, Ended, Event, SendError, Side};
use chat_core::trust::{RejectedKey, Security, Verification};
use chat_core::wire::{Control, LineCodec, MAX_LINE};
use chat_core::{Call, CallError};
use chat_testkit::people::{User, take_one, user};
use chat_testkit::{a_port, soon};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

/// Lets everything happen that can; the clock is paused.
const A_WHILE: Duration = Duration::from_secs(1);

async fn hears(call: &mut Call, text: &str) {
    assert_eq!(soon(call.next()).await.as_deref(), Some(text));
}

/// The end, of which the events tell.
async fn end_of(call: &mut Call) -> std::sync::Arc<Ended> {
    loop {
        if let Event::Ended(ended) = soon(call.next_event()).await.expect("an end") {
            assert!(call.next_event().await.is_none());
            return ended;
        }
    }
}

/// Bob calls Ann, who answers one call on the listener.
async fn dial(bob: &User, ann: &User, listener: &TcpListener) -> [Result<Call, CallError>; 2] {
    let address = listener.local_addr().expect("bound").to_string();
    let (ann_keys, bob_keys) = (ann.keyring(), bob.keyring());
    let accepted = async {
        let (stream, _) = listener.accept().await.expect("a caller");
        Call::accept(stream, &ann_keys, ann.name).await
    };
    let dialed = Call::connect(&address, &bob_keys, bob.name);
    let (dialed, accepted) = soon(async { tokio::join!(dialed, accepted) }).await;
    [dialed, accepted]
}

#[tokio::test]
async fn both_ends_send_and_receive() {
    let (mut caller, mut callee) = Call::pair().await;
    for text in ["hello", "two\nlines", "88", ""] {
        caller.send(text).await.expect("a call");
        callee.send(text).await.expect("a call");
    }
    for text in ["hello", "two\nlines", "88", ""] {
        hears(&mut callee, text).await;
        hears(&mut caller, text).await;
    }
    assert_eq!(callee.peer().name.as_deref(), Some("caller"));
    assert_eq!(caller.peer().name.as_deref(), Some("callee"));
}

#[tokio::test]
async fn a_hang_up_comes_after_everything_that_was_sent() {
    let (caller, mut callee) = Call::pair().await;
    let hearing = tokio::spawn(async move {
        for number in 0..1_000 {
            hears(&mut callee, &number.to_string()).await;
        }
        assert_eq!(soon(callee.next()).await, None);
        callee.hang_up().await
    });
    for number in 0..1_000 {
        caller.send(number.to_string()).await.expect("a call");
    }
    let ended = soon(caller.hang_up()).await;
    assert_eq!(ended.hung_up_by(), Some(Side::Local));
    assert!(ended.unacknowledged.is_empty());
    let ended = soon(hearing).await.expect("no panic");
    assert_eq!(ended.hung_up_by(), Some(Side::Remote));
}

#[tokio::test]
async fn nothing_is_sent_once_the_call_is_over() {
    let (mut caller, callee) = Call::pair().await;
    soon(callee.hang_up()).await;
    assert_eq!(soon(caller.next()).await, None);
    let late = caller.send("too late").await;
    assert!(matches!(late, Err(CallError::Over)));
    let ended = soon(caller.hang_up()).await;
    assert_eq!(ended.hung_up_by(), Some(Side::Remote));
}

#[tokio::test]
async fn dropping_one_end_hangs_up() {
    let (caller, mut callee) = Call::pair().await;
    caller.send("good-bye").await.expect("a call");
    hears(&mut callee, "good-bye").await;
    drop(caller);
    assert_eq!(end_of(&mut callee).await.hung_up_by(), Some(Side::Remote));
}

#[tokio::test]
async fn a_message_that_is_too_long_comes_back() {
    let (mut caller, mut callee) = Call::pair().await;
    let too_long = "x".repeat(MAX_LINE + 1);
    caller.send(too_long.clone()).await.expect("a call");
    loop {
        if let Event::SendFailed(text, error) = soon(caller.next_event()).await.expect("a call") {
            assert!(matches!(error, SendError::TooLong { .. }));
            assert_eq!(text, too_long);
            break;
        }
    }
    caller.send("short").await.expect("a call");
    hears(&mut callee, "short").await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_not_sent_more() {
    let (caller, mut callee) = Call::pair().await;
    let mut sent = 0;
    while let Ok(done) = timeout(A_WHILE, caller.send(format!("{sent} {}", "x".repeat(4096)))).await
    {
        done.expect("a call");
        sent += 1;
        assert!(sent < 10_000, "it is never too much");
    }
    // What was sent is all there, in order, and then there is room again.
    for number in 0..sent {
        let text = soon(callee.next()).await.expect("a call");
        assert!(text.starts_with(&format!("{number} ")), "{number}");
    }
    soon(caller.send("more")).await.expect("a call");
    hears(&mut callee, "more").await;
}

#[tokio::test]
async fn who_only_sends_needs_not_take_the_receipts() {
    const MANY: u64 = 20_000;
    let (mut caller, mut callee) = Call::pair().await;
    let hearing = tokio::spawn(async move {
        for number in 0..MANY {
            hears(&mut callee, &number.to_string()).await;
        }
        callee
    });
    for number in 0..MANY {
        soon(caller.send(number.to_string())).await.expect("a call");
    }
    let _callee = soon(hearing).await.expect("no panic");
    loop {
        match soon(caller.next_event()).await.expect("a call") {
            Event::Delivered(MANY) => break,
            event => assert!(!matches!(event, Event::Ended(_)), "{event:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_that_is_not_waited_for_is_one_at_once() {
    let (caller, mut callee) = Call::pair().await;
    while timeout(A_WHILE, caller.send("x".repeat(4096)))
        .await
        .is_ok()
    {}
    assert!(timeout(A_WHILE, caller.hang_up()).await.is_err());
    assert_eq!(end_of(&mut callee).await.hung_up_by(), Some(Side::Remote));
}

#[tokio::test]
async fn a_call_over_tcp_is_encrypted_and_keys_are_remembered() {
    let (ann, bob) = (user("ann"), user("bob"));
    let (listener, _) = a_port().await;
    for verification in [Verification::New, Verification::Unverified] {
        let [dialed, accepted] = dial(&bob, &ann, &listener)
            .await
            .map(|call| call.expect("a call"));
        let (mut dialed, mut accepted) = (dialed, accepted);
        dialed.send("hello").await.expect("a call");
        hears(&mut accepted, "hello").await;
        accepted.send("hello yourself").await.expect("a call");
        hears(&mut dialed, "hello yourself").await;
        for (call, name, fingerprint) in
            [(&dialed, "ann", ann.key()), (&accepted, "bob", bob.key())]
        {
            assert_eq!(call.peer().name.as_deref(), Some(name));
            let security = Security::Key {
                fingerprint,
                verification,
            };
            assert_eq!(call.peer().security, security);
        }
        let hanging_up = tokio::spawn(dialed.hang_up());
        assert_eq!(end_of(&mut accepted).await.hung_up_by(), Some(Side::Remote));
        let ended = soon(hanging_up).await.expect("no panic");
        assert_eq!(ended.hung_up_by(), Some(Side::Local));
    }
}

#[tokio::test]
async fn a_server_with_another_key_is_refused() {
    let (ann, bob) = (user("ann"), user("bob"));
    let (listener, address) = a_port().await;
    let known = bob.keyring().known;
    known
        .remember("ann", Some(&address.to_string()), ann.key())
        .expect("a file");
    let impostor = user("ann");
    let [dialed, accepted] = dial(&bob, &impostor, &listener).await;
    assert!(
        matches!(dialed, Err(CallError::Key(RejectedKey::Changed(_)))),
        "{dialed:?}"
    );
    assert!(accepted.is_err(), "{accepted:?}");
}

#[tokio::test]
async fn a_caller_is_told_why_it_is_refused() {
    let (ann, bob) = (user("ann"), user("bob"));
    let (listener, _) = a_port().await;
    let known = ann.keyring().known;
    known.block("bob", bob.key()).expect("a file");
    let [dialed, accepted] = dial(&bob, &ann, &listener).await;
    assert!(matches!(accepted, Err(CallError::Key(RejectedKey::Blocked(name))) if name == "bob"));
    let mut dialed = dialed.expect("refused only after its hello");
    assert_eq!(soon(dialed.next()).await, None);
    let ended = soon(dialed.hang_up()).await;
    assert!(
        matches!(&ended.reason, CloseReason::Refused(_)),
        "{:?}",
        ended.reason
    );
}

#[tokio::test]
async fn a_key_that_cannot_be_remembered_ends_the_call() {
    let (ann, bob) = (user("ann"), user("bob"));
    let (listener, address) = a_port().await;
    let (address, keyring) = (address.to_string(), bob.keyring());
    let answered = async {
        let stream = take_one(&listener).await;
        let secured = ann.keyring().tls.accept(stream).await.expect("a handshake");
        let mut connection = Connection::new(secured.stream, LineCodec::chat1());
        let hello = connection.receive_hello().await.expect("a hello");
        (connection, hello)
    };
    let dialed = Call::connect(&address, &keyring, "bob");
    let (dialed, (mut connection, hello)) = soon(async { tokio::join!(dialed, answered) }).await;
    let mut dialed = dialed.expect("nobody is known here yet");
    // Meanwhile, another call has found somebody else there.
    let another = user("another").key();
    let remembered = keyring.known.remember("another", Some(&address), another);
    remembered.expect("a file");

    connection.push_control(&Control::Hello(hello));
    let closing = tokio::spawn(connection.end());
    assert_eq!(soon(dialed.next()).await, None);
    let ended = soon(dialed.hang_up()).await;
    assert!(matches!(&ended.reason, CloseReason::Local(_)), "{ended:?}");
    soon(closing).await.expect("no panic");
}

#[tokio::test]
async fn a_call_to_oneself_is_refused() {
    let ann = user("ann");
    let (listener, _) = a_port().await;
    let [dialed, _] = dial(&ann, &ann, &listener).await;
    assert!(
        matches!(dialed, Err(CallError::Key(RejectedKey::Own))),
        "{dialed:?}"
    );
}

#[tokio::test]
async fn the_programs_and_the_library_call_each_other() {
    let (ann, bob) = (user("ann"), user("bob"));
    let mut server = ann.answers().await;
    let mut call = Call::connect(&server.address.to_string(), &bob.keyring(), "bob")
        .await
        .expect("a call");
    call.send("hello").await.expect("a call");
    server.person.hears("hello").await;
    server.person.says("hello yourself");
    hears(&mut call, "hello yourself").await;
    soon(call.hang_up()).await;
    server.person.call_is_over(Side::Remote).await;

    let (listener, address) = a_port().await;
    let mut client = bob.calls(address);
    let (stream, _) = soon(listener.accept()).await.expect("a caller");
    let mut call = Call::accept(stream, &ann.keyring(), "ann")
        .await
        .expect("a call");
    client.person.says("hello");
    hears(&mut call, "hello").await;
    // The program shows a number; there is nobody to compare it with, but nothing is withheld.
    client.person.sees_safety_number().await;
    client.person.hangs_up();
    while let Some(event) = soon(call.next_event()).await {
        assert!(!matches!(event, Event::SafetyNumber { .. }));
    }
    let ended = soon(call.hang_up()).await;
    assert_eq!(ended.hung_up_by(), Some(Side::Remote));
    client.person.call_is_over(Side::Local).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_in_which_nobody_speaks_sleeps_until_the_next_ping() {
    const MINUTE: Duration = Duration::from_secs(60);
    let (caller, callee) = Call::pair().await;
    sleep(MINUTE).await;
    let parked = || Handle::current().metrics().worker_park_count(0);
    let before = parked();
    sleep(MINUTE).await;
    let wake_ups = parked() - before;
    drop((caller, callee));
    // Every two seconds there is a ping. Its deadline takes the timer wheel of the runtime three
    // steps, its pong one.
    assert!(wake_ups <= 30 * 4, "{wake_ups} wake-ups a minute");
}
