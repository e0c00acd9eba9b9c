//! The programs that are compared, and how each is started.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program, or a pair of programs, that can join two pipes over TCP.
pub(crate) struct Contender {
    /// What the table calls it.
    pub(crate) name: &'static str,
    /// Whether the connection is encrypted.
    pub(crate) encrypted: bool,
    program: [PathBuf; 2],
    arguments: fn(&Certificate, u16) -> [Vec<String>; 2],
}

/// A self-signed certificate for the listeners that want one.
pub(crate) struct Certificate {
    file: PathBuf,
    key: PathBuf,
}

impl Contender {
    fn new(
        name: &'static str,
        [listener, dialer]: [&Path; 2],
        arguments: fn(&Certificate, u16) -> [Vec<String>; 2],
    ) -> Self {
        Self {
            name,
            encrypted: false,
            program: [listener.to_owned(), dialer.to_owned()],
            arguments,
        }
    }

    fn encrypted(self) -> Self {
        Self {
            encrypted: true,
            ..self
        }
    }

    /// The commands for the listener and the dialer. `home` keeps what they remember.
    pub(crate) fn commands(
        &self,
        certificate: &Certificate,
        port: u16,
        home: &Path,
    ) -> [Command; 2] {
        let [listen, dial] = (self.arguments)(certificate, port);
        let [listener, dialer] = &self.program;
        [
            command(listener, listen, &home.join(self.name).join("listener")),
            command(dialer, dial, &home.join(self.name).join("dialer")),
        ]
    }
}

fn command(program: &Path, arguments: Vec<String>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env("CHAT_HOME", home);
    command
}

fn plain_chat(name: &'static str, programs: [&Path; 2]) -> Contender {
    Contender::new(name, programs, |_, port| {
        [
            words(&format!("--once --allow-plain 127.0.0.1:{port}")),
            words(&format!("--plain 127.0.0.1:{port}")),
        ]
    })
}

fn encrypted_chat(name: &'static str, programs: [&Path; 2]) -> Contender {
    let arguments = |_: &Certificate, port| {
        [
            words(&format!("--once 127.0.0.1:{port}")),
            words(&format!("127.0.0.1:{port}")),
        ]
    };
    Contender::new(name, programs, arguments).encrypted()
}

/// What runs on this machine: the two programs of this project, `ours`, those of another build of
/// it in the directory `before`, if there is one, and every peer that is installed. The first
/// plaintext and the first encrypted one are what the others are measured by.
pub(crate) fn installed(ours: [&Path; 2], before: Option<&Path>) -> Vec<Contender> {
    let [nc, ncat, socat] = ["nc", "ncat", "socat"].map(Path::new);
    let mut all = vec![
        Contender::new("nc", [nc, nc], |_, port| {
            [
                words(&format!("-l 127.0.0.1 {port}")),
                words(&format!("127.0.0.1 {port}")),
            ]
        }),
        Contender::new("ncat", [ncat, ncat], |_, port| {
            [
                words(&format!("-l 127.0.0.1 {port}")),
                words(&format!("127.0.0.1 {port}")),
            ]
        }),
        Contender::new("socat", [socat, socat], |_, port| {
            [
                words(&format!("- TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr")),
                words(&format!("- TCP:127.0.0.1:{port}")),
            ]
        }),
        plain_chat("chat --plain", ours),
        Contender::new("ncat --ssl", [ncat, ncat], |certificate, port| {
            let Certificate { file, key } = certificate;
            let own = format!("--ssl-cert {} --ssl-key {}", file.display(), key.display());
            [
                words(&format!("--ssl {own} -l 127.0.0.1 {port}")),
                words(&format!("--ssl 127.0.0.1 {port}")),
            ]
        })
        .encrypted(),
        Contender::new("socat OPENSSL", [socat, socat], |certificate, port| {
            let Certificate { file, key } = certificate;
            let own = format!("cert={},key={},verify=0", file.display(), key.display());
            [
                words(&format!(
                    "- OPENSSL-LISTEN:{port},bind=127.0.0.1,reuseaddr,{own}"
                )),
                words(&format!("- OPENSSL:127.0.0.1:{port},verify=0")),
            ]
        })
        .encrypted(),
        encrypted_chat("chat", ours),
    ];
    if let Some(before) = before {
        let [server, client] = ["chat-server", "chat-client"].map(|name| before.join(name));
        all.push(plain_chat("before --plain", [&server, &client]));
        all.push(encrypted_chat("before", [&server, &client]));
    }
    all.retain(|contender| {
        let installed = contender.program.iter().all(found);
        if !installed {
            println!("{} is not installed", contender.name);
        }
        installed
    });
    all
}

fn words(arguments: &str) -> Vec<String> {
    arguments.split_whitespace().map(str::to_owned).collect()
}

/// Whether a program can be started.
fn found(program: impl AsRef<OsStr>) -> bool {
    let started = Command::new(program)
        .arg("-h")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    started.is_ok()
}

impl Certificate {
    /// Makes one in `directory` with the `openssl` tool.
    pub(crate) fn make(directory: &Path) -> io::Result<Self> {
        let certificate = Self {
            file: directory.join("certificate.pem"),
            key: directory.join("key.pem"),
        };
        let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
                         -days 2 -subj /CN=localhost -batch";
        let made = Command::new("openssl")
            .args(words(arguments))
            .arg("-keyout")
            .arg(&certificate.key)
            .arg("-out")
            .arg(&certificate.file)
            .output()?;
        match made.status.success() {
            true => Ok(certificate),
            false => Err(io::Error::other(
                String::from_utf8_lossy(&made.stderr).into_owned(),
            )),
        }
    }
}
