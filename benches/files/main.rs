//! A large file and many small ones, from one process to another on this machine: these programs,
//! `scp`, and `ncat --ssl` (with `tar` for a directory), in turn. `cargo bench --bench files`
//!
//! Ours hash and sync what has arrived, the others do neither. `ROUNDS`, `MEGABYTES` and `FILES`
//! change what runs. Needs Linux; who is not installed is left out. `-- talk` measures instead how
//! long a line takes beside a file.

mod talk;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use chat_testkit::process::{Process, program};
use tempfile::TempDir;

/// How long a listener may take to be there.
const START: Duration = Duration::from_secs(20);

/// Far longer than any transfer takes.
const LONG: Duration = Duration::from_secs(600);

/// A process that ends with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is sent, and where it goes.
struct Errand {
    place: TempDir,
    source: PathBuf,
}

impl Errand {
    fn downloads(&self) -> PathBuf {
        self.place.path().join("in")
    }

    fn clear(&self) {
        let _ = fs::remove_dir_all(self.downloads());
        fs::create_dir(self.downloads()).expect("a directory");
    }

    fn is_directory(&self) -> bool {
        self.source.is_dir()
    }
}

fn number(variable: &str, default: usize) -> usize {
    let value = env::var(variable).ok();
    value.map_or(default, |value| value.parse().expect("a number"))
}

fn bytes(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(length as u64);
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes
}

fn is_installed(tool: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {tool}")])
        .output();
    found.is_ok_and(|output| output.status.success())
}

/// The most memory a process has used, in KiB.
fn most_memory(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Waits until somebody listens on this port, without calling: `ncat` answers once.
fn listens(port: u16) {
    let begun = Instant::now();
    let listener = format!(":{port:04X} 00000000:0000 0A ");
    while !fs::read_to_string("/proc/net/tcp").is_ok_and(|table| table.contains(&listener)) {
        assert!(begun.elapsed() < START, "nobody listens on {port}");
        sleep(Duration::from_millis(5));
    }
}

/// Sends with our programs. Returns how long it took, and the most memory of either.
async fn chat(errand: &Errand) -> (Duration, u64) {
    let homes = [
        errand.place.path().join("server"),
        errand.place.path().join("client"),
    ];
    let downloads = errand.downloads();
    let downloads = downloads.to_str().expect("UTF-8");
    let arguments = [
        "127.0.0.1:0",
        "--once",
        "--from-anyone",
        "--accept-files",
        downloads,
    ];
    let mut server = Process::start(&program("chat-server"), &homes[0], &arguments);
    let address = server.listens().await.to_string();
    let source = errand.source.to_str().expect("UTF-8");
    let arguments = [address.as_str(), "--send-file", source];
    let begun = Instant::now();
    let client = Process::start(&program("chat-client"), &homes[1], &arguments);
    let ids = [server.id(), client.id()];
    let mut memory = 0;
    let look = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            memory = ids
                .into_iter()
                .filter_map(most_memory)
                .fold(memory, u64::max);
        }
    };
    let ended = tokio::select! {
        ended = client.ends_within(LONG) => ended,
        () = look => unreachable!("it looks for ever"),
    };
    let took = begun.elapsed();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    server.ends().await;
    (took, memory)
}

/// An SSH server of our own.
fn ssh_server(place: &Path, port: u16) -> Running {
    for key in ["host", "user"] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(place.join(key))
            .status();
        assert!(made.expect("ssh-keygen").success());
    }
    let option = |name: &str, value: &Path| format!("{name}={}", value.display());
    let server = Command::new("/usr/sbin/sshd")
        .args(["-D", "-e", "-f", "/dev/null", "-p", &port.to_string()])
        .args(["-o", &option("HostKey", &place.join("host"))])
        .args(["-o", &option("AuthorizedKeysFile", &place.join("user.pub"))])
        .args(["-o", "StrictModes=no", "-o", "ListenAddress=127.0.0.1"])
        .args([
            "-o",
            "Subsystem=sftp internal-sftp",
            "-o",
            "PermitRootLogin=yes",
        ])
        .stderr(Stdio::null())
        .spawn();
    let running = Running(server.expect("sshd"));
    listens(port);
    running
}

fn scp(errand: &Errand, keys: &Path, port: u16) -> Duration {
    let begun = Instant::now();
    let sent = Command::new("scp")
        .args(["-q", "-r", "-F", "/dev/null", "-P", &port.to_string(), "-i"])
        .arg(keys.join("user"))
        .args([
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ])
        .args(["-o", "LogLevel=ERROR"])
        .arg(&errand.source)
        .arg(format!("127.0.0.1:{}", errand.downloads().display()))
        .status();
    assert!(sent.expect("scp").success());
    begun.elapsed()
}

fn ncat(errand: &Errand, port: u16) -> Duration {
    let (take, give) = match errand.is_directory() {
        true => ("tar -xC \"$0\"", "tar -cC \"$0/..\" \"$(basename \"$0\")\""),
        false => ("cat > \"$0/file\"", "cat \"$0\""),
    };
    let listener = Command::new("sh")
        .args([
            "-c",
            &format!("ncat --ssl --recv-only -l 127.0.0.1 {port} 2>/dev/null | {take}"),
        ])
        .arg(errand.downloads())
        .spawn();
    let mut listener = Running(listener.expect("ncat"));
    listens(port);
    let begun = Instant::now();
    let sent = Command::new("sh")
        .args([
            "-c",
            &format!("{give} | ncat --ssl --send-only 127.0.0.1 {port}"),
        ])
        .arg(&errand.source)
        .status();
    assert!(sent.expect("ncat").success());
    listener.0.wait().expect("it ends");
    begun.elapsed()
}

#[tokio::main]
async fn main() {
    if env::args().any(|word| word == "talk") {
        return talk::measure().await;
    }
    let rounds = number("ROUNDS", 5);
    let (megabytes, files) = (number("MEGABYTES", 300), number("FILES", 10_000));
    let keys = tempfile::tempdir().expect("a temporary directory");
    let ssh_port = 20_000 + (std::process::id() % 10_000) as u16;
    let ssh = (is_installed("scp") && Path::new("/usr/sbin/sshd").exists())
        .then(|| ssh_server(keys.path(), ssh_port));
    for directory in [false, true] {
        let place = tempfile::tempdir().expect("a temporary directory");
        let source = place.path().join("source");
        let size = if directory {
            fs::create_dir(&source).expect("a directory");
            let content = bytes(2_000);
            for n in 0..files {
                fs::write(source.join(n.to_string()), &content).expect("written");
            }
            files * content.len()
        } else {
            fs::write(&source, bytes(megabytes * 1_000_000)).expect("written");
            megabytes * 1_000_000
        };
        let errand = Errand { place, source };
        let (mut ours, mut scps, mut ncats, mut memory) = (vec![], vec![], vec![], 0);
        for _ in 0..rounds {
            errand.clear();
            let (took, used) = chat(&errand).await;
            ours.push(took);
            memory = memory.max(used);
            if ssh.is_some() {
                errand.clear();
                scps.push(scp(&errand, keys.path(), ssh_port));
            }
            if is_installed("ncat") {
                errand.clear();
                ncats.push(ncat(&errand, ssh_port + 1));
            }
        }
        match directory {
            true => println!("{files} files of 2 kB"),
            false => println!("one file of {megabytes} MB"),
        }
        for (name, mut times) in [("chat", ours), ("scp", scps), ("ncat --ssl", ncats)] {
            times.sort();
            let Some(median) = times.get(times.len() / 2) else {
                continue;
            };
            let rate = size as f64 / 1e6 / median.as_secs_f64();
            println!(
                "  {name:<12} {:>7.2} s  {rate:>7.1} MB/s",
                median.as_secs_f64()
            );
        }
        println!(
            "  chat used at most {:.1} MB of memory",
            memory as f64 / 1024.0
        );
    }
}
