//! Which session is in a call, and where a new connection of a known session goes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chat_core::driver::BoxConnection;
use chat_core::protocol::{CloseReason, Handshake, Side};
use chat_core::wire::{Control, Cookie, MAX_LINE, RefusalCode};
use tokio::sync::mpsc;

use crate::accept::{Caller, PeerHello, SessionKey, hang_up};

/// How many hang-ups are remembered, for peers whose connection was lost before they heard them.
const MAX_HUNG_UP: usize = 64;

/// Knows the session of the present call, and those on which this side has hung up.
#[derive(Debug, Default)]
pub(crate) struct SessionRegistry {
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    current: Option<Current>,
    /// The oldest first.
    hung_up: VecDeque<HungUp>,
}

/// The present call.
#[derive(Debug)]
struct Current {
    session_key: SessionKey,
    /// What its peer shows in the next handshake.
    cookie: Option<Cookie>,
    connections: mpsc::Sender<NewConnection>,
}

/// A call on which this side has hung up.
#[derive(Debug)]
struct HungUp {
    session_key: SessionKey,
    final_ack: Vec<Control>,
}

/// A new connection of the present call.
pub(crate) type NewConnection = (BoxConnection, Handshake);

/// Where a caller goes.
pub(crate) enum Destination {
    /// To the present call, with this connection.
    Call(mpsc::Sender<NewConnection>, NewConnection),
    /// It begins a call.
    Queue(Caller),
    /// It was told that its session is over.
    Nowhere,
}

/// Where a chat/1 caller goes.
enum Route {
    /// To the present call.
    Through(mpsc::Sender<NewConnection>),
    /// This side has hung up on the session.
    HungUp(Vec<Control>),
    /// There is no such session.
    Refused(RefusalCode),
    /// It begins a session.
    New,
}

impl SessionRegistry {
    /// A call begins. Returns its new connections, as they come.
    pub(crate) fn begin(&self, peer_hello: Option<&PeerHello>) -> mpsc::Receiver<NewConnection> {
        let (connections, coming) = mpsc::channel(1);
        let session_key = peer_hello.and_then(PeerHello::session_key);
        self.calls().current = session_key.map(|session_key| Current {
            session_key,
            cookie: None,
            connections,
        });
        coming
    }

    /// The peer of the present call was given this cookie.
    pub(crate) fn set_cookie(&self, cookie: Option<Cookie>) {
        if let Some(current) = &mut self.calls().current {
            current.cookie = cookie;
        }
    }

    /// Whether this is the cookie of the present call.
    pub(crate) fn has_cookie(&self, cookie: Cookie) -> bool {
        let calls = self.calls();
        calls
            .current
            .as_ref()
            .is_some_and(|current| current.cookie == Some(cookie))
    }

    /// The call is over. A peer that missed the hang-up and reconnects gets the `final_ack`.
    pub(crate) fn end(&self, reason: &CloseReason, final_ack: Vec<Control>) {
        let mut calls = self.calls();
        let Some(Current { session_key, .. }) = calls.current.take() else {
            return;
        };
        if matches!(
            reason,
            CloseReason::HungUp(Side::Local) | CloseReason::Idle(_)
        ) {
            calls.hung_up.push_back(HungUp {
                session_key,
                final_ack,
            });
            if calls.hung_up.len() > MAX_HUNG_UP {
                calls.hung_up.pop_front();
            }
        }
    }

    /// Finds out where a caller goes. One that resumes a session which is over is told so.
    pub(crate) async fn route(&self, mut caller: Caller) -> Destination {
        let Some(peer_hello) = caller.peer_hello.take() else {
            return Destination::Queue(caller);
        };
        match self.route_of(&peer_hello) {
            Route::Through(connections) => {
                caller.connection.set_limit(MAX_LINE);
                let connection = (caller.connection, peer_hello.handshake);
                return Destination::Call(connections, connection);
            }
            Route::HungUp(final_ack) => hang_up(caller.connection, &final_ack).await,
            Route::Refused(code) => caller.connection.refuse(code).await,
            Route::New => {
                caller.peer_hello = Some(peer_hello);
                return Destination::Queue(caller);
            }
        }
        Destination::Nowhere
    }

    fn route_of(&self, peer_hello: &PeerHello) -> Route {
        let Some(session_key) = peer_hello.session_key() else {
            return Route::New;
        };
        let calls = self.calls();
        match &calls.current {
            Some(current) if current.session_key == session_key => {
                Route::Through(current.connections.clone())
            }
            Some(current) if current.session_key.session == session_key.session => {
                Route::Refused(RefusalCode::ForeignSession)
            }
            _ => {
                let hung_up = calls
                    .hung_up
                    .iter()
                    .find(|call| call.session_key == session_key);
                match hung_up {
                    Some(call) => Route::HungUp(call.final_ack.clone()),
                    None if peer_hello.is_resumed() => Route::Refused(RefusalCode::NoSession),
                    None => Route::New,
                }
            }
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
