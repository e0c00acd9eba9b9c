//! The status of a call, as far as the events tell.

use chat_core::protocol::{ConnectionStatus, Event, Peer};
use chat_core::trust::Security;

/// The status of a call, from the first event to the end.
#[derive(Debug)]
pub(crate) struct CallStatus {
    /// The peer, once the call is established.
    pub(crate) peer: Option<Peer>,
    /// How many callers are served first, while this side is in a queue.
    pub(crate) ahead: Option<u64>,
    /// The state of the connection.
    pub(crate) link: ConnectionStatus,
}

impl Default for CallStatus {
    fn default() -> Self {
        Self {
            peer: None,
            ahead: None,
            link: ConnectionStatus::Up { round_trip: None },
        }
    }
}

impl CallStatus {
    /// Updates the status from an event.
    pub(crate) fn update(&mut self, event: &Event) {
        match event {
            Event::Established(peer) => {
                *self = Self {
                    peer: Some(peer.clone()),
                    ..Self::default()
                };
            }
            Event::Peer(peer) if self.peer.is_some() => self.peer = Some(peer.clone()),
            // A queue position shows that the connection is up.
            Event::QueuePosition(ahead) => {
                *self = Self {
                    ahead: Some(*ahead),
                    ..Self::default()
                };
            }
            Event::Connection(link) => {
                self.link = link.clone();
                if let ConnectionStatus::Reconnecting(_) = link {
                    // The place in the queue is lost with the connection.
                    self.ahead = None;
                }
            }
            Event::Ended(_) => *self = Self::default(),
            _ => {}
        }
    }

    /// Whether the peer acknowledges messages: every peer with a key does.
    pub(crate) fn has_receipts(&self) -> bool {
        let security = self.peer.as_ref().map(|peer| &peer.security);
        matches!(security, Some(Security::Key { .. }))
    }
}
