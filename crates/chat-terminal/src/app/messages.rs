//! What callers have left with the answering machine: shown when the person comes, or printed.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use chat_core::blocking;
use chat_core::driver::Sink;
use chat_core::journal::{Calls, InUse, JournalError, RecordedText, Unread};
use chat_core::protocol::{Delivery, Event, PastMessage};
use chat_core::trust::{self, Fingerprint, KnownPeers, PeerList};

use crate::app::exit;
use crate::app::history::Style;
use crate::app::runtime::Failure;
use crate::locale::{self, Explain};
use crate::text::past::PastRows;
use crate::text::stderr;

/// Shows the person what was left, and marks it as read once the sink has taken it. Not being able
/// to is no reason to do without calls, and is told.
///
/// # Errors
/// The sink has failed.
pub async fn show(data_dir: PathBuf, known: KnownPeers, sink: &mut impl Sink) -> io::Result<()> {
    let found = blocking(move || unread(&data_dir, &known)).await;
    let (unread, _) = match found {
        Ok(found) => found,
        Err(error) => {
            sink.show(Event::Alarm(
                locale::text().messages_unreadable(&error.explain()),
            ));
            return Ok(());
        }
    };
    for (name, left) in unread {
        let mut rows = PastRows::new(&name);
        let messages = left.messages.iter().map(past);
        let rows = messages.flat_map(|message| rows.rows(&message));
        let header = locale::text().left_while_away(&name, left.messages.len());
        let text = [header].into_iter().chain(rows).collect::<Vec<_>>();
        sink.show(Event::Notice(text.join("\n")));
        sink.flushed().await?;
        if let Err(error) = blocking(|| left.mark_read()).await {
            sink.show(Event::Alarm(locale::text().still_unread(&error.explain())));
        }
    }
    Ok(())
}

/// Prints what was left, and marks it as read. Returns the exit code.
///
/// # Errors
/// The files cannot be used.
pub(super) fn print() -> Result<u8, Failure> {
    let data_dir = trust::data_dir()?;
    let known = KnownPeers::open(&data_dir)?;
    let (unread, in_use) = unread(&data_dir, &known)?;
    let list = known.load().ok();
    for key in in_use {
        let name = name_of(list.as_deref(), key);
        stderr::tell(&locale::text().on_the_line(&name));
    }
    if unread.is_empty() {
        stderr::tell(locale::text().no_messages());
    }
    for (name, left) in unread {
        match print_one(name, &left) {
            // The reader has seen enough, and not all of these.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(exit::OK),
            printed => printed?,
        }
        left.mark_read()?;
    }
    Ok(exit::OK)
}

fn print_one(name: String, left: &Unread) -> io::Result<()> {
    let is_terminal = io::stdout().is_terminal();
    let mut out = BufWriter::new(io::stdout().lock());
    if is_terminal {
        let header = locale::text().left_while_away(&name, left.messages.len());
        writeln!(out, "{header}")?;
    }
    let mut style = Style::of_text(name, is_terminal);
    for message in &left.messages {
        style.write(&past(message), "", &mut out)?;
    }
    out.flush()
}

/// What nobody has read, with the names of who left it.
fn unread(
    data_dir: &Path,
    known: &KnownPeers,
) -> Result<(Vec<(String, Unread)>, InUse), JournalError> {
    let (unread, in_use) = Calls::open(data_dir)?.unread()?;
    // Who is not known, or cannot be, has a key.
    let list = known.load().ok();
    let named = unread
        .into_iter()
        .map(|left| (name_of(list.as_deref(), left.peer), left));
    Ok((named.collect(), in_use))
}

/// What the person calls them, or the beginning of their key.
fn name_of(list: Option<&PeerList>, key: Fingerprint) -> String {
    let known = list.and_then(|list| list.by_key(key));
    let known = known.map(|peer| peer.name.clone());
    known.unwrap_or_else(|| key.short())
}

fn past(message: &RecordedText) -> PastMessage {
    PastMessage {
        side: message.side,
        at: message.at,
        text: message.text.clone(),
        delivery: Delivery::Arrived,
    }
}
