//! Whether this machine has moved: it would speak to others from another address than before.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use tokio::net::TcpStream;

use super::awake::slept;

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::Changes;
#[cfg(target_os = "linux")]
pub(super) use linux::Changes;

/// The two ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) peer: SocketAddr,
    /// Nothing while no network leads to the peer.
    local: Option<IpAddr>,
}

impl Way {
    /// The way that a connection takes.
    pub(super) fn of(stream: &TcpStream) -> Option<Self> {
        Some(Self {
            peer: stream.peer_addr().ok()?,
            local: Some(stream.local_addr().ok()?.ip()),
        })
    }

    /// The way that a connection would take now.
    fn to(peer: SocketAddr) -> Self {
        Self {
            peer,
            local: local_address(peer).ok(),
        }
    }

    /// Whether a new connection would begin at another address than was last known.
    pub(super) fn has_changed(&mut self) -> bool {
        let now = local_address(self.peer).ok();
        std::mem::replace(&mut self.local, now) != now
    }
}

/// Waits until this machine would speak to the internet from another address, or has slept. Cancel
/// safe, but what happens between two calls is not noticed.
pub async fn roamed() {
    // Addresses for documentation (RFC 5737, RFC 3849): the way there is the way to everywhere.
    let far = [
        IpAddr::from([192, 0, 2, 1]),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    ];
    let mut ways = far.map(|address| Way::to(SocketAddr::new(address, 9)));
    let changes = Changes::watch();
    let readdressed = async {
        while !ways.iter_mut().any(Way::has_changed) {
            changes.next().await;
        }
    };
    tokio::select! {
        () = readdressed => {}
        () = slept() => {}
    }
}

/// Where packets to `peer` would come from. Connecting a UDP socket looks the route up and sends
/// nothing.
fn local_address(peer: SocketAddr) -> io::Result<IpAddr> {
    let anywhere: IpAddr = match peer {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((anywhere, 0))?;
    socket.connect(peer)?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::future::pending;
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::io::Errno;
    use rustix::net::netlink::SocketAddrNetlink;
    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use crate::transport::readable;

    /// `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_IFADDR` and `RTMGRP_IPV6_ROUTE` of
    /// rtnetlink(7).
    const ADDRESSES_AND_ROUTES: u32 = 0x10 | 0x40 | 0x100 | 0x400;

    /// Reports of the kernel that an address or a route has changed: a wait costs nothing.
    pub(in crate::transport) struct Changes(Option<AsyncFd<OwnedFd>>);

    impl Changes {
        /// Watches from now on. Where that is forbidden, there are never any.
        pub(in crate::transport) fn watch() -> Self {
            match subscribe() {
                Ok(socket) => Self(Some(socket)),
                Err(error) => {
                    tracing::debug!(%error, "changes of addresses are not noticed");
                    Self(None)
                }
            }
        }

        /// Waits for a change. Cancel safe.
        pub(in crate::transport) async fn next(&self) {
            let Some(socket) = &self.0 else {
                return pending().await;
            };
            let read = socket.async_io(Interest::READABLE, drain);
            if let Err(error) = read.await {
                tracing::debug!(%error, "changes of addresses are not noticed any more");
                pending().await
            }
        }
    }

    fn subscribe() -> io::Result<AsyncFd<OwnedFd>> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Of the protocols of netlink, `NETLINK_ROUTE` is the one without a number.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, ADDRESSES_AND_ROUTES))?;
        readable(socket)
    }

    /// Takes the reports that there are. What they say does not matter, only that there were any.
    fn drain(socket: &OwnedFd) -> io::Result<()> {
        let mut report = [0; 4096];
        let mut any = false;
        loop {
            match recv(socket, &mut report, RecvFlags::empty()) {
                // Too many came at once: some were lost.
                Ok(_) | Err(Errno::NOBUFS) => any = true,
                Err(Errno::WOULDBLOCK) if any => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::time::Duration;

    use tokio::time::sleep;

    /// The pause between two looks.
    const LOOK_EVERY: Duration = Duration::from_millis(500);

    /// Times to look whether an address or a route has changed.
    pub(in crate::transport) struct Changes;

    impl Changes {
        /// Watches from now on.
        pub(in crate::transport) fn watch() -> Self {
            Self
        }

        /// Waits for the next look. Cancel safe.
        pub(in crate::transport) async fn next(&self) {
            sleep(LOOK_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_way_of_a_connection_has_not_changed_while_it_is_there() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let peer = listener.local_addr().expect("an address");
        let stream = TcpStream::connect(peer).await;
        let mut way = Way::of(&stream.expect("a connection")).expect("two ends");
        assert_eq!(way.local, Some(Ipv4Addr::LOCALHOST.into()));
        assert!(!way.has_changed());
    }

    #[test]
    fn a_way_that_comes_or_goes_has_changed() {
        // Sockets may not broadcast unless they ask for it.
        let nowhere = SocketAddr::from(([255, 255, 255, 255], 9));
        let mut way = Way {
            peer: nowhere,
            local: Some(Ipv4Addr::LOCALHOST.into()),
        };
        assert!(way.has_changed(), "no network leads there any more");
        assert_eq!(way.local, None);
        assert!(!way.has_changed(), "and still none");
        way.peer = SocketAddr::from(([127, 0, 0, 1], 9));
        assert!(way.has_changed(), "there is one again");
    }

    #[test]
    fn a_way_that_is_no_more_has_changed_once() {
        let mut way = Way {
            peer: SocketAddr::from(([127, 0, 0, 1], 9)),
            local: Some(Ipv4Addr::new(192, 0, 2, 7).into()),
        };
        assert!(way.has_changed());
        assert!(!way.has_changed());
        assert_eq!(way.local, Some(Ipv4Addr::LOCALHOST.into()));
    }
}
