//! The real programs, each with a home of its own.

use std::env;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Far longer than anything takes: what takes longer never comes.
const NEVER: Duration = Duration::from_secs(60);

/// The same for a whole call.
const LONG_CALL: Duration = Duration::from_secs(600);

/// A program that runs.
pub struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    notices: mpsc::UnboundedReceiver<String>,
    /// Notices that were passed over.
    seen: Vec<String>,
    _home: TempDir,
}

/// What a program left behind.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    /// Every line on stderr.
    pub notices: Vec<String>,
}

impl Program {
    /// Starts a server on a free port, and answers where it listens.
    pub async fn server(options: &[&str]) -> (Self, SocketAddr) {
        let mut server = Self::start("chat-server", &[&["127.0.0.1:0"], options].concat());
        let invitation = server.notices("Waiting for a call on port").await;
        let port = invitation
            .split(['.', ' '])
            .find_map(|word| word.parse().ok());
        let port: u16 = port.expect("a port in the invitation");
        (server, SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// Starts a client that calls `address`.
    pub fn client(address: SocketAddr, options: &[&str]) -> Self {
        Self::start(
            "chat-client",
            &[&[address.to_string().as_str()], options].concat(),
        )
    }

    fn start(name: &str, arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut child = Command::new(built().join(name))
            .args(arguments)
            .env("CHAT_HOME", home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program was built");
        let stderr = child.stderr.take().expect("a pipe");
        let (notice, notices) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if notice.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            child,
            notices,
            seen: Vec::new(),
            _home: home,
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Waits for a notice that contains `words`.
    pub async fn notices(&mut self, words: &str) -> String {
        loop {
            let line = timeout(NEVER, self.notices.recv()).await;
            let Ok(Some(line)) = line else {
                panic!("no notice of {words:?}, but {:#?}", self.seen);
            };
            self.seen.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Writes to its standard input.
    pub async fn says(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("it is open");
        stdin.write_all(text.as_bytes()).await.expect("it reads");
    }

    /// The next bytes on its standard output are these.
    pub async fn hears(&mut self, text: &str) {
        let stdout = self.stdout.as_mut().expect("it is open");
        let mut bytes = vec![0; text.len()];
        let read = timeout(NEVER, stdout.read_exact(&mut bytes)).await;
        read.expect("it comes").expect("it comes whole");
        assert_eq!(String::from_utf8_lossy(&bytes), text);
    }

    /// Gives it all its input, and then its end.
    pub fn says_at_last(&mut self, text: String) -> JoinHandle<()> {
        let mut stdin = self.stdin.take().expect("it is open");
        tokio::spawn(async move {
            // It may have ended before it has read everything.
            let _ = stdin.write_all(text.as_bytes()).await;
        })
    }

    /// Ends it without a word.
    pub async fn dies(&mut self) {
        self.child.kill().await.expect("it runs");
    }

    /// Waits for its end.
    pub async fn ends(mut self) -> Outcome {
        let mut stdout = String::new();
        let mut pipe = self.stdout.take().expect("it is open");
        let ended = async { tokio::join!(self.child.wait(), pipe.read_to_string(&mut stdout)) };
        let ended = timeout(LONG_CALL, ended).await;
        let Ok((Ok(status), Ok(_))) = ended else {
            while let Ok(line) = self.notices.try_recv() {
                self.seen.push(line);
            }
            panic!("it does not end: {:#?}", self.seen);
        };
        while let Some(line) = self.notices.recv().await {
            self.seen.push(line);
        }
        Outcome {
            code: ExitStatus::code(&status),
            stdout,
            notices: self.seen,
        }
    }
}

impl Outcome {
    /// Whether a notice contains `words`.
    pub fn notices(&self, words: &str) -> bool {
        self.notices.iter().any(|line| line.contains(words))
    }

    /// Fails if it heard anything else. Neither is printed: both are long.
    #[track_caller]
    pub fn heard_exactly(&self, lines: &str) {
        assert!(self.stdout == lines, "it did not hear exactly that");
    }
}

/// The directory of both programs, as they are now: cargo builds programs only for the tests
/// of their own packages.
fn built() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let test = env::current_exe().expect("this test's own path");
        let directory = test.ancestors().nth(2).expect("it is in PROFILE/deps");
        let profile = match directory.file_name() {
            Some(name) if name == "debug" => "dev",
            _ => "release",
        };
        let target = directory.parent().expect("a target directory");
        let status = std::process::Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--workspace", "--bins"])
            .args(["--profile", profile, "--target-dir"])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo runs");
        assert!(status.success(), "the programs cannot be built");
        directory.to_owned()
    })
}

/// So many different lines.
pub fn lines(speaker: &str, count: usize) -> String {
    let line = |n| format!("{speaker} says line {n} of {count}, and goes on for a while\n");
    (1..=count).map(line).collect()
}
