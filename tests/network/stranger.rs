//! A caller that speaks chat/1 frame by frame, to a server inside the test.

use std::io;

use chat_core::driver::{BoxConnection, Command, Connection, Input};
use chat_core::protocol::{ConnectionStatus, Event};
use chat_core::transport::Keyring;
use chat_core::wire::{Control, Frame, Hello, LineCodec, LineError, RefusalCode, SessionId};
use chat_testkit::people::{self, User, user};
use chat_testkit::scripted::Person;
use chat_testkit::{home, soon};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// A server inside the test, with a person of the test's own.
pub(crate) struct Server {
    pub(crate) running: people::Server,
    /// Whose it is.
    pub(crate) home: User,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let home = user("server");
        let running = home.answers().await;
        Self { running, home }
    }

    /// What its person says and sees.
    pub(crate) fn person(&mut self) -> &mut Person {
        &mut self.running.person
    }

    /// Waits for an event that `is` what is waited for.
    pub(crate) async fn sees(&mut self, is: impl Fn(&Event) -> bool) {
        self.person().sees(|event| is(event).then_some(())).await;
    }

    /// Calls it, and says hello.
    pub(crate) async fn call(&self, keyring: &Keyring, hello: &Hello) -> BoxConnection {
        let stream = TcpStream::connect(self.running.address)
            .await
            .expect("a server");
        let secured = keyring.tls.connect(stream).await.expect("a handshake");
        let mut link: BoxConnection = Connection::new(Box::new(secured.stream), LineCodec::chat1());
        link.push_control(&Control::Hello(hello.clone()));
        link
    }
}

pub(crate) fn someone() -> (TempDir, Keyring) {
    let home = home();
    let keyring = Keyring::open(home.path()).expect("a new home");
    (home, keyring)
}

pub(crate) fn hello(name: &str, conversation: SessionId, received: u64, resumed: bool) -> Hello {
    Hello {
        name: name.to_owned(),
        chosen: false,
        conversation,
        received,
        resumed,
        keeps: false,
        history: false,
        answering: false,
        files: false,
        ended: false,
        commitment: None,
    }
}

/// The next frame, where the end of the stream is an error too.
pub(crate) async fn next_frame(link: &mut BoxConnection) -> Result<Frame, LineError> {
    let gone = || io::Error::from(io::ErrorKind::UnexpectedEof);
    link.receive().await?.ok_or_else(|| gone().into())
}

/// The next control line that is about the call itself.
pub(crate) async fn answer(link: &mut BoxConnection) -> Control {
    loop {
        let frame = soon(next_frame(link)).await;
        let Frame::Control(json) = frame.expect("a frame") else {
            continue;
        };
        match Control::parse(&json).expect("a control line") {
            Some(Control::Ping(_) | Control::Nonce(_) | Control::Cookie(_)) | None => {}
            Some(control) => return control,
        }
    }
}

/// Reads on until the connection ends.
pub(crate) async fn end(link: &mut BoxConnection) -> LineError {
    loop {
        if let Err(error) = next_frame(link).await {
            return error;
        }
    }
}

#[tokio::test]
async fn a_conversation_belongs_to_its_key() {
    let mut server = Server::start().await;
    let ((_home, owner), (_other, thief)) = (someone(), someone());
    let conversation = SessionId::random();
    let mut link = server
        .call(&owner, &hello("owner", conversation, 0, false))
        .await;
    assert!(matches!(answer(&mut link).await, Control::Hello(_)));
    server
        .sees(|event| matches!(event, Event::Established(_)))
        .await;

    for resumed in [false, true] {
        let mut stolen = server
            .call(&thief, &hello("thief", conversation, 0, resumed))
            .await;
        let foreign = Control::Refused(RefusalCode::ForeignSession.into());
        assert_eq!(answer(&mut stolen).await, foreign);
    }

    link.push_line("still me");
    tokio::select! {
        () = server.person().hears("still me") => {}
        error = end(&mut link) => panic!("the call has ended: {error}"),
    }
}

#[tokio::test]
async fn a_connection_that_comes_late_does_not_replace_a_newer_one() {
    let mut server = Server::start().await;
    let (_home, keyring) = someone();
    let conversation = SessionId::random();
    let mut link = server
        .call(&keyring, &hello("owner", conversation, 0, false))
        .await;
    assert!(matches!(answer(&mut link).await, Control::Hello(_)));
    server.person().says("one");
    while !matches!(next_frame(&mut link).await, Ok(Frame::Text(_))) {}
    link.push_control(&Control::Received(1));
    let delivered = |event: &Event| matches!(event, Event::Delivered(1));
    tokio::select! {
        _ = server.sees(delivered) => {}
        error = end(&mut link) => panic!("the call has ended: {error}"),
    }

    let mut late = server
        .call(&keyring, &hello("owner", conversation, 0, true))
        .await;
    let dropped = soon(next_frame(&mut late)).await;
    assert!(dropped.is_err(), "it was answered: {dropped:?}");

    server.person().says("two");
    loop {
        match soon(next_frame(&mut link)).await {
            Ok(Frame::Text(lines)) => return assert!(lines.lines().eq(["two"])),
            Ok(_) => {}
            Err(error) => panic!("the call has ended: {error}"),
        }
    }
}

#[tokio::test]
async fn who_calls_again_while_waiting_keeps_its_place_and_has_only_one() {
    let mut server = Server::start().await;
    let people: Vec<_> = (0..3).map(|_| someone()).collect();
    let calls = ["first", "second", "third"].map(|name| hello(name, SessionId::random(), 0, false));
    let mut first = server.call(&people[0].1, &calls[0]).await;
    assert!(matches!(answer(&mut first).await, Control::Hello(_)));
    let mut second = server.call(&people[1].1, &calls[1]).await;
    assert_eq!(answer(&mut second).await, Control::Waiting { ahead: 0 });
    let mut third = server.call(&people[2].1, &calls[2]).await;
    assert_eq!(answer(&mut third).await, Control::Waiting { ahead: 1 });

    let mut again = server.call(&people[1].1, &calls[1]).await;
    assert_eq!(answer(&mut again).await, Control::Waiting { ahead: 0 });
    let dropped = soon(next_frame(&mut second)).await;
    assert!(dropped.is_err(), "the old connection goes on: {dropped:?}");

    drop(first);
    server.person().does(Input::HangUp);
    assert!(matches!(answer(&mut again).await, Control::Hello(_)));
    assert_eq!(answer(&mut third).await, Control::Waiting { ahead: 0 });
    server.sees(|event| matches!(event, Event::Ended(_))).await;
}

#[tokio::test]
async fn who_is_cut_off_and_begins_anew_does_not_wait_for_itself() {
    let mut server = Server::start().await;
    let (_home, keyring) = someone();
    let call = || hello("owner", SessionId::random(), 0, false);
    let mut first = server.call(&keyring, &call()).await;
    assert!(matches!(answer(&mut first).await, Control::Hello(_)));
    drop(first);
    let mut anew = server.call(&keyring, &call()).await;
    while matches!(answer(&mut anew).await, Control::Waiting { .. }) {}
    let anew =
        |event: &Event| matches!(event, Event::Notice(text) if text.contains("was restarted"));
    server.sees(anew).await;
}

#[tokio::test]
async fn a_second_caller_with_the_same_key_does_not_end_an_interrupted_call() {
    let mut server = Server::start().await;
    let (_home, keyring) = someone();
    let call = SessionId::random();
    let mut first = server.call(&keyring, &hello("owner", call, 0, false)).await;
    assert!(matches!(answer(&mut first).await, Control::Hello(_)));
    let other = hello("owner", SessionId::random(), 0, false);
    let mut second = server.call(&keyring, &other).await;
    assert_eq!(answer(&mut second).await, Control::Waiting { ahead: 0 });
    // The first is still there, later than the second came.
    first.push_control(&Control::Ping(1));
    assert_eq!(answer(&mut first).await, Control::Pong(1));
    drop(first);
    let cut = |event: &Event| matches!(event, Event::Connection(ConnectionStatus::Reconnecting(_)));
    server.sees(cut).await;
    let mut again = server.call(&keyring, &hello("owner", call, 0, true)).await;
    assert!(matches!(answer(&mut again).await, Control::Hello(_)));
}

#[tokio::test]
async fn a_hello_that_cannot_be_read_is_told_to_both() {
    let mut server = Server::start().await;
    let (_home, keyring) = someone();
    let bad = hello(&"x".repeat(3_000), SessionId::random(), 0, false);
    let mut link = server.call(&keyring, &bad).await;
    let refused = Control::Refused(RefusalCode::BadHello.into());
    assert_eq!(answer(&mut link).await, refused);
    let told = |event: &Event| matches!(event, Event::Notice(text) if text.contains("hello could not be read"));
    server.sees(told).await;
}

#[tokio::test]
async fn without_a_safety_number_nobody_is_verified() {
    let mut server = Server::start().await;
    let (_home, keyring) = someone();
    let plain = hello("owner", SessionId::random(), 0, false);
    assert_eq!(plain.commitment, None);
    let mut link = server.call(&keyring, &plain).await;
    assert!(matches!(answer(&mut link).await, Control::Hello(_)));
    server.person().commands(Command::Verify(None));
    let told =
        |event: &Event| matches!(event, Event::Notice(text) if text.contains("no safety number"));
    tokio::select! {
        _ = server.sees(told) => {}
        error = end(&mut link) => panic!("the call has ended: {error}"),
    }
}
