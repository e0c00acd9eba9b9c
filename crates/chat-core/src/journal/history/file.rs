//! One journal: its messages from the beginning, the last ones, or the last with a certain text.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use memchr::memchr;
use time::OffsetDateTime;

use super::lines::{self, Backwards, Forwards};
use super::needle::Needle;
use super::{Flaw, HistoryEntry, MAX_BYTES};
use crate::journal::record::{self, HEARD, Message, Record, SAID, VERSION};
use crate::journal::{EXTENSION, JournalError, Unreadable, failed};
use crate::protocol::{Delivery, PastMessage, Side};
use crate::trust::private_file;

/// The first line of a journal has less than this, in bytes.
const MAX_HEADER: u64 = 1024;

/// A journal that is to be read.
#[derive(Debug)]
pub(super) struct JournalFile {
    pub(super) path: PathBuf,
    /// Before its first message; before everything if its first line cannot be read.
    pub(super) begun: OffsetDateTime,
}

impl JournalFile {
    pub(super) fn new(path: PathBuf) -> Result<Self, JournalError> {
        let mut line = Vec::new();
        let start = open(&path)?.take(MAX_HEADER);
        let mut start = BufReader::with_capacity(MAX_HEADER as usize, start);
        start.read_until(b'\n', &mut line).map_err(failed(&path))?;
        line.pop_if(|last| *last == b'\n');
        if let Some(version) = record::version(&line)
            && version > VERSION
        {
            return Err(JournalError::Version { path, version });
        }
        let begun = match Record::parse(&line) {
            Ok(Record::Journal { at, .. }) => at,
            _ => OffsetDateTime::UNIX_EPOCH,
        };
        Ok(Self { path, begun })
    }

    /// Whether its call is over.
    pub(super) fn is_ended(&self) -> bool {
        let lines = open(&self.path).map(Backwards::new);
        let Ok(Ok(mut lines)) = lines else {
            return false;
        };
        let last = lines.next().ok().flatten();
        last.is_some_and(|(_, line)| matches!(Record::parse(line), Ok(Record::Ended { .. })))
    }

    /// The last messages, the oldest first: at most so many, and none from before `from`.
    pub(super) fn last(
        &self,
        count: usize,
        from: Option<OffsetDateTime>,
        flaws: &mut VecDeque<Flaw>,
    ) -> Vec<HistoryEntry> {
        let mut entries = Vec::new();
        let mut bad = BadLines::default();
        let read = self.read_last(count, from, &mut entries, &mut bad);
        flaws.extend(bad.flaw(&self.path));
        flaws.extend(read.err().map(Flaw::from));
        entries.reverse();
        entries
    }

    fn read_last(
        &self,
        count: usize,
        from: Option<OffsetDateTime>,
        entries: &mut Vec<HistoryEntry>,
        bad: &mut BadLines,
    ) -> Result<(), JournalError> {
        let mut receipts = Receipts::none(&self.path);
        let mut bytes = 0;
        let mut lines = Backwards::new(open(&self.path)?).map_err(failed(&self.path))?;
        while entries.len() < count
            && bytes < MAX_BYTES
            && let Some((offset, line)) = lines.next().map_err(failed(&self.path))?
        {
            match Record::parse(line) {
                Ok(Record::Ended { carried }) => receipts.end(carried),
                Ok(Record::Acknowledged { number }) => {
                    receipts.acknowledged = receipts.acknowledged.max(number);
                }
                Ok(record) => {
                    let Some(entry) = HistoryEntry::of(record, line, || receipts) else {
                        continue;
                    };
                    if from.is_some_and(|from| entry.message.at < from) {
                        break;
                    }
                    bytes += entry.size();
                    entries.push(entry);
                }
                Err(reason) => bad.add(offset, reason),
            }
        }
        Ok(())
    }

    /// How many messages contain the needle, and the last of them, at most so many.
    pub(super) fn matches(
        &self,
        needle: &Needle,
        count: usize,
        flaws: &mut VecDeque<Flaw>,
    ) -> (usize, Vec<HistoryEntry>) {
        let mut lines = VecDeque::new();
        let mut bad = BadLines::default();
        let mut receipts = None;
        let read = self.read_matches(needle, count, &mut lines, &mut bad);
        let mut total = *read.as_ref().unwrap_or_else(|(total, _)| total);
        let mut entries = Vec::new();
        for (offset, line) in lines {
            let read = || *receipts.get_or_insert_with(|| Receipts::read(&self.path));
            match Record::parse(&line).map(|record| HistoryEntry::of(record, &line, read)) {
                Ok(Some(entry)) => entries.push(entry),
                Ok(None) => total -= 1,
                Err(reason) => {
                    bad.add(offset, reason);
                    total -= 1;
                }
            }
        }
        flaws.extend(bad.flaw(&self.path));
        flaws.extend(read.err().map(|(_, error)| error.into()));
        (total, entries)
    }

    /// Counts the lines that match, and collects the last of them. They are not parsed unless they
    /// have to be, for a million can match. Returns the count with an error, too.
    fn read_matches(
        &self,
        needle: &Needle,
        count: usize,
        last: &mut VecDeque<(u64, Vec<u8>)>,
        bad: &mut BadLines,
    ) -> Result<usize, (usize, JournalError)> {
        let mut total = 0;
        let mut bytes = 0;
        let mut lines = Forwards::new(open(&self.path).map_err(|error| (0, error))?);
        loop {
            let next = lines.next(Some(needle));
            let Some((offset, line)) = next.map_err(|error| (total, failed(&self.path)(error)))?
            else {
                return Ok(total);
            };
            // Without escapes, the text is as it stands.
            if memchr(b'\\', line).is_some() {
                match Record::parse(line) {
                    Ok(Record::Said(message) | Record::Heard(message))
                        if needle.is_in(&message.text) => {}
                    Ok(_) => continue,
                    Err(reason) => {
                        bad.add(offset, reason);
                        continue;
                    }
                }
            }
            total += 1;
            let mut spare = Vec::new();
            while last.len() >= count || bytes > MAX_BYTES {
                let Some((_, oldest)) = last.pop_front() else {
                    break;
                };
                bytes -= oldest.len();
                spare = oldest;
            }
            bytes += line.len();
            spare.clear();
            spare.extend_from_slice(line);
            last.push_back((offset, spare));
        }
    }
}

/// Opens a journal that was there just now.
fn open(path: &Path) -> Result<File, JournalError> {
    private_file::open(path)?.ok_or_else(|| failed(path)(ErrorKind::NotFound.into()))
}

/// How far the messages of this side have arrived.
#[derive(Clone, Copy, Debug, Default)]
struct Receipts {
    acknowledged: u64,
    ended: bool,
    /// What has not arrived is said again in another session.
    carried: bool,
}

impl Receipts {
    /// Before anything was read of a journal. What has not arrived of one that was set aside is
    /// said again in another session.
    fn none(path: &Path) -> Self {
        let mut receipts = Self::default();
        if path
            .extension()
            .is_none_or(|extension| extension != EXTENSION)
        {
            receipts.end(true);
        }
        receipts
    }

    /// The last that a journal says of them, as far as it can be read from its end.
    fn read(path: &Path) -> Self {
        let mut receipts = Self::none(path);
        let Ok(Ok(mut lines)) = open(path).map(Backwards::new) else {
            return receipts;
        };
        while let Ok(Some((_, line))) = lines.next() {
            if line.starts_with(SAID) || line.starts_with(HEARD) {
                continue;
            }
            match Record::parse(line) {
                Ok(Record::Ended { carried }) => receipts.end(carried),
                Ok(Record::Acknowledged { number }) => {
                    receipts.acknowledged = number;
                    break;
                }
                _ => {}
            }
        }
        receipts
    }

    fn end(&mut self, carried: bool) {
        (self.ended, self.carried) = (true, carried);
    }

    /// What has become of a message; `None` if another journal says that.
    fn of(self, number: u64) -> Option<Delivery> {
        match (number <= self.acknowledged, self.ended) {
            (true, _) => Some(Delivery::Arrived),
            (false, false) => Some(Delivery::Pending),
            (false, true) => (!self.carried).then_some(Delivery::Lost),
        }
    }
}

impl HistoryEntry {
    /// The message of this record, if it is one and not said again in another session. The
    /// receipts are read for one of this side.
    fn of(record: Record<'_>, line: &[u8], receipts: impl FnOnce() -> Receipts) -> Option<Self> {
        let (side, delivery, Message { at, text, .. }) = match record {
            Record::Said(message) => (Side::Local, receipts().of(message.number)?, message),
            Record::Heard(message) => (Side::Remote, Delivery::Arrived, message),
            _ => return None,
        };
        let text = text.into_owned();
        Some(Self {
            message: PastMessage {
                side,
                at,
                text,
                delivery,
            },
            // Otherwise it would be no record.
            line: std::str::from_utf8(line).unwrap_or_default().to_owned(),
        })
    }

    /// About how much memory it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        self.message.text.len() + self.line.len()
    }
}

/// The lines of one journal that cannot be read.
#[derive(Debug, Default)]
struct BadLines {
    /// Where the first of them begins, and why.
    first: Option<(u64, &'static str)>,
    count: usize,
}

impl BadLines {
    fn add(&mut self, offset: u64, reason: &'static str) {
        self.first.get_or_insert((offset, reason));
        self.count += 1;
    }

    fn flaw(&self, path: &Path) -> Option<Flaw> {
        let (offset, reason) = self.first?;
        let number = open(path).and_then(|file| lines::number(file, offset).map_err(failed(path)));
        Some(match number {
            Ok(line) => Flaw::Lines {
                path: path.to_owned(),
                first: Unreadable { line, reason },
                count: self.count,
            },
            Err(error) => error.into(),
        })
    }
}

/// The messages of one journal, from its beginning.
#[derive(Debug)]
pub(super) struct Messages {
    path: PathBuf,
    /// Once the file is open.
    lines: Option<Forwards>,
    /// Once they are needed.
    receipts: Option<Receipts>,
    bad: BadLines,
}

impl Messages {
    pub(super) fn new(file: JournalFile) -> Self {
        Self {
            path: file.path,
            lines: None,
            receipts: None,
            bad: BadLines::default(),
        }
    }

    /// The next message, in which the needle is, if there is one. After the last one, says what
    /// could not be read.
    pub(super) fn next(
        &mut self,
        needle: Option<&Needle>,
        flaws: &mut VecDeque<Flaw>,
    ) -> Option<HistoryEntry> {
        let next = self.read(needle);
        if !matches!(next, Ok(Some(_))) {
            flaws.extend(self.bad.flaw(&self.path));
        }
        next.unwrap_or_else(|error| {
            flaws.push_back(error.into());
            None
        })
    }

    fn read(&mut self, needle: Option<&Needle>) -> Result<Option<HistoryEntry>, JournalError> {
        let lines = match &mut self.lines {
            Some(lines) => lines,
            None => self.lines.insert(Forwards::new(open(&self.path)?)),
        };
        while let Some((offset, line)) = lines.next(needle).map_err(failed(&self.path))? {
            // Without escapes, the text is as it stands, and so it was searched already.
            let needle = needle.filter(|_| memchr(b'\\', line).is_some());
            let receipts = &mut self.receipts;
            let read = || *receipts.get_or_insert_with(|| Receipts::read(&self.path));
            match Record::parse(line).map(|record| HistoryEntry::of(record, line, read)) {
                Ok(Some(entry))
                    if needle.is_none_or(|needle| needle.is_in(&entry.message.text)) =>
                {
                    return Ok(Some(entry));
                }
                Ok(_) => {}
                Err(reason) => self.bad.add(offset, reason),
            }
        }
        Ok(None)
    }
}
