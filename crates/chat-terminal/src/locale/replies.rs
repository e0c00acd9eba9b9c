//! What callers without chat/1 read who are rejected: `nc`, telnet, sockets.

use std::time::Duration;

/// To callers without chat/1, who are rejected or hung up on.
pub trait Replies {
    /// Too many callers wait already.
    fn reply_busy(&self) -> &'static str;

    /// The person does not take the call.
    fn reply_declined(&self) -> &'static str;

    /// Nobody takes calls any more.
    fn reply_closed(&self) -> &'static str;

    /// Only encrypted calls are taken.
    fn reply_no_plaintext(&self) -> &'static str;

    /// Only callers with a known key are answered.
    fn reply_no_key(&self) -> &'static str;

    /// They would have been offered a file.
    fn reply_no_files(&self) -> &'static str;

    /// The call ends: nothing was heard for this long.
    fn reply_idle(&self, limit: Duration) -> String;
}
