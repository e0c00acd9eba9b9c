//! Programs as processes in pipes: ours, and those that nobody here wrote.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, io};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::{NEVER, home, soon};

/// A program that runs.
pub struct Process {
    child: Child,
    /// Its standard input, which ends when this is dropped.
    pub stdin: Option<ChildStdin>,
    /// Its standard output, which nobody reads who does not ask for it.
    pub stdout: Option<BufReader<ChildStdout>>,
    stderr: mpsc::UnboundedReceiver<String>,
    /// The lines on stderr that the test has looked at.
    pub seen: String,
    _home: Option<TempDir>,
}

/// What a program left behind.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// What it printed and the test had not looked at.
    pub stdout: String,
    /// Everything on stderr.
    pub stderr: String,
}

/// A program with this home, and pipes at its ends.
pub fn command(program: &Path, home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("CHAT_HOME", home)
        .env("LC_ALL", "C.UTF-8")
        .env_remove("RUST_LOG")
        .env_remove("CHAT_IDENTITY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Process {
    /// Starts a program with this home.
    pub fn start(program: &Path, home: &Path, arguments: &[&str]) -> Self {
        let started = Self::spawn(&mut command(program, home, arguments));
        started.expect("the program starts")
    }

    /// Starts a program with a home of its own.
    pub fn start_anew(program: &Path, arguments: &[&str]) -> Self {
        let home = home();
        let started = Self::start(program, home.path(), arguments);
        Self {
            _home: Some(home),
            ..started
        }
    }

    /// Starts our server on a free port, and returns where it listens.
    pub async fn server(options: &[&str]) -> (Self, SocketAddr) {
        let arguments = [&["127.0.0.1:0"], options].concat();
        let mut server = Self::start_anew(&program("chat-server"), &arguments);
        let address = server.listens().await;
        (server, address)
    }

    /// Starts our client, which calls `address`.
    pub fn client(address: SocketAddr, options: &[&str]) -> Self {
        let address = address.to_string();
        let arguments = [&[address.as_str()], options].concat();
        Self::start_anew(&program("chat-client"), &arguments)
    }

    /// Starts a stock tool, or says that the test is skipped without it.
    pub fn tool(program: &str, arguments: &[&str]) -> Option<Self> {
        let mut command = command(Path::new(program), Path::new("/"), arguments);
        match Self::spawn(command.env("PYTHONUTF8", "1")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                eprintln!("skipped: {program} is not installed");
                None
            }
            started => Some(started.expect("the tool starts")),
        }
    }

    /// Starts a [`command`].
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut child = command.spawn()?;
        let stderr = child.stderr.take().expect("it is piped");
        let (sender, lines) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(BufReader::new),
            child,
            stderr: lines,
            seen: String::new(),
            _home: None,
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Waits for a line on stderr that contains `words`.
    pub async fn tells(&mut self, words: &str) -> String {
        loop {
            let line = timeout(NEVER, self.stderr.recv()).await;
            let Ok(Some(line)) = line else {
                panic!("never told {words:?}, but: {}", self.seen);
            };
            self.see(&line);
            if line.contains(words) {
                return line;
            }
        }
    }

    fn see(&mut self, line: &str) {
        self.seen.push_str(line);
        self.seen.push('\n');
    }

    /// Waits until our server says on which port it listens.
    pub async fn listens(&mut self) -> SocketAddr {
        let invitation = self.tells("Waiting for a call on port").await;
        let port = invitation
            .split(['.', ' '])
            .find_map(|word| word.parse().ok());
        let port: u16 = port.expect("a port in the invitation");
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// Writes to its standard input.
    pub async fn types(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("it is open");
        let typed = soon(stdin.write_all(text.as_bytes())).await;
        typed.expect("the program reads");
    }

    /// Gives it all its input, and then its end.
    pub fn types_at_last(&mut self, text: String) -> JoinHandle<()> {
        let mut stdin = self.stdin.take().expect("it is open");
        tokio::spawn(async move {
            // It may have ended before it has read everything.
            let _ = stdin.write_all(text.as_bytes()).await;
        })
    }

    /// The next line on its standard output.
    pub async fn next_line(&mut self) -> String {
        let stdout = self.stdout.as_mut().expect("it is open");
        let mut line = String::new();
        soon(stdout.read_line(&mut line)).await.expect("UTF-8");
        let Some(line) = line.strip_suffix('\n') else {
            panic!("{line:?} is no line, after: {}", self.seen);
        };
        line.to_owned()
    }

    /// The next line on its standard output is this one.
    pub async fn prints(&mut self, line: &str) {
        assert_eq!(self.next_line().await, line, "after: {}", self.seen);
    }

    /// Sends a signal, by its name in the shell.
    pub async fn signal(&self, signal: &str) {
        let kill = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", signal])
            .arg(self.id().to_string())
            .status();
        assert!(kill.await.expect("there is a shell").success());
    }

    /// Ends it without a word.
    pub async fn dies(&mut self) {
        self.child.kill().await.expect("it runs");
    }

    /// Hangs up, and waits for its end.
    pub async fn hangs_up(mut self) -> Ended {
        self.types("88\n").await;
        self.ends().await
    }

    /// Waits until it has ended by itself.
    pub async fn ends(self) -> Ended {
        self.ends_within(NEVER).await
    }

    /// The same, after a call that takes long.
    pub async fn ends_within(mut self, limit: Duration) -> Ended {
        let mut stdout = String::new();
        let pipe = self.stdout.take();
        let read = async {
            match pipe {
                Some(mut pipe) => pipe.read_to_string(&mut stdout).await,
                None => Ok(0),
            }
        };
        let ended = async { tokio::join!(self.child.wait(), read) };
        let Ok((status, read)) = timeout(limit, ended).await else {
            while let Ok(line) = self.stderr.try_recv() {
                self.see(&line);
            }
            panic!("it does not end: {}", self.seen);
        };
        read.expect("UTF-8");
        while let Some(line) = soon(self.stderr.recv()).await {
            self.see(&line);
        }
        Ended {
            code: status.expect("it is a child of this process").code(),
            stdout,
            stderr: self.seen,
        }
    }

    /// The same, for one that is looked at afterwards.
    pub async fn ends_by_itself(&mut self) -> Option<i32> {
        soon(self.child.wait()).await.expect("it ends").code()
    }

    /// What it has told on stderr.
    pub fn told(&mut self) -> &str {
        while let Ok(line) = self.stderr.try_recv() {
            self.see(&line);
        }
        &self.seen
    }

    /// Waits until it has ended by itself, and reads nothing meanwhile.
    pub async fn exit_code(mut self) -> Option<i32> {
        soon(self.child.wait()).await.expect("it ends").code()
    }
}

impl Ended {
    /// Whether a line on stderr contains `words`.
    pub fn tells(&self, words: &str) -> bool {
        self.stderr.contains(words)
    }

    /// The one line that a program prints which cannot do what it is asked to.
    #[track_caller]
    pub fn one_line(&self) -> &str {
        assert_eq!(self.stdout, "", "{self:?}");
        let line = self.stderr.strip_suffix('\n').expect("a line");
        assert!(!line.contains('\n'), "more than a line: {line}");
        line
    }

    /// Fails if it printed anything else. Neither is shown: both are long.
    #[track_caller]
    pub fn printed_exactly(&self, lines: &str) {
        assert!(self.stdout == lines, "it did not print exactly that");
    }
}

/// Where one of our programs is, of the same build as this test.
pub fn program(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(build).join(name)
}

/// Only the package that owns a program is told by cargo where it is, so it is built here.
fn build() -> PathBuf {
    let test = env::current_exe().expect("this test is a file");
    let directory = test.ancestors().nth(2).expect("cargo put it deep enough");
    let target = directory.parent().expect("each profile has a directory");
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--locked", "--bins"])
        .args(["--package", "chat-server", "--package", "chat-client"])
        .arg("--target-dir")
        .arg(target);
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo runs").success());
    directory.to_owned()
}

/// So many different lines.
pub fn lines(speaker: &str, count: usize) -> String {
    let line = |n| format!("{speaker} says line {n} of {count}, and goes on for a while\n");
    (1..=count).map(line).collect()
}
