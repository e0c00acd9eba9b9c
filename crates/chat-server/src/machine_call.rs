//! Calls that the answering machine takes, while the person is not there.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use chat_core::driver::{CallConfig, Command, Connected, Input, Runner, Sink, Source};
use chat_core::files::FileConfig;
use chat_core::journal::Waiting;
use chat_core::protocol::{CloseReason, Disconnect, Event};
use chat_core::transport::Keyring;
use chat_core::wire::Presence;
use chat_terminal::{locale, messages};
use tokio::sync::mpsc;

use crate::Config;
use crate::accept::{Caller, SessionKey};
use crate::answering::{self, machine};
use crate::serve::{CallLoop, RecordedCaller};

/// How long a caller rings before the machine answers, where there is one.
pub(crate) const RING: Duration = Duration::from_secs(20);

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answerer {
    Person,
    Machine,
}

impl<In: Source, Out: Sink> CallLoop<'_, In, Out> {
    /// Shows the person what was left.
    pub(crate) async fn show_messages(&mut self) -> io::Result<()> {
        self.has_messages = false;
        let Keyring {
            data_dir, known, ..
        } = self.keyring.clone();
        messages::show(data_dir, known, self.sink).await
    }

    /// Who answers a caller that does not ring.
    pub(crate) fn answerer(&self) -> Answerer {
        let Config {
            interactive,
            answer,
            recorder,
            call_config,
            ..
        } = &self.config;
        let is_away = match interactive {
            true => matches!(call_config.presence, Presence::Away(_)) && recorder.is_some(),
            false => answer.is_some(),
        };
        match is_away {
            true => Answerer::Machine,
            false => Answerer::Person,
        }
    }

    /// Runs one call in which nobody is there. Returns its exit code.
    ///
    /// # Errors
    /// The person's side failed.
    pub(crate) async fn call_machine<F>(
        &mut self,
        (caller, record, recording): RecordedCaller,
        resumed: mpsc::Receiver<Connected>,
        mut shutdown: Pin<&mut F>,
    ) -> io::Result<u8>
    where
        F: Future<Output = u8>,
    {
        let session_key = caller.session_key();
        let Caller {
            connected,
            is_friend,
            ..
        } = caller;
        let peer = connected.peer.clone();
        let presence = self.presence_of_machine();
        let (room, farewell) = match session_key {
            Some(SessionKey { key, .. }) => {
                let Keyring {
                    data_dir, known, ..
                } = self.keyring.clone();
                let room = answering::room(&self.tally, data_dir, known, key, is_friend).await;
                let room = room.unwrap_or_else(|error| {
                    tracing::warn!(%error, "nobody can leave a message");
                    Waiting::default()
                });
                (room, locale::text().machine_full().to_owned())
            }
            // What cannot be recorded is not taken.
            None => (
                Waiting::default(),
                locale::text().machine_without_key(
                    self.config
                        .answer
                        .as_deref()
                        .unwrap_or(locale::text().machine_text()),
                ),
            ),
        };
        let call_config = CallConfig {
            idle_timeout: Some(answering::SILENCE),
            farewell: Some(locale::text().reply_idle(answering::SILENCE)),
            presence: presence.clone(),
            answering: true,
            ..CallConfig::default()
        };
        let name = self.config.name.clone();
        let is_watched = self.config.interactive;
        // Nobody is there to take files, or to compare a safety number.
        let files = FileConfig::none();
        let (mut server, source, sink) =
            self.host(peer.clone(), session_key, record, resumed, files);
        server.guesses = None;
        server.interactive = false;
        server.keeps_place = answering::SILENCE;
        let (mut speaker, mut microphone) = machine(room, farewell);
        let mut call = Runner::begin(
            connected,
            recording,
            name,
            call_config,
            &mut speaker,
            &mut microphone,
        );
        let mut taken_over = false;
        let reason = tokio::select! {
            reason = call.run(&mut server, shutdown.as_mut()) => reason,
            back = returns(source, sink), if is_watched => {
                match back? {
                    Return::ToTheCall => taken_over = true,
                    Return::ToQuit => server.quitting = true,
                }
                // The session goes on: the caller's program calls again at once.
                CloseReason::Lost(Disconnect::Cut)
            }
        };
        let over = server.end(call, reason, shutdown).await;
        let code = self.take_end(over);
        let taken = microphone.taken();
        if taken > 0 {
            let told = locale::text().machine_recorded(&peer, taken);
            self.sink.show(Event::Notice(told));
            self.has_messages = true;
        }
        if taken_over {
            self.taken_over = peer.security.fingerprint();
            self.config.call_config.presence = Presence::Here;
            self.queue.set_presence(Presence::Here);
            self.show_messages().await?;
        }
        self.sink.flushed().await?;
        Ok(code)
    }

    /// What the machine's callers are told.
    fn presence_of_machine(&self) -> Presence {
        match (&self.config.call_config.presence, &self.config.answer) {
            (Presence::Away(text), _) if !text.is_empty() => Presence::Away(text.clone()),
            (_, Some(text)) => Presence::Away(text.clone()),
            (_, None) => Presence::Away(String::new()),
        }
    }
}

/// What the person comes back for while the machine talks.
enum Return {
    ToTheCall,
    ToQuit,
}

/// Waits until the person comes back to a call that the machine has taken. Cancel safe.
async fn returns<In: Source, Out: Sink>(source: &mut In, sink: &mut Out) -> io::Result<Return> {
    loop {
        match source.next().await? {
            Input::Command(Command::Answer | Command::Away(None)) => return Ok(Return::ToTheCall),
            Input::Command(Command::Quit) => return Ok(Return::ToQuit),
            Input::Typing(_) | Input::Suspended(_) => {}
            _ => sink.show(Event::Notice(locale::text().machine_talks().into())),
        }
    }
}
