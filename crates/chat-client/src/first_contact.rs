//! Calls to somebody who was never verified: how often their safety number was withheld.

use std::time::Duration;

use chat_core::protocol::{CloseReason, Side};
use chat_core::transport::Dial;
use chat_core::trust::{Fingerprint, FirstContactError, FirstContacts, KnownPeers, PeerState};
use chat_core::{Blocking, blocking};
use tokio::time::Instant;

use crate::connect::{Trust, Wanted};
use crate::ways::Ways;

/// Who hangs up sooner than this after a try did not wait for the number. That was no try.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts the tries at one address, or of one known peer, until the number is known.
#[derive(Clone, Debug)]
pub(crate) struct FirstContact {
    contacts: FirstContacts,
    known: KnownPeers,
    /// The address, or the name of the peer that was called by it.
    address: String,
    /// The key of that peer.
    wanted: Option<Fingerprint>,
    /// When a try was made on the present connection, which may still be taken back.
    tried: Option<Instant>,
}

impl FirstContact {
    /// Those of whom was called; `None` if the person knows the key from elsewhere, or nothing is
    /// encrypted.
    pub(crate) fn new<D: Dial>(ways: &Ways<D>) -> Option<Self> {
        match ways.trust() {
            Trust::Encrypted {
                keyring,
                wanted: wanted @ (Wanted::Address | Wanted::Known(_)),
            } => Some(Self {
                contacts: keyring.first_contacts.clone(),
                known: keyring.known.clone(),
                address: ways.called().to_owned(),
                wanted: wanted.key(),
                tried: None,
            }),
            _ => None,
        }
    }

    /// Checks that there is a try left, unless a verified peer is called. Reads
    /// files on this thread: before a call nobody waits for anything else.
    pub(crate) fn check(&self) -> Result<(), FirstContactError> {
        let known = self.known.load()?;
        let expected = match self.wanted {
            Some(key) => known.by_key(key),
            None => known.by_address(&self.address),
        };
        match expected {
            Some(peer) if peer.state == PeerState::Verified => Ok(()),
            _ => self.contacts.check(&self.address),
        }
    }

    /// The same in a call, on another thread.
    pub(crate) fn begin_check(&self) -> Work {
        let first_contact = self.clone();
        blocking(move || first_contact.check())
    }

    /// Writes down that a nonce is sent, before it is.
    pub(crate) fn record(&mut self) -> Work {
        self.tried = Some(Instant::now());
        let (contacts, address) = (self.contacts.clone(), self.address.clone());
        blocking(move || contacts.record(&address))
    }

    /// Whether a try was made on the present connection. What the peer says after it is no reason
    /// to withhold it.
    pub(crate) fn has_tried(&self) -> bool {
        self.tried.is_some()
    }

    /// There is nothing to take back: the try was not made, or the connection was lost and it
    /// counts.
    pub(crate) fn keep(&mut self) {
        self.tried = None;
    }

    /// The number is known.
    pub(crate) fn clear(self) -> Blocking<()> {
        blocking(move || {
            if let Err(error) = self.contacts.clear(&self.address) {
                tracing::warn!(%error, "a safety number that is known counts as withheld");
            }
        })
    }

    /// The call is over, and the number is not known.
    pub(crate) async fn ended(self, reason: &CloseReason) {
        let hasty = self.tried.is_some_and(|tried| tried.elapsed() < PATIENCE);
        if hasty && let CloseReason::HungUp(Side::Local) = reason {
            let taken_back = blocking(move || self.contacts.take_back(&self.address)).await;
            if let Err(error) = taken_back {
                tracing::warn!(%error, "a call that was cut short counts as a try");
            }
        }
    }
}

/// Work on the file, off the runtime's own thread.
pub(crate) type Work = Blocking<Result<(), FirstContactError>>;
