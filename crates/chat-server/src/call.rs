//! The server around its call: the peer, the connections that resume the call, and the queue
//! behind it.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chat_core::driver::{
    Action, CallDriver, Command, Connected, Host, Outcome, Renewal, Runner, Sink, Source,
    sleep_until_some,
};
use chat_core::files::{FileCommand, FileConnection, Transfers};
use chat_core::journal::{Journal, JournalError};
use chat_core::protocol::{CloseReason, ConnectionStatus, Disconnect, Event, Remark, Renewed};
use chat_core::wire::{Control, Name, Presence, SessionId};
use chat_terminal::locale;
use chat_terminal::peer::{self, PeerRecord};
use chat_terminal::record::{self, Record};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::accept::SessionKey;
use crate::idle::notice_of;
use crate::limits::{GuessLimiter, RateLimiter};
use crate::queue::{CallQueue, QueueEvent};
use crate::registry::SessionRegistry;

/// The program around a call that was taken.
pub(crate) struct Server<'a> {
    pub peer: PeerRecord,
    /// The key of a chat/1 caller, and the session of the call.
    pub session_key: Option<SessionKey>,
    pub record: Record,
    /// The caller calls anew.
    pub renewing: Option<Renewing>,
    /// To be shown.
    pub unshown: Vec<Event>,
    /// The messages that a caller who calls anew has not received.
    pub unreceived: Vec<String>,
    /// New connections of the call.
    pub resumed: mpsc::Receiver<Connected>,
    /// New connections for its files.
    pub file_connections: mpsc::Receiver<FileConnection>,
    pub files: Transfers,
    pub registry: &'a SessionRegistry,
    pub queue: &'a Arc<CallQueue>,
    pub events: &'a mut mpsc::Receiver<QueueEvent>,
    pub notices: &'a mut RateLimiter,
    /// Counts what a stranger learns.
    pub guesses: Option<&'a mut GuessLimiter>,
    /// Whether a person at a terminal gives commands.
    pub interactive: bool,
    /// How long the place of a call is kept while its connection is lost.
    pub keeps_place: Duration,
    /// While the connection is lost.
    pub outage: Option<Outage>,
    /// What callers are told of the person, in this call and later.
    pub name: &'a mut Name,
    pub presence: &'a mut Presence,
    /// The person ends the program with this call.
    pub quitting: bool,
}

/// The time without a connection.
pub(crate) struct Outage {
    last_heard: Instant,
    give_up_at: Instant,
}

/// A new session of the call: its first connection, and its journal.
type Renewing = Pin<Box<dyn Future<Output = Option<NewSession>> + Send>>;

/// A session that the caller has begun anew.
pub(crate) struct NewSession {
    connected: Connected,
    session: SessionId,
    journal: Result<Option<(Journal, bool)>, JournalError>,
}

/// What is left of a call that is over.
pub(crate) struct Over {
    pub record: Record,
    pub outcome: Outcome,
    /// Why the last of it is not recorded, if it is not.
    pub unrecorded: Option<JournalError>,
    /// A word was said, by this side or the other.
    pub conversed: bool,
    /// The person ends the program with this call.
    pub quitting: bool,
}

impl Server<'_> {
    /// Ends a call that is over for this reason, in good order.
    pub(crate) async fn end<In, Out, F>(
        self,
        mut call: Runner<'_, In, Out>,
        reason: CloseReason,
        shutdown: Pin<&mut F>,
    ) -> Over
    where
        In: Source,
        Out: Sink,
        F: Future<Output = u8>,
    {
        self.files.stop().await;
        self.registry.end(&reason, call.call().final_ack());
        let conversed = call.call().has_conversed();
        let (outcome, unrecorded) = call.end(reason, shutdown).await;
        Over {
            record: self.record,
            outcome,
            unrecorded,
            conversed,
            quitting: self.quitting,
        }
    }

    /// Somebody who waits, and calls anew. A restarted program must not queue behind its own
    /// interrupted call; one that came while the other was still heard is a second caller with
    /// that key.
    fn superseding(&self) -> Option<u64> {
        let outage = self.outage.as_ref()?;
        self.queue.newer(self.session_key?, outage.last_heard)
    }

    fn session(&self) -> Option<SessionId> {
        self.session_key.map(|session_key| session_key.session)
    }

    /// Takes a connection of the call.
    fn resumed(&mut self, connected: Connected) -> Action {
        if session_of(&connected) == self.session() {
            return Action::Resume(Box::new(connected));
        }
        self.renewing = Some(self.begin_anew(async { Some(connected) }));
        Action::Show(Vec::new())
    }

    /// Begins a new session for the caller that comes.
    fn begin_anew(
        &self,
        caller: impl Future<Output = Option<Connected>> + Send + 'static,
    ) -> Renewing {
        let peer = self.peer.peer().clone();
        let texts = self.unreceived.clone();
        let record = self.record.clone();
        let present = self.session();
        Box::pin(async move {
            let connected = caller.await?;
            let session = session_of(&connected)?;
            let journal = match Some(session) == present {
                true => Ok(None),
                false => record.begin_anew(&peer, session, texts).await,
            };
            Some(NewSession {
                connected,
                session,
                journal,
            })
        })
    }

    fn renew(&mut self, new: NewSession) -> Action {
        let NewSession {
            connected,
            session,
            journal,
        } = new;
        if Some(session) == self.session() {
            return Action::Resume(Box::new(connected));
        }
        self.registry.renewed(session);
        if let Some(session_key) = &mut self.session_key {
            session_key.session = session;
        }
        let journal = journal.unwrap_or_else(|error| {
            self.unshown.push(self.record.fail(&error));
            None
        });
        let reveal_after = self
            .guesses
            .as_mut()
            .and_then(|guesses| guesses.reveal_after());
        Action::Renew(Box::new(Renewal {
            id: session,
            journal,
            reveal_after: reveal_after.map(Instant::into_std),
            connected: Some(connected),
        }))
    }

    /// Both sides have said hello: the offers that are open are said again.
    fn say_files<In: Source, Out: Sink>(&mut self, call: &mut CallDriver<'_, In, Out>) {
        if let Some(session) = call.session_id()
            && let Some(known) = call.peer_knows_files()
        {
            self.files.connected(session, None, known);
        }
    }

    fn command_files(&mut self, command: FileCommand) -> Action {
        self.files.command(command);
        Action::Files(self.files.take_output())
    }

    /// Refuses a file if one is named, or if nobody waits whom the person could mean; else the next
    /// caller.
    fn decline(&mut self, words: Option<String>) -> Action {
        let names_file = words
            .as_ref()
            .is_some_and(|words| words.parse::<u32>().is_ok());
        if names_file || (self.queue.waiting() == 0 && self.files.has_question()) {
            return self.command_files(FileCommand::declined(words.as_deref()));
        }
        let notice = match self.queue.decline_next(words) {
            Some(peer) => locale::text().declined(&peer),
            None => locale::text().nobody_waits().into(),
        };
        let length = Event::QueueLength(self.queue.waiting());
        Action::Show(vec![Event::Notice(notice), length])
    }

    fn queue_changed(&mut self, event: QueueEvent) -> Action {
        let waiting = self.queue.waiting();
        // A program that was started anew does not wait for itself.
        let own_key = self.session_key.map(|session_key| session_key.key);
        let is_own = match &event {
            QueueEvent::Arrived(peer) | QueueEvent::Left(peer) => {
                own_key.is_some() && peer.security.fingerprint() == own_key
            }
            QueueEvent::Note(..)
            | QueueEvent::TurnedAway(_)
            | QueueEvent::Refused(_)
            | QueueEvent::Relay(_) => false,
        };
        let notice = match is_own {
            true => None,
            false => notice_of(self.notices, event, waiting, self.interactive),
        };
        let length = Event::QueueLength(waiting);
        Action::Show(
            notice
                .map(Event::Notice)
                .into_iter()
                .chain([length])
                .collect(),
        )
    }
}

impl<In: Source, Out: Sink> Host<In, Out> for Server<'_> {
    async fn next(&mut self) -> Action {
        if !self.unshown.is_empty() {
            return Action::Show(std::mem::take(&mut self.unshown));
        }
        if self.renewing.is_none()
            && let Some(number) = self.superseding()
        {
            let queue = Arc::clone(self.queue);
            let caller = async move { Some(queue.hand_over(number).await?.connected) };
            self.renewing = Some(self.begin_anew(caller));
        }
        let give_up_at = self.outage.as_ref().map(|outage| outage.give_up_at);
        tokio::select! {
            mut events = self.peer.next() => {
                self.record.show_earlier(&mut events);
                Action::Show(events)
            }
            Some(connected) = self.resumed.recv() => self.resumed(connected),
            renewed = renewed(&mut self.renewing) => match renewed {
                Some(renewed) => self.renew(renewed),
                None => Action::Show(Vec::new()),
            },
            Some(event) = self.events.recv() => self.queue_changed(event),
            Some(file) = self.file_connections.recv() => {
                self.files.incoming(file);
                Action::Files(self.files.take_output())
            }
            output = self.files.next() => Action::Files(output),
            () = sleep_until_some(give_up_at) => {
                self.outage = None;
                Action::GiveUp(Disconnect::Silent(self.keeps_place))
            }
        }
    }

    fn is_remembering(&self) -> bool {
        self.peer.is_remembering()
    }

    fn established(&mut self, call: &mut CallDriver<'_, In, Out>, name: Name) {
        self.registry.set_cookie(call.cookie());
        self.peer.met(name, None);
        self.say_files(call);
    }

    fn renamed(&mut self, name: Name) {
        self.peer.renamed(name);
    }

    fn answered(&mut self, call: &mut CallDriver<'_, In, Out>) {
        self.registry.set_cookie(call.cookie());
        self.registry.interrupted(false);
        self.outage = None;
        self.say_files(call);
    }

    fn file(&mut self, control: Control) -> Action {
        self.files.control(control);
        Action::Files(self.files.take_output())
    }

    fn renewed(&mut self, renewed: Renewed) -> Event {
        record::renewed(self.peer.peer(), renewed)
    }

    fn unrecorded(&mut self, error: JournalError) -> Event {
        self.record.fail(&error)
    }

    fn number_shown(&mut self) {
        if let Some(guesses) = &mut self.guesses {
            guesses.revealed();
        }
    }

    /// The peer makes the connections.
    fn doubted(&mut self, _call: &CallDriver<'_, In, Out>, _doubted: bool) {}

    fn disconnected(&mut self, call: &CallDriver<'_, In, Out>) -> Action {
        self.outage = Some(Outage {
            last_heard: call.last_heard(),
            give_up_at: Instant::now() + self.keeps_place,
        });
        self.registry.interrupted(true);
        self.unreceived = call.unacknowledged();
        Action::Show(vec![Event::Connection(ConnectionStatus::Reconnecting(0))])
    }

    fn forgotten(&mut self, call: &CallDriver<'_, In, Out>) -> Action {
        self.disconnected(call)
    }

    fn command(&mut self, call: &mut CallDriver<'_, In, Out>, command: Command) -> Action {
        match command {
            Command::Keep => Action::Show(vec![self.record.keep(call)]),
            Command::Quit => {
                self.quitting = true;
                Action::HangUp
            }
            Command::Next if self.queue.waiting() > 0 => Action::HangUp,
            Command::Next => {
                Action::Show(vec![Event::Notice(locale::text().nobody_waits().into())])
            }
            Command::File(command) => self.command_files(command),
            Command::Decline(words) => self.decline(words),
            Command::Away(text) => {
                let (presence, notice) = peer::away(self.presence, text);
                *self.presence = presence.clone();
                self.queue.set_presence(presence.clone());
                Action::Remark(Remark::Presence(presence), vec![notice])
            }
            Command::Name(name) => {
                let notice = Event::Notice(locale::text().you_are_called(&name));
                *self.name = name.into();
                Action::Remark(Remark::Name(self.name.clone()), vec![notice])
            }
            command => Action::Show(self.peer.answer(&command, call.safety_number())),
        }
    }
}

/// The session that a connection begins or resumes.
fn session_of(connected: &Connected) -> Option<SessionId> {
    let hello = connected.handshake.as_ref()?.hello.as_ref()?;
    Some(hello.conversation)
}

/// Waits for the caller that calls anew, and the journal of its session, or forever if there is
/// none. `None` if it has just left.
async fn renewed(renewing: &mut Option<Renewing>) -> Option<NewSession> {
    let Some(coming) = renewing else {
        return pending().await;
    };
    let renewed = coming.await;
    *renewing = None;
    renewed
}
