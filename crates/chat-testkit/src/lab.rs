//! Two machines and a router between them: network namespaces, and a process that fails on command.
//! Needs root on Linux, and python3.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Where Ann's machine is.
pub const ANN: &str = "10.77.0.1";
/// Where Bob's is.
pub const BOB: &str = "10.77.0.2";

/// The name that leads to Ann.
pub const NAME: &str = "ann.lab";

/// Two machines and the router. Both end when it is dropped.
pub struct Lab {
    /// The namespaces of Ann and Bob.
    pub machines: [String; 2],
    devices: [String; 2],
    router: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Lab {
    /// Where Ann's may be instead.
    pub const OTHER_ANN: &str = "10.77.0.11";
    /// Where Bob's may be instead.
    pub const OTHER_BOB: &str = "10.77.0.12";

    /// Builds one; `tag` tells it from others.
    ///
    /// # Errors
    /// Something that it takes is not to be had here.
    pub fn new(tag: &str) -> io::Result<Self> {
        let id = std::process::id() % 10_000;
        let machines = ["a", "b"].map(|who| format!("chat-{id}-{tag}-{who}"));
        let devices = ["a", "b"].map(|who| format!("ch{id}{tag}{who}"));
        // First of all processes, so that it is the link that delays a packet and not the machine.
        let mut router = Command::new("chrt")
            .args(["--fifo", "50", "python3"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/router.py"))
            .args(&devices)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let commands = router.stdin.take().expect("it is piped");
        let answers = BufReader::new(router.stdout.take().expect("it is piped"));
        let mut lab = Self {
            machines,
            devices,
            router,
            commands,
            answers,
        };
        lab.answered()?;
        for (who, address) in [ANN, BOB].into_iter().enumerate() {
            let (machine, device) = (&lab.machines[who], &lab.devices[who]);
            let at_home = Path::new("/etc/netns").join(machine);
            fs::create_dir_all(&at_home)?;
            fs::write(at_home.join("resolv.conf"), "nameserver 10.77.53.53\n")?;
            ip(&["netns", "add", machine])?;
            ip(&["link", "set", device, "netns", machine])?;
            ip(&["-n", machine, "link", "set", "lo", "up"])?;
            ip(&["-n", machine, "addr", "add", address, "dev", device])?;
            ip(&["-n", machine, "link", "set", device, "up"])?;
            ip(&["-n", machine, "route", "add", "default", "dev", device])?;
        }
        Ok(lab)
    }

    /// Tells the router something.
    ///
    /// # Errors
    /// It is gone.
    pub fn set(&mut self, setting: &str, value: impl std::fmt::Display) -> io::Result<()> {
        writeln!(self.commands, "{setting} {value}")?;
        self.commands.flush()?;
        self.answered()
    }

    /// Has the TCP of both machines keep to this congestion control.
    ///
    /// # Errors
    /// The kernel has none of that name.
    pub fn congestion_control(&self, name: &str) -> io::Result<()> {
        for machine in &self.machines {
            let set = format!("echo {name} > /proc/sys/net/ipv4/tcp_congestion_control");
            ip(&["netns", "exec", machine, "sh", "-c", &set])?;
        }
        Ok(())
    }

    /// Gives a machine another address in place of the one it has.
    ///
    /// # Errors
    /// The system refuses.
    pub fn readdress(&self, who: usize, old: &str, new: &str) -> io::Result<()> {
        let (machine, device) = (&self.machines[who], &self.devices[who]);
        ip(&["-n", machine, "addr", "add", new, "dev", device])?;
        ip(&["-n", machine, "addr", "del", old, "dev", device])?;
        // The route went with the address that it preferred.
        ip(&["-n", machine, "route", "replace", "default", "dev", device])
    }

    /// A program on one of the machines.
    pub fn command(&self, who: usize, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.machines[who]])
            .arg(program);
        command
    }

    /// The segments that a machine has sent to begin connections, and is in.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn connections_opened(&self, who: usize) -> io::Result<u64> {
        let cat = PathBuf::from("cat");
        let output = self.command(who, &cat).arg("/proc/net/snmp").output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let tcp = text.lines().filter(|line| line.starts_with("Tcp:")).nth(1);
        let active = tcp.and_then(|line| line.split_whitespace().nth(5)?.parse().ok());
        active.ok_or_else(|| io::Error::other("no count of connections"))
    }

    fn answered(&mut self) -> io::Result<()> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        match line.trim() {
            "ok" => Ok(()),
            _ => Err(io::Error::other("the router does not answer")),
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.router.kill();
        let _ = self.router.wait();
        for machine in &self.machines {
            let _ = ip(&["netns", "del", machine]);
            let _ = fs::remove_dir_all(Path::new("/etc/netns").join(machine));
        }
    }
}

fn ip(arguments: &[&str]) -> io::Result<()> {
    let output = Command::new("ip").args(arguments).output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "ip {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
    }
}
