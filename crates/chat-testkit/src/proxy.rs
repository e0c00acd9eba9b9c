//! A network that fails on command: a TCP proxy between the programs.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::a_port;

/// What the system may keep of what a proxy carries, in bytes: a wire holds little.
const HELD: usize = 128 * 1024;

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It carries everything.
    Carries,
    /// Both ends are reset.
    Reset,
    /// Both ends are told that the other sends nothing more; what they send is lost.
    HalfClosed,
    /// Nothing gets through any more, and nobody is told.
    Stalls,
}

/// Stands between a client and a server.
pub struct Proxy {
    /// What the client is to call.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _accepting: JoinSet<()>,
}

struct Shared {
    server: SocketAddr,
    /// The bytes that clients have sent to it.
    sent: AtomicU64,
    /// The most that a direction of a connection carries, in bytes a second; 0 is no limit.
    rate: AtomicU64,
    /// The connections to come: each carries so many bytes, then meets its fate.
    plan: Mutex<VecDeque<(usize, Fate)>>,
    /// The fate of all connections that there are, and of those to come.
    weather: watch::Sender<Fate>,
}

impl Proxy {
    /// A proxy on a free port of this machine. The first connections have a `plan`; those
    /// after them carry everything.
    pub async fn start(server: SocketAddr, plan: impl IntoIterator<Item = (usize, Fate)>) -> Self {
        let (listener, address) = a_port().await;
        let shared = Arc::new(Shared {
            server,
            sent: AtomicU64::new(0),
            rate: AtomicU64::new(0),
            plan: Mutex::new(plan.into_iter().collect()),
            weather: watch::Sender::new(Fate::Carries),
        });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            _accepting: accepting,
        }
    }

    /// How many bytes clients have sent to the server by now.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// From now on no direction of a connection carries more in a second.
    pub fn slows_down(&self, bytes_per_second: u64) {
        self.shared.rate.store(bytes_per_second, Ordering::Relaxed);
    }

    /// From now on this happens to all connections.
    pub fn weather(&self, fate: Fate) {
        self.shared.weather.send_replace(fate);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.expect("a caller");
        let mut plan = shared.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let (bytes, fate) = plan.pop_front().unwrap_or((usize::MAX, Fate::Carries));
        drop(plan);
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            // The server may be gone; then the client learns it as it would without a proxy.
            if let Ok(server) = TcpStream::connect(shared.server).await {
                carry(client, server, bytes, fate, &shared).await;
            }
        });
    }
}

/// Carries both directions until the connection ends or meets its fate.
async fn carry(client: TcpStream, server: TcpStream, bytes: usize, fate: Fate, shared: &Shared) {
    for end in [&client, &server] {
        let held = SockRef::from(end).set_send_buffer_size(HELD);
        held.and_then(|()| end.set_nodelay(true))
            .expect("a TCP socket");
    }
    let mut weather = shared.weather.subscribe();
    let received = AtomicU64::new(0);
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let budget = Mutex::new(bytes);
    let carried = async {
        tokio::try_join!(
            pump(
                (&mut from_client, &mut to_server),
                &budget,
                fate,
                (&shared.rate, &shared.sent)
            ),
            pump(
                (&mut from_server, &mut to_client),
                &budget,
                fate,
                (&shared.rate, &received)
            )
        )
    };
    let fate = tokio::select! {
        carried = carried => match carried {
            Ok(_) => return,
            Err(fate) => fate,
        },
        fate = weather.wait_for(|fate| *fate != Fate::Carries) => match fate {
            Ok(fate) => *fate,
            Err(_) => return,
        },
    };
    match fate {
        Fate::Carries => {}
        Fate::Reset => {
            for half in [&to_client, &to_server] {
                half.as_ref().set_zero_linger().expect("a TCP socket");
            }
        }
        Fate::HalfClosed => {
            // An end that is gone already needs no telling.
            let _ = to_client.shutdown().await;
            let _ = to_server.shutdown().await;
            tokio::join!(swallow(&mut from_client), swallow(&mut from_server));
        }
        Fate::Stalls => {
            let both = async { tokio::join!(swallow(&mut from_client), swallow(&mut from_server)) };
            tokio::select! {
                _ = both => {}
                _ = weather.changed() => {}
            }
        }
    }
}

/// Carries one direction to its end. An error is what becomes of the connection before.
async fn pump(
    (from, to): (&mut OwnedReadHalf, &mut OwnedWriteHalf),
    budget: &Mutex<usize>,
    fate: Fate,
    (rate, carried): (&AtomicU64, &AtomicU64),
) -> Result<(), Fate> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await.map_err(|_| Fate::Reset)?;
        if read == 0 {
            return to.shutdown().await.map_err(|_| Fate::Reset);
        }
        let passes = {
            let mut budget = budget.lock().unwrap_or_else(PoisonError::into_inner);
            let passes = read.min(*budget);
            *budget -= passes;
            passes
        };
        let written = to.write_all(&buffer[..passes]).await;
        written.map_err(|_| Fate::Reset)?;
        carried.fetch_add(passes as u64, Ordering::Relaxed);
        if passes < read {
            return Err(fate);
        }
        if let rate @ 1.. = rate.load(Ordering::Relaxed) {
            sleep(Duration::from_secs(1).mul_f64(passes as f64 / rate as f64)).await;
        }
    }
}

/// Lets what comes get lost.
async fn swallow(from: &mut OwnedReadHalf) {
    // That an end fails is no news here.
    let _ = tokio::io::copy(from, &mut tokio::io::sink()).await;
}
