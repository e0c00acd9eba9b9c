//! The client around its call: what it knows of the server, and the way back to it.

use std::future::pending;

use chat_core::driver::{Action, Command, Host};
use chat_core::protocol::{Disconnect, Peer};
use chat_core::transport::Dial;
use chat_terminal::peer::PeerRecord;
use tokio::time::Instant;

use crate::connect::Connector;
use crate::reconnect::Reconnect;

/// The program around a call to a server.
pub(crate) struct Client<D> {
    peer: PeerRecord,
    /// The way back; `None` if a lost connection is not to be made again.
    reconnect: Option<Reconnect<D>>,
}

impl<D: Dial + 'static> Client<D> {
    /// In a call with `peer`; only its key is accepted when it has to reconnect.
    pub(crate) fn new(connector: Connector<D>, reconnects: bool, peer: Peer) -> Self {
        let keyring = connector.trust.keyring().cloned();
        let address = connector.address.clone();
        let connector = connector.pin(&peer.security);
        Self {
            peer: PeerRecord::new(peer, keyring, Some(address)),
            reconnect: reconnects.then(|| Reconnect::new(connector)),
        }
    }
}

impl<D: Dial + 'static> Host for Client<D> {
    async fn next(&mut self) -> Action {
        let reconnected = async {
            match &mut self.reconnect {
                Some(reconnect) => reconnect.next().await,
                None => pending().await,
            }
        };
        tokio::select! {
            events = self.peer.next() => Action::Show(events),
            action = reconnected => action,
        }
    }

    fn is_remembering(&self) -> bool {
        self.peer.is_remembering()
    }

    fn established(&mut self, peer: Peer) {
        self.answered();
        self.peer.met(peer);
    }

    fn answered(&mut self) {
        if let Some(reconnect) = &mut self.reconnect {
            reconnect.answered();
        }
    }

    fn disconnected(&mut self, _last_heard: Instant) -> Action {
        match &mut self.reconnect {
            Some(reconnect) => reconnect.lost(),
            None => Action::GiveUp(Disconnect::Cut),
        }
    }

    fn command(&mut self, command: Command, safety_number: Option<&str>) -> Action {
        match command {
            Command::Quit => Action::HangUp,
            command => Action::Show(self.peer.answer(&command, safety_number)),
        }
    }
}
