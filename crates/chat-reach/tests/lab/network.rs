//! Two homes behind routers of any kind, and a relay on the internet between them: network
//! namespaces, and the kernel's NAT.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Where the relay is, and its name.
pub const RELAY: &str = "203.0.113.1";
pub const RELAY_NAME: &str = "relay.example.org";

/// The name server, which is not there.
const NAME_SERVER: &str = "198.51.100.53";

/// What stands over the files in /etc where a namespace of this name is.
const ETC: &str = "/etc/netns";

/// The outer addresses of the two homes.
const ROUTERS: [&str; 2] = ["203.0.113.10", "203.0.113.20"];

/// The inner address of the machine in either home.
const MACHINE: &str = "192.168.1.2";

/// The addresses that it may have.
pub const ADDRESSES: [&str; 2] = [MACHINE, "192.168.1.3"];

/// How a router translates addresses, and whom it lets in (RFC 3489, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nat {
    /// Everybody is let in, once the machine has spoken to somebody.
    FullCone,
    /// Those to whose address the machine has spoken.
    Restricted,
    /// Those to whose address and port the machine has spoken.
    PortRestricted,
    /// The same, and to everybody else the machine has another port.
    Symmetric,
}

impl Nat {
    pub const ALL: [Self; 4] = [
        Self::FullCone,
        Self::Restricted,
        Self::PortRestricted,
        Self::Symmetric,
    ];

    /// The rules of the router. One machine is behind it, so that its ports are those outside.
    fn rules(self) -> String {
        let let_in = match self {
            Self::FullCone => format!("iifname wan meta l4proto udp dnat to {MACHINE}"),
            Self::Restricted => {
                format!("iifname wan ip saddr @spoken_to meta l4proto udp dnat to {MACHINE}")
            }
            Self::PortRestricted | Self::Symmetric => String::new(),
        };
        let translate = match self {
            Self::Symmetric => "masquerade fully-random",
            _ => "masquerade",
        };
        format!(
            "table ip home {{
                set spoken_to {{ type ipv4_addr; flags dynamic,timeout; timeout 1m; }}
                counter to_others {{ }}
                chain in {{ type nat hook prerouting priority dstnat; {let_in}; }}
                chain out {{ type nat hook postrouting priority srcnat; oifname wan {translate}; }}
                chain blocked {{ }}
                chain pass {{
                    type filter hook forward priority filter; policy drop;
                    jump blocked
                    iifname lan ip daddr != {{ {RELAY}, {}, {} }} counter name to_others
                    iifname lan meta l4proto udp add @spoken_to {{ ip daddr }}
                    iifname lan accept
                    ct state established,related accept
                    ct status dnat accept
                }}
                chain keep_out {{
                    type filter hook input priority filter; iifname wan drop;
                }}
            }}",
            ROUTERS[0], ROUTERS[1]
        )
        .replace("; }", "; }\n")
        .replace("dstnat; ;", "dstnat;")
    }
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::FullCone => "full cone",
            Self::Restricted => "restricted",
            Self::PortRestricted => "port-restricted",
            Self::Symmetric => "symmetric",
        })
    }
}

/// A place in the network.
#[derive(Clone, Copy)]
pub enum Place {
    /// Where the relay is.
    Internet,
    /// The machine in the first home, or the second.
    Home(usize),
}

/// The network. It ends when it is dropped.
pub struct Network {
    id: u32,
}

impl Network {
    /// Two homes behind these routers. Needs root, and a kernel with namespaces and NAT.
    pub fn new(routers: [Nat; 2]) -> io::Result<Self> {
        let network = Self {
            id: std::process::id(),
        };
        let internet = network.name("internet");
        let namespaces = ["internet", "router0", "router1", "home0", "home1"];
        for namespace in namespaces.map(|name| network.name(name)) {
            run("ip", &format!("netns add {namespace}"))?;
            run("ip", &format!("-n {namespace} link set lo up"))?;
            let no_ipv6 = "sysctl -qw net.ipv6.conf.all.disable_ipv6=1";
            run(
                "ip",
                &format!("netns exec {namespace} {no_ipv6} net.ipv4.ip_forward=1"),
            )?;
        }
        run("ip", &format!("-n {internet} link add wire type bridge"))?;
        run("ip", &format!("-n {internet} addr add {RELAY}/24 dev wire"))?;
        run("ip", &format!("-n {internet} link set wire up"))?;
        for (index, nat) in routers.into_iter().enumerate() {
            network.build_home(index, nat)?;
        }
        Ok(network)
    }

    fn build_home(&self, index: usize, nat: Nat) -> io::Result<()> {
        let internet = self.name("internet");
        let router = self.name(&format!("router{index}"));
        let home = self.name(&format!("home{index}"));
        let outer = ROUTERS[index];
        for command in [
            format!("-n {internet} link add home{index} type veth peer name wan netns {router}"),
            format!("-n {internet} link set home{index} master wire up"),
            format!("-n {router} addr add {outer}/24 dev wan"),
            format!("-n {router} link set wan up"),
            format!("-n {router} route add default via {RELAY}"),
            format!("-n {router} link add lan type veth peer name eth0 netns {home}"),
            format!("-n {router} addr add 192.168.1.1/24 dev lan"),
            format!("-n {router} link set lan up"),
            format!("-n {home} addr add {MACHINE}/24 dev eth0"),
            format!("-n {home} link set eth0 up"),
            format!("-n {home} route add default via 192.168.1.1"),
        ] {
            run("ip", &command)?;
        }
        let etc = Path::new(ETC).join(&home);
        fs::create_dir_all(&etc)?;
        fs::write(etc.join("hosts"), format!("{RELAY} {RELAY_NAME}\n"))?;
        fs::write(
            etc.join("resolv.conf"),
            format!("nameserver {NAME_SERVER}\n"),
        )?;
        self.set_rules(index, &nat.rules())
    }

    /// The machine in this home leaves its network.
    pub fn leave(&self, home: usize) -> io::Result<()> {
        let home = self.name(&format!("home{home}"));
        run("ip", &format!("-n {home} addr flush dev eth0"))
    }

    /// The machine in this home is in the network again, at one of its [`ADDRESSES`].
    pub fn join(&self, home: usize, address: &str) -> io::Result<()> {
        let home = self.name(&format!("home{home}"));
        run("ip", &format!("-n {home} addr add {address}/24 dev eth0"))?;
        run(
            "ip",
            &format!("-n {home} route add default via 192.168.1.1"),
        )
    }

    /// The router of this home lets no UDP out.
    pub fn block_udp(&self, home: usize) -> io::Result<()> {
        self.set_rules(home, "add rule ip home blocked meta l4proto udp drop")
    }

    /// It lets UDP out again.
    pub fn let_udp_out(&self, home: usize) -> io::Result<()> {
        self.set_rules(home, "flush chain ip home blocked")
    }

    /// How many packets the machine in this home has sent to anybody but the relay and the other
    /// home.
    pub fn packets_to_others(&self, home: usize) -> io::Result<u64> {
        let router = self.name(&format!("router{home}"));
        let list = format!("netns exec {router} nft list counter ip home to_others");
        let listed = run_for_output("ip", &list)?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let packets = listed
            .split("packets ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        let packets = packets.and_then(|packets| packets.parse().ok());
        packets.ok_or_else(|| io::Error::other("the router counts nothing"))
    }

    /// What runs `program` at this place.
    pub fn command(&self, place: Place, program: &str) -> tokio::process::Command {
        let namespace = match place {
            Place::Internet => self.name("internet"),
            Place::Home(index) => self.name(&format!("home{index}")),
        };
        let mut command = tokio::process::Command::new("ip");
        command.args(["netns", "exec", &namespace, program]);
        command.kill_on_drop(true);
        command
    }

    fn set_rules(&self, home: usize, rules: &str) -> io::Result<()> {
        let router = self.name(&format!("router{home}"));
        let mut nft = Command::new("ip")
            .args(["netns", "exec", &router, "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .spawn()?;
        nft.stdin
            .take()
            .expect("it is piped")
            .write_all(rules.as_bytes())?;
        match nft.wait()?.success() {
            true => Ok(()),
            false => Err(io::Error::other("nft has no NAT")),
        }
    }

    fn name(&self, what: &str) -> String {
        format!("reach-{}-{what}", self.id)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in ["home0", "home1", "router0", "router1", "internet"] {
            let name = self.name(name);
            drop(run("ip", &format!("netns del {name}")));
            drop(fs::remove_dir_all(Path::new(ETC).join(name)));
        }
    }
}

fn run(program: &str, args: &str) -> io::Result<()> {
    run_for_output(program, args).map(drop)
}

fn run_for_output(program: &str, args: &str) -> io::Result<Output> {
    let output = Command::new(program).args(args.split(' ')).output()?;
    match output.status.success() {
        true => Ok(output),
        false => {
            let told = String::from_utf8_lossy(&output.stderr);
            Err(io::Error::other(format!(
                "{program} {args}: {}",
                told.trim()
            )))
        }
    }
}
