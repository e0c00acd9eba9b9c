//! The texts in English.

mod errors;
mod files;
pub mod replies;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use chat_core::DEFAULT_PORT;
use chat_core::files::FileName;
use chat_core::journal::JournalError;
use chat_core::protocol::{CloseReason, ConnectionStatus, Ended, Event, Peer, Renewed, Side};
use chat_core::transport::TlsError;
use chat_core::trust::{
    Fingerprint, FirstContactError, KnownPeer, KnownPeersError, PeerList, Security, Verification,
};
use chat_core::wire::{Presence, Refusal, RefusalCode};
use jiff::civil::Date;

use super::{Explain, name_in_notice, who};
use crate::call_status::CallStatus;
use crate::input::commands::{CommandError, MAX_SHOWN, Role};
use crate::text::sanitize;

pub(super) use errors::{
    NEEDLE_TOO_LONG, NO_DATA_DIR, changed_key, connect_error, file_error, first_contact_error,
    flaw, identity_error, journal_error, keyring_error, known_peers_error, system,
};
pub(crate) use errors::{
    NO_AGENT_KEY, NO_FINGERPRINT, NO_LISTEN_ADDRESS, cannot_log, log_is_full, target_error,
    unreadable,
};
pub(crate) use files::progress;

/// Before this side's messages.
pub(crate) const YOU: &str = "you:";

/// The hint on the status row, during a call.
pub(crate) const HINT: &str = "/help";

/// The hint on the status row, while there is no call.
pub(crate) const HINT_ALONE: &str = "/help · Ctrl-C quits";

/// On the status row, while hanging up.
pub(crate) const HANGING_UP: &str = "hanging up … (Ctrl-C again leaves at once)";

/// A message was typed while there is no call.
pub(crate) const NOBODY: &str = "Nobody is on the line; your text stays here.";

/// A message was typed while somebody rings.
pub(crate) const RINGS_MEANWHILE: &str =
    "Not sent: Up brings it back. Enter answers the call, /decline refuses it.";

/// A message that holds this side's safety number.
pub(crate) const OWN_NUMBER: &str =
    "Your safety number? Somebody in between could change it. Enter sends it anyway.";

/// Something like 88.
pub(crate) const HANG_UP_MAYBE: &str = "Hang up? Enter again does; /say sends it as text.";

/// The same where lines are not edited here.
pub(crate) const HANG_UP_MAYBE_IN_LINE: &str =
    "Hang up? The same line again does; /say sends it as text.";

/// [`OWN_NUMBER`] where lines are not edited here.
pub(crate) const OWN_NUMBER_IN_LINE: &str = "Not sent. Your safety number? Somebody in between could change it. The same line again is \
     sent anyway.";

/// Ctrl-C once more, right after it dropped a draft in a call.
pub(crate) const CTRL_C_HANGS_UP: &str =
    "The line is empty (Up brings it back): Ctrl-C again hangs up.";

/// The same while there is no call.
pub(crate) const CTRL_C_QUITS: &str =
    "The line is empty (Up brings it back): Ctrl-C again ends the program.";

/// A command that was given to a call, or to a caller, that is gone.
pub(crate) const TOO_LATE: &str = "That came too late: the call was over, and nothing was done.";

/// A command about a file, where there are none.
pub const NO_FILES: &str = "Files go beside a call, and there is none.";

/// `88` without a call.
pub(crate) const NO_CALL: &str = "There is no call to hang up; /quit ends the program.";

/// A line of a pipe hung up, and more lines follow it.
pub(crate) const LEFT_UNSENT: &str =
    "The line 88 hung up; what follows it was not sent in this call. With --literal, 88 is text.";

/// The call ended before all of a pipe was said.
pub(crate) const INPUT_LEFT: &str = "The call ended before all of the input was sent.";

/// Bytes of a pipe that are no text.
pub(crate) const INPUT_NOT_UTF8: &str =
    "Some of the input is not UTF-8: each such piece was sent as U+FFFD.";

/// A line of a pipe that is too long for a peer that gets it in pieces.
pub(crate) const INPUT_CUT: &str = "A line of the input is too long: it was sent in pieces.";

/// Too many messages wait to be sent.
pub(crate) const FULL: &str =
    "Too much is waiting to be sent; your text stays here. Try again soon.";

/// A paste has begun and its end is overdue.
pub(crate) const PASTE_STALLED: &str =
    "A paste has not ended: go on waiting, or cancel it with Ctrl-C.";

/// A paste was cancelled.
pub(crate) const PASTE_CANCELLED: &str = "The paste was cancelled.";

/// A message had characters that a terminal of this locale cannot show.
pub(crate) const TRANSLITERATED: &str = "Your locale is not UTF-8, so what it has no character for is written with others, or as \
     <U+4F60>. If this terminal can show more, set LC_ALL=C.UTF-8 and start again.";

/// Nothing in the history matches.
pub(crate) const NOT_FOUND: &str = "(nothing found)";

/// What `/help` shows: the commands of this role, by what one wants to do, and where the `keys`
/// are listed if lines are edited here.
pub(crate) fn help(role: Role, keys: bool) -> String {
    let callers = match role {
        Role::Client => WAIT_HELP,
        Role::Server => CALLERS_HELP,
    };
    let keys = if keys { HOW_TO_LIST_KEYS } else { "" };
    [SAY_HELP, KNOW_HELP, FILES_HELP, callers, END_HELP, keys].concat()
}

const SAY_HELP: &str = "\
To say something: type it, and press Enter.
  /say TEXT    say TEXT, even 88      //x           say \"/x\"
  /me TEXT     say what you do        /away TEXT    away; /away: back
  /keep        keep what is said from now on, after the call too
";

const KNOW_HELP: &str = "\
To know who is there:
  /verify N    compare the safety number with N, which is read to you
               by telephone or face to face, never here
  /peers       the known keys         /status       about this call
  /name NAME   your own name          /rename NAME  theirs, here
  /history N   the last N messages    /search TEXT  those with TEXT
";

const FILES_HELP: &str = "\
To give and take files:
  /send PATH   offer a file or directory   /cancel N   drop one
  /accept N    take one; as NAME if added  /decline N  refuse one
";

const WAIT_HELP: &str = "\
While you wait:
  /note TEXT   leave one line for them
";

const CALLERS_HELP: &str = "\
When somebody calls, or waits:
  /answer      take the call that rings (Enter does, too)
  /decline     refuse who rings, or waits; /decline TEXT says why
  /block       and its key for ever   /next         the next caller
";

const END_HELP: &str = "\
To end: 88 alone hangs up             /quit         ends the program
";

const HOW_TO_LIST_KEYS: &str = "To edit what you type: /help keys lists the keys.\n";

/// What `/help keys` shows where lines are edited here.
pub(crate) const KEYS_HELP: &str = "\
Keys:
  Alt-Enter, Ctrl-J: a new line       Ctrl-_        undo
  Left, Right, Home, End, Ctrl-B, -F, -A, -E, Alt-B, -F: move
  Backspace, Ctrl-D, -W, -U, -K, Alt-D: delete; Ctrl-Y: bring back
  Ctrl-T: swap two characters         Tab           complete a command
  Up, Down, Ctrl-P, -N: older lines   Ctrl-R        search them
  Ctrl-C: drop the line, or hang up   Ctrl-D        hang up
  Ctrl-L: draw the screen anew        Ctrl-Z        suspend
";

/// Several lines came faster than anyone types.
pub(crate) fn gathered(lines: usize) -> String {
    format!("{lines} lines came at once: Enter sends them as one message, Ctrl-C drops them.")
}

/// Several lines were pasted.
pub(crate) fn pasted(lines: usize) -> String {
    format!("{lines} lines: Enter sends them as one message, Ctrl-C drops them.")
}

/// A paste that is too large for one message.
pub(crate) fn paste_too_long(bytes: usize, limit: usize) -> String {
    format!("The paste of {bytes} bytes was dropped: a message has at most {limit}.")
}

/// Why a command is not valid.
pub(crate) fn command_error(error: &CommandError) -> String {
    match error {
        CommandError::Unknown {
            typed,
            nearest: Some(nearest),
        } => format!("There is no {typed}; did you mean {nearest}? To say it, type /{typed}"),
        CommandError::Unknown {
            typed,
            nearest: None,
        } => format!("There is no {typed}; /help lists the commands. To say it, type /{typed}"),
        CommandError::TakesText(name) => format!("What? Type it after {name}"),
        CommandError::TakesNothing(name) => format!("{name} takes nothing after it."),
        CommandError::SendsNothing => "Send what? Type a path after /send".to_owned(),
        CommandError::NoNumber(name) => format!("{name} takes the number of a file."),
        CommandError::SaysNothing => "Say what? Type the text after /say".to_owned(),
        CommandError::SearchesNothing => "Search for what? Type the text after /search".to_owned(),
        CommandError::NoCount => {
            format!("How many messages? Type a number from 1 to {MAX_SHOWN} after /history")
        }
    }
}

/// At the end of the program: what was typed and not sent, for the eye and the clipboard.
pub(crate) fn draft_not_sent(draft: &str) -> String {
    let shown = &draft[..draft.floor_char_boundary(SHOWN_DRAFT)];
    let more = if shown.len() < draft.len() {
        " …"
    } else {
        ""
    };
    format!("Not sent: {shown}{more}")
}

/// The most of a draft that is shown at the end, in bytes.
const SHOWN_DRAFT: usize = 2_000;

/// A draft of last time is on the line again.
pub(crate) const DRAFT_IS_BACK: &str =
    "What you typed last time and did not send is on the line; Ctrl-C drops it.";

/// What was typed for somebody, or for nobody yet, is off the line.
pub(crate) fn put_aside(name: Option<&str>) -> String {
    let name = name.and_then(name_in_notice);
    let name = name.map(|name| format!(" to {name}")).unwrap_or_default();
    format!("What you were typing{name} was put aside; Up brings it back.")
}

/// The first message to somebody else than the one to whom it was begun.
pub(crate) fn call_has_changed(name: &str) -> String {
    let name = name_in_notice(name).unwrap_or_default();
    format!("You talk to {name} now: Enter sends it, Ctrl-C drops it.")
}

/// Who calls, for the status row.
pub(crate) fn rings(name: &str) -> String {
    format!("{name} is calling")
}

/// A file is offered, for who looks elsewhere.
pub(crate) fn file_waits(name: &FileName) -> String {
    format!("{} is offered to you", sanitize::quote(name.as_str()))
}

/// What the user can do about a call that rings, for the status row.
pub(crate) const HOW_TO_ANSWER: &str = "Enter answers, /decline, /block";

/// Who calls while another call is on, in a notification.
pub(crate) const SOMEBODY: &str = "somebody";

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

/// A message, in a notification.
pub(crate) fn says(name: &str, text: &str) -> String {
    format!("{name}: {text}")
}

/// Before the first message that came after the user looked away.
pub(crate) const UNREAD_FROM_HERE: &str = "new since you looked away:";

/// A new day has begun.
pub(crate) fn date(date: Date) -> String {
    date.strftime("%A, %-d %B %Y").to_string()
}

/// How long a call was, after the words that it is over.
pub(crate) fn call_lasted(time: Duration) -> String {
    let (hours, minutes) = (time.as_secs() / 3600, time.as_secs() / 60 % 60);
    let time = match (hours, minutes) {
        (0, 0) => format!("{} s", time.as_secs()),
        (0, _) => format!("{minutes} min"),
        _ => format!("{hours} h {minutes} min"),
    };
    format!("The call lasted {time}.")
}

/// The prompt of a search through older lines.
pub(crate) fn searching(text: &str) -> String {
    format!("search “{text}” (Enter takes it, Ctrl-R older, Esc back): ")
}

/// Messages were acknowledged after they were moved to the transcript.
pub(crate) fn received_later(count: usize) -> String {
    match count {
        1 => "✓ one more of your messages was received".to_owned(),
        _ => format!("✓ {count} more of your messages were received"),
    }
}

/// How secure the connection is, for the status row.
pub(crate) fn lock(security: &Security) -> &'static str {
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

/// The state of the connection, for the status row. `silence`: how long nothing was heard.
pub(crate) fn link(link: &ConnectionStatus, silence: Duration) -> Option<String> {
    let silence = silence.as_secs();
    match link {
        ConnectionStatus::Up { round_trip } => round_trip.map(milliseconds),
        ConnectionStatus::Silent(_) => Some(format!("silent for {silence} s")),
        ConnectionStatus::Reconnecting(0) => {
            Some(format!("link lost, waiting for them ({silence} s)"))
        }
        ConnectionStatus::Reconnecting(tries) => {
            Some(format!("link lost, try {tries} ({silence} s)"))
        }
        ConnectionStatus::Resumed { .. } | ConnectionStatus::Restored { .. } => None,
    }
}

/// The peer is typing.
pub(crate) fn typing(name: &str) -> String {
    format!("{name} is typing …")
}

/// How many callers are served before this side.
pub(crate) fn ahead(ahead: u64) -> String {
    match ahead {
        0 => "you are next".to_owned(),
        _ => format!("{ahead} before you"),
    }
}

/// How many callers wait.
pub(crate) fn waiting(callers: usize) -> String {
    format!("{callers} waiting")
}

/// The notice for an event; `None` for messages and for events that need no notice.
pub fn describe(event: &Event) -> Option<String> {
    Some(match event {
        Event::Established(peer) => call(peer),
        Event::PeerEof => "The other side has no more to say, but still listens.".into(),
        Event::PeerIdleTimeout(idle) => {
            format!(
                "The other side hangs up: nothing heard for {}.",
                seconds(*idle)
            )
        }
        Event::SendFailed(_, why) => format!("Not sent: {}.", errors::send_error(why)),
        Event::Connection(ConnectionStatus::Silent(silence)) => {
            format!("Link silent for {}.", seconds(*silence))
        }
        Event::Connection(ConnectionStatus::Reconnecting(0)) => {
            "Connection lost; waiting for the other side to call again. Go on typing.".into()
        }
        Event::Connection(ConnectionStatus::Reconnecting(tries)) => {
            format!(
                "Connection lost; reconnecting ({} try). Go on typing.",
                ordinal(*tries)
            )
        }
        Event::Connection(ConnectionStatus::Resumed { after, resent: 0 }) => {
            format!("Back after {}.", seconds(*after))
        }
        Event::Connection(ConnectionStatus::Resumed { after, resent }) => {
            format!(
                "Back after {}, {} sent again.",
                seconds(*after),
                messages(*resent)
            )
        }
        Event::Connection(ConnectionStatus::Restored { resent: 0 }) => {
            "The call goes on where it was.".into()
        }
        Event::Connection(ConnectionStatus::Restored { resent }) => format!(
            "The call goes on where it was, {} sent again.",
            messages(*resent)
        ),
        Event::PeerKeeps(false) => {
            "The other side records nothing any more: ✓ means shown there, and no more.".into()
        }
        Event::PeerKeeps(true) => "The other side records again: ✓ means recorded there.".into(),
        Event::PeerHistory(true) => "The other side keeps what is said here after the call.".into(),
        Event::PeerHistory(false) => "The other side no longer keeps what is said here.".into(),
        Event::SafetyNumber { digits, emoji } => {
            format!("{}: /verify N", safety_number(digits, emoji))
        }
        Event::Answering(true) => {
            "Nobody is there: a machine records what you say. (✓) means recorded, not read.".into()
        }
        Event::Answering(false) => "Somebody is there now: ✓ means that they have it.".into(),
        Event::Presence(Presence::Here) => "The other side is back.".into(),
        Event::Presence(Presence::Away(text)) => format!("The other side is {}.", away(text)),
        // Whether the line is busy, or a person is being asked, is for them to know.
        Event::QueuePosition(0) => "Nobody has answered yet; you are next.".into(),
        Event::QueuePosition(callers) => format!("The other side is busy; {}.", ahead(*callers)),
        Event::Ringing(peer) => format!(
            "{} is calling, {}: /answer, /decline or /block",
            who(peer),
            mark(&peer.security)
        ),
        Event::RingingStopped => "Nobody is calling any more.".into(),
        Event::File(event) => return files::file_event(event, true),
        Event::Ended(ended) => ending(ended),
        Event::Notice(text) | Event::Alarm(text) => text.clone(),
        Event::Peer(_)
        | Event::Lines(_)
        | Event::Message(_)
        | Event::History(_)
        | Event::Delivered(_)
        | Event::Earlier(_)
        | Event::Typing(_)
        | Event::Claims(_)
        | Event::QueueLength(_)
        | Event::Connection(ConnectionStatus::Up { .. }) => return None,
    })
}

/// Nobody takes connections where the peer was; it is called again for so long. In a pipe 88 waits
/// until all has arrived.
pub fn refused_for_now(left: Duration, piped: bool) -> String {
    let minutes = left.as_secs().div_ceil(60);
    let time = match minutes {
        0 | 1 => "another minute".to_owned(),
        2..=120 => format!("{minutes} more minutes"),
        _ => format!("{} more hours", minutes.div_ceil(60)),
    };
    let way_out = if piped { "Ctrl-C" } else { "88" };
    format!("Nobody answers at that port. Trying for {time}; {way_out} gives up.")
}

/// The same for a user who cannot give commands, because every line is text.
pub(crate) fn describe_without_commands(event: &Event) -> Option<String> {
    match event {
        Event::SafetyNumber { digits, emoji } => Some(safety_number(digits, emoji)),
        Event::File(event) => files::file_event(event, false),
        event => describe(event),
    }
}

/// The status of the call; `None` before there is anything to report.
pub(crate) fn call_status(status: &CallStatus) -> Option<String> {
    let CallStatus {
        peer,
        ahead,
        link,
        ringing,
        ..
    } = status;
    let ringing = ringing.clone().map(Event::Ringing);
    let ringing = ringing.as_ref().and_then(describe);
    let link = match link {
        ConnectionStatus::Silent(_) | ConnectionStatus::Reconnecting(_) => {
            describe(&Event::Connection(link.clone()))
        }
        ConnectionStatus::Up { .. }
        | ConnectionStatus::Resumed { .. }
        | ConnectionStatus::Restored { .. } => None,
    };
    let queue = ahead.and_then(|ahead| describe(&Event::QueuePosition(ahead)));
    let told: Vec<_> = [link, queue, peer.as_ref().map(peer_status), ringing]
        .into_iter()
        .flatten()
        .collect();
    (!told.is_empty()).then(|| told.join("\n"))
}

/// What is known of the peer.
pub(crate) fn peer_status(peer: &Peer) -> String {
    let key = match &peer.security {
        Security::Key { fingerprint, .. } => format!("\n    {fingerprint}"),
        _ => String::new(),
    };
    format!(
        "The other side is {}: {}.{key}",
        who(peer),
        mark(&peer.security)
    )
}

/// A caller has to wait. `commands`: the user can give commands.
pub fn caller_waits(peer: &Peer, waiting: usize, commands: bool) -> String {
    let way = match commands {
        true => " /next takes the next call.",
        false => "",
    };
    format!("{} is calling too, {waiting} waiting.{way}", who(peer))
}

/// A caller has left the queue.
pub fn caller_left(peer: &Peer) -> String {
    format!("{} no longer waits.", who(peer))
}

/// A caller was rejected because the queue is full.
pub fn caller_turned_away(peer: &Peer) -> String {
    format!("{} was told that you are busy.", who(peer))
}

/// A call was refused, for a reason that the user should know.
pub fn refused(reason: &impl Explain) -> String {
    refused_because(&reason.explain())
}

/// A caller had this user's own key.
pub fn refused_own_key() -> String {
    refused_because("the caller has your own key; if that was not you, somebody may have taken it")
}

/// A caller spoke chat/1, but what it said first was no hello.
pub fn refused_bad_hello() -> String {
    refused_because("a caller's first words were no hello that can be read")
}

/// A caller was not encrypted.
pub fn refused_plaintext(from: &str) -> String {
    refused_because(&format!(
        "{from} does not encrypt; --allow-plain answers such callers"
    ))
}

/// A caller has no key that is known.
pub fn refused_unknown(from: &str) -> String {
    refused_because(&format!(
        "{from} has no key that is known here; --known-only is on"
    ))
}

/// A caller's program is not up to chat/1.
pub fn refused_handshake(from: &str, error: &TlsError) -> String {
    refused_because(&format!("{from}: {}", errors::tls_error(error)))
}

fn refused_because(reason: &str) -> String {
    format!("Refused a call: {reason}")
}

/// A notice, with the number of notices that were left out before it.
pub fn after_others(notice: String, unmentioned: usize) -> String {
    match unmentioned {
        0 => notice,
        _ => format!("{notice} (Left out before it, for there were too many: {unmentioned} more.)"),
    }
}

/// Notices that were left out because there were too many.
pub fn left_out(count: usize) -> String {
    format!("(Left out, for there were too many: {count} notices of callers.)")
}

/// Why strangers ring who were connected at once before.
pub fn strangers_ring(time: Duration) -> String {
    format!(
        "Strangers called again and again, or broke off without a word: for {} they ring. /answer \
         takes a call, /decline refuses it, /block refuses that key for ever.",
        seconds(time)
    )
}

/// The key of a caller is blocked from now on.
pub(crate) fn blocked(peer: &Peer) -> String {
    format!("{} is blocked: no call with that key is taken.", who(peer))
}

/// `/block` for a caller without a key.
pub(crate) const NO_KEY_TO_BLOCK: &str = "That caller has no key to block; the call is declined.";

/// This side's key, for others to compare or to pin.
pub fn own_key(key: Fingerprint) -> String {
    format!("Your key is {key}")
}

/// How to reach a server that listens on `port` at these addresses, and nobody else in its place.
pub fn invitation(port: u16, addresses: &[IpAddr], own_key: Fingerprint) -> String {
    let targets = addresses.iter().map(|address| match port {
        DEFAULT_PORT => address.to_string(),
        _ => SocketAddr::new(*address, port).to_string(),
    });
    let commands = targets.enumerate().map(|(index, target)| match index {
        // A shell takes both rows for one command, so the terminal need not wrap it.
        0 => format!("\n    chat-client {target} \\\n        --peer-key {own_key}"),
        1 => format!("\nor at another address, such as\n    {target}"),
        _ => format!("\n    {target}"),
    });
    let commands: String = commands.collect();
    format!("Waiting for a call on port {port}. On the other machine:{commands}")
}

/// What a server does while there is no call.
pub fn idle(port: u16) -> String {
    format!("waiting for a call on port {port}")
}

/// What a client does until the call is established.
pub fn calling(target: &str) -> String {
    format!("calling {target} …")
}

/// A port that follows the host after a blank.
pub fn how_to_write_a_port(host: &str, port: &str) -> String {
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    format!("the port follows a colon: chat-client {host}:{port}")
}

/// Why a server cannot start, and what to try instead.
pub fn cannot_listen(address: SocketAddr, error: &io::Error) -> String {
    let at_port = |port| match address.ip().is_unspecified() {
        true => format!("chat-server {port}"),
        false => format!("chat-server {}", SocketAddr::new(address.ip(), port)),
    };
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            let port = address.port().checked_add(1).unwrap_or(DEFAULT_PORT);
            format!("; to use another port: {}", at_port(port))
        }
        io::ErrorKind::AddrNotAvailable => format!(
            "; name an address of this machine, or none: chat-server {}",
            address.port()
        ),
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            format!("; take a port from 1024 up: {}", at_port(DEFAULT_PORT))
        }
        _ => String::new(),
    };
    format!("cannot listen on {address}: {}{advice}", system(error))
}

/// Why the socket that a service manager has passed is no use.
pub fn cannot_use_passed_socket(error: &io::Error) -> String {
    format!(
        "cannot listen on the socket that was passed: {error}; give the socket unit one ListenStream="
    )
}

/// A file that cannot be run.
pub(crate) const NO_PROGRAM: &str = "it is no program: make it executable with chmod +x";

/// A duration of zero.
pub(crate) const NO_TIME: &str = "it must be longer than that; write it like 10s or 5m";

/// A duration that is too long.
pub(crate) const TOO_LONG: &str = "it must be less than a year; write it like 10s or 5m";

/// A text that is no duration.
pub(crate) fn not_a_time(error: &humantime::DurationError) -> String {
    format!("{error}; write it like 10s or 5m")
}

/// `/verify` without a safety number to compare.
pub(crate) const NO_SAFETY_NUMBER: &str = "There is no safety number yet: the other side has not \
     shown its own. Say nothing here until then that others must not know.";

/// So many callers learned a safety number, or nearly, and said nothing.
pub fn guessing(callers: usize) -> String {
    format!("Somebody may be guessing your safety number: {callers} callers broke off.")
}

/// A first contact that cannot be written down, so that the number is done without.
pub fn number_withheld(error: &FirstContactError) -> String {
    let suspicion = match error {
        FirstContactError::TooMany(_) => "; somebody may be in between",
        _ => "",
    };
    let error = error.explain();
    format!("This call has no safety number yet: {error}{suspicion}.")
}

/// `/verify` without the number that the other person read out.
pub(crate) fn how_to_verify(peer: &Peer) -> String {
    format!(
        "Let {} read the safety number to you, by telephone or face to face, never in this chat; \
         then type /verify and those eight digits.",
        who(peer)
    )
}

/// `/verify` with something that is no safety number.
pub(crate) fn no_number(typed: &str) -> String {
    format!(
        "{} is no safety number: type /verify and all eight digits that were read to you.",
        sanitize::quote(typed)
    )
}

/// `/verify` with another number than this call's.
pub(crate) fn wrong_number(peer: &Peer) -> String {
    format!(
        "NOT THE SAME NUMBER: somebody may sit between you and\n{}, reading and changing everything.\n\
         Hang up with 88, and call by another way. If you only mistyped it,\ntry again; until the \
         numbers are the same, say nothing here that\nothers must not know.",
        who(peer)
    )
}

/// The terminal has hung up, so that there is no input any more.
pub(crate) const TERMINAL_GONE: &str = "the terminal is gone";

/// `/answer`, `/decline` or `/block` while nobody rings.
pub const NOBODY_RINGS: &str = "Nobody is calling.";

/// `/verify` for a peer without a key.
pub(crate) const NO_KEY_TO_VERIFY: &str = "There is no key to verify: this call is not with chat-client or chat-server, or not encrypted.";

/// The peer is marked as verified.
pub(crate) fn verified(peer: &Peer) -> String {
    format!("{} is verified from now on.", who(peer))
}

/// A peer calls itself something else than this user calls it.
pub(crate) fn calls_itself(peer: &Peer, claimed: &str) -> String {
    format!(
        "{} calls itself {} now; /rename takes that name, /rename NAME another.",
        who(peer),
        sanitize::quote(claimed)
    )
}

/// A peer is called something else here from now on.
pub(crate) fn renamed(peer: &Peer, name: &str) -> String {
    format!("{} is {name} here from now on.", who(peer))
}

/// `/rename` without a name.
pub(crate) const RENAME_TO_WHAT: &str = "Rename to what? Type the name after /rename";

/// `/rename` for a peer without a key.
pub(crate) const NO_KEY_TO_NAME: &str = "Names are kept by the key, and this peer has none.";

/// This side's person has another name.
pub fn you_are_called(name: &str) -> String {
    format!("You are called {} from now on.", sanitize::quote(name))
}

/// This side's person has gone.
pub(crate) const YOU_ARE_AWAY: &str =
    "You are away, and who is on the line or waits hears it; /away alone when you are back.";

/// This side's person is there again.
pub(crate) const YOU_ARE_BACK: &str = "You are back.";

/// `/note` while this side does not wait in a queue.
pub const NOTHING_TO_WAIT_FOR: &str = "/note is for while you wait: one line, once.";

/// A note is on its way.
pub const NOTE_LEFT: &str = "Your line was left for them.";

/// What a caller says who waits.
pub fn note(peer: &Peer, text: &str) -> String {
    format!("{} waits, and says: {}", who(peer), sanitize::quote(text))
}

/// A caller who waited was declined.
pub fn declined(peer: &Peer) -> String {
    format!("{} was told that you decline.", who(peer))
}

/// The peer's person is away, for the status row.
pub(crate) fn away(text: &str) -> String {
    match text.is_empty() {
        true => "away".to_owned(),
        false => format!("away: {}", sanitize::quote(text)),
    }
}

/// The peer's machine answers, for the status row.
pub(crate) const ANSWERING: &str = "a machine records";

/// What callers of the answering machine are told who have no key. They cannot leave messages.
pub fn machine_without_key(text: &str) -> String {
    format!("{text} (Nobody is there. Only chat-client can leave messages here.)")
}

/// The machine takes no more messages of this caller.
pub const MACHINE_FULL: &str =
    "There is no room for more messages here: what you have no receipt for was not recorded.";

/// What callers hear where no text was chosen for them.
pub const MACHINE_TEXT: &str = "away";

/// The person types while the machine talks.
pub const MACHINE_TALKS: &str = "The answering machine has a caller: /answer takes the call.";

/// What the machine has recorded in a call.
pub fn machine_recorded(peer: &Peer, messages: u64) -> String {
    let left = self::messages(messages);
    format!("{} left {left} with the answering machine.", who(peer))
}

/// The text of `--answer` cannot be used.
pub(crate) const NO_ANSWER_TEXT: &str = "one line of 1 to 256 bytes is expected";

/// What somebody has left while nobody was there. The name is sanitized here.
pub(crate) fn left_while_away(name: &str, count: usize) -> String {
    let name = sanitize::name(name).unwrap_or_default();
    format!("{} of {name}, new:", messages(count as u64))
}

/// Nothing was left that is still to be read.
pub(crate) const NO_MESSAGES: &str = "No new messages.";

/// A call is on, and what is left in it can be read after that.
pub(crate) fn on_the_line(name: &str) -> String {
    format!("{name} is on the line; their messages can be read after that.")
}

/// What was left cannot be read.
pub(crate) fn messages_unreadable(error: &JournalError) -> String {
    format!("What callers have left cannot be read: {}", error.explain())
}

/// What was shown could not be marked as read.
pub(crate) fn still_unread(error: &JournalError) -> String {
    format!(
        "These messages will be shown again, for they cannot be marked as read: {}",
        error.explain()
    )
}

/// A call begins with nobody at the other end.
pub fn nobody_there_yet(peer: &Peer) -> String {
    format!(
        "Calling {} until somebody is there; what you say is kept until then.",
        who(peer)
    )
}

/// Text for later cannot be kept.
pub fn cannot_keep_for_later(error: &JournalError) -> String {
    format!(
        "What you say cannot be kept, so nothing is called: {}",
        error.explain()
    )
}

/// `--when-there` to an address at which no key is known.
pub fn no_key_to_wait_for(address: &str) -> String {
    format!(
        "{address} was never called, so it is not known whom to wait for: call once without --when-there, or give --peer-key"
    )
}

/// A peer claims a name that looks like that of another known peer.
pub(crate) fn name_is_taken(known: &str, name: &str) -> String {
    format!("You know another {known}, by another key; this one is {name} here.")
}

/// The known-peers file could not be changed.
pub(crate) fn not_remembered(error: &KnownPeersError) -> String {
    format!(
        "The key of this peer is not remembered: {}",
        error.explain()
    )
}

/// The known peers, one a line.
pub(crate) fn peers(known: &PeerList) -> String {
    let lines = known.peers().map(|peer| {
        let KnownPeer {
            name,
            fingerprint,
            first_seen,
            state,
            ..
        } = peer;
        let state = state.as_str();
        let addresses = peer.addresses.join(" ");
        format!("\n    {name}  {state} since {first_seen}  {addresses}\n        {fingerprint}")
    });
    let flaws = known.unreadable();
    let flaws = flaws.map(|flaw| format!("\n    {}", unreadable(&flaw)));
    let lines: String = lines.chain(flaws).collect();
    match lines.is_empty() {
        true => "No peers are known yet.".into(),
        false => format!("Known peers:{lines}"),
    }
}

/// A day, before its messages.
pub(crate) fn day(date: Date) -> String {
    date.strftime("%A, %-d %B %Y").to_string()
}

/// `/history` with nothing to show.
pub(crate) fn nothing_recorded(peer: &Peer) -> String {
    format!("Nothing is recorded of calls with {}.", who(peer))
}

/// What `/search` found, before the last `shown` of it.
pub(crate) fn search_found(text: &str, found: usize, shown: usize) -> String {
    let text = sanitize::quote(text);
    match found {
        0 => format!("No recorded message with this peer contains {text}."),
        1 => format!("One recorded message contains {text}:"),
        _ if found == shown => format!("{found} recorded messages contain {text}:"),
        _ => format!("{found} recorded messages contain {text}; the last {shown}:"),
    }
}

/// `--history` or `--search` with nothing to print.
pub(crate) const NOTHING_FOUND: &str = "Nothing was found.";

/// `/history` or `/search` without a call.
pub const NO_CALL_TO_READ: &str =
    "Nobody is on the line; chat-server --history NAME shows what was recorded with NAME.";

/// What `--forget` did.
pub(crate) fn forgotten(peers: &[KnownPeer]) -> String {
    let lines = peers.iter().map(|peer| {
        let KnownPeer {
            name,
            fingerprint,
            first_seen,
            ..
        } = peer;
        format!("Forgot {name}, known since {first_seen} by {fingerprint}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// This user has another key.
pub(crate) fn new_key(old: Fingerprint, new: Fingerprint) -> String {
    format!(
        "You have a new key, {new}. The old one, {old}, vouches for it and is gone. Your friends are \
         told when you call each other next, and decide; tell them before."
    )
}

/// Another key is known for a peer from now on.
pub(crate) fn key_accepted(known: &KnownPeer, new: Fingerprint) -> String {
    let KnownPeer {
        name, fingerprint, ..
    } = known;
    format!(
        "{name} is known by {new} from now on, and no more by {fingerprint}. Nobody has verified it \
         yet: compare the safety number when you talk."
    )
}

/// The call goes on with a program that was started anew.
pub(crate) fn renewed(peer: &Peer, renewed: Renewed) -> String {
    let name = peer.name.as_deref().and_then(super::name_in_notice);
    let name = name.unwrap_or_else(|| peer.address.clone());
    let resent = match renewed.resent {
        0 => String::new(),
        count if renewed.in_doubt => {
            format!("; {} sent again, which may arrive twice", messages(count))
        }
        count => format!("; {} sent again", messages(count)),
    };
    format!("{name}'s program was restarted{resent}.")
}

/// What an earlier call has left undelivered is said in this one.
pub(crate) fn carried_over(count: usize) -> String {
    let messages = messages(count as u64);
    format!("{messages} of an earlier call sent again, which may arrive twice.")
}

/// A call cannot be recorded, or not any more.
pub(crate) fn not_recorded(error: &JournalError) -> String {
    format!(
        "This call is not recorded: {}. It goes on; what has not arrived when a program ends is lost.",
        error.explain()
    )
}

/// The last of a call could not be recorded.
pub(crate) fn end_not_recorded(error: &JournalError) -> String {
    format!(
        "The end of this call is not recorded: {}. The next call may send some of it again.",
        error.explain()
    )
}

/// A journal of an earlier call cannot be used.
pub(crate) fn passed_over(error: &JournalError) -> String {
    format!("An earlier call is left as it is: {}.", error.explain())
}

/// A journal of an earlier call could not be read to its end.
pub(crate) fn set_aside(path: &Path) -> String {
    format!(
        "A part of an earlier call could not be read; all of it is in {}.",
        path.display()
    )
}

/// `/keep`.
pub(crate) const KEPT: &str = "What is said from now on stays on this machine after the call.";

/// `/keep` in a call that is not recorded.
pub(crate) const CANNOT_KEEP: &str = "This call is not recorded, so nothing of it can be kept.";

/// A message or command that needs a call, while there is none.
pub const NOBODY_THERE: &str = "Nobody is on the line.";

/// `/next` while nobody waits.
pub const NOBODY_WAITS: &str = "Nobody is waiting.";

/// `/next` at a client.
pub(crate) const NEXT_IS_FOR_SERVERS: &str = "/next is for chat-server; /quit ends this call.";

fn no_key(post_quantum: bool) -> &'static str {
    match post_quantum {
        true => "encrypted, no key",
        false => "encrypted, no key, not post-quantum",
    }
}

/// How secure the connection is, in a sentence.
fn mark(security: &Security) -> &'static str {
    match security {
        Security::Plaintext => "NOT ENCRYPTED",
        Security::NoKey { post_quantum } => no_key(*post_quantum),
        Security::Key { verification, .. } => match verification {
            Verification::New => "encrypted, new, unverified",
            Verification::Unverified => "encrypted, unverified",
            Verification::Verified => "encrypted, verified",
        },
    }
}

/// Both halves of the safety number, and how to compare it, in two rows.
fn safety_number(digits: &str, emoji: &[(char, &str)]) -> String {
    let pictures = emoji.iter().map(|(c, name)| format!("{c} {name}"));
    format!(
        "Safety number {digits}: {}\n    \
         compare by telephone or face to face, never in this chat",
        pictures.collect::<Vec<_>>().join(" ")
    )
}

fn call(peer: &Peer) -> String {
    let more = match &peer.security {
        Security::Plaintext => "; anybody on the way can read and change it.",
        Security::NoKey { .. } => "; nobody knows with whom.",
        // The key is under /peers, and the two people compare a shorter number.
        Security::Key { .. } => ".",
    };
    format!("Call with {}: {}{more}", who(peer), mark(&peer.security))
}

fn ending(ended: &Ended) -> String {
    let mut text = match &ended.reason {
        CloseReason::HungUp(Side::Local) => "You hung up.".to_owned(),
        CloseReason::HungUp(Side::Remote) => "The other side hung up.".into(),
        CloseReason::BothFinished => "Call over: both sides have no more to say.".into(),
        CloseReason::Idle(limit) => format!("You hung up: nothing heard for {}.", seconds(*limit)),
        CloseReason::Lost(why) => errors::disconnect(why),
        CloseReason::Protocol(error) => {
            let error = errors::protocol_error(error);
            format!("Call ended, the other side broke the rules: {error}.")
        }
        CloseReason::Busy { waiting: 0 } => "The other side is busy. Try again later.".into(),
        CloseReason::Busy { waiting } => {
            format!("The other side is busy, {waiting} wait already. Try again later.")
        }
        CloseReason::Refused(refusal) => refused_by_them(refusal),
        CloseReason::Local(error) => {
            let error = system(error);
            format!("Call ended, input or output failed here: {error}.")
        }
    };
    match ended.unacknowledged.len() {
        0 => {}
        1 => text.push_str(" 1 of your messages was not received."),
        count => text.push_str(&format!(" {count} of your messages were not received.")),
    }
    text
}

/// Why the other side takes no call.
fn refused_by_them(refusal: &Refusal) -> String {
    let why = match refusal.code {
        RefusalCode::UnknownKey => "your key is not known there, and only known ones are answered",
        RefusalCode::ChangedKey => {
            "your key is not the one that is known there under your name; call with another \
             --name, or have them forget the old one"
        }
        RefusalCode::BadHello => "it could not read your program's hello; are both up to date?",
        RefusalCode::NoSession => "it no longer knows this call; call again",
        RefusalCode::ForeignSession => "this call belongs to another key there",
        RefusalCode::Blocked => "your key is blocked there",
        RefusalCode::Declined => {
            return match refusal.text.as_deref() {
                Some(text) if !text.is_empty() => format!(
                    "The other side declined the call and says: {}",
                    sanitize::quote(text)
                ),
                _ => "The other side declined the call.".into(),
            };
        }
        RefusalCode::Closed => "nobody takes calls there any more",
        RefusalCode::OwnKey => "that is your own key: you are calling yourself",
        RefusalCode::Unavailable => "something is wrong there just now; try again",
        RefusalCode::Other => {
            return match &refusal.text {
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

fn messages(count: u64) -> String {
    match count {
        1 => "1 message".into(),
        _ => format!("{count} messages"),
    }
}

fn ordinal(number: u32) -> String {
    let suffix = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..10 if time.subsec_millis() >= 100 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

fn milliseconds(duration: Duration) -> String {
    match duration.as_millis() {
        0 => "<1 ms".to_owned(),
        milliseconds => format!("{milliseconds} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_the_screen_and_the_role() {
        let notice = "      -- ".len();
        for role in [Role::Client, Role::Server] {
            let help = help(role, true);
            for page in [&help, KEYS_HELP] {
                for line in page.lines() {
                    assert!(notice + line.len() < 80, "{line}");
                }
                // The draft and the status row stand below.
                assert!(page.lines().count() + 2 <= 24);
            }
            assert_eq!(help.contains("/next"), role == Role::Server);
            assert!(help.contains("88 alone hangs up"));
        }
        assert!(!super::help(Role::Client, false).contains("Ctrl-"));
    }

    #[test]
    fn who_cannot_listen_is_told_what_helps() {
        use io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied, Unsupported};
        for (kind, address, advice) in [
            (AddrInUse, "[::]:7788", "another port: chat-server 7789"),
            (AddrInUse, "[::1]:65535", "port: chat-server [::1]:7788"),
            (AddrNotAvailable, "192.0.2.1:99", "or none: chat-server 99"),
            (
                PermissionDenied,
                "[::]:80",
                "from 1024 up: chat-server 7788",
            ),
            (PermissionDenied, "[::1]:80", "up: chat-server [::1]:7788"),
            (PermissionDenied, "[::1]:7788", "permission denied"),
            (Unsupported, "[::1]:7788", "unsupported"),
        ] {
            let at = address.parse().expect("an address");
            let told = cannot_listen(at, &kind.into());
            assert!(told.starts_with(&format!("cannot listen on {address}: ")));
            assert!(told.ends_with(advice), "{told}");
        }
    }
}
