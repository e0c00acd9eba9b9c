//! The programs that are measured: ours, and those that people use instead.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use chat_testkit::lab::{ANN, Lab, NAME};
use tempfile::TempDir;

/// Each side says a line this often.
const EVERY: Duration = Duration::from_millis(200);

/// A program under test.
#[derive(Clone, Debug, PartialEq)]
pub enum Contender {
    /// chat-server and chat-client from this directory, at this port.
    Chat {
        label: &'static str,
        programs: PathBuf,
        port: u16,
    },
    Mosh,
    Ssh,
    Nc,
}

impl Contender {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Chat { label, .. } => label,
            Self::Mosh => "mosh",
            Self::Ssh => "ssh",
            Self::Nc => "nc",
        }
    }

    /// Whether it is installed.
    pub fn is_there(&self) -> bool {
        let program = match self {
            Self::Chat { programs, .. } => return programs.join("chat-client").exists(),
            Self::Mosh => "mosh-server",
            Self::Ssh => "/usr/sbin/sshd",
            Self::Nc => "nc",
        };
        let mut shell = Command::new("sh");
        let found = shell.args(["-c", "command -v \"$0\"", program]).output();
        found.is_ok_and(|output| output.status.success())
    }

    /// Begins a talk between the two machines.
    pub fn begin(&self, lab: &Lab, by_name: bool, talkative: bool) -> io::Result<Talk> {
        let mut talk = Talk::new(talkative)?;
        match self {
            Self::Chat { programs, port, .. } => talk.chat(lab, programs, *port, by_name)?,
            Self::Nc => {
                talk.run(0, lab.command(0, Path::new("nc")).args(["-l", "7799"]))?;
                thread::sleep(Duration::from_millis(300));
                talk.run(1, lab.command(1, Path::new("nc")).args([ANN, "7799"]))?;
            }
            Self::Ssh => talk.ssh(lab)?,
            Self::Mosh => talk.mosh(lab)?,
        }
        Ok(talk)
    }
}

/// What one side has heard.
#[derive(Default)]
pub struct Ear {
    /// When each line came.
    pub times: Vec<Instant>,
    /// The last number of the other side.
    last: u64,
    /// Lines that were lost, doubled, or out of order.
    pub wrong: u64,
    /// When each long line came.
    long: Vec<Instant>,
}

/// Two programs that talk, until it is dropped.
pub struct Talk {
    home: TempDir,
    /// When Bob's program was started.
    pub began: Instant,
    /// Whether its people count every 200 ms.
    talkative: bool,
    children: Vec<Child>,
    /// What Ann and Bob hear; nobody listens where there is none.
    pub ears: [Option<Arc<Mutex<Ear>>>; 2],
    /// What the programs tell their people.
    pub notices: Arc<Mutex<Vec<String>>>,
    mouths: [Option<Arc<Mutex<ChildStdin>>>; 2],
}

impl Talk {
    fn new(talkative: bool) -> io::Result<Self> {
        Ok(Self {
            home: tempfile::tempdir()?,
            began: Instant::now(),
            talkative,
            children: Vec::new(),
            ears: [None, None],
            notices: Arc::default(),
            mouths: [None, None],
        })
    }

    /// How long after `moment` everybody had heard a line, a long one if need be.
    pub fn heard_since(&self, moment: Instant, long: bool) -> Option<Duration> {
        let ears = self.ears.iter().flatten();
        let first = ears.map(|ear| {
            let ear = lock(ear);
            let times = if long { &ear.long } else { &ear.times };
            let first = times.partition_point(|time| *time < moment);
            times.get(first).map(|time| *time - moment)
        });
        first.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// How often its programs have woken up so far: each time that one of them went to sleep.
    pub fn wakeups(&self) -> u64 {
        let threads = self.children.iter().flat_map(|child| {
            let tasks = fs::read_dir(format!("/proc/{}/task", child.id()));
            tasks.into_iter().flatten().flatten()
        });
        let status = threads.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
        let count = |text: String| {
            let line = text
                .lines()
                .find(|line| line.starts_with("voluntary_ctxt"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        status.filter_map(count).sum()
    }

    /// Lines that were lost, doubled or out of order so far.
    pub fn wrong(&self) -> u64 {
        self.ears.iter().flatten().map(|ear| lock(ear).wrong).sum()
    }

    /// How often its people were told something with these words.
    pub fn told(&self, words: &str) -> usize {
        let notices = lock(&self.notices);
        notices.iter().filter(|line| line.contains(words)).count()
    }

    /// Has somebody say a line of so many bytes.
    pub fn says_long(&self, who: usize, bytes: usize) {
        if let Some(mouth) = &self.mouths[who] {
            let line = "x".repeat(bytes) + "\n";
            let _ = lock(mouth).write_all(line.as_bytes());
        }
    }

    fn chat(&mut self, lab: &Lab, programs: &Path, port: u16, by_name: bool) -> io::Result<()> {
        let (ann, bob) = (self.home.path().join("ann"), self.home.path().join("bob"));
        let mut server = lab.command(0, &programs.join("chat-server"));
        self.run(
            0,
            server.arg(format!("0.0.0.0:{port}")).env("CHAT_HOME", ann),
        )?;
        thread::sleep(Duration::from_millis(300));
        let mut client = lab.command(1, &programs.join("chat-client"));
        let target = if by_name { NAME } else { ANN };
        self.began = Instant::now();
        self.run(
            1,
            client.arg(format!("{target}:{port}")).env("CHAT_HOME", bob),
        )
    }

    fn ssh(&mut self, lab: &Lab) -> io::Result<()> {
        let key = self.home.path().join("key");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key)
            .status()?;
        assert!(made.success(), "ssh-keygen makes a key");
        let option = |name: &str, path: &Path| format!("{name}={}", path.display());
        fs::create_dir_all("/run/sshd")?;
        let mut server = lab.command(0, Path::new("/usr/sbin/sshd"));
        server
            .args(["-D", "-e", "-p", "7722", "-f", "/dev/null", "-h"])
            .arg(&key)
            .args(["-o", "StrictModes=no", "-o", "PidFile=none", "-o"])
            .arg(option("AuthorizedKeysFile", &key.with_extension("pub")))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.children.push(server.spawn()?);
        thread::sleep(Duration::from_millis(500));
        let mut client = lab.command(1, Path::new("ssh"));
        client
            .args(["-T", "-p", "7722", "-o", "StrictHostKeyChecking=no", "-o"])
            .args(["UserKnownHostsFile=/dev/null", "-F", "none", "-i"])
            .arg(&key)
            .args([ANN, COUNTING]);
        self.run(1, &mut client)
    }

    fn mosh(&mut self, lab: &Lab) -> io::Result<()> {
        let mut server = lab.command(0, Path::new("mosh-server"));
        server.args([
            "new",
            "-i",
            ANN,
            "-p",
            "60001:60099",
            "--",
            "sh",
            "-c",
            COUNTING,
        ]);
        // It outlives its client by so many seconds.
        server.env("MOSH_SERVER_NETWORK_TMOUT", "120");
        let output = server.env("LC_ALL", "C.UTF-8").output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut words = text
            .lines()
            .find_map(|line| line.strip_prefix("MOSH CONNECT "))
            .ok_or_else(|| io::Error::other("mosh-server does not start"))?
            .split_whitespace();
        let (Some(port), Some(key)) = (words.next(), words.next()) else {
            return Err(io::Error::other("mosh-server tells no key"));
        };
        let mut client = lab.command(1, Path::new("script"));
        client
            .args([
                "-qfec",
                &format!("stty rows 24 cols 80; mosh-client {ANN} {port}"),
                "/dev/null",
            ])
            .env("MOSH_KEY", key)
            .env("TERM", "xterm")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = client.spawn()?;
        let mut screen = child.stdout.take().expect("it is piped");
        let ear = Arc::<Mutex<Ear>>::default();
        self.ears[1] = Some(Arc::clone(&ear));
        self.children.push(child);
        // It paints a screen, and says itself when it has heard nothing: only numbers count.
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]);
                if text.contains('=') {
                    lock(&ear).times.push(Instant::now());
                }
            }
        });
        Ok(())
    }

    /// Runs a program whose person says numbers, and counts those it hears.
    fn run(&mut self, who: usize, command: &mut Command) -> io::Result<()> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mouth = Arc::new(Mutex::new(child.stdin.take().expect("it is piped")));
        let heard = BufReader::new(child.stdout.take().expect("it is piped"));
        let told = BufReader::new(child.stderr.take().expect("it is piped"));
        self.mouths[who] = Some(Arc::clone(&mouth));
        self.children.push(child);
        let numbers = if self.talkative { 1..u64::MAX } else { 1..2 };
        thread::spawn(move || {
            for number in numbers {
                if writeln!(lock(&mouth), "={number}").is_err() {
                    return;
                }
                thread::sleep(EVERY);
            }
        });
        let ear = Arc::<Mutex<Ear>>::default();
        self.ears[who] = Some(Arc::clone(&ear));
        thread::spawn(move || {
            for line in heard.lines().map_while(Result::ok) {
                let mut ear = lock(&ear);
                let number = line
                    .strip_prefix('=')
                    .and_then(|text| text.parse::<u64>().ok());
                if let Some(number) = number {
                    ear.wrong += number.abs_diff(ear.last + 1).min(1);
                    ear.last = number;
                }
                match number {
                    Some(_) => ear.times.push(Instant::now()),
                    None => ear.long.push(Instant::now()),
                }
            }
        });
        let notices = Arc::clone(&self.notices);
        thread::spawn(move || {
            for line in told.lines().map_while(Result::ok) {
                lock(&notices).push(line);
            }
        });
        Ok(())
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What the other end of a shell does.
const COUNTING: &str = "i=0; while sleep 0.2; do i=$((i+1)); echo \"=$i\" || exit; done";

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
