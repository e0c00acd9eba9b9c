//! What is said, as lines of chat/1: most text is its own line, the rest a `say` control line.

use bytes::Bytes;
use memchr::{memchr, memchr2, memmem};

use super::Event;
use crate::wire::{Batch, CONTROL, Control, MAX_LINE, is_hang_up};

/// The longest piece of a line that fits into a `say` whatever it holds, in bytes: JSON
/// needs up to six bytes for one.
const SAFE_PIECE: usize = MAX_LINE / 8;

/// One message as a line, which may be longer than [`MAX_LINE`].
pub(super) fn message(text: &str) -> Bytes {
    if is_plain(text) {
        Bytes::from(format!("{text}\n"))
    } else {
        Control::Say(text.to_owned()).to_line()
    }
}

/// Passes `lines` on as they cross the wire, in order and in as few batches as can be.
pub(super) fn lines(mut lines: Batch, push: &mut impl FnMut(Batch)) {
    if may_hold_special(lines.as_bytes()) {
        let mut plain = 0;
        for line in lines.clone().lines() {
            if is_plain(line) {
                plain += 1;
            } else {
                push(lines.split_to(std::mem::take(&mut plain)));
                lines.skip(1);
                special(line, push);
            }
        }
    }
    push(lines);
}

/// Passes on a line that cannot cross the wire as it is: as one message if it fits into a
/// `say`, else as several.
fn special(line: &str, push: &mut impl FnMut(Batch)) {
    let control = Control::Say(line.to_owned()).to_line();
    if control.len() <= MAX_LINE + 1 {
        return push(Batch::from_wire(control, 1));
    }
    let (head, tail) = line.split_at(line.floor_char_boundary(SAFE_PIECE));
    special(head, push);
    if is_plain(tail) {
        push(Batch::from_lines(tail, MAX_LINE));
    } else {
        special(tail, push);
    }
}

/// Whether a message can cross the wire as a line, and comes out as it was: a CR at its end
/// would be taken for a part of the line's end.
fn is_plain(message: &str) -> bool {
    let bytes = message.as_bytes();
    bytes.first() != Some(&CONTROL)
        && bytes.last() != Some(&b'\r')
        && !is_hang_up(bytes)
        && memchr(b'\n', bytes).is_none()
}

/// Whether some of these lines may not be plain. Quick, and right when it says no.
fn may_hold_special(lines: &[u8]) -> bool {
    memchr2(CONTROL, b'\r', lines).is_some()
        || lines.starts_with(b"88\n")
        || memmem::find(lines, b"\n88\n").is_some()
}

/// A message that came in a control line.
pub(super) fn heard(text: String) -> Event {
    if text.contains(['\n', '\r']) {
        Event::Message(text)
    } else {
        Event::Lines(Batch::from_lines(&text, MAX_LINE))
    }
}

/// The text of a message, of the line that it became.
pub(super) fn text_of(line: &str) -> String {
    let control = line.strip_prefix(char::from(CONTROL));
    match control.map(|json| Control::parse(json.as_bytes())) {
        Some(Ok(Some(Control::Say(text)))) => text,
        _ => line.to_owned(),
    }
}
