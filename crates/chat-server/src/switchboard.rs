//! Brings a new connection of the call that is on to that call.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chat_core::driver::BoxConnection;
use chat_core::protocol::{CloseReason, Handshake, Side};
use chat_core::wire::Control;
use tokio::sync::mpsc;

use crate::caller::{Caller, Introduction, Party, hang_up, refuse};

/// How many hang-ups are remembered for those who were cut off and did not hear them.
const UNHEARD: usize = 64;

/// Knows which conversation is on, and on which this side has hung up.
#[derive(Debug, Default)]
pub struct Switchboard {
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    current: Option<Current>,
    /// The oldest first.
    hung_up: VecDeque<HungUp>,
}

/// The call that is on.
#[derive(Debug)]
struct Current {
    party: Party,
    connections: mpsc::Sender<Connection>,
}

/// A call on which this side has hung up.
#[derive(Debug)]
struct HungUp {
    party: Party,
    last_words: Vec<Control>,
}

/// A new connection of the call that is on.
pub type Connection = (BoxConnection, Handshake);

/// What is to be done with one who goes on with a conversation.
enum Way {
    /// It is the call that is on.
    Through(mpsc::Sender<Connection>),
    /// This side has hung up.
    HungUp(Vec<Control>),
    /// There is no such call.
    Refused(&'static str),
    /// It begins a conversation.
    New,
}

impl Switchboard {
    /// A call begins. Answers its new connections, as they come.
    pub fn begin(&self, introduction: Option<&Introduction>) -> mpsc::Receiver<Connection> {
        let (connections, coming) = mpsc::channel(1);
        let party = introduction.and_then(Introduction::party);
        self.calls().current = party.map(|party| Current { party, connections });
        coming
    }

    /// The call is over. Whoever was cut off and comes back hears the `last_words`.
    pub fn end(&self, ending: &CloseReason, last_words: Vec<Control>) {
        let mut calls = self.calls();
        let Some(Current { party, .. }) = calls.current.take() else {
            return;
        };
        if matches!(
            ending,
            CloseReason::HungUp(Side::Local) | CloseReason::Idle(_)
        ) {
            calls.hung_up.push_back(HungUp { party, last_words });
            if calls.hung_up.len() > UNHEARD {
                calls.hung_up.pop_front();
            }
        }
    }

    /// Takes the caller if it goes on with a conversation, and gives it back if it begins one.
    pub async fn route(&self, mut caller: Caller) -> Option<Caller> {
        let Some(introduction) = caller.introduction.take() else {
            return Some(caller);
        };
        match self.way(&introduction) {
            Way::Through(connections) => {
                // If the call ends just now, the connection ends with it; the next learns why.
                let again = (caller.link, introduction.contact);
                drop(connections.send(again).await);
            }
            Way::HungUp(last_words) => hang_up(caller.link, &last_words).await,
            Way::Refused(reason) => refuse(caller.link, reason).await,
            Way::New => {
                caller.introduction = Some(introduction);
                return Some(caller);
            }
        }
        None
    }

    fn way(&self, introduction: &Introduction) -> Way {
        let Some(party) = introduction.party() else {
            return Way::New;
        };
        let calls = self.calls();
        match &calls.current {
            Some(current) if current.party == party => Way::Through(current.connections.clone()),
            Some(current) if current.party.conversation == party.conversation => {
                Way::Refused("this conversation belongs to another key")
            }
            _ => {
                let hung_up = calls.hung_up.iter().find(|call| call.party == party);
                match hung_up {
                    Some(call) => Way::HungUp(call.last_words.clone()),
                    None if introduction.is_resumed() => {
                        Way::Refused("this call is not known there any more")
                    }
                    None => Way::New,
                }
            }
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
