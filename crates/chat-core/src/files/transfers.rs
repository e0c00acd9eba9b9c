//! All offers of a call: what each side has said about them, and the transfers under way.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::task::{self, Way, Work};
use super::{
    Direction, Directory, Expected, FileCommand, FileConfig, FileConnection, FileEvent, FileName,
    FileState, FileStream, FileSummary, NotNow, OpenFile, Progress, Rate, Record, RecordedSide,
    Source, Stage, Store, TransferError,
};
use crate::blocking;
use crate::trust::Fingerprint;
use crate::wire::{
    CancelCode, CancelledOffer, Control, Cookie, FileHello, Hex, Offer, OfferId, RefusalCode,
    SessionId,
};

/// The most offers of each side that are open; more of this side's wait.
const MAX_OPEN: usize = 32;

/// The most transfers that the dialer runs at once.
const MAX_RUNNING: usize = 4;

/// How often progress is shown.
const TICK: Duration = Duration::from_millis(500);

/// The pause before a lost connection of a transfer is made again; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

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
    /// Shown to the person.
    pub events: Vec<FileEvent>,
}

impl Output {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.controls.is_empty() && self.events.is_empty()
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
    session: SessionId,
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

/// An offer that is not over.
struct Transfer {
    offer: Offer,
    name: FileName,
    side: Side,
    state: State,
    progress: Arc<Progress>,
    /// The task of the last connection: one after the other writes to the disk.
    task: Option<JoinHandle<()>>,
    /// Counts the connections, so that what an old one reports does not count.
    run: u64,
    failures: u32,
    /// When progress was last shown, and what it was.
    measured: Option<(Instant, u64)>,
    per_second: u64,
}

enum Side {
    Sends(Source),
    Takes { directory: PathBuf, stage: Stage },
}

enum State {
    /// The receiver has not decided.
    Offered,
    /// It wants it, and there is no connection. The dialer makes one then.
    Waiting(Option<Instant>),
    /// It is under way.
    Running(CancellationToken),
    /// All was sent; whether it is taken, the receiver says in the talk.
    Sent,
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
            session: Hex([0; 16]),
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

    /// Both sides have said hello on a connection, the first or a later one.
    pub fn connected(&mut self, session: SessionId, cookie: Option<Cookie>) {
        (self.session, self.cookie) = (session, cookie);
        let Some(peer) = self.peer else { return };
        if !std::mem::replace(&mut self.began, true)
            && let Some(store) = self.store.clone()
        {
            self.early = Some(Vec::new());
            self.spawn(move || Report::Restored(restore(&store, peer)));
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

    /// The person gives a command.
    pub fn command(&mut self, command: FileCommand) {
        if self.peer.is_none() {
            return self
                .output
                .events
                .push(FileEvent::NotNow(NotNow::PlainPeer));
        }
        match command {
            FileCommand::Send(paths) => paths.into_iter().for_each(|path| self.offer(path)),
            FileCommand::Accept { number, name } => {
                if let Some(number) = self.pick(number, Transfer::is_question) {
                    self.accept(number, name.as_deref());
                }
            }
            FileCommand::Decline(number) => {
                if let Some(number) = self.pick(number, Transfer::is_question) {
                    self.drop_offer(number, CancelCode::Declined);
                }
            }
            FileCommand::Cancel(number) => {
                if let Some(number) = self.pick(number, |_| true) {
                    self.drop_offer(number, CancelCode::Cancelled);
                }
            }
        }
    }

    /// Offers what is at a path, once it was looked at.
    fn offer(&mut self, path: PathBuf) {
        self.scanning += 1;
        let (store, peer) = (self.store.clone(), self.peer);
        self.spawn(move || {
            let scanned = Source::scan(&path).map(|source| {
                let earlier = store.zip(peer).and_then(|(store, peer)| {
                    // The same again, after a restart, is the same offer.
                    store
                        .of_peer(peer)
                        .into_iter()
                        .find_map(|record| match record.side {
                            RecordedSide::Sends(from)
                                if from == source.path() && is_same(&record.offer, &source) =>
                            {
                                Some(record.offer)
                            }
                            _ => None,
                        })
                });
                (source, earlier)
            });
            Report::Scanned(path, Box::new(scanned))
        });
    }

    /// The transfer that a command means, of those that it can mean.
    fn pick(&mut self, number: Option<u32>, is_meant: impl Fn(&Transfer) -> bool) -> Option<u32> {
        let mut meant = self
            .transfers
            .iter()
            .filter(|(_, transfer)| is_meant(transfer));
        let why = match number {
            Some(number) if meant.any(|(n, _)| *n == number) => return Some(number),
            Some(number) => NotNow::NoSuchOffer(number),
            None => match (meant.next(), meant.next()) {
                (Some((number, _)), None) => return Some(*number),
                (None, _) => NotNow::NothingOpen,
                (Some(_), Some(_)) => NotNow::WhichOne,
            },
        };
        self.output.events.push(FileEvent::NotNow(why));
        None
    }

    fn accept(&mut self, number: u32, name: Option<&str>) {
        let Some(transfer) = self.transfers.get_mut(&number) else {
            return;
        };
        if let Some(name) = name {
            transfer.name = FileName::sanitize(name);
        }
        transfer.state = State::Waiting(Some(Instant::now()));
        self.output
            .controls
            .push(Control::Accept(transfer.offer.id));
        self.show(number, FileState::Accepted);
        self.start_due();
    }

    /// Drops an offer of either side.
    fn drop_offer(&mut self, number: u32, code: CancelCode) {
        self.say_cancelled(number, code);
        self.end(number, Some(code), FileState::Dropped);
    }

    fn say_cancelled(&mut self, number: u32, code: CancelCode) {
        if let Some(transfer) = self.transfers.get(&number) {
            let id = transfer.offer.id;
            let cancelled = CancelledOffer { id, code };
            self.output.controls.push(Control::Cancel(cancelled));
        }
    }

    /// An offer is over: taken, or cancelled for this reason.
    fn end(&mut self, number: u32, cancelled: Option<CancelCode>, state: FileState) {
        self.show(number, state);
        let Some(transfer) = self.transfers.remove(&number) else {
            return;
        };
        if let State::Running(token) = &transfer.state {
            token.cancel();
        }
        let sends = transfer.direction() == Direction::Sent;
        if sends && let Some(code) = cancelled {
            self.unsuccessful += 1;
            self.declined += usize::from(code == CancelCode::Declined);
        }
        if let Side::Sends(source) = &transfer.side
            && cancelled.is_none()
            && self.scanning > 0
        {
            let taken = (source.path().to_owned(), transfer.offer.clone());
            self.taken_meanwhile.push(taken);
        }
        self.over.push_back((transfer.offer.id, cancelled));
        if self.over.len() > MAX_OVER {
            self.over.pop_front();
        }
        // What was taken is remembered on the disk: the peer may not know yet.
        if sends || cancelled.is_some() {
            let store = self.store.clone();
            let parts = match &transfer.side {
                Side::Takes { directory, .. } if transfer.run > 0 => {
                    Some((directory.clone(), transfer.expected()))
                }
                _ => None,
            };
            self.forget(transfer.task, store, transfer.offer.id, parts);
        }
        self.offer_queued();
        self.start_due();
    }

    /// Removes a record, and what has come of a file.
    fn forget(
        &mut self,
        task: Option<JoinHandle<()>>,
        store: Option<Store>,
        id: OfferId,
        parts: Option<(PathBuf, Expected)>,
    ) {
        let removal = blocking(move || {
            if let Some(store) = store {
                store.remove(id);
            }
            if let Some((directory, expected)) = parts {
                let removed =
                    Directory::open(&directory).and_then(|directory| expected.discard(&directory));
                if let Err(error) = removed {
                    tracing::debug!(%error, "a part of a file stays");
                }
            }
        });
        self.disk.spawn(async move {
            if let Some(task) = task {
                let _ = task.await;
            }
            removal.await;
        });
    }

    /// The peer says something about a file.
    pub fn control(&mut self, control: Control) {
        if let Some(early) = &mut self.early {
            // It says no more than its open offers before they are answered.
            if early.len() < 4 * MAX_OPEN {
                early.push(control);
            }
            return;
        }
        match control {
            Control::Offer(offer) => self.offered(offer),
            Control::Accept(id) => self.accepted(id),
            Control::Taken(id) => self.taken(id),
            Control::Cancel(CancelledOffer { id, code }) => {
                if let Some(number) = self.number_of(id) {
                    self.end(number, Some(code), FileState::Refused(code));
                }
            }
            _ => {}
        }
    }

    fn offered(&mut self, offer: Offer) {
        let id = offer.id;
        if let Some(number) = self.number_of(id) {
            let transfer = &self.transfers[&number];
            if transfer.direction() == Direction::Received && !transfer.is_question() {
                self.output.controls.push(Control::Accept(id));
                self.start_due();
            }
            return;
        }
        if let Some((_, cancelled)) = self.over.iter().find(|(over, _)| *over == id) {
            let answer = match *cancelled {
                None => Control::Taken(id),
                Some(code) => Control::Cancel(CancelledOffer { id, code }),
            };
            return self.output.controls.push(answer);
        }
        if let Some(at) = self.earlier.iter().position(|record| record.offer.id == id) {
            let record = self.earlier.swap_remove(at);
            return self.go_on_taking(record);
        }
        let open = self
            .transfers
            .values()
            .filter(|transfer| transfer.is_question());
        let refusal = match self.policy {
            Policy::Refuse => Some(CancelCode::Unattended),
            _ if open.count() >= MAX_OPEN => Some(CancelCode::TooMany),
            _ if offer.files.is_some_and(|files| files > super::MAX_FILES) => {
                Some(CancelCode::TooMany)
            }
            _ => None,
        };
        let directory = self.downloads.clone();
        let stage = Stage::Accepted;
        let number = self.add(offer, Side::Takes { directory, stage }, State::Offered);
        self.show(number, FileState::Offered);
        match refusal {
            Some(code) => self.drop_offer(number, code),
            None if self.policy == Policy::Accept => self.accept(number, None),
            None => {}
        }
    }

    /// The peer repeats an offer that was accepted in an earlier call.
    fn go_on_taking(&mut self, record: Record) {
        let id = record.offer.id;
        let name = record.side.name();
        let RecordedSide::Takes {
            directory, stage, ..
        } = record.side
        else {
            return;
        };
        if stage == Stage::Taken {
            self.over.push_back((id, None));
            return self.output.controls.push(Control::Taken(id));
        }
        let side = Side::Takes { directory, stage };
        let number = self.add(record.offer, side, State::Waiting(Some(Instant::now())));
        if let (Some(transfer), Some(name)) = (self.transfers.get_mut(&number), name) {
            transfer.name = name;
        }
        self.show(number, FileState::Resumed);
        self.output.controls.push(Control::Accept(id));
        self.start_due();
        // There is only a name to give, which needs no connection.
        if stage == Stage::Whole && self.open.is_none() {
            self.run(number, None);
        }
    }

    fn accepted(&mut self, id: OfferId) {
        let Some(number) = self.number_of(id) else {
            return self.say_unknown(id);
        };
        let Some(transfer) = self.transfers.get_mut(&number) else {
            return;
        };
        if transfer.direction() == Direction::Sent && !transfer.is_running() {
            let first = matches!(transfer.state, State::Offered);
            transfer.state = State::Waiting(Some(Instant::now()));
            if first {
                self.show(number, FileState::Accepted);
            }
            self.start_due();
        }
    }

    fn taken(&mut self, id: OfferId) {
        let Some(number) = self.number_of(id) else {
            return;
        };
        let transfer = &self.transfers[&number];
        if transfer.direction() == Direction::Sent {
            let sha256 = transfer.progress.sha256();
            self.end(number, None, FileState::Done { path: None, sha256 });
        }
    }

    /// The peer has made a connection for an offer, as the dialer does whoever sends.
    pub fn incoming(&mut self, connection: FileConnection) {
        let hello = connection.hello;
        let number = self.number_of(hello.offer);
        let number = number.filter(|_| hello.conversation == self.session && self.open.is_none());
        let wanted = number.filter(|number| !self.transfers[number].is_question());
        match wanted {
            Some(number) => self.run(number, Some(connection.stream)),
            None => {
                // The word that it is over was lost with a connection of the call.
                let forgotten = self.early.is_none() && number.is_none();
                if forgotten && hello.conversation == self.session {
                    self.say_unknown(hello.offer);
                }
                tokio::spawn(connection.refuse(RefusalCode::NoSession));
            }
        }
    }

    fn say_unknown(&mut self, id: OfferId) {
        let code = CancelCode::Unknown;
        let unknown = Control::Cancel(CancelledOffer { id, code });
        self.output.controls.push(unknown);
    }

    /// Starts what waits for it, as far as there are places.
    fn start_due(&mut self) {
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
    fn run(&mut self, number: u32, given: Option<FileStream>) {
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

    fn scanned(&mut self, source: Source, earlier: Option<Offer>) {
        let mut taken = self.taken_meanwhile.iter();
        if taken.any(|(path, offer)| path == source.path() && is_same(offer, &source)) {
            return;
        }
        match earlier {
            // It was restored meanwhile.
            Some(offer) if self.number_of(offer.id).is_some() => {}
            Some(offer) => self.make_offer(source, offer),
            None => {
                self.queued.push_back(source);
                self.offer_queued();
            }
        }
    }

    /// Offers what waits for that, as far as there is room.
    fn offer_queued(&mut self) {
        let own = |transfer: &&Transfer| transfer.direction() == Direction::Sent;
        while self.transfers.values().filter(own).count() < MAX_OPEN
            && let Some(source) = self.queued.pop_front()
        {
            let offer = Offer {
                id: Hex::random(),
                name: FileName::sanitize(&source.name()).to_string(),
                size: source.size(),
                files: source.files(),
            };
            self.make_offer(source, offer);
        }
    }

    fn make_offer(&mut self, source: Source, offer: Offer) {
        let number = self.add(offer.clone(), Side::Sends(source), State::Offered);
        // It is written down first: a program that ends in between would offer it as another.
        if let (Some(store), Some(record)) = (self.store.clone(), self.record(number)) {
            let reporter = self.reporter.clone();
            self.disk.spawn(blocking(move || {
                if let Err(error) = store.put(&record) {
                    tracing::debug!(%error, "an offer is not written down");
                }
                let _ = reporter.send(Report::Recorded(record.offer.id));
            }));
        } else {
            self.output.controls.push(Control::Offer(offer));
        }
        self.show(number, FileState::Offered);
    }

    fn restored(&mut self, records: Vec<(Record, Option<Source>)>) {
        for (record, source) in records {
            match source {
                Some(source) if self.number_of(record.offer.id).is_none() => {
                    let offer = record.offer;
                    let number = self.add(offer.clone(), Side::Sends(source), State::Offered);
                    self.output.controls.push(Control::Offer(offer));
                    self.show(number, FileState::Resumed);
                }
                Some(_) => {}
                None => self.earlier.push(record),
            }
        }
        for control in self.early.take().unwrap_or_default() {
            self.control(control);
        }
    }

    fn run_ended(&mut self, number: u32, ended: Result<Option<PathBuf>, TransferError>) {
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
    fn tick(&mut self) {
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

    fn spawn(&self, work: impl FnOnce() -> Report + Send + 'static) {
        let reporter = self.reporter.clone();
        tokio::spawn(async move {
            let _ = reporter.send(blocking(work).await);
        });
    }
}

impl Transfer {
    fn direction(&self) -> Direction {
        match self.side {
            Side::Sends(_) => Direction::Sent,
            Side::Takes { .. } => Direction::Received,
        }
    }

    /// Whether it is an offer of the peer that waits for the person.
    fn is_question(&self) -> bool {
        matches!(self.state, State::Offered) && self.direction() == Direction::Received
    }

    fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    fn expected(&self) -> Expected {
        Expected {
            id: self.offer.id,
            name: self.name.clone(),
            size: self.offer.size,
            files: self.offer.files,
        }
    }

    fn summary(&self, number: u32) -> FileSummary {
        FileSummary {
            number,
            direction: self.direction(),
            name: self.name.clone(),
            size: self.offer.size,
            files: self.offer.files,
        }
    }

    /// Measures the rate, smoothed over some seconds.
    fn measure(&mut self, now: Instant) {
        let done = self.progress.done();
        if let Some((at, before)) = self.measured {
            let passed = (now - at).as_secs_f64();
            let rate = (done.saturating_sub(before) as f64 / passed.max(0.001)) as u64;
            self.per_second = match self.per_second {
                0 => rate,
                smoothed => (3 * smoothed + rate) / 4,
            };
        }
        self.measured = Some((now, done));
    }
}

/// Whether a source is what was offered.
fn is_same(offer: &Offer, source: &Source) -> bool {
    (offer.size, offer.files) == (source.size(), source.files())
}

/// What earlier programs have left of offers between the two. A source that is not what it was
/// is not offered again by itself.
fn restore(store: &Store, peer: Fingerprint) -> Vec<(Record, Option<Source>)> {
    let with_source = |record: Record| match &record.side {
        RecordedSide::Takes { .. } => Some((record, None)),
        RecordedSide::Sends(path) => match Source::scan(path) {
            Ok(source) if is_same(&record.offer, &source) => Some((record, Some(source))),
            _ => {
                store.remove(record.offer.id);
                None
            }
        },
    };
    store
        .of_peer(peer)
        .into_iter()
        .filter_map(with_source)
        .collect()
}
