//! Which session is in a call, and what a new connection of a session is for.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chat_core::driver::Connected;
use chat_core::files::FileConnection;
use chat_core::protocol::{CloseReason, Side};
use chat_core::trust::Fingerprint;
use chat_core::wire::{Control, Cookie, RefusalCode, SessionId};
use tokio::sync::mpsc;

use crate::accept::{Caller, SessionKey};
use crate::dispatch::Purpose;

/// How many connections for files may wait for the call to take them.
const MAX_FILES: usize = 8;

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
    connections: mpsc::Sender<Connected>,
    /// Where connections for its files go, once it takes them.
    files: Option<mpsc::Sender<FileConnection>>,
    /// It has no connection.
    interrupted: bool,
}

/// A call on which this side has hung up.
#[derive(Debug)]
struct HungUp {
    session_key: SessionKey,
    final_ack: Vec<Control>,
}

impl SessionRegistry {
    /// A call begins. Returns its new connections, as they come.
    pub(crate) fn begin(&self, session_key: Option<SessionKey>) -> mpsc::Receiver<Connected> {
        let (connections, coming) = mpsc::channel(1);
        self.calls().current = session_key.map(|session_key| Current {
            session_key,
            cookie: None,
            connections,
            files: None,
            interrupted: false,
        });
        coming
    }

    /// The present call takes connections for files. Returns them, as they come.
    pub(crate) fn take_files(&self) -> mpsc::Receiver<FileConnection> {
        let (files, coming) = mpsc::channel(MAX_FILES);
        if let Some(current) = &mut self.calls().current {
            current.files = Some(files);
        }
        coming
    }

    /// The present call has lost its connection, or has one again.
    pub(crate) fn interrupted(&self, interrupted: bool) {
        if let Some(current) = &mut self.calls().current {
            current.interrupted = interrupted;
        }
    }

    /// The present call goes on in this session.
    pub(crate) fn renewed(&self, session: SessionId) {
        if let Some(current) = &mut self.calls().current {
            current.session_key.session = session;
        }
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

    /// The call has not begun after all.
    pub(crate) fn abandon(&self) {
        self.calls().current = None;
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

    /// What the connection of this caller is for.
    pub(crate) fn purpose(&self, caller: &Caller) -> Purpose {
        let (Some(hello), Some(session_key)) = (caller.hello(), caller.session_key()) else {
            return Purpose::Call;
        };
        let calls = self.calls();
        match &calls.current {
            Some(current) if current.session_key == session_key => {
                Purpose::Continuation(current.connections.clone())
            }
            Some(current) if current.session_key.session == session_key.session => {
                Purpose::Nothing(RefusalCode::ForeignSession)
            }
            // The program there was started anew.
            Some(current)
                if current.session_key.key == session_key.key
                    && current.interrupted
                    && !hello.resumed =>
            {
                Purpose::Continuation(current.connections.clone())
            }
            _ => {
                let hung_up = calls
                    .hung_up
                    .iter()
                    .find(|call| call.session_key == session_key);
                match hung_up {
                    Some(call) => Purpose::HangUp(call.final_ack.clone()),
                    None if hello.resumed => Purpose::Resumption,
                    None => Purpose::Call,
                }
            }
        }
    }

    /// Where a connection for a file belongs: to the present call, if that is its session and its
    /// key.
    pub(crate) fn call_of(
        &self,
        file: &FileConnection,
        key: Fingerprint,
    ) -> Option<mpsc::Sender<FileConnection>> {
        let session = file.hello.conversation;
        let calls = self.calls();
        let current = calls.current.as_ref()?;
        match current.session_key == (SessionKey { session, key }) {
            true => current.files.clone(),
            false => None,
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
