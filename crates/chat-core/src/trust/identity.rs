//! The user's own key.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;

use super::Fingerprint;
use super::private_file::{self, FileError};
use super::shell::quoted_path;

/// No place to keep the identity in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no home directory is known: set CHAT_HOME to a directory of your own")]
pub struct NoHome;

/// The directory of the user's identity and known peers: `$CHAT_HOME`, else
/// `$XDG_DATA_HOME/chat`, else `~/.local/share/chat`. It need not exist.
pub fn home() -> Result<PathBuf, NoHome> {
    home_from(|name| env::var_os(name), env::home_dir)
}

fn home_from(
    variable: impl Fn(&str) -> Option<OsString>,
    user_home: impl FnOnce() -> Option<PathBuf>,
) -> Result<PathBuf, NoHome> {
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
    data.map(|data| data.join("chat")).ok_or(NoHome)
}

/// The user's Ed25519 key, by which friends know this user.
#[derive(Debug)]
pub struct Identity {
    pub(crate) key: PrivatePkcs8KeyDer<'static>,
    fingerprint: Fingerprint,
}

/// Why there is no identity to be had, and what mends it.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file or its directory cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file has nothing in it.
    #[error("{path} is empty: rm {word}", path = .0.display(), word = quoted_path(.0))]
    Empty(PathBuf),
    /// The file holds no key that can be used.
    #[error(
        "{path} holds no Ed25519 key (PKCS#8, PEM, no passphrase): mv {word} {word}.old",
        path = .0.display(), word = quoted_path(.0)
    )]
    NoKey(PathBuf),
    /// The system gave no randomness.
    #[error("no key could be made: the system gives no randomness")]
    NoRandomness,
}

impl Identity {
    /// Loads the key from the file `identity` in `home`, and makes both on first use.
    ///
    /// Programs that make it at the same time end up with the same key.
    pub fn open(home: &Path) -> Result<Self, IdentityError> {
        private_file::private_dir(home)?;
        let path = home.join("identity");
        if let Some(pem) = private_file::read(&path)? {
            return Self::from_pem(&pem, &path);
        }
        private_file::create(&path, new_key()?.as_bytes())?;
        let pem = private_file::read(&path)?.unwrap_or_default();
        Self::from_pem(&pem, &path)
    }

    /// What friends see of this key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn from_pem(pem: &[u8], path: &Path) -> Result<Self, IdentityError> {
        if pem.trim_ascii().is_empty() {
            return Err(IdentityError::Empty(path.to_owned()));
        }
        let no_key = || IdentityError::NoKey(path.to_owned());
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| no_key())?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der())
            .map_err(|_| no_key())?;
        let spki = pair.public_key().as_der().map_err(|_| no_key())?;
        Ok(Self {
            key,
            fingerprint: Fingerprint::of_spki(spki.as_ref()),
        })
    }
}

/// A new key in PEM: PKCS#8 v1, for OpenSSL 3.0 cannot read v2.
fn new_key() -> Result<String, IdentityError> {
    let der = Ed25519KeyPair::generate()
        .and_then(|pair| pair.to_pkcs8v1())
        .map_err(|_| IdentityError::NoRandomness)?;
    let base64 = BASE64_STANDARD.encode(der.as_ref());
    Ok(format!(
        "-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_with(variables: &[(&str, &str)], user_home: &str) -> Result<PathBuf, NoHome> {
        let variable = |name: &str| {
            let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(value))
        };
        home_from(variable, || {
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
        assert_eq!(home_with(&[], ""), Err(NoHome));
    }

    #[test]
    fn empty_and_relative_variables_count_as_unset() {
        let unset = [("CHAT_HOME", ""), ("XDG_DATA_HOME", "data")];
        assert_eq!(home_with(&unset, "/h"), Ok("/h/.local/share/chat".into()));
    }

    #[test]
    fn a_new_key_is_pkcs8_v1() {
        let pem = new_key().expect("a key");
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).expect("PEM");
        // RFC 8410, section 7: version 0, no public key inside.
        assert_eq!(der.secret_pkcs8_der().len(), 48);
        assert_eq!(der.secret_pkcs8_der()[..5], [0x30, 0x2e, 0x02, 0x01, 0x00]);
    }
}
