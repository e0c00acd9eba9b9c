//! The real programs, at their places in the network.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{OnceCell, mpsc};
use tokio::time::timeout;

use super::network::{Network, Place, RELAY, RELAY_NAME};

/// After so long something will not happen any more.
const NEVER: Duration = Duration::from_secs(60);

/// The programs, built with relays.
#[derive(Clone)]
pub struct Programs(PathBuf);

impl Programs {
    /// Builds them, once, unless `LAB_PROGRAMS` is the directory in which they are.
    pub async fn build() -> Self {
        static PROGRAMS: OnceCell<Programs> = OnceCell::const_new();
        PROGRAMS.get_or_init(Self::build_now).await.clone()
    }

    async fn build_now() -> Self {
        if let Some(directory) = std::env::var_os("LAB_PROGRAMS") {
            return Self(directory.into());
        }
        let programs =
            "-p chat-client -p chat-server --features chat-client/reach,chat-server/reach";
        for what in [programs, "-p chat-reach --example relay"] {
            let mut cargo = Command::new(env!("CARGO"));
            let built = cargo.arg("build").args(what.split(' ')).status().await;
            assert!(built.expect("cargo").success());
        }
        let mut directory = std::env::current_exe().expect("this test");
        // target/debug/deps/lab-…
        directory.pop();
        directory.pop();
        Self(directory)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

/// A relay.
pub struct Relay {
    child: Child,
}

impl Relay {
    /// Starts one, whose certificate is in `file`.
    pub async fn start(network: &Network, programs: &Programs, file: &Path) -> Self {
        let mut child = network
            .command(Place::Internet, &programs.path("examples/relay"))
            .args([RELAY.as_ref(), file.as_os_str(), RELAY_NAME.as_ref()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("a relay");
        let output = child.stdout.take().expect("it is piped");
        let ready = BufReader::new(output).lines().next_line().await;
        assert_eq!(ready.expect("it starts").as_deref(), Some("ready"));
        Self { child }
    }

    /// Ends it without a word.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it runs");
    }
}

/// A line of a program, and when it came.
type Line = (Instant, String);

/// A person at a program.
pub struct Person {
    child: Child,
    says: ChildStdin,
    hears: mpsc::UnboundedReceiver<Line>,
    reads: mpsc::UnboundedReceiver<Line>,
}

impl Person {
    /// Starts a program that trusts a relay with this certificate.
    pub fn start(mut command: Command, home: &Path, certificate: &Path) -> Self {
        let mut child = command
            .env("CHAT_HOME", home)
            .env("SSL_CERT_FILE", certificate)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a program");
        Self {
            says: child.stdin.take().expect("it is piped"),
            hears: lines(child.stdout.take().expect("it is piped")),
            reads: lines(child.stderr.take().expect("it is piped")),
            child,
        }
    }

    /// The number in the invitation that was printed.
    pub async fn number(&mut self, relay: &str) -> String {
        let at = format!("@{relay}");
        let line = self.reads(&at).await;
        let number = line.split(' ').find(|word| word.ends_with(&at));
        number.expect("a number").to_owned()
    }

    pub async fn says(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.says
            .write_all(line.as_bytes())
            .await
            .expect("it reads");
    }

    /// The next message is this one. Returns when it came.
    pub async fn hears(&mut self, line: &str) -> Instant {
        let heard = timeout(NEVER, self.hears.recv()).await;
        let (at, heard) = heard.expect("it comes").expect("the program runs");
        assert_eq!(heard, line);
        at
    }

    /// Waits for a line of the program or its log that contains `words`.
    pub async fn reads(&mut self, words: &str) -> String {
        let read = async {
            while let Some((_, line)) = self.reads.recv().await {
                if line.contains(words) {
                    return line;
                }
            }
            panic!("it ended before {words:?}");
        };
        timeout(NEVER, read).await.expect(words)
    }

    /// When a line that contains `words` has come, if one has.
    pub fn has_read(&mut self, words: &str) -> Option<Instant> {
        while let Ok((at, line)) = self.reads.try_recv() {
            if line.contains(words) {
                return Some(at);
            }
        }
        None
    }

    /// Whether the way to the other side becomes direct within `limit`.
    pub async fn is_direct_within(&mut self, limit: Duration) -> bool {
        timeout(limit, self.reads("Direct")).await.is_ok()
    }

    /// Hangs up, and waits until the program ends.
    pub async fn hangs_up(mut self) {
        self.says("88").await;
        self.ends().await;
    }

    /// Waits until the program ends, in good order.
    pub async fn ends(mut self) {
        let ended = timeout(NEVER, self.child.wait()).await.expect("it ends");
        assert!(ended.expect("it ran").success());
    }

    /// Stops the program, as sleep does.
    pub fn stop(&self) {
        self.signal("STOP");
    }

    /// Ends [`stop`](Self::stop).
    pub fn wake(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", signal, &id])
            .status();
        assert!(sent.expect("kill").success());
    }
}

/// The lines that a program prints, which never waits for anybody to read them.
fn lines(from: impl AsyncRead + Send + Unpin + 'static) -> mpsc::UnboundedReceiver<Line> {
    let (printed, lines) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut from = BufReader::new(from).lines();
        while let Ok(Some(line)) = from.next_line().await {
            if printed.send((Instant::now(), line)).is_err() {
                return;
            }
        }
    });
    lines
}
