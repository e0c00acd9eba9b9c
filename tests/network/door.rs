//! What strangers do to the one who listens, and what it costs.

use std::net::SocketAddr;
use std::time::Duration;

use chat_core::driver::{BoxConnection, Command, Connection};
use chat_core::protocol::{ConnectionStatus, Event};
use chat_core::transport::{Intent, Keyring, SecureStream};
use chat_core::wire::{Control, Cookie, Frame, LineCodec, RefusalCode, SessionId};
use chat_testkit::people::{Client, user};
use chat_testkit::process::{self, Process};
use chat_testkit::proxy::{Fate, Proxy};
use chat_testkit::scripted::{server, server_config};
use chat_testkit::wire::Wire;
use chat_testkit::{home, soon};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::stranger::{Server, answer, hello, next_frame, someone};

/// The client hears that it waits, with nobody before it.
async fn waits(client: &mut Client) {
    let next = |event: &Event| matches!(event, Event::QueuePosition(0)).then_some(());
    client.person.sees(next).await;
}

fn rings(event: &Event) -> Option<()> {
    matches!(event, Event::Ringing(_)).then_some(())
}

fn rings_no_more(event: &Event) -> Option<()> {
    matches!(event, Event::RingingStopped).then_some(())
}

#[tokio::test]
async fn a_stranger_rings_until_the_person_decides() {
    let (ann, bob) = (user("ann"), user("bob"));
    let mut server = bob.answers_when_asked().await;

    let mut client = ann.calls(server.address);
    server.person.sees(rings).await;
    waits(&mut client).await;
    server.person.commands(Command::Decline(None));
    server.person.sees(rings_no_more).await;
    let (code, ended) = client.ends().await;
    assert_eq!(
        (code, ended.as_str()),
        (4, "The other side declined the call.")
    );

    let mut client = ann.calls(server.address);
    client.person.says("please");
    server.person.sees(rings).await;
    server.person.commands(Command::Answer);
    server.person.is_called().await;
    server.person.hears("please").await;
    client.person.is_called().await;
    client.hangs_up().await;
    server.person.reads_the_end().await;

    // That she was answered once does not make her known.
    let client = ann.calls(server.address);
    server.person.sees(rings).await;
    client.hangs_up().await;
    server.person.sees(rings_no_more).await;

    for turn in ["blocked now", "blocked before"] {
        let client = ann.calls(server.address);
        if turn == "blocked now" {
            server.person.sees(rings).await;
            server.person.commands(Command::Block);
            server.person.is_told("is blocked").await;
        }
        let (code, ended) = client.ends().await;
        assert_eq!(code, 3, "{turn}");
        assert!(ended.contains("your key is blocked there"), "{ended}");
    }
    server.person.commands(Command::Answer);
    server.person.is_told("Nobody is calling").await;
}

#[tokio::test]
async fn a_friend_does_not_ring_and_goes_before_the_stranger_who_does() {
    let (ann, bob, stranger) = (user("ann"), user("bob"), user("stranger"));
    let known = bob.keyring().known;
    known.verify("ann", ann.key()).expect("verified");
    let mut server = bob.answers_when_asked().await;
    let mut waiting = stranger.calls(server.address);
    server.person.sees(rings).await;
    waits(&mut waiting).await;
    let client = ann.calls(server.address);
    server.person.sees(rings_no_more).await;
    let peer = server.person.is_called().await;
    assert_eq!(peer.name.as_deref(), Some("ann"));
    client.hangs_up().await;
    server.person.reads_the_end().await;
    server.person.sees(rings).await;
}

#[tokio::test]
async fn after_calls_that_broke_off_without_a_word_strangers_ring() {
    let bob = user("bob");
    let mut server = bob.answers().await;
    for _ in 0..3 {
        let stranger = user("stranger");
        let mut client = stranger.calls_unnamed(server.address);
        client.person.is_called().await;
        client.hangs_up().await;
        server.person.reads_the_end().await;
    }
    server.person.is_told("hung up without a word").await;
    let stranger = user("stranger");
    let mut client = stranger.calls_unnamed(server.address);
    server.person.sees(rings).await;
    waits(&mut client).await;
}

/// One stranger once caused 21,762 rows in 20 s.
#[tokio::test]
async fn who_calls_again_and_again_costs_few_rows() {
    let mut server = server().await;
    for _ in 0..500 {
        let mut stranger = Wire::to(server.address).await;
        stranger.sends("x\n").await;
        // Until it was taken, turned away, or rings.
        let read = tokio::time::timeout(
            Duration::from_millis(20),
            chat_testkit::people::all_from(&mut stranger.read),
        );
        drop(read.await);
    }
    server.interrupt(0);
    let rows = server.person.rest().await;
    let rows = rows.iter().filter(|row| row.as_str() != "x").count();
    assert!(rows < 150, "{rows} rows");
}

/// Five of them once made a server busy for ever.
#[tokio::test]
async fn who_left_after_a_word_takes_no_seat() {
    let mut server = server().await;
    let mut ann = Wire::to(server.address).await;
    ann.sends("ann\n").await;
    server.person.hears("ann").await;
    for _ in 0..server_config().backlog {
        let mut squatter = Wire::to(server.address).await;
        squatter.sends("x").await;
        server.person.is_told("is calling too").await;
        squatter.shuts_down().await;
    }
    let mut bob = Wire::to(server.address).await;
    bob.sends("bob\n").await;
    server.person.is_told("is calling too, 6 waiting").await;
}

/// The cookie for the next connection of a call.
async fn cookie(link: &mut BoxConnection) -> Cookie {
    loop {
        if let Frame::Control(json) = soon(next_frame(link)).await.expect("a frame")
            && let Ok(Some(Control::Cookie(cookie))) = Control::parse(&json)
        {
            return cookie;
        }
    }
}

/// Begins handshakes that nobody means to finish, more than there are places for.
async fn crowd(keyring: &Keyring, address: SocketAddr) -> Vec<SecureStream<TcpStream>> {
    let mut crowd = Vec::new();
    for _ in 0..100 {
        let stream = TcpStream::connect(address).await.expect("a server");
        crowd.push(keyring.tls.connect(stream).await.expect("a handshake"));
    }
    crowd
}

#[tokio::test]
async fn the_cookie_of_the_call_lets_its_peer_through_a_crowd() {
    let mut server = Server::start().await;
    let address = server.running.address;
    let (_home, keyring) = someone();
    let (_other, stranger) = someone();
    let session = SessionId::random();
    let mut link = server.call(&keyring, &hello("", session, 0, false)).await;
    let cookie = cookie(&mut link).await;
    drop(link);
    let cut = |event: &Event| matches!(event, Event::Connection(ConnectionStatus::Reconnecting(_)));
    server.sees(cut).await;

    let _before = crowd(&stranger, address).await;
    for (cookie, gets_through) in [(None, false), (Some(cookie), true)] {
        let stream = TcpStream::connect(address).await.expect("a server");
        let intent = Intent {
            cookie,
            ..Intent::default()
        };
        let secured = keyring.tls.connect_with(stream, intent).await;
        let secured = secured.expect("a handshake");
        let mut link: BoxConnection = Connection::new(Box::new(secured.stream), LineCodec::chat1());
        let _after = crowd(&stranger, address).await;
        link.push_control(&Control::Hello(hello("", session, 0, true)));
        let answered = soon(next_frame(&mut link)).await;
        assert_eq!(answered.is_ok(), gets_through, "{answered:?}");
    }
}

async fn takes_call(server: &mut Server, link: &mut BoxConnection) {
    assert!(matches!(answer(link).await, Control::Hello(_)));
    let established = |event: &Event| matches!(event, Event::Established(_));
    server.sees(established).await;
}

/// Five of them once took the round trip of the call from 0.23 to 120 ms.
#[tokio::test]
async fn callers_who_wait_are_heard_only_now_and_then() {
    let mut server = Server::start().await;
    let (_home, keyring) = someone();
    let begins = || hello("", SessionId::random(), 0, false);
    let mut link = server.call(&keyring, &begins()).await;
    takes_call(&mut server, &mut link).await;
    let mut floods = JoinSet::new();
    for _ in 0..5 {
        let (home, keyring) = someone();
        let mut flood = server.call(&keyring, &begins()).await;
        floods.spawn(async move {
            assert_eq!(answer(&mut flood).await, Control::Waiting { ahead: 0 });
            for number in 1..1_000 {
                flood.push_control(&Control::Ping(number));
            }
            let mut pongs = 0;
            while let Ok(frame) = soon(next_frame(&mut flood)).await {
                pongs += usize::from(matches!(frame, Frame::Control(_)));
            }
            drop(home);
            pongs
        });
        // One after the other, each the first that waits.
        while let Some(pongs) = floods.join_next().await {
            let pongs = pongs.expect("no panic");
            assert!(pongs <= 20, "{pongs} of 999 pings were answered");
        }
    }
    link.push_line("still here");
    tokio::select! {
        () = server.person().hears("still here") => {}
        error = crate::stranger::end(&mut link) => panic!("the call has ended: {error}"),
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_cannot_be_read_ends_no_call() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    let mut server = Server::start().await;
    let (_home, keyring) = someone();
    let session = SessionId::random();
    let mut link = server.call(&keyring, &hello("", session, 0, false)).await;
    takes_call(&mut server, &mut link).await;
    let path = server.home.home.path().join("known_peers");
    set_permissions(&path, Permissions::from_mode(0o644)).expect("chmod");

    drop(link);
    let cut = |event: &Event| matches!(event, Event::Connection(ConnectionStatus::Reconnecting(_)));
    server.sees(cut).await;
    let mut link = server.call(&keyring, &hello("", session, 0, true)).await;
    assert!(matches!(answer(&mut link).await, Control::Hello(_)));

    // Who is new is told to come back.
    let (_other, stranger) = someone();
    let new = hello("", SessionId::random(), 0, false);
    let mut refused = server.call(&stranger, &new).await;
    let unavailable = Control::Refused(RefusalCode::Unavailable.into());
    assert_eq!(answer(&mut refused).await, unavailable);
}

/// Calls a server that turns it away, and stays as long as it may.
async fn is_turned_away(address: SocketAddr) {
    if let Ok(mut stream) = TcpStream::connect(address).await {
        // It may have been dropped already.
        drop(stream.write_all(b"x\n").await);
        sleep(Duration::from_secs(2)).await;
    }
}

/// Nine hundred a second, drained for a second each, once left no descriptor for the friend.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_flood_of_callers_who_are_turned_away_keeps_no_friend_out() {
    let home = home();
    let server = process::program("chat-server");
    let mut command = process::command("sh".as_ref(), home.path(), &[]);
    command.arg("-c").arg(format!(
        "ulimit -n 200; exec '{}' 127.0.0.1:0 --allow-plain --backlog 0",
        server.display()
    ));
    let mut server = Process::spawn(&mut command).expect("a shell");
    let address = server.listens().await;
    let proxy = Proxy::start(address, []).await;
    let mut client = Process::client(proxy.address, &[]);
    client.types("hello\n").await;
    server.prints("hello").await;

    let mut flood = JoinSet::new();
    flood.spawn(async move {
        let mut strangers = JoinSet::new();
        loop {
            strangers.spawn(is_turned_away(address));
            while strangers.try_join_next().is_some() {}
            sleep(Duration::from_millis(1)).await;
        }
    });
    for cut in 0..5 {
        sleep(Duration::from_secs(1)).await;
        proxy.weather(Fate::Reset);
        client.tells("reconnecting").await;
        proxy.weather(Fate::Carries);
        client.tells("Back after").await;
        let line = format!("still here after cut {cut}");
        client.types(&format!("{line}\n")).await;
        server.prints(&line).await;
    }
}
