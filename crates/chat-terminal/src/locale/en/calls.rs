//! What happens in a call, and how it ends.

use std::time::Duration;

use chat_core::protocol::{Peer, Violation};
use chat_core::transport::Route;
use chat_core::trust::Security;
use chat_core::wire::{ControlError, MAX_CONTROL, MAX_DEPTH, RefusalCode};

use super::{English, mark, messages, ordinal, seconds};
use crate::locale::{Calls, who};
use crate::text::sanitize;

impl Calls for English {
    fn call(&self, peer: &Peer) -> String {
        let more = match &peer.security {
            Security::Plaintext => "; anybody on the way can read and change it.",
            Security::NoKey { .. } => "; you cannot tell who it is.",
            // The key is under /peers, and the two people compare a shorter number.
            Security::Key { .. } => ".",
        };
        format!("Call with {}: {}{more}", who(peer), mark(&peer.security))
    }

    fn other_side_is(&self, peer: &Peer) -> String {
        format!("The other side is {}: {}.", who(peer), mark(&peer.security))
    }

    fn way(&self, route: Route) -> &'static str {
        match route {
            Route::Direct => "The connection is direct.",
            Route::Relayed => "The connection goes through the relay.",
        }
    }

    fn no_more_to_say(&self) -> &'static str {
        "The other side has no more to say, but still listens."
    }

    fn hangs_up_unheard(&self, idle: Duration) -> String {
        format!(
            "The other side hangs up: nothing heard for {}.",
            seconds(idle)
        )
    }

    fn link_silent(&self, silence: Duration) -> String {
        format!("Link silent for {}.", seconds(silence))
    }

    fn lost_waiting(&self) -> &'static str {
        "Connection lost; waiting for the other side to call again. Go on typing."
    }

    fn lost_reconnecting(&self, tries: u32) -> String {
        format!(
            "Connection lost; reconnecting ({} try). Go on typing.",
            ordinal(tries)
        )
    }

    fn back(&self, after: Duration, resent: u64) -> String {
        match resent {
            0 => format!("Back after {}.", seconds(after)),
            _ => format!(
                "Back after {}, {} sent again.",
                seconds(after),
                messages(resent)
            ),
        }
    }

    fn goes_on(&self, resent: u64) -> String {
        match resent {
            0 => "The call goes on where it left off.".into(),
            _ => format!(
                "The call goes on where it left off, {} sent again.",
                messages(resent)
            ),
        }
    }

    fn restarted(&self, name: &str, resent: u64, in_doubt: bool) -> String {
        let resent = match resent {
            0 => String::new(),
            count if in_doubt => {
                format!("; {} sent again, which may arrive twice", messages(count))
            }
            count => format!("; {} sent again", messages(count)),
        };
        format!("{name}'s program was restarted{resent}.")
    }

    fn peer_records(&self, records: bool) -> &'static str {
        match records {
            true => "The other side records again: ✓ means recorded there.",
            false => "The other side no longer records: ✓ only means shown there.",
        }
    }

    fn peer_keeps(&self, keeps: bool) -> &'static str {
        match keeps {
            true => "The other side keeps what is said here, after the call too.",
            false => "The other side no longer keeps what is said here.",
        }
    }

    fn machine_answers(&self, answers: bool) -> &'static str {
        match answers {
            true => {
                "Nobody is there: a machine records what you say. (✓) means recorded, not read."
            }
            false => "Somebody is there now: ✓ means that it was received.",
        }
    }

    fn peer_is_back(&self) -> &'static str {
        "The other side is back."
    }

    fn peer_is_away(&self, text: &str) -> String {
        match text.is_empty() {
            true => "The other side is away.".to_owned(),
            false => format!("The other side is away: {}.", sanitize::quote(text)),
        }
    }

    fn in_queue(&self, ahead: u64) -> String {
        match ahead {
            // Whether the line is busy, or a person is being asked, is for them to know.
            0 => "Nobody has answered yet; you are next.".into(),
            _ => format!("The other side is busy; {ahead} before you."),
        }
    }

    fn ringing(&self, peer: &Peer) -> String {
        format!(
            "{} is calling, {}: /answer, /decline or /block",
            who(peer),
            mark(&peer.security)
        )
    }

    fn ringing_stopped(&self) -> &'static str {
        "Nobody is calling any more."
    }

    fn call_lasted(&self, time: Duration) -> String {
        let (hours, minutes) = (time.as_secs() / 3600, time.as_secs() / 60 % 60);
        let time = match (hours, minutes) {
            (0, 0) => format!("{} s", time.as_secs()),
            (0, _) => format!("{minutes} min"),
            _ => format!("{hours} h {minutes} min"),
        };
        format!("The call lasted {time}.")
    }

    fn you_hung_up(&self) -> &'static str {
        "You hung up."
    }

    fn they_hung_up(&self) -> &'static str {
        "The other side hung up."
    }

    fn both_finished(&self) -> &'static str {
        "Call over: neither side has more to say."
    }

    fn you_hung_up_unheard(&self, limit: Duration) -> String {
        format!("You hung up: nothing heard for {}.", seconds(limit))
    }

    fn broke_the_rules(&self, how: &str) -> String {
        format!("Call ended, the other side broke the rules: {how}.")
    }

    fn busy(&self, waiting: u64) -> String {
        match waiting {
            0 => "The other side is busy. Try again later.".into(),
            _ => format!("The other side is busy, {waiting} waiting already. Try again later."),
        }
    }

    fn failed_here(&self, why: &str) -> String {
        format!("Call ended, input or output failed here: {why}.")
    }

    fn not_received(&self, count: usize) -> String {
        match count {
            1 => "1 of your messages was not received.".into(),
            _ => format!("{count} of your messages were not received."),
        }
    }

    fn lost(&self) -> &'static str {
        "Connection lost: the other side is gone."
    }

    fn lost_unreachable(&self, why: &str) -> String {
        format!("Connection lost, and it could not be restored: {why}.")
    }

    fn lost_refused(&self, refusal: &str) -> String {
        format!("Connection lost. {refusal}")
    }

    fn lost_silent(&self, silence: Duration) -> String {
        format!("Connection lost: nothing heard for {}.", seconds(silence))
    }

    fn lost_stuck(&self) -> &'static str {
        "Connection lost: the other side no longer reads."
    }

    fn lost_to(&self, why: &str) -> String {
        format!("Connection lost: {why}.")
    }

    fn refused_by_them(&self, code: RefusalCode, text: Option<&str>) -> String {
        let why = match code {
            RefusalCode::UnknownKey => {
                "your key is not known there, and only known ones are answered"
            }
            RefusalCode::ChangedKey => {
                "your key is not the one that is known there under your name; call with another \
                 --name, or have them forget the old one"
            }
            RefusalCode::BadHello => {
                "it does not understand your program; one of the two may be too old"
            }
            RefusalCode::NoSession => "it no longer knows this call; call again",
            RefusalCode::ForeignSession => "this call belongs to another key there",
            RefusalCode::Blocked => "your key is blocked there",
            RefusalCode::Declined => {
                return match text.filter(|text| !text.is_empty()) {
                    Some(text) => format!(
                        "The other side declined the call and says: {}",
                        sanitize::quote(text)
                    ),
                    None => "The other side declined the call.".into(),
                };
            }
            RefusalCode::Closed => "nobody takes calls there any more",
            RefusalCode::OwnKey => "it has your own key, so you are calling yourself",
            RefusalCode::Unavailable => "something is wrong there just now; try again",
            RefusalCode::Other => {
                return match text {
                    Some(text) => format!(
                        "The other side refused the call and says: {}",
                        sanitize::quote(text)
                    ),
                    None => "The other side refused the call.".into(),
                };
            }
        };
        format!("The other side refused the call: {why}.")
    }

    fn refused_for_now(&self, left: Duration, gives_up: &str) -> String {
        let minutes = left.as_secs().div_ceil(60);
        let time = match minutes {
            0 | 1 => "another minute".to_owned(),
            2..=120 => format!("{minutes} more minutes"),
            _ => format!("{} more hours", minutes.div_ceil(60)),
        };
        format!("Nobody answers at that port. Trying for {time}; {gives_up} gives up.")
    }

    fn line_too_long(&self, limit: usize) -> String {
        format!("a line is longer than {limit} bytes")
    }

    fn malformed(&self, error: &ControlError) -> String {
        let why = match error {
            ControlError::Syntax { column } => format!("invalid JSON at column {column}"),
            ControlError::Value { column } => {
                format!("a wrong member or value at column {column}")
            }
            ControlError::TooDeep => format!("nested deeper than {MAX_DEPTH} levels"),
            ControlError::TooLong => format!("longer than {MAX_CONTROL} bytes"),
        };
        format!("a control line cannot be read: {why}")
    }

    fn number_unasked(&self) -> &'static str {
        "it sent a part of the safety number unasked"
    }

    fn number_tampered_with(&self) -> &'static str {
        "the safety number was tampered with: what was revealed is not what was promised"
    }

    fn violation(&self, what: Violation) -> &'static str {
        match what {
            Violation::AckUnsent => "it acknowledged messages that were never sent",
            Violation::AckTakenBack => "it took an acknowledgement back",
            Violation::HasUnsent => "it claims to have messages that were never sent",
            Violation::PongUnasked => "it answered a ping that was never sent",
            Violation::OtherSession => "its hello is for another session",
            Violation::SecondHello => "it said hello twice",
            Violation::LateQueue => "it made a call wait that had begun",
            Violation::ControlBeforeHello => "it said something before its hello",
            Violation::DoneTakenBack => "it went on after it had no more to say",
            Violation::TextBeforeHello => "it sent text before its hello",
            Violation::TextAfterDone => "it sent text after it had no more to say",
            Violation::ControlInPlain => "a control line in plain text",
        }
    }

    fn nobody_there_yet(&self, peer: &Peer) -> String {
        format!(
            "Calling {} until somebody is there; what you say is kept until then.",
            who(peer)
        )
    }

    fn you_are_away(&self) -> &'static str {
        "You are away; whoever is on the line or waits is told. Type /away alone when you are back."
    }

    fn you_are_back(&self) -> &'static str {
        "You are back."
    }
}
