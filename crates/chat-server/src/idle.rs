//! Between two calls: who comes next, and what the person does meanwhile.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use chat_core::blocking;
use chat_core::driver::{Command, Input, Sink, Source, sleep_until_some};
use chat_core::protocol::Event;
use chat_core::wire::{Refusal, RefusalCode};
use chat_terminal::locale;
use chat_terminal::peer;
use tokio::time::Instant;

use crate::Config;
use crate::accept::Caller;
use crate::limits::RateLimiter;
use crate::machine_call::{Answerer, RING};
use crate::queue::{Front, QueueEvent};
use crate::serve::CallLoop;

/// What happens between two calls.
enum Happening {
    /// Another caller, or none, is at the front of the queue.
    Front(Option<Front>),
    RangLongEnough,
    Input(Input),
    Flushed(io::Result<()>),
    Queue(QueueEvent),
    Shutdown(u8),
}

/// What comes of it.
enum Step {
    Wait,
    /// The caller with this number in the queue is answered.
    Answer(u64, Answerer),
    Quit,
}

/// The caller that rings.
struct Ringing {
    front: Front,
    /// When the machine answers, if there is one.
    machine_at: Option<Instant>,
}

impl<In: Source, Out: Sink> CallLoop<'_, In, Out> {
    /// Waits for the next caller, or for the person to quit.
    ///
    /// # Errors
    /// The person's side failed.
    pub(crate) async fn wait<F>(
        &mut self,
        mut shutdown: Pin<&mut F>,
    ) -> io::Result<Option<(Caller, Answerer)>>
    where
        F: Future<Output = u8>,
    {
        let queue = Arc::clone(&self.queue);
        let interactive = self.config.interactive;
        let mut ringing: Option<Ringing> = None;
        let mut flushed = false;
        loop {
            let seen = ringing.as_ref().map(|ringing| ringing.front.number);
            let machine_at = ringing.as_ref().and_then(|ringing| ringing.machine_at);
            let happening = tokio::select! {
                front = queue.front(seen) => Happening::Front(front),
                () = sleep_until_some(machine_at) => Happening::RangLongEnough,
                input = self.source.next(), if interactive => Happening::Input(input?),
                done = self.sink.flushed(), if !flushed => Happening::Flushed(done),
                Some(event) = self.events.recv() => Happening::Queue(event),
                code = shutdown.as_mut() => Happening::Shutdown(code),
            };
            flushed = matches!(happening, Happening::Flushed(_));
            match self.step(happening, &mut ringing).await? {
                Step::Wait => {}
                Step::Quit => return Ok(None),
                Step::Answer(number, answerer) => {
                    let has_rung = ringing.take().is_some();
                    let caller = queue.take(number).await;
                    if has_rung && (caller.is_none() || answerer == Answerer::Machine) {
                        self.sink.show(Event::RingingStopped);
                    }
                    if let Some(caller) = caller {
                        return Ok(Some((caller, answerer)));
                    }
                }
            }
        }
    }

    async fn step(
        &mut self,
        happening: Happening,
        ringing: &mut Option<Ringing>,
    ) -> io::Result<Step> {
        match happening {
            Happening::Front(front) => Ok(self.front(front, ringing)),
            Happening::RangLongEnough => Ok(match ringing {
                Some(ringing) => Step::Answer(ringing.front.number, Answerer::Machine),
                None => Step::Wait,
            }),
            Happening::Input(input) => {
                let step = match ringing.take() {
                    Some(rings) => self.input_while_ringing(input, rings, ringing).await,
                    None => self.input(input).await,
                };
                if self.has_messages && matches!(step, Step::Wait) {
                    self.show_messages().await?;
                }
                Ok(step)
            }
            // Nobody reads what the next caller says.
            Happening::Flushed(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Ok(Step::Quit)
            }
            Happening::Flushed(done) => done.map(|()| Step::Wait),
            Happening::Queue(event) => {
                self.tell(event);
                Ok(Step::Wait)
            }
            Happening::Shutdown(code) => {
                self.quitting = Some(code);
                Ok(Step::Quit)
            }
        }
    }

    /// Takes, or lets ring, who is at the front of the queue now.
    fn front(&mut self, front: Option<Front>, ringing: &mut Option<Ringing>) -> Step {
        if ringing.take().is_some() {
            self.sink.show(Event::RingingStopped);
        }
        match front {
            Some(front) if self.must_ring(&front) => {
                *ringing = self.ring(front);
                Step::Wait
            }
            Some(front) => Step::Answer(front.number, self.answerer()),
            None => Step::Wait,
        }
    }

    /// What the person does about the caller that rings.
    async fn input_while_ringing(
        &mut self,
        input: Input,
        rings: Ringing,
        ringing: &mut Option<Ringing>,
    ) -> Step {
        let number = rings.front.number;
        match input {
            input if answers(&input) => {
                *ringing = Some(rings);
                return Step::Answer(number, Answerer::Person);
            }
            Input::Command(Command::Decline(text)) => {
                self.queue.refuse(number, declined(text));
                self.sink.show(Event::RingingStopped);
            }
            Input::Command(Command::Block) => {
                self.queue.refuse(number, RefusalCode::Blocked.into());
                self.sink.show(Event::RingingStopped);
                let notice = peer::block(&self.keyring, &rings.front.peer).await;
                self.sink.show(Event::Notice(notice));
            }
            input => {
                *ringing = Some(rings);
                return self.input(input).await;
            }
        }
        Step::Wait
    }

    /// What the person does while nobody rings, or without regard to who does.
    async fn input(&mut self, input: Input) -> Step {
        match input {
            Input::Command(Command::Quit) => return Step::Quit,
            Input::Command(Command::Away(text)) => {
                let (presence, notice) = peer::away(&self.config.call_config.presence, text);
                self.queue.set_presence(presence.clone());
                self.config.call_config.presence = presence;
                self.sink.show(notice);
            }
            Input::Command(Command::Name(name)) => {
                let notice = locale::text().you_are_called(&name);
                self.config.name = name.as_str().into();
                self.sink.show(Event::Notice(notice));
            }
            Input::Command(Command::Peers) => {
                let keyring = self.keyring.clone();
                let peers = blocking(move || peer::list(&keyring)).await;
                self.sink.show(Event::Notice(peers));
            }
            input => {
                if let Some(notice) = notice_for(&input) {
                    self.sink.show(Event::Notice(notice.into()));
                }
            }
        }
        Step::Wait
    }

    /// Whether this caller is not connected before the person answers.
    fn must_ring(&self, front: &Front) -> bool {
        let Config {
            interactive,
            ring,
            once,
            ..
        } = self.config;
        let key = front.peer.security.fingerprint();
        if self.answerer() == Answerer::Machine || (key.is_some() && key == self.taken_over) {
            return false;
        }
        let wary = self.strangers.is_wary() && !once;
        let is_disturbed = ring || wary || self.source.has_draft();
        interactive && (self.config.answer.is_some() || !front.is_friend && is_disturbed)
    }

    /// Rings, unless nobody is there to be answered or it has rung too often.
    fn ring(&mut self, front: Front) -> Option<Ringing> {
        let refusal = if front.has_left {
            RefusalCode::Declined
        } else if let Some(suppressed) = self.notices.try_acquire() {
            if suppressed > 0 {
                self.sink
                    .show(Event::Notice(locale::text().left_out(suppressed)));
            }
            self.sink.show(Event::Ringing(front.peer.clone()));
            let machine_at = self.config.answer.as_ref().map(|_| Instant::now() + RING);
            return Some(Ringing { front, machine_at });
        } else {
            RefusalCode::Unavailable
        };
        self.queue.refuse(front.number, refusal.into());
        None
    }

    /// Tells what happened in the queue. Callers who come or leave now have not waited.
    fn tell(&mut self, event: QueueEvent) {
        if matches!(
            event,
            QueueEvent::Arrived(_) | QueueEvent::Left(_) | QueueEvent::TurnedAway(_)
        ) {
            return;
        }
        let commands = self.config.interactive;
        if let Some(notice) = notice_of(&mut self.notices, event, 0, commands) {
            self.sink.show(Event::Notice(notice));
        }
    }
}

/// A call that the person does not take, and what they say to it.
pub(crate) fn declined(text: Option<String>) -> Refusal {
    Refusal {
        text,
        ..RefusalCode::Declined.into()
    }
}

/// The notice for an input while there is no call.
fn notice_for(input: &Input) -> Option<&'static str> {
    match input {
        Input::Command(Command::Next) => Some(locale::text().nobody_waits()),
        Input::Command(Command::File(_)) => Some(locale::text().no_files()),
        Input::Command(Command::Answer | Command::Decline(_) | Command::Block) => {
            Some(locale::text().nobody_rings())
        }
        Input::Command(Command::History(_) | Command::Search(_)) => {
            Some(locale::text().no_call_to_read())
        }
        Input::Typing(_) => None,
        _ => Some(locale::text().nobody_there()),
    }
}

/// Whether this takes the call that rings.
fn answers(input: &Input) -> bool {
    match input {
        Input::Command(Command::Answer | Command::Next) => true,
        // Enter on an empty line.
        Input::Lines(lines) => lines.clone().lines().all(str::is_empty),
        Input::Message(text) => text.is_empty(),
        _ => false,
    }
}

/// The notice for a queue event, unless there were too many.
pub(crate) fn notice_of(
    notices: &mut RateLimiter,
    event: QueueEvent,
    waiting: usize,
    commands: bool,
) -> Option<String> {
    let suppressed = notices.try_acquire()?;
    let notice = match event {
        QueueEvent::Arrived(peer) => locale::text().waits(&peer, waiting, commands),
        QueueEvent::Note(peer, text) => locale::text().note(&peer, &text),
        QueueEvent::Left(peer) => locale::text().caller_left(&peer),
        QueueEvent::TurnedAway(peer) => locale::text().caller_turned_away(&peer),
        QueueEvent::Refused(notice) | QueueEvent::Relay(notice) => notice,
    };
    Some(locale::text().with_unmentioned(notice, suppressed))
}
