//! What is said about files.

use std::fmt::Write;

use chat_core::files::{
    Direction, FileEvent, FileState, FileSummary, FileViolation, NotNow, Rate, TransferError,
};
use chat_core::wire::CancelCode;

use crate::locale::Explain;
use crate::text::sanitize;

/// The notice for what has become of a file; `None` while it is only on its way. `commands`: the
/// user can give commands.
pub(super) fn file_event(event: &FileEvent, commands: bool) -> Option<String> {
    Some(match event {
        FileEvent::Progress(_) => return None,
        FileEvent::Offer(file, state) => offer(file, state, commands),
        FileEvent::Unsendable(path, error) => {
            let path = sanitize::quote(&path.to_string_lossy());
            format!("{path} cannot be sent: {}.", transfer_error(error))
        }
        FileEvent::NotNow(why) => not_now(*why),
    })
}

fn offer(file: &FileSummary, state: &FileState, commands: bool) -> String {
    let FileSummary {
        number, direction, ..
    } = file;
    let (name, what) = (sanitize::quote(file.name.as_str()), what(file));
    match (state, direction) {
        (FileState::Offered, Direction::Received) => {
            let how = match commands {
                true => format!(": /accept {number} or /decline {number}"),
                false => ".".to_owned(),
            };
            format!("File {number} is offered to you: {what}{how}")
        }
        (FileState::Offered, Direction::Sent) => format!("File {number} is offered: {what}."),
        (FileState::Accepted, Direction::Received) => format!("Taking {name} …"),
        (FileState::Accepted, Direction::Sent) => format!("They take {name}."),
        (FileState::Resumed, Direction::Received) => format!("File {number} goes on: {what}."),
        (FileState::Resumed, Direction::Sent) => format!("File {number} is offered again: {what}."),
        (FileState::Done { path, sha256 }, direction) => {
            let mut done = match (direction, path) {
                (Direction::Received, Some(path)) => format!("Received {}", path.display()),
                _ => format!("Sent {name}"),
            };
            if let Some(sha256) = sha256 {
                write!(done, "\n    SHA-256 {sha256}").expect("a string takes everything");
            }
            done
        }
        (FileState::Dropped, _) => format!("File {number} is dropped: {name}."),
        (FileState::Refused(code), Direction::Sent) => {
            format!("{name} was not sent: {}.", refused(*code))
        }
        (FileState::Refused(code), Direction::Received) => {
            format!("{name} does not come: {}.", refused(*code))
        }
        (FileState::Failed(error), Direction::Sent) => match **error {
            TransferError::Changed(_) => format!("{name} has changed; it is offered anew."),
            _ => format!("{name} was not sent: {}.", transfer_error(error)),
        },
        (FileState::Failed(error), Direction::Received) => {
            format!("{name} was not received: {}.", transfer_error(error))
        }
    }
}

/// The name of what is offered, its size, and its kind.
fn what(file: &FileSummary) -> String {
    let (name, size) = (sanitize::quote(file.name.as_str()), bytes(file.size));
    match file.files {
        None => format!("{name}, {size}"),
        Some(1) => format!("{name}, a directory with 1 file, {size}"),
        Some(files) => format!("{name}, a directory with {files} files, {size}"),
    }
}

/// How far the transfers are, in one row.
pub(crate) fn progress(rates: &[Rate]) -> Option<String> {
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
        let (rate, left) = (bytes(*per_second), clock(left));
        write!(row, "  {rate}/s  {left} left").expect("a string takes everything");
    }
    if !others.is_empty() {
        write!(row, "  and {} more", others.len()).expect("a string takes everything");
    }
    Some(row)
}

/// An amount of bytes, as short as it can be read.
fn bytes(bytes: u64) -> String {
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

fn refused(code: CancelCode) -> &'static str {
    match code {
        CancelCode::Declined => "the other side declined it",
        CancelCode::Unattended => "nobody there can take files; --accept-files does",
        CancelCode::Cancelled => "the other side cancelled it",
        CancelCode::Changed => "it has changed there, and is offered anew",
        CancelCode::Unreadable => "the other side cannot read it",
        CancelCode::NoSpace => "the other side has no room for it",
        CancelCode::Unwritable => "the other side cannot write it",
        CancelCode::WrongHash => "what arrived there was not the same",
        CancelCode::TooMany => "that was one offer too many",
        CancelCode::Unknown => "the other side does not know it any more",
        CancelCode::Other => "it went wrong at the other side",
    }
}

/// Why a transfer went wrong here, as the end of a sentence.
fn transfer_error(error: &TransferError) -> String {
    match error {
        TransferError::Connection(error) => error.to_string(),
        TransferError::Connect(error) => error.explain(),
        TransferError::Refused(_) => "the other side does not know it any more".into(),
        TransferError::Unreadable { path, reason } => format!("{}: {reason}", path.display()),
        TransferError::Changed(path) => format!("{} has changed", path.display()),
        TransferError::Nothing(_) => "it is neither a file nor a directory with files in it".into(),
        TransferError::TooMany(_) => "it has too many files".into(),
        TransferError::Unwritable { path, reason } => format!("{}: {reason}", path.display()),
        TransferError::NoSpace { needed: 0, .. } => "the disk is full".into(),
        TransferError::NoSpace { needed, room } => {
            let (needed, room) = (bytes(*needed), bytes(*room));
            format!("{needed} are needed, and there is room for {room}")
        }
        TransferError::WrongHash { kept } => {
            let kept = kept.display();
            format!("its SHA-256 is wrong; what came is kept as {kept}")
        }
        TransferError::Violation(FileViolation::TooMuch) => "more came than was offered".into(),
        TransferError::Violation(FileViolation::TooLittle) => "less came than was offered".into(),
        TransferError::Violation(_) => "the other side broke the rules".into(),
    }
}

fn not_now(why: NotNow) -> String {
    match why {
        NotNow::PlainPeer => {
            "The other side cannot take files: it is not this program, but plain lines.".into()
        }
        NotNow::NothingOpen => "There is no such file; /send PATH offers one.".into(),
        NotNow::WhichOne => "There are several; say which, by its number.".into(),
        NotNow::NoSuchOffer(number) => format!("There is no file {number} to do that with."),
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
