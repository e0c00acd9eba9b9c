//! The transfers under way: started, measured, and ended or tried again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::transfer::{Side, State, Transfer};
use super::{MAX_RUNNING, Report, TICK, Transfers};
use crate::files::task::{self, Way, Work};
use crate::files::{
    FileConnection, FileEvent, FileState, FileStream, Progress, Rate, TransferError,
};
use crate::wire::{Control, FileHello, RefusalCode};

/// The pause before a lost connection of a transfer is made again; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Transfers {
    /// The peer has made a connection for an offer, as the dialer does whoever sends.
    pub fn incoming(&mut self, connection: FileConnection) {
        let hello = connection.hello;
        let number = self.number_of(hello.offer);
        let number = number.filter(|_| hello.conversation == self.session && self.open.is_none());
        let wanted = number.filter(|number| !self.transfers[number].is_question());
        match wanted {
            Some(number) => self.run(number, Some(connection.stream)),
            None => {
                // The word that it is over was lost with a connection of the call, unless the peer
                // has yet to repeat an offer of an earlier one.
                let mut earlier = self.earlier.iter();
                let is_earlier = earlier.any(|record| record.offer.id == hello.offer);
                let forgotten = self.early.is_none() && number.is_none() && !is_earlier;
                if forgotten && hello.conversation == self.session {
                    self.say_unknown(hello.offer);
                }
                tokio::spawn(connection.refuse(RefusalCode::NoSession));
            }
        }
    }

    /// Starts what waits for it, as far as there are places.
    pub(super) fn start_due(&mut self) {
        if self.open.is_none() {
            return;
        }
        let now = Instant::now();
        let due = |transfer: &Transfer| match transfer.state {
            State::Waiting(due) => due.is_none_or(|due| due <= now),
            _ => false,
        };
        let waiting: Vec<_> = self.transfers.iter().filter(|(_, t)| due(t)).collect();
        let places = MAX_RUNNING.saturating_sub(self.running());
        let waiting: Vec<_> = waiting
            .into_iter()
            .map(|(number, _)| *number)
            .take(places)
            .collect();
        waiting
            .into_iter()
            .for_each(|number| self.run(number, None));
    }

    /// Runs a transfer over a connection of the peer, or one that this side makes.
    pub(super) fn run(&mut self, number: u32, given: Option<FileStream>) {
        let record = self.record(number);
        let store = self.store.clone();
        let Some(transfer) = self.transfers.get_mut(&number) else {
            return;
        };
        if let State::Running(old) = &transfer.state {
            old.cancel();
        }
        let hello = FileHello {
            conversation: self.session,
            offer: transfer.offer.id,
        };
        let way = match (given, &self.open) {
            (Some(stream), _) => Way::Given(stream),
            (None, Some(open)) => Way::Dial(open(self.cookie), hello),
            (None, None) => Way::None,
        };
        let work = match &transfer.side {
            Side::Sends(source) => Work::Send(source.clone()),
            Side::Takes { directory, .. } => Work::Receive {
                directory: directory.clone(),
                expected: transfer.expected(),
                record: store.zip(record),
            },
        };
        let cancel = self.root.child_token();
        transfer.run += 1;
        transfer.progress = Arc::new(Progress::default());
        transfer.measured = None;
        transfer.state = State::Running(cancel.clone());
        let (id, run, progress) = (transfer.offer.id, transfer.run, transfer.progress.clone());
        let (reporter, before) = (self.reporter.clone(), transfer.task.take());
        transfer.task = Some(tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            let ended = task::run(work, way, progress, cancel).await;
            let _ = reporter.send(Report::Ended(id, run, ended));
        }));
    }

    pub(super) fn run_ended(&mut self, number: u32, ended: Result<Option<PathBuf>, TransferError>) {
        let dials = self.open.is_some();
        let Some(transfer) = self.transfers.get_mut(&number) else {
            return;
        };
        match ended {
            Ok(Some(path)) => {
                let (id, sha256) = (transfer.offer.id, transfer.progress.sha256());
                self.output.controls.push(Control::Taken(id));
                let path = Some(path);
                self.end(number, None, FileState::Done { path, sha256 });
            }
            Ok(None) => transfer.state = State::Sent,
            Err(error) if error.is_passing() => {
                tracing::info!(%error, "the connection of a file is lost");
                if transfer.progress.done() > 0 {
                    transfer.failures = 0;
                }
                let pause = FIRST_PAUSE * (1 << transfer.failures.min(5));
                transfer.failures += 1;
                let due = Instant::now() + pause.min(LONGEST_PAUSE);
                transfer.state = State::Waiting(dials.then_some(due));
            }
            Err(error) => {
                let code = error.code();
                let again = match (&error, &transfer.side) {
                    (TransferError::Changed(_), Side::Sends(source)) => {
                        Some(source.path().to_owned())
                    }
                    _ => None,
                };
                self.say_cancelled(number, code);
                self.end(number, Some(code), FileState::Failed(Arc::new(error)));
                if let Some(path) = again {
                    // What it is now is another offer.
                    self.unsuccessful -= 1;
                    self.offer(path);
                }
            }
        }
        self.start_due();
    }

    /// Shows how far the transfers are.
    pub(super) fn tick(&mut self) {
        let now = Instant::now();
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + TICK;
        let mut rates = Vec::new();
        for (number, transfer) in &mut self.transfers {
            if transfer.is_running() {
                transfer.measure(now);
                rates.push(Rate {
                    summary: transfer.summary(*number),
                    done: transfer.progress.done(),
                    per_second: transfer.per_second,
                });
            }
        }
        if self.shows_progress || !rates.is_empty() {
            self.shows_progress = !rates.is_empty();
            self.output.events.push(FileEvent::Progress(rates));
        }
    }
}
