//! Waits for calls and holds them, one at a time.

mod caller;
mod desk;
mod doorbell;
mod handshakes;
mod hold;
mod listen;
mod switchboard;
mod waiting_room;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chat_core::driver::{CallConfig, Sink, Source};
use chat_core::transport::Stream;
use chat_core::wire::Name;
use tokio::task::JoinSet;
use tokio::time::sleep;

use desk::Desk;
use doorbell::Doorbell;
use handshakes::{Handshake, Handshakes};
use switchboard::Switchboard;
use waiting_room::{News, WaitingRoom};

use caller::NoCall;
pub use caller::Reception;
pub use listen::{Listen, bind, parse_address, reachable};

/// Pause after a failed accept, which is most often a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the person asked of the server.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the peer sees of the person.
    pub name: Name,
    /// Callers who may wait while a call is on.
    pub backlog: usize,
    /// End after one call.
    pub once: bool,
    /// How this side behaves in a call.
    pub manners: CallConfig,
    /// Whether a person at a terminal may give commands between the calls too.
    pub interactive: bool,
}

/// Takes calls from `listener` until the person quits, `shutdown` brings an exit code, or, with
/// `once`, the first call is over. Answers the exit code.
///
/// # Errors
/// The person's side failed.
pub async fn run<L, In, Out>(
    listener: L,
    reception: Reception,
    config: Config,
    source: &mut In,
    sink: &mut Out,
    shutdown: impl Future<Output = u8>,
) -> io::Result<u8>
where
    L: Listen + 'static,
    In: Source,
    Out: Sink,
{
    let (room, news) = WaitingRoom::new(config.backlog);
    let switchboard = Arc::<Switchboard>::default();
    let keyring = reception.keyring.clone();
    let door = Door {
        reception,
        switchboard: Arc::clone(&switchboard),
        room: Arc::clone(&room),
    };
    // Dropped at the end: nobody waits for a person who is gone.
    let mut accepting = JoinSet::new();
    accepting.spawn(accept(listener, Arc::new(door)));
    let desk = Desk {
        config,
        keyring,
        room: Arc::clone(&room),
        news,
        doorbell: Doorbell::new(),
        switchboard,
        source,
        sink,
        quitting: None,
    };
    let code = desk.serve(pin!(shutdown)).await;
    room.close().await;
    code
}

/// The way of a connection from the listener to the person.
struct Door {
    reception: Reception,
    switchboard: Arc<Switchboard>,
    room: Arc<WaitingRoom>,
}

/// Accepts connections for ever. Each gets a task, so that none can hold up the next.
async fn accept<L: Listen>(mut listener: L, door: Arc<Door>) {
    let handshakes = Arc::<Handshakes>::default();
    let mut callers = JoinSet::new();
    loop {
        while callers.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, from)) => {
                let handshake = handshakes.begin(from);
                let door = Arc::clone(&door);
                callers.spawn(async move { door.enter(stream, from, handshake).await });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Door {
    /// Receives one connection. `handshake` is over as soon as it is known who is there.
    async fn enter<S>(&self, stream: S, from: SocketAddr, handshake: Handshake)
    where
        S: Stream + 'static,
    {
        let greeted = handshake.finish(self.reception.greet(stream, from)).await;
        match greeted.unwrap_or(Err(NoCall::GaveWay)) {
            Ok(caller) => {
                tracing::info!(%from, security = ?caller.peer.security, "a caller");
                if let Some(caller) = self.switchboard.route(caller).await {
                    self.room.seat(caller).await;
                }
            }
            Err(no_call) => {
                tracing::info!(%from, %no_call, "no call came of a connection");
                if no_call.concerns_person() {
                    self.room.tell(News::Refused(no_call.to_string()));
                }
            }
        }
    }
}
