//! The status of a call, as far as the events tell.

use chat_core::protocol::{ConnectionStatus, Event, Peer};
use chat_core::transport::Route;
use chat_core::trust::safety_number::SafetyNumber;
use chat_core::trust::{Security, Verification};
use chat_core::wire::Presence;

use crate::text::safety_number;

/// The status of a call, from the first event to the end.
#[derive(Debug)]
pub(crate) struct CallStatus {
    /// The peer, once the call is established.
    pub(crate) peer: Option<Peer>,
    /// What the peer calls itself, if the person here calls it something else.
    pub(crate) claims: Option<String>,
    /// Whether the peer's person is there.
    pub(crate) presence: Presence,
    /// Whether a machine answers for them.
    pub(crate) answering: bool,
    /// How many callers are served first, while this side is in a queue.
    pub(crate) ahead: Option<u64>,
    /// The state of the connection.
    pub(crate) link: ConnectionStatus,
    /// Which way it takes, where there are several.
    pub(crate) route: Option<Route>,
    /// What the two people can compare, once it is known.
    pub(crate) safety_number: Option<SafetyNumber>,
    /// Who calls and waits to be answered.
    pub(crate) ringing: Option<Peer>,
}

impl Default for CallStatus {
    fn default() -> Self {
        Self {
            peer: None,
            claims: None,
            presence: Presence::Here,
            answering: false,
            ahead: None,
            link: ConnectionStatus::Up { round_trip: None },
            route: None,
            safety_number: None,
            ringing: None,
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
                    presence: std::mem::take(&mut self.presence),
                    route: self.route,
                    ..Self::default()
                };
            }
            Event::Peer(peer) if self.peer.is_some() => self.peer = Some(peer.clone()),
            // A queue position shows that the connection is up.
            Event::QueuePosition(ahead) => {
                *self = Self {
                    ahead: Some(*ahead),
                    presence: std::mem::take(&mut self.presence),
                    route: self.route,
                    ..Self::default()
                };
            }
            Event::Connection(link) => {
                self.link = link.clone();
                if let ConnectionStatus::Reconnecting(_) = link {
                    // The place in the queue is lost with the connection, and what was told there.
                    if self.ahead.take().is_some() {
                        self.presence = Presence::Here;
                    }
                }
            }
            Event::Route(route) => self.route = *route,
            Event::SafetyNumber { digits, emoji } => {
                self.safety_number = Some(SafetyNumber {
                    digits: digits.clone(),
                    emoji: *emoji,
                });
            }
            Event::Presence(presence) => self.presence = presence.clone(),
            Event::Answering(answering) => self.answering = *answering,
            Event::Claims(claims) => self.claims = claims.clone(),
            Event::Ringing(peer) => self.ringing = Some(peer.clone()),
            Event::RingingStopped => self.ringing = None,
            Event::Ended(_) => *self = Self::default(),
            _ => {}
        }
    }

    /// Whether a text tells the safety number to a peer that is not verified: somebody in between
    /// would put another in its place.
    pub(crate) fn gives_number_away(&self, text: &str) -> bool {
        let number = self.safety_number.as_ref();
        let number = number.filter(|_| !self.is_verified());
        number.is_some_and(|number| safety_number::gives_away(text, number))
    }

    /// Whether the peer is verified, so that there is nothing left to compare.
    pub(crate) fn is_verified(&self) -> bool {
        let security = self.peer.as_ref().map(|peer| &peer.security);
        matches!(
            security,
            Some(Security::Key {
                verification: Verification::Verified,
                ..
            })
        )
    }

    /// Whether the peer acknowledges messages: every peer with a key does.
    pub(crate) fn has_receipts(&self) -> bool {
        let security = self.peer.as_ref().map(|peer| &peer.security);
        matches!(security, Some(Security::Key { .. }))
    }
}
