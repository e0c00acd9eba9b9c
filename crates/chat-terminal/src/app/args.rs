//! The command-line options that both programs share.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, io};

use chat_core::files::{FileConfig, Policy, Store};
use chat_core::journal::Recorder;
use chat_core::transport::{Keyring, KeyringError, Target, tcp};
use chat_core::trust::{FileError, Fingerprint, Identity, KnownPeers, data_dir};
use chat_core::wire::{Framing, Name};
use clap::{Args, ValueEnum};

use crate::app::completion;
use crate::app::history::HistoryArgs;
use crate::app::sandbox::Sandbox;
use crate::locale::{self, Explain, Lang};

/// Options of both programs.
#[derive(Args, Clone, Debug)]
pub struct CommonArgs {
    /// What the peer sees [default: your user name]
    #[arg(short, long)]
    pub name: Option<String>,

    /// How messages are told apart with peers that are not this program
    #[arg(long, value_enum, default_value = "auto", value_name = "FRAMING")]
    pub framing: FramingArg,

    /// "88" in the input is text, not a hang-up (for piped data)
    #[arg(long)]
    pub literal: bool,

    /// Forget the peer of this name or fingerprint and its key, and do nothing else
    #[arg(long, value_name = "NAME|SHA256:…", add = completion::names())]
    pub forget: Option<String>,

    /// Use the Ed25519 key with this fingerprint in your ssh-agent, instead of the one in a file
    #[arg(long, env = "CHAT_IDENTITY", value_name = "agent:SHA256:…", value_parser = agent_key, hide_env = true)]
    pub identity: Option<Fingerprint>,

    /// Make yourself another key, for which the present one vouches, and do nothing else
    #[arg(long, conflicts_with_all = ["forget", "identity"])]
    pub new_key: bool,

    /// Know the peer of this name by another key, which you were told of, and do nothing else
    #[arg(
        long,
        num_args = 2,
        value_names = ["NAME", "SHA256:…"],
        conflicts_with_all = ["forget", "new_key"],
        add = completion::names()
    )]
    pub accept_key: Option<Vec<String>>,

    /// Write down what is said, and keep it when the call is over, and the lines that you type for
    /// Up and Ctrl-R at the next start. Without this, a call at a
    /// terminal is written down until everything has arrived, and one in a pipe is not
    #[arg(long, env = "CHAT_KEEP", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue, hide_env = true)]
    pub keep: bool,

    /// Plain lines instead of a screen, for screen readers, dumb terminals and `| tee`
    #[arg(long)]
    pub linear: bool,

    /// What to print instead of a call.
    #[command(flatten)]
    pub reading: HistoryArgs,

    /// Speak this language [default: that of the locale]
    #[arg(long, value_enum)]
    pub lang: Option<Lang>,

    /// Use no colours
    #[arg(long)]
    pub no_color: bool,

    /// Do not ring the bell
    #[arg(short, long)]
    pub quiet: bool,

    /// Notify you on the desktop while you look elsewhere, if the terminal can (OSC 9, 777, 99)
    #[arg(long)]
    pub notify: bool,

    /// Do not tell the other side that you are typing
    #[arg(long)]
    pub no_typing: bool,

    /// Keep no draft on disk that was not sent
    #[arg(long)]
    pub no_drafts: bool,

    /// Log to stderr, unless that is the screen; twice for more
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Log to this file instead, at most 64 MiB; it needs no -v
    #[arg(long, alias = "log-file", value_name = "PATH")]
    pub debug_log: Option<PathBuf>,
}

/// Options of both programs about files.
#[derive(Args, Clone, Debug)]
pub struct FileArgs {
    /// Take the files that are offered, into this directory
    #[arg(long, value_name = "DIR")]
    pub accept_files: Option<PathBuf>,

    /// Where files go that you /accept [default: $XDG_DOWNLOAD_DIR, or ~/Downloads, or here]
    #[arg(long, value_name = "DIR", conflicts_with = "accept_files")]
    pub downloads: Option<PathBuf>,
}

impl FileArgs {
    /// Keeps a program to the directory where files arrive, and that of keys and calls. Both are
    /// made, for there is no rule for what is not there.
    pub fn sandbox(&self) -> Sandbox {
        let downloads = self.directory();
        // Whoever needs it says what is wrong with it.
        let _ = std::fs::create_dir_all(&downloads);
        let data_dir = data_dir().ok();
        let data_dir = data_dir.filter(|data_dir| KnownPeers::open(data_dir).is_ok());
        Sandbox::around(data_dir.into_iter().chain([downloads]))
    }

    /// Where files arrive.
    fn directory(&self) -> PathBuf {
        let directory = self.accept_files.as_ref().or(self.downloads.as_ref());
        let directory = directory.cloned().unwrap_or_else(default_downloads);
        // A record of it is read by programs that start elsewhere.
        std::path::absolute(&directory).unwrap_or(directory)
    }

    /// How files are handled. `interactive`: a user can answer an offer; `data_dir` is where open
    /// offers are written down.
    ///
    /// # Errors
    /// The records of open offers cannot be used.
    pub fn config(&self, interactive: bool, data_dir: &Path) -> Result<FileConfig, FileError> {
        Ok(FileConfig {
            downloads: self.directory(),
            policy: match self.accept_files {
                Some(_) => Policy::Accept,
                None if interactive => Policy::Ask,
                None => Policy::Refuse,
            },
            store: Some(Store::open(data_dir)?),
            regret: Some(locale::text().reply_no_files().to_owned()),
        })
    }
}

/// Where files go unless the user says otherwise.
fn default_downloads() -> PathBuf {
    if let Some(directory) = env::var_os("XDG_DOWNLOAD_DIR").filter(|path| !path.is_empty()) {
        return directory.into();
    }
    let in_home = env::home_dir().map(|home| home.join("Downloads"));
    let in_home = in_home.filter(|directory| directory.is_dir());
    in_home.unwrap_or_else(|| PathBuf::from("."))
}

/// [`Framing`] as a command-line value.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FramingArg {
    /// Lines, until the peer shows that it ends none
    Auto,
    /// Only a line feed ends a message
    Line,
    /// What comes together is a message
    Raw,
}

impl From<FramingArg> for Framing {
    fn from(arg: FramingArg) -> Self {
        match arg {
            FramingArg::Auto => Self::Auto,
            FramingArg::Line => Self::Line,
            FramingArg::Raw => Self::Raw,
        }
    }
}

impl CommonArgs {
    /// The name that the peer sees.
    pub fn name(&self) -> Name {
        match &self.name {
            Some(name) => name.clone().into(),
            None => Name::of_account(whoami::username().unwrap_or_else(|_| "somebody".into())),
        }
    }

    /// The own key, made on first use, and the keys of others.
    ///
    /// # Errors
    /// A file of keys cannot be used, or the key in the agent.
    pub fn keyring(&self, data_dir: &Path) -> Result<Keyring, KeyringError> {
        match self.identity {
            Some(key) => Keyring::with_identity(data_dir, &Identity::in_agent(key)?),
            None => Keyring::open(data_dir),
        }
    }

    /// How the calls of this user are recorded: by a person at a terminal until everything has
    /// arrived, in a pipe only if they are to be kept.
    pub fn recorder(&self, data_dir: PathBuf, person: bool) -> Option<Recorder> {
        (person || self.keep).then(|| self.recorder_of(data_dir, person))
    }

    /// The same, also for a pipe.
    pub fn recorder_of(&self, data_dir: PathBuf, person: bool) -> Recorder {
        Recorder {
            data_dir,
            person,
            keep: self.keep,
            answering: false,
        }
    }

    /// Whether colours are wanted (<https://no-color.org>).
    pub(crate) fn color(&self) -> bool {
        !self.no_color && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }
}

/// The longest duration that an option takes. What is added to the clock must not overflow it.
const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Parses what callers hear from the answering machine.
///
/// # Errors
/// The text is empty, too long for a control line, or not one line.
pub fn answer(text: &str) -> Result<String, String> {
    let is_usable =
        !text.trim().is_empty() && text.len() <= 256 && !text.contains(char::is_control);
    is_usable
        .then(|| text.to_owned())
        .ok_or_else(|| locale::text().no_answer_text().to_owned())
}

/// Parses a duration such as `10s` or `5m`.
///
/// # Errors
/// The text is no duration, zero, or a year and more; the error says how to write one.
pub fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err(locale::text().no_time().to_owned()),
        Ok(duration) if duration >= MAX_DURATION => Err(locale::text().time_too_long().to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(locale::text().not_a_time(&error.to_string())),
    }
}

/// Parses whom to call, such as `HOST` or `[::1]:7788`.
///
/// # Errors
/// The text is no target; the error says what is wrong with it.
pub fn target(text: &str) -> Result<Target, String> {
    Target::parse(text).map_err(|error| locale::text().target_error(&error))
}

/// Parses where to listen, such as `7788` or `[::1]:7788`.
///
/// # Errors
/// The text is no address; the error says how to write one.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    tcp::parse_address(text).map_err(|_| locale::text().no_listen_address().to_owned())
}

/// Parses the path of a program.
///
/// # Errors
/// There is no file there that may be executed.
pub fn program(text: &str) -> Result<PathBuf, String> {
    let told = |error: io::Error| error.explain();
    let path = std::path::absolute(text).map_err(told)?;
    let metadata = path.metadata().map_err(told)?;
    match metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
        true => Ok(path),
        false => Err(locale::text().no_program().to_owned()),
    }
}

/// Parses a fingerprint.
///
/// # Errors
/// The text is none; the error says how one looks.
pub fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    text.parse()
        .map_err(|_| locale::text().no_fingerprint().to_owned())
}

/// Parses which key of an agent is meant.
///
/// # Errors
/// The text names none; the error says how to.
pub fn agent_key(text: &str) -> Result<Fingerprint, String> {
    let key = text.strip_prefix("agent:").and_then(|key| key.parse().ok());
    key.ok_or_else(|| locale::text().no_agent_key().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_time_is_longer_than_nothing() {
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("1ms"), Ok(Duration::from_millis(1)));
        for text in ["0", "0s", "0h 0ms"] {
            assert_eq!(
                duration(text),
                Err(locale::text().no_time().into()),
                "{text}"
            );
        }
        assert!(duration("364days").is_ok());
        for text in ["365days", "1000y", "500000000000y"] {
            assert_eq!(
                duration(text),
                Err(locale::text().time_too_long().into()),
                "{text}"
            );
        }
        let error = duration("soon").expect_err("no span of time");
        assert!(error.ends_with("write it like 10s or 5m"), "{error}");
    }
}
