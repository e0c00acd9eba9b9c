//! What a session has to write down, and how far that is done.

use std::collections::VecDeque;

use super::encode;
use crate::protocol::{Entry, Event, Recorded};
use crate::wire::Batch;

/// The session is being recorded.
#[derive(Debug, Default)]
pub(super) struct Recording {
    /// How far that is done.
    pub(super) recorded: Recorded,
    /// What has still to be passed on.
    entries: VecDeque<Entry>,
    /// Text of the peer that the person was not shown yet.
    unshown: Vec<Event>,
}

impl Recording {
    pub(super) fn new(recorded: Recorded) -> Self {
        Self {
            recorded,
            ..Self::default()
        }
    }

    /// This side says these, as they cross the wire.
    pub(super) fn said(&mut self, lines: &Batch) {
        let texts = lines.lines().map(encode::text_of);
        self.entries.extend(texts.map(Entry::Said));
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.entries.pop_front()
    }

    /// The peer said this.
    pub(super) fn received(&mut self, text: &Event) {
        self.unshown.push(text.clone());
    }

    /// The person was shown all that was received.
    pub(super) fn shown(&mut self) {
        for event in self.unshown.drain(..) {
            match event {
                Event::Lines(lines) => {
                    let texts = lines.lines().map(str::to_owned);
                    self.entries.extend(texts.map(Entry::Heard));
                }
                Event::Message(text) => self.entries.push_back(Entry::Heard(text)),
                _ => {}
            }
        }
    }
}
