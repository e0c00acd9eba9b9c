//! The user's own key.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::sign::any_eddsa_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::SigningKey;
use zeroize::Zeroizing;

use super::agent::{AgentError, AgentKey};
use super::certificate::{self, MAX_REPLACED};
use super::private_file::{self, FileError};
use super::{Fingerprint, replaced_keys};

/// There is no data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no home directory is known")]
pub struct NoDataDir;

/// The directory of the user's identity and known peers: `$CHAT_HOME`, else
/// `$XDG_DATA_HOME/chat`, else `~/.local/share/chat`. It need not exist.
///
/// # Errors
/// None of them is set, nor is the user's home known.
pub fn data_dir() -> Result<PathBuf, NoDataDir> {
    data_dir_from(|name| env::var_os(name), env::home_dir)
}

fn data_dir_from(
    variable: impl Fn(&str) -> Option<OsString>,
    user_home: impl FnOnce() -> Option<PathBuf>,
) -> Result<PathBuf, NoDataDir> {
    let path = |name| variable(name).map(PathBuf::from);
    if let Some(home) = path("CHAT_HOME").filter(|home| !home.as_os_str().is_empty()) {
        return Ok(home);
    }
    // The XDG Base Directory Specification says to ignore a relative path.
    let data = path("XDG_DATA_HOME")
        .filter(|data| data.is_absolute())
        .or_else(|| {
            let home = user_home().filter(|home| home.is_absolute())?;
            Some(home.join(".local/share"))
        });
    data.map(|data| data.join("chat")).ok_or(NoDataDir)
}

/// Around the key in its file.
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// What follows the version in the PKCS#8 form of an Ed25519 key (RFC 8410, section 7); the 32 bytes
/// of the seed come next.
const ED25519_PKCS8: [u8; 11] = *b"\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// The longest line of base64 in a PEM file (RFC 7468).
const PEM_LINE: usize = 64;

/// The length of an Ed25519 key in PKCS#8 (RFC 8410) is 48 bytes, or 83 with the public key.
const MAX_PKCS8: usize = 128;

/// The user's Ed25519 key, by which friends know this user.
#[derive(Debug)]
pub struct Identity {
    /// The only copy in memory, which the cryptographic library wipes when it is dropped; or none,
    /// where an agent has it.
    key: Arc<dyn SigningKey>,
    /// To sign takes time, for it is another program that does it.
    is_slow: bool,
    public_key: [u8; 32],
    fingerprint: Fingerprint,
    /// Its own, and those by which earlier keys vouch for it.
    certificates: Vec<CertificateDer<'static>>,
}

/// Why the identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file or its directory cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is empty.
    #[error("{} is empty", .0.display())]
    Empty(PathBuf),
    /// The file holds no key that can be used.
    #[error("{} holds no Ed25519 key", .0.display())]
    NoKey(PathBuf),
    /// The system gave no randomness.
    #[error("the system gives no randomness")]
    NoRandomness,
    /// No certificate can be made for the key.
    #[error("no certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// It is in an agent, and cannot be used.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

impl Identity {
    /// Loads the key from the file `identity` in `data_dir`, and makes both on first use.
    ///
    /// Programs that make it at the same time end up with the same key.
    ///
    /// # Errors
    /// The directory or file is not the user's alone, or holds no key that can be used.
    pub fn open(data_dir: &Path) -> Result<Self, IdentityError> {
        private_file::private_dir(data_dir)?;
        let path = data_dir.join("identity");
        let read = || private_file::read(&path).map(|pem| pem.map(Zeroizing::new));
        if let Some(pem) = read()? {
            return Self::from_pem(&pem, &path);
        }
        private_file::create(&path, new_key()?.as_bytes())?;
        Self::from_pem(&read()?.unwrap_or_default(), &path)
    }

    /// The seed of the key in `data_dir` (RFC 8032, section 5.1.5), for what signs with it and knows
    /// nothing of TLS.
    ///
    /// # Errors
    /// There is no key there, or none that can be used.
    pub fn seed(data_dir: &Path) -> Result<Zeroizing<[u8; 32]>, IdentityError> {
        let path = data_dir.join("identity");
        let pem = Zeroizing::new(private_file::read(&path)?.unwrap_or_default());
        let seed = pkcs8_of(&pem).and_then(|der| {
            let rest = der.get(5..)?.strip_prefix(&ED25519_PKCS8)?;
            rest.first_chunk().copied().map(Zeroizing::new)
        });
        seed.ok_or(IdentityError::NoKey(path))
    }

    /// The Ed25519 key in the ssh-agent of `SSH_AUTH_SOCK` with this fingerprint, which may be that
    /// of `ssh-add -l`. Waits for the agent, 10 s at most for each of three answers.
    ///
    /// # Errors
    /// There is no agent, it does not have the key, or does not sign with it.
    pub fn in_agent(fingerprint: Fingerprint) -> Result<Self, IdentityError> {
        let key = AgentKey::open(fingerprint)?;
        let public_key = key.public_key();
        let mut identity = Self {
            key: Arc::new(key),
            is_slow: true,
            public_key: public_key.0,
            fingerprint: public_key.fingerprint(),
            certificates: Vec::new(),
        };
        let own = certificate::self_signed(&identity)?;
        identity.certificates.push(own);
        Ok(identity)
    }

    /// Makes another key in the place of the one in `data_dir`, which vouches for it and is gone
    /// then.
    ///
    /// # Errors
    /// There is no key that can be used, or the new one cannot be written.
    pub fn replace(data_dir: &Path) -> Result<Self, IdentityError> {
        private_file::private_dir(data_dir)?;
        let path = data_dir.join("identity");
        let _lock = private_file::lock(&path.with_extension("lock"))?;
        let old = Self::open(data_dir)?;
        let mut pem = new_key()?;
        let new = Self::from_pem(pem.as_bytes(), &path)?;
        // What vouches for the old one, or else the old one alone.
        let earlier = match &old.certificates[..] {
            [own] => std::slice::from_ref(own),
            [_, vouched @ ..] => vouched,
            [] => &[],
        };
        let vouched = certificate::vouch(&old, &new)?;
        let chain = std::iter::once(&vouched).chain(earlier);
        // Nothing is appended to the key itself: what grows leaves copies behind.
        let certificates: String = chain.take(MAX_REPLACED + 1).map(certificate_pem).collect();
        pem = Zeroizing::new([pem.as_str(), &certificates].concat());
        private_file::replace(&path, pem.as_bytes())?;
        Self::from_pem(pem.as_bytes(), &path)
    }

    /// The fingerprint by which friends know this key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The key, for TLS.
    pub(crate) fn key(&self) -> Arc<dyn SigningKey> {
        Arc::clone(&self.key)
    }

    /// The earlier keys that vouch for this one, the last one first.
    pub fn replaces(&self) -> Vec<Fingerprint> {
        replaced_keys(&self.certificates)
    }

    /// Whether to sign blocks for a time that can be noticed.
    pub(crate) fn is_slow(&self) -> bool {
        self.is_slow
    }

    /// What goes over the wire as the certificate chain.
    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    fn from_pem(pem: &[u8], path: &Path) -> Result<Self, IdentityError> {
        if pem.trim_ascii().is_empty() {
            return Err(IdentityError::Empty(path.to_owned()));
        }
        let no_key = || IdentityError::NoKey(path.to_owned());
        let mut identity = Self::from_pkcs8(pem).ok_or_else(no_key)?;
        let own = certificate::self_signed(&identity)?;
        identity.certificates.push(own);
        let after_key = memchr::memmem::find(pem, END.as_bytes()).unwrap_or_default();
        let earlier = CertificateDer::pem_slice_iter(&pem[after_key + END.len()..]);
        identity.certificates.extend(earlier.map_while(Result::ok));
        Ok(identity)
    }

    fn from_pkcs8(pem: &[u8]) -> Option<Self> {
        let der = pkcs8_of(pem)?;
        let key = any_eddsa_type(&PrivatePkcs8KeyDer::from(der.as_slice())).ok()?;
        let spki = key.public_key()?;
        let public_key = spki.last_chunk().copied()?;
        let fingerprint = Fingerprint::of_spki(&spki);
        Some(Self {
            key,
            is_slow: false,
            public_key,
            fingerprint,
            certificates: Vec::new(),
        })
    }
}

/// What a certificate is signed with.
impl rcgen::PublicKeyData for Identity {
    fn der_bytes(&self) -> &[u8] {
        &self.public_key
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl rcgen::SigningKey for Identity {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signer = self.key.choose_scheme(&[SignatureScheme::ED25519]);
        let signature = signer.and_then(|signer| signer.sign(message).ok());
        signature.ok_or(rcgen::Error::RemoteKeyError)
    }
}

/// The key in a PEM file (RFC 7468), in buffers that are wiped.
fn pkcs8_of(pem: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let pem = std::str::from_utf8(pem).ok()?;
    let (_, pem) = pem.split_once(BEGIN)?;
    let (base64, _) = pem.split_once(END)?;
    // With room from the start: what grows leaves copies behind.
    let mut packed = Zeroizing::new(Vec::with_capacity(base64.len()));
    packed.extend(base64.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let mut der = Zeroizing::new(vec![0; MAX_PKCS8]);
    let length = BASE64_STANDARD.decode_slice(&*packed, &mut der).ok()?;
    der.truncate(length);
    Some(der)
}

/// A new key in PEM: PKCS#8 v1, because OpenSSL 3.0 cannot read v2.
fn new_key() -> Result<Zeroizing<String>, IdentityError> {
    let der = Ed25519KeyPair::generate()
        .and_then(|pair| pair.to_pkcs8v1())
        .map_err(|_| IdentityError::NoRandomness)?;
    let base64 = Zeroizing::new(BASE64_STANDARD.encode(der.as_ref()));
    Ok(Zeroizing::new(
        [BEGIN, "\n", &base64, "\n", END, "\n"].concat(),
    ))
}

/// A certificate in PEM. OpenSSL reads no longer lines.
fn certificate_pem(certificate: &CertificateDer<'_>) -> String {
    let base64 = BASE64_STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(PEM_LINE));
        pem.extend([line, "\n"]);
        rest = after;
    }
    pem + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_with(variables: &[(&str, &str)], user_home: &str) -> Result<PathBuf, NoDataDir> {
        let variable = |name: &str| {
            let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(value))
        };
        data_dir_from(variable, || {
            (!user_home.is_empty()).then(|| PathBuf::from(user_home))
        })
    }

    #[test]
    fn home_is_the_first_that_is_set() {
        let chat = ("CHAT_HOME", "/c");
        let xdg = ("XDG_DATA_HOME", "/x");
        assert_eq!(home_with(&[chat, xdg], "/h"), Ok("/c".into()));
        assert_eq!(home_with(&[xdg], "/h"), Ok("/x/chat".into()));
        assert_eq!(home_with(&[], "/h"), Ok("/h/.local/share/chat".into()));
        assert_eq!(home_with(&[], ""), Err(NoDataDir));
    }

    #[test]
    fn empty_and_relative_variables_count_as_unset() {
        let unset = [("CHAT_HOME", ""), ("XDG_DATA_HOME", "data")];
        assert_eq!(home_with(&unset, "/h"), Ok("/h/.local/share/chat".into()));
    }

    #[test]
    fn a_new_key_is_pkcs8_v1() {
        let pem = new_key().expect("a key");
        let der = pkcs8_of(pem.as_bytes()).expect("PEM");
        // RFC 8410, section 7: version 0, no public key inside.
        assert_eq!(der.len(), 48);
        assert_eq!(der[..5], [0x30, 0x2e, 0x02, 0x01, 0x00]);
    }

    #[test]
    fn the_seed_makes_the_same_key() {
        use aws_lc_rs::signature::KeyPair;

        let (home, _) = at_home();
        assert!(Identity::seed(home.path()).is_err(), "none is made");
        let identity = Identity::open(home.path()).expect("an identity");
        let seed = Identity::seed(home.path()).expect("a seed");
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).expect("a key");
        assert_eq!(pair.public_key().as_ref(), identity.public_key);
    }

    fn at_home() -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("identity");
        (home, path)
    }

    #[test]
    fn first_use_makes_a_key_and_later_use_finds_it() {
        let (home, path) = at_home();
        let home = home.path().join("a/b");
        let made = Identity::open(&home).expect("an identity");
        let found = Identity::open(&home).expect("an identity");
        assert_eq!(made.fingerprint(), found.fingerprint());
        let other = Identity::open(path.parent().expect("home")).expect("an identity");
        assert_ne!(made.fingerprint(), other.fingerprint());
        assert!(!format!("{made:?}").contains("PRIVATE"));
    }

    #[test]
    fn starts_at_the_same_time_end_up_with_one_key() {
        for _ in 0..20 {
            let (home, _) = at_home();
            let home = home.path().join("new");
            let start = std::sync::Barrier::new(8);
            let keys: std::collections::HashSet<_> = std::thread::scope(|scope| {
                let open = || {
                    start.wait();
                    Identity::open(&home).expect("an identity").fingerprint()
                };
                let starts: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
                let keys = starts.into_iter().map(|start| start.join().expect("a key"));
                keys.collect()
            });
            assert_eq!(keys.len(), 1);
            let files = std::fs::read_dir(&home).expect("the directory").count();
            assert_eq!(files, 1, "temporary files are gone");
        }
    }

    #[test]
    fn the_fingerprint_is_what_openssl_computes() {
        let (home, _) = at_home();
        let identity = Identity::open(home.path()).expect("an identity");
        let pipeline = "openssl pkey -in identity -pubout -outform DER \
                        | openssl dgst -sha256 -binary | base64";
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("command -v openssl >&2 && {pipeline}")])
            .current_dir(home.path())
            .output()
            .expect("a shell");
        if output.stderr.is_empty() {
            eprintln!("skipped: openssl is not installed");
            return;
        }
        let printed = String::from_utf8(output.stdout).expect("text");
        assert_eq!(
            identity.fingerprint().to_string(),
            format!("SHA256:{}", printed.trim_end())
        );
    }

    /// How often this process has these bytes, masked here so as not to find them, in its memory.
    #[cfg(target_os = "linux")]
    fn copies_in_memory(masked: &[u8]) -> usize {
        use std::os::unix::fs::FileExt;

        let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
        let memory = std::fs::File::open("/proc/self/mem").expect("memory");
        let mut copies = 0;
        for map in maps.lines().filter(|map| map.contains(" rw-p ")) {
            let range = map
                .split(' ')
                .next()
                .and_then(|range| range.split_once('-'));
            let (from, to) = range.expect("a range");
            let address = |hex| u64::from_str_radix(hex, 16).expect("an address");
            // Other threads unmap theirs meanwhile.
            let mut bytes = [0; 4096 + 64];
            for at in (address(from)..address(to)).step_by(4096) {
                let Ok(count) = memory.read_at(&mut bytes, at) else {
                    continue;
                };
                let same = |at: &usize| {
                    let found = bytes[..count].get(*at..at + masked.len());
                    found.is_some_and(|found| found.iter().zip(masked).all(|(a, b)| *a == !b))
                };
                let starts = memchr::memchr_iter(!masked[0], &bytes[..4096]);
                copies += starts.filter(same).count();
            }
            bytes.fill(0);
        }
        copies
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn one_copy_of_the_key_is_in_memory() {
        let (home, path) = at_home();
        let identity = Identity::open(home.path()).expect("an identity");
        let tls = crate::transport::TlsEndpoint::new(&identity).expect("a certificate");
        let (seed, base64) = {
            let pem = Zeroizing::new(std::fs::read(&path).expect("the file"));
            let der = pkcs8_of(&pem).expect("PEM");
            let masked = |bytes: &[u8]| bytes.iter().map(|byte| byte ^ 0xff).collect::<Vec<_>>();
            (masked(&der[16..]), masked(&pem[BEGIN.len() + 30..][..32]))
        };
        assert_eq!(copies_in_memory(&base64), 0);
        assert_eq!(copies_in_memory(&seed), 1);
        drop((identity, tls));
        assert_eq!(copies_in_memory(&seed), 0);
    }

    #[cfg(unix)]
    #[test]
    fn both_are_for_the_owner_alone() {
        use std::os::unix::fs::PermissionsExt;

        let mode = |path: &Path| {
            let metadata = std::fs::metadata(path).expect("there");
            metadata.permissions().mode() & 0o7777
        };
        let (home, _) = at_home();
        let home = home.path().join("chat");
        Identity::open(&home).expect("an identity");
        assert_eq!(mode(&home), 0o700);
        assert_eq!(mode(&home.join("identity")), 0o600);
    }
}
