//! Finds the journal with which a call goes on or begins, and carries over what others have left.

use std::path::PathBuf;

use super::{Calls, Damaged, Durability, Found, Journal, JournalError, Restored};
use crate::blocking::blocking;
use crate::protocol::{Earlier, SessionState};
use crate::trust::Fingerprint;
use crate::wire::{Hello, SessionId};

/// How the programs of one user record their calls. No method waits for a lock, and the disk is
/// waited for on another thread.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// Where the identity is.
    pub data_dir: PathBuf,
    /// Whether a person talks, or else a pipe, whose input may have ended for good.
    pub person: bool,
    /// What is said stays written down when the call is over.
    pub keep: bool,
    /// Nobody is there but the answering machine.
    pub answering: bool,
}

/// A session that can go on or begin, and its journal.
#[derive(Debug)]
pub struct Recording {
    /// The journal, which has all of the session.
    pub journal: Journal,
    /// The session.
    pub session: SessionState,
    /// What an earlier program has recorded of it.
    pub restored: Option<Restored>,
    /// The messages of other sessions that are said in it, after its own, because the peer did
    /// not receive them, as far as is known here.
    pub carried: Vec<String>,
    /// Journals that could not be read to their end, under their new names.
    pub set_aside: Vec<PathBuf>,
    /// Why another journal was passed over.
    pub trouble: Option<JournalError>,
    /// What is said stays written down when the call is over.
    pub history: bool,
}

impl Recording {
    /// What is shown of it when the call begins, if there is anything.
    pub fn earlier(&self) -> Option<Earlier> {
        let restored = self.restored.as_ref().map(Restored::earlier);
        let mut earlier = restored.unwrap_or_default();
        earlier.unreceived.extend_from_slice(&self.carried);
        Some(earlier).filter(|earlier| *earlier != Earlier::default())
    }
}

/// What a listener knows of a session that a dialer names.
#[derive(Debug)]
pub enum Seen {
    /// Nothing.
    Nothing,
    /// It can go on, or it can be found out why not.
    Open,
    /// Its call is over.
    Ended(SessionState),
}

/// What is left of earlier sessions with a peer.
#[derive(Default)]
struct Left {
    open: Vec<(SessionId, Journal, Restored)>,
    damaged: Vec<Damaged>,
    trouble: Option<JournalError>,
}

impl Recorder {
    /// The session in which to call this peer: the last one that has not ended, or a new one.
    ///
    /// # Errors
    /// Nothing can be recorded.
    pub async fn dial(&self, peer: Fingerprint) -> Result<Recording, JournalError> {
        let recorder = self.clone();
        let mut left = blocking(move || recorder.left(peer)).await?;
        let goes_on = |(.., restored): &(SessionId, Journal, Restored)| self.can_resume(restored);
        let found = left.open.iter().position(goes_on);
        let found = found.map(|index| left.open.remove(index));
        let id = SessionId::random();
        self.begin_with(peer, id, found, left).await
    }

    /// The session in which this peer calls. `None` if that cannot be the one that it names; then
    /// it has to begin another.
    ///
    /// # Errors
    /// Nothing can be recorded.
    pub async fn answer(
        &self,
        peer: Fingerprint,
        hello: &Hello,
    ) -> Result<Option<Recording>, JournalError> {
        let id = hello.conversation;
        let recorder = self.clone();
        let found = blocking(move || {
            let calls = Calls::open(&recorder.data_dir)?;
            calls.resume(peer, id, recorder.durability())
        });
        let found = match found.await? {
            Found::Open(journal, restored) => {
                let agrees = (restored.acknowledged..=restored.said).contains(&hello.received);
                if !agrees || !self.can_resume(&restored) {
                    // The next one takes its text over.
                    journal.close().await?;
                    return Ok(None);
                }
                Some((id, journal, restored))
            }
            Found::Nothing if !hello.resumed => None,
            Found::Nothing | Found::InUse | Found::Ended(_) | Found::Damaged(_) => return Ok(None),
        };
        let recorder = self.clone();
        let left = blocking(move || recorder.left(peer)).await?;
        self.begin_with(peer, id, found, left).await.map(Some)
    }

    /// What is known of this session, at a glance.
    ///
    /// # Errors
    /// Nothing can be recorded.
    pub async fn look_up(&self, peer: Fingerprint, id: SessionId) -> Result<Seen, JournalError> {
        let data_dir = self.data_dir.clone();
        let seen = blocking(move || Calls::open(&data_dir)?.peek(peer, id));
        Ok(match seen.await? {
            None => Seen::Nothing,
            Some(restored) if restored.ended => match restored.session(id) {
                Ok(session) => Seen::Ended(session),
                Err(_) => Seen::Nothing,
            },
            Some(_) => Seen::Open,
        })
    }

    /// The journal of a new session, in which these messages are said first.
    ///
    /// # Errors
    /// They cannot be recorded.
    pub async fn begin(
        &self,
        peer: Fingerprint,
        id: SessionId,
        texts: Vec<String>,
    ) -> Result<Journal, JournalError> {
        let recorder = self.clone();
        let begun = blocking(move || {
            let calls = Calls::open(&recorder.data_dir)?;
            calls.begin(peer, id, recorder.durability())
        });
        let mut journal = begun.await?;
        if self.keep {
            journal.keep();
        }
        if self.answering {
            journal.answering(true);
        }
        texts.iter().for_each(|text| journal.said(text));
        journal.flushed().await?;
        Ok(journal)
    }

    /// Goes on with `found`, or begins the session `id`, and says there what is left of others.
    async fn begin_with(
        &self,
        peer: Fingerprint,
        id: SessionId,
        found: Option<(SessionId, Journal, Restored)>,
        left: Left,
    ) -> Result<Recording, JournalError> {
        let open = left.open.iter().map(|(.., restored)| restored);
        let damaged = left.damaged.iter().map(|damaged| &damaged.restored);
        // Those that were written to last stand first.
        let oldest_first = damaged.chain(open).rev();
        let carried = oldest_first.flat_map(|restored| restored.unacknowledged.values());
        let carried: Vec<String> = carried.cloned().collect();
        let (journal, session, restored) = match found {
            Some((id, mut journal, restored)) => {
                if self.keep && !restored.keep {
                    journal.keep();
                }
                if self.answering != restored.answering {
                    journal.answering(self.answering);
                }
                carried.iter().for_each(|text| journal.said(text));
                journal.flushed().await?;
                (journal, restored.session(id), Some(restored))
            }
            None => {
                let journal = self.begin(peer, id, carried.clone()).await?;
                (journal, Ok(SessionState::new(id)), None)
            }
        };
        let session = session.and_then(|mut session| {
            for text in &carried {
                session.say(text)?;
            }
            Ok(session)
        });
        let mut set_aside = Vec::new();
        for damaged in left.damaged {
            set_aside.push(blocking(|| damaged.set_aside()).await?);
        }
        for (_, journal, _) in left.open {
            journal.carry_over().await?;
        }
        Ok(Recording {
            session: session.expect("what was said before can be said again"),
            history: self.keep || restored.as_ref().is_some_and(|restored| restored.keep),
            journal,
            restored,
            carried,
            set_aside,
            trouble: left.trouble,
        })
    }

    /// What no other program uses, those that were written to last first.
    fn left(&self, peer: Fingerprint) -> Result<Left, JournalError> {
        let calls = Calls::open(&self.data_dir)?;
        let mut left = Left::default();
        for id in calls.sessions(peer)? {
            match calls.resume(peer, id, self.durability()) {
                Ok(Found::Open(journal, restored)) => left.open.push((id, journal, restored)),
                Ok(Found::Damaged(damaged)) => left.damaged.push(damaged),
                Ok(Found::Nothing | Found::InUse | Found::Ended(_)) => {}
                Err(trouble) => left.trouble = Some(trouble),
            }
        }
        Ok(left)
    }

    /// A person can say nothing more where a pipe has said its last.
    fn can_resume(&self, restored: &Restored) -> bool {
        !(self.person && restored.finished)
    }

    fn durability(&self) -> Durability {
        match self.person {
            true => Durability::Power,
            false => Durability::Program,
        }
    }
}
