//! What an ssh-agent answers: no panic, and no signature that is none.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|answer: &[u8]| chat_core::trust::agent_fuzz(answer));
