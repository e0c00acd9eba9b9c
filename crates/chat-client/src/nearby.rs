//! Peers in the local network: where one of them is now, and who is there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chat_core::transport::HostPort;
use chat_core::transport::nearby::{Browser, Neighbour};
use chat_core::trust::Fingerprint;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::connect::Connector;
use crate::ways::Search;

/// How long a list waits for whoever is near: they answer within 120 ms (RFC 6762, section 6).
const LISTEN_FOR: Duration = Duration::from_millis(300);

/// And for the first of them: who has answered somebody else within the last second answers only
/// the second question, which is asked after one second (RFC 6762, sections 5.2 and 6).
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Finds the owner of `key` in the local network, wherever it is there.
pub fn search<D: Send + 'static>(
    key: Fingerprint,
    way_to: impl Fn(HostPort) -> Connector<D> + Clone + Send + Sync + 'static,
) -> Search<D> {
    Arc::new(move || {
        let (found, finding) = mpsc::channel(1);
        let way_to = way_to.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = found.closed() => {}
                () = report(key, way_to, &found) => {}
            }
        });
        finding
    })
}

async fn report<D>(
    key: Fingerprint,
    way_to: impl Fn(HostPort) -> Connector<D>,
    found: &mpsc::Sender<Connector<D>>,
) {
    let mut browser = match Browser::begin() {
        Ok(browser) => browser,
        Err(error) => {
            tracing::warn!(%error, "nobody can be found near");
            return;
        }
    };
    while let Some(neighbour) = browser.next().await {
        if neighbour.key != key {
            continue;
        }
        for address in neighbour.addresses {
            tracing::info!(%address, "somebody near says to have the key");
            if found.send(way_to(address)).await.is_err() {
                return;
            }
        }
    }
}

/// Who says to be near, after 0.3 s, or 1.5 s if nobody does; empty where that cannot be found out.
pub async fn neighbours() -> Vec<Neighbour> {
    let begun = Instant::now();
    let mut browser = match Browser::begin() {
        Ok(browser) => browser,
        Err(error) => {
            tracing::warn!(%error, "nobody can be found near");
            return Vec::new();
        }
    };
    // The first answer of a program may hold only some of its addresses.
    let mut found = BTreeMap::new();
    loop {
        let patience = if found.is_empty() {
            PATIENCE
        } else {
            LISTEN_FOR
        };
        let Ok(Some(neighbour)) = timeout_at(begun + patience, browser.next()).await else {
            break;
        };
        found.insert(neighbour.announcement.clone(), neighbour);
    }
    found.into_values().collect()
}
