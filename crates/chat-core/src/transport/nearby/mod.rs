//! Who is near: programs in the local network that make themselves found, by multicast DNS
//! (RFC 6762) and DNS-based service discovery (RFC 6763).
//!
//! Anybody in that network can answer with anything. What is found is a hint where to call; whose
//! key is there, only the handshake proves.

mod announce;
mod browse;
#[cfg(test)]
mod tests;

use mdns_sd::{IfKind, ResolvedService, ScopedIp, ServiceDaemon};

use super::HostPort;
use crate::trust::Fingerprint;

pub use announce::Announcement;
pub use browse::Browser;

/// The service, in the domain of the local network.
const SERVICE: &str = "_chat1._tcp.local.";

/// The fields of the TXT record.
const KEY: &str = "key";
const NAME: &str = "name";

/// The most bytes of a name.
const MAX_NAME: usize = 64;

/// The most addresses of one program.
const MAX_ADDRESSES: usize = 4;

/// The port of multicast DNS.
const PORT: u16 = 5353;

/// Multicast DNS cannot be used on this machine.
#[derive(Debug, thiserror::Error)]
#[error("no multicast DNS: {0}")]
pub struct NearbyError(#[from] mdns_sd::Error);

/// Somebody who says to be near.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The name of the announcement, whose place a later one of that name takes.
    pub announcement: String,
    /// The key that they say to have.
    pub key: Fingerprint,
    /// What they call themselves, of at most 64 bytes, without control characters.
    pub name: Option<String>,
    /// Where they say to wait, the best first: at least one and at most four.
    pub addresses: Vec<HostPort>,
}

impl Neighbour {
    /// What a service says of itself; `None` if it is no program of this kind.
    fn of_service(service: &ResolvedService) -> Option<Self> {
        let property = |name| service.txt_properties.get_property_val_str(name);
        let key = property(KEY)?.parse().ok()?;
        let name = property(NAME).filter(|name| !name.is_empty());
        let name = name.map(|name| {
            let name = &name[..name.floor_char_boundary(MAX_NAME)];
            name.replace(char::is_control, "\u{fffd}")
        });
        let mut addresses: Vec<_> = service.addresses.iter().collect();
        addresses.sort_by_key(|address| (rank(address), address.to_ip_addr()));
        let addresses: Vec<_> = addresses
            .into_iter()
            .filter(|address| service.port != 0 && is_usable(address))
            .map(|address| HostPort {
                host: host(address),
                port: service.port,
            })
            .take(MAX_ADDRESSES)
            .collect();
        (!addresses.is_empty()).then_some(Self {
            announcement: service.fullname.clone(),
            key,
            name,
            addresses,
        })
    }
}

/// IPv4 before IPv6, and what is valid on one link alone last.
fn rank(address: &ScopedIp) -> u8 {
    match address.to_ip_addr() {
        std::net::IpAddr::V4(_) => 0,
        std::net::IpAddr::V6(ip) if !ip.is_unicast_link_local() => 1,
        std::net::IpAddr::V6(_) => 2,
    }
}

fn is_usable(address: &ScopedIp) -> bool {
    let ip = address.to_ip_addr();
    !ip.is_unspecified() && !ip.is_multicast()
}

/// An address of one link alone needs the interface (RFC 4007, section 11).
fn host(address: &ScopedIp) -> String {
    match address {
        ScopedIp::V6(v6) if v6.addr().is_unicast_link_local() => {
            format!("{}%{}", v6.addr(), v6.scope_id().name)
        }
        address => address.to_ip_addr().to_string(),
    }
}

/// A daemon on its own thread, on all interfaces that lead to others, or on none but those.
fn daemon(port: u16) -> Result<ServiceDaemon, NearbyError> {
    let daemon = ServiceDaemon::new_with_port(port)?;
    // Tests are alone on a port of their own, and on this machine.
    if port == PORT {
        daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
    }
    Ok(daemon)
}
