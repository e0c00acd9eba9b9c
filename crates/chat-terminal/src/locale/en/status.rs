//! The status row and what else stands beside the talk.

use std::time::Duration;

use chat_core::files::FileName;
use chat_core::transport::Route;
use chat_core::trust::{KnownPeer, Security, Verification};
use jiff::civil::Date;

use super::{English, no_key};
use crate::locale::StatusRow;
use crate::text::sanitize;

impl StatusRow for English {
    fn you(&self) -> &'static str {
        "you:"
    }

    fn hint(&self) -> &'static str {
        "/help"
    }

    fn hint_alone(&self) -> &'static str {
        "/help · Ctrl-C quits"
    }

    fn hanging_up(&self) -> &'static str {
        "hanging up … (Ctrl-C again leaves at once)"
    }

    fn rings(&self, name: &str) -> String {
        format!("{name} is calling")
    }

    fn how_to_answer(&self) -> &'static str {
        "Enter answers, /decline, /block"
    }

    fn somebody(&self) -> &'static str {
        "somebody"
    }

    fn file_waits(&self, name: &FileName) -> String {
        format!("{} is offered to you", sanitize::quote(name.as_str()))
    }

    fn says(&self, name: &str, text: &str) -> String {
        format!("{name}: {text}")
    }

    fn lock(&self, security: &Security) -> &'static str {
        match security {
            Security::Plaintext => "NOT ENCRYPTED",
            Security::NoKey { post_quantum } => no_key(*post_quantum),
            Security::Key { verification, .. } => match verification {
                Verification::New => "🔒 new, unverified",
                Verification::Unverified => "🔒 unverified",
                Verification::Verified => "🔒 verified",
            },
        }
    }

    fn round_trip(&self, time: Duration) -> String {
        match time.as_millis() {
            0 => "<1 ms".to_owned(),
            milliseconds => format!("{milliseconds} ms"),
        }
    }

    fn route(&self, route: Route) -> &'static str {
        match route {
            Route::Direct => "direct",
            Route::Relayed => "relayed",
        }
    }

    fn silent_for(&self, seconds: u64) -> String {
        format!("silent for {seconds} s")
    }

    fn waiting_for_them(&self, seconds: u64) -> String {
        format!("link lost, waiting for them ({seconds} s)")
    }

    fn reconnecting(&self, tries: u32, seconds: u64) -> String {
        format!("link lost, reconnecting (try {tries}, {seconds} s)")
    }

    fn typing(&self, name: &str) -> String {
        format!("{name} is typing …")
    }

    fn ahead(&self, ahead: u64) -> String {
        match ahead {
            0 => "you are next".to_owned(),
            _ => format!("{ahead} before you"),
        }
    }

    fn waiting(&self, callers: usize) -> String {
        format!("{callers} waiting")
    }

    fn away(&self, text: &str) -> String {
        match text.is_empty() {
            true => "away".to_owned(),
            false => format!("away: {}", sanitize::quote(text)),
        }
    }

    fn answering(&self) -> &'static str {
        "answering machine"
    }

    fn idle(&self, port: u16) -> String {
        format!("waiting for a call on port {port}")
    }

    fn calling(&self, target: &str) -> String {
        format!("calling {target} …")
    }

    fn calling_known(&self, peer: &KnownPeer) -> String {
        let name = &peer.name;
        match peer.addresses.join(", ") {
            nowhere if nowhere.is_empty() => format!("calling {name}, whom you know …"),
            addresses => format!("calling {name}, whom you know, at {addresses} …"),
        }
    }

    fn searching(&self, text: &str) -> String {
        format!("search “{text}” (Enter takes it, Ctrl-R older, Esc back): ")
    }

    fn not_found(&self) -> &'static str {
        "(nothing found)"
    }

    fn unread_from_here(&self) -> &'static str {
        "new since you looked away:"
    }

    fn day(&self, date: Date) -> String {
        date.strftime("%A, %-d %B %Y").to_string()
    }

    fn received_later(&self, count: usize) -> String {
        match count {
            1 => "✓ one more of your messages was received".to_owned(),
            _ => format!("✓ {count} more of your messages were received"),
        }
    }
}
