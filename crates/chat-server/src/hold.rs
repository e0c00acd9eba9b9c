//! Holding the line: what a caller hears and says while it waits for its turn.

use std::time::Duration;

use chat_core::driver::BoxConnection;
use chat_core::wire::{Control, Frame};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::caller::Caller;

/// A chat/1 caller that is there says something at least every 2 s.
const SILENCE: Duration = Duration::from_secs(15);

/// Waits until a caller gives up. `ahead` tells how many are served before it, and `moved`
/// when that may have changed.
///
/// A caller without chat/1 hears nothing, for a line would break programs that take turns;
/// what it says is kept for the call.
pub async fn hold(
    caller: &mut Caller,
    ahead: impl Fn() -> Option<u64>,
    mut moved: watch::Receiver<()>,
) {
    let link = &mut caller.link;
    if caller.introduction.is_none() {
        return link.closed_by_peer().await;
    }
    let mut told = None;
    while !link.is_congested() {
        if let Some(ahead) = ahead()
            && told.replace(ahead) != Some(ahead)
        {
            link.push_control(&Control::Waiting { ahead });
        }
        tokio::select! {
            still_there = hear(link) => if !still_there {
                return;
            },
            _ = moved.changed() => {}
        }
    }
}

/// Hears one frame. Answers whether the caller goes on waiting. Cancel safe.
async fn hear(link: &mut BoxConnection) -> bool {
    let Ok(Ok(Some(Frame::Control(json)))) = timeout(SILENCE, link.receive()).await else {
        return false;
    };
    match Control::parse(&json) {
        Ok(Some(Control::Ping(number))) => link.push_control(&Control::Pong(number)),
        Ok(_) => {}
        Err(_) => return false,
    }
    true
}
