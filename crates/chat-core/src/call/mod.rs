//! A call as a handle, for bots and tests: send, receive, hang up. A task of its own drives it.

mod channel;
mod open;

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::driver::{CallConfig, CallDriver, Connected, HelloError, Input, Step};
use crate::protocol::{CloseReason, Ended, Event, Peer};
use crate::transport::{DialError, TargetError, TlsError};
use crate::trust::RejectedKey;
use crate::wire::{Batch, HANG_UP, Name, RefusalCode};

use channel::{ChannelSink, ChannelSource, Events};
use open::Opened;

/// One end of a call. Dropping it hangs up.
///
/// Both directions are bounded. While nobody takes what has arrived, the peer is not read; while
/// the peer does not take what was sent, [`send`](Self::send) waits.
///
/// It has one connection: when that is lost, the call is over. It has no safety number either,
/// which two people would have to compare: a peer's key is trusted at the first call, and
/// remembered. Who wants more drives a [`CallDriver`].
#[derive(Debug)]
pub struct Call {
    inputs: mpsc::Sender<Input>,
    events: Events,
    /// Messages that arrived together with the last one that [`next`](Self::next) returned.
    messages: Batch,
    peer: Peer,
    task: JoinHandle<Arc<Ended>>,
}

/// Why there is no call, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The call is over; [`Call::hang_up`] returns why.
    #[error("the call is over")]
    Over,
    /// This is no address.
    #[error(transparent)]
    Address(#[from] TargetError),
    /// Nobody answers.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The connection could not be encrypted.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The peer encrypts, but is another program.
    #[error("the other side does not speak chat/1")]
    NotChat1,
    /// The peer's key is not welcome.
    #[error(transparent)]
    Key(#[from] RejectedKey),
    /// The caller did not say hello.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// The caller wants to go on with a call that is over.
    #[error("the caller resumes a call that is over")]
    NoSession,
}

impl CallError {
    /// What a caller that is not taken is told; `None` if the connection is closed without a word.
    fn code(&self) -> Option<RefusalCode> {
        match self {
            Self::Key(rejected) => Some(rejected.code()),
            Self::Hello(HelloError::Malformed) => Some(RefusalCode::BadHello),
            Self::NoSession => Some(RefusalCode::NoSession),
            Self::Hello(HelloError::Missing)
            | Self::Over
            | Self::Address(_)
            | Self::Dial(_)
            | Self::Tls(_)
            | Self::NotChat1 => None,
        }
    }
}

impl Call {
    fn begin(opened: Opened, name: Name) -> Self {
        let (inputs, events, source, sink) = channel::channel();
        Self {
            inputs,
            events,
            messages: Batch::default(),
            peer: opened.connected.peer.clone(),
            task: tokio::spawn(drive(opened, name, source, sink)),
        }
    }

    /// Who is at the other end. A peer that is new has a name only after [`Event::Established`],
    /// if it tells any.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Sends one message, which may have line breaks. Waits while too much is undelivered.
    /// Cancel safe: a message is sent or it is not.
    ///
    /// What arrives must be taken meanwhile: the receipts come behind it. A message that is too
    /// long for the peer comes back as [`Event::SendFailed`].
    ///
    /// # Errors
    /// The call is over.
    pub async fn send(&self, text: impl Into<String>) -> Result<(), CallError> {
        let sent = self.inputs.send(Input::Message(text.into())).await;
        sent.map_err(|_| CallError::Over)
    }

    /// The next message; `None` when the call is over, or the peer has nothing more to send.
    /// Other events are passed over. Cancel safe.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            match self.next_event().await? {
                Event::Lines(lines) => {
                    self.messages = lines;
                    let first = self.messages.split_to(1);
                    if let Some(text) = first.lines().next() {
                        return Some(text.to_owned());
                    }
                }
                Event::Message(text) => return Some(text),
                Event::PeerEof => return None,
                _ => {}
            }
        }
    }

    /// The next event of any kind; `None` after [`Event::Ended`]. Of events that tell how things
    /// stand, like [`Event::Delivered`], only the latest waits to be taken. Cancel safe.
    pub async fn next_event(&mut self) -> Option<Event> {
        if !self.messages.is_empty() {
            return Some(Event::Lines(std::mem::take(&mut self.messages)));
        }
        let event = self.events.next().await?;
        if let Event::Established(peer) = &event {
            self.peer = peer.clone();
        }
        Some(event)
    }

    /// Hangs up once everything sent has arrived, and returns how the call ended. What the peer
    /// still says is dropped.
    ///
    /// Waits as long as the peer is there but takes nothing; dropping this hangs up at once.
    pub async fn hang_up(self) -> Arc<Ended> {
        let (inputs, mut events) = (self.inputs, self.events);
        // A peer that is not read might not read either.
        let drained = async { while events.next().await.is_some() {} };
        // If the call is over already, there is nothing to hang up.
        let (_, ()) = tokio::join!(inputs.send(Input::HangUp), drained);
        let ended = self.task.await;
        ended.unwrap_or_else(|error| resume_unwind(error.into_panic()))
    }
}

/// Drives a call to its end.
async fn drive(
    opened: Opened,
    name: Name,
    mut source: ChannelSource,
    mut sink: ChannelSink,
) -> Arc<Ended> {
    let Opened {
        connected,
        mut memory,
    } = opened;
    let handle = sink.handle();
    let config = CallConfig {
        graceful: true,
        ..CallConfig::default()
    };
    let protocol = connected.protocol(name, &config, None);
    let Connected {
        mut connection,
        mut peer,
        handshake,
    } = connected;
    let mut call = CallDriver::new(protocol, config, &mut source, &mut sink);
    if let Some(handshake) = handshake {
        call.connected(handshake);
    }
    let mut dropped = false;
    let reason = loop {
        let step = tokio::select! {
            step = call.drive(Some(&mut connection)) => step,
            () = handle.closed(), if !dropped => {
                dropped = true;
                call.hang_up();
                continue;
            }
        };
        match step {
            Step::Established(name) => {
                call.withhold_nonce();
                peer.name = match memory.take() {
                    None => Some(name.text).filter(|name| !name.is_empty()),
                    Some(memory) => match memory.remember(name.text).await {
                        Ok(name) => name,
                        Err(error) => {
                            connection.push_line(HANG_UP);
                            break CloseReason::Local(io::Error::other(error));
                        }
                    },
                };
                call.show(Event::Established(peer.clone()));
            }
            step => {
                if let Some(reason) = call.take_step(step) {
                    break reason;
                }
            }
        }
    };
    let (ended, _) = call.end(reason, Some(connection)).await;
    ended
}
