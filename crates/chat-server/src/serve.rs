//! The call loop: the person takes one call after the other.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use chat_core::driver::{CallDriver, Command, Input, Sink, Source, Step, sleep_until_some};
use chat_core::protocol::{
    CloseReason, ConnectionStatus, Disconnect, Event, Peer, Plain, Protocol, Session, SessionConfig,
};
use chat_core::transport::Keyring;
use chat_core::trust::Security;
use chat_terminal::peer::{self, PeerRecord};
use chat_terminal::{exit, locale};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::Config;
use crate::accept::{Caller, PeerHello};
use crate::limits::RateLimiter;
use crate::queue::{CallQueue, QueueEvent};
use crate::registry::SessionRegistry;

/// How long a call whose connection is lost can be resumed.
const RESUME_WINDOW: Duration = Duration::from_secs(5 * 60);

/// Serves the queue, one call at a time.
pub(crate) struct CallLoop<'p, In, Out> {
    pub config: Config,
    pub keyring: Keyring,
    pub queue: Arc<CallQueue>,
    pub events: mpsc::Receiver<QueueEvent>,
    pub notices: RateLimiter,
    pub registry: Arc<SessionRegistry>,
    pub source: &'p mut In,
    pub sink: &'p mut Out,
    /// The exit code, once the program is to end.
    pub quitting: Option<u8>,
}

impl<In: Source, Out: Sink> CallLoop<'_, In, Out> {
    /// Takes calls until the program is to end. Returns the exit code.
    pub(crate) async fn serve<F>(mut self, mut shutdown: Pin<&mut F>) -> io::Result<u8>
    where
        F: Future<Output = u8>,
    {
        loop {
            let Some(caller) = self.wait(shutdown.as_mut()).await? else {
                return Ok(self.quitting.unwrap_or(exit::OK));
            };
            let code = self.call(caller, shutdown.as_mut()).await;
            if self.quitting.is_some() || self.config.once {
                return Ok(self.quitting.unwrap_or(code));
            }
        }
    }

    /// Waits for the next caller, or for the person to quit.
    async fn wait<F>(&mut self, mut shutdown: Pin<&mut F>) -> io::Result<Option<Caller>>
    where
        F: Future<Output = u8>,
    {
        let queue = Arc::clone(&self.queue);
        let interactive = self.config.interactive;
        let mut next = pin!(queue.next());
        let mut shown = false;
        loop {
            let notice = tokio::select! {
                caller = &mut next => return Ok(Some(caller)),
                input = self.source.next(), if self.config.interactive => match input? {
                    Input::Command(Command::Quit) => return Ok(None),
                    Input::Command(Command::Next) => locale::NOBODY_WAITS.into(),
                    Input::Command(Command::Peers) => peer::list(&self.keyring),
                    Input::Typing(_) => continue,
                    _ => locale::NOBODY_THERE.into(),
                },
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
                    let refused = Some(event).filter(|event| matches!(event, QueueEvent::Refused(_)));
                    match refused.and_then(|event| notice_of(&mut self.notices, event, 0, interactive)) {
                        Some(notice) => notice,
                        None => continue,
                    }
                }
                code = shutdown.as_mut() => {
                    self.quitting = Some(code);
                    return Ok(None);
                }
            };
            self.sink.show(Event::Notice(notice));
            shown = false;
        }
    }

    /// Runs one call to its end. Returns its exit code.
    async fn call<F>(&mut self, caller: Caller, mut shutdown: Pin<&mut F>) -> u8
    where
        F: Future<Output = u8>,
    {
        let Caller {
            peer,
            connection,
            peer_hello,
        } = caller;
        let mut resumed = self.registry.begin(peer_hello.as_ref());
        let key = peer_hello.as_ref().map(|peer_hello| peer_hello.key);
        let protocol = self.protocol(&peer, peer_hello.as_ref());
        let call_config = self.config.call_config.clone();
        let interactive = self.config.interactive;
        let mut call = CallDriver::new(protocol, call_config, self.source, self.sink);
        let mut connection = Some(connection);
        let mut give_up_at = None;
        let mut reason = match peer_hello {
            Some(peer_hello) => call
                .connected(peer_hello.handshake)
                .err()
                .map(CloseReason::from),
            None => {
                call.show(Event::Established(peer.clone()));
                None
            }
        };
        let mut peer = PeerRecord::new(peer, Some(self.keyring.clone()), None);
        while self.events.try_recv().is_ok() {}
        call.show(Event::QueueLength(self.queue.waiting()));
        let reason = loop {
            if let Some(reason) = reason {
                break reason;
            }
            // A restarted peer must not queue behind its own interrupted call. One that came while
            // the other was still heard is a second caller with that key.
            let heard = call.last_heard();
            if connection.is_none() && key.is_some_and(|key| self.queue.has_newer(key, heard)) {
                break call.give_up(Disconnect::Superseded);
            }
            tokio::select! {
                step = call.drive(connection.as_mut()), if !peer.is_remembering() => match step {
                    Step::Ended(ended) => reason = Some(ended),
                    Step::Established(met) => peer.met(met),
                    Step::Answered => {}
                    Step::Disconnected => {
                        connection = None;
                        give_up_at = Some(Instant::now() + RESUME_WINDOW);
                        call.show(Event::Connection(ConnectionStatus::Reconnecting(0)));
                    }
                    Step::Command(Command::Quit) => {
                        self.quitting = Some(exit::OK);
                        call.hang_up();
                    }
                    Step::Command(Command::Next) if self.queue.waiting() == 0 => {
                        call.show(Event::Notice(locale::NOBODY_WAITS.into()));
                    }
                    Step::Command(Command::Next) => call.hang_up(),
                    Step::Command(command) => {
                        let number = call.safety_number().map(str::to_owned);
                        call.show_all(peer.answer(&command, number.as_deref()));
                    }
                },
                events = peer.next() => call.show_all(events),
                Some((new_connection, handshake)) = resumed.recv() => {
                    if call.is_stale(&handshake) {
                        continue;
                    }
                    if connection.replace(new_connection).is_some() {
                        reason = call.disconnected(Disconnect::Cut);
                    }
                    if reason.is_none() {
                        give_up_at = None;
                        reason = call.connected(handshake).err().map(CloseReason::from);
                    }
                }
                () = sleep_until_some(give_up_at) => reason = Some(call.give_up(Disconnect::Silent(RESUME_WINDOW))),
                Some(event) = self.events.recv() => {
                    let waiting = self.queue.waiting();
                    let notice = notice_of(&mut self.notices, event, waiting, interactive);
                    call.show_all(notice.map(Event::Notice));
                    call.show(Event::QueueLength(waiting));
                }
                code = shutdown.as_mut(), if self.quitting.is_none() => {
                    self.quitting = Some(code);
                    call.hang_up();
                }
            }
        };
        self.registry.end(&reason, call.final_ack());
        tokio::select! {
            ended = call.end(reason, connection) => exit::code(&ended),
            code = shutdown, if self.quitting.is_none() => *self.quitting.insert(code),
        }
    }

    /// The protocol for a caller.
    fn protocol(&self, peer: &Peer, peer_hello: Option<&PeerHello>) -> Box<dyn Protocol> {
        match peer_hello.and_then(PeerHello::session) {
            None if peer.security == Security::Plaintext => Box::new(Plain::new()),
            None => Box::new(Plain::over_tls()),
            Some(session) => Box::new(Session::new(SessionConfig {
                name: self.config.name.clone(),
                peer: peer.clone(),
                id: session,
            })),
        }
    }
}

/// The notice for a queue event, unless there were too many.
fn notice_of(
    notices: &mut RateLimiter,
    event: QueueEvent,
    waiting: usize,
    commands: bool,
) -> Option<String> {
    let suppressed = notices.try_acquire()?;
    let notice = match event {
        QueueEvent::Arrived(peer) => locale::caller_waits(&peer, waiting, commands),
        QueueEvent::Left(peer) => locale::caller_left(&peer),
        QueueEvent::TurnedAway(peer) => locale::caller_turned_away(&peer),
        QueueEvent::Refused(reason) => locale::refused(&reason),
    };
    Some(locale::after_others(notice, suppressed))
}
