//! A key that an ssh-agent keeps: it signs, and its secret half never comes here.
//!
//! The protocol is that of draft-ietf-sshm-ssh-agent: each message is its length in four bytes,
//! a byte for its type, and fields, of which strings have their length before them.

use std::env;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::sign::{Signer, SigningKey};
use rustls::{OtherError, SignatureAlgorithm, SignatureScheme};

use super::{Fingerprint, PublicKey};

/// How long an agent may take for an answer. Some ask the person, or wait for a touch.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer that is read, in bytes, as OpenSSH has it.
const MAX_ANSWER: usize = 256 * 1024;

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// What SSH calls keys of this type, and their signatures.
const ED25519_NAME: &[u8] = b"ssh-ed25519";

/// Why a key in an agent cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AgentError {
    /// `SSH_AUTH_SOCK` is not set.
    #[error("SSH_AUTH_SOCK is not set")]
    NoAgent,
    /// The agent cannot be asked.
    #[error("{}: {reason}", .socket.display())]
    Io {
        /// Where it should be.
        socket: PathBuf,
        /// What the system says.
        reason: Arc<io::Error>,
    },
    /// It did not answer in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// It has no such key of type Ed25519, or is locked.
    #[error("the key {wanted} is not among the {found} there")]
    NoKey {
        /// The fingerprint that was asked for.
        wanted: Fingerprint,
        /// How many keys of any type it has.
        found: u32,
    },
    /// It has the key and does not sign with it.
    #[error("the agent refused to sign")]
    Refused,
    /// Its answer was none, or its signature is wrong.
    #[error("the answer cannot be read")]
    Malformed,
}

/// An Ed25519 key in an agent.
#[derive(Clone, Debug)]
pub(super) struct AgentKey {
    socket: PathBuf,
    public_key: PublicKey,
}

impl AgentKey {
    /// The key with this fingerprint, ours or that of `ssh-add -l`, in the agent of `SSH_AUTH_SOCK`.
    /// It is asked for a signature, so that a key that cannot be used is found out.
    pub(super) fn open(wanted: Fingerprint) -> Result<Self, AgentError> {
        let socket = env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty());
        let socket = PathBuf::from(socket.ok_or(AgentError::NoAgent)?);
        let public_key = key_among(&ask(&socket, &[REQUEST_IDENTITIES])?, wanted)?;
        let key = Self { socket, public_key };
        key.sign(b"chat: is this key there?")?;
        Ok(key)
    }

    pub(super) fn public_key(&self) -> PublicKey {
        self.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, AgentError> {
        let blob = [string(ED25519_NAME), string(&self.public_key.0)].concat();
        let flags = 0_u32.to_be_bytes();
        let request = [
            &[SIGN_REQUEST][..],
            &string(&blob),
            &string(message),
            &flags,
        ]
        .concat();
        signature_in(&ask(&self.socket, &request)?, self.public_key, message)
    }
}

/// The key with this fingerprint among those of an answer.
fn key_among(answer: &[u8], wanted: Fingerprint) -> Result<PublicKey, AgentError> {
    let fields = answer.strip_prefix(&[IDENTITIES_ANSWER]);
    let mut fields = Fields(fields.unwrap_or_default());
    let found = fields.number().ok_or(AgentError::Malformed)?;
    for _ in 0..found {
        let blob = fields.string().ok_or(AgentError::Malformed)?;
        let _comment = fields.string().ok_or(AgentError::Malformed)?;
        let Some(key) = ed25519_key(blob) else {
            continue;
        };
        if [key.fingerprint(), Fingerprint::of_spki(blob)].contains(&wanted) {
            return Ok(key);
        }
    }
    Err(AgentError::NoKey { wanted, found })
}

/// The signature of this message in an answer, if it is one of that key.
fn signature_in(answer: &[u8], key: PublicKey, message: &[u8]) -> Result<Vec<u8>, AgentError> {
    let fields = answer.strip_prefix(&[SIGN_RESPONSE]);
    let signature = Fields(fields.ok_or(AgentError::Refused)?).string();
    let mut signature = Fields(signature.ok_or(AgentError::Malformed)?);
    match (signature.string(), signature.string()) {
        (Some(ED25519_NAME), Some(signature)) => {
            let key = UnparsedPublicKey::new(&ED25519, key.0);
            let verified = key.verify(message, signature);
            verified.map_err(|_| AgentError::Malformed)?;
            Ok(signature.to_vec())
        }
        _ => Err(AgentError::Malformed),
    }
}

/// Reads an answer of an agent that is not trusted, for `fuzz/`.
///
/// # Panics
/// It has a key that is not the one that is wanted, or a signature that nobody made.
#[cfg(fuzzing)]
pub fn agent_fuzz(answer: &[u8]) {
    let wanted = PublicKey([7; 32]);
    if let Ok(key) = key_among(answer, wanted.fingerprint()) {
        assert_eq!(key, wanted);
    }
    assert!(signature_in(answer, wanted, b"a message").is_err());
}

/// The 32 bytes of a public key as SSH writes it, if it is of this type.
fn ed25519_key(blob: &[u8]) -> Option<PublicKey> {
    let mut fields = Fields(blob);
    (fields.string()? == ED25519_NAME).then_some(())?;
    fields.string()?.try_into().map(PublicKey).ok()
}

impl SigningKey for AgentKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let is_offered = offered.contains(&SignatureScheme::ED25519);
        is_offered.then(|| Box::new(self.clone()) as _)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(self.public_key.to_spki().into())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for AgentKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let signature = Self::sign(self, message);
        signature.map_err(|error| rustls::Error::Other(OtherError(Arc::new(error))))
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// Sends a request to the agent, and returns its answer.
fn ask(socket: &Path, request: &[u8]) -> Result<Vec<u8>, AgentError> {
    let answer = connect(socket).and_then(|mut agent| {
        agent.set_read_timeout(Some(TIMEOUT))?;
        agent.set_write_timeout(Some(TIMEOUT))?;
        agent.write_all(&string(request))?;
        let mut length = [0; 4];
        agent.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_ANSWER {
            return Ok(Err(AgentError::Malformed));
        }
        let mut answer = vec![0; length];
        agent.read_exact(&mut answer)?;
        Ok(Ok(answer))
    });
    answer.unwrap_or_else(|reason| {
        Err(match reason.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => AgentError::TimedOut(TIMEOUT),
            _ => AgentError::Io {
                socket: socket.to_owned(),
                reason: Arc::new(reason),
            },
        })
    })
}

#[cfg(unix)]
fn connect(socket: &Path) -> io::Result<std::os::unix::net::UnixStream> {
    std::os::unix::net::UnixStream::connect(socket)
}

/// Agents of other systems listen elsewhere.
#[cfg(not(unix))]
fn connect(_: &Path) -> io::Result<std::net::TcpStream> {
    Err(ErrorKind::Unsupported.into())
}

/// A field of this many bytes.
fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

/// The fields of a message that are still to be read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.number()? as usize;
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_field_is_not_read() {
        for bytes in [&b""[..], b"\0\0\0", b"\0\0\0\x02a", b"\xff\xff\xff\xffabc"] {
            assert_eq!(Fields(bytes).string(), None, "{bytes:?}");
        }
        let mut fields = Fields(b"\0\0\0\x01ab");
        assert_eq!(fields.string(), Some(&b"a"[..]));
        assert_eq!(fields.string(), None);
        let rsa = [string(b"ssh-rsa"), string(&[0; 32])].concat();
        assert_eq!(ed25519_key(&rsa), None);
        let short = [string(ED25519_NAME), string(&[0; 31])].concat();
        assert_eq!(ed25519_key(&short), None);
    }
}
