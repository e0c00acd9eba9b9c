//! All that the screen shows and all that keys do, without a terminal: strokes and events go
//! in, inputs, lines and the live region come out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chat_core::driver::{Command, Input};
use chat_core::protocol::{ConnectionStatus, Event, Peer};
use chat_core::trust::Security;
use chat_core::wire::MAX_LINE;
use termina::event::{KeyCode, KeyEvent, KeyEventKind, Modifiers};

use crate::commands::{self, Request};
use crate::draft;
use crate::editor::{Action, Editor};
use crate::keys::Stroke;
use crate::painter::{Live, Size};
use crate::sanitize;
use crate::situation::Situation;
use crate::status::Status;
use crate::style::{Palette, Row, Style};
use crate::transcript::{self, Moment, Progress, Transcript};
use crate::words;

/// The most rows of the draft that are shown.
const DRAFT_ROWS: usize = 8;

/// The most of one's own messages that wait in the live region to be received.
const WAITING_ROWS: usize = 4;

/// The most inputs that wait to be taken by the conversation.
const MAX_INPUTS: usize = 256;

/// Keys that follow each other faster than this were not typed one by one.
const BURST: Duration = Duration::from_millis(10);

/// A person who has not touched a key for this long has stopped typing.
const THINKING: Duration = Duration::from_secs(5);

/// Messages after a silence this long ring anew.
const QUIET: Duration = Duration::from_secs(10);

/// A terminal that does not tell where the person looks: away after this long without a key.
const AWAY: Duration = Duration::from_secs(30);

/// How the screen looks and sounds.
#[derive(Clone, Debug)]
pub struct ScreenOptions {
    /// Whether colours are used.
    pub color: bool,
    /// Whether a message rings the bell while the person looks elsewhere.
    pub bell: bool,
    /// What the program does while nobody is on the line.
    pub idle: Idle,
}

/// What a program does while nobody is on the line, as the status row tells it.
#[derive(Clone, Debug)]
pub enum Idle {
    /// It calls somebody; hanging up gives that up.
    Calling(String),
    /// It waits for calls, with none to hang up.
    Waiting(String),
}

impl Idle {
    fn text(&self) -> &str {
        match self {
            Self::Calling(text) | Self::Waiting(text) => text,
        }
    }
}

/// What a key asks of the terminal itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urge {
    /// Stop the process, until the shell wakes it up.
    Suspend,
    /// Draw everything again.
    Redraw,
}

/// The state of the screen.
#[derive(Debug)]
pub struct View {
    options: ScreenOptions,
    palette: Palette,
    editor: Editor,
    transcript: Transcript,
    situation: Situation,
    call: Option<Call>,
    waiting: usize,
    /// A word to the person, shown until the next key.
    hint: Option<(Style, String)>,
    inputs: VecDeque<Input>,
    /// Whether the peer was told that the person is typing.
    typing: bool,
    burst: Burst,
    last_key: Instant,
    focus: Option<bool>,
    last_message: Option<Instant>,
    bell: bool,
    paste_stalled: bool,
    changed: bool,
}

/// What the screen keeps of a call that is on.
#[derive(Debug)]
struct Call {
    name: String,
    typing: bool,
    hanging_up: bool,
    /// How many of one's own messages the peer has received.
    received: u64,
    /// Those that it has not received yet, the oldest first.
    unreceived: VecDeque<Said>,
}

/// One's own message.
#[derive(Debug)]
struct Said {
    text: String,
    /// Whether it stands in the transcript already.
    written: bool,
}

/// Lines that come all at once: a paste into a terminal that does not mark pastes.
#[derive(Debug, Default)]
struct Burst {
    /// An Enter that may be the first of many, and when it is taken for a single one.
    enter: Option<Instant>,
    /// Whether several lines came in this burst.
    several: bool,
}

impl Call {
    fn new(peer: &Peer) -> Self {
        Self {
            name: harmless_name(peer),
            typing: false,
            hanging_up: false,
            received: 0,
            unreceived: VecDeque::new(),
        }
    }
}

fn harmless_name(peer: &Peer) -> String {
    sanitize::name(words::name_or_address(peer)).unwrap_or_default()
}

impl View {
    /// An empty screen.
    pub fn new(options: ScreenOptions, now: Moment) -> Self {
        let palette = Palette {
            color: options.color,
        };
        Self {
            options,
            palette,
            editor: Editor::default(),
            transcript: Transcript::new(palette),
            situation: Situation::default(),
            call: None,
            waiting: 0,
            hint: None,
            inputs: VecDeque::new(),
            typing: false,
            burst: Burst::default(),
            last_key: now.at,
            focus: None,
            last_message: None,
            bell: false,
            paste_stalled: false,
            changed: true,
        }
    }

    /// Whether there is something new to draw.
    pub fn has_changed(&self) -> bool {
        self.changed
    }

    /// Whether the conversation can have an input.
    pub fn has_input(&self) -> bool {
        !self.inputs.is_empty()
    }

    /// The next thing that the person did.
    pub fn next_input(&mut self) -> Option<Input> {
        self.inputs.pop_front()
    }

    /// The lines that wait to be drawn.
    pub fn transcript(&mut self) -> &mut Transcript {
        &mut self.transcript
    }

    /// Whether the bell is due; it is no longer, then.
    pub fn take_bell(&mut self) -> bool {
        std::mem::take(&mut self.bell)
    }

    /// Everything has to be drawn again.
    pub fn touch(&mut self) {
        self.changed = true;
    }

    /// A paste has begun long ago and does not end.
    pub fn paste_stalled(&mut self, stalled: bool) {
        self.changed |= self.paste_stalled != stalled;
        self.paste_stalled = stalled;
    }
}

/// What the person does.
impl View {
    /// Takes in the strokes that one read brought.
    pub fn strokes(&mut self, strokes: &[Stroke], now: Moment) -> Option<Urge> {
        let mut urge = None;
        let burst = now.at.duration_since(self.last_key) < BURST;
        if !burst {
            self.settle(now);
            self.burst = Burst::default();
        }
        for (index, stroke) in strokes.iter().enumerate() {
            self.changed = true;
            match stroke {
                Stroke::Focus(focus) => {
                    self.focus = Some(*focus);
                    continue;
                }
                Stroke::Paste(text) => {
                    self.settle(now);
                    self.hint = None;
                    self.insert(text);
                }
                Stroke::PasteTooLong(bytes) => {
                    self.warn(words::paste_too_long(*bytes, MAX_LINE));
                }
                Stroke::PasteCancelled => self.warn(words::PASTE_CANCELLED.to_owned()),
                Stroke::Key(key) => {
                    let alone = !burst && index == 0;
                    let last = index + 1 == strokes.len();
                    urge = self.key(*key, alone, last, now).or(urge);
                }
            }
            self.last_key = now.at;
        }
        self.tell_typing();
        urge
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn timeout(&self) -> Option<Instant> {
        let thinking = self.typing.then(|| self.last_key + THINKING);
        [self.burst.enter, thinking].into_iter().flatten().min()
    }

    /// Some timeout is due.
    pub fn handle_timeout(&mut self, now: Moment) {
        if self.burst.enter.is_some_and(|due| due <= now.at) {
            self.settle(now);
            self.tell_typing();
        }
        if self.typing && now.at.duration_since(self.last_key) >= THINKING {
            self.say_typing(false);
        }
    }

    /// An Enter that was held back turns out to be the last key for now.
    fn settle(&mut self, now: Moment) {
        if self.burst.enter.take().is_none() {
            return;
        }
        self.changed = true;
        if self.burst.several {
            self.editor.insert("\n");
            self.ask(words::gathered);
        } else {
            self.submit(now);
        }
    }

    fn key(&mut self, key: KeyEvent, alone: bool, last: bool, now: Moment) -> Option<Urge> {
        if self.burst.enter.take().is_some() {
            self.burst.several = true;
            self.editor.insert("\n");
        }
        let plain_enter = key.code == KeyCode::Enter
            && key.modifiers == Modifiers::NONE
            && key.kind != KeyEventKind::Release;
        if plain_enter && !alone && self.editor.search().is_none() {
            // More may follow at once; if not, it is an ordinary Enter.
            if last {
                self.burst.enter = Some(now.at + BURST);
            } else {
                self.burst.several = true;
                self.editor.insert("\n");
            }
            return None;
        }
        self.hint = None;
        match self.editor.key(key) {
            Action::Edited | Action::Escape => (),
            Action::Submit => self.submit(now),
            Action::Complete => self.complete(),
            Action::Interrupt if !self.editor.text().is_empty() => {
                self.editor.clear();
            }
            Action::Interrupt | Action::EndOfInput => self.leave(),
            Action::Suspend => return Some(Urge::Suspend),
            Action::Redraw => return Some(Urge::Redraw),
        }
        if self.burst.several {
            self.ask(words::gathered);
        }
        None
    }

    /// Several lines came at once: they are one message, if the person wants so.
    fn ask(&mut self, words: fn(usize) -> String) {
        let lines = self
            .editor
            .text()
            .trim_end_matches('\n')
            .split('\n')
            .count();
        self.warn(words(lines));
    }

    fn insert(&mut self, text: &str) {
        if self.editor.text().len() + text.len() > MAX_LINE {
            self.warn(words::paste_too_long(text.len(), MAX_LINE));
        } else {
            self.editor.insert(text);
            if text.contains('\n') {
                self.ask(words::pasted);
            }
        }
    }

    /// Enter.
    fn submit(&mut self, now: Moment) {
        let text = self.editor.text().trim_end_matches('\n');
        if text.is_empty() {
            self.editor.clear();
            return;
        }
        let request = match commands::parse(text) {
            Ok(request) => request,
            Err(mistake) => return self.warn(words::mistake(&mistake)),
        };
        match request {
            Request::Help => {
                self.transcript.remark(Style::Notice, words::HELP, now);
            }
            Request::Command(command) => self.command(command, now),
            Request::HangUp if self.call.is_some() => self.hang_up(),
            Request::HangUp => match self.options.idle {
                Idle::Calling(_) => self.leave(),
                Idle::Waiting(_) => return self.warn(words::NO_CALL.to_owned()),
            },
            Request::Say(_) if self.inputs.len() >= MAX_INPUTS => {
                return self.warn(words::FULL.to_owned());
            }
            Request::Say(text) => match &mut self.call {
                None => return self.warn(words::NOBODY.to_owned()),
                Some(call) => {
                    if self.situation.has_receipts() {
                        call.unreceived.push_back(Said {
                            text: text.clone(),
                            written: false,
                        });
                        self.write_old(now);
                    } else {
                        self.transcript.own(Progress::Unknown, &text, now);
                    }
                    // A message ends the typing by itself.
                    self.typing = false;
                    self.inputs.push_back(Input::Message(text));
                }
            },
        }
        self.editor.take();
    }

    /// Of the queue and the connection the screen knows most; the rest is the program's.
    fn command(&mut self, command: Command, now: Moment) {
        match words::situation(&self.situation) {
            Some(text) if command == Command::Status => {
                self.transcript.remark(Style::Notice, &text, now);
            }
            _ => self.inputs.push_back(Input::Command(command)),
        }
    }

    /// Keeps the newest messages in the live region, and writes the older ones down.
    fn write_old(&mut self, now: Moment) {
        let Some(call) = &mut self.call else {
            return;
        };
        let old = call.unreceived.len().saturating_sub(WAITING_ROWS);
        for said in call.unreceived.iter_mut().take(old) {
            if !said.written {
                said.written = true;
                self.transcript.own(Progress::Sent, &said.text, now);
            }
        }
    }

    /// Ctrl-C and Ctrl-D on an empty line.
    fn leave(&mut self) {
        match &self.call {
            Some(call) if !call.hanging_up => self.hang_up(),
            _ => self.inputs.push_back(Input::Command(Command::Quit)),
        }
    }

    fn hang_up(&mut self) {
        if let Some(call) = &mut self.call {
            call.hanging_up = true;
        }
        self.inputs.push_back(Input::HangUp);
    }

    fn complete(&mut self) {
        let typed = self.editor.text();
        match commands::completions(typed).as_slice() {
            [] => (),
            [name] => self.editor.set(format!("{name} ")),
            names => self.hint = Some((Style::Faint, names.join("  "))),
        }
    }

    fn warn(&mut self, text: String) {
        self.hint = Some((Style::Warning, text));
        self.changed = true;
    }

    fn tell_typing(&mut self) {
        let text = self.editor.text();
        let typing = self.call.is_some() && !text.is_empty() && !text.starts_with('/');
        if typing != self.typing {
            self.say_typing(typing);
        }
    }

    fn say_typing(&mut self, typing: bool) {
        self.typing = typing;
        // If it has to wait, it is not worth telling any more.
        if self.inputs.is_empty() && self.call.is_some() {
            self.inputs.push_back(Input::Typing(typing));
        }
    }
}

/// What happens.
impl View {
    /// Takes in an event.
    pub fn event(&mut self, event: Event, now: Moment) {
        self.changed = true;
        self.situation.learn(&event);
        match &event {
            Event::Established(peer) => {
                self.call = Some(Call::new(peer));
                self.hint = None;
                self.ring(now);
            }
            Event::Peer(peer) => {
                if let Some(call) = &mut self.call {
                    call.name = harmless_name(peer);
                }
            }
            Event::Lines(batch) => {
                for line in batch.lines() {
                    self.message(line, now);
                }
                return;
            }
            Event::Message(text) => return self.message(text, now),
            Event::Delivered(count) => return self.delivered(*count, now),
            Event::QueueLength(callers) => self.waiting = *callers,
            Event::Typing(typing) => {
                if let Some(call) = &mut self.call {
                    call.typing = *typing;
                }
            }
            Event::Connection(link) => {
                if let Some(call) = &mut self.call {
                    call.typing &= matches!(link, ConnectionStatus::Up { .. });
                }
                // The status row counts the tries; one line of them is enough.
                if matches!(link, ConnectionStatus::Reconnecting(2..)) {
                    return;
                }
            }
            Event::SendFailed(text, _) => self.unsaid(text),
            Event::Ended(_) => self.ended(now),
            Event::PeerEof
            | Event::SafetyNumber { .. }
            | Event::QueuePosition(_)
            | Event::PeerIdleTimeout(_)
            | Event::Notice(_) => (),
        }
        if let Some(text) = words::describe(&event) {
            let style = match &event {
                Event::SendFailed(..) => Style::Alarm,
                Event::Established(peer) if peer.security == Security::Plaintext => Style::Alarm,
                _ => Style::Notice,
            };
            self.transcript.remark(style, &text, now);
        }
    }

    fn message(&mut self, text: &str, now: Moment) {
        self.ring(now);
        let name = match &mut self.call {
            Some(call) => {
                call.typing = false;
                call.name.as_str()
            }
            None => "",
        };
        self.transcript.message(name, text, now);
    }

    /// Rings once for what comes while the person looks elsewhere.
    fn ring(&mut self, now: Moment) {
        let away = match self.focus {
            Some(focus) => !focus,
            None => now.at.duration_since(self.last_key) >= AWAY,
        };
        let last = self.last_message.replace(now.at);
        let quiet =
            last.is_none_or(|last| last < self.last_key || now.at.duration_since(last) >= QUIET);
        self.bell |= self.options.bell && away && quiet;
    }

    fn delivered(&mut self, count: u64, now: Moment) {
        let Some(call) = &mut self.call else {
            return;
        };
        let mut later = 0;
        while call.received < count
            && let Some(said) = call.unreceived.pop_front()
        {
            call.received += 1;
            if said.written {
                later += 1;
            } else {
                self.transcript.own(Progress::Received, &said.text, now);
            }
        }
        if later > 0 {
            self.transcript
                .remark(Style::Faint, &words::received_later(later), now);
        }
    }

    /// A message was refused: it does not count, and may be mended.
    fn unsaid(&mut self, text: &str) {
        if let Some(call) = &mut self.call
            && let Some(index) = call.unreceived.iter().position(|said| said.text == text)
        {
            call.unreceived.remove(index);
        }
        if self.editor.text().is_empty() {
            self.editor.set(text.to_owned());
        }
    }

    fn ended(&mut self, now: Moment) {
        if let Some(call) = self.call.take() {
            for said in call.unreceived.iter().filter(|said| !said.written) {
                self.transcript.own(Progress::Lost, &said.text, now);
            }
        }
        self.typing = false;
        // What was meant for this peer must not reach the next one.
        self.inputs
            .retain(|input| matches!(input, Input::Command(_)));
    }
}

/// What is to be seen.
impl View {
    /// The live region for a terminal of this size.
    pub fn live(&mut self, size: Size) -> Live {
        self.changed = false;
        let Size { columns, rows } = size;
        let mut room = rows.saturating_sub(1);
        let mut live = Live::default();

        let status = (room > 0).then(|| {
            room -= 1;
            self.status(columns)
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
        let hint = self.hint_row(columns).filter(|_| room > 0);
        room -= usize::from(hint.is_some());

        live.rows.extend(self.waiting_rows(columns, room));
        live.rows.extend(hint);
        live.cursor = (
            live.rows.len() + draft.row,
            draft.column.min(columns.saturating_sub(1)),
        );
        live.rows.extend(draft.rows);
        live.rows.extend(status);
        live
    }

    fn status(&self, columns: usize) -> Row {
        let call = self.call.as_ref();
        Status {
            situation: &self.situation,
            name: call.map_or("", |call| &call.name),
            typing: call.is_some_and(|call| call.typing),
            hanging_up: call.is_some_and(|call| call.hanging_up),
            waiting: self.waiting,
            idle: self.options.idle.text(),
        }
        .row(columns, self.palette)
    }

    fn hint_row(&self, columns: usize) -> Option<Row> {
        let (style, text) = match &self.hint {
            _ if self.paste_stalled => (Style::Warning, words::PASTE_STALLED),
            Some((style, text)) => (*style, text.as_str()),
            None => return None,
        };
        let mut row = Row::default();
        row.push(
            self.palette,
            style,
            &sanitize::line(text),
            columns.saturating_sub(1),
        );
        Some(row)
    }

    /// One's own messages on their way, one row each, the newest last.
    fn waiting_rows(&self, columns: usize, room: usize) -> Vec<Row> {
        let Some(call) = &self.call else {
            return Vec::new();
        };
        let waiting = call.unreceived.iter().filter(|said| !said.written);
        let skipped = waiting.clone().count().saturating_sub(room);
        waiting
            .skip(skipped)
            .map(|said| {
                let mut row = Row::default();
                let columns = columns.saturating_sub(1);
                row.push(self.palette, Style::Faint, "      ", columns);
                transcript::own_mark(self.palette, Progress::Sent, columns, &mut row);
                let text = said.text.split('\n').next().unwrap_or_default();
                row.push(self.palette, Style::Plain, &sanitize::line(text), columns);
                row
            })
            .collect()
    }

    /// The row of a search through the history.
    fn search(&self, text: &str, found: Option<&str>, columns: usize) -> draft::Draft {
        let columns = columns.saturating_sub(1);
        let mut row = Row::default();
        let prompt = words::searching(&sanitize::line(text));
        row.push(self.palette, Style::Faint, &prompt, columns);
        let column = row.width();
        let found = found.unwrap_or(words::NOT_FOUND);
        row.push(self.palette, Style::Plain, &sanitize::line(found), columns);
        draft::Draft {
            rows: vec![row],
            row: 0,
            column,
        }
    }
}
