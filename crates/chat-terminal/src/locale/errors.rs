//! Errors: what happened, to what, and what to do next.
//!
//! What a library below says, rustls or rcgen, is quoted as it is.

use std::io;
use std::path::Path;
use std::time::Duration;

use chat_core::journal::{self, Flaw, JournalError, VERSION};
use chat_core::transport::{ConnectError, DialError, KeyringError, TlsError};
use chat_core::trust::{
    AgentError, ChangedKey, Claim, Direction, FileError, FileKind, Fingerprint, FirstContactError,
    IdentityError, KnownPeersError, Number, ParseError, RejectedKey, Unreadable,
};

use super::Language;

/// Errors, as one line without a full stop.
pub trait Errors {
    /// What the system says.
    fn system(&self, error: &io::Error) -> String;

    /// A name that no address belongs to.
    fn cannot_find(&self, name: &str, why: &str) -> String;

    /// An address that refuses the connection.
    fn cannot_reach(&self, address: &str, why: &str) -> String;

    /// An address to which no network leads.
    fn no_way_to(&self, address: &str, why: &str) -> String;

    /// An address that does not answer.
    fn no_answer(&self, address: &str, limit: Duration) -> String;

    /// The relay at which the other side waits does not answer.
    fn no_relay_there(&self, relay: &str, why: &str) -> String;

    /// A number that nobody answers.
    fn nobody_at_number(&self, number: &str, limit: Duration) -> String;

    /// The other side sends plain text.
    fn not_encrypted(&self, address: &str) -> String;

    /// The other side makes no encrypted connection, and perhaps never does.
    fn no_handshake(&self, address: &str, why: &str) -> String;

    /// An encrypted connection failed.
    fn no_encrypted_connection(&self, address: &str, why: &str) -> String;

    /// The same, with somebody who is known.
    fn no_handshake_with_known(&self, address: &str, name: &str, why: &str) -> String;

    /// The other side is blocked.
    fn is_blocked(&self, address: &str, name: &str) -> String;

    /// The other side has this side's key.
    fn is_yourself(&self, address: &str) -> String;

    /// The other side does not have the key that was asked for.
    fn other_key(&self, address: &str, wanted: Fingerprint, found: Option<Fingerprint>) -> String;

    /// The same, but the key that was asked for vouches for the one that is there.
    fn other_key_is_vouched_for(
        &self,
        address: &str,
        wanted: Fingerprint,
        found: Fingerprint,
    ) -> String;

    /// The same, at one of several addresses.
    fn somebody_else(&self, address: &str) -> String;

    /// No way leads to a known peer, and why each of them does not; nothing if none is known.
    fn no_way_to_peer(&self, name: &str, why: &[String]) -> String;

    /// The other side had a key before, and shows none now.
    fn downgraded(&self, address: &str, known: Fingerprint) -> String;

    /// `--plain` to somebody whose key is known.
    fn known_key(&self, address: &str, name: &str) -> String;

    /// Too many calls to an address had no safety number.
    fn too_many_tries(&self, address: &str) -> String;

    /// For that reason, an address is not called.
    fn not_tried_again(&self, why: &str) -> String;

    /// Why there is no encryption.
    fn tls_error(&self, error: &TlsError) -> String;

    /// The file of this side's key is empty.
    fn identity_is_empty(&self, path: &Path) -> String;

    /// The file of this side's key holds something else.
    fn identity_is_no_key(&self, path: &Path) -> String;

    /// No certificate can be made for this side's key.
    fn no_certificate(&self, why: &str) -> String;

    /// This side's key in an ssh-agent cannot be used.
    fn agent_error(&self, error: &AgentError) -> String;

    /// The system has no random numbers.
    fn no_randomness(&self) -> &'static str;

    /// A file that is a link to another.
    fn is_symlink(&self, path: &Path) -> String;

    /// `CHAT_HOME` is a file.
    fn home_is_no_directory(&self, path: &Path) -> String;

    /// A file where a directory should be, or the reverse.
    fn is_wrong_kind(&self, path: &Path, wanted: FileKind) -> String;

    /// Others may read or change a file.
    fn is_exposed(&self, path: &Path, mode: u32, mend: u32) -> String;

    /// A file is not this user's.
    fn is_not_owned(&self, path: &Path, user: u32) -> String;

    /// Another program has a file locked.
    fn is_locked(&self, path: &Path) -> String;

    /// The directory that `CHAT_HOME` names cannot be made.
    fn home_cannot_be_made(&self, path: &Path, why: &str) -> String;

    /// A file cannot be used.
    fn cannot_use(&self, path: &Path, why: &str) -> String;

    /// A file cannot be used, and no other in its directory.
    fn cannot_use_here(&self, path: &Path, why: &str) -> String;

    /// An address with characters that no address has.
    fn no_address(&self, address: &str) -> String;

    /// A name with characters that no name has.
    fn no_name(&self, name: &str) -> String;

    /// A key that nobody has.
    fn no_such_key(&self, key: Fingerprint) -> String;

    /// A name that nobody has, and the names that there are.
    fn no_such_name(&self, name: &str, known: &[&str]) -> String;

    /// A name that looks like others; each of those with its key.
    fn is_ambiguous(&self, name: &str, alike: &[String]) -> String;

    /// Another key is at the address of somebody who is known, and how to accept it.
    fn dialed_key_changed(&self, changed: &ChangedKey, address: &str) -> String;

    /// A caller has the name of somebody who is known, and another key; how to accept it.
    fn caller_key_changed(&self, changed: &ChangedKey) -> String;

    /// The known key of a peer vouches for another, and how to accept that.
    fn key_is_vouched_for(&self, changed: &ChangedKey) -> String;

    /// Somebody has a key that a peer has replaced.
    fn key_was_replaced(&self, changed: &ChangedKey) -> String;

    /// A key to accept that somebody else has, who is known.
    fn key_is_taken(&self, name: &str) -> String;

    /// A journal cannot be written any more.
    fn nothing_is_recorded(&self, path: &Path, why: &str) -> String;

    /// A file is there already.
    fn exists(&self, path: &Path) -> String;

    /// A file of a later version than the one that this program knows.
    fn is_newer(&self, path: &Path, version: u32, known: u32) -> String;

    /// A line of a journal cannot be read, and so many more.
    fn line_is_left_out(&self, path: &Path, line: usize, more: usize, why: &str) -> String;

    /// A line of the known-peers file cannot be read.
    fn line_is_skipped(&self, path: &Path, line: usize, error: &ParseError) -> String;
}

/// How many names go into one line.
const LISTED: usize = 20;

/// What the system says, without the number that only programs know.
pub(super) fn said_by_the_system(error: &io::Error) -> String {
    let told = error.to_string();
    let number = error
        .raw_os_error()
        .map(|code| format!(" (os error {code})"));
    match number.and_then(|number| told.strip_suffix(&number).map(str::to_owned)) {
        Some(words) => words,
        None => told,
    }
}

/// Whether the user has named this as the directory of their files.
fn is_chat_home(path: &Path) -> bool {
    std::env::var_os("CHAT_HOME").is_some_and(|home| path == home)
}

impl dyn Language + '_ {
    /// Why nobody answered.
    pub(super) fn dial_error(&self, error: &DialError) -> String {
        use io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable};
        match error {
            DialError::Resolve { name, reason } => self.cannot_find(name, &self.system(reason)),
            DialError::Connect { address, reason } => {
                let why = self.system(reason);
                match reason.kind() {
                    NetworkUnreachable | NetworkDown | HostUnreachable => {
                        self.no_way_to(address, &why)
                    }
                    _ => self.cannot_reach(address, &why),
                }
            }
            DialError::Relay { relay, reason } => self.no_relay_there(relay, &self.system(reason)),
            DialError::Timeout { address, limit } => match address.parse::<Number>() {
                Ok(_) => self.nobody_at_number(address, *limit),
                Err(_) => self.no_answer(address, *limit),
            },
        }
    }

    /// Why there is no connection with a server, or none that can be trusted.
    pub(super) fn connect_error(&self, error: &ConnectError) -> String {
        match error {
            ConnectError::Dial(error) => self.dial_error(error),
            ConnectError::NotEncrypted(address) => self.not_encrypted(address),
            ConnectError::NoHandshake { address, reason } => {
                self.no_handshake(address, &self.tls_error(reason))
            }
            ConnectError::Tls { address, reason } => {
                self.no_encrypted_connection(address, &self.tls_error(reason))
            }
            ConnectError::NoHandshakeWithKnown {
                address,
                name,
                reason,
            } => self.no_handshake_with_known(address, name, &self.tls_error(reason)),
            ConnectError::Key { address, reason } => match reason {
                RejectedKey::Changed(changed) => self.changed_key(changed),
                RejectedKey::Blocked(name) => self.is_blocked(address, name),
                RejectedKey::Own => self.is_yourself(address),
                RejectedKey::File(error) => self.file_error(error),
            },
            ConnectError::OtherKey {
                address,
                wanted,
                found: Some(found),
                is_vouched_for: true,
            } => self.other_key_is_vouched_for(address, *wanted, *found),
            ConnectError::OtherKey {
                address,
                wanted,
                found,
                ..
            } => self.other_key(address, *wanted, *found),
            ConnectError::NoReach(_) => self.no_reach("chat-client"),
            ConnectError::NoWay { name, errors } => {
                let why: Vec<_> = errors.iter().map(|error| self.way_in_vain(error)).collect();
                self.no_way_to_peer(name, &why)
            }
            ConnectError::Downgraded { address, known } => self.downgraded(address, *known),
            ConnectError::KnownKey { address, name } => self.known_key(address, name),
            ConnectError::FirstContact(error @ FirstContactError::TooMany(_)) => {
                self.not_tried_again(&self.first_contact_error(error))
            }
            ConnectError::FirstContact(error) => self.first_contact_error(error),
            ConnectError::KnownPeers(error) => self.file_error(error),
        }
    }

    /// Why one of several ways was in vain.
    fn way_in_vain(&self, error: &ConnectError) -> String {
        match error {
            ConnectError::OtherKey { address, .. } => self.somebody_else(address),
            error => self.connect_error(error),
        }
    }

    /// Why the user's keys cannot be used.
    pub(super) fn keyring_error(&self, error: &KeyringError) -> String {
        match error {
            KeyringError::Identity(error) => self.identity_error(error),
            KeyringError::Directory(error) => self.file_error(error),
            KeyringError::Tls(error) => self.tls_error(error),
        }
    }

    /// Why the user's own key cannot be used, and the command that mends it.
    pub(super) fn identity_error(&self, error: &IdentityError) -> String {
        match error {
            IdentityError::File(error) => self.file_error(error),
            IdentityError::Empty(path) => self.identity_is_empty(path),
            IdentityError::NoKey(path) => self.identity_is_no_key(path),
            IdentityError::NoRandomness => self.no_randomness().into(),
            IdentityError::Certificate(error) => self.no_certificate(&error.to_string()),
            IdentityError::Agent(error) => self.agent_error(error),
        }
    }

    /// Why a file or directory cannot be used, and the command that mends it.
    pub(super) fn file_error(&self, error: &FileError) -> String {
        use io::ErrorKind::{NotADirectory, PermissionDenied, ReadOnlyFilesystem};
        match error {
            FileError::Symlink(path) => self.is_symlink(path),
            FileError::WrongKind { path, .. } if is_chat_home(path) => {
                self.home_is_no_directory(path)
            }
            FileError::WrongKind { path, wanted } => self.is_wrong_kind(path, *wanted),
            FileError::Exposed { path, mode, mend } => self.is_exposed(path, *mode, *mend),
            FileError::NotOwned { path, user } => self.is_not_owned(path, *user),
            FileError::Locked(path) => self.is_locked(path),
            FileError::Io { path, reason } => {
                let why = self.system(reason);
                match reason.kind() {
                    _ if is_chat_home(path) => self.home_cannot_be_made(path, &why),
                    PermissionDenied | ReadOnlyFilesystem | NotADirectory => {
                        self.cannot_use_here(path, &why)
                    }
                    _ => self.cannot_use(path, &why),
                }
            }
        }
    }

    /// Why the known peers could not be read or changed.
    pub(super) fn known_peers_error(&self, error: &KnownPeersError) -> String {
        match error {
            KnownPeersError::File(error) => self.file_error(error),
            KnownPeersError::Changed(changed) => self.changed_key(changed),
            KnownPeersError::Address(address) => self.no_address(address),
            KnownPeersError::NoName(name) => self.no_name(name),
            KnownPeersError::NoSuchKey(key) => self.no_such_key(*key),
            KnownPeersError::Taken(name) => self.key_is_taken(name),
            KnownPeersError::NoSuchName { name, known } => {
                let mut names: Vec<_> = known.iter().take(LISTED).map(String::as_str).collect();
                if known.len() > LISTED {
                    names.push("…");
                }
                self.no_such_name(name, &names)
            }
            KnownPeersError::Ambiguous { name, alike } => {
                let alike = alike
                    .iter()
                    .map(|peer| format!("{} {}", peer.name, peer.fingerprint));
                self.is_ambiguous(name, &alike.collect::<Vec<_>>())
            }
        }
    }

    /// A key that differs from the known one, and what to do if that is right.
    pub(super) fn changed_key(&self, changed: &ChangedKey) -> String {
        match (&changed.direction, changed.claim) {
            (_, Claim::Vouched) => self.key_is_vouched_for(changed),
            (_, Claim::Replaced) => self.key_was_replaced(changed),
            (Direction::Dialed(address), Claim::Unproven) => {
                self.dialed_key_changed(changed, address)
            }
            (Direction::Called, Claim::Unproven) => self.caller_key_changed(changed),
        }
    }

    /// Why a first contact is not tried, or cannot be written down.
    pub(super) fn first_contact_error(&self, error: &FirstContactError) -> String {
        match error {
            FirstContactError::File(error) => self.file_error(error),
            FirstContactError::Address(address) => self.no_address(address),
            FirstContactError::TooMany(address) => self.too_many_tries(address),
        }
    }

    /// Why a journal cannot be used.
    pub(super) fn journal_error(&self, error: &JournalError) -> String {
        match error {
            JournalError::File(error) => self.file_error(error),
            JournalError::Write { path, reason } => {
                self.nothing_is_recorded(path, &self.system(reason))
            }
            JournalError::Exists(path) => self.exists(path),
            JournalError::Version { path, version } => self.is_newer(path, *version, VERSION),
        }
    }

    /// What cannot be read of a journal.
    pub(super) fn flaw(&self, flaw: &Flaw) -> String {
        match flaw {
            Flaw::File(error) => self.journal_error(error),
            Flaw::Lines { path, first, count } => {
                let journal::Unreadable { line, reason } = first;
                self.line_is_left_out(path, *line, count - 1, reason)
            }
        }
    }

    /// A line of the known-peers file that cannot be read.
    pub(crate) fn unreadable(&self, flaw: &Unreadable) -> String {
        self.line_is_skipped(&flaw.path, flaw.number, &flaw.error)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use chat_core::trust::KnownPeers;

    use super::*;
    use crate::locale::text;

    #[test]
    fn what_only_programs_know_is_not_told() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(said_by_the_system(&refused), "Connection refused");
        assert_eq!(
            said_by_the_system(&io::Error::other("(os error 111)")),
            "(os error 111)"
        );
    }

    #[test]
    fn the_advice_is_about_the_side_that_is_in_trouble() {
        let told = |reason: ErrorKind| {
            text().dial_error(&DialError::Connect {
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
            text().file_error(&FileError::Io {
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
            text().journal_error(&newer),
            "/there has version 2, but this program reads version 1: use a newer program"
        );
        let reason = io::Error::from(ErrorKind::StorageFull).into();
        let failed = text().journal_error(&JournalError::Write { path, reason });
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
            let line = text().changed_key(&changed);
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
            text().known_peers_error(&nobody),
            "you know nobody named bob; those you know: ann"
        );
        let alike = known.forget("ANN").expect_err("not clear");
        let told = text().known_peers_error(&alike);
        assert!(told.contains(&format!(": ann {ANN}; ")), "{told}");
        assert!(!told.contains('\n'), "{told}");
        let flaws = known.load().expect("the list");
        let flaw = text().unreadable(&flaws.unreadable().next().expect("a flaw"));
        assert!(
            flaw.contains("known_peers, line 2 is skipped: it should"),
            "{flaw}"
        );
    }
}
