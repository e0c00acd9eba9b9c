//! The one call that a client holds, over one connection or several.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use chat_core::conversation::{
    AnyLink, Command, Contact, Conversation, Ending, Event, LinkState, Loss, Peer, Plain, Protocol,
    Security, Session, SessionConfig, Sink, Source, Step,
};
use chat_core::wire::ConversationId;
use chat_terminal::exit;
use chat_terminal::peer::PeerRecord;

use crate::Config;
use crate::connect::{Connected, Connector};
use crate::dial::Dial;
use crate::redial::{Attempt, Redial};

pub(crate) struct Call<D> {
    connector: Arc<Connector<D>>,
    config: Config,
    peer: PeerRecord,
}

impl<D: Dial + 'static> Call<D> {
    /// A call with `peer`; only its key is accepted when the connection has to be made again.
    pub(crate) fn new(connector: Connector<D>, config: Config, peer: Peer) -> Self {
        let keyring = connector.trust.keyring().cloned();
        let address = connector.address.clone();
        Self {
            connector: Arc::new(connector.insisting_on(&peer.security)),
            config,
            peer: PeerRecord::new(peer, keyring, Some(address)),
        }
    }

    /// Holds the call to its end. Answers the exit code, which may be that of `shutdown`.
    pub(crate) async fn hold<In, Out, F>(
        mut self,
        link: AnyLink,
        contact: Option<Contact>,
        source: &mut In,
        sink: &mut Out,
        mut shutdown: Pin<&mut F>,
    ) -> u8
    where
        In: Source,
        Out: Sink,
        F: Future<Output = u8>,
    {
        let protocol = self.protocol(contact.is_some());
        let manners = self.config.manners.clone();
        let mut call = Conversation::new(protocol, manners, source, sink);
        let mut ending = match contact {
            Some(contact) => call.connected(contact).err().map(Ending::from),
            None => {
                call.show(Event::Call(self.peer.peer().clone()));
                None
            }
        };
        let mut link = Some(link);
        let mut redial: Option<Redial> = None;
        let mut attempt: Option<Attempt> = None;
        let mut interrupted = None;
        let ending = loop {
            if let Some(ending) = ending {
                break ending;
            }
            tokio::select! {
                step = call.over(link.as_mut()) => match step {
                    Step::Ended(end) => ending = Some(end),
                    Step::Cut if self.config.redial => {
                        link = None;
                        let lost = match &mut redial {
                            Some(redial) => redial.unanswered(),
                            None => None,
                        };
                        match lost {
                            Some(loss) => ending = Some(call.give_up(loss)),
                            None => attempt = Some(self.redial(&mut redial, &mut call)),
                        }
                    }
                    Step::Cut => ending = Some(call.give_up(Loss::Cut)),
                    Step::Answered => redial = None,
                    Step::Met(peer) => {
                        redial = None;
                        call.show_all(self.peer.met(peer));
                    }
                    Step::Command(Command::Quit) => call.hang_up(),
                    Step::Command(command) => {
                        let comparable = call.has_safety_number();
                        call.show_all(self.peer.answer(command, comparable));
                    }
                },
                outcome = under_way(&mut attempt) => match outcome {
                    Ok(Connected { link: again, contact: Some(contact), .. }) => {
                        attempt = None;
                        link = Some(again);
                        ending = call.connected(contact).err().map(Ending::from);
                    }
                    Ok(_) => ending = Some(call.give_up(Loss::Cut)),
                    Err(error) => match redial.as_mut().and_then(|redial| redial.failed(&error)) {
                        Some(loss) => ending = Some(call.give_up(loss)),
                        None => attempt = Some(self.redial(&mut redial, &mut call)),
                    },
                },
                code = shutdown.as_mut(), if interrupted.is_none() => {
                    interrupted = Some(code);
                    call.hang_up();
                }
            }
        };
        tokio::select! {
            ended = call.end(ending, link) => interrupted.unwrap_or_else(|| exit::code(&ended)),
            code = shutdown, if interrupted.is_none() => code,
        }
    }

    /// Calls again, for the first time or once more.
    fn redial<In: Source, Out: Sink>(
        &self,
        redial: &mut Option<Redial>,
        call: &mut Conversation<'_, In, Out>,
    ) -> Attempt {
        let redial = redial.get_or_insert_with(Redial::new);
        call.show(Event::Link(LinkState::Reconnecting(redial.number())));
        redial.attempt(&self.connector)
    }

    /// What this side speaks with the server.
    fn protocol(&self, chat1: bool) -> Box<dyn Protocol> {
        if !chat1 {
            return Box::new(match self.peer.peer().security {
                Security::Plaintext => Plain::new(),
                _ => Plain::over_tls(),
            });
        }
        Box::new(Session::new(SessionConfig {
            name: self.config.name.clone(),
            peer: self.peer.peer().clone(),
            conversation: ConversationId::random(),
        }))
    }
}

/// Waits for the attempt that is under way, or forever if there is none.
async fn under_way(attempt: &mut Option<Attempt>) -> <Attempt as Future>::Output {
    match attempt {
        Some(attempt) => attempt.await,
        None => pending().await,
    }
}
