//! What callers without chat/1 read who are rejected: `nc`, telnet, sockets.

/// Too many callers wait already.
pub const BUSY: &str = "busy: too many callers are waiting; try again later";

/// The person does not take the call.
pub const DECLINED: &str = "declined: your call is not taken";

/// Nobody takes calls any more.
pub const CLOSED: &str = "closed: nobody takes calls here any more";

/// Only encrypted calls are taken.
pub const NO_PLAINTEXT: &str = "this server answers only encrypted calls: use chat-client, \
    or openssl s_client -quiet, or start the server with --allow-plain";

/// Only callers with a known key are answered.
pub const NO_KEY: &str = "this server answers only callers whose key it knows: use chat-client";
