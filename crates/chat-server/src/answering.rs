//! The answering machine: a source and a sink for a call in which nobody is there.

use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chat_core::blocking;
use chat_core::driver::{Input, Sink, Source};
use chat_core::journal::{Calls, JournalError, Tally, Waiting};
use chat_core::protocol::Event;
use chat_core::trust::{Fingerprint, KnownPeer, KnownPeers};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// How long a caller may stay on the line, and how long without a word.
const CALL: Duration = Duration::from_secs(5 * 60);
pub(crate) const SILENCE: Duration = Duration::from_secs(60);

/// What may wait to be read of each peer that was dialed or verified.
const FRIEND: Waiting = Waiting {
    messages: 1_000,
    bytes: 1 << 20,
};

/// What may wait of each stranger, and of all strangers together: they take no room of friends.
const STRANGER: Waiting = Waiting {
    messages: 20,
    bytes: 16 << 10,
};
const STRANGERS: Waiting = Waiting {
    messages: 200,
    bytes: 128 << 10,
};

/// How much more this caller may leave.
///
/// # Errors
/// What waits already cannot be read.
pub(crate) async fn room(
    tally: &Arc<Mutex<Tally>>,
    data_dir: PathBuf,
    known: KnownPeers,
    caller: Fingerprint,
    is_friend: bool,
) -> Result<Waiting, JournalError> {
    let tally = Arc::clone(tally);
    let waiting = blocking(move || {
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = tally.count(&Calls::open(&data_dir)?)?;
        // Without the list everybody is a stranger, which leaves less room, not more.
        let list = known.load().ok();
        let friend = |key| {
            let peer = list.as_ref().and_then(|list| list.by_key(key));
            peer.is_some_and(KnownPeer::is_friend)
        };
        let mut strangers = Waiting::default();
        for (_, left) in waiting.iter().filter(|(key, _)| !friend(**key)) {
            strangers.add(*left);
        }
        let own = waiting.get(&caller).copied().unwrap_or_default();
        Ok::<_, JournalError>((own, strangers))
    });
    let (own, strangers) = waiting.await?;
    Ok(match is_friend {
        true => less(FRIEND, own),
        false => {
            let (own, all) = (less(STRANGER, own), less(STRANGERS, strangers));
            Waiting {
                messages: own.messages.min(all.messages),
                bytes: own.bytes.min(all.bytes),
            }
        }
    })
}

fn less(limit: Waiting, used: Waiting) -> Waiting {
    Waiting {
        messages: limit.messages.saturating_sub(used.messages),
        bytes: limit.bytes.saturating_sub(used.bytes),
    }
}

/// What the two halves share.
#[derive(Debug)]
struct Tape {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    room: Waiting,
    taken: u64,
    /// Something did not fit.
    full: bool,
    /// The caller was told.
    told: bool,
    /// The caller has no more to say.
    finished: bool,
}

/// What the machine says.
#[derive(Debug)]
pub(crate) struct Speaker {
    tape: Arc<Tape>,
    /// What is said to a caller who can leave no more.
    farewell: String,
    hangs_up_at: Instant,
}

/// What the machine hears. What does not fit is never flushed: it is neither recorded nor
/// acknowledged, and ends the call.
#[derive(Debug)]
pub(crate) struct Microphone {
    tape: Arc<Tape>,
}

/// A machine for one call. A caller who can leave no more hears the `farewell`, and one for whom
/// there is no room at all hears nothing else.
pub(crate) fn machine(room: Waiting, farewell: String) -> (Speaker, Microphone) {
    let state = State {
        room,
        taken: 0,
        full: room.messages == 0,
        told: false,
        finished: false,
    };
    let tape = Arc::new(Tape {
        state: Mutex::new(state),
        changed: Notify::new(),
    });
    let speaker = Speaker {
        tape: Arc::clone(&tape),
        farewell,
        hangs_up_at: Instant::now() + CALL,
    };
    (speaker, Microphone { tape })
}

impl Tape {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes messages, if they fit.
    fn take(&self, heard: Waiting) {
        let mut state = self.state();
        state.full |= heard.messages > state.room.messages || heard.bytes > state.room.bytes;
        if state.full {
            self.changed.notify_one();
        } else {
            state.room = less(state.room, heard);
            state.taken += heard.messages;
        }
    }

    /// What the machine says or does next, if there is anything.
    fn next(&self, farewell: &str) -> Option<Input> {
        let mut state = self.state();
        if state.full && !std::mem::replace(&mut state.told, true) {
            return Some(Input::Message(farewell.to_owned()));
        }
        state.finished.then_some(Input::Eof)
    }
}

impl Source for Speaker {
    async fn next(&mut self) -> io::Result<Input> {
        loop {
            if let Some(input) = self.tape.next(&self.farewell) {
                return Ok(input);
            }
            tokio::select! {
                () = self.tape.changed.notified() => {}
                () = sleep_until(self.hangs_up_at) => return Ok(Input::HangUp),
            }
        }
    }
}

impl Microphone {
    /// How many messages were taken.
    pub(crate) fn taken(&self) -> u64 {
        self.tape.state().taken
    }
}

impl Sink for Microphone {
    fn show(&mut self, event: Event) {
        match event {
            Event::Lines(lines) => {
                let texts = lines.lines().map(|line| line.len() as u64);
                self.tape.take(Waiting {
                    messages: lines.len() as u64,
                    bytes: texts.sum(),
                });
            }
            Event::Message(text) => self.tape.take(Waiting {
                messages: 1,
                bytes: text.len() as u64,
            }),
            Event::PeerEof => {
                self.tape.state().finished = true;
                self.tape.changed.notify_one();
            }
            _ => {}
        }
    }

    async fn flushed(&mut self) -> io::Result<()> {
        let State { full, told, .. } = *self.tape.state();
        match (full, told) {
            (false, _) => Ok(()),
            (true, true) => Err(io::ErrorKind::BrokenPipe.into()),
            // The speaker comes first.
            (true, false) => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use chat_core::journal::Durability;
    use chat_core::wire::Hex;
    use chat_testkit::home;
    use tokio::time::timeout;

    use super::*;

    fn key(caller: u8) -> Fingerprint {
        Fingerprint::from_bytes([caller; 32])
    }

    /// Somebody has left so many messages, each of so many bytes.
    async fn leaves(home: &std::path::Path, caller: u8, messages: usize, bytes: usize) {
        let calls = Calls::open(home).expect("a home");
        let id = Hex([caller; 16]);
        let mut journal = calls
            .begin(key(caller), id, Durability::Program)
            .expect("new");
        journal.answering(true);
        for _ in 0..messages {
            journal.heard(&"x".repeat(bytes));
        }
        journal.end().await.expect("recorded");
    }

    async fn room_of(home: &std::path::Path, caller: u8, is_friend: bool) -> Waiting {
        let known = KnownPeers::open(home).expect("a home");
        let tally = Arc::default();
        let room = room(&tally, home.to_owned(), known, key(caller), is_friend);
        room.await.expect("it can be read")
    }

    #[tokio::test]
    async fn strangers_share_room_that_is_not_that_of_friends() {
        let home = home();
        let known = KnownPeers::open(home.path()).expect("a home");
        known
            .remember("ann", Some("h:1"), key(100))
            .expect("remembered");
        // Friends take none of it.
        leaves(home.path(), 100, 500, 100).await;
        assert_eq!(room_of(home.path(), 1, false).await, STRANGER);
        leaves(home.path(), 1, 5, 100).await;
        let left = Waiting {
            messages: 15,
            bytes: (16 << 10) - 500,
        };
        assert_eq!(room_of(home.path(), 1, false).await, left);
        for caller in 2..=10 {
            leaves(home.path(), caller, 20, 10).await;
        }
        let left = Waiting {
            messages: 15,
            ..STRANGER
        };
        assert_eq!(room_of(home.path(), 11, false).await, left);
        leaves(home.path(), 11, 15, 10).await;
        assert_eq!(room_of(home.path(), 12, false).await.messages, 0);
        assert_eq!(room_of(home.path(), 101, true).await, FRIEND);
        let left = Waiting {
            messages: 500,
            bytes: (1 << 20) - 50_000,
        };
        assert_eq!(room_of(home.path(), 100, true).await, left);
    }

    #[tokio::test]
    async fn strangers_share_bytes_as_well() {
        let home = home();
        for caller in 1..=8 {
            leaves(home.path(), caller, 1, 16 << 10).await;
        }
        let left = Waiting {
            messages: 20,
            bytes: 0,
        };
        assert_eq!(room_of(home.path(), 9, false).await, left);
        assert_eq!(room_of(home.path(), 9, true).await, FRIEND);
    }

    #[tokio::test(start_paused = true)]
    async fn the_machine_hangs_up_after_five_minutes() {
        let (mut speaker, _) = machine(STRANGER, String::new());
        let early = timeout(CALL - Duration::from_millis(1), speaker.next()).await;
        assert!(early.is_err(), "{early:?}");
        let last = timeout(Duration::from_millis(2), speaker.next()).await;
        assert!(matches!(last, Ok(Ok(Input::HangUp))), "{last:?}");
    }
}
