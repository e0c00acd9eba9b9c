//! What is exchanged with a caller while it waits for its turn.

use std::time::Duration;

use chat_core::driver::BoxConnection;
use chat_core::wire::{Control, Frame};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::accept::Caller;

/// A live chat/1 caller sends something at least every 2 s.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(15);

/// Waits until a caller hangs up or is gone. `ahead` returns how many are served before it, and
/// `changed` signals that this may have changed.
///
/// A caller without chat/1 is told nothing, because a line would break programs that take turns;
/// what it sends is kept for the call.
pub(crate) async fn wait(
    caller: &mut Caller,
    ahead: impl Fn() -> Option<u64>,
    mut changed: watch::Receiver<()>,
) {
    let connection = &mut caller.connection;
    if caller.peer_hello.is_none() {
        return connection.closed_by_peer().await;
    }
    let mut told = None;
    while !connection.is_congested() {
        if let Some(ahead) = ahead()
            && told.replace(ahead) != Some(ahead)
        {
            connection.push_control(&Control::Waiting { ahead });
        }
        tokio::select! {
            still_there = read_frame(connection) => if !still_there {
                return;
            },
            _ = changed.changed() => {}
        }
    }
}

/// Reads one frame, and answers a ping. Returns whether the caller goes on waiting. Cancel safe.
async fn read_frame(connection: &mut BoxConnection) -> bool {
    let Ok(Ok(Some(Frame::Control(json)))) = timeout(SILENCE_TIMEOUT, connection.receive()).await
    else {
        return false;
    };
    match Control::parse(&json) {
        Ok(Some(Control::Ping(number))) => connection.push_control(&Control::Pong(number)),
        Ok(_) => {}
        Err(_) => return false,
    }
    true
}
