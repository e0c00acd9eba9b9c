//! What the person wants done with an offer, and how one ends.

use std::path::PathBuf;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::transfer::{Side, State, Transfer};
use super::{MAX_OVER, Transfers};
use crate::blocking;
use crate::files::{
    Direction, Directory, Expected, FileCommand, FileEvent, FileName, FileState, NotNow, Store,
};
use crate::wire::{CancelCode, CancelledOffer, Control, OfferId};

impl Transfers {
    /// The person gives a command.
    pub fn command(&mut self, command: FileCommand) {
        if self.peer.is_none() {
            if matches!(command, FileCommand::Send(_)) {
                self.output.regret = self.regret.take();
            }
            return self.not_now(NotNow::PlainPeer);
        }
        match command {
            FileCommand::Send(paths) if self.ignorant => {
                self.unsuccessful += paths.len();
                self.not_now(NotNow::OldPeer);
            }
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

    /// The transfer that a command means, of those that it can mean.
    pub(super) fn pick(
        &mut self,
        number: Option<u32>,
        is_meant: impl Fn(&Transfer) -> bool,
    ) -> Option<u32> {
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
        self.not_now(why);
        None
    }

    pub(super) fn not_now(&mut self, why: NotNow) {
        self.output.events.push(FileEvent::NotNow(why));
    }

    pub(super) fn accept(&mut self, number: u32, name: Option<&str>) {
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
    pub(super) fn drop_offer(&mut self, number: u32, code: CancelCode) {
        self.say_cancelled(number, code);
        self.end(number, Some(code), FileState::Dropped(code));
    }

    pub(super) fn say_cancelled(&mut self, number: u32, code: CancelCode) {
        if let Some(transfer) = self.transfers.get(&number) {
            let id = transfer.offer.id;
            let cancelled = CancelledOffer { id, code };
            self.output.controls.push(Control::Cancel(cancelled));
        }
    }

    /// An offer is over: taken, or cancelled for this reason.
    pub(super) fn end(&mut self, number: u32, cancelled: Option<CancelCode>, state: FileState) {
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
    pub(super) fn forget(
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
        self.on_disk(async move {
            if let Some(task) = task {
                let _ = task.await;
            }
            removal.await;
        });
    }
}
