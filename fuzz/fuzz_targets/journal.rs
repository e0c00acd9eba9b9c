//! A journal that says anything at all: it is read to its end or refused, and what is open can be
//! resumed twice.

#![no_main]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use chat_core::journal::{Calls, Durability, Found};
use chat_core::trust::Fingerprint;
use chat_core::wire::Hex;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let home = PathBuf::from(format!("/dev/shm/chat-fuzz-{}", std::process::id()));
    let calls = Calls::open(&home).expect("a directory");
    let (peer, session) = (Fingerprint::from_bytes([7; 32]), Hex([5; 16]));
    let path = home
        .join("calls")
        .join(format!("{}.{session}.jsonl", Hex([7; 32])));
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
    let _ = calls.peek(peer, session);
    let first = calls.resume(peer, session, Durability::Program);
    if let Ok(Found::Open(journal, _)) = first {
        drop(journal);
    }
    let _ = calls.unread();
    let _ = fs::remove_file(&path);
});
