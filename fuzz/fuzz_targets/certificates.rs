//! The certificates of a peer: whatever they are, no key vouches that has not signed. Each has its
//! length before it, in two bytes.

#![no_main]

use chat_core::trust::replaced_keys;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    let mut chain = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (certificate, after) = after.split_at(length);
        chain.push(certificate.to_vec().into());
        rest = after;
    }
    let replaced = replaced_keys(&chain);
    assert!(replaced.len() <= 3 && replaced.len() <= chain.len().saturating_sub(2));
});
