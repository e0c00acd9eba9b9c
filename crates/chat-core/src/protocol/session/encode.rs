//! Messages as lines of chat/1: most text is its own line, the rest a `say` control line.

use bytes::Bytes;
use memchr::{memchr, memchr2, memmem};

use crate::protocol::{Event, SendError};
use crate::wire::{Batch, CONTROL, Control, MAX_LINE, is_hang_up};

/// One message as a line on the wire.
pub(super) fn message(text: &str) -> Result<Batch, SendError> {
    let line = if is_plain(text) {
        Bytes::from(format!("{text}\n"))
    } else {
        Control::Say(text.to_owned()).to_line()
    };
    let (length, limit) = (line.len() - 1, MAX_LINE);
    if length > limit {
        return Err(SendError::TooLong { length, limit });
    }
    Ok(Batch::from_wire(line, 1))
}

/// Passes `lines` to `push` as they cross the wire, in order and in few batches: all of them, or
/// those before the first that is too long.
pub(super) fn lines(mut lines: Batch, push: &mut impl FnMut(Batch)) -> Result<(), SendError> {
    if may_hold_special(&lines) {
        let mut plain = 0;
        for line in lines.clone().lines() {
            if is_plain(line) {
                plain += 1;
            } else {
                push(lines.split_to(std::mem::take(&mut plain)));
                lines.skip(1);
                push(message(line)?);
            }
        }
    }
    push(lines);
    Ok(())
}

/// Whether a message can cross the wire as a line of its own, unchanged: a CR at its end would
/// be taken for a part of the line ending.
fn is_plain(message: &str) -> bool {
    let bytes = message.as_bytes();
    bytes.first() != Some(&CONTROL)
        && bytes.last() != Some(&b'\r')
        && !is_hang_up(bytes)
        && memchr(b'\n', bytes).is_none()
}

/// Whether some of these lines may not be plain. Quick; `false` is certain.
fn may_hold_special(lines: &Batch) -> bool {
    let bytes = lines.as_bytes();
    memchr2(CONTROL, b'\r', bytes).is_some()
        || bytes.starts_with(b"88\n")
        || lines.len() > 1 && memmem::find(bytes, b"\n88\n").is_some()
}

/// The event for a message that came in a control line.
pub(super) fn event(text: String) -> Event {
    if text.contains(['\n', '\r']) {
        Event::Message(text)
    } else {
        Event::Lines(Batch::from_lines(&text, MAX_LINE))
    }
}

/// The text of a message, from the line that it became.
pub(super) fn text_of(line: &str) -> String {
    let control = line.strip_prefix(char::from(CONTROL));
    match control.map(|json| Control::parse(json.as_bytes())) {
        Some(Ok(Some(Control::Say(text)))) => text,
        _ => line.to_owned(),
    }
}
