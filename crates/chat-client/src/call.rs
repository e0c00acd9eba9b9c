//! The client's call, over one connection or several.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use chat_core::driver::{BoxConnection, CallDriver, Command, Sink, Source, Step};
use chat_core::protocol::{
    ConnectionStatus, Disconnect, Event, Handshake, Peer, Plain, Protocol, Session, SessionState,
};
use chat_core::wire::SessionId;
use chat_terminal::peer::PeerRecord;
use chat_terminal::{exit, locale};

use crate::Config;
use crate::connect::{Connected, Connector};
use crate::dial::Dial;
use crate::first_contact::FirstContact;
use crate::reconnect::{Attempt, Reconnect};

/// A call to a server.
pub(crate) struct Call<D> {
    connector: Arc<Connector<D>>,
    config: Config,
    peer: PeerRecord,
    /// Counts the nonces that are sent, until the safety number is known.
    first_contact: Option<FirstContact>,
}

impl<D: Dial + 'static> Call<D> {
    /// A call with `peer`; only its key is accepted when it has to reconnect.
    pub(crate) fn new(
        connector: Connector<D>,
        config: Config,
        peer: Peer,
        first_contact: Option<FirstContact>,
    ) -> Self {
        let keyring = connector.trust.keyring().cloned();
        let address = connector.address.clone();
        Self {
            connector: Arc::new(connector.pin(&peer.security)),
            config,
            first_contact: first_contact.filter(|_| peer.security.is_unverified()),
            peer: PeerRecord::new(peer, keyring, Some(address)),
        }
    }

    /// Runs the call to its end. Returns the exit code, which may be that of `shutdown`.
    pub(crate) async fn run<In, Out, F>(
        mut self,
        connection: BoxConnection,
        handshake: Option<Handshake>,
        source: &mut In,
        sink: &mut Out,
        mut shutdown: Pin<&mut F>,
    ) -> u8
    where
        In: Source,
        Out: Sink,
        F: Future<Output = u8>,
    {
        let protocol = self.protocol(handshake.is_some());
        let call_config = self.config.call_config.clone();
        let mut call = CallDriver::new(protocol, call_config, source, sink);
        match handshake {
            Some(handshake) => {
                call.connected(handshake);
            }
            None => call.show(Event::Established(self.peer.peer().clone())),
        }
        let mut connection = Some(connection);
        let mut reconnect: Option<Reconnect> = None;
        let mut attempt: Option<Attempt> = None;
        let mut interrupted = None;
        let reason = loop {
            tokio::select! {
                step = call.drive(connection.as_mut()) => match step {
                    Step::Ended(reason) => break reason,
                    Step::Disconnected if self.config.reconnect => {
                        connection = None;
                        if let Some(first_contact) = &mut self.first_contact {
                            first_contact.disconnected();
                        }
                        let disconnect = match &mut reconnect {
                            Some(reconnect) => reconnect.unanswered(),
                            None => None,
                        };
                        match disconnect {
                            Some(disconnect) => call.give_up(disconnect),
                            None => attempt = Some(self.reconnect(&mut reconnect, &mut call)),
                        }
                    }
                    Step::Disconnected => call.give_up(Disconnect::Cut),
                    Step::Answered => {
                        reconnect = None;
                        self.before_nonce(&mut call).await;
                    }
                    Step::NumberShown => self.number_known().await,
                    Step::Established(name) => {
                        reconnect = None;
                        call.show_all(self.peer.met(name).await);
                        self.before_nonce(&mut call).await;
                    }
                    Step::Command(Command::Quit) => call.hang_up(),
                    Step::Command(command) => {
                        let number = call.safety_number().map(str::to_owned);
                        call.show_all(self.peer.answer(&command, number.as_deref()).await);
                    }
                },
                outcome = under_way(&mut attempt) => {
                    attempt = None;
                    match outcome {
                        Ok(Connected { connection: again, handshake: Some(handshake), .. }) => {
                            if call.connected(handshake) {
                                connection = Some(again);
                            }
                        }
                        Ok(_) => call.give_up(Disconnect::Cut),
                        Err(error) => match reconnect.as_mut().and_then(|tries| tries.failed(error)) {
                            Some(disconnect) => call.give_up(disconnect),
                            None => attempt = Some(self.reconnect(&mut reconnect, &mut call)),
                        },
                    }
                }
                code = shutdown.as_mut(), if interrupted.is_none() => {
                    interrupted = Some(code);
                    call.hang_up();
                }
            }
        };
        if let Some(first_contact) = self.first_contact
            && let Err(error) = first_contact.ended(&reason).await
        {
            tracing::warn!(%error, "a call that was cut short counts as a try");
        }
        tokio::select! {
            ended = call.end(reason, connection) => {
                interrupted.unwrap_or_else(|| exit::code(&ended))
            }
            code = shutdown, if interrupted.is_none() => code,
        }
    }

    /// Starts the next attempt to reconnect.
    fn reconnect<In: Source, Out: Sink>(
        &self,
        reconnect: &mut Option<Reconnect>,
        call: &mut CallDriver<'_, In, Out>,
    ) -> Attempt {
        let reconnect = reconnect.get_or_insert_with(Reconnect::new);
        call.show(Event::Connection(ConnectionStatus::Reconnecting(
            reconnect.next_number(),
        )));
        reconnect.attempt(&self.connector, call.cookie())
    }

    /// Writes down that a nonce for the safety number is about to be sent. If that cannot be
    /// done, it is not sent. The call goes on: who cuts it learns nothing from that.
    async fn before_nonce<In: Source, Out: Sink>(&mut self, call: &mut CallDriver<'_, In, Out>) {
        let Some(first_contact) = &mut self.first_contact else {
            return;
        };
        let tried = match call.announce_nonce() {
            true => first_contact.record().await,
            false => first_contact.check().await,
        };
        if let Err(error) = tried {
            call.withhold_nonce();
            call.show(Event::Notice(locale::number_withheld(&error)));
        }
    }

    /// The safety number was shown, so there is nothing to count any more.
    async fn number_known(&mut self) {
        if let Some(first_contact) = self.first_contact.take()
            && let Err(error) = first_contact.clear().await
        {
            tracing::warn!(%error, "a safety number that is known counts as withheld");
        }
    }

    /// The protocol for the server.
    fn protocol(&self, chat1: bool) -> Box<dyn Protocol> {
        if chat1 {
            let state = SessionState::new(SessionId::random());
            let security = &self.peer.peer().security;
            Box::new(Session::new(self.config.name.clone(), security, state))
        } else {
            Box::new(Plain::new())
        }
    }
}

/// Waits for the attempt that is under way, or forever if there is none.
async fn under_way(attempt: &mut Option<Attempt>) -> <Attempt as Future>::Output {
    match attempt {
        Some(attempt) => attempt.await,
        None => pending().await,
    }
}
