//! What was recorded with a peer: shown in a call, or printed without one. All of this waits for
//! the disk.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::Path;

use chat_core::journal::{Flaw, History, HistoryEntries, HistoryEntry, Matches};
use chat_core::protocol::{Event, PastMessage};
use chat_core::trust::{self, Fingerprint, KnownPeers};
use clap::Args;
use jiff::tz::TimeZone;

use crate::app::runtime::Failure;
use crate::app::{completion, exit, messages};
use crate::locale::{self, Explain};
use crate::text::past::{PastRows, local_time, speaker};
use crate::text::{action, sanitize, stderr};

/// With how many messages a call begins, and how many a search shows.
const SHOWN: usize = 20;

/// How much is printed at once, in bytes.
const OUTPUT: usize = 64 * 1024;

/// Options to read back what was recorded.
#[derive(Args, Clone, Debug)]
pub struct HistoryArgs {
    /// Print the messages recorded with the peer of this name or fingerprint, and do nothing else
    #[arg(long, value_name = "NAME|SHA256:…", conflicts_with = "forget", add = completion::names())]
    pub history: Option<String>,

    /// Only those that contain TEXT, in upper or lower case
    #[arg(long, value_name = "TEXT", requires = "history")]
    pub search: Option<String>,

    /// As they stand in the journals, as JSON objects
    #[arg(long, requires = "history")]
    pub json: bool,

    /// Print what callers have left with the answering machine and nobody has read, and do nothing
    /// else
    #[arg(long, conflicts_with_all = ["forget", "history"])]
    pub messages: bool,
}

/// The last messages of earlier calls with the owner of this key, which were kept, to begin a call
/// with; `None` if there are none.
pub(crate) fn opening(data_dir: &Path, key: Fingerprint) -> Option<Event> {
    let history = History::open(data_dir, key).ok()?.of_ended_calls();
    let (entries, _) = history.last(SHOWN);
    (!entries.is_empty()).then(|| past(entries))
}

/// The last messages with the owner of this key; nothing if there are none.
pub(crate) fn last(data_dir: &Path, key: Fingerprint, count: usize) -> Vec<Event> {
    let (entries, flaws) = match History::open(data_dir, key) {
        Ok(history) => history.last(count),
        Err(error) => return vec![Event::Notice(error.explain())],
    };
    let shown = (!entries.is_empty()).then(|| past(entries));
    notices(&flaws).chain(shown).collect()
}

/// The messages with the owner of this key that contain `text`: how many, and the last of them.
pub(crate) fn search(data_dir: &Path, key: Fingerprint, text: &str) -> Vec<Event> {
    let history = History::open(data_dir, key).map_err(|error| error.explain());
    let matches = history.and_then(|history| {
        let matches = history.matches(text, SHOWN);
        matches.map_err(|error| error.explain())
    });
    let Matches { total, last, flaws } = match matches {
        Ok(matches) => matches,
        Err(told) => return vec![Event::Notice(told)],
    };
    let found = Event::Notice(locale::text().search_found(text, total, last.len()));
    let shown = (!last.is_empty()).then(|| past(last));
    notices(&flaws).chain([found]).chain(shown).collect()
}

fn past(entries: impl IntoIterator<Item = HistoryEntry>) -> Event {
    let messages = entries.into_iter().map(|entry| entry.message);
    Event::History(messages.collect())
}

fn notices(flaws: &[Flaw]) -> impl Iterator<Item = Event> {
    flaws.iter().map(|flaw| Event::Notice(flaw.explain()))
}

/// How messages are printed.
pub(super) enum Style {
    /// For a person.
    Terminal(PastRows),
    /// For a program: a line of text each, with local time and speaker.
    Lines { name: String, zone: TimeZone },
    /// The lines of the journals.
    Json { is_terminal: bool },
}

impl Style {
    /// For this kind of output, with the peer of this name.
    pub(super) fn of_text(name: String, is_terminal: bool) -> Self {
        match is_terminal {
            true => Self::Terminal(PastRows::new(&name)),
            false => Self::Lines {
                name,
                zone: TimeZone::system(),
            },
        }
    }

    /// `line` is what stands in the journal.
    pub(super) fn write(
        &mut self,
        message: &PastMessage,
        line: &str,
        out: &mut impl Write,
    ) -> io::Result<()> {
        match self {
            Self::Terminal(rows) => rows
                .rows(message)
                .iter()
                .try_for_each(|row| writeln!(out, "{row}")),
            Self::Lines { name, zone } => {
                let time = local_time(message, zone).strftime("%F %T");
                let speaker = speaker(message, name);
                let text = action::after_name(&message.text);
                let mut texts = text.split('\n');
                texts.try_for_each(|text| writeln!(out, "{time} {speaker} {text}"))
            }
            Self::Json { is_terminal: true } => writeln!(out, "{}", sanitize::line(line)),
            Self::Json { is_terminal: false } => writeln!(out, "{line}"),
        }
    }
}

/// Prints what was recorded, if that is asked for, and returns the exit code.
///
/// # Errors
/// It is not clear whose messages are meant, or the files cannot be used.
pub fn print(args: &HistoryArgs) -> Result<Option<u8>, Failure> {
    if args.messages {
        return messages::print().map(Some);
    }
    let Some(who) = &args.history else {
        return Ok(None);
    };
    let data_dir = trust::data_dir()?;
    let known = KnownPeers::open(&data_dir)?.load()?;
    let key = known.key_of(who)?;
    let name = match known.by_key(key) {
        Some(peer) => peer.name.clone(),
        None => key.short(),
    };
    let history = History::open(&data_dir, key)?;
    let entries = match &args.search {
        Some(text) => history.search(text)?,
        None => history.entries(),
    };
    let is_terminal = io::stdout().is_terminal();
    let style = match args.json {
        true => Style::Json { is_terminal },
        false => Style::of_text(name, is_terminal),
    };
    match print_all(entries, style) {
        // The reader has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Some(exit::OK)),
        code => Ok(Some(code?)),
    }
}

fn print_all(entries: HistoryEntries, mut style: Style) -> io::Result<u8> {
    let mut out = BufWriter::with_capacity(OUTPUT, io::stdout().lock());
    let mut code = exit::OK;
    let mut is_empty = true;
    for entry in entries {
        is_empty = false;
        match entry {
            Ok(HistoryEntry { message, line }) => style.write(&message, &line, &mut out)?,
            Err(flaw) => {
                code = exit::FAILED;
                stderr::tell(&flaw.explain());
            }
        }
    }
    if is_empty {
        stderr::tell(locale::text().nothing_found());
    }
    out.flush()?;
    Ok(code)
}
