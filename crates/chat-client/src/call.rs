//! The one call that a client holds, over one connection or several.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use chat_core::conversation::{
    AnyLink, Command, Contact, Conversation, Ending, Event, LinkState, Loss, Peer, Plain, Session,
    SessionConfig, Sink, Source, Step,
};
use chat_core::wire::ConversationId;
use chat_terminal::{acquaintance, exit, words};

use crate::Config;
use crate::connect::{Connected, Connector, Trust};
use crate::dial::Dial;
use crate::redial::{Attempt, Redial};

pub(crate) struct Call<D> {
    connector: Arc<Connector<D>>,
    config: Config,
    peer: Peer,
}

impl<D: Dial + 'static> Call<D> {
    /// A call with `peer`; only its key is accepted when the connection has to be made again.
    pub(crate) fn new(connector: Connector<D>, config: Config, peer: Peer) -> Self {
        Self {
            connector: Arc::new(connector.insisting_on(&peer.security)),
            config,
            peer,
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
        let mut call = self.begin(contact.is_some(), source, sink);
        let mut ending = None;
        match contact {
            Some(contact) => ending = call.connected(contact).err().map(Ending::from),
            None => call.show(Event::Call(self.peer.clone())),
        }
        let mut link = Some(link);
        let mut redial = Redial::new();
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
                        redial = Redial::new();
                        call.show(Event::Link(LinkState::Reconnecting(redial.number())));
                        attempt = Some(redial.attempt(&self.connector));
                    }
                    Step::Cut => ending = Some(call.give_up(Loss::Cut)),
                    Step::Met(peer) => self.met(peer, &mut call),
                    Step::Command(Command::Quit) => call.hang_up(),
                    Step::Command(command) => self.obey(command, &mut call),
                },
                outcome = under_way(&mut attempt) => match outcome {
                    Ok(Connected { link: again, contact: Some(contact), .. }) => {
                        attempt = None;
                        link = Some(again);
                        ending = call.connected(contact).err().map(Ending::from);
                    }
                    Ok(_) => ending = Some(call.give_up(Loss::Cut)),
                    Err(error) => match redial.failed(&error) {
                        Some(loss) => ending = Some(call.give_up(loss)),
                        None => {
                            call.show(Event::Link(LinkState::Reconnecting(redial.number())));
                            attempt = Some(redial.attempt(&self.connector));
                        }
                    },
                },
                code = shutdown.as_mut(), if interrupted.is_none() => {
                    interrupted = Some(code);
                    call.hang_up();
                }
            }
        };
        let closing = async {
            if let Some(link) = link {
                link.end().await;
            }
        };
        let concluded = async { tokio::join!(call.conclude(ending), closing).0 };
        tokio::select! {
            ended = concluded => interrupted.unwrap_or_else(|| exit::code(&ended)),
            code = shutdown, if interrupted.is_none() => code,
        }
    }

    fn begin<'p, In: Source, Out: Sink>(
        &self,
        chat1: bool,
        source: &'p mut In,
        sink: &'p mut Out,
    ) -> Conversation<'p, In, Out> {
        let manners = self.config.manners.clone();
        if !chat1 {
            return Conversation::new(Plain::new(), manners, source, sink);
        }
        let session = Session::new(SessionConfig {
            name: self.config.name.clone(),
            peer: self.peer.clone(),
            conversation: ConversationId::random(),
        });
        Conversation::new(session, manners, source, sink)
    }

    /// The peer's name is known: it is remembered, and the call shown.
    fn met<In: Source, Out: Sink>(&mut self, peer: Peer, call: &mut Conversation<'_, In, Out>) {
        self.peer = peer;
        let Trust::Encrypted { keyring, .. } = &self.connector.trust else {
            return;
        };
        let address = Some(self.connector.address.as_str());
        let trouble = acquaintance::remember(keyring, &mut self.peer, address);
        call.show(Event::Call(self.peer.clone()));
        if let Some(trouble) = trouble {
            call.show(Event::Notice(trouble));
        }
    }

    fn obey<In: Source, Out: Sink>(
        &mut self,
        command: Command,
        call: &mut Conversation<'_, In, Out>,
    ) {
        let keyring = match &self.connector.trust {
            Trust::Encrypted { keyring, .. } => Some(keyring),
            Trust::Plain(_) => None,
        };
        let answer = match (command, keyring) {
            (Command::Status, _) => words::status(&self.peer),
            (Command::Verify, Some(keyring)) => {
                let answer = acquaintance::verify(keyring, &mut self.peer);
                call.show(Event::Peer(self.peer.clone()));
                answer
            }
            (Command::Peers, Some(keyring)) => acquaintance::list(keyring),
            (Command::Verify | Command::Peers, None) => words::NO_KEY_TO_VERIFY.into(),
            (Command::Next | Command::Quit, _) => words::NEXT_IS_FOR_SERVERS.into(),
        };
        call.show(Event::Notice(answer));
    }
}

/// Waits for the attempt that is under way, or forever if there is none.
async fn under_way(attempt: &mut Option<Attempt>) -> <Attempt as Future>::Output {
    match attempt {
        Some(attempt) => attempt.await,
        None => pending().await,
    }
}
