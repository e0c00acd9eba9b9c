//! `chat-server`: waits for a call.

mod reach;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use chat_core::driver::{CallConfig, Sink};
use chat_core::protocol::Event;
use chat_core::transport::nearby::Announcement;
use chat_core::transport::{Listeners, tcp};
use chat_core::trust::{Fingerprint, data_dir};
use chat_core::wire::Name;
use chat_server::{Acceptor, Config, service};
use chat_terminal::Idle;
use chat_terminal::args::{CommonArgs, FileArgs, address, answer, duration, program};
use chat_terminal::console::Console;
use chat_terminal::locale::Explain;
use chat_terminal::runtime::{self, Failure};
use chat_terminal::sandbox::Sandbox;
use chat_terminal::signals::Signals;
use chat_terminal::{command_line, exit, history, keys, locale, messages, peer, version};
use clap::Parser;
use tokio::net::TcpListener;

/// Waits for a call and lets you talk; `88` hangs up.
#[derive(Debug, Parser)]
#[command(version = version::short(), long_version = version::long(cfg!(feature = "reach")))]
struct Args {
    /// Where to listen: 7788, :7788, 127.0.0.1:7788 or [::1]:7788
    #[arg(default_value = "[::]:7788", value_parser = address)]
    address: SocketAddr,

    /// Callers who may wait while a call is on; one more hears "busy"
    #[arg(long, value_name = "N", default_value_t = 5)]
    backlog: usize,

    /// Hang up on a peer that says nothing for this long while no file is on its way, such as 10s
    /// or 5m [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    idle_timeout: Option<Duration>,

    /// Let callers ring whom you have neither dialed nor verified; /answer takes the call.
    /// Without a terminal they are connected at once
    #[arg(long)]
    ring: bool,

    /// Tell callers this when nobody answers, and record what they leave; --messages shows it.
    /// Without a terminal the machine takes every call
    #[arg(long, value_name = "TEXT", value_parser = answer)]
    answer: Option<String>,

    /// Run this program when a call comes; it finds who calls in CHAT_CALLER_NAME and others
    #[arg(long, value_name = "PROGRAM", value_parser = program)]
    on_call: Option<PathBuf>,

    /// Make yourself found in the local network, with your key and your --name
    #[arg(long)]
    announce: bool,

    /// Exit after one call
    #[arg(long)]
    once: bool,

    /// How long to keep the place of a caller whose connection is lost, such as 1h
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    give_up_after: Duration,

    /// Also wait at this relay, where you can be called from anywhere: a host or a URL, or "n0" for
    /// the public ones of n0
    #[arg(long, value_name = "RELAY")]
    reach: Option<String>,

    /// Also answer unencrypted callers (nc, telnet, plain sockets), on the same port
    #[arg(long)]
    allow_plain: bool,

    /// Answer only keys in known_peers
    #[arg(long, conflicts_with = "allow_plain")]
    known_only: bool,

    #[command(flatten)]
    files: FileArgs,

    /// With --accept-files: also the files of keys that were not known before
    #[arg(long, requires = "accept_files")]
    from_anyone: bool,

    #[command(flatten)]
    common: CommonArgs,
}

fn main() -> ExitCode {
    let args: Args = command_line::parse();
    let sandbox = match args.on_call {
        Some(_) => Sandbox::none(),
        None => args.files.sandbox(),
    };
    runtime::run("chat-server", &args.common, sandbox, pin!(serve(&args)))
}

async fn serve(args: &Args) -> Result<u8, Failure> {
    if keys::manage(&args.common)? {
        return Ok(exit::OK);
    }
    if let Some(code) = history::print(&args.common.reading)? {
        return Ok(code);
    }
    let data_dir = data_dir()?;
    let keyring = args.common.keyring(&data_dir)?;
    let mut notices = peer::flaws(&*keyring.known.load()?);
    let own_key = keyring.own_key;
    let known = keyring.known.clone();
    let acceptor = Acceptor {
        keyring,
        allow_plain: args.allow_plain,
        known_only: args.known_only,
        framing: args.common.framing.into(),
    };
    chat_server::raise_descriptor_limit();
    let signals = Signals::new()?;
    let listener = listener(args.address)?;
    let address = listener.local_addr()?;
    let mut listeners = Listeners::default();
    listeners.add(listener);
    let (number, relay) = match &args.reach {
        Some(relay) => Some(reach::listen(relay, &data_dir, &mut listeners).await?),
        None => None,
    }
    .unzip();
    let idle = Idle::Waiting(locale::text().idle(address.port()));
    let is_machine = args.answer.is_some() && !Console::has_person();
    let mut console = match is_machine {
        true => Console::headless(),
        false => Console::open(&args.common, idle, "chat-server".to_owned())?,
    };
    let config = Config {
        name: args.common.name(),
        backlog: args.backlog,
        ring: args.ring,
        answer: args.answer.clone(),
        on_call: args.on_call.clone(),
        once: args.once,
        give_up_after: args.give_up_after,
        call_config: CallConfig {
            idle_timeout: args.idle_timeout,
            farewell: args
                .idle_timeout
                .map(|limit| locale::text().reply_idle(limit)),
            ..console.call_config()
        },
        files: args.files.config(console.interactive, &data_dir)?,
        files_from_anyone: args.from_anyone,
        interactive: console.interactive,
        recorder: args
            .common
            .recorder(data_dir.clone(), console.interactive || is_machine),
        relay,
    };
    let announcement = match args.announce {
        true => announce(own_key, &config.name, address, &mut notices)?,
        false => None,
    };
    let reachable = chat_server::reachable(address);
    notices.push(locale::text().invitation(address.port(), &reachable, own_key));
    notices.extend(number.map(|number| locale::text().invitation_from_anywhere(&number)));
    for notice in notices {
        console.sink.show(Event::Notice(notice));
    }
    if console.interactive {
        messages::show(data_dir, known, &mut console.sink).await?;
    }
    service::tell_ready(&locale::text().idle(address.port()));
    let shutdown = async {
        let code = signals.next().await;
        service::tell_stopping();
        code
    };
    let Console { source, sink, .. } = &mut console;
    let code = chat_server::run(listeners, acceptor, config, source, sink, shutdown).await;
    if let Some(announcement) = announcement {
        announcement.end().await;
    }
    let code = code?;
    Ok(console.exit_code(code).await)
}

/// Makes this server found in the local network, and says so. Not being able to is no reason to do
/// without calls.
///
/// # Errors
/// Nobody else can reach it.
fn announce(
    own_key: Fingerprint,
    name: &Name,
    address: SocketAddr,
    notices: &mut Vec<String>,
) -> Result<Option<Announcement>, Failure> {
    if address.ip().is_loopback() {
        return Err(Failure::new(
            exit::FAILED,
            locale::text().nothing_to_announce(address),
        ));
    }
    match Announcement::begin(own_key, name, address) {
        Ok(announcement) => {
            let name = name.chosen.then_some(name.text.as_str());
            notices.push(locale::text().announced(name, own_key));
            Ok(Some(announcement))
        }
        Err(error) => {
            notices.push(locale::text().cannot_announce(&error.to_string()));
            Ok(None)
        }
    }
}

/// The socket of the service manager, or else one of our own.
fn listener(address: SocketAddr) -> Result<TcpListener, Failure> {
    let failure = |told| Failure::new(exit::FAILED, told);
    match service::passed_listener() {
        Ok(Some(listener)) => Ok(listener),
        Ok(None) => tcp::bind(address)
            .map_err(|error| failure(locale::text().cannot_serve(address, &error))),
        Err(error) => Err(failure(
            locale::text().cannot_use_passed_socket(&error.explain()),
        )),
    }
}
