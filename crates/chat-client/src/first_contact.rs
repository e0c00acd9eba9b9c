//! Calls to somebody who was never verified: how often their safety number was withheld.

use std::time::Duration;

use chat_core::protocol::{CloseReason, Side};
use chat_core::trust::{FirstContactError, FirstContacts, KnownPeers, PeerState};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::connect::{Connector, Trust};

/// Who hangs up sooner than this after a try did not wait for the number. That was no try.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts the tries at one address, until the number is known.
#[derive(Clone, Debug)]
pub(crate) struct FirstContact {
    contacts: FirstContacts,
    known: KnownPeers,
    address: String,
    /// When a try was made on the present connection.
    tried: Option<Instant>,
}

impl FirstContact {
    /// Those at the address of this connector; `None` if it accepts nobody but the owner of one
    /// key, or does not encrypt.
    pub(crate) fn new<D>(connector: &Connector<D>) -> Option<Self> {
        match &connector.trust {
            Trust::Encrypted {
                keyring,
                pinned_key: None,
            } => Some(Self {
                contacts: keyring.first_contacts.clone(),
                known: keyring.known.clone(),
                address: connector.address.clone(),
                tried: None,
            }),
            _ => None,
        }
    }

    /// Checks that there is a try left, unless a verified peer is expected at the address, or the
    /// last try is that of the present connection.
    pub(crate) async fn check(&self) -> Result<(), FirstContactError> {
        if self.tried.is_some() {
            return Ok(());
        }
        let Self {
            contacts,
            known,
            address,
            ..
        } = self.clone();
        blocking(move || {
            let known = known.load()?;
            match known.by_address(&address) {
                Some(peer) if peer.state == PeerState::Verified => Ok(()),
                _ => contacts.check(&address),
            }
        })
        .await
    }

    /// Writes down that a nonce is sent, before it is.
    pub(crate) async fn record(&mut self) -> Result<(), FirstContactError> {
        let (contacts, address) = (self.contacts.clone(), self.address.clone());
        blocking(move || contacts.record(&address)).await?;
        self.tried = Some(Instant::now());
        Ok(())
    }

    /// The connection was lost, so that what was tried on it counts.
    pub(crate) fn disconnected(&mut self) {
        self.tried = None;
    }

    /// The number is known.
    pub(crate) async fn clear(self) -> Result<(), FirstContactError> {
        blocking(move || self.contacts.clear(&self.address)).await
    }

    /// The call is over, and the number is not known.
    pub(crate) async fn ended(self, reason: &CloseReason) -> Result<(), FirstContactError> {
        let hasty = self.tried.is_some_and(|tried| tried.elapsed() < PATIENCE);
        match reason {
            CloseReason::HungUp(Side::Local) if hasty => {
                blocking(move || self.contacts.take_back(&self.address)).await
            }
            _ => Ok(()),
        }
    }
}

/// Does what waits for the disk off the runtime's own threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.expect("it does not panic")
}
