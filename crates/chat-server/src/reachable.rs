//! Where others may reach this machine, for the invitation.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

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
