//! Drives a call: person, protocol and link, all read at once.

mod connection;
mod person;

use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::protocol::{
    Contact, Ended, Ending, Event, LinkState, Loss, Patience, Peer, Protocol, ProtocolError, Side,
    Unsayable,
};
use crate::wire::Control;

pub use connection::{AnyLink, Link};
pub use person::{Command, Input, Sink, Source};

/// How long a person who hangs up waits for a screen or pipe that takes nothing more.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// How this side behaves in a call.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    /// Hang up when the peer has said nothing for this long.
    pub idle_timeout: Option<Duration>,
    /// Hang up at the end of input, instead of listening on.
    pub send_only: bool,
    /// A person is there, who is always listened to and told when too much waits to be
    /// delivered. A pipe is not read further instead.
    pub attended: bool,
    /// Before hanging up, wait until all that was said has arrived, as long as it goes on.
    /// A person hangs up at once; a pipe has time.
    pub patient: bool,
}

/// Why the driver gives control back.
#[derive(Debug)]
pub enum Step {
    /// The person wants something of the program. Drive on afterwards.
    Command(Command),
    /// Both sides have said hello: the peer's name is known now. Show the call.
    Met(Peer),
    /// The peer goes on with the call over this connection, or says that it has to wait.
    Answered,
    /// The connection is gone, but the call is not: bring another.
    Cut,
    /// The call is over.
    Ended(Ending),
}

/// What a call waited for.
enum News {
    /// Bytes were read, or else written.
    Moved(io::Result<bool>),
    Input(io::Result<Input>),
    Flushed(io::Result<()>),
    Alarm,
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
    /// And it is something that the peer said.
    showing_text: bool,
    /// The sink no longer takes what the peer says.
    unseen: bool,
    /// When bytes of the peer last came.
    heard: Instant,
    /// When the peer last said something.
    spoken: Instant,
    /// This side hangs up because the peer was silent for too long.
    idle: bool,
    /// The person was shown the safety number.
    numbered: bool,
    /// This side hangs up and has no time to wait.
    hasty: bool,
    /// This side hangs up because its input failed.
    failure: Option<io::Error>,
}

impl<'p, In: Source, Out: Sink> Conversation<'p, In, Out> {
    /// The start of a call.
    pub fn new(
        protocol: Box<dyn Protocol>,
        manners: Manners,
        source: &'p mut In,
        sink: &'p mut Out,
    ) -> Self {
        tracing::info!(chat1 = protocol.counts_messages(), "a call begins");
        source.begin(protocol.counts_messages());
        Self {
            protocol,
            manners,
            source,
            sink,
            source_open: true,
            events: Vec::new(),
            showing: false,
            showing_text: false,
            unseen: false,
            heard: Instant::now(),
            spoken: Instant::now(),
            idle: false,
            numbered: false,
            hasty: false,
            failure: None,
        }
    }

    /// Shows the person something that is not the protocol's.
    pub fn show(&mut self, event: Event) {
        // What the peer says is lost; a notice may go another way.
        if self.unseen && matches!(event, Event::Lines(_) | Event::Message(_)) {
            return;
        }
        self.sink.show(event);
        self.showing = !self.unseen;
    }

    /// Shows several of them.
    pub fn show_all(&mut self, events: impl IntoIterator<Item = Event>) {
        events.into_iter().for_each(|event| self.show(event));
    }

    /// Ends the call politely; drive on until it has ended.
    pub fn hang_up(&mut self) {
        self.hasty = true;
        self.protocol
            .hang_up(Patience::Brief, Instant::now().into_std());
    }

    /// There is a connection, the first or another; drive on over it.
    ///
    /// # Errors
    /// The peer's hello cannot be true.
    pub fn connected(&mut self, contact: Contact) -> Result<(), ProtocolError> {
        tracing::info!(called = contact.hello.is_some(), "a connection of the call");
        let now = Instant::now().into_std();
        self.protocol.connected(contact, &mut self.events, now)
    }

    /// Whether a connection was made before one that is known already, and came late.
    pub fn is_outdated(&self, contact: &Contact) -> bool {
        self.protocol.is_outdated(contact)
    }

    /// When bytes of the peer last came, text or not.
    pub fn last_heard(&self) -> Instant {
        self.heard
    }

    /// Whether the two people have anything to compare.
    pub fn has_safety_number(&self) -> bool {
        self.numbered
    }

    /// What a peer is told that comes back when this side has hung up.
    pub fn last_words(&self) -> Vec<Control> {
        self.protocol.last_words()
    }

    /// The connection has been replaced, or will not come back. Answers how the call ended by
    /// that, if it did.
    pub fn disconnected(&mut self, loss: Loss) -> Option<Ending> {
        tracing::info!(%loss, "the connection is gone");
        let ending = self.protocol.disconnected(loss, Instant::now().into_std());
        ending.map(|ending| self.explained(ending))
    }

    /// No other connection is to be had. Answers how the call ended by that.
    pub fn give_up(&mut self, loss: Loss) -> Ending {
        let ending = self.protocol.give_up(loss);
        self.explained(ending)
    }

    /// Holds a whole call over one connection, with somebody who gives no commands: a bot, a
    /// script.
    pub async fn hold<S>(mut self, mut link: Link<S>) -> Arc<Ended>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let ending = loop {
            match self.over(Some(&mut link)).await {
                Step::Ended(ending) => break ending,
                Step::Cut => break Loss::Cut.into(),
                Step::Command(_) | Step::Met(_) | Step::Answered => {}
            }
        };
        self.end(ending, Some(link)).await
    }

    /// Carries the call on over `link`, until it ends, the link does, or the program is needed.
    /// Both directions are read at once; neither waits for the other. While there is no link,
    /// what the person says is kept, as much as the protocol has room for. Cancel safe.
    pub async fn over<S>(&mut self, mut link: Option<&mut Link<S>>) -> Step
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut now = Instant::now();
        let mut alarm = pin!(sleep_until(now));
        loop {
            // All that needs no waiting is done before there is any: each wait costs a turn.
            loop {
                if let Some(step) = self.show_events() {
                    return step;
                }
                self.hand_over(now).await;
                match link.as_deref_mut().map(|link| self.take_frames(link, now)) {
                    Some(Ok(true)) => {}
                    Some(Err(error)) => return Step::Ended(error.into()),
                    Some(Ok(false)) | None => break,
                }
            }
            if let Some(link) = link.as_deref_mut() {
                self.transmit(link, now).await;
            }
            let written = link.as_deref().is_none_or(Link::is_written);
            if let Some(ending) = self.protocol.ending(written) {
                return Step::Ended(self.explained(ending));
            }
            if let Some(loss) = self.protocol.link_lost() {
                return self.take_loss(loss);
            }
            let timeout = self.next_timeout(link.as_deref());
            set(alarm.as_mut(), timeout);
            let news = tokio::select! {
                moved = moved(link.as_deref_mut(), !self.showing) => News::Moved(moved),
                input = self.source.next(), if self.listens_to_person() => News::Input(input),
                flushed = self.sink.flushed(), if self.showing => News::Flushed(flushed),
                () = alarm.as_mut(), if timeout.is_some() => News::Alarm,
            };
            now = Instant::now();
            match news {
                News::Moved(Ok(true)) => {
                    self.heard = now;
                    self.protocol.heard(&mut self.events, now.into_std());
                }
                News::Moved(Ok(false)) => {}
                News::Moved(Err(error)) => {
                    // What came before the loss is still heard, the hang-up above all.
                    if let Some(link) = link.as_deref_mut()
                        && let Err(error) = self.take_frames(link, now)
                    {
                        return Step::Ended(error.into());
                    }
                    return self.take_loss(Loss::from(error));
                }
                News::Input(Ok(input)) => {
                    if let Some(step) = self.take_input(input, now) {
                        return step;
                    }
                }
                News::Input(Err(error)) => self.take_failure(error, now),
                News::Flushed(flushed) => self.take_flushed(flushed, now),
                News::Alarm => self.take_timeout(now),
            }
        }
    }

    /// Ends the call: tells the person how it ended, and the connection in good order.
    ///
    /// Waits until everything is handed over; not for long, if it was the person who hung up.
    pub async fn end<S>(mut self, mut ending: Ending, mut link: Option<Link<S>>) -> Arc<Ended>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // Without receipts, only the end tells a pipe whether the last of it was read.
        if matches!(ending, Ending::HungUp(Side::Here))
            && self.manners.patient
            && self.protocol.loses_by_reset()
            && let Some(link) = link.take()
            && let Err(error) = link.ended().await
        {
            ending = Loss::from(error).into();
        }
        let undelivered = self.protocol.undelivered();
        tracing::info!(%ending, undelivered = undelivered.len(), "the call is over");
        let ended = Arc::new(Ended {
            ending,
            undelivered,
        });
        while self.show_events().is_some() {}
        self.show(Event::Ended(Arc::clone(&ended)));
        let closed = async {
            if let Some(link) = link {
                link.end().await;
            }
        };
        tokio::join!(self.last_look(), closed);
        ended
    }

    async fn last_look(&mut self) {
        if !self.showing {
            return;
        }
        let limit = self.hasty.then(|| Instant::now() + LAST_LOOK);
        tokio::select! {
            flushed = self.sink.flushed() => if let Err(error) = flushed {
                tracing::debug!(%error, "the end of the call was not shown");
            },
            () = at(limit) => tracing::debug!("the end of the call was not looked at"),
        }
    }

    /// Lets the protocol take what came, unless the person's side is still busy with more.
    /// Answers whether anything was taken.
    fn take_frames<S>(&mut self, link: &mut Link<S>, now: Instant) -> Result<bool, ProtocolError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.showing {
            return Ok(false);
        }
        let now = now.into_std();
        let mut taken = false;
        while let Some(frame) = link.frame()? {
            tracing::debug!(%frame, "received");
            self.protocol.receive(frame, &mut self.events, now)?;
            taken = true;
        }
        if link.take_end() {
            self.protocol.receive_end(&mut self.events, now);
            taken = true;
        }
        Ok(taken)
    }

    /// Brings the events before the person.
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
        let answered = matches!(event, Event::Link(LinkState::Back { .. }) | Event::Ahead(_));
        match event {
            Event::Call(peer) => return Some(Step::Met(peer)),
            Event::Lines(_) | Event::Message(_) => self.showing_text = true,
            Event::SafetyNumber { .. } => self.numbered = true,
            _ => {}
        }
        self.show(event);
        answered.then_some(Step::Answered)
    }

    /// Hands over what is shown, if that is possible at once. If it is not, no more is read
    /// until it was.
    async fn hand_over(&mut self, now: Instant) {
        if !self.showing {
            return;
        }
        match at_once(self.sink.flushed()).await {
            Some(flushed) => self.take_flushed(flushed, now),
            None => self.protocol.listening(false, now.into_std()),
        }
    }

    /// Writes what there is to say, as much as goes at once, and puts more of it on its way.
    async fn transmit<S>(&mut self, link: &mut Link<S>, now: Instant)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.fill(link, now);
        if !link.is_written() && at_once(link.moved(false)).await.is_some() {
            self.fill(link, now);
        }
    }

    fn fill<S>(&mut self, link: &mut Link<S>, now: Instant)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let now = now.into_std();
        let raw = link.is_raw();
        self.protocol.transmit(raw, &mut link.outgoing, now);
        if self.protocol.closes() {
            link.close();
        }
        if link.is_written() {
            self.protocol.transmitted(now);
        }
    }

    fn listens_to_person(&self) -> bool {
        self.source_open && (self.manners.attended || self.protocol.has_room())
    }

    /// Does what the person wants, or leaves it to the program.
    fn take_input(&mut self, input: Input, at: Instant) -> Option<Step> {
        let now = at.into_std();
        match input {
            Input::Lines(_) | Input::Say(_) if !self.protocol.has_room() => {
                self.show(Event::Unsaid(input.into_text(), Unsayable::NoRoom));
            }
            Input::Lines(lines) => {
                if let Err(unsayable) = self.protocol.say_lines(lines) {
                    self.take_failure(io::Error::other(unsayable), at);
                }
            }
            Input::Say(text) => {
                if let Err(unsayable) = self.protocol.say(&text) {
                    self.show(Event::Unsaid(text, unsayable));
                }
            }
            Input::HangUp => {
                self.hasty = !self.manners.patient;
                self.protocol.hang_up(self.patience(), now);
            }
            Input::End => {
                self.source_open = false;
                if self.manners.send_only {
                    self.protocol.hang_up(Patience::Endless, now);
                } else {
                    self.protocol.finish();
                }
            }
            Input::Typing(typing) => self.protocol.typing(typing, now),
            Input::Command(command) => return Some(Step::Command(command)),
        }
        None
    }

    fn patience(&self) -> Patience {
        match self.manners.patient {
            true => Patience::Steady,
            false => Patience::Brief,
        }
    }

    /// The person's input failed: what was said before is still delivered.
    fn take_failure(&mut self, error: io::Error, now: Instant) {
        self.source_open = false;
        self.failure = Some(error);
        self.protocol.hang_up(self.patience(), now.into_std());
    }

    fn take_flushed(&mut self, flushed: io::Result<()>, now: Instant) {
        self.showing = false;
        if std::mem::take(&mut self.showing_text) {
            self.spoken = now;
        }
        self.protocol.listening(true, now.into_std());
        let Err(error) = flushed else {
            return self.protocol.shown(now.into_std());
        };
        // As with any pipe, a reader that leaves ends the call without a complaint.
        if error.kind() != io::ErrorKind::BrokenPipe {
            self.failure = Some(error);
        }
        self.unseen = true;
        self.protocol.hang_up(Patience::Brief, now.into_std());
    }

    fn take_loss(&mut self, loss: Loss) -> Step {
        match self.disconnected(loss) {
            Some(ending) => Step::Ended(ending),
            None => Step::Cut,
        }
    }

    fn next_timeout<S>(&self, link: Option<&Link<S>>) -> Option<Instant>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let protocol = self.protocol.timeout().map(Instant::from_std);
        let alone = link.and_then(Link::timeout).filter(|_| !self.showing);
        [protocol, alone, self.idle_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the peer was silent for too long. While the person's side is not done with what
    /// came, nobody listens, and the peer's silence means nothing.
    fn idle_at(&self) -> Option<Instant> {
        if self.showing_text {
            return None;
        }
        let limit = self.manners.idle_timeout.filter(|_| !self.idle)?;
        self.spoken.checked_add(limit)
    }

    fn take_timeout(&mut self, now: Instant) {
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
    fn explained(&mut self, ending: Ending) -> Ending {
        if !matches!(ending, Ending::HungUp(Side::Here)) {
            return ending;
        }
        match (self.failure.take(), self.manners.idle_timeout) {
            (Some(error), _) => Ending::Local(error),
            (None, Some(limit)) if self.idle => Ending::Idle(limit),
            (None, _) => ending,
        }
    }
}

/// What a future comes to, if it gets there without waiting.
async fn at_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

/// Waits until the link has moved, or forever if there is none.
async fn moved<S>(link: Option<&mut Link<S>>, reading: bool) -> io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match link {
        Some(link) => link.moved(reading).await,
        None => pending().await,
    }
}

/// Waits for a moment, or forever if there is none. Cancel safe.
pub async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

/// Makes sure that the alarm rings by `moment`. It may ring too early, and is then set anew:
/// moments mostly move away with every message, and setting an alarm costs more than to let it
/// ring now and then for nothing.
fn set(alarm: Pin<&mut Sleep>, moment: Option<Instant>) {
    if let Some(moment) = moment
        && (alarm.is_elapsed() || moment < alarm.deadline())
    {
        alarm.reset(moment);
    }
}
