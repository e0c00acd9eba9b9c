//! What this side offers, now and from earlier programs.

use std::path::PathBuf;

use super::transfer::{Side, State, Transfer};
use super::{MAX_OPEN, Report, Transfers};
use crate::blocking;
use crate::files::{Direction, FileName, FileState, NotNow, Record, RecordedSide, Source, Store};
use crate::trust::Fingerprint;
use crate::wire::{CancelCode, Control, Hex, Offer};

impl Transfers {
    /// Offers what is at a path, once it was looked at.
    pub(super) fn offer(&mut self, path: PathBuf) {
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

    pub(super) fn scanned(&mut self, source: Source, earlier: Option<Offer>) {
        if self.ignorant {
            self.unsuccessful += 1;
            return self.not_now(NotNow::OldPeer);
        }
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
    pub(super) fn offer_queued(&mut self) {
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

    /// The peer would ignore what this side offers, and leave it open for ever.
    pub(super) fn withdraw_offers(&mut self) {
        self.unsuccessful += self.queued.len();
        self.queued.clear();
        let own = |(_, transfer): &(&u32, &Transfer)| transfer.direction() == Direction::Sent;
        let own: Vec<_> = self.transfers.iter().filter(own).map(|(n, _)| *n).collect();
        for number in own {
            let code = CancelCode::Unattended;
            self.end(number, Some(code), FileState::Refused(code));
        }
    }

    pub(super) fn make_offer(&mut self, source: Source, offer: Offer) {
        let number = self.add(offer.clone(), Side::Sends(source), State::Offered);
        // It is written down first: a program that ends in between would offer it as another.
        if let (Some(store), Some(record)) = (self.store.clone(), self.record(number)) {
            let reporter = self.reporter.clone();
            self.on_disk(blocking(move || {
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

    pub(super) fn restored(&mut self, records: Vec<(Record, Option<Source>)>) {
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
}

/// Whether a source is what was offered.
fn is_same(offer: &Offer, source: &Source) -> bool {
    (offer.size, offer.files) == (source.size(), source.files())
}

/// What earlier programs have left of offers between the two. A source that is not what it was
/// is not offered again by itself.
pub(super) fn restore(store: &Store, peer: Fingerprint) -> Vec<(Record, Option<Source>)> {
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
