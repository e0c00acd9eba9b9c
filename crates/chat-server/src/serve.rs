//! The call loop: the person takes one call after the other.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use chat_core::driver::{Connected, Outcome, Runner, Sink, Source};
use chat_core::files::{FileConfig, Policy, Transfers};
use chat_core::journal::{Recorder, Recording, Tally};
use chat_core::protocol::{CloseReason, Event, Peer, Side};
use chat_core::transport::Keyring;
use chat_core::trust::{Fingerprint, Security, Verification};
use chat_core::wire::RefusalCode;
use chat_terminal::peer::PeerRecord;
use chat_terminal::record::Record;
use chat_terminal::{exit, locale};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::Config;
use crate::accept::{Caller, SessionKey};
use crate::call::{Over, Server};
use crate::limits::{GuessLimiter, RateLimiter, StrangerLimiter, WARY_FOR};
use crate::machine_call::Answerer;
use crate::queue::{CallQueue, QueueEvent};
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
    /// How much is left.
    pub tally: Arc<Mutex<Tally>>,
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
            ..
        } = self.config.clone();
        let is_stranger = connected.peer.security.is_unverified();
        if is_stranger && session_key.is_some() {
            call_config.reveal_after = self.guesses.reveal_after().map(Instant::into_std);
        }
        let mut file_config = self.config.files.clone();
        if is_new(&connected.peer.security) && !self.config.files_from_anyone {
            file_config.policy = wary(file_config.policy, interactive);
        }
        let peer = connected.peer.clone();
        let (mut server, source, sink) = self.host(peer, session_key, record, resumed, file_config);
        let mut call = Runner::begin(connected, recording, name, call_config, source, sink);
        call.call().show(Event::QueueLength(server.queue.waiting()));
        let reason = call.run(&mut server, shutdown.as_mut()).await;
        let by_peer = is_by_peer(&reason);
        let over = server.end(call, reason, shutdown).await;
        let wordless = by_peer && !over.conversed;
        let code = self.take_end(over);
        if is_stranger
            && wordless
            && let Some(callers) = self.guesses.broke_off()
        {
            self.sink
                .show(Event::Notice(locale::text().guessing(callers)));
        }
        if !is_friend && self.strangers.call_ended(wordless) && interactive && !once {
            let notice = locale::text().strangers_ring(WARY_FOR);
            self.sink.show(Event::Notice(notice));
        }
        code
    }

    /// The program around a call with this caller, and the person's side. What has happened in
    /// the queue before it was seen then.
    pub(crate) fn host(
        &mut self,
        peer: Peer,
        session_key: Option<SessionKey>,
        record: Record,
        resumed: mpsc::Receiver<Connected>,
        files: FileConfig,
    ) -> (Server<'_>, &mut In, &mut Out) {
        while self.events.try_recv().is_ok() {}
        let key = session_key.map(|session_key| session_key.key);
        let is_stranger = peer.security.is_unverified();
        let server = Server {
            peer: PeerRecord::new(peer, Some(self.keyring.clone())),
            session_key,
            record,
            renewing: None,
            unshown: Vec::new(),
            unreceived: Vec::new(),
            resumed,
            file_connections: self.registry.take_files(),
            files: Transfers::new(key, None, files),
            registry: &self.registry,
            queue: &self.queue,
            events: &mut self.events,
            notices: &mut self.notices,
            guesses: is_stranger.then_some(&mut self.guesses),
            interactive: self.config.interactive,
            keeps_place: self.config.give_up_after,
            name: &mut self.config.name,
            presence: &mut self.config.call_config.presence,
            outage: None,
            quitting: false,
        };
        (server, self.source, self.sink)
    }

    /// Tells the person if something of a call is not recorded, and notes whether the program
    /// ends with it. Returns its exit code.
    pub(crate) fn take_end(&mut self, over: Over) -> u8 {
        let mut record = over.record;
        record.end(over.unrecorded, self.sink);
        if over.quitting {
            self.quitting = Some(exit::OK);
        }
        if let Outcome::Interrupted(code) = over.outcome {
            self.quitting = Some(code);
        }
        record.exit_code(&over.outcome)
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

/// Whether it was not this side that ended the call.
fn is_by_peer(reason: &CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::HungUp(Side::Remote) | CloseReason::Lost(_) | CloseReason::Protocol(_)
    )
}
