//! Completions in the shell, as the packages install them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use chat_testkit::home;
use chat_testkit::process::program;

const COMPLETIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/completions");

/// Two friends, and a stranger who chose a name for the shell.
const KNOWN_PEERS: &str = "\
ann,ann.example:7788,192.0.2.7:99 ed25519 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU 2026-01-02 verified
李雷 ed25519 SHA256:57DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU 2026-01-02 verified
$(reboot) ed25519 SHA256:67DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU 2026-01-02 unverified
";

/// What bash offers for the last of these words, with this home.
fn offered(words: &[&str], home: &Path) -> Vec<String> {
    let directory = program("");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([directory].into_iter().chain(std::env::split_paths(&path)));
    // What bash does when Tab is pressed.
    let script = r#"
        source "$0/$1.bash"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
        "_clap_complete_${1//-/_}" "$1" "${!#}" 2> /dev/null
        printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash")
        .args(["-c", script, COMPLETIONS])
        .args(words)
        .env("PATH", path.expect("a path"))
        .env("CHAT_HOME", home)
        .output()
        .expect("bash starts");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    printed.lines().map(str::to_owned).collect()
}

#[test]
fn known_peers_are_offered_unless_a_shell_could_mistake_them() {
    let home = home();
    let path = home.path().join("known_peers");
    fs::write(&path, KNOWN_PEERS).expect("written");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("chmod");
    for program in ["chat-client", "chat-server"] {
        let names = offered(&[program, "--forget", ""], home.path());
        assert_eq!(names, ["ann", "李雷"]);
    }
    let to_call = offered(&["chat-client", "a"], home.path());
    assert_eq!(to_call, ["ann", "ann.example"]);
    let to_call = offered(&["chat-client", "李"], home.path());
    assert_eq!(to_call, ["李雷"]);
    let keys = offered(&["chat-client", "--peer-key", ""], home.path());
    assert_eq!(keys.len(), 2, "{keys:?}");
}

#[test]
fn options_and_their_values_are_offered() {
    let home = home();
    let known = offered(&["chat-server", "--known"], home.path());
    assert_eq!(known, ["--known-only"]);
    let framings = offered(&["chat-client", "--framing", ""], home.path());
    assert_eq!(framings, ["auto", "line", "raw"]);
}

#[test]
fn who_only_asks_leaves_nothing_behind() {
    let home = home();
    let nowhere = home.path().join("not-there");
    assert_eq!(offered(&["chat-client", "--forget", ""], &nowhere), [""]);
    assert!(!nowhere.exists());
}
