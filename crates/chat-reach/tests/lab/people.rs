//! The real programs, at their places in the network.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::network::{Network, Place, RELAY};

/// After so long something will not happen any more.
const NEVER: Duration = Duration::from_secs(60);

/// The programs, built with relays.
pub struct Programs(PathBuf);

impl Programs {
    /// Builds them, unless `LAB_PROGRAMS` is the directory in which they are.
    pub async fn build() -> Self {
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

    fn path(&self, name: &str) -> String {
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
            .arg(RELAY)
            .arg(file)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a relay");
        let output = child.stdout.take().expect("it is piped");
        let ready = BufReader::new(output).lines().next_line().await;
        assert_eq!(ready.expect("it starts").as_deref(), Some("ready"));
        Self { child }
    }

    /// Ends it without a word.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it runs");
    }
}

/// A person at a program.
pub struct Person {
    child: Child,
    says: ChildStdin,
    hears: Lines<BufReader<ChildStdout>>,
    reads: Lines<BufReader<ChildStderr>>,
    _home: TempDir,
}

impl Person {
    fn start(mut command: Command, certificate: &Path) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let mut child = command
            .env("CHAT_HOME", home.path())
            .env("SSL_CERT_FILE", certificate)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a program");
        Self {
            says: child.stdin.take().expect("it is piped"),
            hears: BufReader::new(child.stdout.take().expect("it is piped")).lines(),
            reads: BufReader::new(child.stderr.take().expect("it is piped")).lines(),
            child,
            _home: home,
        }
    }

    /// Waits for calls in the first home. Returns the number too.
    pub async fn waits(
        network: &Network,
        programs: &Programs,
        certificate: &Path,
    ) -> (Self, String) {
        let mut command = network.command(Place::Home(0), &programs.path("chat-server"));
        // The one of the last round may not be gone yet.
        command.args(["-v", "--reach", RELAY, "0"]);
        let mut person = Self::start(command, certificate);
        let line = person.reads("chat-client").await;
        let at = format!("@{RELAY}");
        let line = match line.contains(&at) {
            true => line,
            false => person.reads(&at).await,
        };
        let number = line
            .split(' ')
            .find(|word| word.ends_with(&at))
            .expect("a number");
        (person, number.to_owned())
    }

    /// Calls this number from the second home.
    pub fn calls(network: &Network, programs: &Programs, certificate: &Path, number: &str) -> Self {
        let mut command = network.command(Place::Home(1), &programs.path("chat-client"));
        command.args(["-v", "--connect-timeout", "30s", number]);
        Self::start(command, certificate)
    }

    pub async fn says(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.says
            .write_all(line.as_bytes())
            .await
            .expect("it reads");
    }

    /// The next message is this one.
    pub async fn hears(&mut self, line: &str) {
        let heard = timeout(NEVER, self.hears.next_line())
            .await
            .expect("it comes");
        assert_eq!(heard.expect("text").as_deref(), Some(line));
    }

    /// Waits for a line of the program or its log that contains `words`.
    pub async fn reads(&mut self, words: &str) -> String {
        let read = async {
            while let Some(line) = self.reads.next_line().await.expect("text") {
                if line.contains(words) {
                    return line;
                }
            }
            panic!("it ended before {words:?}");
        };
        timeout(NEVER, read).await.expect(words)
    }

    /// Whether the way to the other side becomes direct within `limit`.
    pub async fn is_direct_within(&mut self, limit: Duration) -> bool {
        timeout(limit, self.reads("Direct")).await.is_ok()
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
