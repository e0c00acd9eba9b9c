//! The client around its call: what it knows of the server, and the way back to it.

use std::future::pending;

use chat_core::driver::{Action, CallDriver, Command, Host, Sink, Source};
use chat_core::protocol::{CloseReason, Disconnect, Event, Peer};
use chat_core::transport::Dial;
use chat_core::trust::FirstContactError;
use chat_terminal::locale;
use chat_terminal::peer::PeerRecord;
use tokio::task::JoinHandle;

use crate::connect::Connector;
use crate::first_contact::{FirstContact, Work};
use crate::reconnect::Reconnect;

/// The program around a call to a server.
pub(crate) struct Client<D: Dial> {
    peer: PeerRecord,
    /// Counts the tries to learn the safety number, until it is known.
    first_contact: Option<FirstContact>,
    /// The try that is being counted.
    counting: Option<Work>,
    /// The number is known, and they are being forgotten.
    forgetting: Option<JoinHandle<()>>,
    /// The way back; `None` if a lost connection is not to be made again.
    reconnect: Option<Reconnect<D>>,
}

impl<D: Dial + 'static> Client<D> {
    /// In a call with `peer`. `reconnect` is the way back to it, if there is to be one.
    pub(crate) fn new(
        connector: &Connector<D>,
        reconnect: Option<Reconnect<D>>,
        peer: Peer,
        first_contact: Option<FirstContact>,
    ) -> Self {
        let keyring = connector.trust.keyring().cloned();
        let address = connector.address.clone();
        Self {
            first_contact: first_contact.filter(|_| peer.security.is_unverified()),
            counting: None,
            forgetting: None,
            peer: PeerRecord::new(peer, keyring, Some(address)),
            reconnect,
        }
    }

    /// Before a nonce for the safety number is sent, it is written down that it was. If that
    /// cannot be done, it is not sent. The call goes on: who cuts it learns nothing from that.
    fn count_try<In: Source, Out: Sink>(&mut self, call: &mut CallDriver<'_, In, Out>) {
        if let Some(first_contact) = &mut self.first_contact {
            if call.announce_nonce() {
                self.counting = Some(first_contact.record());
            } else if !first_contact.has_tried() {
                self.counting = Some(first_contact.check());
            }
        }
    }

    fn keep_tries(&mut self) {
        if let Some(first_contact) = &mut self.first_contact {
            first_contact.keep();
        }
    }

    /// The call is over.
    pub(crate) async fn ended(self, reason: &CloseReason) {
        if let Some(first_contact) = self.first_contact {
            first_contact.ended(reason).await;
        }
        if let Some(forgetting) = self.forgetting {
            forgetting.await.expect("it does not panic");
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
            counted = counted(&mut self.counting), if !self.peer.is_remembering() => match counted {
                Ok(()) => Action::Show(Vec::new()),
                Err(error) => {
                    self.keep_tries();
                    Action::WithholdNonce(Event::Notice(locale::number_withheld(&error)))
                }
            },
            action = reconnected => action,
        }
    }

    fn is_remembering(&self) -> bool {
        self.peer.is_remembering() || self.counting.is_some()
    }

    fn established(&mut self, call: &mut CallDriver<'_, In, Out>, name: String) {
        self.peer.met(name);
        self.answered(call);
    }

    fn answered(&mut self, call: &mut CallDriver<'_, In, Out>) {
        if let Some(reconnect) = &mut self.reconnect {
            reconnect.answered(call.cookie());
        }
        self.count_try(call);
    }

    fn number_shown(&mut self) {
        let known = self.first_contact.take();
        self.forgetting = known.map(FirstContact::clear);
    }

    fn disconnected(&mut self, _call: &CallDriver<'_, In, Out>) -> Action {
        self.keep_tries();
        match &mut self.reconnect {
            Some(reconnect) => reconnect.lost(),
            None => Action::GiveUp(Disconnect::Cut),
        }
    }

    fn doubted(&mut self, doubted: bool) {
        if let Some(reconnect) = &mut self.reconnect {
            reconnect.doubted(doubted);
        }
    }

    fn command(&mut self, call: &CallDriver<'_, In, Out>, command: Command) -> Action {
        match command {
            Command::Quit => Action::HangUp,
            command => Action::Show(self.peer.answer(&command, call.safety_number())),
        }
    }
}

/// Waits until the try is counted, or forever if there is none.
async fn counted(counting: &mut Option<Work>) -> Result<(), FirstContactError> {
    let Some(work) = counting else {
        return pending().await;
    };
    let counted = work.await;
    *counting = None;
    counted
}
