//! What happened in a run, in order.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chat_core::protocol::{ConnectionStatus, Ended};

/// The server's number; clients are numbered from 1.
pub const SERVER: usize = 0;

/// What one of the people did or saw.
#[derive(Clone, Debug)]
pub enum What {
    /// A call is on, with the person of this name.
    Call(String),
    Says(String),
    /// The person hangs up.
    HangsUp,
    /// The person has no more to say.
    Finishes,
    Hears(String),
    /// So many messages were shown to the peer.
    Delivered(u64),
    /// The state of the connection has changed.
    Link(ConnectionStatus),
    Ended(Arc<Ended>),
    /// The program has ended with this exit code.
    Exited(u8),
    /// The call was never on.
    NoCall(String),
}

/// One line of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    pub at: Duration,
    pub who: usize,
    pub what: What,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, who, what } = self;
        write!(f, "{:>9.3} {who} {what:?}", at.as_secs_f64())
    }
}

/// The log of a run. Cheap to clone.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<Entry>>>);

impl Log {
    /// Writes down what a person did or saw. Only within the simulation.
    pub fn note(&self, who: usize, what: What) {
        let at = turmoil::sim_elapsed().unwrap_or_default();
        self.with(|entries| entries.push(Entry { at, who, what }));
    }

    /// How many calls of this person are over.
    pub fn calls_ended(&self, who: usize) -> usize {
        self.with(|entries| {
            let own = entries.iter().filter(|entry| entry.who == who);
            own.filter(|entry| matches!(entry.what, What::Ended(_)))
                .count()
        })
    }

    /// Whether this person is in a call.
    pub fn in_call(&self, who: usize) -> bool {
        self.with(|entries| {
            let mut own = entries.iter().rev().filter(|entry| entry.who == who);
            own.find_map(|entry| match entry.what {
                What::Ended(_) => Some(false),
                What::Call(_) => Some(true),
                _ => None,
            })
            .unwrap_or(false)
        })
    }

    /// How many times a call came back after an outage.
    pub fn comebacks(&self) -> usize {
        let back =
            |entry: &&Entry| matches!(entry.what, What::Link(ConnectionStatus::Resumed { .. }));
        self.with(|entries| entries.iter().filter(back).count())
    }

    /// All that happened so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.with(|entries| entries.clone())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<Entry>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
