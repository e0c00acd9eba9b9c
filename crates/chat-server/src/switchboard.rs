//! Brings a new connection of the call that is on to that call.

use std::sync::{Arc, Mutex, PoisonError};

use chat_core::trust::Fingerprint;
use chat_core::wire::ConversationId;
use tokio::sync::mpsc;

use crate::caller::{Caller, Introduction, refuse};

/// Knows which conversation is on, and under whose key.
#[derive(Debug)]
pub struct Switchboard {
    current: Mutex<Option<(ConversationId, Fingerprint)>>,
    resumed: mpsc::Sender<Caller>,
}

impl Switchboard {
    /// A switchboard, and where it brings the new connections of the current call.
    pub fn new() -> (Arc<Self>, mpsc::Receiver<Caller>) {
        let (resumed, connections) = mpsc::channel(1);
        let switchboard = Self {
            current: Mutex::default(),
            resumed,
        };
        (Arc::new(switchboard), connections)
    }

    /// From now on this conversation is on; or none.
    pub fn set_current(&self, introduction: Option<&Introduction>) {
        let current = introduction.and_then(|peer| Some((peer.conversation()?, peer.key)));
        *self.current() = current;
    }

    /// Takes the caller if it goes on with a conversation, and gives it back if it begins one.
    pub async fn route(&self, caller: Caller) -> Option<Caller> {
        let Some(introduction) = &caller.introduction else {
            return Some(caller);
        };
        let current = *self.current();
        let current = current.filter(|(id, _)| Some(*id) == introduction.conversation());
        match current {
            Some((_, key)) if key == introduction.key => {
                // The call may have ended just now; then the connection ends with it.
                drop(self.resumed.send(caller).await);
            }
            Some(_) => refuse(caller.link, "this conversation belongs to another key").await,
            None if introduction.is_resumed() => {
                refuse(caller.link, "this call is over here").await;
            }
            None => return Some(caller),
        }
        None
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<(ConversationId, Fingerprint)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
