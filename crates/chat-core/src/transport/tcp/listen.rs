//! Listening over TCP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::set_tcp_options;
use crate::DEFAULT_PORT;
use crate::transport::{Listen, Origin};

/// Connections that the kernel keeps until they are accepted.
const KERNEL_BACKLOG: i32 = 1024;

/// What one person may control: a site, a house, a link of IPv6 (RFC 6177).
const PREFIXES: [u32; 3] = [48, 56, 64];

impl Listen for TcpListener {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, Origin)> {
        let (stream, from) = TcpListener::accept(self).await?;
        set_tcp_options(&stream);
        Ok((stream, from.into()))
    }
}

impl From<SocketAddr> for Origin {
    /// An IPv4 caller of an IPv6 socket counts, and is shown, with its IPv4 address.
    fn from(from: SocketAddr) -> Self {
        let ip = from.ip().to_canonical();
        Self {
            address: SocketAddr::new(ip, from.port()).to_string(),
            networks: PREFIXES.map(|bits| match ip {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => {
                    let mask = u128::MAX << (128 - bits);
                    format!("{}/{bits}", Ipv6Addr::from_bits(address.to_bits() & mask))
                }
            }),
            routes: None,
        }
    }
}

/// A text that does not say where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no address to listen on")]
pub struct ListenAddressError;

/// Reads `7788`, `:7788`, `127.0.0.1`, `127.0.0.1:7788`, `::1` or `[::1]:7788`.
///
/// # Errors
/// The text is none of these.
pub fn parse_address(text: &str) -> Result<SocketAddr, ListenAddressError> {
    let everywhere = IpAddr::from(Ipv6Addr::UNSPECIFIED);
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse() {
        return Ok(SocketAddr::new(everywhere, port));
    }
    let bracketed = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let host = bracketed.unwrap_or(text);
    match (text.parse(), host.parse()) {
        (Ok(address), _) => Ok(address),
        (_, Ok(host)) => Ok(SocketAddr::new(host, DEFAULT_PORT)),
        _ => Err(ListenAddressError),
    }
}

/// Listens on `address`; `[::]` takes IPv4 callers too, also on a machine without IPv6.
///
/// # Errors
/// The address cannot be used. Needs a runtime.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match listen_on(address) {
        Err(error)
            if address.ip() == Ipv6Addr::UNSPECIFIED
                && error.kind() != io::ErrorKind::AddrInUse
                && error.kind() != io::ErrorKind::PermissionDenied =>
        {
            listen_on(SocketAddr::new(
                Ipv4Addr::UNSPECIFIED.into(),
                address.port(),
            ))
        }
        listening => listening,
    }
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(KERNEL_BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_spelling() {
        for (text, address) in [
            ("7799", "[::]:7799"),
            (":7799", "[::]:7799"),
            ("127.0.0.1", "127.0.0.1:7788"),
            ("127.0.0.1:7799", "127.0.0.1:7799"),
            ("::1", "[::1]:7788"),
            ("[::1]", "[::1]:7788"),
            ("[::1]:7799", "[::1]:7799"),
        ] {
            assert_eq!(
                parse_address(text).map(|a| a.to_string()),
                Ok(address.into()),
                "{text}"
            );
        }
        assert!(parse_address("somewhere").is_err());
        assert!(parse_address("99999").is_err());
        assert!(parse_address("[::1").is_err());
    }

    #[test]
    fn an_origin_names_its_networks() {
        for (from, address, networks) in [
            ("192.0.2.7:9", "192.0.2.7:9", ["192.0.2.7"; 3]),
            ("[::ffff:192.0.2.7]:9", "192.0.2.7:9", ["192.0.2.7"; 3]),
            (
                "[2001:db8:1:203::4]:9",
                "[2001:db8:1:203::4]:9",
                [
                    "2001:db8:1::/48",
                    "2001:db8:1:200::/56",
                    "2001:db8:1:203::/64",
                ],
            ),
        ] {
            let origin = Origin::from(from.parse::<SocketAddr>().expect("an address"));
            assert_eq!(origin.address, address);
            assert_eq!(origin.networks, networks, "{from}");
        }
    }
}
