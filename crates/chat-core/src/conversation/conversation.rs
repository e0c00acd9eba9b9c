//! Drives a call: person, protocol and link, all read at once.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use super::{
    Command, Ended, Ending, Event, Input, Link, Loss, Protocol, ProtocolError, Side, Sink, Source,
};

/// How long a person who hangs up waits for a screen or pipe that takes nothing more.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// How this side behaves in a call.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    /// Hang up when the peer has said nothing for this long.
    pub idle_timeout: Option<Duration>,
    /// Hang up at the end of input, instead of listening on.
    pub send_only: bool,
    /// Before hanging up, wait until all that was said has arrived, however long that takes.
    /// A person hangs up at once; a pipe has time.
    pub patient: bool,
}

/// Why the driver gives control back.
#[derive(Debug)]
pub enum Step {
    /// The person wants something of the program. Drive on afterwards.
    Command(Command),
    /// The connection is gone, but the call is not: bring another.
    Cut,
    /// The call is over.
    Ended(Ending),
}

/// A call between a person and a peer, over one connection or several in a row.
///
/// It owns no task and no channel: dropping [`over`](Self::over) between two polls loses
/// nothing, so it can stand in a `select!`.
pub struct Conversation<'p, In, Out> {
    protocol: Box<dyn Protocol>,
    manners: Manners,
    source: &'p mut In,
    sink: &'p mut Out,
    /// The source may say more.
    source_open: bool,
    events: Vec<Event>,
    /// The sink has something to hand over.
    showing: bool,
    /// Nobody looks at the sink any more.
    unseen: bool,
    /// When the peer last said something.
    heard: Instant,
    /// This side hangs up because the peer was silent for too long.
    idle: bool,
    /// This side hangs up and has no time to wait.
    hasty: bool,
}

impl<'p, In: Source, Out: Sink> Conversation<'p, In, Out> {
    /// The start of a call.
    pub fn new(
        protocol: impl Protocol + 'static,
        manners: Manners,
        source: &'p mut In,
        sink: &'p mut Out,
    ) -> Self {
        Self {
            protocol: Box::new(protocol),
            manners,
            source,
            sink,
            source_open: true,
            events: Vec::new(),
            showing: false,
            unseen: false,
            heard: Instant::now(),
            idle: false,
            hasty: false,
        }
    }

    /// Shows the person something that is not the protocol's.
    pub fn show(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Ends the call politely; drive on until it has ended.
    pub fn hang_up(&mut self) {
        self.hasty = true;
        self.protocol.hang_up(false, Instant::now().into_std());
    }

    /// Holds a whole call over one connection, with somebody who gives no commands: a bot, a
    /// script.
    pub async fn hold<S>(mut self, mut link: Link<S>) -> Arc<Ended>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let ending = loop {
            match self.over(&mut link).await {
                Step::Ended(ending) => break ending,
                Step::Cut => break Loss::Cut.into(),
                Step::Command(_) => {}
            }
        };
        tokio::join!(self.conclude(ending), link.end()).0
    }

    /// Carries the call on over `link`, until it ends, the link does, or the person has a
    /// command. Both directions are read at once; neither waits for the other. Cancel safe.
    pub async fn over<S>(&mut self, link: &mut Link<S>) -> Step
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            if let Err(error) = self.take_frames(link) {
                return Step::Ended(error.into());
            }
            self.show_events();
            self.transmit(link);
            if let Some(ending) = self.protocol.ending(link.is_written()) {
                return Step::Ended(self.explained(ending));
            }
            let timeout = self.next_timeout(link);
            tokio::select! {
                moved = link.moved(!self.showing) => if let Err(error) = moved {
                    return self.take_loss(error, link);
                },
                input = self.source.next(), if self.source_open && self.protocol.has_room() => {
                    match input {
                        Ok(Input::Command(command)) => return Step::Command(command),
                        Ok(input) => self.take_input(input),
                        Err(error) => return Step::Ended(Ending::Local(error)),
                    }
                }
                flushed = self.sink.flushed(), if self.showing => {
                    if let Err(error) = self.take_flushed(flushed) {
                        return Step::Ended(Ending::Local(error));
                    }
                }
                () = at(timeout) => self.take_timeout(),
            }
        }
    }

    /// Tells the person how the call ended, and waits until everything is handed over; not for
    /// long, if it was the person who hung up.
    pub async fn conclude(mut self, ending: Ending) -> Arc<Ended> {
        let undelivered = self.protocol.undelivered();
        let ended = Arc::new(Ended {
            ending,
            undelivered,
        });
        self.show(Event::Ended(Arc::clone(&ended)));
        self.show_events();
        if self.showing {
            let limit = self.hasty.then(|| Instant::now() + LAST_LOOK);
            tokio::select! {
                flushed = self.sink.flushed() => if let Err(error) = flushed {
                    tracing::debug!(%error, "the end of the call was not shown");
                },
                () = at(limit) => tracing::debug!("the end of the call was not looked at"),
            }
        }
        ended
    }

    /// Lets the protocol take what came, unless the person's side is still busy with more.
    fn take_frames<S>(&mut self, link: &mut Link<S>) -> Result<(), ProtocolError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.showing {
            return Ok(());
        }
        let now = Instant::now().into_std();
        while let Some(frame) = link.frame()? {
            self.protocol.receive(frame, &mut self.events, now)?;
        }
        if link.take_end() {
            self.protocol.receive_end(&mut self.events, now);
        }
        Ok(())
    }

    /// Brings the events before the person. No more is read until that is done.
    fn show_events(&mut self) {
        for event in self.events.drain(..) {
            if matches!(event, Event::Lines(_) | Event::Message(_)) {
                self.heard = Instant::now();
            }
            if !self.unseen {
                self.sink.show(event);
                self.showing = true;
            }
        }
        if self.showing {
            self.protocol.listening(false, Instant::now().into_std());
        }
    }

    fn transmit<S>(&mut self, link: &mut Link<S>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let now = Instant::now().into_std();
        let raw = link.is_raw();
        self.protocol.transmit(raw, &mut link.outgoing, now);
        if self.protocol.closes() {
            link.close();
        }
        if link.is_written() {
            self.protocol.transmitted(now);
        }
    }

    fn take_input(&mut self, input: Input) {
        let now = Instant::now().into_std();
        match input {
            Input::Lines(lines) => self.protocol.say_lines(lines),
            Input::Say(text) => {
                if let Err(unsayable) = self.protocol.say(&text) {
                    self.show(Event::Unsaid(text, unsayable));
                }
            }
            Input::HangUp => {
                self.hasty = !self.manners.patient;
                self.protocol.hang_up(self.manners.patient, now);
            }
            Input::End => {
                self.source_open = false;
                if self.manners.send_only {
                    self.protocol.hang_up(true, now);
                } else {
                    self.protocol.finish();
                }
            }
            Input::Typing(typing) => self.protocol.typing(typing, now),
            Input::Command(_) => unreachable!("commands are the program's"),
        }
    }

    fn take_flushed(&mut self, flushed: io::Result<()>) -> io::Result<()> {
        let now = Instant::now().into_std();
        self.showing = false;
        self.heard = Instant::now();
        match flushed {
            Ok(()) => self.protocol.shown(now),
            // As with any pipe, a reader that leaves ends the call without a complaint.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.unseen = true;
                self.protocol.hang_up(false, now);
            }
            Err(error) => return Err(error),
        }
        self.protocol.listening(true, now);
        Ok(())
    }

    /// The link is gone; what it brought before that is still heard, the hang-up above all.
    fn take_loss<S>(&mut self, error: io::Error, link: &mut Link<S>) -> Step
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if let Err(error) = self.take_frames(link) {
            return Step::Ended(error.into());
        }
        let now = Instant::now().into_std();
        match self.protocol.disconnected(Loss::Io(error), now) {
            Some(ending) => Step::Ended(self.explained(ending)),
            None => Step::Cut,
        }
    }

    fn next_timeout<S>(&self, link: &Link<S>) -> Option<Instant>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let protocol = self.protocol.timeout().map(Instant::from_std);
        let alone = link.timeout().filter(|_| !self.showing);
        [protocol, alone, self.idle_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the peer was silent for too long. While the person's side is not done with what
    /// came, nobody listens, and the peer's silence means nothing.
    fn idle_at(&self) -> Option<Instant> {
        if self.showing {
            return None;
        }
        let limit = self.manners.idle_timeout.filter(|_| !self.idle)?;
        self.heard.checked_add(limit)
    }

    fn take_timeout(&mut self) {
        let now = Instant::now();
        if self.idle_at().is_some_and(|at| at <= now) {
            self.idle = true;
            let limit = self.manners.idle_timeout.unwrap_or_default();
            self.protocol.dismiss(limit, now.into_std());
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

    /// The reason behind this side's own hang-up, if there is one.
    fn explained(&self, ending: Ending) -> Ending {
        match (ending, self.manners.idle_timeout) {
            (Ending::HungUp(Side::Here), Some(limit)) if self.idle => Ending::Idle(limit),
            (ending, _) => ending,
        }
    }
}

/// Waits for a moment, or forever.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
