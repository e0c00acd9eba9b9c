//! Errors: what happened, to what, and what to do next.
//!
//! Each variant has its words here, so a new one does not compile without a sentence. What a
//! library below says, the system's, rustls's or rcgen's, is quoted as it is.

use std::io;
use std::path::Path;

use chat_core::journal::{self, Flaw, JournalError, VERSION};
use chat_core::protocol::{Disconnect, ProtocolError, SendError, Violation};
use chat_core::transport::tcp::TargetError;
use chat_core::transport::{ConnectError, DialError, KeyringError, TlsError};
use chat_core::trust::safety_number::ExchangeError;
use chat_core::trust::{
    AgentError, ChangedKey, Claim, Direction, FileError, FileKind, FirstContactError,
    IdentityError, KnownPeer, KnownPeersError, MAX_TRIES, ParseError, RejectedKey, Unreadable,
};
use chat_core::wire::{ControlError, LineError, MAX_CONTROL, MAX_DEPTH};

use super::{refused_by_them, seconds};
use crate::app::logging::LogError;
use crate::text::shell::{quoted, quoted_path};

/// How many names go into one line.
const LISTED: usize = 20;

/// What the system says, without the number that only programs know.
pub(in crate::locale) fn system(error: &io::Error) -> String {
    let told = error.to_string();
    let number = error
        .raw_os_error()
        .map(|code| format!(" (os error {code})"));
    match number.and_then(|number| told.strip_suffix(&number).map(str::to_owned)) {
        Some(words) => words,
        None => told,
    }
}

/// There is no directory for the user's files.
pub(in crate::locale) const NO_DATA_DIR: &str =
    "no home directory is known: set CHAT_HOME to a directory of your own";

/// A text that is no fingerprint.
pub(crate) const NO_FINGERPRINT: &str =
    "a fingerprint is SHA256: and the 44 characters of base64 after it";

/// A text that names no key of an agent.
pub(crate) const NO_AGENT_KEY: &str =
    "write it like agent:SHA256:… with the fingerprint that ssh-add -l shows";

/// A text that does not say where to listen.
pub(crate) const NO_LISTEN_ADDRESS: &str = "write it like 7788, 127.0.0.1:7788 or [::1]:7788";

/// A text that does not say whom to call.
pub(crate) fn target_error(error: &TargetError) -> String {
    match error {
        TargetError::NoHost => "write it like HOST, HOST:PORT or [::1]:7788".into(),
        TargetError::NoBracket => "a ] is missing".into(),
        TargetError::AfterBracket => "after the ] comes a : and the port".into(),
        TargetError::NoPort(port) => format!("{port:?} is no port"),
    }
}

/// The log file cannot be used.
pub(crate) fn cannot_log(path: &Path, error: &LogError) -> String {
    let why = match error {
        LogError::Symlink => "it is a symbolic link".to_owned(),
        LogError::NoFile => "it is no file".to_owned(),
        LogError::Full(bytes) => {
            format!("it is full, with {bytes} bytes: remove it or name another")
        }
        LogError::Io(error) => system(error),
    };
    format!("cannot log to {}: {why}", path.display())
}

/// The last line of a log file.
pub(crate) fn log_is_full(bytes: u64) -> String {
    format!("The log is full: {bytes} bytes. No more is written.")
}

/// Why nobody answered.
fn dial_error(error: &DialError) -> String {
    use io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable};
    match error {
        DialError::Resolve { name, reason } => {
            let reason = system(reason);
            format!("cannot find {name}: {reason}; check the name, or call an address")
        }
        DialError::Connect { address, reason } => {
            let advice = match reason.kind() {
                NetworkUnreachable | NetworkDown | HostUnreachable => {
                    "is this machine connected to a network that leads there?"
                }
                _ => "is chat-server running there?",
            };
            let reason = system(reason);
            format!("cannot reach {address}: {reason}; {advice}")
        }
        DialError::Timeout { address, limit } => format!(
            "no answer from {address} within {limit:?}; is the address right, and the port open?"
        ),
    }
}

/// Why there is no connection with a server, or none that can be trusted.
pub(in crate::locale) fn connect_error(error: &ConnectError) -> String {
    match error {
        ConnectError::Dial(error) => dial_error(error),
        ConnectError::NotEncrypted(address) => format!(
            "{address} does not encrypt, so nothing was said; if you mean to talk without \
             encryption: --plain"
        ),
        ConnectError::NoHandshake { address, reason } => format!(
            "no encrypted connection with {address}: {}; nothing was said; if it does not encrypt \
             and you mean to talk like that: --plain",
            tls_error(reason)
        ),
        ConnectError::Tls { address, reason } => format!(
            "no encrypted connection with {address}: {}; nothing was said",
            tls_error(reason)
        ),
        // Nothing is advised that would let somebody in between have his way.
        ConnectError::NoHandshakeWithKnown {
            address,
            name,
            reason,
        } => format!(
            "no encrypted connection with {address}, where you know {name}: {}; nothing was said; \
             somebody may be in between, or the program there is broken: try again later, or ask \
             {name} in another way",
            tls_error(reason)
        ),
        ConnectError::Key { address, reason } => match reason {
            RejectedKey::Changed(changed) => changed_key(changed),
            RejectedKey::Blocked(name) => format!(
                "{address} is {name}, whom you have blocked; nothing was said; to call all the \
                 same: chat-client --forget {}",
                quoted(name)
            ),
            RejectedKey::Own => format!(
                "{address} has your own key: you have called yourself; to try the programs on one \
                 machine, give one of them another home: CHAT_HOME=/tmp/chat-2 chat-client {}",
                quoted(address)
            ),
            RejectedKey::File(error) => file_error(error),
        },
        ConnectError::OtherKey {
            address,
            wanted,
            found,
        } => {
            let found = found.map_or("no key".to_owned(), |key| format!("the key {key}"));
            format!(
                "{address} has {found}, not the key {wanted} that is demanded; nothing was said"
            )
        }
        ConnectError::Downgraded { address, known } => format!(
            "{address} is known by the key {known}, but whoever answers there now does not speak \
             chat/1 with it; nothing was said"
        ),
        ConnectError::KnownKey { address, name } => format!(
            "{address} is {name}, whose key is known: it is not called without encryption; leave \
             out --plain"
        ),
        ConnectError::FirstContact(error @ FirstContactError::TooMany(_)) => format!(
            "{}: somebody may be in between, so it is not called; if you want to all the same: \
             --try-again",
            first_contact_error(error)
        ),
        ConnectError::FirstContact(error) => first_contact_error(error),
        ConnectError::KnownPeers(error) => file_error(error),
    }
}

/// Why there is no encryption.
pub(super) fn tls_error(error: &TlsError) -> String {
    match error {
        TlsError::OtherProtocol => {
            "it encrypts, but does not speak chat/1: another program than chat-server is there"
                .into()
        }
        TlsError::NotTls => "the other side does not speak TLS".into(),
        TlsError::TimedOut(limit) => {
            format!("the other side did not finish the TLS handshake within {limit:?}")
        }
        TlsError::Closed => "the other side closed the connection during the TLS handshake".into(),
        TlsError::NoKey => "the other side speaks chat/1 but shows no Ed25519 key".into(),
        TlsError::NotPostQuantum => {
            "the other side speaks chat/1 but not with post-quantum keys".into()
        }
        TlsError::Agent(error) => agent_error(error),
        TlsError::Handshake(error) => format!("the TLS handshake failed: {error}"),
        TlsError::Io(error) => {
            let error = system(error);
            format!("the connection failed during the TLS handshake: {error}")
        }
    }
}

/// Why the user's keys cannot be used.
pub(in crate::locale) fn keyring_error(error: &KeyringError) -> String {
    match error {
        KeyringError::Identity(error) => identity_error(error),
        KeyringError::Directory(error) => file_error(error),
        KeyringError::Tls(error) => tls_error(error),
    }
}

/// Why the user's own key cannot be used, and the command that mends it.
pub(in crate::locale) fn identity_error(error: &IdentityError) -> String {
    match error {
        IdentityError::File(error) => file_error(error),
        IdentityError::Empty(path) => {
            format!("{} is empty: rm {}", path.display(), quoted_path(path))
        }
        IdentityError::NoKey(path) => {
            let word = quoted_path(path);
            format!(
                "{} holds no Ed25519 key (PKCS#8, PEM, no passphrase): mv {word} {word}.old",
                path.display()
            )
        }
        IdentityError::NoRandomness => {
            "no key could be made: the system gives no randomness".into()
        }
        IdentityError::Agent(error) => agent_error(error),
        IdentityError::Certificate(error) => {
            format!("no certificate could be made for the identity: {error}")
        }
    }
}

/// Why the user's key in an agent cannot be used, and what to do.
fn agent_error(error: &AgentError) -> String {
    match error {
        AgentError::NoAgent => "no ssh-agent runs for this shell, for SSH_AUTH_SOCK is not set: \
                                eval $(ssh-agent); ssh-add"
            .into(),
        AgentError::Io { socket, reason } => format!(
            "your ssh-agent at {} cannot be asked: {}; does it still run?",
            socket.display(),
            system(reason)
        ),
        AgentError::TimedOut(limit) => {
            format!("your ssh-agent did not answer within {limit:?}; does it wait for you?")
        }
        AgentError::NoKey { wanted, found } => format!(
            "the Ed25519 key {wanted} is not among the {found} that your ssh-agent has: add it with \
             ssh-add, or unlock the agent with ssh-add -X"
        ),
        AgentError::Refused => {
            "your ssh-agent did not sign: was it locked, or did you say no?".into()
        }
        AgentError::Malformed => {
            "your ssh-agent gave an answer that cannot be used; is it up to date?".into()
        }
    }
}

/// Whether the user has named this as the directory of their files.
fn is_chat_home(path: &Path) -> bool {
    std::env::var_os("CHAT_HOME").is_some_and(|home| path == home)
}

/// Why a file or directory cannot be used, and the command that mends it.
pub(in crate::locale) fn file_error(error: &FileError) -> String {
    use io::ErrorKind::{NotADirectory, PermissionDenied, ReadOnlyFilesystem};
    match error {
        FileError::Symlink(path) => {
            let word = quoted_path(path);
            format!("{} is a symbolic link: rm {word}", path.display())
        }
        FileError::WrongKind { path, .. } if is_chat_home(path) => format!(
            "CHAT_HOME is {}, which is no directory: set it to one, or to a new name",
            path.display()
        ),
        FileError::WrongKind { path, wanted } => {
            let wanted = match wanted {
                FileKind::File => "file",
                FileKind::Directory => "directory",
            };
            let word = quoted_path(path);
            format!("{} is no {wanted}: mv {word} {word}.old", path.display())
        }
        FileError::Exposed { path, mode, mend } => {
            let word = quoted_path(path);
            format!(
                "{} is open to other users (mode {mode:04o}): chmod {mend:o} {word}",
                path.display()
            )
        }
        FileError::NotOwned { path, user } => {
            let word = quoted_path(path);
            format!(
                "{} belongs to another user: sudo chown {user} {word}",
                path.display()
            )
        }
        FileError::Locked(path) => {
            format!("{}: another program keeps it locked", path.display())
        }
        FileError::Io { path, reason } if is_chat_home(path) => format!(
            "CHAT_HOME is {}, which cannot be made: {}; set it to a directory that you can write",
            path.display(),
            system(reason)
        ),
        FileError::Io { path, reason } => {
            let way_out = match reason.kind() {
                PermissionDenied | ReadOnlyFilesystem | NotADirectory => {
                    "; set CHAT_HOME to a directory that you can write"
                }
                _ => "",
            };
            format!("{}: {}{way_out}", path.display(), system(reason))
        }
    }
}

/// Why the known peers could not be read or changed.
pub(in crate::locale) fn known_peers_error(error: &KnownPeersError) -> String {
    match error {
        KnownPeersError::File(error) => file_error(error),
        KnownPeersError::Changed(changed) => changed_key(changed),
        KnownPeersError::Address(address) => no_address(address),
        KnownPeersError::NoName(name) => format!("{name:?} is no name that can be kept"),
        KnownPeersError::NoSuchKey(key) => format!("nobody with the key {key} is known"),
        KnownPeersError::Taken(name) => {
            format!("that key belongs to {name}, whom you know; /peers lists the keys")
        }
        KnownPeersError::NoSuchName { name, known } => {
            let mut names: Vec<_> = known.iter().take(LISTED).map(String::as_str).collect();
            if known.len() > LISTED {
                names.push("…");
            }
            let known = match names.is_empty() {
                true => "none".to_owned(),
                false => names.join(", "),
            };
            format!("nobody named {name} is known; known are: {known}")
        }
        KnownPeersError::Ambiguous { name, alike } => {
            let alike = alike
                .iter()
                .map(|peer| format!("{} {}", peer.name, peer.fingerprint));
            format!(
                "{name} could be taken for somebody else: {}; say which by the fingerprint, \
                 SHA256:…",
                alike.collect::<Vec<_>>().join(", ")
            )
        }
    }
}

/// A key that differs from the known one, and what to do if that is right.
pub(in crate::locale) fn changed_key(changed: &ChangedKey) -> String {
    let ChangedKey {
        known,
        new_key,
        direction,
        claim,
    } = changed;
    let KnownPeer {
        name,
        fingerprint,
        first_seen,
        ..
    } = &**known;
    let (who, program) = match direction {
        Direction::Dialed(address) => (format!("{name} at {address}"), "chat-client"),
        Direction::Called => (format!("{name}, who calls,"), "chat-server"),
    };
    match claim {
        Claim::Vouched => {
            return format!(
                "{who} has a new key, vouched for by the old one: known since {first_seen} is \
                 {fingerprint}, now it is {new_key}; whoever has stolen the old one can do that \
                 too; if {name} confirms the new key: {program} --accept-key {} {new_key}",
                quoted(name)
            );
        }
        Claim::Replaced => {
            return format!(
                "{who} has an old key, {new_key}, which was replaced by {fingerprint}; somebody \
                 may have stolen it; nothing was said"
            );
        }
        Claim::Unproven => {}
    }
    let (what, otherwise) = match direction {
        Direction::Dialed(address) => (
            format!("the key of {name} at {address} has changed"),
            String::new(),
        ),
        Direction::Called => (
            format!("a caller named {name} does not have the key of {name}"),
            format!("; if this is another {name}: let them take another --name"),
        ),
    };
    format!(
        "{what}: known since {first_seen} is {fingerprint}, now it is {new_key}; somebody else may \
         be there; if {name} confirms the new key: {program} --forget {}{otherwise}",
        quoted(name)
    )
}

/// Why a first contact is not tried, or cannot be written down.
pub(in crate::locale) fn first_contact_error(error: &FirstContactError) -> String {
    match error {
        FirstContactError::File(error) => file_error(error),
        FirstContactError::Address(address) => no_address(address),
        FirstContactError::TooMany(address) => format!(
            "{MAX_TRIES} calls to {address} within a day broke off before their safety number was \
             known"
        ),
    }
}

/// Why a journal cannot be used.
pub(in crate::locale) fn journal_error(error: &JournalError) -> String {
    match error {
        JournalError::File(error) => file_error(error),
        JournalError::Write { path, reason } => {
            format!("nothing is recorded any more: {}: {reason}", path.display())
        }
        JournalError::Exists(path) => format!("{} is there already", path.display()),
        JournalError::Version { path, version } => format!(
            "{} has version {version}, and this program reads {VERSION}: use a newer one",
            path.display()
        ),
    }
}

/// What cannot be read of a journal.
pub(in crate::locale) fn flaw(flaw: &Flaw) -> String {
    match flaw {
        Flaw::File(error) => journal_error(error),
        Flaw::Lines { path, first, count } => {
            let (path, journal::Unreadable { line, reason }) = (path.display(), first);
            let more = match count {
                1 => String::new(),
                _ => format!(", and {} lines more", count - 1),
            };
            format!("{path}, line {line} is left out{more}: {reason}")
        }
    }
}

/// A text that is too long to be searched for.
pub(in crate::locale) const NEEDLE_TOO_LONG: &str =
    "that is too long to be searched for: a part of it will do";

fn no_address(address: &str) -> String {
    format!("{address:?} is no address that can be remembered")
}

/// A line of the known-peers file that cannot be read.
pub(crate) fn unreadable(flaw: &Unreadable) -> String {
    let why = match flaw.error {
        ParseError::Encoding => "it is no UTF-8",
        ParseError::TooShort => {
            "it should read NAME[,ADDRESS...] KEYTYPE SHA256:... FIRST-SEEN STATE"
        }
        ParseError::Nameless => "a name or address is missing",
        ParseError::Fingerprint(_) => NO_FINGERPRINT,
        ParseError::State => "the state is none of unverified, verified and blocked",
    };
    let Unreadable { path, number, .. } = flaw;
    format!("{}, line {number} is skipped: {why}", path.display())
}

/// How a connection was lost for good.
pub(super) fn disconnect(why: &Disconnect) -> String {
    match why {
        Disconnect::Cut => "Connection lost: the other side is gone.".into(),
        Disconnect::Unreachable(error) => {
            let error = connect_error(error);
            format!("Connection lost: it could not be had back: {error}.")
        }
        Disconnect::Refused(refusal) => format!("Connection lost. {}", refused_by_them(refusal)),
        Disconnect::Silent(silence) => {
            format!("Connection lost: nothing heard for {}.", seconds(*silence))
        }
        Disconnect::Stuck => "Connection lost: the other side takes nothing more.".into(),
        Disconnect::Io(error) => format!("Connection lost: {}.", system(error)),
    }
}

/// How the other side broke the rules.
pub(super) fn protocol_error(error: &ProtocolError) -> String {
    match error {
        ProtocolError::Line(LineError::TooLong { limit }) => {
            format!("a line is longer than {limit} bytes")
        }
        ProtocolError::Line(LineError::Io(error)) => system(error),
        ProtocolError::Malformed(error) => {
            format!("a control line cannot be read: {}", control_error(error))
        }
        ProtocolError::Exchange(ExchangeError::Unasked) => {
            "a part of the safety number came unasked".into()
        }
        ProtocolError::Exchange(ExchangeError::WrongReveal) => {
            "the safety number was tampered with: what was revealed is not what was promised".into()
        }
        ProtocolError::Violation(what) => violation(*what).into(),
    }
}

fn violation(what: Violation) -> &'static str {
    match what {
        Violation::AckUnsent => "it acknowledged messages that were never sent",
        Violation::AckTakenBack => "it took an acknowledgement back",
        Violation::HasUnsent => "it claims to have messages that were never sent",
        Violation::PongUnasked => "it answered a ping never sent",
        Violation::OtherSession => "its hello is for another session",
        Violation::SecondHello => "it said hello twice",
        Violation::LateQueue => "it queued a call that is on",
        Violation::ControlBeforeHello => "it said something before its hello",
        Violation::DoneTakenBack => "it took back that it has no more to say",
        Violation::TextBeforeHello => "it sent text before its hello",
        Violation::TextAfterDone => "it sent text after it had no more to say",
        Violation::ControlInPlain => "a control line in plain text",
    }
}

fn control_error(error: &ControlError) -> String {
    match error {
        ControlError::Syntax { column } => format!("no JSON at column {column}"),
        ControlError::Value { column } => format!("a wrong member or value at column {column}"),
        ControlError::TooDeep => format!("nested deeper than {MAX_DEPTH} levels"),
        ControlError::TooLong => format!("longer than {MAX_CONTROL} bytes"),
    }
}

/// Why a message was not sent.
pub(super) fn send_error(error: &SendError) -> String {
    match error {
        SendError::TooLong { length, limit } => {
            format!("the message is too long: {length} bytes, and {limit} fit")
        }
        SendError::Full => "too much is waiting to be delivered; try again soon".into(),
        SendError::WouldHangUp => "this peer would take the line 88 for a hang-up".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use chat_core::trust::{Fingerprint, KnownPeers};

    use super::*;

    #[test]
    fn what_only_programs_know_is_not_told() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(system(&refused), "Connection refused");
        assert_eq!(
            system(&io::Error::other("(os error 111)")),
            "(os error 111)"
        );
    }

    #[test]
    fn the_advice_is_about_the_side_that_is_in_trouble() {
        let told = |reason: ErrorKind| {
            dial_error(&DialError::Connect {
                address: "192.0.2.1:7788".into(),
                reason: reason.into(),
            })
        };
        let refused = told(ErrorKind::ConnectionRefused);
        assert!(refused.ends_with("is chat-server running there?"));
        for kind in [
            ErrorKind::NetworkUnreachable,
            ErrorKind::NetworkDown,
            ErrorKind::HostUnreachable,
        ] {
            let told = told(kind);
            assert!(told.contains("; is this machine connected"), "{told}");
        }
    }

    #[test]
    fn what_the_system_says_is_told_and_what_to_do_next() {
        let told = |kind: ErrorKind| {
            file_error(&FileError::Io {
                path: "/there".into(),
                reason: kind.into(),
            })
        };
        assert_eq!(
            told(ErrorKind::PermissionDenied),
            "/there: permission denied; set CHAT_HOME to a directory that you can write"
        );
        assert_eq!(told(ErrorKind::StorageFull), "/there: no storage space");
    }

    #[test]
    fn a_journal_that_cannot_be_used_is_named() {
        let path = std::path::PathBuf::from("/there");
        let newer = JournalError::Version {
            path: path.clone(),
            version: 2,
        };
        assert_eq!(
            journal_error(&newer),
            "/there has version 2, and this program reads 1: use a newer one"
        );
        let reason = io::Error::from(ErrorKind::StorageFull).into();
        let failed = journal_error(&JournalError::Write { path, reason });
        assert_eq!(
            failed,
            "nothing is recorded any more: /there: no storage space"
        );
    }

    const ANN: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    /// The known peers of a user whose file has this text.
    fn known(text: &str) -> (tempfile::TempDir, KnownPeers) {
        let home = tempfile::tempdir().expect("a directory");
        let known = KnownPeers::open(home.path()).expect("it can be made");
        let key: Fingerprint = ANN.parse().expect("a fingerprint");
        known.remember("somebody", None, key).expect("it is made");
        std::fs::write(home.path().join("known_peers"), text).expect("written");
        (home, known)
    }

    #[test]
    fn a_changed_key_is_told_in_one_line_with_the_command_that_mends_it() {
        let (_home, known) = known(&format!("$(x),h:1 k {ANN} 2026-01-02 verified\n"));
        let list = known.load().expect("the list");
        let new: Fingerprint = ANN.replace("47", "48").parse().expect("a fingerprint");
        let dialed = list.check_dialed("h:1", new, &[]).expect_err("changed");
        let called = list
            .check_caller(new, Some("$(x)"), &[])
            .expect_err("changed");
        for (changed, program) in [(dialed, "chat-client"), (called, "chat-server")] {
            let line = changed_key(&changed);
            let command = format!("{program} --forget '$(x)'");
            for part in ["2026-01-02", ANN, &new.to_string(), &command] {
                assert!(line.contains(part), "{part} in {line}");
            }
            assert!(!line.contains('\n'));
        }
    }

    #[test]
    fn who_cannot_be_forgotten_is_told_in_one_line_who_can() {
        let (_home, known) = known(&format!("ann k {ANN} d verified\nbad\n"));
        let nobody = known.forget("bob").expect_err("nobody");
        assert_eq!(
            known_peers_error(&nobody),
            "nobody named bob is known; known are: ann"
        );
        let alike = known.forget("ANN").expect_err("not clear");
        let told = known_peers_error(&alike);
        assert!(told.contains(&format!(": ann {ANN}; ")), "{told}");
        assert!(!told.contains('\n'), "{told}");
        let flaws = known.load().expect("the list");
        let flaw = unreadable(&flaws.unreadable().next().expect("a flaw"));
        assert!(
            flaw.contains("known_peers, line 2 is skipped: it should"),
            "{flaw}"
        );
    }
}
