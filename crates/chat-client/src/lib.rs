//! Calls a server.

#![warn(unreachable_pub)]

mod call;
mod connect;
mod first_contact;
pub mod nearby;
mod race;
mod reconnect;
mod ways;
mod when_there;
mod whom;

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chat_core::driver::{CallConfig, Command, Input, Runner, Sink, Source};
use chat_core::files::FileConfig;
use chat_core::journal::Recorder;
use chat_core::protocol::{Event, Peer};
use chat_core::transport::{ConnectError, Dial};
use chat_core::wire::Name;
use chat_terminal::record::Record;
use chat_terminal::{exit, locale};

use call::Client;
use first_contact::FirstContact;
use ways::Races;

pub use connect::{Connector, Trust, Wanted};
pub use ways::{Search, Ways};
pub use whom::Whom;

/// What the person asked of the client.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name that the peer sees.
    pub name: Name,
    /// How this side behaves in the call.
    pub call_config: CallConfig,
    /// How files are handled.
    pub files: FileConfig,
    /// Offers these, and ends the call when they are taken.
    pub send_files: Vec<PathBuf>,
    /// How long a connection that was lost is made again; `None` if it is not.
    pub redial_for: Option<Duration>,
    /// How calls with people who have a key are recorded; `None` if they are not.
    pub recorder: Option<Recorder>,
    /// Call this peer until everything is said, whether or not anybody is there now. Its key must
    /// be known, and calls with it recorded.
    pub when_there: Option<Peer>,
}

/// Calls over all `ways`, and runs the call until it ends or `shutdown` brings an exit code. Returns the exit
/// code.
///
/// # Errors
/// The server cannot be reached, or cannot be trusted.
pub async fn run<D, In, Out>(
    ways: impl Into<Ways<D>>,
    config: Config,
    source: &mut In,
    sink: &mut Out,
    shutdown: impl Future<Output = u8>,
) -> Result<u8, ConnectError>
where
    D: Dial + Clone + 'static,
    In: Source,
    Out: Sink,
{
    let mut shutdown = pin!(shutdown);
    let ways = Arc::new(ways.into());
    if let Some(peer) = config.when_there.clone() {
        return when_there::run(ways, config, peer, source, sink, shutdown).await;
    }
    ways.check_plain()?;
    let first_contact = FirstContact::new(&ways);
    if let Some(first_contact) = &first_contact {
        first_contact.check()?;
    }
    let connect = async {
        let connected = Races::first(Arc::clone(&ways)).win().await?;
        let key = connected.peer.security.fingerprint();
        let recorded = match (config.recorder.clone(), key) {
            (Some(recorder), Some(key)) => {
                let recording = recorder.dial(key).await;
                (Record::new(recorder, &recording), recording.ok())
            }
            _ => (Record::none(), None),
        };
        Ok::<_, ConnectError>((connected, recorded))
    };
    let (connected, (record, recording)) = tokio::select! {
        connected = connect => connected?,
        () = person_leaves(source, sink), if config.call_config.interactive => return Ok(exit::OK),
        code = shutdown.as_mut() => return Ok(code),
    };
    let peer = connected.peer.clone();
    // Only the same key is accepted.
    let pinned = Arc::new(ways.pin(&peer.security));
    let mut client = Client::new(pinned, &config, peer, first_contact, record);
    let Config {
        name, call_config, ..
    } = config;
    let mut call = Runner::begin(connected, recording, name, call_config, source, sink);
    let reason = call.run(&mut client, shutdown.as_mut()).await;
    let errand = client.errand_code();
    let mut record = client.ended(&reason).await;
    let (outcome, unrecorded) = call.end(reason, shutdown).await;
    record.end(unrecorded, sink);
    Ok(match record.exit_code(&outcome) {
        exit::OK => errand,
        code => code,
    })
}

/// Waits until the person gives up waiting for an answer. There is nobody yet to talk to.
async fn person_leaves<In: Source, Out: Sink>(source: &mut In, sink: &mut Out) {
    loop {
        match source.next().await {
            Ok(Input::Typing(_) | Input::Suspended(_)) => {}
            Ok(Input::HangUp | Input::Eof | Input::Command(Command::Quit)) | Err(_) => return,
            Ok(_) => sink.show(Event::Notice(locale::text().nobody_there().into())),
        }
    }
}
