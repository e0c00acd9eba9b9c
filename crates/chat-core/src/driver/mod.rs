//! Drives a call: person, protocol and connection, all polled at once.
//!
//! [`CallDriver`] stands between
//! - the person: a [`Source`] of [`Input`] and a [`Sink`] of [`Event`]s;
//! - the [`Protocol`], a state machine without I/O;
//! - the [`Connection`]: any stream, with the codec on it.
//!
//! [`CallDriver::run`] runs a whole call over one connection. A program that answers commands,
//! or brings another connection when one is lost, is a [`Host`], for which a [`Runner`] drives the
//! call.

mod connection;
mod end;
mod hello;
mod person;
mod record;
mod requests;
mod run;

use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::journal::{Journal, JournalError};
use crate::protocol::{
    CloseReason, ConnectionStatus, Disconnect, Ended, Event, Handshake, Linger, Next, Outgoing,
    Protocol, ProtocolEvent, Recorded, Renewed, SendError, SinkState,
};
use crate::transport::{NAP, Stream, asleep};
use crate::wire::{Control, Cookie, LineError, Name, Presence, WriteBuffer};

use record::recorded;

pub use connection::{BoxConnection, Connection};
pub use hello::HelloError;
pub use person::{Command, Input, Sink, Source};
pub use run::{Action, Connected, Host, Outcome, RESUME_WINDOW, Renewal, Runner};

/// An alarm that rings this soon is left to ring, even for nothing. In a quick exchange, where
/// there is always an acknowledgement to send, none is further off.
const SOON: Duration = Duration::from_millis(100);

/// How this side behaves in a call.
#[derive(Clone, Debug, Default)]
pub struct CallConfig {
    /// Hang up when the peer has sent no text for this long, and no file moves.
    pub idle_timeout: Option<Duration>,
    /// What a peer without chat/1 reads before that hang-up, in one line.
    pub farewell: Option<String>,
    /// Hang up at the end of input, instead of listening on.
    pub send_only: bool,
    /// A person is there: input is always read, and what does not fit is reported. Without one,
    /// input is not read while too much waits to be delivered.
    pub interactive: bool,
    /// Before hanging up, wait until everything has arrived, as long as there is progress.
    pub graceful: bool,
    /// Whether the person is there, as a chat/1 peer is told.
    pub presence: Presence,
    /// A machine answers: what cannot be recorded is not taken, and ends the call.
    pub answering: bool,
    /// As the listener, neither show nor reveal a safety number before this moment.
    pub reveal_after: Option<std::time::Instant>,
}

/// Why the driver gives control back.
#[derive(Debug)]
pub enum Step {
    /// The person gave a command. Drive on afterwards.
    Command(Command),
    /// Both sides have said hello, and the peer calls itself this; it may be empty. Show the call.
    Established(Name),
    /// The peer calls itself something else from now on.
    Renamed(Name),
    /// The safety number was shown.
    NumberShown,
    /// The peer says this about a file.
    File(Control),
    /// The call goes on in a new session.
    Renewed(Renewed),
    /// Nothing is recorded any more, for this reason. The call goes on.
    Unrecorded(JournalError),
    /// The peer resumes the call over this connection, or says that this side is queued.
    Answered,
    /// The connection is in doubt: the call may go on over another; or no longer.
    Doubted(bool),
    /// The connection is lost, but the call can be resumed over another.
    Disconnected,
    /// The same, but in another session, because the peer does not know this one:
    /// [`CallDriver::renew`].
    Forgotten,
    /// The call is over.
    Ended(CloseReason),
}

/// What the driver waited for.
enum Ready {
    /// Bytes were read, or else written.
    Io(io::Result<bool>),
    Input(io::Result<Input>),
    Flushed(io::Result<()>),
    Recorded(Result<Recorded, JournalError>),
    Alarm,
}

/// Why this side hangs up.
#[derive(Debug, Default)]
enum CloseCause {
    /// The person wants to.
    #[default]
    User,
    /// The peer sent no text for this long.
    IdleTimeout(Duration),
    /// The source or the sink failed.
    Error(io::Error),
}

/// A call between a person and a peer, over one connection or several in a row.
///
/// It owns no task and no channel: dropping [`drive`](Self::drive) between two polls loses
/// nothing, so it can stand in a `select!`.
pub struct CallDriver<'p, In, Out> {
    protocol: Box<dyn Protocol>,
    /// What is said is written down here.
    journal: Option<Journal>,
    /// The disk does not keep up, and nothing is read meanwhile.
    disk_is_behind: bool,
    config: CallConfig,
    source: &'p mut In,
    sink: &'p mut Out,
    /// The source may say more.
    source_open: bool,
    sink_state: SinkState,
    /// When bytes were last received.
    last_heard: Instant,
    /// How long this machine had slept when the call last looked.
    asleep: Duration,
    /// When text was last shown; `None` while some is on its way to the person.
    last_text: Option<Instant>,
    close_cause: CloseCause,
    /// This side hangs up and has no time to wait.
    hasty: bool,
    /// The digits of the safety number, once they were shown.
    safety_number: Option<String>,
    /// What lets the next connection through.
    cookie: Option<Cookie>,
    /// A word was said, by this side or the other.
    conversed: bool,
}

impl<'p, In: Source, Out: Sink> CallDriver<'p, In, Out> {
    /// A new call.
    pub fn new(
        mut protocol: Box<dyn Protocol>,
        config: CallConfig,
        source: &'p mut In,
        sink: &'p mut Out,
    ) -> Self {
        let chat1 = protocol.session().is_some();
        tracing::info!(chat1, "a call begins");
        source.begin(chat1);
        Self {
            protocol,
            journal: None,
            disk_is_behind: false,
            config,
            source,
            sink,
            source_open: true,
            sink_state: SinkState::Idle,
            last_heard: Instant::now(),
            asleep: asleep(),
            last_text: Some(Instant::now()),
            close_cause: CloseCause::User,
            hasty: false,
            safety_number: None,
            cookie: None,
            conversed: false,
        }
    }

    /// Shows the person an event.
    pub fn show(&mut self, event: Event) {
        if let Event::Lines(_) | Event::Message(_) = event {
            // Text has nowhere to go; a notice may still be shown, on stderr say.
            if self.sink_state == SinkState::Closed {
                return;
            }
            self.last_text = None;
        }
        self.sink.show(event);
        if self.sink_state == SinkState::Idle {
            self.sink_state = SinkState::Busy;
        }
    }

    /// Shows several of them.
    pub fn show_all(&mut self, events: impl IntoIterator<Item = Event>) {
        events.into_iter().for_each(|event| self.show(event));
    }

    /// There is a new connection, the first or a later one. Returns whether to drive on over it:
    /// not if it was made before the present one, and was only delivered later.
    pub fn connected(&mut self, handshake: Handshake) -> bool {
        let called = handshake.hello.is_some();
        let now = Instant::now().into_std();
        self.notice_sleep();
        let taken = self.protocol.connected(handshake, now);
        tracing::info!(called, taken, "connected");
        taken
    }

    /// Tells the session of a sleep of this machine. To be called before a connection comes or
    /// goes, and often enough beside that: what was slept before the peer was last heard does not
    /// count.
    fn notice_sleep(&mut self) {
        let before = std::mem::replace(&mut self.asleep, asleep());
        let slept = self.asleep.saturating_sub(before);
        if let Some(session) = self.protocol.session().filter(|_| slept >= NAP) {
            session.slept(slept);
        }
    }

    /// Runs a whole call over one connection, for a source without commands: a bot, a script.
    pub async fn run<S: Stream>(mut self, mut connection: Connection<S>) -> Arc<Ended> {
        loop {
            let step = self.drive(Some(&mut connection)).await;
            if let Some(reason) = self.take_step(step) {
                let (ended, _) = self.end(reason, Some(connection)).await;
                return ended;
            }
        }
    }

    /// Does what a call over one connection needs after a step. Returns why it is over, once it is.
    pub(crate) fn take_step(&mut self, step: Step) -> Option<CloseReason> {
        match step {
            Step::Ended(reason) => return Some(reason),
            Step::File(control) => self.decline_file(control),
            Step::Disconnected | Step::Forgotten => self.give_up(Disconnect::Cut),
            Step::Command(_)
            | Step::Established(_)
            | Step::Renamed(_)
            | Step::Renewed(_)
            | Step::Unrecorded(_)
            | Step::NumberShown
            | Step::Answered
            | Step::Doubted(_) => {}
        }
        None
    }

    /// Drives the call over `connection`, until the call or the connection ends or the program
    /// is needed.
    ///
    /// Both directions are read at once; neither waits for the other. While there is none,
    /// what the person says is kept, as much as the protocol has room for. Cancel safe.
    pub async fn drive<S: Stream>(&mut self, mut connection: Option<&mut Connection<S>>) -> Step {
        let mut now = Instant::now();
        let mut alarm = pin!(sleep_until(now));
        loop {
            // First everything that needs no waiting: each wait costs a turn of the runtime.
            loop {
                if let Some(step) = self.show_events() {
                    return step;
                }
                self.try_flush(now).await;
                match connection
                    .as_deref_mut()
                    .map(|connection| self.take_frames(connection, now))
                {
                    Some(Ok(true)) => {}
                    Some(Err(error)) => return Step::Ended(CloseReason::Protocol(error.into())),
                    Some(Ok(false)) | None => break,
                }
            }
            self.record_entries(now);
            let next = match connection.as_deref_mut() {
                Some(connection) => self.transmit(connection, now).await,
                None => self.poll_unconnected(now),
            };
            match next {
                Next::Wait | Next::Close => {}
                Next::Lost(disconnect) => return self.disconnected(disconnect, now),
                Next::Ended(reason) => return Step::Ended(self.explained(reason)),
            }
            let timeout = self.next_timeout(connection.as_deref());
            set_alarm(alarm.as_mut(), timeout, now);
            let ready = tokio::select! {
                read = drive_io(connection.as_deref_mut(), self.reads()) => Ready::Io(read),
                input = self.source.next(), if self.listens_to_person() => Ready::Input(input),
                flushed = self.sink.flushed(), if self.is_showing() => Ready::Flushed(flushed),
                recorded = recorded(&mut self.journal) => Ready::Recorded(recorded),
                () = alarm.as_mut(), if timeout.is_some() => Ready::Alarm,
            };
            now = Instant::now();
            match ready {
                Ready::Io(Ok(true)) => {
                    self.last_heard = now;
                    self.protocol.heard(now.into_std());
                }
                Ready::Io(Ok(false)) => {}
                Ready::Io(Err(error)) => {
                    // Frames that came before the loss still count, the hang-up above all.
                    if let Some(connection) = connection.as_deref_mut()
                        && let Err(error) = self.take_frames(connection, now)
                    {
                        return Step::Ended(CloseReason::Protocol(error.into()));
                    }
                    return self.disconnected(error.into(), now);
                }
                Ready::Input(Ok(input)) => {
                    if let Some(step) = self.take_input(input, now) {
                        return step;
                    }
                }
                Ready::Input(Err(error)) => self.take_failure(error, now),
                Ready::Flushed(flushed) => self.take_flushed(flushed, now),
                Ready::Recorded(Ok(recorded)) => {
                    if let Some(session) = self.protocol.session() {
                        session.recorded(recorded, now.into_std());
                    }
                }
                Ready::Recorded(Err(error)) => return self.take_unrecorded(error, now),
                Ready::Alarm => self.take_timeout(now),
            }
        }
    }

    /// Passes received frames to the protocol, unless the sink is busy. Returns whether there
    /// were any.
    fn take_frames<S: Stream>(
        &mut self,
        connection: &mut Connection<S>,
        now: Instant,
    ) -> Result<bool, LineError> {
        if !self.reads() {
            return Ok(false);
        }
        let now = now.into_std();
        let mut taken = false;
        while let Some(frame) = connection.frame()? {
            tracing::debug!(%frame, "received");
            self.protocol.receive(Some(frame), now);
            taken = true;
        }
        if connection.take_eof() {
            self.protocol.receive(connection.end_of_stream(), now);
            taken = true;
        }
        Ok(taken)
    }

    /// Delivers the protocol's events to the sink.
    fn show_events(&mut self) -> Option<Step> {
        while let Some(event) = self.protocol.poll_event() {
            let event = match event {
                ProtocolEvent::Established(name) => return Some(Step::Established(name)),
                ProtocolEvent::Renamed(name) => return Some(Step::Renamed(name)),
                ProtocolEvent::Renewed(renewed) => return Some(Step::Renewed(renewed)),
                ProtocolEvent::Cookie(cookie) => {
                    self.cookie = Some(cookie);
                    continue;
                }
                ProtocolEvent::File(control) => return Some(Step::File(control)),
                ProtocolEvent::Doubted(doubted) => {
                    tracing::debug!(doubted, "the connection is in doubt");
                    return Some(Step::Doubted(doubted));
                }
                ProtocolEvent::Show(event) => event,
            };
            self.conversed |= matches!(event, Event::Lines(_) | Event::Message(_));
            let step = match &event {
                Event::Connection(ConnectionStatus::Resumed { .. }) | Event::QueuePosition(_) => {
                    Some(Step::Answered)
                }
                Event::SafetyNumber { digits, .. } => {
                    self.safety_number = Some(digits.clone());
                    Some(Step::NumberShown)
                }
                _ => None,
            };
            self.show(event);
            if step.is_some() {
                return step;
            }
        }
        None
    }

    /// Whether the sink has something to flush. Meanwhile nothing is read.
    fn is_showing(&self) -> bool {
        self.sink_state == SinkState::Busy
    }

    /// Whether the peer is read.
    fn reads(&self) -> bool {
        !self.is_showing() && !self.disk_is_behind
    }

    /// Flushes the sink, if that is possible at once.
    async fn try_flush(&mut self, now: Instant) {
        if !self.is_showing() {
            return;
        }
        match poll_once(self.sink.flushed()).await {
            Some(flushed) => self.take_flushed(flushed, now),
            None => self.protocol.sink_changed(SinkState::Busy, now.into_std()),
        }
    }

    /// Writes as much as is possible at once, then fills the write buffer again.
    async fn transmit<S: Stream>(&mut self, connection: &mut Connection<S>, now: Instant) -> Next {
        let next = self.fill(connection, now);
        let goes_on = matches!(next, Next::Wait | Next::Close) && !connection.is_written();
        if goes_on && poll_once(connection.drive_io(false)).await.is_some() {
            return self.fill(connection, now);
        }
        next
    }

    fn fill<S: Stream>(&mut self, connection: &mut Connection<S>, now: Instant) -> Next {
        let (out, now) = (connection.outgoing(), now.into_std());
        let next = self.protocol.poll_transmit(out, now);
        if let Next::Close = next {
            connection.close();
        }
        next
    }

    /// What comes next without a connection.
    fn poll_unconnected(&mut self, now: Instant) -> Next {
        let nowhere = Outgoing {
            buffer: &mut WriteBuffer::default(),
            written: true,
            raw: false,
        };
        self.protocol.poll_transmit(nowhere, now.into_std())
    }

    fn listens_to_person(&self) -> bool {
        let has_room = self.protocol.has_room() && !self.disk_is_behind;
        self.source_open && (self.config.interactive || has_room)
    }

    /// Handles an input, or returns it if it is for the program.
    fn take_input(&mut self, input: Input, at: Instant) -> Option<Step> {
        let now = at.into_std();
        match input {
            Input::Lines(_) | Input::Message(_) if !self.protocol.has_room() => {
                self.show(Event::SendFailed(input.into_text(), SendError::Full));
            }
            Input::Lines(lines) => {
                self.conversed = true;
                if let Err(unsayable) = self.protocol.say_lines(lines) {
                    self.take_failure(io::Error::other(unsayable), at);
                }
            }
            Input::Message(text) => {
                self.conversed = true;
                if let Err(unsayable) = self.protocol.say(&text) {
                    self.show(Event::SendFailed(text, unsayable));
                }
            }
            Input::HangUp => {
                self.hasty = !self.config.graceful;
                self.protocol.hang_up(self.linger(), now);
            }
            Input::Eof => {
                self.source_open = false;
                if self.config.send_only {
                    self.protocol.hang_up(Linger::Endless, now);
                } else {
                    self.protocol.finish();
                }
            }
            Input::Typing(typing) => self.protocol.typing(typing),
            Input::Suspended(suspended) => self.protocol.suspended(suspended),
            Input::Command(command) => return Some(Step::Command(command)),
        }
        None
    }

    fn linger(&self) -> Linger {
        match self.config.graceful {
            true => Linger::Steady,
            false => Linger::Brief,
        }
    }

    /// The source failed: what it brought before is still delivered.
    fn take_failure(&mut self, error: io::Error, now: Instant) {
        self.source_open = false;
        self.close_cause = CloseCause::Error(error);
        self.protocol.hang_up(self.linger(), now.into_std());
    }

    fn take_flushed(&mut self, flushed: io::Result<()>, now: Instant) {
        self.last_text.get_or_insert(now);
        self.sink_state = match flushed.is_ok() {
            true => SinkState::Idle,
            false => SinkState::Closed,
        };
        self.protocol.sink_changed(self.sink_state, now.into_std());
        let Err(error) = flushed else { return };
        // As with any pipe, a reader that leaves ends the call without a complaint.
        if error.kind() != io::ErrorKind::BrokenPipe {
            self.close_cause = CloseCause::Error(error);
        }
        self.protocol.hang_up(Linger::Brief, now.into_std());
    }

    fn disconnected(&mut self, disconnect: Disconnect, now: Instant) -> Step {
        tracing::info!(%disconnect, "the connection is gone");
        self.notice_sleep();
        let forgotten = disconnect.is_forgotten();
        self.protocol.disconnected(disconnect, true, now.into_std());
        match self.poll_unconnected(now) {
            Next::Ended(reason) => Step::Ended(self.explained(reason)),
            _ if forgotten => Step::Forgotten,
            _ => Step::Disconnected,
        }
    }

    fn next_timeout<S: Stream>(&self, connection: Option<&Connection<S>>) -> Option<Instant> {
        let protocol = self.protocol.timeout().map(Instant::from_std);
        let unterminated = connection
            .and_then(Connection::timeout)
            .filter(|_| !self.is_showing());
        [protocol, unterminated, self.idle_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the peer has been silent for too long. While text waits for the sink nothing is
    /// read, so silence means nothing.
    fn idle_at(&self) -> Option<Instant> {
        match self.close_cause {
            CloseCause::User => self.last_text?.checked_add(self.config.idle_timeout?),
            CloseCause::IdleTimeout(_) | CloseCause::Error(_) => None,
        }
    }

    fn take_timeout(&mut self, at: Instant) {
        let now = at.into_std();
        self.notice_sleep();
        if let Some(limit) = self.config.idle_timeout
            && self.idle_at().is_some_and(|idle_at| idle_at <= at)
        {
            self.close_cause = CloseCause::IdleTimeout(limit);
            self.protocol.idle_timeout(limit, now);
        }
        if self.protocol.timeout().is_some_and(|at| at <= now) {
            self.protocol.handle_timeout(now);
        }
    }
}

/// The output of a future that is ready at its first poll.
async fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

/// Waits for I/O on the connection, or forever if there is none.
async fn drive_io<S: Stream>(
    connection: Option<&mut Connection<S>>,
    reading: bool,
) -> io::Result<bool> {
    match connection {
        Some(connection) => connection.drive_io(reading).await,
        None => pending().await,
    }
}

/// Sleeps until `moment`, or forever if there is none. Cancel safe.
pub async fn sleep_until_some(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

/// Makes sure that the alarm rings by `moment`. It may ring too early and is then set again:
/// deadlines move away with every message, and setting a timer each time costs more than an early
/// wake-up. One that is far off is moved: a call in which nobody speaks should sleep until the next
/// ping.
fn set_alarm(mut alarm: Pin<&mut Sleep>, moment: Option<Instant>, now: Instant) {
    let Some(moment) = moment else { return };
    if alarm.is_elapsed() || moment < alarm.deadline() {
        alarm.reset(moment);
    } else if alarm.deadline() > now + SOON && alarm.deadline() < moment {
        // A reset to a later time would leave the old one with the runtime, which still wakes up.
        alarm.set(sleep_until(moment));
    }
}
