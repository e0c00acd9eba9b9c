//! All offers of a call: what each side has said about them, and the transfers under way.

mod answers;
mod commands;
mod offers;
mod running;
mod transfer;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::transfer::{Side, State, Transfer};
use super::{
    Direction, FileConfig, FileEvent, FileName, FileState, OpenFile, Record, RecordedSide, Source,
    Store, TransferError,
};
use crate::blocking;
use crate::trust::Fingerprint;
use crate::wire::{CancelCode, Control, Cookie, Hex, Offer, OfferId, SessionId};

/// The most offers of each side that are open; more of this side's wait.
const MAX_OPEN: usize = 32;

/// The most transfers that the dialer runs at once.
const MAX_RUNNING: usize = 4;

/// How often progress is shown.
const TICK: Duration = Duration::from_millis(500);

/// How long the end of a call waits for the disk.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// How many offers that are over are remembered, for a peer that missed the end.
const MAX_OVER: usize = 256;

/// What is done with offers of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The person decides.
    Ask,
    /// They are all taken.
    Accept,
    /// None is: nobody is there to decide.
    Refuse,
}

/// What the program is to do: say to the peer, and show to the person.
#[derive(Debug, Default)]
pub struct Output {
    /// Said to the peer; without a connection they are dropped, and said again on the next.
    pub controls: Vec<Control>,
    /// Said to a peer of plain lines.
    pub regret: Option<String>,
    /// Shown to the person.
    pub events: Vec<FileEvent>,
}

impl Output {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.controls.is_empty() && self.regret.is_none() && self.events.is_empty()
    }
}

/// The files of a call.
pub struct Transfers {
    /// The key of the peer; nothing with one that speaks plain lines.
    peer: Option<Fingerprint>,
    policy: Policy,
    downloads: PathBuf,
    /// Makes connections, at the dialer.
    open: Option<OpenFile>,
    cookie: Option<Cookie>,
    store: Option<Store>,
    /// What a peer of plain lines is still to be told.
    regret: Option<String>,
    session: SessionId,
    /// The peer's program has said hello, and knows nothing of files.
    ignorant: bool,
    /// Both sides have said hello.
    began: bool,
    /// What was left by earlier programs is still being read; what the peer says meanwhile.
    early: Option<Vec<Control>>,
    /// Offers that were accepted in an earlier call, until the peer repeats them.
    earlier: Vec<Record>,
    transfers: BTreeMap<u32, Transfer>,
    next_number: u32,
    /// What this side will offer once others are over.
    queued: VecDeque<Source>,
    /// How many paths are being looked at.
    scanning: usize,
    /// What was taken of this side meanwhile: one of those paths may be that of an earlier program.
    taken_meanwhile: Vec<(PathBuf, Offer)>,
    over: VecDeque<(OfferId, Option<CancelCode>)>,
    unsuccessful: usize,
    declined: usize,
    output: Output,
    reports: mpsc::UnboundedReceiver<Report>,
    reporter: mpsc::UnboundedSender<Report>,
    next_tick: Instant,
    shows_progress: bool,
    /// Cancels all transfers.
    root: CancellationToken,
    _guard: DropGuard,
    /// Work on the disk that is to be waited for at the end.
    disk: JoinSet<()>,
}

/// What tasks have to tell.
enum Report {
    Scanned(PathBuf, Box<Result<(Source, Option<Offer>), TransferError>>),
    Restored(Vec<(Record, Option<Source>)>),
    Recorded(OfferId),
    Ended(OfferId, u64, Result<Option<PathBuf>, TransferError>),
}

impl Transfers {
    /// Nothing is offered yet. `open` makes connections, if this side has dialed.
    pub fn new(peer: Option<Fingerprint>, open: Option<OpenFile>, config: FileConfig) -> Self {
        let FileConfig {
            downloads,
            policy,
            store,
            regret,
        } = config;
        let (reporter, reports) = mpsc::unbounded_channel();
        let root = CancellationToken::new();
        Self {
            peer,
            policy,
            downloads,
            open,
            cookie: None,
            store,
            regret,
            session: Hex([0; 16]),
            ignorant: false,
            began: false,
            early: None,
            earlier: Vec::new(),
            transfers: BTreeMap::new(),
            next_number: 1,
            queued: VecDeque::new(),
            scanning: 0,
            taken_meanwhile: Vec::new(),
            over: VecDeque::new(),
            unsuccessful: 0,
            declined: 0,
            output: Output::default(),
            reports,
            reporter,
            next_tick: Instant::now(),
            shows_progress: false,
            _guard: root.clone().drop_guard(),
            root,
            disk: JoinSet::new(),
        }
    }

    /// Both sides have said hello on a connection, the first or a later one. `known`: the peer's
    /// program knows what is said about files.
    pub fn connected(&mut self, session: SessionId, cookie: Option<Cookie>, known: bool) {
        (self.session, self.cookie, self.ignorant) = (session, cookie, !known);
        let Some(peer) = self.peer else { return };
        if self.ignorant {
            return self.withdraw_offers();
        }
        if !std::mem::replace(&mut self.began, true)
            && let Some(store) = self.store.clone()
        {
            self.early = Some(Vec::new());
            self.spawn(move || Report::Restored(offers::restore(&store, peer)));
        }
        let own = self
            .transfers
            .values()
            .filter(|t| t.direction() == Direction::Sent);
        let repeated: Vec<_> = own.map(|t| Control::Offer(t.offer.clone())).collect();
        self.output.controls.extend(repeated);
    }

    /// Whether an offer of the peer waits for the person.
    pub fn has_question(&self) -> bool {
        self.transfers.values().any(Transfer::is_question)
    }

    /// Whether nothing is offered, under way, or about to be.
    pub fn is_idle(&self) -> bool {
        self.transfers.is_empty()
            && self.queued.is_empty()
            && self.scanning == 0
            && self.early.is_none()
    }

    /// How many offers of this side were not taken so far, and how many of those the peer did not
    /// want.
    pub fn unsuccessful(&self) -> (usize, usize) {
        (self.unsuccessful, self.declined)
    }

    /// What is to be said and shown by now.
    pub fn take_output(&mut self) -> Output {
        std::mem::take(&mut self.output)
    }

    /// Waits for something to say or to show, or for a task to end, which may leave nothing to do.
    /// Cancel safe.
    pub async fn next(&mut self) -> Output {
        while self.output.is_empty() {
            let wake = self.wake();
            tokio::select! {
                Some(report) = self.reports.recv() => {
                    self.report(report);
                    break;
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    self.start_due();
                    self.tick();
                }
            }
        }
        self.take_output()
    }

    /// Stops all transfers, and waits until nothing is written any more, but no longer than 2 s. An
    /// offer that is open is made again in the next call with this peer.
    pub async fn stop(mut self) {
        self.root.cancel();
        let stopped = async {
            for task in self.transfers.values_mut().filter_map(|t| t.task.take()) {
                let _ = task.await;
            }
            while self.disk.join_next().await.is_some() {}
        };
        if timeout(STOP_TIMEOUT, stopped).await.is_err() {
            tracing::debug!("files are still written at the end of a call");
        }
    }

    /// When there is something to do.
    fn wake(&self) -> Option<Instant> {
        let running = self.transfers.values().any(Transfer::is_running);
        let ticks = (running || self.shows_progress).then_some(self.next_tick);
        let slots = self.open.is_some() && self.running() < MAX_RUNNING;
        let due = self
            .transfers
            .values()
            .filter_map(|transfer| match transfer.state {
                State::Waiting(due) if slots => due,
                _ => None,
            });
        due.chain(ticks).min()
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::Scanned(path, scanned) => {
                self.scanning -= 1;
                match *scanned {
                    Ok((source, earlier)) => self.scanned(source, earlier),
                    Err(error) => {
                        self.unsuccessful += 1;
                        let event = FileEvent::Unsendable(path, Arc::new(error));
                        self.output.events.push(event);
                    }
                }
                if self.scanning == 0 {
                    self.taken_meanwhile.clear();
                }
            }
            Report::Recorded(id) => {
                if let Some(number) = self.number_of(id) {
                    let offer = self.transfers[&number].offer.clone();
                    self.output.controls.push(Control::Offer(offer));
                }
            }
            Report::Restored(records) => self.restored(records),
            Report::Ended(id, run, ended) => {
                let number = self.number_of(id);
                let number = number.filter(|number| self.transfers[number].run == run);
                if let Some(number) = number {
                    self.run_ended(number, ended);
                }
            }
        }
    }

    fn add(&mut self, offer: Offer, side: Side, state: State) -> u32 {
        let number = self.next_number;
        self.next_number += 1;
        let transfer = Transfer {
            name: FileName::sanitize(&offer.name),
            offer,
            side,
            state,
            progress: Arc::default(),
            task: None,
            run: 0,
            failures: 0,
            measured: None,
            per_second: 0,
        };
        self.transfers.insert(number, transfer);
        number
    }

    fn show(&mut self, number: u32, state: FileState) {
        if let Some(transfer) = self.transfers.get(&number) {
            let summary = transfer.summary(number);
            self.output.events.push(FileEvent::Offer(summary, state));
        }
    }

    fn number_of(&self, id: OfferId) -> Option<u32> {
        let mut transfers = self.transfers.iter();
        transfers.find_map(|(number, transfer)| (transfer.offer.id == id).then_some(*number))
    }

    fn running(&self) -> usize {
        self.transfers
            .values()
            .filter(|transfer| transfer.is_running())
            .count()
    }

    fn record(&self, number: u32) -> Option<Record> {
        let transfer = self.transfers.get(&number)?;
        Some(Record {
            peer: self.peer?.to_string(),
            offer: transfer.offer.clone(),
            side: match &transfer.side {
                Side::Sends(source) => RecordedSide::Sends(source.path().to_owned()),
                Side::Takes { directory, stage } => RecordedSide::Takes {
                    directory: directory.clone(),
                    name: transfer.name.to_string(),
                    stage: *stage,
                },
            },
        })
    }

    /// Begins work on the disk that is to be waited for at the end.
    fn on_disk(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        // What is done is kept until it is looked at.
        while self.disk.try_join_next().is_some() {}
        self.disk.spawn(work);
    }

    fn spawn(&self, work: impl FnOnce() -> Report + Send + 'static) {
        let reporter = self.reporter.clone();
        tokio::spawn(async move {
            let _ = reporter.send(blocking(work).await);
        });
    }
}
