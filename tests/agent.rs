//! A key in an ssh-agent: both programs use it, and say what is wrong when they cannot.

#![cfg(unix)]

use std::ffi::OsStr;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command as Tool;

use chat_testkit::home;
use chat_testkit::process::{Ended, Process, command, program};
use tempfile::TempDir;
use tokio::process::Command;

/// An agent with one key, which ends with it.
struct Agent {
    directory: TempDir,
    _agent: Process,
    /// As `ssh-add -l` shows it.
    fingerprint: String,
}

impl Agent {
    /// Starts one, or says that the test is skipped without it.
    async fn start() -> Option<Self> {
        let directory = home();
        let socket = directory.path().join("agent");
        let mut listening = Process::tool("ssh-agent", &["-D", "-a", socket.to_str()?])?;
        let variable = format!("SSH_AUTH_SOCK={0}; export SSH_AUTH_SOCK;", socket.display());
        listening.prints(&variable).await;
        let mut agent = Self {
            directory,
            _agent: listening,
            fingerprint: String::new(),
        };
        let key = agent.directory.path().join("key");
        let key = key.to_str()?;
        agent.tool("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", key]);
        agent.tool("ssh-add", &["-q", key]);
        let listed = agent.tool("ssh-add", &["-l"]);
        agent.fingerprint = listed.split(' ').nth(1)?.to_owned();
        Some(agent)
    }

    fn socket(&self) -> std::path::PathBuf {
        self.directory.path().join("agent")
    }

    fn tool(&self, tool: &str, arguments: &[&str]) -> String {
        let mut command = Tool::new(tool);
        command.args(arguments).env("SSH_AUTH_SOCK", self.socket());
        // Asks for passphrases, with a program that knows one.
        let asks = self.directory.path().join("asks");
        command
            .env("SSH_ASKPASS", asks)
            .env("SSH_ASKPASS_REQUIRE", "force");
        let output = command.output().expect("OpenSSH has its tools");
        assert!(output.status.success(), "{tool} {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Locks the agent with a passphrase, or unlocks it.
    fn lock(&self, option: &str) {
        use std::os::unix::fs::PermissionsExt;
        let asks = self.directory.path().join("asks");
        std::fs::write(&asks, "#!/bin/sh\necho open sesame\n").expect("written");
        std::fs::set_permissions(&asks, std::fs::Permissions::from_mode(0o700)).expect("ours");
        self.tool("ssh-add", &[option]);
    }

    fn identity(&self) -> String {
        format!("agent:{}", self.fingerprint)
    }
}

/// One of our programs that uses a key of an agent.
fn with_agent(name: &str, home: &Path, socket: impl AsRef<OsStr>, arguments: &[&str]) -> Process {
    let mut command: Command = command(&program(name), home, arguments);
    let command = command.env("SSH_AUTH_SOCK", socket);
    Process::spawn(command).expect("the program starts")
}

#[tokio::test]
async fn both_programs_use_a_key_of_an_agent() {
    let (Some(anns), Some(bobs)) = (Agent::start().await, Agent::start().await) else {
        return;
    };
    let (ann, bob) = (home(), home());
    let (anns_key, bobs_key) = (anns.identity(), bobs.identity());
    let arguments = ["127.0.0.1:0", "--identity", &bobs_key, "--name", "bob"];
    let mut server = with_agent("chat-server", bob.path(), bobs.socket(), &arguments);
    let address = server.listens().await.to_string();
    let invited = server.tells("--peer-key").await;
    let key = invited.rsplit(' ').next().expect("a key");

    let arguments = [&address, "--identity", &anns_key, "--peer-key", key];
    let call = || with_agent("chat-client", ann.path(), anns.socket(), &arguments);
    let mut client = call();
    let number = client.tells("Safety number").await;
    assert_eq!(server.tells("Safety number").await, number);
    client.types("hello\n").await;
    server.prints("hello").await;
    assert_eq!(client.hangs_up().await.code, Some(0));
    for home in [&ann, &bob] {
        assert!(
            !home.path().join("identity").exists(),
            "no other key is made"
        );
    }

    // The key is there no more when somebody calls.
    bobs.lock("-x");
    let refused = call().ends().await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let told = server.tells("Refused a call").await;
    assert!(told.contains("your ssh-agent did not sign"), "{told}");
    bobs.lock("-X");
    let mut client = call();
    client.types("hello again\n").await;
    server.prints("hello again").await;
    assert_eq!(client.hangs_up().await.code, Some(0));
}

/// Starts a server that cannot use its key. Returns what it says, in one line.
async fn fails(socket: impl AsRef<OsStr>, identity: &str) -> String {
    let home = home();
    let arguments = ["127.0.0.1:0", "--identity", identity];
    let ended: Ended = with_agent("chat-server", home.path(), socket, &arguments)
        .ends()
        .await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!home.path().join("identity").exists());
    ended.one_line().to_owned()
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_told_of_at_once() {
    let Some(agent) = Agent::start().await else {
        return;
    };
    let other = "agent:SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
    let nowhere = fails("", &agent.identity()).await;
    assert!(nowhere.contains("SSH_AUTH_SOCK is not set"), "{nowhere}");
    let gone = fails("/nowhere/agent", &agent.identity()).await;
    assert!(gone.contains("/nowhere/agent cannot be asked"), "{gone}");
    let not_there = fails(agent.socket(), other).await;
    assert!(not_there.contains("not among the 1"), "{not_there}");
    agent.lock("-x");
    let locked = fails(agent.socket(), &agent.identity()).await;
    assert!(locked.contains("unlock the agent"), "{locked}");
}

/// A socket behind which nobody answers, or somebody who talks nonsense.
#[tokio::test]
async fn an_agent_that_is_none_holds_nothing_up() {
    use std::io::{Read, Write};

    let directory = home();
    let socket = directory.path().join("agent");
    let listener = UnixListener::bind(&socket).expect("a socket");
    std::thread::spawn(move || {
        for answer in [
            &b"\0\0\0\x01\x05"[..],
            b"\xff\xff\xff\xff",
            b"\0\0\0\x05\x0c\0\0\0\x09",
        ] {
            let (mut stream, _) = listener.accept().expect("a program");
            let mut request = [0; 5];
            stream.read_exact(&mut request).expect("a request");
            stream.write_all(answer).expect("it waits");
        }
    });
    let key = "agent:SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
    for _ in 0..3 {
        let told = fails(&socket, key).await;
        assert!(told.contains("cannot be used"), "{told}");
    }
}
