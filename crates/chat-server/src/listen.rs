//! Listening for callers: the `Listen` trait, and TCP.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use chat_core::DEFAULT_PORT;
use chat_core::transport::{ListenAddressError, Stream, set_tcp_options};
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;

/// Connections that the kernel keeps until they are accepted.
const KERNEL_BACKLOG: i32 = 1024;

/// A source of connections: TCP, or a simulated network.
pub trait Listen: Send {
    /// What carries the bytes.
    type Stream: Stream + 'static;

    /// The next connection and where it came from. Must be cancel safe.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;
}

impl Listen for TcpListener {
    type Stream = tokio::net::TcpStream;

    async fn accept(&mut self) -> io::Result<(Self::Stream, SocketAddr)> {
        let (stream, from) = TcpListener::accept(self).await?;
        set_tcp_options(&stream);
        // An IPv4 caller of an IPv6 socket is shown with its IPv4 address.
        Ok((
            stream,
            SocketAddr::new(from.ip().to_canonical(), from.port()),
        ))
    }
}

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

/// The addresses at which others may reach a listener bound to `address`.
pub fn reachable(address: SocketAddr) -> Vec<IpAddr> {
    if !address.ip().is_unspecified() {
        return vec![address.ip()];
    }
    let mut found: Vec<_> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .filter(|interface| !interface.is_loopback() && !interface.is_link_local())
        .map(|interface| interface.ip())
        .filter(|ip| ip.is_ipv4() || address.is_ipv6())
        .collect();
    found.sort_by_key(IpAddr::is_ipv6);
    if found.is_empty() {
        found.push(Ipv4Addr::LOCALHOST.into());
    }
    found
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
}
