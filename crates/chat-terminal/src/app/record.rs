//! What both programs tell of the journals, and do with them.

use std::future::Future;

use chat_core::driver::{CallDriver, Outcome, Sink, Source};
use chat_core::journal::{Journal, JournalError, Recorder, Recording};
use chat_core::protocol::{Event, Peer, Renewed};
use chat_core::wire::SessionId;

use crate::app::exit;
use crate::locale::{self, Explain};

/// The journals of a call: how they are begun, and whether that has failed.
#[derive(Clone)]
pub struct Record {
    recorder: Option<Recorder>,
    /// What is shown once the call is.
    earlier: Vec<Event>,
    failed: bool,
}

impl Record {
    /// Nothing is recorded.
    pub fn none() -> Self {
        Self {
            recorder: None,
            earlier: Vec::new(),
            failed: false,
        }
    }

    /// The call is recorded, or cannot be.
    pub fn new(recorder: Recorder, recording: &Result<Recording, JournalError>) -> Self {
        match recording {
            Ok(recording) => Self {
                recorder: Some(recorder),
                earlier: earlier(recording),
                failed: false,
            },
            Err(error) => Self {
                recorder: Some(recorder),
                earlier: vec![Event::Alarm(locale::text().not_recorded(&error.explain()))],
                failed: true,
            },
        }
    }

    /// Begins the journal of a new session of the call, in which these messages are said again.
    /// Returns it, and whether it stays when the call is over; `None` if nothing is recorded.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin_anew(
        &self,
        peer: &Peer,
        id: SessionId,
        texts: Vec<String>,
    ) -> impl Future<Output = Result<Option<(Journal, bool)>, JournalError>> + Send + use<> {
        let recorder = self.recorder.clone().filter(|_| !self.failed);
        let key = peer.security.fingerprint();
        async move {
            let (Some(recorder), Some(key)) = (recorder, key) else {
                return Ok(None);
            };
            let journal = recorder.begin(key, id, texts).await?;
            Ok(Some((journal, recorder.keep)))
        }
    }

    /// Keeps what is said from now on, as the person asked. Returns the notice of it.
    pub fn keep<In: Source, Out: Sink>(&mut self, call: &mut CallDriver<'_, In, Out>) -> Event {
        let keeps = call.keep_history();
        if let Some(recorder) = &mut self.recorder {
            recorder.keep |= keeps;
        }
        Event::Notice(match keeps {
            true => locale::text().kept().into(),
            false => locale::text().cannot_keep().into(),
        })
    }

    /// Adds what was there before the call to the events that show the call.
    pub fn show_earlier(&mut self, events: &mut Vec<Event>) {
        if events
            .iter()
            .any(|event| matches!(event, Event::Established(_)))
        {
            events.append(&mut self.earlier);
        }
    }

    /// Nothing is recorded any more.
    pub fn fail(&mut self, error: &JournalError) -> Event {
        self.failed = true;
        Event::Alarm(locale::text().not_recorded(&error.explain()))
    }

    /// The call is over, and the last of it may not be recorded, for this reason.
    pub fn end(&mut self, unrecorded: Option<JournalError>, sink: &mut impl Sink) {
        if let Some(error) = unrecorded {
            tracing::warn!(%error, "the end of the call is not recorded");
            self.failed = true;
            sink.show(Event::Alarm(
                locale::text().end_not_recorded(&error.explain()),
            ));
        }
    }

    /// Whether something of the call is not recorded that was to be.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// The exit code after the call: a pipe fails that was to be recorded, and was not.
    pub fn exit_code(&self, outcome: &Outcome) -> u8 {
        let must_keep = |recorder: &Recorder| recorder.keep && !recorder.person;
        let code = exit::of(outcome);
        match self.failed && self.recorder.as_ref().is_some_and(must_keep) {
            true => code.max(exit::FAILED),
            false => code,
        }
    }
}

/// What a call begins with that goes on, or that others have left something for.
fn earlier(recording: &Recording) -> Vec<Event> {
    let earlier = recording.earlier().map(Event::Earlier);
    let carried = Some(recording.carried.len()).filter(|carried| *carried > 0);
    let damaged = recording.set_aside.iter();
    let damaged = damaged.map(|path| Event::Alarm(locale::text().set_aside(path)));
    let trouble = recording.trouble.as_ref();
    let notices = [
        trouble.map(|error| locale::text().passed_over(&error.explain())),
        carried.map(|count| locale::text().carried_over(count)),
    ];
    let notices = notices.into_iter().flatten().map(Event::Notice);
    earlier.into_iter().chain(damaged).chain(notices).collect()
}

/// The call goes on with a program that was started anew.
pub fn renewed(peer: &Peer, renewed: Renewed) -> Event {
    Event::Notice(locale::text().renewed(peer, renewed))
}
