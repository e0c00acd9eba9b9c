//! `chat-client`: calls a server.

use std::process::ExitCode;
use std::time::Duration;

use chat_client::{Config, Target, TcpDialer};
use chat_core::conversation::Manners;
use chat_terminal::args::{CommonArgs, duration};
use chat_terminal::console::Console;
use chat_terminal::program;
use chat_terminal::signals::Signals;
use clap::Parser;

/// Calls a chat-server and lets you talk; `88` hangs up.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Who to call: a name, an IPv4 address or an [IPv6] address
    #[arg(value_name = "HOST[:PORT]", default_value = "localhost:7788", value_parser = Target::parse)]
    target: Target,

    /// How long to try, such as 10s
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    connect_timeout: Duration,

    /// At end of input, hang up as soon as everything has arrived
    #[arg(long)]
    send_only: bool,

    /// Dial without encryption
    #[arg(long)]
    plain: bool,

    #[command(flatten)]
    common: CommonArgs,
}

fn main() -> ExitCode {
    let args = Args::parse();
    program::run("chat-client", &args.common, call(&args))
}

async fn call(args: &Args) -> anyhow::Result<u8> {
    let mut signals = Signals::new()?;
    let mut console = Console::open(&args.common)?;
    let config = Config {
        target: args.target.clone(),
        framing: args.common.framing.into(),
        manners: Manners {
            send_only: args.send_only,
            ..console.manners()
        },
    };
    let dialer = TcpDialer {
        target: args.target.clone(),
        limit: args.connect_timeout,
    };
    let Console { source, sink, .. } = &mut console;
    Ok(chat_client::run(dialer, config, source, sink, signals.next()).await?)
}
