//! Calls with `interop/chat1.py`, a second implementation of chat/1 that was written after
//! `docs/protocol.md` and shares no code with this one.
//!
//! It needs a Python whose OpenSSL has X25519MLKEM768. Without one these are skipped, and say so.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::{fs, io};

use chat_core::driver::Command as Typed;
use chat_core::files::FileCommand;
use chat_core::trust::Identity;
use chat_testkit::home;
use chat_testkit::people::user;
use chat_testkit::process::{Ended, Process, lines};
use chat_testkit::proxy::{Fate, Proxy};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use tempfile::TempDir;

const PYTHON: &str = "python3";
const PEER: &str = "tests/interop/chat1.py";
const DOCUMENT: &str = "docs/protocol.md";

/// OpenSSL has X25519MLKEM768 from 3.5 on, and a peer without it is no chat/1 peer.
const IS_ABLE: &str = "\
import ssl, sys
if ssl.OPENSSL_VERSION_INFO < (3, 5):
    sys.exit(f'it has {ssl.OPENSSL_VERSION}, which is too old for X25519MLKEM768')
";

/// The second implementation, running.
struct Peer {
    process: Process,
    /// What it told, and nobody asked for yet.
    told: Vec<Value>,
    _home: TempDir,
}

impl Peer {
    /// Starts it with a new key, if there is a Python that can run it.
    fn start(arguments: &[&str]) -> Option<Self> {
        let home = home();
        if !is_able() {
            return None;
        }
        make_keys(home.path());
        let place = home.path().to_str().expect("UTF-8");
        let arguments = [&[PEER], arguments, &[place]].concat();
        Some(Self {
            process: Process::tool(PYTHON, &arguments)?,
            told: Vec::new(),
            _home: home,
        })
    }

    /// Starts it, and it calls `address`.
    fn calls(address: SocketAddr) -> Option<Self> {
        Self::start(&["call", &address.port().to_string()])
    }

    /// Starts it, and it waits for a call there.
    async fn answers() -> Option<(Self, SocketAddr)> {
        let mut peer = Self::start(&["answer"])?;
        let port = peer.tells("port").await.as_u64().expect("a number");
        let port = u16::try_from(port).expect("a port");
        Some((peer, SocketAddr::from(([127, 0, 0, 1], port))))
    }

    /// Waits until it tells of this, whatever else it tells. What it tells twice is there twice.
    async fn tells(&mut self, of: &str) -> Value {
        let mut told = 0;
        loop {
            if told == self.told.len() {
                let line = self.process.next_line().await;
                self.told.push(serde_json::from_str(&line).expect("JSON"));
            }
            if let Some(value) = self.told[told].get_mut(of) {
                let value = value.take();
                self.told.remove(told);
                return value;
            }
            told += 1;
        }
    }

    /// The next message that it hears is this one.
    async fn hears(&mut self, text: &str) {
        assert_eq!(self.tells("heard").await, text);
    }

    /// The program has so many of its messages; one receipt may do for several.
    async fn has_delivered(&mut self, messages: u64) {
        while self.tells("delivered").await != messages {}
    }

    async fn types(&mut self, line: &str) {
        self.process.types(&format!("{line}\n")).await;
    }

    /// It ends well, and says so for this reason.
    async fn ends(mut self, reason: &str) {
        assert_eq!(self.tells("over").await, reason);
        assert!(!self.told.iter().any(|told| told.get("heard").is_some()));
        assert_eq!(self.process.ends().await.code, Some(0));
    }
}

/// Whether there is a Python that can run it. The test says so if not.
fn is_able() -> bool {
    let problem = match Command::new(PYTHON).args(["-c", IS_ABLE]).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => "it is not installed".into(),
        output => {
            let Output { status, stderr, .. } = output.expect("it runs");
            if status.success() {
                return true;
            }
            String::from_utf8_lossy(&stderr).into_owned()
        }
    };
    eprintln!("skipped without a {PYTHON} that can do it: {problem}");
    false
}

/// A key as our programs make it, and a certificate on it.
fn make_keys(home: &Path) {
    Identity::open(home).expect("a new key");
    let key = PrivatePkcs8KeyDer::from_pem_file(home.join("identity")).expect("it was made");
    let key = KeyPair::try_from(&key).expect("an Ed25519 key");
    let certificate = CertificateParams::default().self_signed(&key);
    let certificate = certificate.expect("a certificate");
    fs::write(home.join("certificate"), certificate.der()).expect("a directory of ours");
}

/// Text of all kinds each way, and nothing lost or doubled although the connection is cut.
async fn talk(program: &mut Process, peer: &mut Peer) {
    peer.types("hello").await;
    program.prints("hello").await;
    peer.has_delivered(1).await;
    program.types("你好\n\n").await;
    peer.hears("你好").await;
    peer.hears("").await;
    peer.types(r#"/say "88""#).await;
    program.prints("88").await;
    peer.types(r#"/say "two\nlines""#).await;
    program.prints("two").await;
    program.prints("lines").await;
    peer.has_delivered(3).await;
    for round in 0..3 {
        // What is typed with it is said after the cut.
        peer.types(&format!("/cut\nafter the cut {round}")).await;
        program.prints(&format!("after the cut {round}")).await;
        peer.tells("back").await;
        program.types(&format!("answer {round}\n")).await;
        peer.hears(&format!("answer {round}")).await;
    }
    peer.has_delivered(6).await;
}

#[tokio::test]
async fn it_computes_the_vectors_of_the_document() {
    let Some(peer) = Process::tool(PYTHON, &[PEER, "check", DOCUMENT]) else {
        return;
    };
    let Ended {
        code,
        stdout,
        stderr,
    } = peer.ends().await;
    assert_eq!(
        (code, stdout.as_str()),
        (Some(0), "{\"checked\": 4}\n"),
        "{stderr}"
    );
}

#[tokio::test]
async fn it_calls_and_hangs_up() {
    let (mut server, address) = Process::server(&["--once"]).await;
    let Some(mut peer) = Peer::calls(address) else {
        return;
    };
    talk(&mut server, &mut peer).await;
    peer.types("bye\n/bye").await;
    server.prints("bye").await;
    peer.ends("hung up here").await;
    let server = server.ends().await;
    assert!(server.tells("The other side hung up"), "{server:?}");
    assert_eq!((server.code, server.stdout.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn it_answers_and_hangs_up() {
    let Some((mut peer, address)) = Peer::answers().await else {
        return;
    };
    let mut client = Process::client(address, &[]);
    talk(&mut client, &mut peer).await;
    peer.types("bye\n/bye").await;
    client.prints("bye").await;
    peer.ends("hung up here").await;
    let client = client.ends().await;
    assert!(client.tells("The other side hung up"), "{client:?}");
    assert_eq!((client.code, client.stdout.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn it_calls_and_is_hung_up_on() {
    let (mut server, address) = Process::server(&["--once"]).await;
    let Some(mut peer) = Peer::calls(address) else {
        return;
    };
    peer.types("hello").await;
    server.prints("hello").await;
    server.types("bye\n88\n").await;
    peer.hears("bye").await;
    peer.ends("hung up there").await;
    assert_eq!(server.ends().await.code, Some(0));
}

#[tokio::test]
async fn it_answers_and_is_hung_up_on() {
    let Some((mut peer, address)) = Peer::answers().await else {
        return;
    };
    let mut client = Process::client(address, &[]);
    client.types("hello\n88\n").await;
    peer.hears("hello").await;
    peer.ends("hung up there").await;
    assert_eq!(client.ends().await.code, Some(0));
}

#[tokio::test]
async fn it_sends_a_file_and_takes_one() {
    let ann = user("ann");
    let mut server = ann.answers().await;
    let Some(mut peer) = Peer::calls(server.address) else {
        return;
    };
    peer.tells("met").await;
    let content: Vec<u8> = (0..1_000_000_u32).map(|n| (n / 7) as u8).collect();
    let path = ann.home.path().join("a file.bin");
    fs::write(&path, &content).expect("written");
    peer.types(&format!("/send {}", path.display())).await;
    let files = Typed::File;
    server.person.reads("is offered to you: “a file.bin”").await;
    let (number, name) = (None, None);
    server
        .person
        .commands(files(FileCommand::Accept { number, name }));
    assert_eq!(peer.tells("taken").await, "a file.bin");
    let arrived = fs::read(ann.downloads().join("a file.bin"));
    assert!(arrived.expect("it is there") == content);
    let told = server.person.reads("SHA-256").await;

    server.person.commands(files(FileCommand::Send(vec![path])));
    let hash = peer.tells("took").await;
    assert!(told.contains(hash.as_str().expect("digits")), "{told}");
    server.person.reads("Sent “a file.bin”").await;
    peer.types("/bye").await;
    peer.ends("hung up here").await;
}

/// As a listener it knows no files, and its hello says so.
#[tokio::test]
async fn nothing_is_offered_where_files_are_unknown() {
    let Some((peer, address)) = Peer::answers().await else {
        return;
    };
    let client = Process::client(address, &["--send-file", "/etc/passwd"]);
    peer.ends("hung up there").await;
    let client = client.ends().await;
    assert_eq!(client.code, Some(1), "{}", client.stderr);
    assert!(
        client.stderr.contains("too old, or not this one"),
        "{}",
        client.stderr
    );
}

/// Both say all at once and end their input, over a network that cuts.
async fn pour(program: &mut Process, peer: &mut Peer) {
    let (to_peer, to_program) = (lines("ann", 1_000), lines("bob", 1_000));
    program.types_at_last(to_peer.clone());
    peer.process.types_at_last(to_program.clone());
    for line in to_peer.lines() {
        peer.hears(line).await;
    }
    for line in to_program.lines() {
        program.prints(line).await;
    }
    peer.tells("back").await;
}

const CUTS: [(usize, Fate); 3] = [
    (20_000, Fate::Reset),
    (2_500, Fate::HalfClosed),
    (30_000, Fate::Reset),
];

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_it_calls() {
    let (mut server, address) = Process::server(&["--once"]).await;
    let proxy = Proxy::start(address, CUTS).await;
    let Some(mut peer) = Peer::calls(proxy.address) else {
        return;
    };
    pour(&mut server, &mut peer).await;
    peer.ends("both are done").await;
    let server = server.ends().await;
    assert_eq!((server.code, server.stdout.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_it_answers() {
    let Some((mut peer, address)) = Peer::answers().await else {
        return;
    };
    let proxy = Proxy::start(address, CUTS).await;
    let mut client = Process::client(proxy.address, &[]);
    pour(&mut client, &mut peer).await;
    peer.ends("both are done").await;
    let client = client.ends().await;
    assert_eq!((client.code, client.stdout.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn it_gives_a_silent_connection_up_and_calls_again() {
    let (mut server, address) = Process::server(&["--once"]).await;
    let proxy = Proxy::start(address, []).await;
    let Some(mut peer) = Peer::calls(proxy.address) else {
        return;
    };
    peer.types("hello").await;
    server.prints("hello").await;
    peer.has_delivered(1).await;
    proxy.weather(Fate::Stalls);
    peer.types("is anybody there?").await;
    assert_eq!(peer.tells("lost").await, "nothing was heard");
    proxy.weather(Fate::Carries);
    server.prints("is anybody there?").await;
    peer.types("/bye").await;
    peer.ends("hung up here").await;
    assert_eq!(server.ends().await.code, Some(0));
}

/// Both show the same safety number, and show it once although the connection is cut.
async fn compare(mut program: Process, mut peer: Peer) {
    let number = peer.tells("number").await;
    let number = number.as_str().expect("digits");
    let shown = format!("Safety number {number}");
    let pictures = program.tells(&shown).await;
    for picture in peer.tells("pictures").await.as_array().expect("five") {
        assert!(
            pictures.contains(picture.as_str().expect("a name")),
            "{pictures}"
        );
    }
    peer.types("/cut\nafter the cut").await;
    program.prints("after the cut").await;
    peer.types("/bye").await;
    assert_eq!(peer.tells("over").await, "hung up here");
    assert!(!peer.told.iter().any(|told| told.get("number").is_some()));
    let program = program.ends().await;
    assert_eq!(
        program.stderr.matches("Safety number").count(),
        1,
        "{program:?}"
    );
}

#[tokio::test]
async fn it_calls_and_shows_the_same_safety_number() {
    let (server, address) = Process::server(&["--once"]).await;
    if let Some(peer) = Peer::calls(address) {
        compare(server, peer).await;
    }
}

#[tokio::test]
async fn it_answers_and_shows_the_same_safety_number() {
    if let Some((peer, address)) = Peer::answers().await {
        compare(Process::client(address, &[]), peer).await;
    }
}
