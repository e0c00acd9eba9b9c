//! What the peer says about files.

use tokio::time::Instant;

use super::transfer::{Side, State};
use super::{MAX_OPEN, Policy, Transfers};
use crate::files::{Direction, FileState, MAX_FILES, Record, RecordedSide, Stage};
use crate::wire::{CancelCode, CancelledOffer, Control, Offer, OfferId};

impl Transfers {
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
                if let Some(number) = self.number_of(id)
                    && !(code == CancelCode::Unknown && self.offer_again(number))
                {
                    self.end(number, Some(code), FileState::Refused(code));
                }
            }
            _ => {}
        }
    }

    /// The peer's program was started anew, and has heard of a connection for an offer before the
    /// offer itself. Returns whether that can be: it had accepted it.
    fn offer_again(&mut self, number: u32) -> bool {
        let Some(transfer) = self.transfers.get_mut(&number) else {
            return false;
        };
        let is_own = transfer.direction() == Direction::Sent;
        if !is_own || matches!(transfer.state, State::Offered) {
            return false;
        }
        if let State::Running(token) = &transfer.state {
            token.cancel();
        }
        transfer.run += 1;
        transfer.state = State::Offered;
        self.output
            .controls
            .push(Control::Offer(transfer.offer.clone()));
        true
    }

    pub(super) fn offered(&mut self, offer: Offer) {
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
            _ if offer.files.is_some_and(|files| files > MAX_FILES) => Some(CancelCode::TooMany),
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
    pub(super) fn go_on_taking(&mut self, record: Record) {
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

    pub(super) fn accepted(&mut self, id: OfferId) {
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

    pub(super) fn taken(&mut self, id: OfferId) {
        let Some(number) = self.number_of(id) else {
            return;
        };
        let transfer = &self.transfers[&number];
        if transfer.direction() == Direction::Sent {
            let sha256 = transfer.progress.sha256();
            self.end(number, None, FileState::Done { path: None, sha256 });
        }
    }

    pub(super) fn say_unknown(&mut self, id: OfferId) {
        let code = CancelCode::Unknown;
        let unknown = Control::Cancel(CancelledOffer { id, code });
        self.output.controls.push(unknown);
    }
}
