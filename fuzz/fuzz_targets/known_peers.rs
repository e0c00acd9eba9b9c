//! A file of known peers that says anything at all: what is not understood stays byte for byte.

#![no_main]

use std::fs;
use std::path::PathBuf;

use chat_core::trust::{Fingerprint, KnownPeers};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let home = PathBuf::from(format!("/dev/shm/chat-fuzz-{}", std::process::id()));
    let known = KnownPeers::open(&home).expect("a directory");
    let path = home.join("known_peers");
    fs::write(&path, text).expect("written");
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
    let list = known.load().expect("it is ours");
    let before: Vec<_> = list.peers().map(|peer| peer.fingerprint).collect();
    let unreadable = list.unreadable().count();
    let key = Fingerprint::from_bytes([9; 32]);
    if !before.contains(&key) {
        let peer = known.remember("ann", None, key).expect("room");
        assert_eq!(peer.fingerprint, key);
        known.verify("ann", key).expect("it is known");
        let new = Fingerprint::from_bytes([8; 32]);
        if !before.contains(&new) {
            known
                .accept_key(&key.to_string(), new)
                .expect("it is known");
            known.forget(&new.to_string()).expect("it is known");
        }
        if before.len() < 900 {
            let after = fs::read(&path).expect("the file");
            assert!(after.starts_with(text) && after.len() <= text.len() + 1);
            assert_eq!(known.load().expect("ours").unreadable().count(), unreadable);
        }
    }
    let _ = fs::remove_file(&path);
});
