//! How it stands with the other side, as far as the events tell.

use chat_core::protocol::{ConnectionStatus, Event, Peer};
use chat_core::trust::Security;

/// The state of a call, from the first sign of the other side to the end.
#[derive(Debug)]
pub(crate) struct Situation {
    /// Who is on the line, if anybody is.
    pub(crate) peer: Option<Peer>,
    /// How many are served before this side, while it waits for its turn.
    pub(crate) ahead: Option<u64>,
    /// How the connection is, if there is one.
    pub(crate) link: ConnectionStatus,
}

impl Default for Situation {
    fn default() -> Self {
        Self {
            peer: None,
            ahead: None,
            link: ConnectionStatus::Up { round_trip: None },
        }
    }
}

impl Situation {
    /// Takes in an event.
    pub(crate) fn learn(&mut self, event: &Event) {
        match event {
            Event::Established(peer) => {
                *self = Self {
                    peer: Some(peer.clone()),
                    ..Self::default()
                };
            }
            Event::Peer(peer) if self.peer.is_some() => self.peer = Some(peer.clone()),
            // Who tells of the queue has answered.
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

    /// Whether the peer tells what it has received: those that have a key do.
    pub(crate) fn has_receipts(&self) -> bool {
        let security = self.peer.as_ref().map(|peer| &peer.security);
        matches!(security, Some(Security::Key { .. }))
    }
}
