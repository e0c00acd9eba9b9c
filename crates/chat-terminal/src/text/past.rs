//! Messages of earlier as rows that are safe to print.

use chat_core::protocol::{Delivery, PastMessage, Side};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::borrow::Cow;

use crate::locale;
use crate::text::{action, sanitize};

/// Before each row that stands among new ones, with a blank.
pub(crate) const MARK: &str = "◂";

/// Makes rows of messages, in local time, with one for each new day.
#[derive(Debug)]
pub(crate) struct PastRows {
    /// The peer's name, which is sanitized.
    name: String,
    zone: TimeZone,
    day: Option<Date>,
}

impl PastRows {
    /// For messages with the peer of this name. The first one has a row for its day.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: sanitize::name(name).unwrap_or_default(),
            zone: TimeZone::system(),
            day: None,
        }
    }

    /// The rows of the next message, without line ends.
    pub(crate) fn rows(&mut self, message: &PastMessage) -> Vec<String> {
        let time = local_time(message, &self.zone);
        let mut rows = Vec::new();
        if self.day.replace(time.date()) != Some(time.date()) {
            rows.push(locale::text().day(time.date()));
        }
        let action = (message.side == Side::Remote).then(|| action::of(&message.text));
        let (speaker, text) = match action.flatten() {
            Some(action) => (format!("* {}", self.name), Cow::Borrowed(action)),
            None => (
                speaker(message, &self.name),
                action::after_name(&message.text),
            ),
        };
        let mut start = format!("{:02}:{:02} {speaker} ", time.hour(), time.minute());
        for text in text.split('\n') {
            let text = sanitize::line(text.strip_suffix('\r').unwrap_or(text));
            rows.push(format!("{start}{text}"));
            start = "        │ ".to_owned();
        }
        rows
    }
}

/// When a message was recorded, in local time.
pub(crate) fn local_time(message: &PastMessage, zone: &TimeZone) -> Zoned {
    let time = Timestamp::from_second(message.at.unix_timestamp());
    time.unwrap_or_default().to_zoned(zone.clone())
}

/// Who said it, as it stands before the text: nobody can take the name `you:`.
pub(crate) fn speaker(message: &PastMessage, name: &str) -> String {
    let mark = match (message.side, message.delivery) {
        (Side::Remote, _) => return format!("<{name}>"),
        (Side::Local, Delivery::Arrived) => '✓',
        (Side::Local, Delivery::Pending) => '·',
        (Side::Local, Delivery::Lost) => '✗',
    };
    format!("{mark} {}", locale::text().you())
}

#[cfg(test)]
mod tests {
    use chat_core::protocol::Side;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_somebody_did_follows_a_star_and_the_name() {
        let row = |side| {
            let message = PastMessage {
                side,
                at: std::time::UNIX_EPOCH.into(),
                text: "/me waves".to_owned(),
                delivery: Delivery::Arrived,
            };
            let row = PastRows::new("ann").rows(&message).pop();
            row.unwrap_or_default()
        };
        assert!(row(Side::Remote).ends_with(" * ann waves"));
        assert!(row(Side::Local).ends_with(" ✓ you: * waves"));
    }

    proptest! {
        /// Nothing in a message or a name acts on the terminal, or begins a row.
        #[test]
        fn rows_only_print(text in any::<String>(), name in any::<String>(), is_own in any::<bool>()) {
            let message = PastMessage {
                side: if is_own { Side::Local } else { Side::Remote },
                at: std::time::UNIX_EPOCH.into(),
                text,
                delivery: Delivery::Arrived,
            };
            let rows = PastRows::new(&name).rows(&message);
            prop_assert_eq!(rows.len(), 2 + message.text.matches('\n').count());
            let starts: &[_] = if is_own { &["✓ you: "] } else { &["<", "* "] };
            let start = rows[1].split_at_checked(6).map(|(_, row)| row).unwrap_or_default();
            prop_assert!(starts.iter().any(|mark| start.starts_with(mark)), "{}", rows[1]);
            for row in &rows {
                prop_assert!(!row.chars().any(char::is_control), "{row:?}");
            }
        }
    }
}
