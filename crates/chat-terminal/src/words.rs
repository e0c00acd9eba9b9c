//! Everything a person reads, in one place, apart from the logic.

use std::time::Duration;

use chat_core::conversation::{Ended, Ending, Event, LinkState, Peer, Security, Side, Standing};

use crate::commands::Mistake;

/// Before one's own messages.
pub(crate) const YOU: &str = "you:";

/// The keys that matter, on the status row.
pub(crate) const HINT: &str = "/help";

/// The keys that matter while nobody is on the line.
pub(crate) const HINT_ALONE: &str = "/help · Ctrl-C quits";

/// In the status row, while hanging up.
pub(crate) const HANGING_UP: &str = "hanging up … (Ctrl-C again leaves at once)";

/// Somebody wants to speak, and nobody is there.
pub(crate) const NOBODY: &str = "Nobody is on the line; your text stays here.";

/// `88` without a call.
pub(crate) const NO_CALL: &str = "There is no call to hang up; /quit ends the program.";

/// More was typed than is taken at the moment.
pub(crate) const FULL: &str =
    "Too much is waiting to be sent; your text stays here. Try again soon.";

/// A paste has begun and does not end.
pub(crate) const PASTE_STALLED: &str =
    "A paste has not ended: go on waiting, or cancel it with Ctrl-C.";

/// A paste was given up.
pub(crate) const PASTE_CANCELLED: &str = "The paste was cancelled.";

/// Nothing in the history matches.
pub(crate) const NOT_FOUND: &str = "(nothing found)";

/// What `/help` shows.
pub(crate) const HELP: &str = "\
Type a line and press Enter to say it; 88 alone hangs up.
/verify   you have compared the safety numbers, and they are the same
/peers    list the keys you know        /status   tell about this call
/next     take the next caller          /quit     end the program
/say TEXT say TEXT, even if it is 88    //x       say \"/x\"
Alt-Enter or Ctrl-J: a new line   Up, Down: older lines   Ctrl-R: search them
Ctrl-C: drop the line, or hang up   Ctrl-Z: suspend   Tab: complete a command";

/// Lines that came faster than anybody types.
pub(crate) fn gathered(lines: usize) -> String {
    format!("{lines} lines came at once: Enter sends them as one message, Ctrl-C drops them.")
}

/// A paste that is too large for one message.
pub(crate) fn paste_too_long(bytes: usize, limit: usize) -> String {
    format!("The paste of {bytes} bytes was dropped: a message has at most {limit}.")
}

/// Why a command was not understood.
pub(crate) fn mistake(mistake: &Mistake) -> String {
    match mistake {
        Mistake::Unknown {
            typed,
            nearest: Some(nearest),
        } => format!("There is no {typed}; did you mean {nearest}? To say it, type /{typed}"),
        Mistake::Unknown {
            typed,
            nearest: None,
        } => format!("There is no {typed}; /help lists the commands. To say it, type /{typed}"),
        Mistake::TakesNothing(name) => format!("{name} takes nothing after it."),
        Mistake::SaysNothing => "Say what? Type the text after /say".to_owned(),
    }
}

/// The prompt of a search through older lines.
pub(crate) fn searching(text: &str) -> String {
    format!("search “{text}” (Enter takes it, Ctrl-R older, Esc back): ")
}

/// Messages that were received later than they were written down.
pub(crate) fn received_later(count: usize) -> String {
    match count {
        1 => "✓ one more of your messages was received".to_owned(),
        _ => format!("✓ {count} more of your messages were received"),
    }
}

/// What a peer is called.
pub(crate) fn name_or_address(peer: &Peer) -> &str {
    peer.name.as_deref().unwrap_or(&peer.address)
}

/// How far the connection can be trusted, in a word or two.
pub(crate) fn lock(security: &Security) -> &'static str {
    match security {
        Security::Plaintext => "NOT ENCRYPTED",
        Security::NoKey => "encrypted, no key",
        Security::Key { standing, .. } => match standing {
            Standing::New => "🔒 new, unverified",
            Standing::Unverified => "🔒 unverified",
            Standing::Verified => "🔒 verified",
        },
    }
}

/// The state of the connection, in a word or two.
pub(crate) fn link(link: &LinkState) -> Option<String> {
    match link {
        LinkState::Up { round_trip } => round_trip.map(milliseconds),
        LinkState::Silent(silence) => Some(format!("silent for {} s", silence.as_secs())),
        LinkState::Reconnecting(0) => Some("link lost, waiting for them".to_owned()),
        LinkState::Reconnecting(tries) => Some(format!("link lost, try {tries}")),
        LinkState::Back { .. } => None,
    }
}

/// Somebody is typing.
pub(crate) fn typing(name: &str) -> String {
    format!("{name} is typing …")
}

/// Callers who wait.
pub(crate) fn waiting(callers: usize) -> String {
    format!("{callers} waiting")
}

/// The line that tells of an event, if it is no message and worth one.
pub(crate) fn describe(event: &Event) -> Option<String> {
    match event {
        Event::Call(peer) => Some(call(peer)),
        Event::PeerFinished => {
            Some("The other side has no more to say, but still listens.".to_owned())
        }
        Event::Link(LinkState::Reconnecting(1)) => {
            Some("The connection is lost; trying to have it back. Go on typing.".to_owned())
        }
        Event::Link(LinkState::Reconnecting(0)) => {
            Some("The connection is lost; waiting for the other side. Go on typing.".to_owned())
        }
        Event::Link(LinkState::Back { after, resent }) => Some(format!(
            "The connection is back after {:.1} s; {resent} messages go out again.",
            after.as_secs_f32()
        )),
        Event::SafetyNumber { digits, emoji } => {
            let pictures: Vec<String> = emoji
                .iter()
                .map(|(picture, name)| format!("{picture} {name}"))
                .collect();
            Some(format!(
                "Safety number {digits}: {}. The same on both screens? Then /verify",
                pictures.join(", ")
            ))
        }
        Event::Ahead(0) => Some("You are next.".to_owned()),
        Event::Ahead(callers) => Some(format!("{callers} callers are served before you.")),
        Event::Unsaid(_, why) => Some(format!("Not sent: {why}.")),
        Event::Ended(ended) => Some(ending(ended)),
        Event::Notice(text) => Some(text.clone()),
        Event::Lines(_)
        | Event::Message(_)
        | Event::Delivered(_)
        | Event::Typing(_)
        | Event::Waiting(_)
        | Event::Link(_) => None,
    }
}

fn call(peer: &Peer) -> String {
    let who = match &peer.name {
        Some(name) => format!("{name} ({})", peer.address),
        None => peer.address.clone(),
    };
    let security = match &peer.security {
        Security::Plaintext => "NOT ENCRYPTED: anybody on the way can read and change this.".into(),
        Security::NoKey => "Encrypted, but without a key: nobody knows with whom.".into(),
        Security::Key {
            fingerprint,
            standing,
        } => match standing {
            Standing::New => format!("A new key: {fingerprint}"),
            Standing::Unverified => "Encrypted with a known key, never compared.".into(),
            Standing::Verified => "Encrypted with a verified key.".into(),
        },
    };
    format!("On the line: {who}. {security}")
}

fn ending(ended: &Ended) -> String {
    let mut text = match &ended.ending {
        Ending::HungUp(Side::Here) => "You hung up.".to_owned(),
        Ending::HungUp(Side::There) => "The other side hung up.".to_owned(),
        ending => format!("The call is over: {ending}."),
    };
    match ended.undelivered.len() {
        0 => (),
        1 => text.push_str(" One of your messages was not received."),
        count => text.push_str(&format!(" {count} of your messages were not received.")),
    }
    text
}

fn milliseconds(duration: Duration) -> String {
    match duration.as_millis() {
        0 => "<1 ms".to_owned(),
        milliseconds => format!("{milliseconds} ms"),
    }
}
