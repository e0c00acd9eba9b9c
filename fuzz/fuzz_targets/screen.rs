//! What a peer says and what a person types, at a terminal of any size and charset: no byte that
//! reaches it acts, but for our own sequences.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| chat_terminal::fuzz::screen(data));
