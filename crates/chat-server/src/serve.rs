//! The call loop: the person takes one call after the other.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use chat_core::driver::{Connected, Outcome, Runner, Sink, Source};
use chat_core::files::{Policy, Transfers};
use chat_core::journal::{Recorder, Recording};
use chat_core::protocol::{CloseReason, Event, Side};
use chat_core::transport::Keyring;
use chat_core::trust::{Fingerprint, Security, Verification};
use chat_core::wire::RefusalCode;
use chat_terminal::peer::PeerRecord;
use chat_terminal::record::Record;
use chat_terminal::{exit, locale};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::Config;
use crate::accept::Caller;
use crate::call::Server;
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
            self.sink
                .show(Event::Notice(locale::text().guessing(callers)));
        }
        if !is_friend && self.strangers.call_ended(wordless) && interactive && !once {
            let notice = locale::text().strangers_ring(WARY_FOR);
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

/// Whether it was not this side that ended the call.
fn is_by_peer(reason: &CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::HungUp(Side::Remote) | CloseReason::Lost(_) | CloseReason::Protocol(_)
    )
}
