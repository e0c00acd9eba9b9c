//! Whatever is read as a control line can be written, and reads the same again.

#![no_main]

use chat_core::wire::Control;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    if let Ok(Some(control)) = Control::parse(json) {
        let line = control.to_line();
        assert_eq!(Control::parse(&line[1..line.len() - 1]), Ok(Some(control)));
    }
});
