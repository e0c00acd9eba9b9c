//! `chat-client`: calls a server.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chat_client::{Config, Connector, Trust};
use chat_core::driver::{CallConfig, Sink};
use chat_core::protocol::{Event, Peer};
use chat_core::transport::tcp::TcpDialer;
use chat_core::transport::{HostPort, Target};
use chat_core::trust::{self, Fingerprint, KnownPeer, KnownPeers, data_dir};
use chat_terminal::Idle;
use chat_terminal::args::{CommonArgs, FileArgs, duration, fingerprint, target};
use chat_terminal::console::Console;
use chat_terminal::locale::Explain;
use chat_terminal::runtime::{self, Failure};
use chat_terminal::signals::Signals;
use chat_terminal::{completion, exit, history, keys, locale, peer, version};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

/// Calls a chat-server and lets you talk; 88 hangs up.
#[derive(Debug, Parser)]
#[command(version = version::short(), long_version = version::long())]
struct Args {
    /// Who to call: a name, an IPv4 address or an [IPv6] address
    #[arg(
        value_name = "HOST[:PORT]",
        default_value = "localhost:7788",
        value_parser = target,
        add = completion::addresses()
    )]
    target: Target,

    /// What other programs take for the port
    #[arg(hide = true)]
    port: Option<String>,

    /// Dial without encryption
    #[arg(long, conflicts_with = "peer_key")]
    plain: bool,

    /// This key or nobody
    #[arg(
        long,
        value_name = "SHA256:…",
        value_parser = fingerprint,
        add = completion::fingerprints()
    )]
    peer_key: Option<Fingerprint>,

    /// Call again where the safety number was withheld three times
    #[arg(long, conflicts_with = "plain")]
    try_again: bool,

    /// How long to try to connect, the encryption included, such as 10s
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    connect_timeout: Duration,

    /// At end of input, hang up as soon as everything has arrived; "88" in it is text
    #[arg(long)]
    send_only: bool,

    /// Keep what you say, call until somebody is there, and end when everything has arrived. The
    /// key must be known, or given with --peer-key
    #[arg(long, conflicts_with_all = ["plain", "no_redial"])]
    when_there: bool,

    /// Do not call again when the connection is lost
    #[arg(long)]
    no_redial: bool,

    /// Offer these files, and end when they are taken
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with_all = ["plain", "send_only"])]
    send_file: Vec<PathBuf>,

    #[command(flatten)]
    files: FileArgs,

    /// How long to call again when the connection is lost, such as 1h; the server keeps the place
    /// for as long as its own --give-up-after
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    #[arg(conflicts_with = "no_redial")]
    give_up_after: Duration,

    #[command(flatten)]
    common: CommonArgs,
}

fn main() -> ExitCode {
    completion::answer::<Args>();
    let mut args = Args::parse();
    if let Some(port) = &args.port {
        let told = locale::text().port_after_colon(args.target.host(), port);
        Args::command().error(ErrorKind::TooManyValues, told).exit();
    }
    // Only the end of the input hangs up.
    args.common.literal |= args.send_only || args.when_there;
    runtime::run(
        "chat-client",
        &args.common,
        args.files.sandbox(),
        call(&args),
    )
}

async fn call(args: &Args) -> Result<u8, Failure> {
    if keys::manage(&args.common)? {
        return Ok(exit::OK);
    }
    if let Some(code) = history::print(&args.common.reading)? {
        return Ok(code);
    }
    let data_dir = data_dir()?;
    let known = KnownPeers::open(&data_dir)?;
    let flaws = peer::flaws(&known)?;
    let known_peers = known.clone();
    let host = match &args.target {
        Target::Name(name) => HostPort::usual(name),
        Target::Host(host) => host.clone(),
        Target::Number(_) => {
            return Err(Failure::new(
                exit::FAILED,
                locale::text().no_reach().to_owned(),
            ));
        }
    };
    let address = host.to_string();
    let trust = match args.plain {
        true => Trust::Plain(known),
        false => Trust::Encrypted {
            keyring: args.common.keyring(&data_dir)?,
            pinned_key: args.peer_key,
        },
    };
    if args.try_again
        && let Some(keyring) = trust.keyring()
    {
        keyring.first_contacts.clear(&address)?;
    }
    let when_there = match args.when_there {
        true => Some(known_peer(&known_peers, &address, args.peer_key)?),
        false => None,
    };
    let signals = Signals::new()?;
    let idle = Idle::Calling(locale::text().calling(&address));
    let mut console = match args.send_file.is_empty() {
        true => Console::open(&args.common, idle, address.clone())?,
        false => Console::silent(),
    };
    let connector = Connector {
        dialer: TcpDialer::new(host, args.connect_timeout),
        trust,
        framing: args.common.framing.into(),
    };
    let config = Config {
        name: args.common.name(),
        call_config: CallConfig {
            send_only: args.send_only || args.when_there && !console.interactive,
            ..console.call_config()
        },
        files: args.files.config(console.interactive, &data_dir)?,
        send_files: args.send_file.clone(),
        redial_for: (!args.no_redial).then_some(args.give_up_after),
        recorder: match args.when_there {
            true => Some(args.common.recorder_of(data_dir, console.interactive)),
            false => args.common.recorder(data_dir, console.interactive),
        },
        when_there,
    };
    let Console { source, sink, .. } = &mut console;
    for flaw in flaws {
        sink.show(Event::Notice(flaw));
    }
    let code = chat_client::run(connector, config, source, sink, signals.next())
        .await
        .map_err(|error| Failure::new(exit::code_without_call(&error), error.explain()))?;
    Ok(console.exit_code(code).await)
}

/// Whom text can be kept for: somebody whose key is known, or said to be this.
fn known_peer(
    known: &KnownPeers,
    address: &str,
    pinned_key: Option<Fingerprint>,
) -> Result<Peer, Failure> {
    let list = known.load()?;
    let dialed = list.by_address(address).map(|peer| peer.fingerprint);
    let Some(key) = pinned_key.or(dialed) else {
        let told = locale::text().no_key_to_wait_for(address);
        return Err(Failure::new(exit::FAILED, told));
    };
    let peer = list.by_key(key);
    Ok(Peer {
        name: peer.and_then(KnownPeer::given_name).map(str::to_owned),
        address: address.to_owned(),
        security: trust::security(key, peer),
    })
}
