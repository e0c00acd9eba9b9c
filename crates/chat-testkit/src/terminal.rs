//! The programs as processes, each at a terminal of its own: keys go in, the screen is read.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pty_process::{Command, OwnedReadPty, OwnedWritePty, Pts};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{Termios, tcgetattr};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use crate::emulator::{Emulator, Size};
use crate::process::program;
use crate::{NEVER, home, soon};

/// A program with a home of its own, at an ordinary terminal.
pub fn command(name: &str, home: &Path) -> Command {
    command_at(&program(name), home)
}

/// The same for a program that stands here, of another build perhaps.
pub fn command_at(path: &Path, home: &Path) -> Command {
    Command::new(path)
        .env("CHAT_HOME", home)
        .env("TERM", "xterm-256color")
        .env("LC_ALL", "C.UTF-8")
        .env_remove("NO_COLOR")
        .env_remove("RUST_LOG")
        .kill_on_drop(true)
}

/// A shell that finds both programs, for the user of this name.
pub fn shell(user: &str, home: &Path) -> Command {
    Command::new("/bin/sh")
        .arg("-i")
        .env("PATH", program("").into_os_string())
        .env("PS1", "$ ")
        .env("USER", user)
        .env("CHAT_HOME", home)
        .env("TERM", "xterm-256color")
        .env("LC_ALL", "C.UTF-8")
        .env_remove("ENV")
        .env_remove("NO_COLOR")
        .env_remove("RUST_LOG")
        .kill_on_drop(true)
}

/// Ann's server at a terminal, waiting for calls on a free port.
pub struct Server {
    /// Where it runs.
    pub terminal: Terminal,
    /// Where it is called.
    pub address: String,
    /// Its home.
    pub home: TempDir,
}

impl Server {
    /// Starts it with further arguments, and waits until it can be called.
    pub async fn start(size: Size, arguments: &[&str]) -> Self {
        let home = home();
        let command = command("chat-server", home.path())
            .args(["127.0.0.1:0", "--name", "ann"])
            .args(arguments);
        let mut terminal = Terminal::start(size, command);
        Self {
            address: terminal.invitation().await,
            terminal,
            home,
        }
    }
}

/// Takes what a program writes to its terminal, as it comes.
pub type Recorder = Box<dyn FnMut(&[u8]) + Send>;

/// A terminal, and the program that runs in it.
pub struct Terminal {
    emulator: Arc<Mutex<Emulator>>,
    changed: watch::Receiver<()>,
    keys: OwnedWritePty,
    line: Pts,
    pump: JoinHandle<()>,
    program: Child,
}

impl Terminal {
    /// Opens a terminal and starts a program in it.
    pub fn start(size: Size, command: Command) -> Self {
        Self::start_with(size, |_| command)
    }

    /// The same, where the terminal has to be known before.
    pub fn start_with(size: Size, command: impl FnOnce(&Pts) -> Command) -> Self {
        Self::start_recorded(size, command, Box::new(|_| ()))
    }

    /// The same, with somebody beside the emulator who reads along.
    pub fn start_recorded(
        size: Size,
        command: impl FnOnce(&Pts) -> Command,
        recorder: Recorder,
    ) -> Self {
        let (pty, line) = pty_process::open().expect("a pseudo-terminal");
        pty.resize(window(size)).expect("it has a size");
        let program = command(&line)
            .spawn_borrowed(&line)
            .expect("the program starts");
        let (output, keys) = pty.into_split();
        let emulator = Arc::new(Mutex::new(Emulator::new(size)));
        let (change, changed) = watch::channel(());
        let pump = tokio::spawn(pump(output, Arc::clone(&emulator), change, recorder));
        Self {
            emulator,
            changed,
            keys,
            line,
            pump,
            program,
        }
    }

    /// What is on the screen now.
    pub fn screen(&self) -> MutexGuard<'_, Emulator> {
        lock(&self.emulator)
    }

    /// Types, as fast as a machine can.
    pub async fn type_keys(&mut self, keys: &str) {
        soon(self.keys.write_all(keys.as_bytes()))
            .await
            .expect("the terminal takes keys");
    }

    /// The program's process.
    pub fn id(&self) -> u32 {
        self.program.id().expect("the program runs")
    }

    /// Waits until the screen has changed.
    pub async fn changed(&mut self) {
        self.changed.changed().await.expect("the terminal is open");
    }

    /// Waits until the screen is so.
    pub async fn wait_for(&mut self, what: impl Fn(&Emulator) -> bool) {
        let found = timeout(NEVER, async {
            loop {
                self.changed.borrow_and_update();
                if what(&lock(&self.emulator)) {
                    return;
                }
                self.changed.changed().await.expect("the terminal is open");
            }
        });
        if found.await.is_err() {
            panic!("never on the screen:\n{}", self.screen().text().join("\n"));
        }
    }

    /// Waits until a line of the screen or the scrollback contains this, however it is wrapped.
    /// Returns the line.
    pub async fn wait_for_line(&mut self, text: &str) -> String {
        self.wait_for(|screen| find(screen, text).is_some()).await;
        find(&self.screen(), text).expect("it was there just now")
    }

    /// Waits for the invitation of a server on this machine. Returns where it is to be called.
    pub async fn invitation(&mut self) -> String {
        let line = self.wait_for_line("    chat-client 127.0.0.1:").await;
        let (_, command) = line.split_once("chat-client ").expect("a command");
        let address = command.split_whitespace().next();
        address.expect("an address").to_owned()
    }

    /// Waits until the status row contains this.
    pub async fn wait_for_status(&mut self, text: &str) {
        let is_there = |row: &String| row.contains(text);
        self.wait_for(|screen| screen.rows().last().is_some_and(is_there))
            .await;
    }

    /// Gives the terminal another size, as a person who drags its edge.
    pub fn resize(&mut self, size: Size) {
        self.screen().resize(size);
        self.keys.resize(window(size)).expect("it has a size");
    }

    /// The settings of the line, as a shell would find them.
    pub fn settings(&self) -> Termios {
        tcgetattr(&self.line).expect("it is a terminal")
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.id() as i32).expect("it has an id");
        kill_process(id, signal).expect("it can be told");
    }

    /// From now on the terminal takes no output.
    pub fn stall(&self) {
        self.pump.abort();
    }

    /// Waits until the program has ended, however it does.
    pub async fn is_gone(&mut self) {
        drop(soon(self.program.wait()).await);
    }

    /// Waits until the program has ended. Returns its exit code, and the settings it leaves.
    pub async fn leave(&mut self) -> (i32, Termios) {
        let Ok(status) = timeout(NEVER, self.program.wait()).await else {
            panic!("it never ends:\n{}", self.screen().text().join("\n"));
        };
        let status = status.expect("it is a child of this process");
        let code = status
            .code()
            .unwrap_or_else(|| panic!("killed by signal {:?}", status.signal()));
        (code, self.settings())
    }

    /// The same, and waits until everything it wrote is on the screen.
    pub async fn end(mut self) -> (i32, Termios, Emulator) {
        let (code, settings) = self.leave().await;
        // Once nobody holds the line, what was written is read to its end.
        drop(self.line);
        soon(self.pump).await.expect("no panic");
        let emulator = Arc::into_inner(self.emulator).expect("the pump has ended");
        let emulator = emulator
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        (code, settings, emulator)
    }

    /// Waits for a program that is to end well.
    pub async fn exit_code(self) -> i32 {
        self.end().await.0
    }
}

/// Brings to the screen what the program writes.
async fn pump(
    mut output: OwnedReadPty,
    emulator: Arc<Mutex<Emulator>>,
    change: watch::Sender<()>,
    mut recorder: Recorder,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = output.read(&mut buffer).await {
        recorder(&buffer[..length]);
        lock(&emulator).advance(&buffer[..length]);
        change.send_replace(());
    }
}

fn lock(emulator: &Mutex<Emulator>) -> MutexGuard<'_, Emulator> {
    emulator.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find(screen: &Emulator, text: &str) -> Option<String> {
    let mut lines = screen.sentences().into_iter();
    lines.find(|line| line.contains(text))
}

fn window(Size(columns, rows): Size) -> pty_process::Size {
    pty_process::Size::new(rows as u16, columns as u16)
}
