//! The status of a call, as far as the events tell.

use chat_core::conversation::{Event, LinkState, Peer, Security};

/// The status of a call, from the first event to the end.
#[derive(Debug)]
pub(crate) struct CallStatus {
    /// The peer, once the call is established.
    pub(crate) peer: Option<Peer>,
    /// How many callers are served first, while this side is in a queue.
    pub(crate) ahead: Option<u64>,
    /// The state of the connection.
    pub(crate) link: LinkState,
}

impl Default for CallStatus {
    fn default() -> Self {
        Self {
            peer: None,
            ahead: None,
            link: LinkState::Up { round_trip: None },
        }
    }
}

impl CallStatus {
    /// Updates the status from an event.
    pub(crate) fn update(&mut self, event: &Event) {
        match event {
            Event::Call(peer) => {
                *self = Self {
                    peer: Some(peer.clone()),
                    ..Self::default()
                };
            }
            Event::Peer(peer) if self.peer.is_some() => self.peer = Some(peer.clone()),
            // A queue position shows that the connection is up.
            Event::Ahead(ahead) => {
                *self = Self {
                    ahead: Some(*ahead),
                    ..Self::default()
                };
            }
            Event::Link(link) => {
                self.link = link.clone();
                if let LinkState::Reconnecting(_) = link {
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
