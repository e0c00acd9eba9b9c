//! The layout of the live region.

use std::time::{Duration, Instant};

use super::View;
use crate::locale;
use crate::screen::draft;
use crate::screen::line::{self, GUTTER};
use crate::screen::painter::LiveRegion;
use crate::screen::size::Size;
use crate::screen::status_row::StatusRow;
use crate::screen::style::{Row, Style};
use crate::screen::transcript::DeliveryState;
use crate::text::wrap::{self, LongWords};
use crate::text::{action, sanitize};

/// The most rows of the draft that are shown.
const DRAFT_ROWS: usize = 8;

/// Before the further rows of a hint: a name in it may be what they begin with.
const HINT_HANG: &str = "  ";

impl View {
    /// Returns the live region for a terminal of this size.
    pub(crate) fn live(&mut self, size: Size, now: Instant) -> LiveRegion {
        self.changed = false;
        self.next_second = self.silent_since.map(|since| {
            let silence = now.saturating_duration_since(since).as_secs();
            since + Duration::from_secs(silence + 1)
        });
        let Size { columns, rows } = size;
        let mut room = rows.saturating_sub(1);
        let mut live = LiveRegion::default();

        let status = (room > 0).then(|| {
            room -= 1;
            self.status_row(columns, now)
        });
        let draft = match self.editor.search() {
            Some((text, found)) => self.search(text, found, columns),
            None => draft::lay_out(
                self.editor.text(),
                self.editor.cursor(),
                columns,
                DRAFT_ROWS.min(room + 1),
                self.palette,
            ),
        };
        room = (room + 1).saturating_sub(draft.rows.len());
        let hint = self.hint_rows(columns, room);
        room -= hint.len();

        let files = self.files_row(columns).filter(|_| room > 0);
        room -= usize::from(files.is_some());

        live.rows.extend(self.waiting_rows(columns, room));
        live.rows.extend(files);
        live.rows.extend(hint);
        live.cursor = (
            live.rows.len() + draft.row,
            draft.column.min(columns.saturating_sub(1)),
        );
        live.rows.extend(draft.rows);
        live.rows.extend(status);
        live
    }

    fn status_row(&self, columns: usize, now: Instant) -> Row {
        let call = self.call.as_ref();
        StatusRow {
            status: &self.status,
            name: call.map_or("", |call| &call.peer.name),
            typing: call.is_some_and(|call| call.typing),
            silence: self
                .silent_since
                .map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
            hanging_up: call.is_some_and(|call| call.hanging_up),
            waiting: self.waiting,
            idle: self.options.idle.text(),
        }
        .row(columns, self.palette)
    }

    /// The hint or warning, if there is one, in at most `room` rows.
    fn hint_rows(&self, columns: usize, room: usize) -> Vec<Row> {
        let (style, text) = match &self.hint {
            _ if self.paste_stalled => (Style::Warning, locale::text().paste_stalled()),
            Some((style, text)) => (*style, text.as_str()),
            None => return Vec::new(),
        };
        let text = sanitize::line(text);
        let text = self.palette.charset.show(&text);
        let columns = columns.saturating_sub(1);
        let width = match wrap::columns(&text) <= columns {
            true => columns,
            false => columns.saturating_sub(HINT_HANG.len()),
        };
        let pieces = wrap::wrap(&text, width, width, LongWords::Broken);
        let rows = pieces.into_iter().enumerate().take(room);
        let rows = rows.map(|(index, piece)| {
            let mut row = Row::default();
            if index > 0 {
                row.push(self.palette, Style::Plain, HINT_HANG, columns);
            }
            let text = text[piece.range].trim_matches(' ');
            row.push(self.palette, style, text, columns);
            row
        });
        rows.collect()
    }

    /// How far the files are that are under way.
    fn files_row(&self, columns: usize) -> Option<Row> {
        let text = locale::text().progress(&self.files)?;
        let mut row = Row::default();
        row.push(
            self.palette,
            Style::Faint,
            &sanitize::line(&text),
            columns.saturating_sub(1),
        );
        Some(row)
    }

    /// This side's unacknowledged messages, one row each, the newest last.
    fn waiting_rows(&self, columns: usize, room: usize) -> Vec<Row> {
        let Some(call) = &self.call else {
            return Vec::new();
        };
        let waiting = call.unreceived.iter().filter(|message| !message.written);
        let skipped = waiting.clone().count().saturating_sub(room);
        waiting
            .skip(skipped)
            .map(|message| {
                let mut row = Row::default();
                let columns = columns.saturating_sub(1);
                row.push(self.palette, Style::Faint, GUTTER, columns);
                line::own_mark(self.palette, DeliveryState::Sent, columns, &mut row);
                let text = message.text.split('\n').next().unwrap_or_default();
                let text = action::after_name(text);
                row.push(self.palette, Style::Plain, &sanitize::line(&text), columns);
                row
            })
            .collect()
    }

    /// The row of a search through the history.
    fn search(&self, text: &str, found: Option<&str>, columns: usize) -> draft::Draft {
        let columns = columns.saturating_sub(1);
        let mut row = Row::default();
        let prompt = locale::text().searching(&sanitize::line(text));
        row.push(self.palette, Style::Faint, &prompt, columns);
        let column = row.width();
        let found = found.unwrap_or(locale::text().not_found());
        row.push(self.palette, Style::Plain, &sanitize::line(found), columns);
        draft::Draft {
            rows: vec![row],
            row: 0,
            column,
        }
    }
}
