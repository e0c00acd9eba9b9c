//! What comes from a terminal: the same keys and pastes, wherever reads cut it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|typed: &[u8]| chat_terminal::fuzz::keyboard(typed));
