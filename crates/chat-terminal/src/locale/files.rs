//! What is said about files.

use std::path::Path;

use chat_core::files::{
    Direction, FileEvent, FileState, FileSummary, FileViolation, NotNow, Rate, TransferError,
};
use chat_core::wire::CancelCode;

use super::{Explain, Language};
use crate::text::sanitize;

/// Files.
pub trait Files {
    /// The other side offers a file; `commands`: the user can answer.
    fn offered_to_you(&self, file: &FileSummary, commands: bool) -> String;

    /// This side offers a file.
    fn offered(&self, file: &FileSummary) -> String;

    /// A file that was offered is taken.
    fn taken(&self, name: &str, direction: Direction) -> String;

    /// A transfer goes on after a restart.
    fn resumed(&self, file: &FileSummary) -> String;

    /// A file has come.
    fn received(&self, path: &Path) -> String;

    /// A file is there.
    fn sent(&self, name: &str) -> String;

    /// This side has declined an offer, or cancelled one of either side.
    fn dropped(&self, number: u32, name: &str, code: CancelCode) -> String;

    /// A file was not sent.
    fn file_not_sent(&self, name: &str, why: &str) -> String;

    /// The other side does not send a file.
    fn does_not_come(&self, name: &str, why: &str) -> String;

    /// A file has changed since it was offered.
    fn offered_anew(&self, name: &str) -> String;

    /// A file was not received.
    fn file_not_received(&self, name: &str, why: &str) -> String;

    /// A path that nothing can be sent from.
    fn cannot_be_sent(&self, path: &str, why: &str) -> String;

    /// Why a command about a file is not obeyed.
    fn not_now(&self, why: NotNow) -> String;

    /// How fast a transfer is, and how long it still takes, in the progress row.
    fn rate(&self, per_second: &str, left: &str) -> String;

    /// Other transfers beside the one that is shown.
    fn and_more_files(&self, others: usize) -> String;

    /// Why the other side does not take or give a file, as the end of a sentence.
    fn cancelled(&self, code: CancelCode) -> &'static str;

    /// A file is not what it was.
    fn has_changed(&self, path: &Path) -> String;

    /// A path without anything that can be sent.
    fn nothing_to_send(&self) -> &'static str;

    /// A directory with more files than an offer may have.
    fn too_many_files(&self) -> &'static str;

    /// The disk is full.
    fn disk_is_full(&self) -> &'static str;

    /// The disk has too little room.
    fn too_little_room(&self, needed: &str, room: &str) -> String;

    /// What came is not what was sent.
    fn wrong_hash(&self, kept: &Path) -> String;

    /// How the other side broke the rules of a transfer.
    fn file_violation(&self, what: FileViolation) -> &'static str;
}

impl dyn Language + '_ {
    /// The notice for what has become of a file; `None` while it is only on its way. `commands`:
    /// the user can give commands.
    pub(super) fn file_event(&self, event: &FileEvent, commands: bool) -> Option<String> {
        Some(match event {
            FileEvent::Progress(_) => return None,
            FileEvent::Offer(file, state) => self.offer(file, state, commands),
            FileEvent::Unsendable(path, error) => {
                let path = sanitize::quote(&path.to_string_lossy());
                self.cannot_be_sent(&path, &self.transfer_error(error))
            }
            FileEvent::NotNow(why) => self.not_now(*why),
        })
    }

    fn offer(&self, file: &FileSummary, state: &FileState, commands: bool) -> String {
        let name = sanitize::quote(file.name.as_str());
        match (state, file.direction) {
            (FileState::Offered, Direction::Received) => self.offered_to_you(file, commands),
            (FileState::Offered, Direction::Sent) => self.offered(file),
            (FileState::Accepted, direction) => self.taken(&name, direction),
            (FileState::Resumed, _) => self.resumed(file),
            (FileState::Done { path, sha256 }, direction) => {
                let done = match (direction, path) {
                    (Direction::Received, Some(path)) => self.received(path),
                    _ => self.sent(&name),
                };
                match sha256 {
                    Some(sha256) => format!("{done}\n    SHA-256 {sha256}"),
                    None => done,
                }
            }
            (FileState::Dropped(code), _) => self.dropped(file.number, &name, *code),
            (FileState::Refused(code), Direction::Sent) => {
                self.file_not_sent(&name, self.cancelled(*code))
            }
            (FileState::Refused(code), Direction::Received) => {
                self.does_not_come(&name, self.cancelled(*code))
            }
            (FileState::Failed(error), Direction::Sent) => match &**error {
                TransferError::Changed(_) => self.offered_anew(&name),
                error => self.file_not_sent(&name, &self.transfer_error(error)),
            },
            (FileState::Failed(error), Direction::Received) => {
                self.file_not_received(&name, &self.transfer_error(error))
            }
        }
    }

    /// Why a transfer went wrong here, as the end of a sentence.
    fn transfer_error(&self, error: &TransferError) -> String {
        match error {
            TransferError::Connection(error) => self.system(error),
            TransferError::Connect(error) => error.explain_in(self),
            TransferError::Refused(_) => self.cancelled(CancelCode::Unknown).into(),
            TransferError::Unreadable { path, reason }
            | TransferError::Unwritable { path, reason } => {
                self.cannot_use(path, &self.system(reason))
            }
            TransferError::Changed(path) => self.has_changed(path),
            TransferError::Nothing(_) => self.nothing_to_send().into(),
            TransferError::TooMany(_) => self.too_many_files().into(),
            TransferError::NoSpace { needed: 0, .. } => self.disk_is_full().into(),
            TransferError::NoSpace { needed, room } => {
                self.too_little_room(&bytes(*needed), &bytes(*room))
            }
            TransferError::WrongHash { kept } => self.wrong_hash(kept),
            TransferError::Violation(what) => self.file_violation(*what).into(),
        }
    }

    /// How far the transfers are, in one row.
    pub(crate) fn progress(&self, rates: &[Rate]) -> Option<String> {
        let (first, others) = rates.split_first()?;
        let Rate {
            summary,
            done,
            per_second,
        } = first;
        let arrow = match summary.direction {
            Direction::Sent => '↑',
            Direction::Received => '↓',
        };
        let percent = match summary.size {
            0 => 100,
            size => u128::from(*done) * 100 / u128::from(size),
        };
        let name = sanitize::name(summary.name.as_str()).unwrap_or_default();
        let mut row = format!("{arrow} {name}  {percent} %");
        if *per_second > 0 {
            let left = summary.size.saturating_sub(*done) / per_second;
            row.push_str("  ");
            row.push_str(&self.rate(&bytes(*per_second), &clock(left)));
        }
        if !others.is_empty() {
            row.push_str("  ");
            row.push_str(&self.and_more_files(others.len()));
        }
        Some(row)
    }
}

/// An amount of bytes, as short as it can be read.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1_000.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while amount >= 999.95
        && let Some(next) = units.next()
    {
        amount /= 1_000.0;
        unit = Some(next);
    }
    format!("{amount:.1} {}", unit.unwrap_or(&"PB"))
}

/// Minutes and seconds, with hours if there are any.
fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        for (amount, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_999, "1.0 MB"),
            (300_000_000, "300.0 MB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(bytes(amount), text);
        }
        assert_eq!(clock(5), "0:05");
        assert_eq!(clock(3_725), "1:02:05");
    }
}
