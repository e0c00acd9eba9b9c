//! What callers without chat/1 read who are rejected: `nc`, telnet, sockets.

use std::time::Duration;

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

    fn reply_no_files(&self) -> &'static str {
        "(a file was meant for you; plain text cannot carry one, chat-client and chat-server can)"
    }

    fn reply_idle(&self, limit: Duration) -> String {
        let limit = humantime::format_duration(limit);
        format!("(hanging up: nothing heard for {limit})")
    }
}
