//! Files beside the talk: offered, taken, declined, cut off and gone on with.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chat_core::driver::{Command, Input};
use chat_core::files::{Direction, FileCommand, FileEvent, FileState, FileSummary};
use chat_core::protocol::Event;
use chat_core::transport::Intent;
use chat_core::wire::{CancelCode, Hex};
use chat_testkit::home;
use chat_testkit::people::{Client, Server, User, user};
use chat_testkit::process::{Process, command, program};
use chat_testkit::proxy::{Fate, Proxy};
use chat_testkit::scripted::{Person, REGRET, client, server};
use chat_testkit::wire::Wire;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Bytes that no two files have in common.
fn bytes(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(length as u64);
    std::iter::repeat_with(|| random.u8(..))
        .take(length)
        .collect()
}

fn a_file(user: &User, name: &str, length: usize) -> PathBuf {
    let path = user.home.path().join(name);
    fs::write(&path, bytes(length)).expect("written");
    path
}

/// Bob calls Ann.
async fn call(ann: &User, bob: &User) -> (Server, Client) {
    let mut server = ann.answers().await;
    let mut client = bob.calls(server.address);
    client.person.is_called().await;
    server.person.is_called().await;
    (server, client)
}

fn does(person: &Person, command: FileCommand) {
    person.commands(Command::File(command));
}

fn sends(person: &Person, path: &Path) {
    does(person, FileCommand::Send(vec![path.to_owned()]));
}

fn accepts(person: &Person, number: Option<u32>) {
    let name = None;
    does(person, FileCommand::Accept { number, name });
}

/// Waits for a state of an offer.
async fn sees<T>(person: &mut Person, what: impl Fn(&FileSummary, &FileState) -> Option<T>) -> T {
    let seen = person.sees(|event| match event {
        Event::File(FileEvent::Offer(file, state)) => what(file, state),
        _ => None,
    });
    seen.await
}

/// The other side offers something.
async fn is_offered(person: &mut Person) -> FileSummary {
    sees(person, |file, state| match state {
        FileState::Offered if file.direction == Direction::Received => Some(file.clone()),
        _ => None,
    })
    .await
}

/// A file has arrived, whoever sent it; returns where, at the receiver.
async fn is_done(person: &mut Person) -> (Option<PathBuf>, Option<Hex<32>>) {
    sees(person, |_, state| match state {
        FileState::Done { path, sha256 } => Some((path.clone(), *sha256)),
        FileState::Refused(_) | FileState::Failed(_) => panic!("{state:?}"),
        _ => None,
    })
    .await
}

async fn is_refused(person: &mut Person) -> CancelCode {
    sees(person, |_, state| match state {
        FileState::Refused(code) => Some(*code),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn each_side_sends_the_other_a_file() {
    let (ann, bob) = (user("ann"), user("bob"));
    let (mut server, mut client) = call(&ann, &bob).await;
    let path = a_file(&ann, "from ann.bin", 3_000_000);
    take(
        &mut server.person,
        &mut client.person,
        &path,
        &bob.downloads(),
    )
    .await;
    let path = a_file(&bob, "from bob.bin", 300);
    take(
        &mut client.person,
        &mut server.person,
        &path,
        &ann.downloads(),
    )
    .await;
    client.hangs_up().await;
}

/// One sends, and the other takes it.
async fn take(from: &mut Person, to: &mut Person, path: &Path, downloads: &Path) {
    sends(from, path);
    let offered = is_offered(to).await;
    assert_eq!(offered.size, fs::metadata(path).expect("a file").len());
    assert!(!downloads.exists(), "nothing is taken unasked");
    accepts(to, None);
    let (arrived, sha256) = is_done(to).await;
    let arrived = arrived.expect("a path");
    assert_eq!(arrived, downloads.join(path.file_name().expect("a name")));
    assert!(fs::read(&arrived).expect("a file") == fs::read(path).expect("a file"));
    let (_, at_sender) = is_done(from).await;
    let sha256 = sha256.expect("a hash");
    assert_eq!(at_sender, Some(sha256), "the same at both");
    let printed = std::process::Command::new("sha256sum")
        .arg(&arrived)
        .output();
    let printed = String::from_utf8(printed.expect("coreutils").stdout).expect("UTF-8");
    assert!(printed.starts_with(&sha256.to_string()), "{printed}");
}

#[tokio::test]
async fn a_directory_arrives_as_a_list_of_files() {
    let (ann, bob) = (user("ann"), user("bob"));
    let (mut server, mut client) = call(&ann, &bob).await;
    let path = ann.home.path().join("photos");
    fs::create_dir_all(path.join("summer")).expect("made");
    for n in 0..100 {
        fs::write(path.join(format!("summer/{n}")), bytes(n)).expect("written");
    }
    std::os::unix::fs::symlink("/etc/passwd", path.join("link")).expect("a link");
    sends(&server.person, &path);
    let offered = is_offered(&mut client.person).await;
    assert_eq!((offered.files, offered.size), (Some(100), 99 * 100 / 2));
    let name = Some("../holidays".to_owned());
    does(
        &client.person,
        FileCommand::Accept {
            number: Some(offered.number),
            name,
        },
    );
    let (arrived, _) = is_done(&mut client.person).await;
    let arrived = arrived.expect("a path");
    assert_eq!(
        arrived,
        bob.downloads().join("_._holidays"),
        "one component"
    );
    for n in 0..100 {
        let file = fs::read(arrived.join(format!("summer/{n}")));
        assert_eq!(file.expect("a file"), bytes(n));
    }
    assert!(!arrived.join("link").exists(), "links are no files");
    is_done(&mut server.person).await;
    client.hangs_up().await;
}

#[tokio::test]
async fn an_offer_is_declined_or_dropped_by_its_number() {
    let (ann, bob) = (user("ann"), user("bob"));
    let (mut server, mut client) = call(&ann, &bob).await;
    for name in ["one", "two", "three"] {
        sends(&server.person, &a_file(&ann, name, 10));
        is_offered(&mut client.person).await;
    }
    accepts(&client.person, None);
    client.person.reads("There are several").await;
    accepts(&client.person, Some(7));
    client.person.reads("There is no file 7").await;
    does(&client.person, FileCommand::Decline(Some(2)));
    assert_eq!(is_refused(&mut server.person).await, CancelCode::Declined);
    does(&server.person, FileCommand::Cancel(Some(1)));
    assert_eq!(is_refused(&mut client.person).await, CancelCode::Cancelled);
    // The one that is left; without a number, as with a call that rings.
    client.person.commands(Command::Decline(None));
    assert_eq!(is_refused(&mut server.person).await, CancelCode::Declined);
    accepts(&client.person, None);
    client
        .person
        .reads("There is no file to do that with")
        .await;
    assert!(!bob.downloads().exists());
    client.hangs_up().await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_told() {
    let (ann, bob) = (user("ann"), user("bob"));
    let (mut server, client) = call(&ann, &bob).await;
    sends(&server.person, Path::new("/nowhere/at all"));
    server
        .person
        .reads("“/nowhere/at all” cannot be sent")
        .await;
    sends(&server.person, Path::new("/dev/null"));
    server.person.reads("neither a file nor a directory").await;
    client.hangs_up().await;
}

#[tokio::test]
async fn a_peer_of_plain_lines_takes_no_files() {
    let mut server = server().await;
    let mut client = client(server.address);
    server.person.is_called().await;
    client.person.is_called().await;
    sends(&server.person, Path::new("/etc/passwd"));
    server.person.reads("cannot take files").await;
    // The other side would wait for it otherwise; it is told once.
    client.person.hears(REGRET).await;
    sends(&server.person, Path::new("/etc/passwd"));
    accepts(&server.person, None);
    server.person.says("sorry");
    client.person.hears("sorry").await;
    sends(&client.person, Path::new("/etc/passwd"));
    client.person.reads("cannot take files").await;
    server.person.hears(REGRET).await;
    client.person.does(Input::HangUp);
    assert_eq!(client.exit_code().await, 0);
}

/// Two programs at home in directories of their own, and what one sends the other.
struct Errand {
    sender: TempDir,
    receiver: TempDir,
    path: PathBuf,
    downloads: PathBuf,
}

impl Errand {
    fn of(length: usize) -> Self {
        let (sender, receiver) = (home(), home());
        let path = sender.path().join("big.bin");
        fs::write(&path, bytes(length)).expect("written");
        Self {
            downloads: receiver.path().join("in"),
            path,
            sender,
            receiver,
        }
    }

    /// A server that takes files.
    async fn server(&self, options: &[&str]) -> (Process, SocketAddr) {
        self.server_at("127.0.0.1:0", options).await
    }

    async fn server_at(&self, address: &str, options: &[&str]) -> (Process, SocketAddr) {
        let downloads = self.downloads.to_str().expect("UTF-8");
        let arguments = [&[address, "--accept-files", downloads], options].concat();
        let program = program("chat-server");
        let mut server = Process::start(&program, self.receiver.path(), &arguments);
        let address = server.listens().await;
        (server, address)
    }

    /// A client that sends it.
    fn client(&self, address: SocketAddr) -> Process {
        let address = address.to_string();
        let path = self.path.to_str().expect("UTF-8");
        let arguments = [address.as_str(), "--try-again", "--send-file", path];
        Process::start(&program("chat-client"), self.sender.path(), &arguments)
    }

    /// How many bytes are at the receiver.
    fn received(&self) -> u64 {
        let entries = fs::read_dir(&self.downloads)
            .into_iter()
            .flatten()
            .flatten();
        let sizes = entries.filter_map(|entry| Some(entry.metadata().ok()?.len()));
        sizes.max().unwrap_or_default()
    }

    /// Whether the sender has nothing left to do.
    fn is_over(&self) -> bool {
        let entries = fs::read_dir(self.sender.path().join("files")).expect("records");
        // A program that is killed while it writes a record leaves what it has written.
        let is_record = |path: &Path| path.extension().is_some_and(|ending| ending == "json");
        let mut paths = entries.map(|entry| entry.expect("an entry").path());
        self.downloads.join("big.bin").exists() && !paths.any(|path| is_record(&path))
    }

    fn has_arrived(&self) {
        let name = self.path.file_name().expect("a name");
        let arrived = fs::read(self.downloads.join(name)).expect("it is there");
        assert!(
            arrived == fs::read(&self.path).expect("a file"),
            "it is the same"
        );
        let left: Vec<_> = fs::read_dir(&self.downloads)
            .expect("a directory")
            .collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}

#[tokio::test]
async fn scripts_send_and_take_files() {
    let errand = Errand::of(2_000_000);
    let (mut server, address) = errand.server(&["--from-anyone", "--once"]).await;
    // Neither has anything to say, which must not end the call under the file.
    server.stdin = None;
    let client = errand.client(address).ends().await;
    assert_eq!(client.code, Some(0), "{}", client.stderr);
    assert_eq!(client.stdout, "");
    let server = server.ends().await;
    assert_eq!(server.code, Some(0), "{}", server.stderr);
    errand.has_arrived();
    let path = errand.downloads.join("big.bin");
    assert!(
        server
            .stderr
            .contains(&format!("Received {}", path.display()))
    );
    assert!(server.stderr.contains("SHA-256 ") && client.stderr.contains("SHA-256 "));
}

#[tokio::test]
async fn files_of_strangers_are_not_taken_by_scripts() {
    let errand = Errand::of(10);
    let (mut server, address) = errand.server(&[]).await;
    let client = errand.client(address).ends().await;
    assert_eq!(client.code, Some(1), "{}", client.stderr);
    assert!(
        client.stderr.contains("nobody there can take files"),
        "{}",
        client.stderr
    );
    server.tells("hung up").await;
    // Now the key is known.
    let client = errand.client(address).ends().await;
    assert_eq!(client.code, Some(0), "{}", client.stderr);
    server.tells("Received").await;
    errand.has_arrived();
    server.dies().await;
}

#[tokio::test]
async fn a_call_is_not_idle_while_a_file_is_on_its_way() {
    let errand = Errand::of(2_000_000);
    let options = ["--from-anyone", "--once", "--idle-timeout", "2s"];
    let (server, address) = errand.server(&options).await;
    let proxy = Proxy::start(address, []).await;
    proxy.slows_down(400_000);
    let begun = Instant::now();
    let client = errand.client(proxy.address).ends().await;
    assert_eq!(client.code, Some(0), "{}", client.stderr);
    assert!(begun.elapsed() > Duration::from_secs(4), "long enough");
    assert_eq!(server.ends().await.code, Some(0));
    errand.has_arrived();
}

#[tokio::test]
async fn a_file_goes_on_after_each_cut() {
    let errand = Errand::of(6_000_000);
    let (server, address) = errand.server(&["--from-anyone", "--once"]).await;
    // The call is the first connection.
    let plan = [(usize::MAX, Fate::Carries)];
    let cuts = [Fate::Reset, Fate::HalfClosed].repeat(5);
    let cuts = cuts.into_iter().map(|fate| (700_000, fate));
    let proxy = Proxy::start(address, plan.into_iter().chain(cuts)).await;
    let client = errand
        .client(proxy.address)
        .ends_within(Duration::from_secs(60))
        .await;
    assert_eq!(client.code, Some(0), "{}", client.stderr);
    assert_eq!(server.ends().await.code, Some(0));
    errand.has_arrived();
}

/// The most bytes that go again after a kill, those of the handshakes included.
const AGAIN: u64 = 1 << 20;

/// What was sent by now beyond what has arrived, and the most that a kill has added to it.
#[derive(Default)]
struct Again {
    sent: u64,
    most: u64,
}

impl Again {
    fn count(&mut self, proxy: &Proxy, errand: &Errand) {
        let sent = proxy.sent();
        let now = sent.saturating_sub(errand.received());
        let again = now.saturating_sub(self.sent);
        let entries: Vec<_> = fs::read_dir(&errand.downloads)
            .into_iter()
            .flatten()
            .collect();
        assert!(again <= AGAIN, "{again} bytes for one kill: {entries:?}");
        self.most = self.most.max(again);
        self.sent = now;
    }
}

/// Either side is killed at random moments, again and again, and started anew. `KILLS` is how
/// often.
#[tokio::test]
async fn a_file_survives_kills_of_either_side() {
    const LENGTH: usize = 60_000_000;
    let kills = std::env::var("KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok());
    let kills = kills.unwrap_or(6_usize);
    let mut random = fastrand::Rng::with_seed(kills as u64);
    let mut killed = 0;
    while killed < kills {
        let errand = Errand::of(LENGTH);
        let (mut server, address) = errand.server(&["--from-anyone"]).await;
        let proxy = Proxy::start(address, []).await;
        let mut client = errand.client(proxy.address);
        let mut again = Again::default();
        loop {
            tokio::time::sleep(Duration::from_millis(random.u64(50..500))).await;
            if random.bool() {
                server.dies().await;
                killed += 1;
                again.count(&proxy, &errand);
                (server, _) = errand
                    .server_at(&address.to_string(), &["--from-anyone"])
                    .await;
            }
            // A server that is started anew no longer knows the call.
            client.dies().await;
            killed += 1;
            again.count(&proxy, &errand);
            if errand.is_over() {
                break;
            }
            client = errand.client(proxy.address);
            if random.u8(..4) == 0 || killed >= kills {
                let ended = client.ends_within(Duration::from_secs(60)).await;
                assert_eq!(ended.code, Some(0), "{}", ended.stderr);
                break;
            }
        }
        errand.has_arrived();
        server.dies().await;
        eprintln!(
            "{killed} kills by now: at most {} bytes again for one",
            again.most
        );
    }
}

#[tokio::test]
async fn an_unfinished_offer_is_made_again_in_the_next_call() {
    let (ann, bob) = (user("ann"), user("bob"));
    let (mut server, client) = call(&ann, &bob).await;
    let path = a_file(&bob, "report.pdf", 100);
    sends(&client.person, &path);
    is_offered(&mut server.person).await;
    client.hangs_up().await;
    server.person.reads_the_end().await;

    let mut client = bob.calls(server.address);
    client.person.is_called().await;
    let offered = is_offered(&mut server.person).await;
    assert_eq!(offered.name.as_str(), "report.pdf");
    accepts(&server.person, None);
    is_done(&mut server.person).await;
    is_done(&mut client.person).await;
    client.hangs_up().await;
    server.person.reads_the_end().await;

    // It is over, and stays so.
    let mut client = bob.calls(server.address);
    client.person.is_called().await;
    client.person.says("hello");
    server.person.hears("hello").await;
    client.hangs_up().await;
    let rest = server.stops().await;
    assert!(
        !rest.iter().any(|line| line.contains("is offered")),
        "{rest:?}"
    );
}

#[tokio::test]
async fn a_pipe_that_takes_no_files_says_so() {
    let receiver = home();
    let mut server = Process::spawn(&mut command(
        &program("chat-server"),
        receiver.path(),
        &["127.0.0.1:0", "--once"],
    ))
    .expect("it starts");
    let address = server.listens().await;
    let errand = Errand::of(10);
    let client = errand.client(address).ends().await;
    assert_eq!(client.code, Some(1), "{}", client.stderr);
    assert_eq!(server.ends().await.code, Some(0));
}

/// The id of the session and of the offer, which anybody may have learned.
const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Opens the connection for that file, as this user.
async fn opens(user: &User, address: SocketAddr) -> Wire<impl AsyncRead + AsyncWrite> {
    let stream = TcpStream::connect(address).await.expect("she listens");
    let intent = Intent {
        for_file: true,
        ..Intent::default()
    };
    let secured = user.keyring().tls.connect_with(stream, intent).await;
    let mut file = Wire::new(secured.expect("TLS").stream);
    let hello = format!(r#"{{"file":{{"conversation":"{ID}","offer":"{ID}"}}}}"#);
    file.sends(format!("\u{1}{hello}\n")).await;
    file
}

#[tokio::test]
async fn a_file_goes_only_under_the_key_of_its_call() {
    let (ann, bob, mallory) = (user("ann"), user("bob"), user("mallory"));
    let mut server = ann.answers().await;
    let stream = TcpStream::connect(server.address).await;
    let keyring = bob.keyring();
    let secured = keyring.tls.connect(stream.expect("she listens")).await;
    let mut call = Wire::new(secured.expect("TLS").stream);
    let hello = format!(r#"{{"hello":{{"name":"bob","conversation":"{ID}","received":0}}}}"#);
    call.sends(format!("\u{1}{hello}\n")).await;
    server.person.is_called().await;
    let offer = format!(r#"{{"offer":{{"id":"{ID}","name":"x","size":3}}}}"#);
    call.sends(format!("\u{1}{offer}\n")).await;
    is_offered(&mut server.person).await;
    accepts(&server.person, None);

    let mut file = opens(&mallory, server.address).await;
    file.receives("\u{1}{\"refused\":{\"code\":\"no-session\"")
        .await;
    let mut file = opens(&bob, server.address).await;
    file.receives("\u{1}{\"have\":").await;
}
