//! Brings a new connection of the call that is on to that call.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chat_core::trust::Fingerprint;
use chat_core::wire::ConversationId;
use tokio::sync::mpsc;

use crate::caller::{Caller, Introduction, refuse};

/// What a caller hears who wants to go on with a call that has ended.
const OVER: &str = "this call is over here";

/// Knows which conversation is on, and under whose key.
#[derive(Debug, Default)]
pub struct Switchboard {
    current: Mutex<Option<Current>>,
}

/// The call that is on.
#[derive(Clone, Debug)]
struct Current {
    conversation: ConversationId,
    key: Fingerprint,
    connections: mpsc::Sender<Caller>,
}

impl Switchboard {
    /// From now on this call is on. Answers where its new connections come, which are nobody
    /// else's: those that come too late end with it.
    pub fn begin(&self, introduction: Option<&Introduction>) -> mpsc::Receiver<Caller> {
        let (sender, connections) = mpsc::channel(1);
        *self.current() = introduction.and_then(|peer| {
            Some(Current {
                conversation: peer.conversation()?,
                key: peer.key,
                connections: sender,
            })
        });
        connections
    }

    /// No call is on any more.
    pub fn end(&self) {
        *self.current() = None;
    }

    /// Takes the caller if it goes on with a conversation, and gives it back if it begins one.
    pub async fn route(&self, caller: Caller) -> Option<Caller> {
        let Some(introduction) = &caller.introduction else {
            return Some(caller);
        };
        let id = introduction.conversation();
        let current = self.current().clone();
        match current.filter(|current| Some(current.conversation) == id) {
            Some(current) if current.key == introduction.key => {
                if let Err(late) = current.connections.send(caller).await {
                    refuse(late.0.link, OVER).await;
                }
            }
            Some(_) => refuse(caller.link, "this conversation belongs to another key").await,
            None if introduction.is_resumed() => refuse(caller.link, OVER).await,
            None => return Some(caller),
        }
        None
    }

    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
