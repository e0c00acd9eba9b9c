//! Carriers: what makes byte streams between two programs. TLS stands on them, so a peer is
//! trusted alike over each.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;

use super::{DialError, Stream};

/// A way to one peer.
pub trait Dial: Send + Sync {
    /// What carries the bytes.
    type Stream: Stream + 'static;

    /// The peer's address, to show and to remember.
    fn address(&self) -> String;

    /// How long a connection may take to be made, the handshake included.
    fn limit(&self) -> Duration;

    /// A new stream to the peer. Those made before stay as they are: a call that has lost its
    /// connection dials again, and so does whoever wants a second stream beside the first.
    fn dial(
        &self,
        packets: Packets,
    ) -> impl Future<Output = Result<Self::Stream, DialError>> + Send;

    /// Which way the streams made so far take; `None` where there is but one.
    fn routes(&self) -> Option<Routes>;

    /// Waits until the streams made so far may have become useless although nobody closed them:
    /// this machine has another address, or has slept. Cancel safe.
    fn moved(&self) -> impl Future<Output = ()> + Send;
}

/// Which way the bytes of a connection take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Straight to the peer.
    Direct,
    /// By way of a relay.
    Relayed,
}

/// The present route, where a carrier knows several. It may change at any time.
pub type Routes = watch::Receiver<Route>;

/// Whether the relay at which this side waits is there.
#[derive(Debug)]
pub struct RelayStatus {
    /// As it is written in a number.
    pub relay: String,
    /// Why nobody can call by way of it, if nobody can.
    pub gone: Option<io::Error>,
}

/// How large the packets of a new stream may be, where a carrier can tell. A network may lose the
/// large ones without a word (a black hole of path MTU discovery, RFC 2923, section 2.1), and a
/// conversation would gain next to nothing by them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Packets {
    /// At most the 1,280 bytes that every path of IPv6 takes (RFC 8200, section 5).
    #[default]
    Small,
    /// At most the 576 bytes that every host of IPv4 takes (RFC 1122, section 3.3.2).
    Smallest,
}

/// A source of connections.
pub trait Listen: Send {
    /// What carries the bytes.
    type Stream: Stream + 'static;

    /// The next connection and where it came from. Must be cancel safe.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, Origin)>> + Send;
}

/// Where a connection came from, as far as its carrier can tell.
#[derive(Clone, Debug)]
pub struct Origin {
    /// To show and to remember.
    pub address: String,
    /// The networks it belongs to, as limits count them: a site, a house, a link. Where a carrier
    /// cannot tell them apart, all are the same.
    pub networks: [String; 3],
    /// Which way it takes; `None` where there is but one.
    pub routes: Option<Routes>,
}

/// Takes connections from several carriers at once.
#[derive(Default)]
pub struct Listeners(Vec<Box<dyn DynListen>>);

impl Listeners {
    /// Takes those of `listener` too.
    pub fn add(&mut self, listener: impl Listen + 'static) {
        self.0.push(Box::new(listener));
    }
}

impl Listen for Listeners {
    type Stream = Box<dyn Stream>;

    async fn accept(&mut self) -> Accepted {
        // Each is the first to be asked in its turn, so that none can starve the others.
        let turn = self.0.len().min(1);
        self.0.rotate_left(turn);
        let mut accepts: Vec<_> = self
            .0
            .iter_mut()
            .map(|listener| listener.accept_boxed())
            .collect();
        poll_fn(|cx| {
            let mut polled = accepts.iter_mut().map(|accept| accept.as_mut().poll(cx));
            polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
        })
        .await
    }
}

type Accepted = io::Result<(Box<dyn Stream>, Origin)>;

/// [`Listen`], for any stream.
trait DynListen: Send {
    fn accept_boxed(&mut self) -> Pin<Box<dyn Future<Output = Accepted> + Send + '_>>;
}

impl<L: Listen> DynListen for L {
    fn accept_boxed(&mut self) -> Pin<Box<dyn Future<Output = Accepted> + Send + '_>> {
        Box::pin(async {
            let (stream, origin) = self.accept().await?;
            Ok((Box::new(stream) as Box<dyn Stream>, origin))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;
    use crate::transport::HostPort;
    use crate::transport::tcp::TcpDialer;

    /// A carrier inside the test.
    struct Memory(&'static str, mpsc::Receiver<DuplexStream>);

    impl Memory {
        /// One with so many callers.
        async fn with(name: &'static str, callers: usize) -> (Self, Vec<DuplexStream>) {
            let (arrive, arrived) = mpsc::channel(callers);
            let mut others = Vec::new();
            for _ in 0..callers {
                let (here, there) = duplex(8);
                others.push(here);
                arrive.send(there).await.expect("a listener");
            }
            (Self(name, arrived), others)
        }
    }

    impl Listen for Memory {
        type Stream = DuplexStream;

        async fn accept(&mut self) -> io::Result<(DuplexStream, Origin)> {
            let Some(stream) = self.1.recv().await else {
                return pending().await;
            };
            let origin = Origin {
                address: self.0.to_owned(),
                networks: [self.0; 3].map(str::to_owned),
                routes: None,
            };
            Ok((stream, origin))
        }
    }

    async fn tcp() -> (TcpListener, TcpDialer) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let target = listener.local_addr().expect("an address").to_string();
        let target = HostPort::parse(&target).expect("a target");
        (listener, TcpDialer::new(target, Duration::from_secs(60)))
    }

    #[tokio::test]
    async fn a_listener_takes_streams_from_several_carriers() {
        let (over_tcp, dialer) = tcp().await;
        let (in_memory, others) = Memory::with("memory", 1).await;
        let mut listeners = Listeners::default();
        listeners.add(over_tcp);
        listeners.add(in_memory);
        let tcp_caller = dialer.dial(Packets::default()).await.expect("a listener");
        let from = tcp_caller.local_addr().expect("an address").to_string();
        let mut callers: Vec<Box<dyn Stream>> = vec![Box::new(tcp_caller)];
        callers.extend(others.into_iter().map(|caller| Box::new(caller) as _));
        let mut origins = Vec::new();
        for _ in 0..2 {
            let (mut stream, origin) = listeners.accept().await.expect("a stream");
            stream
                .write_all(origin.address.as_bytes())
                .await
                .expect("a caller");
            origins.push(origin.address);
        }
        for (mut caller, address) in callers.into_iter().zip([from, "memory".to_owned()]) {
            let mut heard = String::new();
            caller.read_to_string(&mut heard).await.expect("text");
            assert_eq!(heard, address);
            assert!(origins.contains(&address));
        }
    }

    #[tokio::test]
    async fn no_carrier_starves_another() {
        let (one, _ones) = Memory::with("one", 4).await;
        let (two, _twos) = Memory::with("two", 4).await;
        let mut listeners = Listeners::default();
        listeners.add(one);
        listeners.add(two);
        let mut origins = Vec::new();
        for _ in 0..4 {
            let (_, origin) = listeners.accept().await.expect("a stream");
            origins.push(origin.address);
        }
        assert_eq!(origins, ["two", "one", "two", "one"]);
    }

    #[tokio::test]
    async fn a_dialer_makes_a_second_stream_beside_the_first() {
        let (mut listener, dialer) = tcp().await;
        let mut streams = Vec::new();
        for name in [b'1', b'2'] {
            let mut here = dialer.dial(Packets::default()).await.expect("a listener");
            let (there, _) = Listen::accept(&mut listener).await.expect("a stream");
            here.write_u8(name).await.expect("the other end");
            streams.push((here, there));
        }
        for (name, (_, there)) in [b'1', b'2'].into_iter().zip(&mut streams) {
            assert_eq!(there.read_u8().await.expect("a byte"), name);
        }
    }
}
