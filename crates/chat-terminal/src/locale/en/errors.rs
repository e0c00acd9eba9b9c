//! Errors: what happened, to what, and what to do next.

use std::io;
use std::path::Path;
use std::time::Duration;

use chat_core::transport::TlsError;
use chat_core::trust::{
    AgentError, ChangedKey, Direction, FileKind, Fingerprint, KnownPeer, MAX_TRIES, ParseError,
};

use super::English;
use crate::locale::{Errors, Start, said_by_the_system};
use crate::text::shell::{quoted, quoted_path};

impl Errors for English {
    fn system(&self, error: &io::Error) -> String {
        said_by_the_system(error)
    }

    fn cannot_find(&self, name: &str, why: &str) -> String {
        format!("cannot find {name}: {why}; check the name, or call an address")
    }

    fn cannot_reach(&self, address: &str, why: &str) -> String {
        format!("cannot reach {address}: {why}; is chat-server running there?")
    }

    fn no_way_to(&self, address: &str, why: &str) -> String {
        format!(
            "cannot reach {address}: {why}; is this machine connected to a network that leads \
             there?"
        )
    }

    fn no_answer(&self, address: &str, limit: Duration) -> String {
        format!(
            "no answer from {address} within {limit:?}; is the address right, and the port open?"
        )
    }

    fn no_relay_there(&self, relay: &str, why: &str) -> String {
        format!(
            "cannot reach the relay {relay}: {why}; is it spelled right, and is this machine online?"
        )
    }

    fn nobody_at_number(&self, number: &str, limit: Duration) -> String {
        format!("no answer from {number} within {limit:?}; is chat-server --reach running there?")
    }

    fn not_encrypted(&self, address: &str) -> String {
        format!(
            "{address} does not encrypt, so nothing was said; if you want to talk without \
             encryption: --plain"
        )
    }

    fn no_handshake(&self, address: &str, why: &str) -> String {
        format!(
            "no encrypted connection with {address}: {why}; nothing was said; if it does not encrypt, \
             and you want to talk without encryption: --plain"
        )
    }

    fn no_encrypted_connection(&self, address: &str, why: &str) -> String {
        format!("no encrypted connection with {address}: {why}; nothing was said")
    }

    fn no_handshake_with_known(&self, address: &str, name: &str, why: &str) -> String {
        // Nothing is advised that would let somebody in between have his way.
        format!(
            "no encrypted connection with {address}, where you know {name}: {why}; nothing was said; \
             somebody may be in between, or the program there is broken: try again later, or ask \
             {name} in another way"
        )
    }

    fn is_blocked(&self, address: &str, name: &str) -> String {
        format!(
            "{address} is {name}, whom you have blocked; nothing was said; to call \
             anyway: chat-client --forget {}",
            quoted(name)
        )
    }

    fn is_yourself(&self, address: &str) -> String {
        format!(
            "{address} has your own key: you have called yourself; to try the programs on one \
             machine, give one of them another home: CHAT_HOME=/tmp/chat-2 chat-client {}",
            quoted(address)
        )
    }

    fn other_key(&self, address: &str, wanted: Fingerprint, found: Option<Fingerprint>) -> String {
        let found = found.map_or("no key".to_owned(), |key| format!("the key {key}"));
        format!("{address} has {found}, not the key {wanted} that was asked for; nothing was said")
    }

    fn other_key_is_vouched_for(
        &self,
        address: &str,
        wanted: Fingerprint,
        found: Fingerprint,
    ) -> String {
        format!(
            "{address} has the key {found}, and the key {wanted} that was asked for vouches for it; \
             a thief of that one could make it do so; nothing was said; if its owner confirms \
             the new key: --peer-key {found}"
        )
    }

    fn somebody_else(&self, address: &str) -> String {
        format!("somebody else is at {address}, who was not told who called")
    }

    fn no_way_to_peer(&self, name: &str, why: &[String]) -> String {
        let host = quoted(name);
        match why.is_empty() {
            true => format!(
                "it is not known where {name} is: no address is known, and nobody near has the key; \
                 for a host of that name: chat-client --host {host}"
            ),
            false => format!(
                "{name} is not there: {}; for a host of that name: chat-client --host {host}",
                why.join("; ")
            ),
        }
    }

    fn downgraded(&self, address: &str, known: Fingerprint) -> String {
        format!(
            "{address} is known by the key {known}, but whoever answers there now does not speak \
             chat/1 with it; nothing was said"
        )
    }

    fn known_key(&self, address: &str, name: &str) -> String {
        format!(
            "{address} is {name}, whose key you know, so it is never called without encryption; \
             leave out --plain"
        )
    }

    fn too_many_tries(&self, address: &str) -> String {
        format!(
            "{MAX_TRIES} calls to {address} within a day broke off before their safety number was \
             known"
        )
    }

    fn not_tried_again(&self, why: &str) -> String {
        format!(
            "{why}: somebody may be in between, so it is not called; to call anyway: --try-again"
        )
    }

    fn tls_error(&self, error: &TlsError) -> String {
        match error {
            TlsError::OtherProtocol => {
                "it encrypts, but does not speak chat/1: some other program than chat-server is there"
                    .into()
            }
            TlsError::NotTls => "the other side does not speak TLS".into(),
            TlsError::TimedOut(limit) => {
                format!("the other side did not finish the TLS handshake within {limit:?}")
            }
            TlsError::OtherKey(other) => format!("the other side has the key {}", other.found),
            TlsError::Closed => {
                "the other side closed the connection during the TLS handshake".into()
            }
            TlsError::NoKey => "the other side speaks chat/1 but shows no Ed25519 key".into(),
            TlsError::NotPostQuantum => {
                "the other side speaks chat/1 but not with post-quantum keys".into()
            }
            TlsError::Agent(error) => self.agent_error(error),
            TlsError::Handshake(error) => format!("the TLS handshake failed: {error}"),
            TlsError::Io(error) => {
                let error = self.system(error);
                format!("the connection failed during the TLS handshake: {error}")
            }
        }
    }

    fn identity_is_empty(&self, path: &Path) -> String {
        format!("{} is empty: rm {}", path.display(), quoted_path(path))
    }

    fn identity_is_no_key(&self, path: &Path) -> String {
        let word = quoted_path(path);
        format!(
            "{} holds no Ed25519 key (PKCS#8, PEM, no passphrase): mv {word} {word}.old",
            path.display()
        )
    }

    fn no_certificate(&self, why: &str) -> String {
        format!("cannot make a certificate for your key: {why}")
    }

    fn agent_error(&self, error: &AgentError) -> String {
        match error {
            AgentError::NoAgent => "no ssh-agent is there for this shell: SSH_AUTH_SOCK is not \
                                    set; to start one: eval $(ssh-agent); ssh-add"
                .into(),
            AgentError::Io { socket, reason } => format!(
                "your ssh-agent at {} cannot be asked: {}; does it still run?",
                socket.display(),
                self.system(reason)
            ),
            AgentError::TimedOut(limit) => {
                format!("your ssh-agent did not answer within {limit:?}; does it wait for you?")
            }
            AgentError::NoKey { wanted, found } => format!(
                "the Ed25519 key {wanted} is not among the {found} that your ssh-agent has: add it \
                 with ssh-add, or unlock the agent with ssh-add -X"
            ),
            AgentError::Refused => {
                "your ssh-agent did not sign: was it locked, or did you say no?".into()
            }
            AgentError::Malformed => {
                "your ssh-agent gave an answer that cannot be used; is it up to date?".into()
            }
        }
    }

    fn no_randomness(&self) -> &'static str {
        "cannot make a key: the system gives no random numbers"
    }

    fn is_symlink(&self, path: &Path) -> String {
        let word = quoted_path(path);
        format!("{} is a symbolic link: rm {word}", path.display())
    }

    fn home_is_no_directory(&self, path: &Path) -> String {
        format!(
            "CHAT_HOME is {}, which is not a directory: set it to one, or to a new name",
            path.display()
        )
    }

    fn is_wrong_kind(&self, path: &Path, wanted: FileKind) -> String {
        let wanted = match wanted {
            FileKind::File => "file",
            FileKind::Directory => "directory",
        };
        let word = quoted_path(path);
        format!("{} is not a {wanted}: mv {word} {word}.old", path.display())
    }

    fn is_exposed(&self, path: &Path, mode: u32, mend: u32) -> String {
        let word = quoted_path(path);
        format!(
            "{} is open to other users (mode {mode:04o}): chmod {mend:o} {word}",
            path.display()
        )
    }

    fn is_not_owned(&self, path: &Path, user: u32) -> String {
        let word = quoted_path(path);
        format!(
            "{} belongs to another user: sudo chown {user} {word}",
            path.display()
        )
    }

    fn is_locked(&self, path: &Path) -> String {
        format!("{}: another program has locked it", path.display())
    }

    fn home_cannot_be_made(&self, path: &Path, why: &str) -> String {
        format!(
            "CHAT_HOME is {}, which cannot be made: {why}; set it to a directory that you can write",
            path.display()
        )
    }

    fn cannot_use(&self, path: &Path, why: &str) -> String {
        format!("{}: {why}", path.display())
    }

    fn cannot_use_here(&self, path: &Path, why: &str) -> String {
        format!(
            "{}: {why}; set CHAT_HOME to a directory that you can write",
            path.display()
        )
    }

    fn no_address(&self, address: &str) -> String {
        format!("{address:?} is not an address that can be kept")
    }

    fn no_name(&self, name: &str) -> String {
        format!("{name:?} is not a name that can be kept")
    }

    fn no_such_key(&self, key: Fingerprint) -> String {
        format!("you know nobody with the key {key}")
    }

    fn no_such_name(&self, name: &str, known: &[&str]) -> String {
        match known.is_empty() {
            true => format!("you know nobody named {name}, and nobody else yet"),
            false => format!(
                "you know nobody named {name}; those you know: {}",
                known.join(", ")
            ),
        }
    }

    fn is_ambiguous(&self, name: &str, alike: &[String]) -> String {
        let alike = alike.join(", ");
        format!(
            "{name} could be taken for somebody else: {alike}; say which by the fingerprint, \
             SHA256:…"
        )
    }

    fn dialed_key_changed(&self, changed: &ChangedKey, address: &str) -> String {
        let name = &changed.known.name;
        let change = change(changed);
        let word = quoted(name);
        format!("the key of {name} at {address} has changed: {change}: chat-client --forget {word}")
    }

    fn caller_key_changed(&self, changed: &ChangedKey) -> String {
        let name = &changed.known.name;
        let change = change(changed);
        let word = quoted(name);
        format!(
            "a caller named {name} does not have the key of {name}: {change}: \
             chat-server --forget {word}; if this is another {name}: let them take another --name"
        )
    }

    fn key_is_vouched_for(&self, changed: &ChangedKey) -> String {
        let ChangedKey { known, new_key, .. } = changed;
        let KnownPeer {
            name,
            fingerprint,
            first_seen,
            ..
        } = &**known;
        let (who, program) = whose(changed);
        format!(
            "{who} has a new key, vouched for by the old one: since {first_seen} it was \
             {fingerprint}, now it is {new_key}; a thief of the old key could make it vouch too; \
             if {name} confirms the new key: {program} --accept-key {} {new_key}",
            quoted(name)
        )
    }

    fn key_was_replaced(&self, changed: &ChangedKey) -> String {
        let ChangedKey { known, new_key, .. } = changed;
        let (who, _) = whose(changed);
        format!(
            "{who} uses an old key, {new_key}, which was replaced by {}; somebody may have stolen it; \
             nothing was said",
            known.fingerprint
        )
    }

    fn key_is_taken(&self, name: &str) -> String {
        format!("that key belongs to {name}, whom you know; /peers lists the keys")
    }

    fn nothing_is_recorded(&self, path: &Path, why: &str) -> String {
        format!("nothing is recorded any more: {}: {why}", path.display())
    }

    fn exists(&self, path: &Path) -> String {
        format!("{} already exists", path.display())
    }

    fn is_newer(&self, path: &Path, version: u32, known: u32) -> String {
        format!(
            "{} has version {version}, but this program reads version {known}: use a newer program",
            path.display()
        )
    }

    fn line_is_left_out(&self, path: &Path, line: usize, more: usize, why: &str) -> String {
        let more = match more {
            0 => String::new(),
            _ => format!(", and {more} lines more"),
        };
        format!("{}, line {line} is left out{more}: {why}", path.display())
    }

    fn line_is_skipped(&self, path: &Path, line: usize, error: &ParseError) -> String {
        let why = match error {
            ParseError::Encoding => "it is not UTF-8",
            ParseError::TooShort => {
                "it should read NAME[,ADDRESS...] KEYTYPE SHA256:... FIRST-SEEN STATE"
            }
            ParseError::Nameless => "a name or address is missing",
            ParseError::Fingerprint(_) => self.no_fingerprint(),
            ParseError::State => "the state must be unverified, verified or blocked",
        };
        format!("{}, line {line} is skipped: {why}", path.display())
    }
}

fn change(changed: &ChangedKey) -> String {
    let ChangedKey { known, new_key, .. } = changed;
    let KnownPeer {
        name,
        fingerprint,
        first_seen,
        ..
    } = &**known;
    format!(
        "since {first_seen} it was {fingerprint}, now it is {new_key}; somebody else may be \
         there; if {name} confirms the new key"
    )
}

/// Who has another key, and the program that met it.
fn whose(changed: &ChangedKey) -> (String, &'static str) {
    let name = &changed.known.name;
    match &changed.direction {
        Direction::Dialed(address) => (format!("{name} at {address}"), "chat-client"),
        Direction::Called => (format!("{name}, who is calling,"), "chat-server"),
    }
}
