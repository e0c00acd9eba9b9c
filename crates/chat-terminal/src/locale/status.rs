//! The status row and what else stands beside the talk.

use std::time::Duration;

use chat_core::files::FileName;
use chat_core::protocol::ConnectionStatus;
use chat_core::trust::{KnownPeer, Security};
use jiff::civil::Date;

use super::{Language, name_in_notice};

/// The status row, and what else stands beside the talk.
pub trait StatusRow {
    /// Before this side's messages.
    fn you(&self) -> &'static str;

    /// The hint during a call.
    fn hint(&self) -> &'static str;

    /// The hint while there is no call.
    fn hint_alone(&self) -> &'static str;

    /// While hanging up.
    fn hanging_up(&self) -> &'static str;

    /// Who calls.
    fn rings(&self, name: &str) -> String;

    /// What the user can do about a call that rings.
    fn how_to_answer(&self) -> &'static str;

    /// Who calls while another call is on, in a notification.
    fn somebody(&self) -> &'static str;

    /// A file is offered, for who looks elsewhere.
    fn file_waits(&self, name: &FileName) -> String;

    /// A message, in a notification.
    fn says(&self, name: &str, text: &str) -> String;

    /// How secure the connection is.
    fn lock(&self, security: &Security) -> &'static str;

    /// How long a message and its answer take.
    fn round_trip(&self, time: Duration) -> String;

    /// Nothing was heard for so many seconds.
    fn silent_for(&self, seconds: u64) -> String;

    /// The connection is lost, and the other side is to call again.
    fn waiting_for_them(&self, seconds: u64) -> String;

    /// The connection is lost, and is made again.
    fn reconnecting(&self, tries: u32, seconds: u64) -> String;

    /// The peer is typing.
    fn typing(&self, name: &str) -> String;

    /// How many callers are served before this side.
    fn ahead(&self, ahead: u64) -> String;

    /// How many callers wait.
    fn waiting(&self, callers: usize) -> String;

    /// The peer's person is away.
    fn away(&self, text: &str) -> String;

    /// The peer's machine answers.
    fn answering(&self) -> &'static str;

    /// What a server does while there is no call.
    fn idle(&self, port: u16) -> String;

    /// What a client does until the call is established.
    fn calling(&self, target: &str) -> String;

    /// The same, of a known peer who was called by name.
    fn calling_known(&self, peer: &KnownPeer) -> String;

    /// The prompt of a search through older lines.
    fn searching(&self, text: &str) -> String;

    /// Nothing in the history matches.
    fn not_found(&self) -> &'static str;

    /// Before the first message that came after the user looked away.
    fn unread_from_here(&self) -> &'static str;

    /// A day, before its messages.
    fn day(&self, date: Date) -> String;

    /// Messages were acknowledged after they were moved to the transcript.
    fn received_later(&self, count: usize) -> String;
}

impl dyn Language + '_ {
    /// The state of the connection. `silence`: how long nothing was heard.
    pub(crate) fn link(&self, link: &ConnectionStatus, silence: Duration) -> Option<String> {
        let silence = silence.as_secs();
        match link {
            ConnectionStatus::Up { round_trip } => round_trip.map(|time| self.round_trip(time)),
            ConnectionStatus::Silent(_) => Some(self.silent_for(silence)),
            ConnectionStatus::Reconnecting(0) => Some(self.waiting_for_them(silence)),
            ConnectionStatus::Reconnecting(tries) => Some(self.reconnecting(*tries, silence)),
            ConnectionStatus::Resumed { .. } | ConnectionStatus::Restored { .. } => None,
        }
    }
}

/// The title of the terminal without a call.
pub(crate) const TITLE: &str = "chat";

/// The title of the terminal during a call.
pub(crate) fn title(name: &str, unread: usize) -> String {
    let name = name_in_notice(name).unwrap_or_default();
    match unread {
        0 => format!("{name} - chat"),
        1..=99 => format!("({unread}) {name} - chat"),
        _ => format!("(99+) {name} - chat"),
    }
}
