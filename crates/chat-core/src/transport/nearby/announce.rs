//! Making oneself found.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mdns_sd::{IfKind, ServiceDaemon, ServiceInfo};
use tokio::time::timeout;

use super::{KEY, MAX_NAME, NAME, NearbyError, PORT, SERVICE, daemon};
use crate::trust::Fingerprint;
use crate::wire::{Hex, Name};

/// How long the good-bye may take.
const GOOD_BYE: Duration = Duration::from_millis(500);

/// Says in the local network who waits here, and answers whoever asks, until it is dropped.
pub struct Announcement(ServiceDaemon);

impl Announcement {
    /// Announces that the owner of `key` waits at `address`. `name` is told only if it was chosen:
    /// that of an account is not for strangers.
    ///
    /// # Errors
    /// Multicast DNS cannot be used.
    pub fn begin(key: Fingerprint, name: &Name, address: SocketAddr) -> Result<Self, NearbyError> {
        Self::on_port(PORT, key, name, address)
    }

    pub(super) fn on_port(
        port: u16,
        key: Fingerprint,
        name: &Name,
        address: SocketAddr,
    ) -> Result<Self, NearbyError> {
        let announcement = Self(daemon(port)?);
        announcement.0.register(service(key, name, address)?)?;
        Ok(announcement)
    }

    /// Says good-bye, so that nobody is looked for here any more.
    pub async fn end(self) {
        if let Ok(done) = self.0.shutdown() {
            let _ = timeout(GOOD_BYE, done.recv_async()).await;
        }
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        let _ = self.0.shutdown();
    }
}

fn service(
    key: Fingerprint,
    name: &Name,
    address: SocketAddr,
) -> Result<ServiceInfo, mdns_sd::Error> {
    let mut txt = vec![(KEY, key.to_string())];
    if name.chosen {
        let fitting = &name.text[..name.text.floor_char_boundary(MAX_NAME)];
        txt.push((NAME, fitting.to_owned()));
    }
    // Neither the name of the machine nor that of the account: they are nobody's business.
    let [a, b, c, d, ..] = *key.as_bytes();
    let instance = format!("chat-{}", Hex([a, b, c, d]));
    let host = format!("{instance}.local.");
    let port = address.port();
    Ok(match address.ip().to_canonical() {
        ip if ip.is_unspecified() => {
            let anywhere: &[IpAddr] = &[];
            let mut service =
                ServiceInfo::new(SERVICE, &instance, &host, anywhere, port, &txt[..])?
                    .enable_addr_auto();
            if ip.is_ipv4() {
                service.set_interfaces(vec![IfKind::IPv4]);
            }
            service
        }
        ip => ServiceInfo::new(SERVICE, &instance, &host, ip, port, &txt[..])?,
    })
}
