//! Runs a call over one connection after another, for the program around it.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;

use super::end::FINAL_FLUSH_TIMEOUT;
use super::{BoxConnection, CallConfig, CallDriver, Command, Sink, Source, Step};
use crate::files::{FileEvent, Output};
use crate::journal::{Journal, JournalError, Recording};
use crate::protocol::{
    CloseReason, Disconnect, Ended, Event, Handshake, Peer, Plain, Protocol, Remark, Renewed,
    Session, SessionState,
};
use crate::transport::Routes;
use crate::trust::Security;
use crate::wire::{Control, Name, RefusalCode, SessionId};

/// How long a call whose connection is lost can be resumed, unless a person wants otherwise.
pub const RESUME_WINDOW: Duration = Duration::from_secs(5 * 60);

/// A connection that is ready for a call, and who is at its other end.
#[derive(Debug)]
pub struct Connected {
    /// What carries the call.
    pub connection: BoxConnection,
    /// Who is there.
    pub peer: Peer,
    /// The handshake of a chat/1 connection; `None` for others.
    pub handshake: Option<Handshake>,
    /// Which way its bytes take; `None` where there is but one.
    pub routes: Option<Routes>,
}

impl Connected {
    /// The protocol that the peer speaks. `name` is what a chat/1 peer is told, `session` a session
    /// that is to be gone on with.
    pub(crate) fn protocol(
        &self,
        name: Name,
        config: &CallConfig,
        session: Option<SessionState>,
    ) -> Box<dyn Protocol> {
        let Some(handshake) = &self.handshake else {
            return Box::new(Plain::new().with_farewell(config.farewell.clone()));
        };
        let begun = handshake.hello.as_ref().map(|hello| hello.conversation);
        let begin = || SessionState::new(begun.unwrap_or_else(SessionId::random));
        let state = session.unwrap_or_else(begin);
        Box::new(chat1(name, &self.peer.security, config, state))
    }
}

/// A session with a peer of this kind.
fn chat1(name: Name, peer: &Security, config: &CallConfig, state: SessionState) -> Session {
    let session = Session::new(name, peer, state);
    let session = session
        .with_presence(config.presence.clone())
        .with_machine(config.answering);
    session.reveal_after(config.reveal_after)
}

/// Waits for a future that is polled only when it is woken itself, and not with every message: a
/// program waits for much beside its call, of which little comes.
async fn when_woken<F: Future>(future: F) -> F::Output {
    let mut alone = FuturesUnordered::from_iter([future]);
    alone.next().await.expect("one future has one output")
}

/// The program around a call between a source and a sink.
pub trait Host<In, Out>: Send {
    /// Waits for what the program wants of the call, if anything ever. Must be cancel safe.
    fn next(&mut self) -> impl Future<Output = Action> + Send;

    /// Whether the call must stand still until the program has written something down: nothing
    /// is shown of it before, and nothing said to the peer.
    fn is_remembering(&self) -> bool;

    /// Both sides have said hello, and the peer calls itself this; it may be empty. The program
    /// shows the call, by [`next`](Self::next).
    fn established(&mut self, call: &mut CallDriver<'_, In, Out>, name: Name);

    /// The peer calls itself something else from now on.
    fn renamed(&mut self, name: Name);

    /// The peer has resumed the call, or said that this side is queued.
    fn answered(&mut self, call: &mut CallDriver<'_, In, Out>);

    /// The peer says this about a file.
    fn file(&mut self, control: Control) -> Action;

    /// The call goes on in a new session, in which the peer has answered. Returns what is shown.
    fn renewed(&mut self, renewed: Renewed) -> Event;

    /// Nothing is recorded any more, for this reason. Returns what is shown.
    fn unrecorded(&mut self, error: JournalError) -> Event;

    /// The safety number was shown.
    fn number_shown(&mut self);

    /// The present connection is in doubt, or no longer. [`next`](Self::next) may bring another.
    fn doubted(&mut self, call: &CallDriver<'_, In, Out>, doubted: bool);

    /// The connection is lost.
    fn disconnected(&mut self, call: &CallDriver<'_, In, Out>) -> Action;

    /// The same, because the peer does not know the session.
    fn forgotten(&mut self, call: &CallDriver<'_, In, Out>) -> Action;

    /// The person gave a command.
    fn command(&mut self, call: &mut CallDriver<'_, In, Out>, command: Command) -> Action;
}

/// A session that takes the place of another.
#[derive(Debug)]
pub struct Renewal {
    /// Its id.
    pub id: SessionId,
    /// What is said in it is recorded here; and whether it stays so when the call is over.
    pub journal: Option<(Journal, bool)>,
    /// As the listener, neither show nor reveal a safety number before this moment.
    pub reveal_after: Option<std::time::Instant>,
    /// Its first connection, if there is one already.
    pub connected: Option<Connected>,
}

/// What a [`Host`] wants of its call.
#[derive(Debug)]
pub enum Action {
    /// Go on over this connection, in place of the present one if there is one.
    Resume(Box<Connected>),
    /// Ask on the present connection whether it is still there, which is now in doubt.
    Suspect,
    /// Go on in this session.
    Renew(Box<Renewal>),
    /// Show these to the person.
    Show(Vec<Event>),
    /// Say and show these about files.
    Files(Output),
    /// Do without a safety number on the present connection, and show why.
    WithholdNonce(Event),
    /// Tell the peer something besides messages, and show these to the person.
    Remark(Remark, Vec<Event>),
    /// Hang up.
    HangUp,
    /// End the call: there will be no other connection.
    GiveUp(Disconnect),
}

/// How a call ended for the program.
#[derive(Debug)]
pub enum Outcome {
    /// By itself, or by the person.
    Ended(Arc<Ended>),
    /// A signal ended it, with this exit code.
    Interrupted(u8),
}

/// A call, and the connection that it is on.
pub struct Runner<'p, In, Out> {
    call: CallDriver<'p, In, Out>,
    connection: Option<BoxConnection>,
    /// Which way the bytes of the last connection take.
    routes: Option<Routes>,
    /// The exit code of the signal that ended the call.
    interrupted: Option<u8>,
}

impl<'p, In: Source, Out: Sink> Runner<'p, In, Out> {
    /// Begins a call over its first connection, or goes on with the one that was recorded. `name` is
    /// what a chat/1 peer is told.
    pub fn begin(
        connected: Connected,
        recording: Option<Recording>,
        name: Name,
        config: CallConfig,
        source: &'p mut In,
        sink: &'p mut Out,
    ) -> Self {
        let (session, journal) = match recording {
            Some(recording) => {
                let journal = (recording.journal, recording.history);
                (Some(recording.session), Some(journal))
            }
            None => (None, None),
        };
        let protocol = connected.protocol(name, &config, session);
        let mut call = CallDriver::new(protocol, config, source, sink);
        if let Some((journal, history)) = journal {
            call.record(journal, history);
        }
        match connected.handshake {
            Some(handshake) => _ = call.connected(handshake),
            None => call.show(Event::Established(connected.peer)),
        }
        show_route(&mut call, &connected.routes);
        Self {
            call,
            connection: Some(connected.connection),
            routes: connected.routes,
            interrupted: None,
        }
    }

    /// Begins a call of which there is no connection yet: what the person says is recorded, and
    /// sent once the host brings one.
    pub fn begin_unconnected(
        peer: &Security,
        recording: Recording,
        name: Name,
        config: CallConfig,
        source: &'p mut In,
        sink: &'p mut Out,
    ) -> Self {
        let session = chat1(name, peer, &config, recording.session);
        let mut call = CallDriver::new(Box::new(session), config, source, sink);
        call.record(recording.journal, recording.history);
        Self {
            call,
            connection: None,
            routes: None,
            interrupted: None,
        }
    }

    /// The call, for what its program shows at the beginning and tells at the end.
    pub fn call(&mut self) -> &mut CallDriver<'p, In, Out> {
        &mut self.call
    }

    /// Runs the call until it is over, and returns why; [`end`](Self::end) must follow. It hangs
    /// up when `shutdown` brings an exit code.
    pub async fn run<H, F>(&mut self, host: &mut H, mut shutdown: Pin<&mut F>) -> CloseReason
    where
        H: Host<In, Out>,
        F: Future<Output = u8>,
    {
        loop {
            tokio::select! {
                step = self.call.drive(self.connection.as_mut()), if !host.is_remembering() => {
                    if let Some(reason) = self.take_step(step, host) {
                        return reason;
                    }
                }
                action = when_woken(host.next()) => self.act(action),
                () = changed(&mut self.routes) => show_route(&mut self.call, &self.routes),
                code = shutdown.as_mut(), if self.interrupted.is_none() => {
                    self.interrupted = Some(code);
                    self.call.hang_up();
                }
            }
        }
    }

    /// Handles a step of the call. Returns why it is over, once it is.
    fn take_step(&mut self, step: Step, host: &mut impl Host<In, Out>) -> Option<CloseReason> {
        match step {
            Step::Ended(reason) => return Some(reason),
            Step::Established(name) => host.established(&mut self.call, name),
            Step::Renamed(name) => host.renamed(name),
            Step::Answered => host.answered(&mut self.call),
            Step::NumberShown => host.number_shown(),
            Step::File(control) => {
                let action = host.file(control);
                self.act(action);
            }
            Step::Renewed(renewed) => {
                self.call.show(host.renewed(renewed));
                host.answered(&mut self.call);
            }
            Step::Unrecorded(error) => self.call.show(host.unrecorded(error)),
            Step::Doubted(doubted) => host.doubted(&self.call, doubted),
            Step::Disconnected => {
                self.connection = None;
                let action = host.disconnected(&self.call);
                self.act(action);
            }
            Step::Forgotten => {
                self.connection = None;
                let action = host.forgotten(&self.call);
                self.act(action);
            }
            Step::Command(command) => {
                let action = host.command(&mut self.call, command);
                self.act(action);
            }
        }
        None
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Resume(connected) => self.resume(*connected),
            Action::Suspect => self.call.suspect(),
            Action::Renew(renewal) => {
                let Renewal {
                    id,
                    journal,
                    reveal_after,
                    connected,
                } = *renewal;
                self.connection = None;
                self.call.renew(id, journal, reveal_after);
                if let Some(connected) = connected {
                    self.resume(connected);
                }
            }
            Action::Show(events) => self.call.show_all(events),
            Action::Files(Output {
                controls,
                regret,
                events,
            }) => {
                if let Some(regret) = regret {
                    self.call.tell_plain(&regret);
                }
                if events.iter().any(FileEvent::is_movement) {
                    self.call.file_moves();
                }
                for control in controls {
                    self.call.say_of_file(control);
                }
                self.call.show_all(events.into_iter().map(Event::File));
            }
            Action::WithholdNonce(why) => {
                self.call.withhold_nonce();
                self.call.show(why);
            }
            Action::Remark(remark, events) => {
                self.call.remark(remark);
                self.call.show_all(events);
            }
            Action::HangUp => self.call.hang_up(),
            Action::GiveUp(disconnect) => self.call.give_up(disconnect),
        }
    }

    /// Goes on over another connection, unless it was made before the present one.
    fn resume(&mut self, connected: Connected) {
        match connected.handshake {
            // Plain lines cannot resume a call.
            None => self.call.give_up(Disconnect::Cut),
            Some(handshake) => {
                if self.call.connected(handshake) {
                    self.connection = Some(connected.connection);
                    if self.routes.is_some() && connected.routes.is_none() {
                        self.call.show(Event::Route(None));
                    }
                    self.routes = connected.routes;
                    show_route(&mut self.call, &self.routes);
                } else if self.connection.is_none() {
                    // It was not held up: the peer has lost what it had written down.
                    tokio::spawn(connected.connection.refuse(RefusalCode::NoSession));
                }
            }
        }
    }

    /// Shows the person why the call is over, and closes the connection in good order. From the
    /// exit code of `shutdown` on, this takes 2 s at most. Returns also why the last of the call
    /// could not be recorded, if it could not.
    pub async fn end<F>(
        self,
        reason: CloseReason,
        shutdown: Pin<&mut F>,
    ) -> (Outcome, Option<JournalError>)
    where
        F: Future<Output = u8>,
    {
        let mut end = pin!(self.call.end(reason, self.connection));
        tokio::select! {
            (ended, unrecorded) = &mut end => {
                let interrupted = self.interrupted.map(Outcome::Interrupted);
                (interrupted.unwrap_or(Outcome::Ended(ended)), unrecorded)
            }
            code = shutdown, if self.interrupted.is_none() => {
                let ended = timeout(FINAL_FLUSH_TIMEOUT, end).await;
                if ended.is_err() {
                    tracing::debug!("the end of the call was not shown in time");
                }
                let unrecorded = ended.ok().and_then(|(_, unrecorded)| unrecorded);
                (Outcome::Interrupted(code), unrecorded)
            }
        }
    }
}

/// Shows which way the bytes take, where there are several.
fn show_route<In: Source, Out: Sink>(call: &mut CallDriver<'_, In, Out>, routes: &Option<Routes>) {
    if let Some(routes) = routes {
        let route = *routes.borrow();
        tracing::info!(?route, "the way to the peer");
        call.show(Event::Route(Some(route)));
    }
}

/// Waits until the bytes take another way, or for ever if there is but one. Cancel safe.
async fn changed(routes: &mut Option<Routes>) {
    if let Some(routes) = routes
        && routes.changed().await.is_ok()
    {
        return;
    }
    pending().await
}
