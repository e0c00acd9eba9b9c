//! The status row: the peer, its verification, and the state of the connection.

use std::time::Duration;

use chat_core::protocol::ConnectionStatus;
use chat_core::trust::{Security, Verification};
use chat_core::wire::Presence;
use unicode_width::UnicodeWidthStr;

use crate::call_status::CallStatus;
use crate::locale;
use crate::screen::style::{Palette, Row, Style};
use crate::text::charset::Charset;
use crate::text::sanitize;

/// The contents of the status row.
#[derive(Debug)]
pub(crate) struct StatusRow<'a> {
    /// The status of the call.
    pub(crate) status: &'a CallStatus,
    /// The peer's name, sanitized.
    pub(crate) name: &'a str,
    /// Whether the peer is typing.
    pub(crate) typing: bool,
    /// How long nothing was heard, while the connection is silent or lost.
    pub(crate) silence: Duration,
    /// Whether this side is hanging up.
    pub(crate) hanging_up: bool,
    /// How many callers wait.
    pub(crate) waiting: usize,
    /// What is shown while there is no call.
    pub(crate) idle: &'a str,
}

/// The columns to which a long name may be cut.
const NAME: usize = 8;

/// The separator between two parts.
const GAP: &str = " · ";

impl StatusRow<'_> {
    /// The row. Less important parts are dropped first; the lock is never dropped.
    pub(crate) fn row(&self, columns: usize, palette: Palette) -> Row {
        let columns = columns.saturating_sub(1);
        let mut parts = self.parts(palette.charset);
        let width = |parts: &[Part]| {
            let texts: usize = parts.iter().map(|part| part.text.width()).sum();
            texts + GAP.width() * parts.len().saturating_sub(1)
        };
        while width(&parts) > columns {
            match parts.iter().map(|part| part.rank).max() {
                Some(least @ 1..) => parts.retain(|part| part.rank != least),
                _ => break,
            }
        }
        let over = width(&parts).saturating_sub(columns);
        if let [name, ..] = parts.as_mut_slice() {
            let length = name.text.width();
            let room = length.saturating_sub(over).max(length.min(NAME));
            name.text = sanitize::cut(&name.text, room).into_owned();
        }
        if width(&parts) > columns && parts.len() > 1 {
            parts.remove(0);
        }
        let mut row = Row::default();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                row.push(palette, Style::Faint, GAP, columns);
            }
            row.push(palette, part.style, &part.text, columns);
        }
        row
    }

    /// The parts from left to right.
    fn parts(&self, charset: Charset) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut part = |rank, style, text: String| {
            let text = charset.show(&text).into_owned();
            parts.push(Part { rank, style, text });
        };
        let CallStatus {
            peer,
            claims,
            presence,
            answering,
            ahead,
            link,
            ringing,
            ..
        } = self.status;
        match peer {
            Some(peer) => {
                part(0, Style::Peer, locale::short_name(peer));
                if let Some(claims) = claims {
                    part(1, Style::Warning, sanitize::quote(claims));
                }
                part(
                    0,
                    trust(&peer.security),
                    locale::text().lock(&peer.security).to_owned(),
                );
            }
            None if ringing.is_some() => {}
            None => part(0, Style::Plain, sanitize::line(self.idle).into_owned()),
        }
        if let Some(caller) = ringing {
            part(
                0,
                Style::Warning,
                locale::text().rings(&locale::short_name(caller)),
            );
            part(4, Style::Plain, locale::text().how_to_answer().to_owned());
        }
        if let Some(ahead) = ahead {
            part(1, Style::Warning, locale::text().ahead(*ahead));
        }
        if self.hanging_up {
            part(1, Style::Warning, locale::text().hanging_up().to_owned());
        }
        if let Some(text) = locale::text().link(link, self.silence) {
            match link {
                ConnectionStatus::Up { .. } => part(4, Style::Faint, text),
                _ => part(1, Style::Warning, text),
            }
        }
        if let Presence::Away(text) = presence {
            part(2, Style::Warning, locale::text().away(text));
        }
        if *answering {
            part(1, Style::Warning, locale::text().answering().to_owned());
        }
        if self.typing {
            part(
                2,
                Style::Plain,
                locale::text().typing(sanitize::cut(self.name, NAME).as_ref()),
            );
        }
        // Who rings was told of already.
        let others = self.waiting - self.waiting.min(ringing.iter().count());
        if others > 0 {
            part(3, Style::Warning, locale::text().waiting(others));
        }
        let hint = match peer {
            Some(_) => locale::text().hint(),
            None => locale::text().hint_alone(),
        };
        part(5, Style::Faint, hint.to_owned());
        parts
    }
}

/// A part of the row. Parts of the highest rank are dropped first.
#[derive(Debug)]
struct Part {
    rank: u8,
    style: Style,
    text: String,
}

fn trust(security: &Security) -> Style {
    match security {
        Security::Plaintext => Style::Alarm,
        Security::NoKey { .. } => Style::Warning,
        Security::Key { verification, .. } => match verification {
            Verification::New | Verification::Unverified => Style::Warning,
            Verification::Verified => Style::Good,
        },
    }
}
