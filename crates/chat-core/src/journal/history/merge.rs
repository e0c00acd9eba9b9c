//! The messages of several journals, as one sequence.

use std::collections::VecDeque;

use super::file::{JournalFile, Messages};
use super::needle::Needle;
use super::{Flaw, HistoryEntry};

/// Messages of all journals in the order of time, with what cannot be read in between.
#[derive(Debug)]
pub struct HistoryEntries {
    /// Those that are not open yet; they began after the next message.
    pub(super) waiting: VecDeque<JournalFile>,
    pub(super) open: Vec<Reader>,
    pub(super) needle: Option<Needle>,
    pub(super) flaws: VecDeque<Flaw>,
}

impl Iterator for HistoryEntries {
    type Item = Result<HistoryEntry, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(flaw) = self.flaws.pop_front() {
                return Some(Err(flaw));
            }
            let heads = self.open.iter().map(|reader| reader.head.message.at);
            let earliest = heads.enumerate().min_by_key(|(_, at)| *at);
            if let Some(file) = self.waiting.front()
                && earliest.is_none_or(|(_, at)| file.begun <= at)
                && let Some(file) = self.waiting.pop_front()
            {
                let mut messages = Messages::new(file);
                if let Some(head) = messages.next(self.needle.as_ref(), &mut self.flaws) {
                    self.open.push(Reader { messages, head });
                }
                continue;
            }
            let (index, _) = earliest?;
            let reader = &mut self.open[index];
            let next = reader.messages.next(self.needle.as_ref(), &mut self.flaws);
            return Some(Ok(match next {
                Some(next) => std::mem::replace(&mut reader.head, next),
                None => self.open.remove(index).head,
            }));
        }
    }
}

/// A journal that is being read.
#[derive(Debug)]
pub(super) struct Reader {
    messages: Messages,
    /// The next message.
    head: HistoryEntry,
}
