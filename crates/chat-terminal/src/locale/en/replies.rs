//! What callers without chat/1 read who are rejected: `nc`, telnet, sockets.

use super::English;
use crate::locale::Replies;

impl Replies for English {
    fn reply_busy(&self) -> &'static str {
        "busy: too many callers are waiting; try again later"
    }

    fn reply_declined(&self) -> &'static str {
        "declined: your call is not taken"
    }

    fn reply_closed(&self) -> &'static str {
        "closed: nobody takes calls here any more"
    }

    fn reply_no_plaintext(&self) -> &'static str {
        "this server answers only encrypted calls: use chat-client, \
         or openssl s_client -quiet, or start the server with --allow-plain"
    }

    fn reply_no_key(&self) -> &'static str {
        "this server answers only callers whose key it knows: use chat-client"
    }
}
