//! `chat-server`: waits for a call.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use chat_core::driver::{CallConfig, Sink};
use chat_core::protocol::Event;
use chat_core::transport::{Keyring, tcp};
use chat_core::trust::data_dir;
use chat_server::{Acceptor, Config};
use chat_terminal::Idle;
use chat_terminal::args::{CommonArgs, FileArgs, address, duration};
use chat_terminal::console::Console;
use chat_terminal::runtime::{self, Failure};
use chat_terminal::signals::Signals;
use chat_terminal::{exit, locale, peer};
use clap::Parser;

/// Waits for a call and lets you talk; `88` hangs up.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Where to listen: 7788, :7788, 127.0.0.1:7788 or [::1]:7788
    #[arg(default_value = "[::]:7788", value_parser = address)]
    address: SocketAddr,

    /// Callers who may wait while a call is on; one more hears "busy"
    #[arg(long, value_name = "N", default_value_t = 5)]
    backlog: usize,

    /// Hang up on a peer that says nothing for this long, such as 10s or 5m [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    idle_timeout: Option<Duration>,

    /// Let callers ring whom you have neither dialed nor verified; /answer takes the call.
    /// Without a terminal they are connected at once
    #[arg(long)]
    ring: bool,

    /// Exit after one call
    #[arg(long)]
    once: bool,

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
    let args = Args::parse();
    runtime::run("chat-server", &args.common, serve(&args))
}

async fn serve(args: &Args) -> Result<u8, Failure> {
    if let Some(name) = &args.common.forget {
        peer::forget(name)?;
        return Ok(exit::OK);
    }
    let data_dir = data_dir()?;
    let keyring = Keyring::open(&data_dir)?;
    let mut notices = peer::flaws(&keyring.known)?;
    notices.push(locale::own_key(keyring.own_key));
    let acceptor = Acceptor {
        keyring,
        allow_plain: args.allow_plain,
        known_only: args.known_only,
        framing: args.common.framing.into(),
    };
    chat_server::raise_descriptor_limit();
    let signals = Signals::new()?;
    let listener = tcp::bind(args.address)
        .map_err(|error| Failure::new(exit::FAILED, locale::cannot_listen(args.address, &error)))?;
    let address = listener.local_addr()?;
    let mut console = Console::open(&args.common, Idle::Waiting(locale::idle(address.port())))?;
    let config = Config {
        name: args.common.name(),
        backlog: args.backlog,
        ring: args.ring,
        once: args.once,
        call_config: CallConfig {
            idle_timeout: args.idle_timeout,
            ..console.call_config()
        },
        files: args.files.config(console.interactive, &data_dir)?,
        files_from_anyone: args.from_anyone,
        interactive: console.interactive,
    };
    let reachable = chat_server::reachable(address);
    notices.push(locale::invitation(address.port(), &reachable));
    for notice in notices {
        console.sink.show(Event::Notice(notice));
    }
    let Console { source, sink, .. } = &mut console;
    let code = chat_server::run(listener, acceptor, config, source, sink, signals.next()).await?;
    Ok(code)
}
