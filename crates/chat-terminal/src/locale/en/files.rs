//! What is said about files.

use std::path::Path;

use chat_core::files::{Direction, FileSummary, FileViolation, NotNow};
use chat_core::wire::CancelCode;

use super::English;
use crate::locale::{Files, bytes};
use crate::text::sanitize;

impl Files for English {
    fn offered_to_you(&self, file: &FileSummary, commands: bool) -> String {
        let (number, what) = (file.number, what(file));
        match commands {
            true => format!(
                "File {number} is offered to you: {what}: /accept {number} or /decline {number}"
            ),
            false => format!("File {number} is offered to you: {what}."),
        }
    }

    fn offered(&self, file: &FileSummary) -> String {
        format!("File {} is offered: {}.", file.number, what(file))
    }

    fn taken(&self, name: &str, direction: Direction) -> String {
        match direction {
            Direction::Received => format!("Receiving {name} …"),
            Direction::Sent => format!("The other side takes {name}."),
        }
    }

    fn resumed(&self, file: &FileSummary) -> String {
        let (number, what) = (file.number, what(file));
        match file.direction {
            Direction::Received => format!("File {number} goes on: {what}."),
            Direction::Sent => format!("File {number} is offered again: {what}."),
        }
    }

    fn received(&self, path: &Path) -> String {
        format!("Received {}", path.display())
    }

    fn sent(&self, name: &str) -> String {
        format!("Sent {name}")
    }

    fn dropped(&self, number: u32, name: &str, code: CancelCode) -> String {
        match code {
            CancelCode::Declined => format!("You declined file {number}, {name}."),
            CancelCode::Cancelled => format!("You cancelled file {number}, {name}."),
            // No person has decided that.
            _ => format!("File {number} was declined: {name}."),
        }
    }

    fn file_not_sent(&self, name: &str, why: &str) -> String {
        format!("{name} was not sent: {why}.")
    }

    fn does_not_come(&self, name: &str, why: &str) -> String {
        format!("{name} will not come: {why}.")
    }

    fn offered_anew(&self, name: &str) -> String {
        format!("{name} has changed; it is offered again.")
    }

    fn file_not_received(&self, name: &str, why: &str) -> String {
        format!("{name} was not received: {why}.")
    }

    fn cannot_be_sent(&self, path: &str, why: &str) -> String {
        format!("{path} cannot be sent: {why}.")
    }

    fn not_now(&self, why: NotNow) -> String {
        match why {
            NotNow::PlainPeer => {
                "The other side cannot take files: it is a plain connection, not this program."
                    .into()
            }
            NotNow::OldPeer => {
                "The other side cannot take files: its program is too old, or not this one.".into()
            }
            NotNow::NothingOpen => {
                "There is no file to do that with; /send PATH offers one.".into()
            }
            NotNow::WhichOne => "There are several files; say which one by its number.".into(),
            NotNow::NoSuchOffer(number) => format!("There is no file {number} to do that with."),
        }
    }

    fn rate(&self, per_second: &str, left: &str) -> String {
        format!("{per_second}/s  {left} left")
    }

    fn and_more_files(&self, others: usize) -> String {
        format!("and {others} more")
    }

    fn cancelled(&self, code: CancelCode) -> &'static str {
        match code {
            CancelCode::Declined => "the other side declined it",
            CancelCode::Unattended => "nobody there can take files; --accept-files takes them",
            CancelCode::Cancelled => "the other side cancelled it",
            CancelCode::Changed => "it has changed there, and is offered again",
            CancelCode::Unreadable => "the other side cannot read it",
            CancelCode::NoSpace => "the other side has no room for it",
            CancelCode::Unwritable => "the other side cannot write it",
            CancelCode::WrongHash => "what arrived there differs from what was sent",
            CancelCode::TooMany => "too many files are offered already",
            CancelCode::Unknown => "the other side no longer knows it",
            CancelCode::Other => "something went wrong at the other side",
        }
    }

    fn has_changed(&self, path: &Path) -> String {
        format!("{} has changed", path.display())
    }

    fn nothing_to_send(&self) -> &'static str {
        "it is neither a file nor a directory with files in it"
    }

    fn too_many_files(&self) -> &'static str {
        "it has too many files"
    }

    fn disk_is_full(&self) -> &'static str {
        "the disk is full"
    }

    fn too_little_room(&self, needed: &str, room: &str) -> String {
        format!("{needed} are needed, and there is room for {room}")
    }

    fn wrong_hash(&self, kept: &Path) -> String {
        let kept = kept.display();
        format!("its SHA-256 is wrong; what came is kept as {kept}")
    }

    fn file_violation(&self, what: FileViolation) -> &'static str {
        match what {
            FileViolation::TooMuch => "more came than was offered",
            FileViolation::TooLittle => "less came than was offered",
            FileViolation::Malformed(_)
            | FileViolation::Endless
            | FileViolation::Misplaced
            | FileViolation::Path => "the other side broke the rules",
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
