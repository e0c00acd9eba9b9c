//! Both programs as processes: what they say of keys, with which exit code, and what stock
//! tools make of them.

#![cfg(unix)]

use std::fs::{self, Permissions};
use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use chat_testkit::TLS_CALLER;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Far longer than anything takes.
const NEVER: Duration = Duration::from_secs(60);

/// Where nobody listens: a port for which a user needs rights.
const NOBODY: &str = "127.0.0.1:1";

async fn soon<F: Future>(what: F) -> F::Output {
    timeout(NEVER, what).await.expect("it never came")
}

fn chat_client() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_chat-client"))
}

/// The other program, which Cargo puts beside this one, but does not build for these tests.
fn chat_server() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let directory = chat_client().parent().expect("a directory");
        let mut cargo = std::process::Command::new(env!("CARGO"));
        cargo
            .args(["build", "--quiet", "--package", "chat-server"])
            .arg("--target-dir")
            .arg(directory.parent().expect("a target directory"))
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        if directory.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo").success());
        directory.join("chat-server")
    })
}

fn home() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// A running program: what it is told and what it prints.
struct Process {
    child: Child,
    stdout: mpsc::UnboundedReceiver<String>,
    stderr: mpsc::UnboundedReceiver<String>,
    /// All it has printed and this test has looked at.
    seen: String,
}

/// What a program was, from its start to its end.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// The one line that a program prints which cannot do what it is asked to.
    fn one_line(&self) -> &str {
        assert_eq!(self.stdout, "", "{self:?}");
        let line = self.stderr.strip_suffix('\n').expect("a line");
        assert!(!line.contains('\n'), "more than a line: {line}");
        line
    }
}

fn lines_of(output: impl AsyncRead + Send + Unpin + 'static) -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    let mut output = BufReader::new(output).lines();
    tokio::spawn(async move {
        while let Ok(Some(line)) = output.next_line().await {
            // The test may have seen enough.
            drop(sender.send(line));
        }
    });
    lines
}

impl Process {
    fn start(program: &Path, home: &Path, arguments: &[&str]) -> Self {
        let started = Self::try_start(program, home, arguments);
        started.expect("the program starts")
    }

    /// Starts a stock tool, or says that the test is skipped without it.
    fn tool(program: &str, arguments: &[&str]) -> Option<Self> {
        match Self::try_start(Path::new(program), Path::new("/"), arguments) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("skipped: {program} is not installed");
                None
            }
            started => Some(started.expect("the tool starts")),
        }
    }

    fn try_start(program: &Path, home: &Path, arguments: &[&str]) -> std::io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .env("CHAT_HOME", home)
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self {
            stdout: lines_of(child.stdout.take().expect("it is piped")),
            stderr: lines_of(child.stderr.take().expect("it is piped")),
            child,
            seen: String::new(),
        })
    }

    async fn types(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("it is open");
        let typed = soon(stdin.write_all(format!("{line}\n").as_bytes())).await;
        typed.expect("the program reads");
    }

    /// The next line on stdout is this one.
    async fn prints(&mut self, line: &str) {
        let printed = soon(self.stdout.recv()).await;
        assert_eq!(printed.as_deref(), Some(line), "after {}", self.seen);
    }

    /// Waits for a line on stderr that holds these words.
    async fn tells(&mut self, words: &str) -> String {
        loop {
            let line = soon(self.stderr.recv()).await;
            let Some(line) = line else {
                panic!("never told {words:?}, but: {}", self.seen);
            };
            self.seen.push_str(&line);
            self.seen.push('\n');
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Waits until the program ends by itself.
    async fn ends(mut self) -> Ended {
        let status: ExitStatus = soon(self.child.wait()).await.expect("it ends");
        let mut stdout = String::new();
        while let Some(line) = soon(self.stdout.recv()).await {
            stdout += &(line + "\n");
        }
        let mut stderr = self.seen;
        while let Some(line) = soon(self.stderr.recv()).await {
            stderr += &(line + "\n");
        }
        Ended {
            code: status.code(),
            stdout,
            stderr,
        }
    }

    async fn hangs_up(mut self) -> Ended {
        self.types("88").await;
        self.ends().await
    }
}

fn call(home: &TempDir, arguments: &[&str]) -> Process {
    Process::start(chat_client(), home.path(), arguments)
}

/// A server that waits for calls, where it does, and its key.
async fn serve(home: &TempDir, arguments: &[&str]) -> (Process, String, String) {
    serve_on("127.0.0.1:0", home, arguments).await
}

async fn serve_on(on: &str, home: &TempDir, more: &[&str]) -> (Process, String, String) {
    let arguments = [&[on], more].concat();
    let mut server = Process::start(chat_server(), home.path(), &arguments);
    let key = server.tells("Your key is SHA256:").await;
    let key = key.rsplit(' ').next().expect("a key").to_owned();
    let port = server.tells("Waiting for a call on port").await;
    let digits = port.split(' ').find_map(|word| word.strip_suffix('.'));
    let address = format!("127.0.0.1:{}", digits.expect("a port"));
    (server, address, key)
}

/// An ordinary call, after which the two know each other.
async fn have_met(ann: &TempDir, bob: &TempDir) -> String {
    let (mut server, address, _) = serve(bob, &["--name", "bob", "--once"]).await;
    let mut client = call(ann, &[&address, "--name", "ann"]);
    let anns = client.tells("Safety number").await;
    let bobs = server.tells("Safety number").await;
    assert_eq!(anns, bobs);
    assert!(!anns.contains('/'), "a pipe takes no commands: {anns}");
    assert!(client.seen.contains("new, unverified"), "{}", client.seen);
    assert!(server.seen.contains("new, unverified"), "{}", server.seen);
    assert_eq!(client.hangs_up().await.code, Some(0));
    assert_eq!(server.ends().await.code, Some(0));
    address
}

fn known_peers(home: &TempDir) -> String {
    fs::read_to_string(home.path().join("known_peers")).expect("a file")
}

#[tokio::test]
async fn programs_that_start_at_once_have_one_key() {
    let home = home();
    let path = home.path().join("new");
    let mut servers: Vec<_> = (0..4)
        .map(|_| Process::start(chat_server(), &path, &["127.0.0.1:0"]))
        .collect();
    let mut keys = Vec::new();
    for server in &mut servers {
        keys.push(server.tells("Your key is").await);
    }
    keys.dedup();
    assert_eq!(keys.len(), 1, "{keys:?}");
    let pipeline = "openssl pkey -in \"$0\" -pubout -outform DER | \
                    openssl dgst -sha256 -binary | base64";
    let identity = path.join("identity");
    let identity = identity.to_str().expect("UTF-8");
    if Process::tool("openssl", &["version"]).is_none() {
        return;
    }
    let mut shell = Process::tool("sh", &["-c", pipeline, identity]).expect("a shell");
    let fingerprint = soon(shell.stdout.recv()).await.expect("a fingerprint");
    assert!(keys[0].ends_with(&fingerprint), "{keys:?}: {fingerprint}");
}

/// Runs the command with which a refusal ends.
async fn mend(refusal: &str) {
    let (_, command) = refusal.rsplit_once(": ").expect("a command");
    let mended = Command::new("sh").args(["-c", command]).status();
    assert!(mended.await.expect("a shell").success(), "{command}");
}

#[tokio::test]
async fn a_bad_identity_is_refused_with_the_command_that_mends_it() {
    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).expect("written");
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
    }
    fn loosen(path: &Path) {
        fs::set_permissions(path, Permissions::from_mode(0o644)).expect("chmod");
    }
    fn link(path: &Path) {
        fs::rename(path, path.with_extension("real")).expect("renamed");
        symlink(path.with_extension("real"), path).expect("a link");
    }
    fn empty(path: &Path) {
        write(path, "", 0o600);
    }
    fn garbage(path: &Path) {
        write(path, "garbage\n", 0o600);
    }
    let spoil: [fn(&Path); 4] = [loosen, link, empty, garbage];
    for (spoil, command) in spoil.iter().zip(["chmod 600 ", "rm ", "rm ", "mv "]) {
        for (program, argument) in [(chat_client(), NOBODY), (chat_server(), "127.0.0.1:0")] {
            let home = home();
            let identity = home.path().join("identity");
            Process::start(chat_client(), home.path(), &[NOBODY])
                .ends()
                .await;
            spoil(&identity);
            let refused = Process::start(program, home.path(), &[argument])
                .ends()
                .await;
            assert_eq!(refused.code, Some(1), "{refused:?}");
            let line = refused.one_line();
            assert!(line.contains(identity.to_str().expect("UTF-8")), "{line}");
            assert!(line.contains(&format!(": {command}")), "{line}");
            mend(line).await;
            let tried = Process::start(chat_client(), home.path(), &[NOBODY])
                .ends()
                .await;
            assert!(tried.one_line().contains("cannot reach"), "{tried:?}");
        }
    }
}

#[tokio::test]
async fn known_peers_that_others_may_read_are_refused() {
    let home = home();
    let path = home.path().join("known_peers");
    fs::write(&path, "").expect("written");
    fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("chmod");
    for (program, argument) in [(chat_client(), NOBODY), (chat_server(), "127.0.0.1:0")] {
        let refused = Process::start(program, home.path(), &[argument])
            .ends()
            .await;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.one_line().contains(": chmod 600 "), "{refused:?}");
    }
}

#[tokio::test]
async fn lines_that_cannot_be_read_are_named_and_kept() {
    let (ann, bob) = (home(), home());
    let mess = "# friends\r\n\r\nbob ed25519 nonsense 2026-01-02 verified\r\nto do\n";
    for home in [&ann, &bob] {
        let path = home.path().join("known_peers");
        fs::write(&path, mess).expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("chmod");
    }
    let mut server = Process::start(chat_server(), bob.path(), &["127.0.0.1:0", "--once"]);
    server.tells("known_peers, line 3 is skipped").await;
    server.tells("known_peers, line 4 is skipped").await;
    let port = server.tells("Waiting for a call on port").await;
    let port = port.split(' ').find_map(|word| word.strip_suffix('.'));
    let address = format!("127.0.0.1:{}", port.expect("a port"));
    let mut client = call(&ann, &[&address]);
    client.tells("known_peers, line 3 is skipped").await;
    client.tells("known_peers, line 4 is skipped").await;
    client.tells("Safety number").await;
    client.hangs_up().await;
    server.ends().await;
    for home in [&ann, &bob] {
        let after = known_peers(home);
        let added = after.strip_prefix(mess).expect("as it was");
        assert_eq!(added.lines().count(), 1, "{added}");
    }
}

#[tokio::test]
async fn a_changed_key_is_refused_by_the_client_until_it_is_forgotten() {
    let (ann, bob, new_bob) = (home(), home(), home());
    let address = have_met(&ann, &bob).await;
    let known = known_peers(&ann);
    let known: Vec<_> = known.split_whitespace().collect();
    let (mut server, _, new_key) = serve_on(&address, &new_bob, &["--name", "bob"]).await;
    server.types("a secret of the server").await;

    let mut client = call(&ann, &[&address]);
    client.types("a secret").await;
    let refused = client.ends().await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let line = refused.one_line();
    let forget = "chat-client --forget bob";
    for part in [known[2], &new_key, &format!("since {}", known[3]), forget] {
        assert!(line.contains(part), "{part}: {line}");
    }

    let forgotten = call(&ann, &["--forget", "bob"]).ends().await;
    assert_eq!(forgotten.code, Some(0), "{forgotten:?}");
    assert!(forgotten.one_line().contains(known[2]), "{forgotten:?}");
    let nobody = call(&ann, &["--forget", "bob"]).ends().await;
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.one_line().contains("nobody named bob"), "{nobody:?}");

    let mut client = call(&ann, &[&address]);
    client.types("it is me").await;
    server.prints("it is me").await;
    client.prints("a secret of the server").await;
    assert_eq!(client.hangs_up().await.code, Some(0));
}

#[tokio::test]
async fn a_changed_key_is_refused_by_the_server_which_goes_on() {
    let (ann, new_ann, bob) = (home(), home(), home());
    have_met(&ann, &bob).await;
    let (mut server, address, _) = serve(&bob, &["--name", "bob"]).await;
    let mut client = call(&new_ann, &[&address, "--name", "ann"]);
    client.types("a secret").await;
    let refused = client.ends().await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(3), ""));
    assert!(refused.stderr.contains("refused the call"), "{refused:?}");
    let told = server.tells("Refused a call").await;
    assert!(told.contains("chat-server --forget ann"), "{told}");
    assert_eq!(told.matches("SHA256:").count(), 2, "{told}");

    let mut client = call(&ann, &[&address, "--name", "somebody else"]);
    client.types("it is me").await;
    server.prints("it is me").await;
    client.hangs_up().await;
    assert!(!server.seen.contains("a secret"), "{}", server.seen);

    let forgotten = Process::start(chat_server(), bob.path(), &["--forget", "ann"]);
    assert_eq!(forgotten.ends().await.code, Some(0));
    let mut client = call(&new_ann, &[&address, "--name", "ann"]);
    client.tells("new, unverified").await;
    client.hangs_up().await;
}

#[tokio::test]
async fn a_demanded_key_is_the_only_one() {
    let (ann, bob, mallory) = (home(), home(), home());
    let (_server, address, key) = serve(&bob, &[]).await;
    let mut client = call(&ann, &[&address, "--peer-key", &key]);
    client.tells("Safety number").await;
    assert_eq!(client.hangs_up().await.code, Some(0));

    let (mut server, address, _) = serve(&mallory, &["--once"]).await;
    let mut client = call(&ann, &[&address, "--peer-key", &key]);
    client.types("a secret").await;
    let refused = client.ends().await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.one_line().contains(&key), "{refused:?}");
    let carol = home();
    let mut next = call(&carol, &[&address]);
    next.types("hello").await;
    server.prints("hello").await;

    let wrong = call(&ann, &[&address, "--peer-key", "SHA256:x"]);
    assert_eq!(wrong.ends().await.code, Some(2));
}

#[tokio::test]
async fn known_only_leaves_strangers_outside() {
    let (ann, bob, carol) = (home(), home(), home());
    have_met(&ann, &bob).await;
    let (mut server, address, _) = serve(&bob, &["--known-only"]).await;
    let mut stranger = call(&carol, &[&address, "--name", "stranger"]);
    stranger.types("let me in").await;
    let refused = stranger.ends().await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(3), ""));
    let mut client = call(&ann, &[&address]);
    client.types("it is me").await;
    server.prints("it is me").await;
    client.hangs_up().await;
}

/// Takes one call, says a line, and answers all it hears.
async fn plaintext_server(listener: TcpListener) -> Vec<u8> {
    let (mut stream, _) = soon(listener.accept()).await.expect("a caller");
    stream.write_all(b"hello?\n").await.expect("written");
    stream.shutdown().await.expect("an open stream");
    let mut heard = Vec::new();
    // However it ends: what came is what counts.
    drop(soon(stream.read_to_end(&mut heard)).await);
    heard
}

async fn a_port() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

#[tokio::test]
async fn a_plaintext_server_is_not_spoken_to_unless_it_is_meant() {
    let ann = home();
    let (listener, address) = a_port().await;
    let address = address.to_string();
    let mut client = call(&ann, &[&address, "--name", "ann"]);
    client.types("a secret").await;
    let (heard, refused) = tokio::join!(plaintext_server(listener), client.ends());
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.one_line().contains("--plain"), "{refused:?}");
    assert_eq!(heard[0], 22, "a TLS handshake");
    let heard = String::from_utf8_lossy(&heard);
    assert!(!heard.contains("ann") && !heard.contains("secret"));

    let listener = TcpListener::bind(&address).await.expect("the same port");
    let mut client = call(&ann, &[&address, "--plain"]);
    client.types("no secret").await;
    let talk = async {
        client.prints("hello?").await;
        client.hangs_up().await
    };
    let (heard, ended) = tokio::join!(plaintext_server(listener), talk);
    assert_eq!(String::from_utf8_lossy(&heard), "no secret\n88");
    assert!(ended.stderr.contains("NOT ENCRYPTED"), "{ended:?}");
}

#[tokio::test]
async fn a_known_address_is_never_called_without_its_key() {
    let (ann, bob) = (home(), home());
    let address = have_met(&ann, &bob).await;
    let refused = call(&ann, &[&address, "--plain"]).ends().await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let line = refused.one_line();
    assert!(line.contains("chat-client --forget bob"), "{line}");

    let port = address.rsplit(':').next().expect("a port");
    let Some(mut server) = Process::tool("ncat", &["-v", "--ssl", "-l", "127.0.0.1", port]) else {
        return;
    };
    server.tells("Listening on").await;
    let mut client = call(&ann, &[&address]);
    client.types("a secret").await;
    let refused = client.ends().await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    refused.one_line();
    assert_eq!(server.ends().await.stdout, "");
}

/// Lets a tool call a server and exchanges a line each way.
async fn tool_calls(options: &[&str], mark: &str, program: &str, arguments: &[&str]) {
    let bob = home();
    let (mut server, address, _) = serve(&bob, &[options, &["--once"]].concat()).await;
    let (host, port) = address.split_once(':').expect("a port");
    let filled: Vec<_> = arguments
        .iter()
        .map(|argument| match *argument {
            "HOST" => host,
            "PORT" => port,
            "ADDRESS" => &address,
            other => other,
        })
        .collect();
    let Some(mut tool) = Process::tool(program, &filled) else {
        return;
    };
    tool.types("你好 from a tool").await;
    server.prints("你好 from a tool").await;
    server.tells(mark).await;
    server.types("hello tool").await;
    tool.prints("hello tool").await;
    let ended = server.hangs_up().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
}

const NO_KEY: &str = "encrypted, no key";

#[tokio::test]
async fn openssl_s_client_calls() {
    let arguments = ["s_client", "-quiet", "-connect", "ADDRESS"];
    tool_calls(&[], NO_KEY, "openssl", &arguments).await;
}

#[tokio::test]
async fn ncat_calls() {
    tool_calls(&[], NO_KEY, "ncat", &["--ssl", "HOST", "PORT"]).await;
}

#[tokio::test]
async fn python_calls() {
    let arguments = ["-c", TLS_CALLER, "HOST", "PORT"];
    tool_calls(&[], NO_KEY, "python3", &arguments).await;
}

#[tokio::test]
async fn nc_calls_where_plain_text_is_allowed() {
    let options = ["--allow-plain"];
    tool_calls(&options, "NOT ENCRYPTED", "nc", &["HOST", "PORT"]).await;
}

#[tokio::test]
async fn nc_is_told_what_to_do_where_it_is_not() {
    let bob = home();
    let (_server, address, _) = serve(&bob, &[]).await;
    let (host, port) = address.split_once(':').expect("a port");
    let Some(mut nc) = Process::tool("nc", &[host, port]) else {
        return;
    };
    nc.types("hello").await;
    let line = soon(nc.stdout.recv()).await.expect("a line");
    assert!(line.contains("--allow-plain"), "{line}");
    drop(nc.child.stdin.take());
    assert_eq!(nc.ends().await.stdout, "");
}

/// Calls a stock TLS server and exchanges a line each way.
async fn calls_tool(tool: &mut Process, address: &str) {
    let ann = home();
    let mut client = call(&ann, &[address]);
    client.types("hello 工具").await;
    loop {
        // s_server tells about the session first.
        let line = soon(tool.stdout.recv()).await.expect("the line");
        if line == "hello 工具" {
            break;
        }
    }
    client.tells(NO_KEY).await;
    tool.types("hello to you").await;
    client.prints("hello to you").await;
    let ended = client.hangs_up().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn openssl_s_server_is_called() {
    let files = home();
    let path = |name: &str| files.path().join(name).to_string_lossy().into_owned();
    let (key, certificate) = (path("key"), path("certificate"));
    let request = ["req", "-x509", "-nodes", "-subj", "/CN=stock", "-newkey"];
    let kind = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let made = ["-keyout", &key, "-out", &certificate];
    let Some(maker) = Process::tool("openssl", &[&request[..], &kind, &made].concat()) else {
        return;
    };
    assert_eq!(maker.ends().await.code, Some(0));
    let serve = ["s_server", "-naccept", "1", "-accept", "127.0.0.1:0"];
    let files = ["-key", &key, "-cert", &certificate];
    let mut server = Process::tool("openssl", &[&serve[..], &files].concat()).expect("openssl");
    let address = loop {
        let line = soon(server.stdout.recv()).await.expect("the address");
        if let Some(address) = line.strip_prefix("ACCEPT ") {
            break address.to_owned();
        }
    };
    calls_tool(&mut server, &address).await;
}

#[tokio::test]
async fn ncat_is_called() {
    // ncat does not tell which port it was given, so it gets one that was free just now.
    let (free, address) = a_port().await;
    drop(free);
    let (address, port) = (address.to_string(), address.port().to_string());
    let arguments = ["-v", "--ssl", "-l", "127.0.0.1", &port];
    let Some(mut server) = Process::tool("ncat", &arguments) else {
        return;
    };
    server.tells("Listening on").await;
    calls_tool(&mut server, &address).await;
}

#[tokio::test]
async fn a_port_scan_leaves_a_call_alone() {
    let (ann, bob) = (home(), home());
    let (mut server, address, _) = serve(&bob, &["--once"]).await;
    let mut client = call(&ann, &[&address]);
    client.types("before").await;
    server.prints("before").await;
    for _ in 0..20 {
        drop(TcpStream::connect(&address).await.expect("a server"));
    }
    client.types("after").await;
    server.prints("after").await;
    let ended = client.hangs_up().await;
    assert_eq!(ended.code, Some(0));
    assert_eq!(server.ends().await.code, Some(0));
}
