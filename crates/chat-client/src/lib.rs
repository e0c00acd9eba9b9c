//! Calls a server and holds the call.

mod call;
mod connect;
mod dial;
mod redial;

use std::future::Future;
use std::pin::pin;

use chat_core::conversation::{Command, Event, Input, Manners, Sink, Source};
use chat_core::wire::Name;
use chat_terminal::{exit, locale};

use call::Call;

pub use connect::{ConnectError, Connected, Connector, Trust};
pub use dial::{Dial, DialError, Target, TcpDialer};

/// What the person asked of the client.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the peer sees of the person.
    pub name: Name,
    /// How this side behaves in the call.
    pub manners: Manners,
    /// Whether to call again when the connection is lost.
    pub redial: bool,
}

/// Calls, and holds the call to its end or to `shutdown`, which brings an exit code. Answers
/// the exit code.
///
/// # Errors
/// There is no connection, or none that can be trusted.
pub async fn run<D, In, Out>(
    connector: Connector<D>,
    config: Config,
    source: &mut In,
    sink: &mut Out,
    shutdown: impl Future<Output = u8>,
) -> Result<u8, ConnectError>
where
    D: Dial + 'static,
    In: Source,
    Out: Sink,
{
    let mut shutdown = pin!(shutdown);
    let connected = tokio::select! {
        connected = connector.connect() => connected?,
        () = leaves(source, sink), if config.manners.attended => return Ok(exit::OK),
        code = shutdown.as_mut() => return Ok(code),
    };
    let call = Call::new(connector, config, connected.peer);
    Ok(call
        .hold(connected.link, connected.contact, source, sink, shutdown)
        .await)
}

/// Waits until a person does not want to be answered any more. There is nobody yet to talk to.
async fn leaves<In: Source, Out: Sink>(source: &mut In, sink: &mut Out) {
    loop {
        match source.next().await {
            Ok(Input::Typing(_)) => {}
            Ok(Input::HangUp | Input::End | Input::Command(Command::Quit)) | Err(_) => return,
            Ok(_) => sink.show(Event::Notice(locale::NOBODY_THERE.into())),
        }
    }
}
