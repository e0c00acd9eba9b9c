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

/// There is no data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no home directory is known: set CHAT_HOME to a directory of your own")]
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

/// The user's Ed25519 key, by which friends know this user.
#[derive(Debug)]
pub struct Identity {
    pub(crate) key: PrivatePkcs8KeyDer<'static>,
    fingerprint: Fingerprint,
}

/// Why the identity cannot be used, and the command that mends it.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file or its directory cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is empty.
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
    /// Loads the key from the file `identity` in `data_dir`, and makes both on first use.
    ///
    /// Programs that make it at the same time end up with the same key.
    ///
    /// # Errors
    /// The directory or file is not the user's alone, or holds no key that can be used.
    pub fn open(data_dir: &Path) -> Result<Self, IdentityError> {
        private_file::private_dir(data_dir)?;
        let path = data_dir.join("identity");
        if let Some(pem) = private_file::read(&path)? {
            return Self::from_pem(&pem, &path);
        }
        private_file::create(&path, new_key()?.as_bytes())?;
        let pem = private_file::read(&path)?.unwrap_or_default();
        Self::from_pem(&pem, &path)
    }

    /// The fingerprint by which friends know this key.
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

/// A new key in PEM: PKCS#8 v1, because OpenSSL 3.0 cannot read v2.
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
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).expect("PEM");
        // RFC 8410, section 7: version 0, no public key inside.
        assert_eq!(der.secret_pkcs8_der().len(), 48);
        assert_eq!(der.secret_pkcs8_der()[..5], [0x30, 0x2e, 0x02, 0x01, 0x00]);
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

    #[cfg(unix)]
    mod unix {
        use std::fs::{self, Permissions};
        use std::os::unix::fs::{PermissionsExt, chown, symlink};
        use std::process::Command;

        use super::*;

        fn mode(path: &Path) -> u32 {
            fs::metadata(path).expect("there").permissions().mode() & 0o7777
        }

        fn chmod(path: &Path, mode: u32) {
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
        }

        fn write(path: &Path, text: &str) {
            fs::write(path, text).expect("written");
            chmod(path, 0o600);
        }

        /// Expects a refusal in one line that ends with `command`, a shell command after
        /// which all is well.
        fn refused_until(home: &Path, command: &str) {
            let refusal = Identity::open(home).expect_err("refused").to_string();
            let (what, mends) = refusal.rsplit_once(": ").expect("a command");
            assert!(mends.starts_with(command), "{refusal}");
            assert!(what.contains(home.to_str().expect("UTF-8")), "{refusal}");
            assert!(!refusal.contains('\n'), "{refusal}");
            let status = Command::new("sh").args(["-c", mends]).status();
            assert!(status.expect("a shell").success(), "{mends}");
            Identity::open(home).expect("mended");
        }

        #[test]
        fn both_are_for_the_owner_alone() {
            let (home, _) = at_home();
            let home = home.path().join("chat");
            Identity::open(&home).expect("an identity");
            assert_eq!(mode(&home), 0o700);
            assert_eq!(mode(&home.join("identity")), 0o600);
        }

        #[test]
        fn a_file_that_others_may_read_is_refused() {
            for bad in [0o640, 0o604, 0o620, 0o601] {
                let (home, path) = at_home();
                Identity::open(home.path()).expect("an identity");
                chmod(&path, bad);
                refused_until(home.path(), "chmod 600 ");
            }
        }

        #[test]
        fn a_directory_that_others_may_change_is_refused() {
            for bad in [0o720, 0o702, 0o1777] {
                let (home, _) = at_home();
                chmod(home.path(), bad);
                refused_until(home.path(), "chmod 700 ");
            }
        }

        #[test]
        fn a_symbolic_link_is_refused() {
            let (home, path) = at_home();
            let (other, target) = at_home();
            Identity::open(other.path()).expect("an identity");
            symlink(&target, &path).expect("a link");
            refused_until(home.path(), "rm ");
            assert!(target.exists());
        }

        #[test]
        fn a_dangling_link_is_refused() {
            let (home, path) = at_home();
            symlink(home.path().join("nowhere"), &path).expect("a link");
            refused_until(home.path(), "rm ");
        }

        #[test]
        fn an_empty_file_is_refused() {
            let (home, path) = at_home();
            write(&path, "\n");
            refused_until(home.path(), "rm ");
        }

        #[test]
        fn what_is_no_ed25519_key_is_refused_and_kept() {
            let rsa_or_ec = rcgen::KeyPair::generate()
                .expect("an ECDSA key")
                .serialize_der();
            let rsa_or_ec = BASE64_STANDARD.encode(rsa_or_ec);
            for garbage in [
                "garbage",
                "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                &format!("-----BEGIN PRIVATE KEY-----\n{rsa_or_ec}\n-----END PRIVATE KEY-----\n"),
            ] {
                let (home, path) = at_home();
                write(&path, garbage);
                refused_until(home.path(), "mv ");
                let kept = fs::read_to_string(home.path().join("identity.old")).expect("kept");
                assert_eq!(kept, garbage);
            }
        }

        #[test]
        fn what_is_no_file_is_refused() {
            let (home, path) = at_home();
            fs::create_dir(&path).expect("a directory");
            refused_until(home.path(), "mv ");
        }

        #[test]
        fn what_is_no_directory_is_refused() {
            let (outer, _) = at_home();
            let home = outer.path().join("it's $HOME");
            write(&home, "");
            refused_until(&home, "mv ");
        }

        #[test]
        fn what_belongs_to_another_is_refused() {
            let (home, path) = at_home();
            Identity::open(home.path()).expect("an identity");
            if chown(&path, Some(12345), None).is_err() {
                eprintln!("skipped: only root can give a file away");
                return;
            }
            let refusal = Identity::open(home.path())
                .expect_err("refused")
                .to_string();
            let user = rustix::process::geteuid().as_raw();
            let command = format!(": sudo chown {user} {}", path.display());
            assert!(refusal.ends_with(&command), "{refusal}");
        }
    }
}
