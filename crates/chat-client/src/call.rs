//! The client around its call: what it knows of the server, and the way back to it.

use std::future::pending;

use chat_core::driver::{Action, CallDriver, Command, Host, Sink, Source};
use chat_core::protocol::{Disconnect, Peer};
use chat_core::transport::Dial;
use chat_terminal::peer::PeerRecord;

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

impl<D, In, Out> Host<In, Out> for Client<D>
where
    D: Dial + 'static,
    In: Source,
    Out: Sink,
{
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

    fn established(&mut self, call: &mut CallDriver<'_, In, Out>, peer: Peer) {
        self.answered(call);
        self.peer.met(peer);
    }

    fn answered(&mut self, _call: &mut CallDriver<'_, In, Out>) {
        if let Some(reconnect) = &mut self.reconnect {
            reconnect.answered();
        }
    }

    fn disconnected(&mut self, call: &mut CallDriver<'_, In, Out>) -> Action {
        match &mut self.reconnect {
            Some(reconnect) => reconnect.lost(call.cookie()),
            None => Action::GiveUp(Disconnect::Cut),
        }
    }

    fn command(&mut self, call: &mut CallDriver<'_, In, Out>, command: Command) -> Action {
        match command {
            Command::Quit => Action::HangUp,
            command => Action::Show(self.peer.answer(&command, call.safety_number())),
        }
    }
}
