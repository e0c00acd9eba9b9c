//! What callers without chat/1 read who are rejected: `nc`, telnet, sockets.

/// To callers without chat/1 who are rejected.
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
}
