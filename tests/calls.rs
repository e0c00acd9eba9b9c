//! Scripted conversations, over loopback unless a test needs its own clock.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chat_core::driver::{CallConfig, CallDriver, Command, Connection, Input, Source, Step};
use chat_core::protocol::{CloseReason, Disconnect, Ended, Event, Plain, SendError, Side};
use chat_core::wire::{Batch, Frame, Framing, LineCodec, MAX_LINE};
use chat_terminal::exit;
use chat_testkit::network::Network;
use chat_testkit::scripted::{
    Person, Program, call, client, client_with, hold, server, server_config, server_on, server_with,
};
use chat_testkit::soon;
use chat_testkit::wire::Wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::task::yield_now;
use tokio::time::{Instant, advance, interval, sleep, timeout};

fn finished(event: &Event) -> Option<()> {
    matches!(event, Event::PeerEof).then_some(())
}

fn idle_timeout(limit: Duration) -> CallConfig {
    CallConfig {
        idle_timeout: Some(limit),
        ..CallConfig::default()
    }
}

#[tokio::test]
async fn both_talk_at_once() {
    let (mut server, mut client) = call().await;
    for round in 0..10 {
        server.person.says(&format!("server {round}"));
        client.person.says(&format!("client {round}"));
    }
    for round in 0..10 {
        server.person.hears(&format!("client {round}")).await;
        client.person.hears(&format!("server {round}")).await;
    }
}

#[tokio::test]
async fn ten_thousand_lines_cross_each_way() {
    let (mut server, mut client) = call().await;
    for number in 0..10_000 {
        server.person.says(&format!("{number} from the server"));
        client.person.says(&format!("{number} 从客户端"));
    }
    for number in 0..10_000 {
        server.person.hears(&format!("{number} 从客户端")).await;
        client
            .person
            .hears(&format!("{number} from the server"))
            .await;
    }
}

#[tokio::test]
async fn the_caller_hangs_up() {
    let (mut server, mut client) = call().await;
    client.person.says("good-bye");
    client.person.hangs_up();
    server.person.hears("good-bye").await;
    server.person.call_is_over(Side::Remote).await;
    client.person.call_is_over(Side::Local).await;
    assert_eq!(client.exit_code().await, 0);
}

#[tokio::test]
async fn the_called_hangs_up() {
    let (mut server, mut client) = call().await;
    server.person.says("good-bye");
    server.person.hangs_up();
    client.person.hears("good-bye").await;
    server.person.call_is_over(Side::Local).await;
    client.person.call_is_over(Side::Remote).await;
    assert_eq!(client.exit_code().await, 0);
}

#[tokio::test]
async fn both_hang_up_at_once() {
    let (mut server, mut client) = call().await;
    server.person.hangs_up();
    client.person.hangs_up();
    assert!(server.person.call_ends().await.hung_up_by().is_some());
    assert!(client.person.call_ends().await.hung_up_by().is_some());
    assert_eq!(client.exit_code().await, 0);
}

#[tokio::test]
async fn a_call_follows_a_call() {
    let mut server = server().await;
    for name in ["ann", "bob", "cem"] {
        let mut client = client(server.address);
        client.person.says(name);
        server.person.hears(name).await;
        server.person.says("bye");
        client.person.hears("bye").await;
        client.person.hangs_up();
        server.person.call_is_over(Side::Remote).await;
    }
}

#[tokio::test]
async fn callers_wait_in_order() {
    let mut server = server().await;
    let mut waiting = Vec::new();
    for name in ["ann", "bob", "cem"] {
        let mut caller = Wire::to(server.address).await;
        caller.sends(format!("{name} here\n")).await;
        match waiting.len() {
            0 => server.person.hears("ann here").await,
            n => drop(server.person.is_told(&format!("{n} waiting")).await),
        }
        waiting.push((name, caller));
    }
    for (turn, (name, caller)) in waiting.iter_mut().enumerate() {
        if turn > 0 {
            // Nothing that was said before the turn is lost.
            server.person.hears(&format!("{name} here")).await;
        }
        server.person.says(&format!("hello {name}"));
        // Who waited has heard nothing until now.
        caller.receives(format!("hello {name}\n")).await;
        caller.sends("88\n").await;
        server.person.call_is_over(Side::Remote).await;
    }
}

/// Has Ann on the line, and Bob wait for his turn.
async fn one_talks_and_one_waits(server: &mut Program) -> (Wire, Wire) {
    let mut ann = Wire::to(server.address).await;
    ann.sends("ann\n").await;
    server.person.hears("ann").await;
    let mut bob = Wire::to(server.address).await;
    bob.sends("bob\n").await;
    server.person.is_told("is calling too").await;
    (ann, bob)
}

#[tokio::test]
async fn next_does_not_hang_up_while_nobody_waits() {
    let mut server = server().await;
    let mut ann = Wire::to(server.address).await;
    ann.sends("ann\n").await;
    server.person.hears("ann").await;
    server.person.commands(Command::Next);
    server.person.is_told("Nobody is waiting").await;
    server.person.says("still here");
    ann.receives("still here\n").await;
}

#[tokio::test]
async fn next_takes_the_next_caller() {
    let mut server = server().await;
    let (mut ann, mut bob) = one_talks_and_one_waits(&mut server).await;
    server.person.commands(Command::Next);
    ann.receives_at_last("88").await;
    drop(ann);
    server.person.call_is_over(Side::Local).await;
    server.person.hears("bob").await;
    server.person.says("your turn");
    bob.receives("your turn\n").await;
}

#[tokio::test]
async fn one_more_than_may_wait_hears_busy() {
    let mut config = server_config();
    config.backlog = 1;
    let mut server = server_with(config).await;
    let (mut ann, _bob) = one_talks_and_one_waits(&mut server).await;

    let mut cem = Wire::to(server.address).await;
    cem.sends("cem\n").await;
    server.person.is_told("told that you are busy").await;
    cem.receives("busy").await;
    let mut rest = String::new();
    let read = soon(cem.read.read_to_string(&mut rest)).await;
    read.expect("an end in good order");

    // The others have not noticed.
    server.person.says("still there?");
    ann.receives("still there?\n").await;
    ann.sends("88\n").await;
    server.person.call_ends().await;
    server.person.hears("bob").await;
}

#[tokio::test]
async fn who_gives_up_waiting_leaves_the_queue() {
    let mut server = server().await;
    let mut ann = Wire::to(server.address).await;
    ann.sends("ann\n").await;
    server.person.hears("ann").await;
    let mut bob = Wire::to(server.address).await;
    bob.sends("bob\n").await;
    server.person.is_told("1 waiting").await;
    bob.resets();
    server.person.is_told("no longer waits").await;
    let mut cem = Wire::to(server.address).await;
    cem.sends("cem\n").await;
    server.person.is_told("1 waiting").await;
    ann.sends("88\n").await;
    server.person.call_ends().await;
    server.person.hears("cem").await;
}

#[tokio::test]
async fn who_said_something_and_left_is_still_heard() {
    let mut server = server().await;
    let mut ann = Wire::to(server.address).await;
    ann.sends("ann\n").await;
    server.person.hears("ann").await;
    let mut bob = Wire::to(server.address).await;
    bob.sends("bob was here").await;
    bob.shuts_down().await;
    server.person.is_told("1 waiting").await;
    ann.sends("88\n").await;
    server.person.call_ends().await;
    server.person.hears("bob was here").await;
    server.person.sees(finished).await;
}

#[tokio::test]
async fn a_caller_that_resets_is_lost_and_the_next_is_taken() {
    let mut server = server().await;
    let mut ann = Wire::to(server.address).await;
    ann.sends("ann\n").await;
    server.person.hears("ann").await;
    ann.resets();
    let ended = server.person.call_ends().await;
    assert!(matches!(ended.reason, CloseReason::Lost(_)), "{ended:?}");
    let mut bob = Wire::to(server.address).await;
    bob.sends("bob\n").await;
    server.person.hears("bob").await;
}

#[tokio::test]
async fn a_caller_that_closes_has_no_more_to_say() {
    let mut server = server().await;
    let mut ann = Wire::to(server.address).await;
    ann.sends("ann").await;
    drop(ann);
    server.person.hears("ann").await;
    server.person.sees(finished).await;
    server.person.hangs_up();
    server.person.call_is_over(Side::Local).await;
}

#[tokio::test]
async fn talking_to_a_caller_that_closed_loses_the_call() {
    let mut server = server().await;
    let mut ann = Wire::to(server.address).await;
    ann.sends("ann").await;
    drop(ann);
    server.person.hears("ann").await;
    // The answer to the first line is a reset; the next line finds it.
    let mut now_and_then = interval(Duration::from_millis(10));
    let ended = loop {
        tokio::select! {
            ended = server.person.call_ends() => break ended,
            _ = now_and_then.tick() => server.person.says("are you there?"),
        }
    };
    assert!(matches!(ended.reason, CloseReason::Lost(_)), "{ended:?}");
}

#[tokio::test]
async fn half_a_call_goes_on() {
    let (mut server, mut client) = call().await;
    client.person.has_no_more_to_say();
    server.person.sees(finished).await;
    for number in 0..100 {
        server.person.says(&format!("line {number}"));
    }
    server.person.has_no_more_to_say();
    for number in 0..100 {
        client.person.hears(&format!("line {number}")).await;
    }
    for program in [&mut server, &mut client] {
        let ended = program.person.call_ends().await;
        assert!(
            matches!(ended.reason, CloseReason::BothFinished),
            "{ended:?}"
        );
    }
    assert_eq!(client.exit_code().await, 0);
}

#[tokio::test]
async fn send_only_hangs_up_when_all_has_arrived() {
    let mut server = server().await;
    let client = client_with(server.address, |config| config.call_config.send_only = true);
    let text: Vec<_> = (0..10_000).map(|number| format!("line {number}")).collect();
    client.person.says(&text.join("\n"));
    client.person.has_no_more_to_say();
    for line in &text {
        server.person.hears(line).await;
    }
    server.person.call_is_over(Side::Remote).await;
    assert_eq!(client.exit_code().await, 0);
}

#[tokio::test]
async fn a_pipe_learns_that_a_plain_peer_did_not_read_it() {
    for send_only in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut client = client_with(address, |config| {
            config.call_config.send_only = send_only;
            config.call_config.graceful = true;
        });
        let (stream, _) = soon(listener.accept()).await.expect("a caller");
        client.person.is_called().await;
        client.person.says("unread");
        client.person.does(match send_only {
            true => Input::Eof,
            false => Input::HangUp,
        });
        let mut all = [0; 16];
        while soon(stream.peek(&mut all)).await.expect("it arrives") < "unread\n88".len() {
            yield_now().await;
        }
        // Closing with unread data resets the connection.
        drop(stream);
        let ended = client.person.call_ends().await;
        assert!(
            matches!(ended.reason, CloseReason::Lost(Disconnect::Cut)),
            "{ended:?}"
        );
        assert_eq!(client.exit_code().await, 1);
    }
}

#[tokio::test]
async fn a_server_for_one_call_ends_with_it() {
    let mut config = server_config();
    config.once = true;
    let mut server = server_with(config).await;
    let mut ann = Wire::to(server.address).await;
    ann.sends("88").await;
    server.person.call_is_over(Side::Remote).await;
    drop(ann);
    assert_eq!(server.exit_code().await, 0);
}

#[tokio::test]
async fn who_waits_for_a_server_that_ends_is_told() {
    let mut config = server_config();
    config.once = true;
    let mut server = server_with(config).await;
    let (mut ann, mut bob) = one_talks_and_one_waits(&mut server).await;
    ann.sends("88\n").await;
    server.person.call_is_over(Side::Remote).await;
    drop(ann);
    bob.receives("closed: nobody takes calls here any more\n88")
        .await;
    drop(bob);
    assert_eq!(server.exit_code().await, 0);
}

#[tokio::test]
async fn signals_hang_up_politely() {
    let mut server = server().await;
    let mut ann = Wire::to(server.address).await;
    ann.sends("ann\n").await;
    server.person.hears("ann").await;
    server.interrupt(130);
    ann.receives_at_last("88").await;
    drop(ann);
    server.person.call_is_over(Side::Local).await;
    assert_eq!(server.exit_code().await, 130);

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let mut client = client(address);
    let mut wire = Wire::from(&listener).await;
    client.person.is_called().await;
    client.interrupt(143);
    wire.receives_at_last("88").await;
    drop(wire);
    assert_eq!(client.exit_code().await, 143);
}

#[tokio::test]
async fn a_signal_ends_a_server_that_waits() {
    let mut server = server().await;
    server.interrupt(143);
    assert_eq!(server.exit_code().await, 143);
}

#[tokio::test]
async fn a_signal_ends_a_call_that_is_over_but_not_yet_shown() {
    let mut server = server().await;
    let mut ann = Wire::to(server.address).await;
    ann.sends("hello\n").await;
    server.person.hears("hello").await;
    server.person.looks_away();
    ann.sends("bye\n88\n").await;
    server.person.hears("bye").await;
    server.person.call_is_over(Side::Remote).await;
    server.interrupt(143);
    assert_eq!(server.exit_code().await, 143);

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let mut client = client(listener.local_addr().expect("it is bound"));
    let mut wire = Wire::from(&listener).await;
    wire.sends("hello\n").await;
    client.person.hears("hello").await;
    client.person.looks_away();
    wire.sends("bye\n88\n").await;
    client.person.hears("bye").await;
    client.person.call_is_over(Side::Remote).await;
    client.interrupt(130);
    assert_eq!(client.exit_code().await, 130);
}

#[tokio::test]
async fn between_calls_the_person_may_quit() {
    let mut server = server().await;
    server.person.says("hello?");
    server.person.is_told("Nobody is on the line").await;
    server.person.commands(Command::Next);
    server.person.is_told("Nobody is waiting").await;
    server.person.commands(Command::Quit);
    assert_eq!(server.exit_code().await, 0);
}

#[tokio::test]
async fn quitting_hangs_up() {
    let mut server = server().await;
    let mut ann = Wire::to(server.address).await;
    ann.sends("ann\n").await;
    server.person.hears("ann").await;
    server.person.commands(Command::Quit);
    ann.receives_at_last("88").await;
    drop(ann);
    assert_eq!(server.exit_code().await, 0);
}

#[tokio::test]
async fn a_raw_peer_gets_what_it_gives() {
    let mut server = server().await;
    let mut ann = Wire::to(server.address).await;
    for (said, answer) in [("你好", "我很好"), ("two words", "one"), ("a", "b")] {
        ann.sends(said).await;
        server.person.hears(said).await;
        server.person.says(answer);
        ann.receives(answer).await;
    }
    server.person.hangs_up();
    ann.receives_at_last("88").await;
    server.person.call_is_over(Side::Local).await;
}

#[tokio::test]
async fn a_raw_peer_hangs_up() {
    let mut server = server().await;
    let mut ann = Wire::to(server.address).await;
    ann.sends("hi").await;
    server.person.hears("hi").await;
    ann.sends("88").await;
    server.person.call_is_over(Side::Remote).await;
    ann.receives_at_last("").await;
}

#[tokio::test]
async fn a_client_follows_a_raw_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let mut client = client(listener.local_addr().expect("it is bound"));
    let mut wire = Wire::from(&listener).await;
    // Nothing is known of the peer yet, so that this is a line.
    client.person.says("first");
    wire.receives("first\n").await;
    wire.sends("你好").await;
    client.person.hears("你好").await;
    client.person.says("second");
    wire.receives("second").await;
    wire.sends("88").await;
    client.person.call_is_over(Side::Remote).await;
}

#[tokio::test]
async fn a_line_peer_gets_lines() {
    let mut server = server().await;
    let mut ann = Wire::to(server.address).await;
    ann.sends("one\r\ntwo\n").await;
    server.person.hears("one").await;
    server.person.hears("two").await;
    server.person.says("three");
    ann.receives("three\n").await;
    ann.sends("half a li").await;
    ann.sends("ne\r\n88\r\n").await;
    server.person.hears("half a line").await;
    server.person.call_is_over(Side::Remote).await;
}

#[tokio::test]
async fn bad_bytes_and_endless_lines_harm_nobody() {
    let mut server = server().await;
    let mut ann = Wire::to(server.address).await;
    ann.sends(b"\x00\xff\xfe\x1b[2J\n").await;
    server.person.hears("\0\u{fffd}\u{fffd}\u{1b}[2J").await;
    let long = "你".repeat(MAX_LINE);
    ann.sends(&long).await;
    ann.sends("\nnext\n").await;
    let mut whole = String::new();
    while whole.len() < long.len() {
        let piece = server.person.next_line().await;
        assert!(piece.len() <= MAX_LINE);
        whole.push_str(&piece);
    }
    assert!(whole == long);
    server.person.hears("next").await;
}

#[tokio::test]
async fn nothing_is_heard_after_a_hang_up() {
    let mut server = server().await;
    let mut ann = Wire::to(server.address).await;
    ann.sends("one\n88\nthree\n").await;
    server.person.hears("one").await;
    server.person.call_is_over(Side::Remote).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_caller_is_taken_after_a_while() {
    let (network, exchange) = Network::new();
    let mut server = server_on(network, server_config());
    let mut ann = exchange.call();
    server.person.is_called().await;
    server.person.says("hello?");
    ann.receives("hello?\n").await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_call_ends_and_the_next_is_taken() {
    let (network, exchange) = Network::new();
    let mut config = server_config();
    config.call_config = CallConfig {
        farewell: Some("(nothing heard)".to_owned()),
        ..idle_timeout(Duration::from_secs(10))
    };
    let mut server = server_on(network, config);
    let mut ann = exchange.call();
    ann.sends("ann\n").await;
    server.person.hears("ann").await;
    let mut bob = exchange.call();
    bob.sends("bob\n").await;
    server.person.is_told("is calling too").await;
    ann.receives_at_last("(nothing heard)\n88").await;
    drop(ann);
    let ended = server.person.call_ends().await;
    assert!(matches!(ended.reason, CloseReason::Idle(_)), "{ended:?}");
    server.person.hears("bob").await;
}

#[tokio::test(start_paused = true)]
async fn a_signal_at_the_end_of_a_call_cuts_it_short_but_not_off() {
    let (network, exchange) = Network::new();
    let mut server = server_on(network, server_config());
    let mut ann = exchange.call();
    ann.sends("one\n").await;
    server.person.hears("one").await;
    server.person.looks_away();
    ann.sends("88\n").await;
    server.person.call_is_over(Side::Remote).await;
    let signalled = Instant::now();
    server.interrupt(143);
    ann.receives_at_last("").await;
    assert_eq!(server.exit_code().await, 143);
    assert_eq!(signalled.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_says_something_now_and_then_is_not_idle() {
    let limit = Duration::from_secs(10);
    let (here, there) = duplex(1024);
    let (mut person, script, screen) = Person::new();
    let mut peer = Wire::new(there);
    let call = tokio::spawn(hold(here, idle_timeout(limit), script, screen));
    for _ in 0..5 {
        advance(limit * 9 / 10).await;
        peer.sends("still here\n").await;
        person.hears("still here").await;
    }
    let silent_from = Instant::now();
    let ended = call.await.expect("no panic");
    assert!(matches!(ended.reason, CloseReason::Idle(l) if l == limit));
    assert!(silent_from.elapsed() >= limit);
}

#[tokio::test(start_paused = true)]
async fn a_raw_peer_is_dismissed_with_nothing_but_the_hang_up() {
    let (here, there) = duplex(1024);
    let (mut person, script, screen) = Person::new();
    let mut peer = Wire::new(there);
    tokio::spawn(hold(
        here,
        idle_timeout(Duration::from_secs(10)),
        script,
        screen,
    ));
    peer.sends("no line").await;
    person.hears("no line").await;
    peer.receives_at_last("88").await;
}

#[tokio::test(start_paused = true)]
async fn who_looks_away_does_not_find_the_peer_idle() {
    let limit = Duration::from_secs(10);
    let (here, there) = duplex(1024);
    let (mut person, script, screen) = Person::new();
    let mut peer = Wire::new(there);
    tokio::spawn(hold(here, idle_timeout(limit), script, screen));
    person.looks_away();
    peer.sends("one\n").await;
    person.hears("one").await;
    // This waits in the stream, for the person is not ready for more.
    peer.sends("two\n").await;
    advance(limit * 3).await;
    person.looks_back();
    person.hears("two").await;
    peer.sends("88\n").await;
    person.call_is_over(Side::Remote).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_said_before_leaving_is_heard_although_nothing_can_be_answered() {
    let (here, there) = duplex(1024);
    let mut peer = Wire::new(there);
    peer.sends("one\n").await;
    drop(peer);
    let mut link = Connection::new(here, LineCodec::default());
    // It is known to have left, and what it said is kept.
    assert!(soon(link.closed_by_peer()).await);

    let (mut person, mut script, mut screen) = Person::new();
    person.looks_away();
    person.says("are you there?");
    let call = async {
        let manners = CallConfig::default();
        let mut call = CallDriver::new(Box::new(Plain::new()), manners, &mut script, &mut screen);
        call.show(Event::Notice("a call".into()));
        call.run(link).await
    };
    let person = async {
        // All is still: the answer has failed, and the person sees nothing yet.
        sleep(Duration::from_secs(1)).await;
        person.looks_back();
        person.hears("one").await;
    };
    let (ended, ()) = tokio::join!(call, person);
    assert!(matches!(ended.reason, CloseReason::Lost(_)), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_person_who_looks_away_stops_the_peer() {
    let (here, mut there) = duplex(1024);
    let (mut person, script, screen) = Person::new();
    let call = tokio::spawn(hold(here, CallConfig::default(), script, screen));
    person.looks_away();
    let line = format!("{}\n", "x".repeat(1023));
    let line = line.as_bytes();
    let mut written = 0;
    let flood = async {
        loop {
            there.write_all(line).await.expect("it is open");
            written += line.len();
        }
    };
    // All is still: the clock moves on only when nobody can.
    timeout(Duration::from_secs(1), flood)
        .await
        .expect_err("it is stopped");
    assert!(written <= 8 * 1024, "{written} bytes were taken");
    person.looks_back();
    for _ in 0..written / 1024 {
        assert_eq!(person.next_line().await.len(), 1023);
    }
    drop(there);
    person.hangs_up();
    call.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn a_link_takes_turns_without_a_conversation() {
    let (here, there) = duplex(1024);
    let mut link = Connection::new(here, LineCodec::default());
    let mut peer = Wire::new(there);
    peer.sends("你好").await;
    let said = soon(link.receive()).await.expect("a message");
    assert_eq!(said, Some(Frame::Text("你好".into())));
    link.send(Frame::Text("很好".into())).await.expect("open");
    peer.receives("很好").await;
    peer.sends("88").await;
    let said = soon(link.receive()).await.expect("a message");
    assert_eq!(said, Some(Frame::HangUp));
    peer.shuts_down().await;
    let said = soon(link.receive()).await.expect("a clean end");
    assert_eq!(said, None);
    drop(peer);
    let sent = link.send(Frame::Text("nobody hears this".into())).await;
    sent.expect_err("the peer is gone");
}

/// A pipe that never runs dry.
struct Flood {
    taken: Arc<AtomicUsize>,
    piece: Batch,
}

impl Flood {
    fn new() -> (Self, Arc<AtomicUsize>) {
        let taken = Arc::new(AtomicUsize::new(0));
        let flood = Self {
            taken: Arc::clone(&taken),
            piece: vec!["x".repeat(99); 1000].join("\n").as_str().into(),
        };
        (flood, taken)
    }
}

impl Source for Flood {
    async fn next(&mut self) -> io::Result<Input> {
        self.taken
            .fetch_add(self.piece.wire_len(), Ordering::Relaxed);
        Ok(Input::Lines(self.piece.clone()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_stops_the_pipe() {
    let (here, _there) = duplex(1024);
    let (mut flood, taken) = Flood::new();
    let (_person, _, mut screen) = Person::new();
    let mut link = Connection::new(here, LineCodec::new(Framing::Auto));
    let manners = CallConfig {
        graceful: true,
        ..CallConfig::default()
    };
    let mut call = CallDriver::new(Box::new(Plain::new()), manners, &mut flood, &mut screen);
    let stuck = timeout(Duration::from_secs(600), call.drive(Some(&mut link))).await;
    stuck.expect_err("nothing moves");
    assert!(taken.load(Ordering::Relaxed) < 1024 * 1024);

    let before = Instant::now();
    call.hang_up();
    let Step::Ended(ending) = call.drive(Some(&mut link)).await else {
        panic!("the call is over");
    };
    assert!(before.elapsed() <= Duration::from_secs(2));
    assert!(matches!(ending, CloseReason::HungUp(Side::Local)));
    let (ended, _) = call.end(ending, Some(link)).await;
    assert!(!ended.unacknowledged.is_empty(), "not all has arrived");
    assert!(before.elapsed() <= Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn the_hang_up_of_a_pipe_waits_as_long_as_something_is_written() {
    let (here, mut there) = duplex(1024);
    let (person, script, screen) = Person::new();
    let manners = CallConfig {
        graceful: true,
        ..CallConfig::default()
    };
    let call = tokio::spawn(hold(here, manners, script, screen));
    person.says(&"x".repeat(20 * 1024));
    person.does(Input::HangUp);
    let mut buffer = [0; 1024];
    for _ in 0..10 {
        sleep(Duration::from_millis(1_900)).await;
        soon(there.read_exact(&mut buffer))
            .await
            .expect("it is open");
    }
    let ended = timeout(Duration::from_secs(4), call).await;
    let ended = ended.expect("nothing moves").expect("no panic");
    assert!(
        matches!(ended.reason, CloseReason::Lost(Disconnect::Stuck)),
        "{ended:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_person_can_hang_up_on_a_peer_that_never_reads() {
    let (here, _there) = duplex(1024);
    let (person, script, screen) = Person::new();
    person.says(&vec!["x".repeat(99); 1000].join("\n"));
    person.hangs_up();
    let before = Instant::now();
    let ended = soon(hold(here, CallConfig::default(), script, screen)).await;
    assert_eq!(ended.hung_up_by(), Some(Side::Local));
    assert!(before.elapsed() <= Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn a_person_is_told_what_does_not_fit_and_can_still_hang_up() {
    let (here, _there) = duplex(1024);
    let (mut person, script, screen) = Person::new();
    let manners = CallConfig {
        interactive: true,
        ..CallConfig::default()
    };
    let call = tokio::spawn(hold(here, manners, script, screen));
    let much = vec!["x".repeat(99); 4000].join("\n");
    // The first fills what is on its way, the second what waits.
    person.says(&much);
    person.says(&much);
    person.says("one too many");
    let unsaid = person.sees(|event| match event {
        Event::SendFailed(text, SendError::Full) => Some(text.clone()),
        _ => None,
    });
    assert_eq!(unsaid.await, "one too many");
    person.hangs_up();
    let ended = soon(call).await.expect("no panic");
    assert_eq!(ended.hung_up_by(), Some(Side::Local));
}

#[tokio::test]
async fn a_caller_that_only_listens_is_talked_to() {
    let mut server = server().await;
    let mut listener = Wire::to(server.address).await;
    listener.shuts_down().await;
    server.person.is_called().await;
    server.person.says("the news");
    listener.receives("the news\n").await;
}

#[tokio::test(start_paused = true)]
async fn a_person_can_hang_up_while_the_screen_is_stuck() {
    let (here, there) = duplex(1024);
    let (person, script, screen) = Person::new();
    let mut peer = Wire::new(there);
    peer.sends("hello\n").await;
    person.looks_away();
    person.hangs_up();
    let ended = soon(hold(here, CallConfig::default(), script, screen)).await;
    assert_eq!(ended.hung_up_by(), Some(Side::Local));
}

#[tokio::test(start_paused = true)]
async fn a_screen_that_is_gone_ends_the_call_quietly() {
    let (here, there) = duplex(1024);
    let (person, script, screen) = Person::new();
    let mut peer = Wire::new(there);
    person.looks_away();
    let call = tokio::spawn(hold(here, CallConfig::default(), script, screen));
    peer.sends("hello\n").await;
    drop(person);
    peer.receives_at_last("88").await;
    let ended = call.await.expect("no panic");
    assert_eq!(ended.hung_up_by(), Some(Side::Local));
    assert_eq!(exit::code(&ended), 0);
}

/// How a call ended, as its person is told.
fn words(ended: &Arc<Ended>) -> String {
    let words = chat_terminal::locale::text().describe(&Event::Ended(Arc::clone(ended)));
    words.expect("the end is worth a word")
}

/// The end of a call with a peer that says hello, after `happens`; if that keeps the peer, it
/// stays and is silent.
async fn ended_by(
    happens: impl AsyncFnOnce(Person, Wire<DuplexStream>) -> (Person, Option<Wire<DuplexStream>>),
) -> Arc<Ended> {
    let (here, there) = duplex(1024);
    let (person, script, screen) = Person::new();
    let mut peer = Wire::new(there);
    peer.sends("hello\n").await;
    let _others = happens(person, peer).await;
    hold(here, idle_timeout(Duration::from_secs(30)), script, screen).await
}

#[tokio::test(start_paused = true)]
async fn endings_are_told_apart() {
    let here = ended_by(async |person, peer| {
        person.hangs_up();
        (person, Some(peer))
    });
    let there = ended_by(async |person, mut peer| {
        peer.sends("88\n").await;
        (person, Some(peer))
    });
    let over = ended_by(async |person, mut peer| {
        person.has_no_more_to_say();
        peer.shuts_down().await;
        (person, Some(peer))
    });
    let torn = ended_by(async |person, peer| {
        person.says("are you there?");
        drop(peer);
        (person, None)
    });
    let idle = ended_by(async |person, peer| (person, Some(peer)));
    let broken = ended_by(async |person, peer| {
        person.breaks();
        (person, Some(peer))
    });
    let (here, there, over) = tokio::join!(here, there, over);
    let (torn, idle, broken) = tokio::join!(torn, idle, broken);

    assert!(matches!(here.reason, CloseReason::HungUp(Side::Local)));
    assert!(matches!(there.reason, CloseReason::HungUp(Side::Remote)));
    assert!(matches!(over.reason, CloseReason::BothFinished));
    assert!(matches!(torn.reason, CloseReason::Lost(_)));
    assert!(matches!(idle.reason, CloseReason::Idle(_)));
    assert!(matches!(broken.reason, CloseReason::Local(_)));

    let all = [here, there, over, idle, torn, broken];
    let codes = all.each_ref().map(|ended| exit::code(ended));
    assert_eq!(codes, [0, 0, 0, 0, 1, 1]);
    let told: HashSet<_> = all.iter().map(words).collect();
    assert_eq!(told.len(), all.len(), "{told:?}");
}
