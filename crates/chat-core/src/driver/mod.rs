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
mod person;
mod run;

use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::protocol::{
    CloseReason, ConnectionStatus, Disconnect, Ended, Event, Handshake, Linger, Peer, Protocol,
    ProtocolError, SendError, Side,
};
use crate::wire::{Control, Cookie};

pub use connection::{BoxConnection, Connection};
pub use person::{Command, Input, Sink, Source};
pub use run::{Action, Connected, Host, Outcome, RESUME_WINDOW, Runner};

/// How long a person who hangs up waits for a screen or pipe that has stalled.
const FINAL_FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// How this side behaves in a call.
#[derive(Clone, Debug, Default)]
pub struct CallConfig {
    /// Hang up when the peer has sent no text for this long.
    pub idle_timeout: Option<Duration>,
    /// Hang up at the end of input, instead of listening on.
    pub send_only: bool,
    /// A person is there: input is always read, and what does not fit is reported. Without one,
    /// input is not read while too much waits to be delivered.
    pub interactive: bool,
    /// Before hanging up, wait until everything has arrived, as long as there is progress.
    pub graceful: bool,
}

/// Why the driver gives control back.
#[derive(Debug)]
pub enum Step {
    /// The person gave a command. Drive on afterwards.
    Command(Command),
    /// Both sides have said hello: the peer's name is known now. Show the call.
    Established(Peer),
    /// The peer resumes the call over this connection, or says that this side is queued.
    Answered,
    /// The connection is lost, but the call can be resumed over another.
    Disconnected,
    /// The call is over.
    Ended(CloseReason),
}

/// What the driver waited for.
enum Ready {
    /// Bytes were read, or else written.
    Io(io::Result<bool>),
    Input(io::Result<Input>),
    Flushed(io::Result<()>),
    Alarm,
}

/// A call between a person and a peer, over one connection or several in a row.
///
/// It owns no task and no channel: dropping [`drive`](Self::drive) between two polls loses
/// nothing, so it can stand in a `select!`.
pub struct CallDriver<'p, In, Out> {
    protocol: Box<dyn Protocol>,
    config: CallConfig,
    source: &'p mut In,
    sink: &'p mut Out,
    /// The source may say more.
    source_open: bool,
    events: Vec<Event>,
    /// The sink has something to flush.
    showing: bool,
    /// Some of it is text of the peer.
    showing_text: bool,
    /// The sink takes no more text.
    sink_closed: bool,
    /// When bytes were last received.
    last_heard: Instant,
    /// When text was last received and shown.
    last_text: Instant,
    /// Text of the peer was shown.
    heard_text: bool,
    /// This side hangs up because the peer was silent for too long.
    idle: bool,
    /// The digits of the safety number, once they were shown.
    safety_number: Option<String>,
    /// What lets the next connection through.
    cookie: Option<Cookie>,
    /// This side hangs up and has no time to wait.
    hasty: bool,
    /// This side hangs up because its input failed.
    failure: Option<io::Error>,
}

impl<'p, In: Source, Out: Sink> CallDriver<'p, In, Out> {
    /// A new call.
    pub fn new(
        protocol: Box<dyn Protocol>,
        config: CallConfig,
        source: &'p mut In,
        sink: &'p mut Out,
    ) -> Self {
        tracing::info!(chat1 = protocol.counts_messages(), "a call begins");
        source.begin(protocol.counts_messages());
        Self {
            protocol,
            config,
            source,
            sink,
            source_open: true,
            events: Vec::new(),
            showing: false,
            showing_text: false,
            sink_closed: false,
            last_heard: Instant::now(),
            last_text: Instant::now(),
            heard_text: false,
            idle: false,
            safety_number: None,
            cookie: None,
            hasty: false,
            failure: None,
        }
    }

    /// Shows the person an event that does not come from the protocol.
    pub fn show(&mut self, event: Event) {
        // Text has nowhere to go; a notice may still be shown, on stderr say.
        if self.sink_closed && matches!(event, Event::Lines(_) | Event::Message(_)) {
            return;
        }
        self.sink.show(event);
        self.showing = !self.sink_closed;
    }

    /// Shows several of them.
    pub fn show_all(&mut self, events: impl IntoIterator<Item = Event>) {
        events.into_iter().for_each(|event| self.show(event));
    }

    /// Hangs up without waiting for the person's side; drive on until the call has ended.
    pub fn hang_up(&mut self) {
        self.hasty = true;
        self.protocol
            .hang_up(Linger::Brief, Instant::now().into_std());
    }

    /// There is a new connection, the first or a later one; drive on over it.
    ///
    /// # Errors
    /// The peer's hello violates the protocol.
    pub fn connected(&mut self, handshake: Handshake) -> Result<(), ProtocolError> {
        tracing::info!(called = handshake.hello.is_some(), "connected");
        let now = Instant::now().into_std();
        self.protocol.connected(handshake, &mut self.events, now)
    }

    /// Whether a connection was made before the present one, and was only delivered later.
    pub fn is_stale(&self, handshake: &Handshake) -> bool {
        self.protocol.is_stale(handshake)
    }

    /// When bytes were last received, text or not.
    pub fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// Whether the peer has said anything.
    pub fn has_heard_text(&self) -> bool {
        self.heard_text
    }

    /// The digits of this call's safety number, once they were shown.
    pub fn safety_number(&self) -> Option<&str> {
        self.safety_number.as_deref()
    }

    /// What the dialer shows in its next handshake of this call, once that is known.
    pub fn cookie(&self) -> Option<Cookie> {
        self.cookie
    }

    /// What to tell a peer that reconnects after this side has hung up.
    pub fn final_ack(&self) -> Vec<Control> {
        self.protocol.final_ack()
    }

    /// The connection is gone, or replaced. Returns why the call is over, if that ends it.
    pub fn disconnected(&mut self, disconnect: Disconnect) -> Option<CloseReason> {
        tracing::info!(%disconnect, "the connection is gone");
        let reason = self
            .protocol
            .disconnected(disconnect, Instant::now().into_std());
        reason.map(|reason| self.explained(reason))
    }

    /// No other connection can be made. Returns why the call is over.
    pub fn give_up(&mut self, disconnect: Disconnect) -> CloseReason {
        let reason = self.protocol.give_up(disconnect);
        self.explained(reason)
    }

    /// Runs a whole call over one connection, for a source without commands: a bot, a script.
    pub async fn run<S>(mut self, mut connection: Connection<S>) -> Arc<Ended>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let reason = loop {
            match self.drive(Some(&mut connection)).await {
                Step::Ended(reason) => break reason,
                Step::Disconnected => break Disconnect::Cut.into(),
                Step::Command(_) | Step::Established(_) | Step::Answered => {}
            }
        };
        self.end(reason, Some(connection)).await
    }

    /// Drives the call over `connection`, until the call or the connection ends or the program
    /// is needed.
    ///
    /// Both directions are read at once; neither waits for the other. While there is none,
    /// what the person says is kept, as much as the protocol has room for. Cancel safe.
    pub async fn drive<S>(&mut self, mut connection: Option<&mut Connection<S>>) -> Step
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
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
                    Some(Err(error)) => return Step::Ended(error.into()),
                    Some(Ok(false)) | None => break,
                }
            }
            if let Some(connection) = connection.as_deref_mut() {
                self.transmit(connection, now).await;
            }
            let written = connection.as_deref().is_none_or(Connection::is_written);
            if let Some(reason) = self.protocol.close_reason(written) {
                return Step::Ended(self.explained(reason));
            }
            if let Some(disconnect) = self.protocol.connection_lost() {
                return self.take_disconnect(disconnect);
            }
            let timeout = self.next_timeout(connection.as_deref());
            set_alarm(alarm.as_mut(), timeout);
            let ready = tokio::select! {
                read = drive_io(connection.as_deref_mut(), !self.showing) => Ready::Io(read),
                input = self.source.next(), if self.listens_to_person() => Ready::Input(input),
                flushed = self.sink.flushed(), if self.showing => Ready::Flushed(flushed),
                () = alarm.as_mut(), if timeout.is_some() => Ready::Alarm,
            };
            now = Instant::now();
            match ready {
                Ready::Io(Ok(true)) => {
                    self.last_heard = now;
                    self.protocol.heard(&mut self.events, now.into_std());
                }
                Ready::Io(Ok(false)) => {}
                Ready::Io(Err(error)) => {
                    // Frames that came before the loss still count, the hang-up above all.
                    if let Some(connection) = connection.as_deref_mut()
                        && let Err(error) = self.take_frames(connection, now)
                    {
                        return Step::Ended(error.into());
                    }
                    return self.take_disconnect(Disconnect::from(error));
                }
                Ready::Input(Ok(input)) => {
                    if let Some(step) = self.take_input(input, now) {
                        return step;
                    }
                }
                Ready::Input(Err(error)) => self.take_failure(error, now),
                Ready::Flushed(flushed) => self.take_flushed(flushed, now),
                Ready::Alarm => self.take_timeout(now),
            }
        }
    }

    /// Ends the call: shows the person why, and closes the connection in good order.
    ///
    /// Waits until everything is shown, but at most 2 s if it was the person who hung up.
    pub async fn end<S>(
        mut self,
        mut reason: CloseReason,
        mut connection: Option<Connection<S>>,
    ) -> Arc<Ended>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // Without receipts, only the end tells a pipe whether the last of it was read.
        if matches!(reason, CloseReason::HungUp(Side::Local))
            && self.config.graceful
            && self.protocol.loses_by_reset()
            && let Some(connection) = connection.take()
            && let Err(error) = connection.ended().await
        {
            reason = Disconnect::from(error).into();
        }
        let unacknowledged = self.protocol.unacknowledged();
        tracing::info!(%reason, unacknowledged = unacknowledged.len(), "the call is over");
        let ended = Arc::new(Ended {
            reason,
            unacknowledged,
        });
        while self.show_events().is_some() {}
        self.show(Event::Ended(Arc::clone(&ended)));
        let closed = async {
            if let Some(connection) = connection {
                connection.end().await;
            }
        };
        tokio::join!(self.final_flush(), closed);
        ended
    }

    async fn final_flush(&mut self) {
        if !self.showing {
            return;
        }
        let limit = self.hasty.then(|| Instant::now() + FINAL_FLUSH_TIMEOUT);
        tokio::select! {
            flushed = self.sink.flushed() => if let Err(error) = flushed {
                tracing::debug!(%error, "the end of the call was not shown");
            },
            () = sleep_until_some(limit) => {
                tracing::debug!("the end of the call was not shown in time");
            }
        }
    }

    /// Passes received frames to the protocol, unless the sink is busy. Returns whether there
    /// were any.
    fn take_frames<S>(
        &mut self,
        connection: &mut Connection<S>,
        now: Instant,
    ) -> Result<bool, ProtocolError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.showing {
            return Ok(false);
        }
        let now = now.into_std();
        let mut taken = false;
        while let Some(frame) = connection.frame()? {
            tracing::debug!(%frame, "received");
            self.protocol.receive(frame, &mut self.events, now)?;
            taken = true;
        }
        if connection.take_eof() {
            self.protocol.receive_eof(&mut self.events, now);
            taken = true;
        }
        Ok(taken)
    }

    /// Delivers queued events to the sink.
    fn show_events(&mut self) -> Option<Step> {
        let mut events = std::mem::take(&mut self.events);
        let mut rest = events.drain(..);
        let step = rest.find_map(|event| self.show_event(event));
        if step.is_some() {
            self.events = rest.collect();
        } else {
            // Empty, but with room for the next ones.
            drop(rest);
            self.events = events;
        }
        step
    }

    fn show_event(&mut self, event: Event) -> Option<Step> {
        let answered = matches!(
            event,
            Event::Connection(ConnectionStatus::Resumed { .. }) | Event::QueuePosition(_)
        );
        match event {
            Event::Established(peer) => return Some(Step::Established(peer)),
            Event::Cookie(cookie) => {
                self.cookie = Some(cookie);
                return None;
            }
            Event::Lines(_) | Event::Message(_) => {
                self.heard_text = true;
                self.showing_text = true;
            }
            Event::SafetyNumber { ref digits, .. } => self.safety_number = Some(digits.clone()),
            _ => {}
        }
        self.show(event);
        answered.then_some(Step::Answered)
    }

    /// Flushes the sink, if that is possible at once. If not, nothing more is read until it is
    /// done.
    async fn try_flush(&mut self, now: Instant) {
        if !self.showing {
            return;
        }
        match poll_once(self.sink.flushed()).await {
            Some(flushed) => self.take_flushed(flushed, now),
            None => self.protocol.set_paused(true, now.into_std()),
        }
    }

    /// Writes as much as is possible at once, then fills the write buffer again.
    async fn transmit<S>(&mut self, connection: &mut Connection<S>, now: Instant)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.fill(connection, now);
        if !connection.is_written() && poll_once(connection.drive_io(false)).await.is_some() {
            self.fill(connection, now);
        }
    }

    fn fill<S>(&mut self, connection: &mut Connection<S>, now: Instant)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let now = now.into_std();
        let raw = connection.is_raw();
        self.protocol
            .poll_transmit(raw, &mut connection.write_buffer, now);
        if self.protocol.wants_close() {
            connection.close();
        }
        if connection.is_written() {
            self.protocol.transmitted(now);
        }
    }

    fn listens_to_person(&self) -> bool {
        self.source_open && (self.config.interactive || self.protocol.has_room())
    }

    /// Handles an input, or returns it if it is for the program.
    fn take_input(&mut self, input: Input, at: Instant) -> Option<Step> {
        let now = at.into_std();
        match input {
            Input::Lines(_) | Input::Message(_) if !self.protocol.has_room() => {
                self.show(Event::SendFailed(input.into_text(), SendError::Full));
            }
            Input::Lines(lines) => {
                if let Err(unsayable) = self.protocol.say_lines(lines) {
                    self.take_failure(io::Error::other(unsayable), at);
                }
            }
            Input::Message(text) => {
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
            Input::Typing(typing) => self.protocol.typing(typing, now),
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
        self.failure = Some(error);
        self.protocol.hang_up(self.linger(), now.into_std());
    }

    fn take_flushed(&mut self, flushed: io::Result<()>, now: Instant) {
        self.showing = false;
        if std::mem::take(&mut self.showing_text) {
            self.last_text = now;
        }
        self.protocol.set_paused(false, now.into_std());
        let Err(error) = flushed else {
            return self.protocol.delivered_to_user(now.into_std());
        };
        // As with any pipe, a reader that leaves ends the call without a complaint.
        if error.kind() != io::ErrorKind::BrokenPipe {
            self.failure = Some(error);
        }
        self.sink_closed = true;
        self.protocol.hang_up(Linger::Brief, now.into_std());
    }

    fn take_disconnect(&mut self, disconnect: Disconnect) -> Step {
        match self.disconnected(disconnect) {
            Some(reason) => Step::Ended(reason),
            None => Step::Disconnected,
        }
    }

    fn next_timeout<S>(&self, connection: Option<&Connection<S>>) -> Option<Instant>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let protocol = self.protocol.timeout().map(Instant::from_std);
        let unterminated = connection
            .and_then(Connection::timeout)
            .filter(|_| !self.showing);
        [protocol, unterminated, self.idle_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the peer has been silent for too long. While text waits for the sink nothing is
    /// read, so silence means nothing.
    fn idle_at(&self) -> Option<Instant> {
        if self.showing_text {
            return None;
        }
        let limit = self.config.idle_timeout.filter(|_| !self.idle)?;
        self.last_text.checked_add(limit)
    }

    fn take_timeout(&mut self, now: Instant) {
        if self.idle_at().is_some_and(|at| at <= now) {
            self.idle = true;
            let limit = self.config.idle_timeout.unwrap_or_default();
            self.protocol.idle_timeout(limit, now.into_std());
        }
        if self
            .protocol
            .timeout()
            .is_some_and(|at| at <= now.into_std())
        {
            self.protocol
                .handle_timeout(&mut self.events, now.into_std());
        }
    }

    /// Replaces this side's own hang-up by the reason for it, if there is one.
    fn explained(&mut self, reason: CloseReason) -> CloseReason {
        if !matches!(reason, CloseReason::HungUp(Side::Local)) {
            return reason;
        }
        match (self.failure.take(), self.config.idle_timeout) {
            (Some(error), _) => CloseReason::Local(error),
            (None, Some(limit)) if self.idle => CloseReason::Idle(limit),
            (None, _) => reason,
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
async fn drive_io<S>(connection: Option<&mut Connection<S>>, reading: bool) -> io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
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
/// deadlines move away with every message, and resetting a timer each time costs more than an
/// early wake-up now and then.
fn set_alarm(alarm: Pin<&mut Sleep>, moment: Option<Instant>) {
    if let Some(moment) = moment
        && (alarm.is_elapsed() || moment < alarm.deadline())
    {
        alarm.reset(moment);
    }
}
