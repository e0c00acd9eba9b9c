//! Parses a typed line: a message, the hang-up, or a command.

use std::borrow::Cow;

use chat_core::driver::Command;
use chat_core::files::FileCommand;
use chat_core::wire;

use crate::input::paths;

/// Whose commands they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Who calls.
    Client,
    /// Who is called, and has callers who ring and wait.
    Server,
}

/// A parsed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Send this message.
    Say(String),
    /// Hang up.
    HangUp,
    /// Hang up, unless it was meant as text: 88 with blanks, or from an input method.
    HangUpMaybe,
    /// Run this command.
    Command(Command),
    /// List the commands.
    Help,
    /// List the keys.
    KeysHelp,
}

/// Why a line that begins with `/` is not a valid command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommandError {
    /// There is no such command.
    Unknown {
        /// The name as typed, with its `/`.
        typed: String,
        /// The most similar command, if one is similar enough.
        nearest: Option<&'static str>,
    },
    /// The command takes no argument.
    TakesNothing(&'static str),
    /// `/send` without a path.
    SendsNothing,
    /// What stands after the command is no number.
    NoNumber(&'static str),
    /// `/say` without a text.
    SaysNothing,
    /// The command needs a text after it.
    TakesText(&'static str),
    /// `/search` without a text.
    SearchesNothing,
    /// `/history` with something else than a number from 1 to [`MAX_SHOWN`].
    NoCount,
}

/// Every command, in the order of the help text.
pub(crate) const NAMES: [&str; 21] = [
    "/accept", "/answer", "/away", "/block", "/cancel", "/decline", "/help", "/history", "/keep",
    "/me", "/name", "/next", "/note", "/peers", "/quit", "/rename", "/say", "/search", "/send",
    "/status", "/verify",
];

/// How many messages `/history` shows unless it is told, and how many at most.
const SHOWN: usize = 20;
pub(crate) const MAX_SHOWN: usize = 1_000;

/// Those that are about callers.
const FOR_SERVERS: [&str; 3] = ["/answer", "/block", "/next"];

/// What only a caller does.
const FOR_CLIENTS: [&str; 1] = ["/note"];

/// The similarity, from 0 to 1, from which a name is suggested for a mistyped one.
const ALIKE: f64 = 0.6;

/// What input methods type for a `/`: the comma of Chinese enumerations, or a wide one.
const SLASHES: [char; 2] = ['、', '／'];

/// A line with a `/` for what an input method has made of it, before the name of a command.
pub(crate) fn with_slash(text: &str) -> Cow<'_, str> {
    match text.strip_prefix(SLASHES) {
        Some(command) if command.starts_with(|c: char| c.is_ascii_lowercase()) => {
            Cow::Owned(format!("/{command}"))
        }
        _ => Cow::Borrowed(text),
    }
}

/// Parses a line. A text of several lines is always a message.
pub(crate) fn parse(text: &str, role: Role) -> Result<Request, CommandError> {
    if text.contains('\n') {
        return Ok(Request::Say(text.to_owned()));
    }
    if wire::is_hang_up(text.as_bytes()) {
        return Ok(Request::HangUp);
    }
    if is_like_hang_up(text) {
        return Ok(Request::HangUpMaybe);
    }
    let text = &*with_slash(text);
    let Some(command) = text.strip_prefix('/') else {
        return Ok(Request::Say(text.to_owned()));
    };
    if command.starts_with('/') {
        return Ok(Request::Say(command.to_owned()));
    }
    let (typed, argument) = match text.split_once(' ') {
        Some((typed, argument)) => (typed, argument),
        None => (text, ""),
    };
    let Some(&name) = NAMES.iter().find(|&&name| name == typed) else {
        return Err(CommandError::Unknown {
            typed: typed.to_owned(),
            nearest: nearest(typed, role),
        });
    };
    let words = Some(argument.trim()).filter(|words| !words.is_empty());
    let words = words.map(str::to_owned);
    let needed = words.clone().ok_or(CommandError::TakesText(name));
    let request = match name {
        "/say" if argument.is_empty() => return Err(CommandError::SaysNothing),
        "/say" => return Ok(Request::Say(argument.to_owned())),
        // The peer's screen knows what it means, and others can read it.
        "/me" => return needed.map(|_| Request::Say(text.to_owned())),
        "/verify" => return Ok(Request::Command(Command::Verify(words))),
        "/away" => return Ok(Request::Command(Command::Away(words))),
        // The call knows whether a caller or a file is meant.
        "/decline" => return Ok(Request::Command(Command::Decline(words))),
        "/rename" => return Ok(Request::Command(Command::Rename(words))),
        "/name" => return needed.map(|name| Request::Command(Command::Name(name))),
        "/note" => return needed.map(|note| Request::Command(Command::Note(note))),
        "/send" if words.is_none() => return Err(CommandError::SendsNothing),
        "/send" => return Ok(about_files(FileCommand::Send(paths::of(argument)))),
        "/accept" => return accept(argument),
        "/cancel" => return Ok(about_files(FileCommand::Cancel(number(name, argument)?))),
        "/history" => return Ok(Request::Command(Command::History(count(argument.trim())?))),
        "/search" if argument.trim().is_empty() => return Err(CommandError::SearchesNothing),
        "/search" => {
            let text = argument.trim().to_owned();
            return Ok(Request::Command(Command::Search(text)));
        }
        "/answer" => Request::Command(Command::Answer),
        "/block" => Request::Command(Command::Block),
        "/keep" => Request::Command(Command::Keep),
        "/next" => Request::Command(Command::Next),
        "/peers" => Request::Command(Command::Peers),
        "/quit" => Request::Command(Command::Quit),
        "/status" => Request::Command(Command::Status),
        "/help" if argument.trim() == "keys" => return Ok(Request::KeysHelp),
        _ => Request::Help,
    };
    if !argument.trim().is_empty() {
        return Err(CommandError::TakesNothing(name));
    }
    Ok(request)
}

fn about_files(command: FileCommand) -> Request {
    Request::Command(Command::File(command))
}

/// The number after a command, if there is one.
fn number(name: &'static str, argument: &str) -> Result<Option<u32>, CommandError> {
    match argument.trim() {
        "" => Ok(None),
        number => number
            .parse()
            .map(Some)
            .map_err(|_| CommandError::NoNumber(name)),
    }
}

/// Reads `/accept [N] [as NAME]`.
fn accept(argument: &str) -> Result<Request, CommandError> {
    let argument = argument.trim();
    let (before, name) = match argument.strip_prefix("as ") {
        Some(name) => ("", Some(name)),
        None => match argument.split_once(" as ") {
            Some((number, name)) => (number, Some(name)),
            None => (argument, None),
        },
    };
    Ok(about_files(FileCommand::Accept {
        number: number("/accept", before)?,
        name: name.map(|name| name.trim().to_owned()),
    }))
}

/// How many messages `/history` shows.
fn count(argument: &str) -> Result<usize, CommandError> {
    if argument.is_empty() {
        return Ok(SHOWN);
    }
    let count = argument.parse().ok();
    let count = count.filter(|count| (1..=MAX_SHOWN).contains(count));
    count.ok_or(CommandError::NoCount)
}

/// Whether a text looks like the hang-up, and is not.
fn is_like_hang_up(text: &str) -> bool {
    let digits: String = text.trim().replace('\u{ff18}', "8");
    wire::is_hang_up(digits.as_bytes())
}

/// The commands of a role.
fn names(role: Role) -> impl Iterator<Item = &'static str> {
    let others: &[&str] = match role {
        Role::Client => &FOR_SERVERS,
        Role::Server => &FOR_CLIENTS,
    };
    NAMES.into_iter().filter(|name| !others.contains(name))
}

/// The commands that begin with `typed`.
pub(crate) fn completions(typed: &str, role: Role) -> Vec<&'static str> {
    names(role)
        .filter(|name| typed.starts_with('/') && name.starts_with(typed))
        .collect()
}

fn nearest(typed: &str, role: Role) -> Option<&'static str> {
    let typed = typed[1..].to_lowercase();
    names(role)
        .map(|name| {
            (
                strsim::normalized_damerau_levenshtein(&typed, &name[1..]),
                name,
            )
        })
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Request, CommandError> {
        super::parse(text, Role::Server)
    }

    fn said(text: &str) -> Result<Request, CommandError> {
        Ok(Request::Say(text.into()))
    }

    #[test]
    fn lines_are_read_as_meant() {
        assert_eq!(parse("hello"), said("hello"));
        assert_eq!(parse(" /help"), said(" /help"));
        assert_eq!(parse("//help"), said("/help"));
        assert_eq!(parse("///"), said("//"));
        assert_eq!(parse("88"), Ok(Request::HangUp));
        for like in ["88 ", " 88\t", "８８", "8８", "\u{3000}８８"] {
            assert_eq!(parse(like), Ok(Request::HangUpMaybe), "{like:?}");
        }
        for text in ["8 8", "88.", "888", "88\n"] {
            assert_eq!(parse(text), said(text));
        }
        assert_eq!(parse("/say 88"), said("88"));
        assert_eq!(parse("/say  x"), said(" x"));
        assert_eq!(parse("/me waves"), said("/me waves"));
        let command = |command| Ok(Request::Command(command));
        assert_eq!(parse("/away"), command(Command::Away(None)));
        let lunch = Command::Away(Some("at lunch".into()));
        assert_eq!(parse("/away  at lunch "), command(lunch));
        assert_eq!(parse("/name Ann"), command(Command::Name("Ann".into())));
        assert_eq!(parse("/name"), Err(CommandError::TakesText("/name")));
        assert_eq!(parse("/help"), Ok(Request::Help));
        assert_eq!(parse("/help keys "), Ok(Request::KeysHelp));
        assert_eq!(parse("/quit "), Ok(Request::Command(Command::Quit)));
        assert_eq!(parse("88\n/quit"), said("88\n/quit"));
        let command = |command| Ok(Request::Command(command));
        assert_eq!(parse("/history"), command(Command::History(20)));
        assert_eq!(parse("/history 1000 "), command(Command::History(1_000)));
        let search = Command::Search("a  b".into());
        assert_eq!(parse("/search  a  b "), command(search));
    }

    #[test]
    fn an_input_method_may_have_made_something_else_of_the_slash() {
        for line in ["help", "me 挥手", "verify 1234 5678", "hepl", "quit now"] {
            for slash in SLASHES {
                let typed = format!("{slash}{line}");
                assert_eq!(parse(&typed), parse(&format!("/{line}")), "{typed}");
            }
        }
        for text in ["、", "、你好", "、 help", "／8", "、、help", "help、"] {
            assert_eq!(parse(text), said(text));
        }
    }

    #[test]
    fn files_are_named_by_numbers() {
        let file = |command| Ok(Request::Command(Command::File(command)));
        let accept = |number, name: Option<&str>| {
            let name = name.map(str::to_owned);
            file(FileCommand::Accept { number, name })
        };
        assert_eq!(parse("/accept"), accept(None, None));
        assert_eq!(parse("/accept 2"), accept(Some(2), None));
        assert_eq!(parse("/accept as x y"), accept(None, Some("x y")));
        assert_eq!(parse("/accept 2 as x"), accept(Some(2), Some("x")));
        assert_eq!(parse("/accept two"), Err(CommandError::NoNumber("/accept")));
        assert_eq!(parse("/cancel"), file(FileCommand::Cancel(None)));
        let paths = vec!["a b".into(), "c".into()];
        assert_eq!(parse(r"/send a\ b c"), file(FileCommand::Send(paths)));
        assert_eq!(parse("/send "), Err(CommandError::SendsNothing));
    }

    #[test]
    fn every_name_is_a_command() {
        for name in NAMES {
            assert!(
                !matches!(parse(name), Err(CommandError::Unknown { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn the_manual_has_every_command() {
        let manual = include_str!("../../../../docs/man/chat.7");
        for name in NAMES {
            let is_entry = |line: &str| {
                let entry = line.strip_prefix(".It Ic ");
                entry.is_some_and(|entry| entry.split(' ').next() == Some(name))
            };
            assert!(manual.lines().any(is_entry), "{name}");
        }
    }

    #[test]
    fn errors_are_explained() {
        let unknown = |typed: &str, nearest| {
            Err(CommandError::Unknown {
                typed: typed.into(),
                nearest,
            })
        };
        assert_eq!(parse("/verfy now"), unknown("/verfy", Some("/verify")));
        assert_eq!(parse("/HELP"), unknown("/HELP", Some("/help")));
        assert_eq!(parse("/usr/bin"), unknown("/usr/bin", None));
        assert_eq!(parse("/"), unknown("/", None));
        assert_eq!(parse("/quit now"), Err(CommandError::TakesNothing("/quit")));
        assert_eq!(parse("/say"), Err(CommandError::SaysNothing));
        assert_eq!(parse("/search  "), Err(CommandError::SearchesNothing));
        for count in ["0", "-1", "1001", "all", "1 2"] {
            assert_eq!(
                parse(&format!("/history {count}")),
                Err(CommandError::NoCount)
            );
        }
    }

    #[test]
    fn names_are_completed() {
        let completions = |typed| completions(typed, Role::Server);
        assert_eq!(completions("/s"), ["/say", "/search", "/send", "/status"]);
        assert_eq!(completions("/ver"), ["/verify"]);
        assert_eq!(completions("/").len(), NAMES.len() - FOR_CLIENTS.len());
        assert!(completions("s").is_empty());
        assert!(completions("").is_empty());
    }

    #[test]
    fn the_caller_is_not_led_to_what_is_about_callers() {
        assert_eq!(completions("/n", Role::Client), ["/name", "/note"]);
        let typo = super::parse("/nxt", Role::Client);
        let unknown = |nearest| {
            let typed = "/nxt".to_owned();
            Err(CommandError::Unknown { typed, nearest })
        };
        assert_eq!(typo, unknown(None));
        assert_eq!(parse("/nxt"), unknown(Some("/next")));
    }
}
