//! An offer and all that follows it, from a sender who writes what it likes: nothing leaves the
//! directory, and a name is one component.

#![no_main]

use std::fs;
use std::path::Path;

use chat_core::files::{Directory, Expected, FileName, Incoming, Progress};
use chat_core::wire::{Control, FileLine, Hex};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (json, wire) = match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[][..]),
    };
    let _ = FileLine::parse(json);
    let Ok(Some(Control::Offer(offer))) = Control::parse(json) else {
        return;
    };
    let name = FileName::sanitize(&offer.name);
    assert_eq!(FileName::sanitize(name.as_str()), name);
    assert!(!name.as_str().contains(['/', '\0']) && name.as_str().len() <= 255);
    let place = Path::new("/dev/shm").join(format!("chat-fuzz-{}", std::process::id()));
    let _ = fs::remove_dir_all(&place);
    let expected = Expected {
        id: Hex([1; 16]),
        name,
        size: offer.size.min(1 << 16),
        files: offer.files.map(|files| files.min(64)),
    };
    let directory = Directory::open(&place.join("in")).expect("a directory");
    let incoming = Incoming::open(directory, expected).expect("room");
    if let Ok(complete) = incoming.receive(&mut &wire[..], &Progress::default()) {
        complete.publish().expect("a name");
    }
    let outside = fs::read_dir(&place).expect("a directory").count();
    assert_eq!(outside, 1, "nothing beside it");
    let _ = fs::remove_dir_all(&place);
});
