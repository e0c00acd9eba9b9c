//! A network on which cables break: turmoil carries the bytes, in virtual time.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use chat_core::transport::{
    Dial, DialError, HANDSHAKE_TIMEOUT, Listen, Listeners, Origin, Packets, Routes,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use turmoil::net::{TcpListener, TcpStream};

use crate::plan::{Fault, FaultKind, Way};

/// Where the server listens, and the relay.
pub const PORT: u16 = 7788;

/// Where the server listens for the relay.
const RELAYED: u16 = 7789;

/// How long a client dials, as the real one does.
const DIAL_LIMIT: Duration = Duration::from_secs(10);

/// The pause before a lost SYN is sent again, which doubles each time (RFC 6298).
const SYN_AGAIN: Duration = Duration::from_secs(1);

/// So many bytes at once fit into a small packet. A handshake has more.
const SMALL: usize = 1_200;

/// How long a kernel keeps a closed socket.
const LINGER: Duration = Duration::from_secs(60);

/// Lays the cables of one run. Cheap to clone.
#[derive(Clone)]
pub struct Network(Arc<Mutex<State>>);

struct State {
    rng: fastrand::Rng,
    /// How many cables are still to break.
    flaws: u32,
    /// The clients, by number from 1.
    clients: Vec<Client>,
}

/// What happens to one client.
#[derive(Default)]
struct Client {
    direct: Link,
    relay: Link,
    /// How often it has had another address.
    moves: u32,
    /// Tells its program that it has moved or slept.
    moved: Arc<Notify>,
}

/// What happens on one of its ways.
#[derive(Clone, Copy, Default)]
struct Link {
    /// What it sends or is sent is lost.
    lossy: bool,
    /// Its connections are reset, and new ones refused.
    refused: bool,
    /// Large packets are lost.
    hole: bool,
}

impl Client {
    fn link(&mut self, way: Way) -> &mut Link {
        match way {
            Way::Direct => &mut self.direct,
            Way::Relay => &mut self.relay,
        }
    }
}

impl Way {
    /// The host to which it leads first.
    pub fn host(self) -> &'static str {
        match self {
            Self::Direct => "server",
            Self::Relay => "relay",
        }
    }
}

impl Network {
    /// A network on which `flaws` cables break.
    pub fn new(rng: fastrand::Rng, flaws: u32, clients: usize) -> Self {
        let clients = (0..=clients).map(|_| Client::default()).collect();
        Self(Arc::new(Mutex::new(State {
            rng,
            flaws,
            clients,
        })))
    }

    /// Something begins to happen between this client and the server.
    pub fn begins(&self, fault: &Fault) {
        let client = &mut self.state().clients[fault.client];
        if let FaultKind::Roam = fault.kind {
            client.moves += 1;
            client.moved.notify_one();
        }
        for way in fault.ways {
            let link = client.link(*way);
            match fault.kind {
                FaultKind::Hold | FaultKind::Sleep | FaultKind::Roam => {}
                FaultKind::Partition | FaultKind::Deaf | FaultKind::Mute => link.lossy = true,
                FaultKind::Refuse => link.refused = true,
                FaultKind::Hole => link.hole = true,
            }
        }
    }

    /// It is over.
    pub fn ends(&self, fault: &Fault) {
        let client = &mut self.state().clients[fault.client];
        if let FaultKind::Sleep = fault.kind {
            client.moved.notify_one();
        }
        for way in fault.ways {
            *client.link(*way) = Link::default();
        }
    }

    fn link(&self, client: usize, way: Way) -> Link {
        *self.state().clients[client].link(way)
    }

    fn lay(&self, stream: TcpStream, end: Option<ClientEnd>) -> Cable {
        let mut state = self.state();
        let breaks = state.flaws > 0 && state.rng.u8(..) < 220;
        let good_for = breaks.then(|| {
            state.flaws -= 1;
            // A handshake takes about 4,500 bytes, both directions together.
            let most = [500, 5_000, 5_500, 6_500, 9_000, 30_000][state.rng.usize(..6)];
            state.rng.usize(..most)
        });
        Cable {
            stream: Some(stream),
            end,
            good_for,
            flaw: [Flaw::Reset, Flaw::Stall, Flaw::End][state.rng.usize(..3)],
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a cable breaks.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    /// It is cut: both ends notice.
    Reset,
    /// Nothing gets through any more, and nobody is told.
    Stall,
    /// Its other end seems to send nothing more; what this end sends arrives.
    End,
}

/// One end of a connection. It may break after some bytes.
#[derive(Debug)]
pub struct Cable {
    /// Nothing, once it is cut.
    stream: Option<TcpStream>,
    /// At the client's end, what may happen to it.
    end: Option<ClientEnd>,
    /// The bytes after which it breaks, if it does.
    good_for: Option<usize>,
    flaw: Flaw,
}

/// The end of a cable at a client.
#[derive(Clone)]
struct ClientEnd {
    network: Network,
    client: usize,
    way: Way,
    /// The client's moves when it was laid.
    moves: u32,
    packets: Packets,
}

impl fmt::Debug for ClientEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}", self.client)
    }
}

impl Cable {
    /// Breaks it, if something has happened to the client that breaks it for the next `bytes`.
    fn suffer(&mut self, bytes: usize) {
        let Some(end) = &self.end else { return };
        let link = end.network.link(end.client, end.way);
        let moves = end.network.state().clients[end.client].moves;
        let lost = link.hole && end.packets != Packets::Smallest && bytes > SMALL;
        let flaw = match link.refused {
            true => Flaw::Reset,
            false if lost || moves > end.moves => Flaw::Stall,
            false => return,
        };
        (self.flaw, self.good_for) = (flaw, Some(0));
        self.passed(0);
    }

    fn flaw(&self) -> Option<Flaw> {
        (self.good_for == Some(0)).then_some(self.flaw)
    }

    /// How many of `bytes` get through before it breaks.
    fn passes(&self, bytes: usize) -> usize {
        self.good_for.map_or(bytes, |good_for| good_for.min(bytes))
    }

    fn passed(&mut self, bytes: usize) {
        if let Some(good_for) = &mut self.good_for {
            *good_for -= bytes;
        }
        if let Some(Flaw::Reset) = self.flaw() {
            self.stream = None;
        }
    }
}

impl AsyncRead for Cable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.suffer(0);
        let room = self.passes(buf.remaining());
        let stream = match (self.flaw(), &mut self.stream) {
            (None, Some(stream)) => stream,
            (Some(Flaw::Stall), _) => return Poll::Pending,
            (Some(Flaw::End), _) => return Poll::Ready(Ok(())),
            (Some(Flaw::Reset), _) | (None, None) => {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
        };
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
        let polled = Pin::new(stream).poll_read(cx, &mut part);
        let read = part.filled().len();
        buf.advance(read);
        self.passed(read);
        polled
    }
}

impl AsyncWrite for Cable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.suffer(bytes.len());
        let flaw = self.flaw();
        if let Some(Flaw::Stall) = flaw {
            return Poll::Ready(Ok(bytes.len()));
        }
        let room = match flaw {
            None => self.passes(bytes.len()),
            Some(_) => bytes.len(),
        };
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let polled = Pin::new(stream).poll_write(cx, &bytes[..room]);
        if let (None, Poll::Ready(Ok(written))) = (flaw, &polled) {
            self.passed(*written);
        }
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match (self.flaw(), &mut self.stream) {
            (None | Some(Flaw::End), Some(stream)) => Pin::new(stream).poll_shutdown(cx),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for Cable {
    /// In turmoil a closed socket is gone at once, and resets the other end that closes a little
    /// later. A real kernel keeps it until that has happened.
    fn drop(&mut self) {
        if let (None, Some(mut stream), Ok(runtime)) =
            (self.flaw(), self.stream.take(), Handle::try_current())
        {
            runtime.spawn(async move {
                // It may be shut down already.
                let _ = stream.shutdown().await;
                let _ = timeout(LINGER, stream.read_u8()).await;
            });
        }
    }
}

/// Where the server hears callers.
pub struct Listener {
    listener: TcpListener,
    network: Network,
}

impl Listener {
    /// Listens on the server's host.
    pub async fn bind(network: Network) -> io::Result<Self> {
        Self::bind_to(PORT, network).await
    }

    /// The same, for callers by way of the relay too.
    pub async fn bind_both(network: Network) -> io::Result<Listeners> {
        let mut listeners = Listeners::default();
        for port in [PORT, RELAYED] {
            listeners.add(Self::bind_to(port, network.clone()).await?);
        }
        Ok(listeners)
    }

    async fn bind_to(port: u16, network: Network) -> io::Result<Self> {
        let listener = TcpListener::bind(("0.0.0.0", port)).await?;
        Ok(Self { listener, network })
    }
}

impl Listen for Listener {
    type Stream = Cable;

    async fn accept(&mut self) -> io::Result<(Cable, Origin)> {
        let (stream, from) = self.listener.accept().await?;
        Ok((self.network.lay(stream, None), from.into()))
    }
}

/// The relay: it passes on whatever comes.
pub async fn relay() -> turmoil::Result {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (mut client, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Ok(mut server) = TcpStream::connect(("server", RELAYED)).await {
                // However it ends, both ends learn of it.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

/// How a client calls.
#[derive(Clone)]
pub struct Dialer {
    /// Its number, from 1.
    pub client: usize,
    pub way: Way,
    pub network: Network,
}

impl Dialer {
    /// In turmoil a lost SYN looks like a refusal. In a real network it is sent again.
    async fn connect(&self) -> io::Result<TcpStream> {
        let mut pause = SYN_AGAIN;
        if self.network.link(self.client, self.way).refused {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        loop {
            match TcpStream::connect((self.way.host(), PORT)).await {
                Err(_) if self.network.link(self.client, self.way).lossy => {}
                connected => return connected,
            }
            sleep(pause).await;
            pause *= 2;
        }
    }
}

impl Dial for Dialer {
    type Stream = Cable;

    fn address(&self) -> String {
        format!("{}:{PORT}", self.way.host())
    }

    fn limit(&self) -> Duration {
        DIAL_LIMIT + HANDSHAKE_TIMEOUT
    }

    async fn dial(&self, packets: Packets) -> Result<Cable, DialError> {
        let address = self.address();
        let end = ClientEnd {
            network: self.network.clone(),
            client: self.client,
            way: self.way,
            moves: self.network.state().clients[self.client].moves,
            packets,
        };
        match timeout(DIAL_LIMIT, self.connect()).await {
            Ok(Ok(stream)) => Ok(self.network.lay(stream, Some(end))),
            Ok(Err(reason)) => Err(DialError::Connect { address, reason }),
            Err(_) => Err(DialError::Timeout {
                address,
                limit: DIAL_LIMIT,
            }),
        }
    }

    fn routes(&self) -> Option<Routes> {
        None
    }

    async fn moved(&self) {
        let moved = Arc::clone(&self.network.state().clients[self.client].moved);
        moved.notified().await;
    }
}
