//! `chat-client`: calls a server.

mod carrier;

use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use chat_client::{Config, Connector, Trust, Wanted, Ways, Whom, nearby};
use chat_core::driver::{CallConfig, Sink};
use chat_core::protocol::{Event, Peer};
use chat_core::transport::{ConnectError, HostPort, Target};
use chat_core::trust::{self, Fingerprint, KnownPeer, KnownPeers, PeerList, RejectedKey, data_dir};
use chat_terminal::Idle;
use chat_terminal::args::{CommonArgs, FileArgs, duration, fingerprint, target};
use chat_terminal::console::Console;
use chat_terminal::locale::Explain;
use chat_terminal::runtime::{self, Failure};
use chat_terminal::signals::Signals;
use chat_terminal::{command_line, completion, exit, history, keys, list, locale, peer, version};
use clap::Parser;

use carrier::Carrier;

/// Calls a chat-server and lets you talk; 88 hangs up.
#[derive(Debug, Parser)]
#[command(version = version::short(), long_version = version::long(cfg!(feature = "reach")))]
struct Args {
    /// Who to call: the name of somebody you know, a host (a name, an IPv4 address or an [IPv6]
    /// address), or a number
    #[arg(
        value_name = "NAME|HOST[:PORT]|KEY@RELAY",
        default_value = "localhost:7788",
        value_parser = target,
        add = completion::targets()
    )]
    target: Target,

    /// What other programs take for the port
    #[arg(hide = true)]
    port: Option<String>,

    /// It is a host, whoever has that name
    #[arg(long)]
    host: bool,

    /// Print whom you know and who is near, and do nothing else: asks in the local network
    #[arg(long)]
    list: bool,

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
    let mut args: Args = command_line::parse();
    if let Some(port) = &args.port {
        let told = locale::text().port_after_colon(args.target.host(), port);
        command_line::fail::<Args>(told);
    }
    // Only the end of the input hangs up.
    args.common.literal |= args.send_only || args.when_there;
    runtime::run(
        "chat-client",
        &args.common,
        args.files.sandbox(),
        pin!(call(&args)),
    )
}

async fn call(args: &Args) -> Result<u8, Failure> {
    if keys::manage(&args.common)? {
        return Ok(exit::OK);
    }
    if let Some(code) = history::print(&args.common.reading)? {
        return Ok(code);
    }
    if args.list {
        return list(&args.common).await;
    }
    let data_dir = data_dir()?;
    let keyring = match args.plain {
        true => None,
        false => Some(args.common.keyring(&data_dir)?),
    };
    let known = match &keyring {
        Some(keyring) => keyring.known.clone(),
        None => KnownPeers::open(&data_dir)?,
    };
    let list = known.load()?;
    let flaws = peer::flaws(&list);
    let whom = Whom::find(&args.target, args.host, args.peer_key, &list)?;
    let called = whom.called();
    let trust = match keyring {
        None => Trust::Plain(known),
        Some(keyring) => Trust::Encrypted {
            keyring,
            wanted: match (&whom, args.peer_key) {
                (Whom::Known(peer), _) => Wanted::Known(peer.fingerprint),
                (Whom::Number(number), _) => Wanted::Key(number.key.fingerprint()),
                (_, Some(key)) => Wanted::Key(key),
                (_, None) => Wanted::Address,
            },
        },
    };
    if args.try_again
        && let Some(keyring) = trust.keyring()
    {
        keyring.first_contacts.clear(&called)?;
    }
    let anywhere = anywhere(&whom, args.connect_timeout)?;
    let ways = ways(args, &whom, anywhere.as_ref(), trust).map_err(failure)?;
    let when_there = match args.when_there {
        true => Some(known_peer(&list, &whom, args.peer_key)?),
        false => None,
    };
    let signals = Signals::new()?;
    let idle = Idle::Calling(match &whom {
        Whom::Known(peer) => locale::text().calling_known(peer),
        Whom::Host(_) | Whom::Number(_) => locale::text().calling(&called),
    });
    let mut console = match args.send_file.is_empty() {
        true => Console::open(&args.common, idle, called)?,
        false => Console::silent(),
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
    let code = chat_client::run(ways, config, source, sink, signals.next()).await;
    if let Some(carrier) = anywhere {
        carrier.close().await;
    }
    let code = code.map_err(failure)?;
    Ok(console.exit_code(code).await)
}

/// Prints whom this user knows, and who is near.
async fn list(common: &CommonArgs) -> Result<u8, Failure> {
    let data_dir = data_dir()?;
    let keyring = common.keyring(&data_dir)?;
    let known = keyring.known.load()?;
    list::print(&list::known(&known))?;
    let near = nearby::neighbours().await;
    list::print(&list::near(&known, &near, keyring.own_key))?;
    Ok(exit::OK)
}

fn failure(error: ConnectError) -> Failure {
    Failure::new(exit::code_without_call(&error), error.explain())
}

/// The way to the number of whom the person calls, if it has one.
///
/// # Errors
/// There is no other way, and this one cannot be taken.
fn anywhere(whom: &Whom, limit: Duration) -> Result<Option<Carrier>, Failure> {
    let (number, is_only) = match whom {
        Whom::Number(number) => (Some(number), true),
        Whom::Known(peer) => (peer.number.as_ref(), peer.addresses.is_empty()),
        Whom::Host(_) => (None, false),
    };
    match number.map(|number| Carrier::to_number(number, limit)) {
        Some(Err(failure)) if is_only => Err(failure),
        carrier => Ok(carrier.and_then(Result::ok)),
    }
}

/// All ways to whom the person calls.
///
/// # Errors
/// Nobody is to be called.
fn ways(
    args: &Args,
    whom: &Whom,
    anywhere: Option<&Carrier>,
    trust: Trust,
) -> Result<Ways<Carrier>, ConnectError> {
    let (limit, framing) = (args.connect_timeout, args.common.framing.into());
    let of_all = trust.clone();
    let over = move |dialer| Connector {
        dialer,
        trust: of_all.clone(),
        framing,
    };
    let way_over = over.clone();
    let way_to = move |host| way_over(Carrier::to_host(host, limit));
    match whom {
        Whom::Host(host) => Ok(way_to(host.clone()).into()),
        Whom::Number(number) if args.plain => Err(ConnectError::KnownKey {
            address: args.target.to_string(),
            name: number.key.fingerprint().to_string(),
        }),
        Whom::Number(number) => match anywhere {
            Some(carrier) => Ok(over(carrier.clone()).into()),
            None => Err(ConnectError::NoReach(number.clone())),
        },
        Whom::Known(peer) if peer.is_blocked() => Err(ConnectError::Key {
            address: args.target.to_string(),
            reason: RejectedKey::Blocked(peer.name.clone()),
        }),
        Whom::Known(peer) if args.plain => Err(ConnectError::KnownKey {
            address: args.target.to_string(),
            name: peer.name.clone(),
        }),
        Whom::Known(peer) => {
            let addresses = peer.addresses.iter();
            let hosts = addresses.filter_map(|address| HostPort::parse(address).ok());
            let anywhere = anywhere.cloned().map(&over);
            let connectors = hosts.map(&way_to).chain(anywhere).collect();
            let search = nearby::search(peer.fingerprint, way_to.clone());
            Ok(Ways::to_known(
                peer.name.clone(),
                trust.clone(),
                limit,
                connectors,
                Some(search),
            ))
        }
    }
}

/// Whom text can be kept for: somebody whose key is known, or said to be this.
///
/// # Errors
/// The key is not known.
fn known_peer(list: &PeerList, whom: &Whom, wanted: Option<Fingerprint>) -> Result<Peer, Failure> {
    let address = whom.called();
    let owner = match whom {
        Whom::Known(peer) => Some(&**peer),
        Whom::Host(_) | Whom::Number(_) => list.by_address(&address),
    };
    let Some(key) = wanted.or(owner.map(|peer| peer.fingerprint)) else {
        let told = locale::text().no_key_to_wait_for(&address);
        return Err(Failure::new(exit::FAILED, told));
    };
    let peer = list.by_key(key);
    Ok(Peer {
        name: peer.and_then(KnownPeer::given_name).map(str::to_owned),
        address,
        security: trust::security(key, peer),
    })
}
