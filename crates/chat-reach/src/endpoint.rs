//! What both ends have in common: an endpoint that speaks to nobody who was not named.

use std::error::Error;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use chat_core::trust::InvalidNumber;
use iroh::address_lookup::{DnsAddressLookup, PkarrPublisher, PkarrResolver};
use iroh::dns::{DnsResolver, FallbackMode};
use iroh::endpoint::{NetReportConfig, QuicTransportConfig, RelayStatus, VarInt, presets};
use iroh::tls::CaTlsConfig;
use iroh::{RelayMode, SecretKey, Watcher};
use rustls::crypto::aws_lc_rs;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::relay::{InvalidRelay, Relay};

/// What is spoken on a connection: one stream, which carries what TCP would carry.
pub(crate) const ALPN: &[u8] = b"chat-reach/1";

/// How long an endpoint may take to say that it ends.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Why nobody can be reached from here, nor this side from anywhere.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// What was given as a key is none.
    #[error("no public key")]
    Key,
    /// What was given as a relay is none.
    #[error(transparent)]
    Relay(#[from] InvalidRelay),
    /// The relay has no place in a number.
    #[error(transparent)]
    Number(#[from] InvalidNumber),
    /// No endpoint can be made.
    #[error("no endpoint: {0}")]
    Bind(Box<dyn Error + Send + Sync>),
}

/// What an endpoint is for.
pub(crate) enum Purpose<'k> {
    /// To be called under this key.
    Listen(&'k SecretKey),
    /// To call. The key is made up: the relay need not know who calls.
    Dial,
}

/// An endpoint that meets others at a relay. It is closed when it is dropped.
pub(crate) struct Endpoint(iroh::Endpoint);

impl Endpoint {
    pub(crate) async fn bind(relay: &Relay, purpose: Purpose<'_>) -> Result<Self, ReachError> {
        let mut reports = NetReportConfig::default();
        reports.captive_portal_check = false;
        let builder = iroh::Endpoint::builder(presets::Empty)
            // With post-quantum keys first.
            .crypto_provider(Arc::new(aws_lc_rs::default_provider()))
            // Also what SSL_CERT_FILE adds, for a relay whose certificate is of one's own making.
            .ca_tls_config(CaTlsConfig::system())
            .dns_resolver(resolver())
            .net_report_config(reports)
            .transport_config(one_stream())
            .max_tls_tickets(0);
        let builder = match (relay, &purpose) {
            (Relay::Own(url), _) => builder.relay_mode(RelayMode::custom([url.clone()])),
            (Relay::N0, Purpose::Listen(_)) => builder
                .relay_mode(RelayMode::Default)
                .address_lookup(PkarrPublisher::n0_dns()),
            (Relay::N0, Purpose::Dial) => builder
                .relay_mode(RelayMode::Default)
                .address_lookup(PkarrResolver::n0_dns())
                .address_lookup(DnsAddressLookup::n0_dns()),
        };
        let builder = match purpose {
            Purpose::Listen(key) => builder.secret_key(key.clone()).alpns(vec![ALPN.to_vec()]),
            Purpose::Dial => builder,
        };
        let bound = builder.bind().await;
        bound
            .map(Self)
            .map_err(|error| ReachError::Bind(error.into()))
    }

    /// Why no relay is there; `None` if one is.
    pub(crate) fn relay_error(&self) -> Option<io::Error> {
        let relays = self.home_relay_status().get();
        if relays.iter().any(RelayStatus::is_connected) {
            return None;
        }
        let reason = relays.iter().find_map(RelayStatus::last_error);
        let no_answer = || io::ErrorKind::TimedOut.into();
        Some(reason.map_or_else(no_answer, |reason| io::Error::other(reason.to_string())))
    }

    /// Ends all connections, and waits a little until the others know.
    pub(crate) async fn close(&self) {
        close(&self.0).await;
    }
}

impl Deref for Endpoint {
    type Target = iroh::Endpoint;

    fn deref(&self) -> &iroh::Endpoint {
        &self.0
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let endpoint = self.0.clone();
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { close(&endpoint).await });
        }
    }
}

async fn close(endpoint: &iroh::Endpoint) {
    if timeout(CLOSE_TIMEOUT, endpoint.close()).await.is_err() {
        tracing::debug!("not everybody knows that this endpoint is closed");
    }
}

/// Asks the name servers of this system, and when they fail nobody else.
fn resolver() -> DnsResolver {
    DnsResolver::builder()
        .with_system_defaults()
        .with_fallback_mode(FallbackMode::Never)
        .build()
}

/// A peer can open one stream on a connection and nothing else.
fn one_stream() -> QuicTransportConfig {
    QuicTransportConfig::builder()
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .build()
}
