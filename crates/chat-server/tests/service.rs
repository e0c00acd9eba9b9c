//! The program as a service: the socket that is passed to it, what it tells the service manager,
//! and the program that it runs when a call comes.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use chat_testkit::process::{Process, command};
use chat_testkit::wire::Wire;
use chat_testkit::{home, soon};
use tempfile::TempDir;
use tokio::io::AsyncBufReadExt;
use tokio::net::TcpStream;

/// The program, in the build of this test.
const CHAT_SERVER: &str = env!("CARGO_BIN_EXE_chat-server");

/// Starts a program with its standard input as descriptor 3 instead, as systemd passes a socket.
const PASS_STDIN: &str = r#"
    exec 3<&0 </dev/null
    LISTEN_FDS=1 LISTEN_PID=$$ exec "$@""#;

/// The units that the packages bring.
const UNITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/systemd");

/// What systemd says of the units in a directory; `None` where it is not installed.
fn analyzed(directory: &Path, arguments: &[&str]) -> Option<Output> {
    let mut analyze = Command::new("systemd-analyze");
    let analyze = analyze.args(arguments).current_dir(directory);
    match analyze.env("XDG_RUNTIME_DIR", directory).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: systemd-analyze is not installed");
            None
        }
        output => Some(output.expect("it starts")),
    }
}

#[test]
fn the_units_are_as_systemd_wants_them() {
    const SERVICE: &str = "chat-server.service";
    const SOCKET: &str = "chat-server.socket";
    for scope in ["system", "user"] {
        let installed = tempfile::tempdir().expect("a directory");
        for unit in [SERVICE, SOCKET] {
            let text = fs::read_to_string(Path::new(UNITS).join(scope).join(unit)).expect("a unit");
            let text = text.replace("/usr/bin/chat-server", CHAT_SERVER);
            fs::write(installed.path().join(unit), text).expect("written");
        }
        let analyzed = |arguments: &[&str]| analyzed(installed.path(), arguments);
        let scoped = format!("--{scope}");
        let Some(verified) = analyzed(&["verify", "--man=no", &scoped, SERVICE, SOCKET]) else {
            return;
        };
        let is_clean = verified.status.success() && verified.stderr.is_empty();
        assert!(is_clean, "{verified:?}");
        if scope == "system" {
            // From 0 to 100: how much of the system the service can reach.
            let limit = "--threshold=20";
            let exposure = analyzed(&["security", "--offline=true", limit, SERVICE]);
            let exposure = exposure.expect("the same program");
            assert!(exposure.status.success(), "{exposure:?}");
        }
    }
}

/// Somebody who calls with a plain socket.
async fn calls(address: SocketAddr) -> Wire {
    let stream = TcpStream::connect(address).await;
    Wire::new(stream.expect("it listens"))
}

#[tokio::test]
async fn a_passed_socket_is_listened_on() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    // Who calls before the program runs is not lost.
    let mut caller = calls(address).await;
    let home = home();
    let arguments = ["-c", PASS_STDIN, "sh", CHAT_SERVER, "--allow-plain"];
    let mut sh = command(Path::new("/bin/sh"), home.path(), &arguments);
    let mut server = Process::spawn(sh.stdin(OwnedFd::from(listener))).expect("a shell");
    caller.sends("hello\n").await;
    server.prints("hello").await;
    server.tells(&format!("port {}", address.port())).await;
}

#[tokio::test]
async fn what_is_no_socket_is_refused_in_one_line() {
    let home = home();
    let arguments = ["-c", PASS_STDIN, "sh", CHAT_SERVER];
    let mut sh = command(Path::new("/bin/sh"), home.path(), &arguments);
    let ended = Process::spawn(sh.stdin(Stdio::null())).expect("a shell");
    let ended = ended.ends().await;
    assert!(ended.one_line().contains("cannot listen on the socket"));
    assert_eq!(ended.code, Some(1));
}

#[tokio::test]
async fn the_service_manager_learns_when_calls_are_taken_and_when_no_more() {
    let home = home();
    let path = home.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_nonblocking(true).expect("it is a socket");
    let manager = tokio::net::UnixDatagram::from_std(manager).expect("a runtime");
    let told = async || {
        let mut buffer = [0; 256];
        let length = soon(manager.recv(&mut buffer)).await.expect("a datagram");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut server = command(Path::new(CHAT_SERVER), home.path(), &["127.0.0.1:0"]);
    let server = Process::spawn(server.env("NOTIFY_SOCKET", &path)).expect("the program starts");
    let ready = told().await;
    assert!(ready.starts_with("READY=1\nSTATUS=waiting for a call on port"));
    server.signal("TERM").await;
    assert_eq!(told().await, "STOPPING=1\n");
    assert_eq!(server.exit_code().await, Some(143));
}

/// A program that tells through a pipe who calls.
struct Bell {
    home: TempDir,
    program: PathBuf,
}

impl Bell {
    fn new(afterwards: &str) -> Self {
        let home = home();
        let (program, pipe) = (home.path().join("ring"), home.path().join("pipe"));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo").success());
        let script = format!(
            "#!/bin/sh\necho \"$#|$CHAT_CALLER_NAME|$CHAT_CALLER_TRUST|$CHAT_CALLER_KEY|\
             $CHAT_CALLER_ADDRESS\" > {}\n{afterwards}\n",
            pipe.display()
        );
        fs::write(&program, script).expect("written");
        fs::set_permissions(&program, Permissions::from_mode(0o700)).expect("chmod");
        Self { home, program }
    }

    /// What it tells of the next call.
    async fn rings(&self) -> String {
        let pipe = self.home.path().join("pipe");
        let read = tokio::task::spawn_blocking(|| fs::read_to_string(pipe));
        soon(read).await.expect("no panic").expect("a pipe")
    }

    fn path(&self) -> &str {
        self.program.to_str().expect("UTF-8")
    }
}

#[tokio::test]
async fn a_program_is_told_who_calls() {
    let bell = Bell::new("");
    let options = ["--on-call", bell.path(), "--allow-plain"];
    let (_server, address) = Process::server(&options).await;
    let caller = Process::client(address, &["--name", "$(reboot) --eve"]);
    let told = bell.rings().await;
    let fields: Vec<_> = told.trim_end().split('|').collect();
    assert_eq!(fields[..3], ["0", "__reboot_ --eve", "new"]);
    assert!(fields[3].starts_with("SHA256:"), "{told}");
    assert!(fields[4].starts_with("127.0.0.1:"), "{told}");
    drop(caller);

    let mut caller = calls(address).await;
    caller.sends("hello\n").await;
    let told = bell.rings().await;
    assert!(told.starts_with("0||plaintext||127.0.0.1:"), "{told}");
}

#[tokio::test]
async fn only_so_many_programs_run_at_once() {
    // It ends when somebody reads from its pipe a second time.
    let bell = Bell::new("echo done > \"${0%/*}/pipe\"");
    let options = [
        "--on-call",
        bell.path(),
        "--allow-plain",
        "--backlog",
        "9",
        "-v",
    ];
    let (mut server, address) = Process::server(&options).await;
    let mut callers = Vec::new();
    for _ in 0..3 {
        let mut caller = calls(address).await;
        caller.sends("hello\n").await;
        callers.push(caller);
    }
    server.tells("too many programs of --on-call").await;
}

#[tokio::test]
async fn what_cannot_be_run_is_said_at_the_start() {
    for path in ["/nowhere/at/all", "/", "/etc/passwd"] {
        let server = Process::start_anew(Path::new(CHAT_SERVER), &["--on-call", path]);
        let ended = server.ends().await;
        assert_eq!(ended.code, Some(2), "{path}");
        assert!(ended.tells("--on-call"), "{ended:?}");
    }
}

/// The journal takes the level of a line from a prefix, and knows the time itself.
#[tokio::test]
async fn the_journal_gets_levels_and_no_colours() {
    let home = home();
    // A socket, which the journal's end of stderr is too.
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let theirs = OwnedFd::from(theirs);
    let status = rustix::fs::fstat(&theirs).expect("it is open");
    let stream = format!("{}:{}", status.st_dev, status.st_ino);
    let mut server = command(Path::new(CHAT_SERVER), home.path(), &["127.0.0.1:0", "-v"]);
    server.env("JOURNAL_STREAM", stream).stderr(theirs);
    let mut child = server.spawn().expect("the program starts");
    drop(server);
    ours.set_nonblocking(true).expect("it is a socket");
    let ours = tokio::net::UnixStream::from_std(ours).expect("a runtime");
    let mut lines = tokio::io::BufReader::new(ours).lines();
    let first = soon(lines.next_line())
        .await
        .expect("UTF-8")
        .expect("a line");
    assert!(
        first.starts_with("<6>chat_terminal::app::runtime: chat-server starts"),
        "{first}"
    );
    soon(child.kill()).await.expect("it runs");
}
