//! The server around its call: the peer, the connections that resume the call, and the queue
//! behind it.

use chat_core::driver::{
    Action, CallDriver, Command, Connected, Host, RESUME_WINDOW, Sink, Source, sleep_until_some,
};
use chat_core::files::{FileCommand, FileConnection, Transfers};
use chat_core::protocol::{ConnectionStatus, Disconnect, Event};
use chat_core::trust::Fingerprint;
use chat_core::wire::Control;
use chat_terminal::locale;
use chat_terminal::peer::PeerRecord;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::limits::{GuessLimiter, RateLimiter};
use crate::queue::{CallQueue, QueueEvent};
use crate::registry::SessionRegistry;
use crate::serve::notice_of;

/// The program around a call that was taken.
pub(crate) struct Server<'a> {
    pub peer: PeerRecord,
    /// The key of a chat/1 caller.
    pub key: Option<Fingerprint>,
    /// New connections of the call.
    pub resumed: mpsc::Receiver<Connected>,
    /// New connections for its files.
    pub file_connections: mpsc::Receiver<FileConnection>,
    pub files: Transfers,
    pub registry: &'a SessionRegistry,
    pub queue: &'a CallQueue,
    pub events: &'a mut mpsc::Receiver<QueueEvent>,
    pub notices: &'a mut RateLimiter,
    /// Counts what a stranger learns.
    pub guesses: Option<&'a mut GuessLimiter>,
    /// Whether a person at a terminal gives commands.
    pub interactive: bool,
    /// While the connection is lost.
    pub outage: Option<Outage>,
    /// The person ends the program with this call.
    pub quitting: bool,
}

/// The time without a connection.
pub(crate) struct Outage {
    last_heard: Instant,
    give_up_at: Instant,
}

impl Server<'_> {
    /// Whether the caller calls anew. A restarted program must not queue behind its own
    /// interrupted call; one that came while the other was still heard is a second caller with
    /// that key.
    fn is_superseded(&self) -> bool {
        match (self.key, &self.outage) {
            (Some(key), Some(outage)) => self.queue.has_newer(key, outage.last_heard),
            _ => false,
        }
    }

    /// Both sides have said hello: the offers that are open are said again.
    fn say_files<In: Source, Out: Sink>(&mut self, call: &mut CallDriver<'_, In, Out>) {
        if let Some(session) = call.session_id() {
            self.files.connected(session, None);
        }
    }

    fn command_files(&mut self, command: FileCommand) -> Action {
        self.files.command(command);
        Action::Files(self.files.take_output())
    }

    fn queue_changed(&mut self, event: QueueEvent) -> Action {
        let waiting = self.queue.waiting();
        let notice = notice_of(self.notices, event, waiting, self.interactive);
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
        if self.is_superseded() {
            self.outage = None;
            return Action::GiveUp(Disconnect::Superseded);
        }
        let give_up_at = self.outage.as_ref().map(|outage| outage.give_up_at);
        tokio::select! {
            events = self.peer.next() => Action::Show(events),
            Some(connected) = self.resumed.recv() => Action::Resume(Box::new(connected)),
            Some(event) = self.events.recv() => self.queue_changed(event),
            Some(file) = self.file_connections.recv() => {
                self.files.incoming(file);
                Action::Files(self.files.take_output())
            }
            output = self.files.next() => Action::Files(output),
            () = sleep_until_some(give_up_at) => {
                self.outage = None;
                Action::GiveUp(Disconnect::Silent(RESUME_WINDOW))
            }
        }
    }

    fn is_remembering(&self) -> bool {
        self.peer.is_remembering()
    }

    fn established(&mut self, call: &mut CallDriver<'_, In, Out>, name: String) {
        self.registry.set_cookie(call.cookie());
        self.peer.met(name);
        self.say_files(call);
    }

    fn answered(&mut self, call: &mut CallDriver<'_, In, Out>) {
        self.registry.set_cookie(call.cookie());
        self.outage = None;
        self.say_files(call);
    }

    fn file(&mut self, control: Control) -> Action {
        self.files.control(control);
        Action::Files(self.files.take_output())
    }

    fn number_shown(&mut self) {
        if let Some(guesses) = &mut self.guesses {
            guesses.revealed();
        }
    }

    fn disconnected(&mut self, call: &CallDriver<'_, In, Out>) -> Action {
        self.outage = Some(Outage {
            last_heard: call.last_heard(),
            give_up_at: Instant::now() + RESUME_WINDOW,
        });
        Action::Show(vec![Event::Connection(ConnectionStatus::Reconnecting(0))])
    }

    fn command(&mut self, call: &CallDriver<'_, In, Out>, command: Command) -> Action {
        match command {
            Command::Quit => {
                self.quitting = true;
                Action::HangUp
            }
            Command::Next if self.queue.waiting() > 0 => Action::HangUp,
            Command::Next => Action::Show(vec![Event::Notice(locale::NOBODY_WAITS.into())]),
            Command::File(command) => self.command_files(command),
            Command::Decline if self.files.has_question() => {
                self.command_files(FileCommand::Decline(None))
            }
            command => Action::Show(self.peer.answer(&command, call.safety_number())),
        }
    }
}
