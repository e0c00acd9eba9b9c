//! The help, and what is said of commands that cannot be obeyed.

use super::Language;
use crate::input::commands::{CommandError, MAX_SHOWN, Role};

/// The help, and answers to commands that cannot be obeyed.
pub trait Help {
    /// How to talk.
    fn say_help(&self) -> &'static str;

    /// How to know who is there.
    fn know_help(&self) -> &'static str;

    /// How to give and take files.
    fn files_help(&self) -> &'static str;

    /// What somebody can do who waits to be answered.
    fn wait_help(&self) -> &'static str;

    /// What somebody can do who is called.
    fn callers_help(&self) -> &'static str;

    /// How to end.
    fn end_help(&self) -> &'static str;

    /// Where the keys are listed.
    fn how_to_list_keys(&self) -> &'static str;

    /// What `/help keys` shows where lines are edited here.
    fn keys_help(&self) -> &'static str;

    /// A command that does not exist, and the one that may be meant.
    fn no_command(&self, typed: &str, nearest: Option<&str>) -> String;

    /// A command without the text that it needs.
    fn takes_text(&self, command: &str) -> String;

    /// A command with a text that it does not need.
    fn takes_nothing(&self, command: &str) -> String;

    /// A command about files with something else than a number.
    fn takes_number(&self, command: &str) -> String;

    /// `/send` alone.
    fn sends_nothing(&self) -> &'static str;

    /// `/say` alone.
    fn says_nothing(&self) -> &'static str;

    /// `/search` alone.
    fn searches_nothing(&self) -> &'static str;

    /// `/history` with something else than a number up to `most`.
    fn no_count(&self, most: usize) -> String;

    /// A command about a file, where there are none.
    fn no_files(&self) -> &'static str;

    /// A message or command that needs a call, while there is none.
    fn nobody_there(&self) -> &'static str;

    /// `/next` while nobody waits.
    fn nobody_waits(&self) -> &'static str;

    /// `/next` at a client.
    fn next_is_for_servers(&self) -> &'static str;

    /// `/answer`, `/decline` or `/block` while nobody rings.
    fn nobody_rings(&self) -> &'static str;

    /// `/note` while this side does not wait in a queue.
    fn nothing_to_wait_for(&self) -> &'static str;

    /// `/history` or `/search` without a call.
    fn no_call_to_read(&self) -> &'static str;
}

impl dyn Language + '_ {
    /// What `/help` shows: the commands of this role, by what one wants to do, and where the
    /// `keys` are listed if lines are edited here.
    pub(crate) fn help(&self, role: Role, keys: bool) -> String {
        let callers = match role {
            Role::Client => self.wait_help(),
            Role::Server => self.callers_help(),
        };
        let keys = if keys { self.how_to_list_keys() } else { "" };
        [
            self.say_help(),
            self.know_help(),
            self.files_help(),
            callers,
            self.end_help(),
            keys,
        ]
        .concat()
    }

    /// Why a command is not valid.
    pub(crate) fn command_error(&self, error: &CommandError) -> String {
        match error {
            CommandError::Unknown { typed, nearest } => self.no_command(typed, *nearest),
            CommandError::TakesText(name) => self.takes_text(name),
            CommandError::TakesNothing(name) => self.takes_nothing(name),
            CommandError::SendsNothing => self.sends_nothing().to_owned(),
            CommandError::NoNumber(name) => self.takes_number(name),
            CommandError::SaysNothing => self.says_nothing().to_owned(),
            CommandError::SearchesNothing => self.searches_nothing().to_owned(),
            CommandError::NoCount => self.no_count(MAX_SHOWN),
        }
    }
}
