//! The call loop: the person takes one call after the other.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use chat_core::blocking;
use chat_core::driver::{
    Command, Connected, Input, Outcome, Runner, Sink, Source, sleep_until_some,
};
use chat_core::files::{Policy, Transfers};
use chat_core::journal::{Recorder, Recording};
use chat_core::protocol::{CloseReason, Event, Side};
use chat_core::transport::Keyring;
use chat_core::trust::{Fingerprint, Security, Verification};
use chat_core::wire::{Refusal, RefusalCode};
use chat_terminal::peer::{self, PeerRecord};
use chat_terminal::record::Record;
use chat_terminal::{exit, locale};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::Config;
use crate::accept::Caller;
use crate::call::Server;
use crate::limits::{GuessLimiter, RateLimiter, StrangerLimiter, WARY_FOR};
use crate::machine_call::{Answerer, RING};
use crate::queue::{CallQueue, Front, QueueEvent};
use crate::registry::SessionRegistry;

/// Serves the queue, one call at a time.
pub(crate) struct CallLoop<'p, In, Out> {
    pub config: Config,
    pub keyring: Keyring,
    pub queue: Arc<CallQueue>,
    pub events: mpsc::Receiver<QueueEvent>,
    pub notices: RateLimiter,
    pub strangers: StrangerLimiter,
    pub guesses: GuessLimiter,
    pub registry: Arc<SessionRegistry>,
    pub source: &'p mut In,
    pub sink: &'p mut Out,
    /// The person takes the call of this caller over from the machine.
    pub taken_over: Option<Fingerprint>,
    /// Something was left that the person has not seen.
    pub has_messages: bool,
    /// The exit code, once the program is to end.
    pub quitting: Option<u8>,
}

/// A caller with what is recorded of its call, if it is.
pub(crate) type RecordedCaller = (Caller, Record, Option<Recording>);

impl<In: Source, Out: Sink> CallLoop<'_, In, Out> {
    /// Takes calls until the program is to end. Returns the exit code.
    pub(crate) async fn serve<F>(mut self, mut shutdown: Pin<&mut F>) -> io::Result<u8>
    where
        F: Future<Output = u8>,
    {
        loop {
            let Some((caller, answerer)) = self.wait(shutdown.as_mut()).await? else {
                return Ok(self.quitting.unwrap_or(exit::OK));
            };
            // Before anything is waited for: a further connection of the caller is for this call.
            let resumed = self.registry.begin(caller.session_key());
            let Some(caller) = self.record(caller, answerer).await else {
                self.registry.abandon();
                continue;
            };
            let code = match answerer {
                Answerer::Person => self.call(caller, resumed, shutdown.as_mut()).await,
                Answerer::Machine => {
                    self.call_machine(caller, resumed, shutdown.as_mut())
                        .await?
                }
            };
            if self.quitting.is_some() || self.config.once {
                return Ok(self.quitting.unwrap_or(code));
            }
        }
    }

    /// Waits for the next caller, or for the person to quit.
    async fn wait<F>(&mut self, mut shutdown: Pin<&mut F>) -> io::Result<Option<(Caller, Answerer)>>
    where
        F: Future<Output = u8>,
    {
        let queue = Arc::clone(&self.queue);
        let interactive = self.config.interactive;
        let mut shown = false;
        let mut ringing: Option<Front> = None;
        let mut answered_at = None;
        loop {
            let mut is_back = false;
            let seen = ringing.as_ref().map(|ringing| ringing.number);
            let told = tokio::select! {
                            front = queue.front(seen) => {
                                if ringing.take().is_some() {
                                    self.sink.show(Event::RingingStopped);
                                    shown = false;
                                }
                                match front {
                                    Some(front) if self.must_ring(&front) => {
                                        ringing = self.ring(front);
                                        answered_at = self.config.answer.as_ref().map(|_| Instant::now() + RING);
                                        ringing.as_ref().map(|front| Event::Ringing(front.peer.clone()))
                                    }
                                    Some(front) => match queue.take(front.number).await {
                                        Some(caller) => return Ok(Some((caller, self.answerer()))),
                                        None => None,
                                    },
                                    None => None,
                                }
                            }
                            () = sleep_until_some(answered_at), if ringing.is_some() => {
                                if let Some(front) = ringing.take()
                                    && let Some(caller) = queue.take(front.number).await
                                {
                                    self.sink.show(Event::RingingStopped);
                                    return Ok(Some((caller, Answerer::Machine)));
                                }
                                Some(Event::RingingStopped)
                            }
                            input = self.source.next(), if interactive => {
             is_back = true;
             match (input?, ringing.take()) {
                                (Input::Command(Command::Quit), _) => return Ok(None),
                                (input, Some(front)) if answers(&input) => {
                                    if let Some(caller) = queue.take(front.number).await {
                                        return Ok(Some((caller, Answerer::Person)));
                                    }
                                    Some(Event::RingingStopped)
                                }
                                (Input::Command(Command::Decline(text)), Some(front)) => {
                                    queue.refuse(front.number, declined(text));
                                    Some(Event::RingingStopped)
                                }
                                (Input::Command(Command::Block), Some(front)) => {
                                    queue.refuse(front.number, RefusalCode::Blocked.into());
                                    self.sink.show(Event::RingingStopped);
                                    Some(Event::Notice(peer::block(&self.keyring, &front.peer).await))
                                }
                                (Input::Command(Command::Peers), still_ringing) => {
                                    ringing = still_ringing;
                                    let keyring = self.keyring.clone();
                                    let peers = blocking(move || peer::list(&keyring)).await;
                                    Some(Event::Notice(peers))
                                }
                                (input, still_ringing) => {
                                    ringing = still_ringing;
                                    self.answer(&input)
                                }
                            }
            }
                            flushed = self.sink.flushed(), if !shown => match flushed {
                                // Nobody reads what the next caller says.
                                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(None),
                                flushed => {
                                    flushed?;
                                    shown = true;
                                    continue;
                                }
                            },
                            Some(event) = self.events.recv() => {
                                // Callers who come or leave now have not waited.
                                let told = |event: &_| matches!(event, QueueEvent::Refused(_) | QueueEvent::Note(..));
                                let refused = Some(event).filter(told);
                                let notice = refused.and_then(|event| notice_of(&mut self.notices, event, 0, interactive));
                                notice.map(Event::Notice)
                            }
                            code = shutdown.as_mut() => {
                                self.quitting = Some(code);
                                return Ok(None);
                            }
                        };
            if let Some(event) = told {
                self.sink.show(event);
                shown = false;
            }
            if self.has_messages && is_back {
                self.show_messages().await?;
            }
        }
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
    fn ring(&mut self, front: Front) -> Option<Front> {
        let refusal = if front.has_left {
            RefusalCode::Declined
        } else if let Some(suppressed) = self.notices.try_acquire() {
            if suppressed > 0 {
                self.sink.show(Event::Notice(locale::left_out(suppressed)));
            }
            return Some(front);
        } else {
            RefusalCode::Unavailable
        };
        self.queue.refuse(front.number, refusal.into());
        None
    }

    /// Answers an input while there is no call.
    fn answer(&mut self, input: &Input) -> Option<Event> {
        match input {
            Input::Command(Command::Away(text)) => {
                let (presence, notice) =
                    peer::away(&self.config.call_config.presence, text.clone());
                self.queue.set_presence(presence.clone());
                self.config.call_config.presence = presence;
                return Some(notice);
            }
            Input::Command(Command::Name(name)) => {
                self.config.name = name.as_str().into();
                return Some(Event::Notice(locale::you_are_called(name)));
            }
            _ => {}
        }
        notice_for(input).map(|notice| Event::Notice(notice.into()))
    }

    /// Finds the journal of a caller who has a key, or begins it. `None`: the caller has to begin
    /// another session, and was told so.
    async fn record(&self, caller: Caller, answerer: Answerer) -> Option<RecordedCaller> {
        let recorder = self.config.recorder.clone().map(|recorder| Recorder {
            answering: answerer == Answerer::Machine,
            ..recorder
        });
        let key = caller.session_key().map(|session_key| session_key.key);
        let (Some(recorder), Some(key), Some(hello)) = (recorder, key, caller.hello()) else {
            return Some((caller, Record::none(), None));
        };
        let found = recorder.answer(key, hello).await;
        let Some(recording) = found.transpose() else {
            tokio::spawn(caller.connected.connection.refuse(RefusalCode::NoSession));
            return None;
        };
        if recording.is_err() && answerer == Answerer::Machine {
            let refused = caller.connected.connection.refuse(RefusalCode::Unavailable);
            tokio::spawn(refused);
            return None;
        }
        let record = Record::new(recorder, &recording);
        Some((caller, record, recording.ok()))
    }

    /// Runs one call to its end. Returns its exit code.
    async fn call<F>(
        &mut self,
        (caller, record, recording): RecordedCaller,
        resumed: mpsc::Receiver<Connected>,
        mut shutdown: Pin<&mut F>,
    ) -> u8
    where
        F: Future<Output = u8>,
    {
        self.taken_over = None;
        let session_key = caller.session_key();
        let Caller {
            connected,
            is_friend,
            ..
        } = caller;
        let Config {
            name,
            mut call_config,
            interactive,
            once,
            give_up_after: keeps_place,
            ..
        } = self.config.clone();
        let is_stranger = connected.peer.security.is_unverified();
        if is_stranger && session_key.is_some() {
            call_config.reveal_after = self.guesses.reveal_after().map(Instant::into_std);
        }
        while self.events.try_recv().is_ok() {}
        let mut file_config = self.config.files.clone();
        if is_new(&connected.peer.security) && !self.config.files_from_anyone {
            file_config.policy = wary(file_config.policy, interactive);
        }
        let peer_key = session_key.map(|session_key| session_key.key);
        let Config {
            name: own_name,
            call_config: own_config,
            ..
        } = &mut self.config;
        let mut server = Server {
            peer: PeerRecord::new(connected.peer.clone(), Some(self.keyring.clone()), None),
            session_key,
            record,
            renewing: None,
            unshown: Vec::new(),
            unreceived: Vec::new(),
            resumed,
            file_connections: self.registry.take_files(),
            files: Transfers::new(peer_key, None, file_config),
            registry: &self.registry,
            queue: &self.queue,
            events: &mut self.events,
            notices: &mut self.notices,
            guesses: is_stranger.then_some(&mut self.guesses),
            interactive,
            name: own_name,
            presence: &mut own_config.presence,
            keeps_place,
            outage: None,
            quitting: false,
        };
        let mut call = Runner::begin(
            connected,
            recording,
            name,
            call_config,
            self.source,
            self.sink,
        );
        call.call().show(Event::QueueLength(self.queue.waiting()));
        let reason = call.run(&mut server, shutdown.as_mut()).await;
        let mut record = server.record;
        if server.quitting {
            self.quitting = Some(exit::OK);
        }
        server.files.stop().await;
        self.registry.end(&reason, call.call().final_ack());
        let wordless = !call.call().has_conversed() && is_by_peer(&reason);
        let (outcome, unrecorded) = call.end(reason, shutdown).await;
        record.end(unrecorded, self.sink);
        if let Outcome::Interrupted(code) = outcome {
            self.quitting = Some(code);
        }
        if is_stranger
            && wordless
            && let Some(callers) = self.guesses.broke_off()
        {
            self.sink.show(Event::Notice(locale::guessing(callers)));
        }
        if !is_friend && self.strangers.call_ended(wordless) && interactive && !once {
            let notice = locale::strangers_ring(WARY_FOR);
            self.sink.show(Event::Notice(notice));
        }
        record.exit_code(&outcome)
    }
}

/// Whether nothing was known of the key before this call.
fn is_new(security: &Security) -> bool {
    matches!(
        security,
        Security::Key {
            verification: Verification::New,
            ..
        }
    )
}

/// What is done with the files of a stranger: never taken unasked.
fn wary(policy: Policy, interactive: bool) -> Policy {
    match policy {
        Policy::Accept if interactive => Policy::Ask,
        Policy::Accept => Policy::Refuse,
        policy => policy,
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
        Input::Command(Command::Next) => Some(locale::NOBODY_WAITS),
        Input::Command(Command::File(_)) => Some(locale::NO_FILES),
        Input::Command(Command::Answer | Command::Decline(_) | Command::Block) => {
            Some(locale::NOBODY_RINGS)
        }
        Input::Command(Command::History(_) | Command::Search(_)) => Some(locale::NO_CALL_TO_READ),
        Input::Typing(_) => None,
        _ => Some(locale::NOBODY_THERE),
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

/// Whether it was not this side that ended the call.
fn is_by_peer(reason: &CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::HungUp(Side::Remote) | CloseReason::Lost(_) | CloseReason::Protocol(_)
    )
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
        QueueEvent::Arrived(peer) => locale::caller_waits(&peer, waiting, commands),
        QueueEvent::Note(peer, text) => locale::note(&peer, &text),
        QueueEvent::Left(peer) => locale::caller_left(&peer),
        QueueEvent::TurnedAway(peer) => locale::caller_turned_away(&peer),
        QueueEvent::Refused(notice) => notice,
    };
    Some(locale::after_others(notice, suppressed))
}
