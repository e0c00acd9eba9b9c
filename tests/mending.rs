//! Files that cannot be used: what the user reads ends with the command that mends them.

#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use chat_core::transport::KeyringError;
use chat_core::trust::Identity;
use chat_terminal::locale::Explain;

fn at_home() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("identity");
    (home, path)
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    chmod(path, 0o600);
}

/// What the user reads whose identity is refused.
fn told(home: &Path) -> String {
    let refusal = Identity::open(home).expect_err("refused");
    KeyringError::from(refusal).explain()
}

/// Expects a refusal in one line that ends with `command`, a shell command after
/// which all is well.
fn refused_until(home: &Path, command: &str) {
    let refusal = told(home);
    let (what, mends) = refusal.rsplit_once(": ").expect("a command");
    assert!(mends.starts_with(command), "{refusal}");
    assert!(what.contains(home.to_str().expect("UTF-8")), "{refusal}");
    assert!(!refusal.contains('\n'), "{refusal}");
    let status = Command::new("sh").args(["-c", mends]).status();
    assert!(status.expect("a shell").success(), "{mends}");
    Identity::open(home).expect("mended");
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
    for garbage in [
        "garbage",
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        // An ECDSA key.
        "-----BEGIN PRIVATE KEY-----\n\
         MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgt9GU99ABCAIqss/w2z0uWd3Ib9qWkDOLsGPlLbhM\
         TVChRANCAASdEImJxc8uGl5A/ZpJxnxlLrcAp/4OHfl/dp1XA9W9Cn1EuX8aufs1WWmnPWEtQG2Xk9v3BA1TmsMI\
         160tW4xu\n-----END PRIVATE KEY-----\n",
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
    let refusal = told(home.path());
    let user = rustix::process::geteuid().as_raw();
    let command = format!(": sudo chown {user} {}", path.display());
    assert!(refusal.ends_with(&command), "{refusal}");
}
