//! What is exchanged with a caller while it waits for its turn.

use std::time::Duration;

use chat_core::driver::BoxConnection;
use chat_core::wire::{Control, Frame, Presence};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::accept::Caller;
use crate::limits::RateLimiter;

/// A live chat/1 caller sends something at least every 2 s.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(15);

/// This many control lines may come at once: pings that the network has held back.
const FRAME_BURST: u32 = 16;

/// After that, one in this time. Who sends more costs the call that is on, and has to leave.
const FRAME_EVERY: Duration = Duration::from_secs(1);

/// The room in which a caller waits.
pub(crate) struct Room<A, P, N> {
    /// How many are served before it; `None` if it is about to be served.
    pub ahead: A,
    /// Whether the person is there.
    pub presence: P,
    /// Takes the line that it leaves for the person.
    pub note: N,
}

/// Waits until a caller hangs up or is gone. Returns whether it has said something before, which
/// can still be heard. `changed` signals that what the room tells may have changed.
///
/// A caller without chat/1 is told nothing, because a line would break programs that take turns;
/// what it sends is kept for the call.
pub(crate) async fn wait<A, P, N>(
    caller: &mut Caller,
    room: Room<A, P, N>,
    mut changed: watch::Receiver<()>,
) -> bool
where
    A: Fn() -> Option<u64>,
    P: Fn() -> Presence,
    N: Fn(String),
{
    let chat1 = caller.connected.handshake.is_some();
    let connection = &mut caller.connected.connection;
    let mut frames = RateLimiter::new(FRAME_BURST, FRAME_EVERY);
    let mut told = None;
    let mut told_presence = Presence::Here;
    let mut has_note = false;
    while !connection.is_congested() {
        let Some(ahead) = (room.ahead)() else {
            // It may only listen from now on, or have said all and left.
            let _ = changed.changed().await;
            continue;
        };
        if chat1 && told.replace(ahead) != Some(ahead) {
            connection.push_control(&Control::Waiting { ahead });
        }
        let presence = (room.presence)();
        if chat1 && told_presence != presence {
            connection.push_control(&Control::Away(presence.clone()));
            told_presence = presence;
        }
        tokio::select! {
            heard = listen(connection, chat1) => match heard {
                Heard::Frame(note) if frames.try_acquire().is_some() => {
                    // One line, and no more.
                    let note = note.filter(|_| !has_note);
                    has_note |= note.is_some();
                    note.into_iter().for_each(&room.note);
                }
                Heard::LastWords => return true,
                Heard::Frame(_) | Heard::Nothing => return false,
            },
            _ = changed.changed() => {}
        }
    }
    false
}

/// What is heard of a caller that waits.
enum Heard {
    /// It is still there, and may say something for the person.
    Frame(Option<String>),
    /// It has left, or says so much that it does without a seat.
    LastWords,
    /// It has left, and has nothing to say.
    Nothing,
}

/// Waits until something is heard of the caller. Cancel safe.
async fn listen(connection: &mut BoxConnection, chat1: bool) -> Heard {
    let heard = match chat1 {
        true => read_frame(connection).await.map(Heard::Frame),
        false => connection
            .closed_by_peer()
            .await
            .then_some(Heard::LastWords),
    };
    heard.unwrap_or(Heard::Nothing)
}

/// Reads one frame, and answers a ping. Returns what it says for the person; `None` if the caller
/// does not go on waiting. Cancel safe.
async fn read_frame(connection: &mut BoxConnection) -> Option<Option<String>> {
    let Ok(Ok(Some(Frame::Control(json)))) = timeout(SILENCE_TIMEOUT, connection.receive()).await
    else {
        return None;
    };
    match Control::parse(&json).ok()? {
        Some(Control::Ping(number)) => connection.push_control(&Control::Pong(number)),
        Some(Control::Note(text)) => return Some(Some(text)),
        _ => {}
    }
    Some(None)
}
