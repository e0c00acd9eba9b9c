//! The safety number against those who would choose it: a man in the middle with real TLS on both
//! sides, who withholds, breaks off and tries again.

use std::time::Duration;

use chat_core::driver::{BoxConnection, Command, Connection};
use chat_core::transport::{ConnectError, Keyring};
use chat_core::trust::safety_number::{ChannelBinding, DialerExchange};
use chat_core::trust::{FirstContactError, MAX_TRIES, PeerState};
use chat_core::wire::{Control, Frame, Hello, LineCodec, SessionId};
use chat_terminal::exit;
use chat_terminal::locale::Explain;
use chat_testkit::mitm::{Mitm, Tactics};
use chat_testkit::network::{Exchange, NOWHERE, Network};
use chat_testkit::people::user;
use tokio::time::{Instant, sleep_until, timeout};

/// `chat-client`'s exit code when somebody was refused.
const REFUSED: u8 = 3;

#[tokio::test]
async fn a_man_in_the_middle_can_rewrite_words_but_not_the_numbers() {
    let (ann, mallory, bob) = (user("ann"), user("mallory"), user("bob"));
    let mut server = bob.answers().await;
    let tactics = Tactics {
        rewrites_numbers: true,
        ..Tactics::default()
    };
    let mut mitm = Mitm::before(server.address, &mallory, tactics).await;
    let mut client = ann.calls(mitm.address);
    let anns = client.person.sees_safety_number().await;
    let bobs = server.person.sees_safety_number().await;
    assert_ne!(anns, bobs);
    // In the chat he makes them the same …
    client.person.says(&format!("mine is {anns}"));
    server.person.hears(&format!("mine is {bobs}")).await;
    server.person.says(&format!("so is mine: {bobs}"));
    client.person.hears(&format!("so is mine: {anns}")).await;
    let learned = mitm.learns(|learned| learned.words.len() == 2).await;
    assert_eq!(learned.callers, [anns]);
    assert_eq!(learned.servers, std::slice::from_ref(&bobs));
    // … but not over the telephone.
    client.person.commands(Command::Verify(Some(bobs)));
    client.person.reads("NOT THE SAME").await;
}

#[tokio::test]
async fn whoever_withholds_the_number_is_called_three_times_a_day() {
    let (ann, mallory, bob) = (user("ann"), user("mallory"), user("bob"));
    let server = bob.answers().await;
    let tactics = Tactics {
        breaks_off: true,
        ..Tactics::default()
    };
    let mut mitm = Mitm::before(server.address, &mallory, tactics).await;
    let mut client = ann.calls(mitm.address);
    client.person.is_told("somebody may be in between").await;
    client.hangs_up().await;
    // Nothing is dialed any more, however often the program is started.
    for _ in 0..2 {
        let error = ann.calls(mitm.address).fails().await;
        assert!(
            matches!(
                error,
                ConnectError::FirstContact(FirstContactError::TooMany(_))
            ),
            "{error}"
        );
        assert_eq!(exit::code_without_call(&error), REFUSED);
        assert!(error.explain().ends_with("--try-again"), "{error}");
    }
    let learned = mitm.learns(|_| true).await;
    assert_eq!(learned.callers.len(), MAX_TRIES);
    for number in learned.callers {
        assert!(!learned.servers.contains(&number));
    }
    // Another address has tries of its own, and this one after `--try-again`.
    let contacts = ann.keyring().first_contacts;
    contacts.check(&server.address.to_string()).expect("three");
    let address = mitm.address.to_string();
    contacts.clear(&address).expect("it can be written");
    contacts.check(&address).expect("three");
}

#[tokio::test]
async fn a_number_that_is_shown_leaves_no_try_behind() {
    let (ann, bob) = (user("ann"), user("bob"));
    let mut server = bob.answers().await;
    for _ in 0..2 * MAX_TRIES {
        let mut client = ann.calls(server.address);
        client.person.sees_safety_number().await;
        server.person.sees_safety_number().await;
        client.person.says("a word");
        server.person.hears("a word").await;
        client.hangs_up().await;
        // The limit for strangers is not what is tested here.
        if bob.knows(ann.key()).expect("she has called").state != PeerState::Verified {
            bob.keyring().known.verify("ann", ann.key()).expect("known");
        }
    }
}

/// The number is shown late to those who call often, and a script does not wait for it.
#[tokio::test]
async fn calls_that_are_ended_at_once_are_no_tries() {
    let (ann, bob) = (user("ann"), user("bob"));
    let mut server = bob.answers().await;
    for call in 0..3 + 2 * MAX_TRIES {
        let mut client = ann.calls(server.address);
        if call < 3 {
            client.person.sees_safety_number().await;
        }
        client.person.says("a word");
        server.person.hears("a word").await;
        client.hangs_up().await;
    }
    let contacts = ann.keyring().first_contacts;
    contacts.check(&server.address.to_string()).expect("three");
}

#[cfg(unix)]
#[tokio::test]
async fn what_cannot_be_written_down_is_not_tried() {
    let (ann, bob) = (user("ann"), user("bob"));
    let mut server = bob.answers().await;
    // In the place of the lock.
    std::fs::create_dir(ann.home.path().join("first_contacts.lock")).expect("a directory");
    let mut client = ann.calls(server.address);
    let told = client
        .person
        .is_told("This call has no safety number")
        .await;
    assert!(told.contains("first_contacts"), "{told}");
    client.person.says("a word");
    server.person.hears("a word").await;
    client.hangs_up().await;
    server.person.reads_the_end().await;
    let number = |text: &String| text.contains("Safety number");
    assert!(!server.stops().await.iter().any(number));
}

/// Calls again and again, learns the number, and breaks off.
struct Guesser {
    keyring: Keyring,
    network: Exchange,
}

impl Guesser {
    /// Calls once, and waits for the number for at most this long.
    async fn guesses(&self, patience: Duration) -> Option<String> {
        let secured = self
            .keyring
            .tls
            .connect(self.network.connect(64 * 1024))
            .await;
        let secured = secured.expect("a handshake");
        let binding = ChannelBinding {
            exporter: secured.exporter,
            own_key: self.keyring.own_key,
            peer_key: secured.peer_key.expect("a program of this kind"),
        };
        let mut connection: BoxConnection =
            Connection::new(Box::new(secured.stream), LineCodec::chat1());
        connection.push_control(&Control::Hello(Hello {
            name: "mallory".into(),
            chosen: false,
            conversation: SessionId::random(),
            received: 0,
            resumed: false,
            keeps: false,
            history: false,
            answering: false,
            files: false,
            ended: false,
            commitment: None,
        }));
        let number = timeout(patience, learn(&mut connection, &binding)).await;
        connection.push_hang_up();
        connection.end().await;
        number.ok()
    }
}

/// Takes part in the exchange to its end.
async fn learn(connection: &mut BoxConnection, binding: &ChannelBinding) -> String {
    let mut exchange = DialerExchange::default();
    loop {
        let frame = connection.receive().await.expect("a good peer");
        let Frame::Control(json) = frame.expect("the call is on") else {
            panic!("nobody says anything");
        };
        match Control::parse(&json).expect("a good peer") {
            Some(Control::Hello(hello)) => {
                let commitment = hello.commitment.expect("a first connection");
                exchange.committed(binding, commitment);
                let nonce = exchange.take_nonce().expect("a first try");
                connection.push_control(&Control::Nonce(nonce));
            }
            Some(Control::Reveal(nonce)) => {
                let number = exchange.open(nonce).expect("a true reveal");
                return number.expect("the first time").digits;
            }
            Some(Control::Ping(number)) => connection.push_control(&Control::Pong(number)),
            _ => {}
        }
    }
}

/// The calls of a day, each for as long as there is between two of them.
#[tokio::test(start_paused = true)]
async fn ten_thousand_guesses_in_a_day_learn_at_most_160_numbers() {
    const GUESSES: u32 = 10_000;
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let (mallory, bob) = (user("mallory"), user("bob"));
    let (listener, network) = Network::new();
    // In a pipe, where nobody can be asked; at a terminal he would have to ring after three.
    let in_a_pipe = |config: &mut chat_server::Config| config.interactive = false;
    let server = bob.answers_as(listener, NOWHERE, bob.reception(), in_a_pipe);
    let guesser = Guesser {
        keyring: mallory.keyring(),
        network,
    };
    let start = Instant::now();
    let mut learned = 0;
    for call in 1..=GUESSES {
        let next = start + DAY * call / GUESSES;
        let number = guesser.guesses(next - Instant::now()).await;
        learned += usize::from(number.is_some());
        sleep_until(next).await;
    }
    let seen = server.stops().await;
    let count = |words: &str| seen.iter().filter(|text| text.contains(words)).count();
    assert!((100..=160).contains(&learned), "{learned}");
    // He learns none that was not shown, and the person is told what goes on.
    let shown = count("Safety number");
    assert!((learned..=160).contains(&shown), "{shown}");
    let warnings = count("Somebody may be guessing your safety number");
    assert!((50..=144).contains(&warnings), "{warnings}");
}
