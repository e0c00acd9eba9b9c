//! What the user does: how keys and pastes edit, send and run commands.

use std::time::{Duration, Instant};

use chat_core::driver::{Command, Input};
use chat_core::wire::MAX_LINE;
use termina::event::{KeyCode, KeyEvent, KeyEventKind, Modifiers};

use super::{Idle, PendingMessage, View};
use crate::input::commands::{self, Request};
use crate::input::editor::Action;
use crate::input::parser::InputEvent;
use crate::input::paths;
use crate::locale;
use crate::screen::style::Style;
use crate::screen::transcript::{DeliveryState, Timestamp};

/// The most unacknowledged messages that are shown in the live region.
const WAITING_ROWS: usize = 4;

/// The most inputs that wait to be taken by the call.
const MAX_INPUTS: usize = 256;

/// Keys that follow each other faster than this are a paste.
const PASTE_GAP: Duration = Duration::from_millis(10);

/// A second Ctrl-C within this time was meant for the draft, too, and does not hang up.
const HASTE: Duration = Duration::from_secs(1);

/// The user counts as typing for this long after a key.
const TYPING_TIMEOUT: Duration = Duration::from_secs(5);

/// A request to the terminal itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TerminalRequest {
    /// Stop the process until the shell continues it.
    Suspend,
    /// Draw everything again.
    Redraw,
}

/// Detects a paste by its speed, on a terminal without bracketed paste.
#[derive(Debug, Default)]
pub(super) struct PasteDetector {
    /// An Enter is held back: when it counts as a single one.
    enter: Option<Instant>,
    /// Whether the paste has several lines.
    several: bool,
}

impl View {
    /// Handles the input events of one read.
    pub(crate) fn input_events(
        &mut self,
        input_events: &[InputEvent],
        now: Timestamp,
    ) -> Option<TerminalRequest> {
        let mut request = None;
        let burst = now.at.duration_since(self.attention.last_key) < PASTE_GAP;
        if !burst {
            self.settle(now);
            self.paste_detector = PasteDetector::default();
        }
        for (index, event) in input_events.iter().enumerate() {
            self.changed = true;
            match event {
                InputEvent::Focus(focus) => {
                    self.attention.set_focus(*focus);
                    continue;
                }
                InputEvent::Paste(text) => {
                    self.options.marks_pastes = true;
                    self.settle(now);
                    self.hint = None;
                    // The line feed at the end of a line is no second line.
                    self.insert(text.strip_suffix('\n').unwrap_or(text));
                }
                InputEvent::PasteTooLong(bytes) => {
                    self.warn(locale::text().paste_too_long(*bytes, MAX_LINE));
                }
                InputEvent::PasteCancelled => {
                    self.warn(locale::text().paste_cancelled().to_owned())
                }
                InputEvent::Key(key) => {
                    let alone = self.options.marks_pastes || !burst && index == 0;
                    let last = index + 1 == input_events.len();
                    request = self.key(*key, alone, last, now).or(request);
                }
            }
            self.attention.key(now.at);
        }
        self.tell_typing();
        request
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(crate) fn timeout(&self) -> Option<Instant> {
        let thinking = self
            .typing
            .then(|| self.attention.last_key + TYPING_TIMEOUT);
        [self.paste_detector.enter, thinking, self.next_second]
            .into_iter()
            .flatten()
            .min()
    }

    /// Handles the timeouts that are due.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        if self.paste_detector.enter.is_some_and(|due| due <= now.at) {
            self.settle(now);
            self.tell_typing();
        }
        if self.next_second.is_some_and(|due| due <= now.at) {
            self.next_second = None;
            self.changed = true;
        }
        if self.typing && now.at.duration_since(self.attention.last_key) >= TYPING_TIMEOUT {
            self.say_typing(false);
        }
    }

    /// Handles an Enter that was held back, now that no other key has followed.
    fn settle(&mut self, now: Timestamp) {
        if self.paste_detector.enter.take().is_none() {
            return;
        }
        self.changed = true;
        if self.paste_detector.several {
            self.editor.insert("\n");
            self.ask(|lines| locale::text().gathered(lines));
        } else {
            self.submit(now);
        }
    }

    fn key(
        &mut self,
        key: KeyEvent,
        alone: bool,
        last: bool,
        now: Timestamp,
    ) -> Option<TerminalRequest> {
        if self.paste_detector.enter.take().is_some() {
            self.paste_detector.several = true;
            self.editor.insert("\n");
        }
        let plain_enter = key.code == KeyCode::Enter
            && key.modifiers == Modifiers::NONE
            && key.kind != KeyEventKind::Release;
        if plain_enter && !alone && self.editor.search().is_none() {
            // More lines may follow at once; if not, it is an ordinary Enter.
            if last {
                self.paste_detector.enter = Some(now.at + PASTE_GAP);
            } else {
                self.paste_detector.several = true;
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
                self.editor.put_aside();
                self.dropped = Some(now.at);
            }
            Action::Interrupt if self.has_just_dropped(now) => {
                self.dropped = None;
                self.hint = Some((Style::Notice, self.what_leaving_does().to_owned()));
            }
            Action::Interrupt | Action::EndOfInput => self.leave(),
            Action::Suspend => return Some(TerminalRequest::Suspend),
            Action::Redraw => return Some(TerminalRequest::Redraw),
        }
        if self.paste_detector.several {
            self.ask(|lines| locale::text().gathered(lines));
        }
        None
    }

    /// Whether a draft was dropped so short a time ago that the same key may be meant for it.
    fn has_just_dropped(&self, now: Timestamp) -> bool {
        let dropped = self.dropped;
        dropped.is_some_and(|dropped| now.at.duration_since(dropped) < HASTE)
    }

    fn what_leaving_does(&self) -> &'static str {
        match self.call {
            Some(_) => locale::text().ctrl_c_hangs_up(),
            None => locale::text().ctrl_c_quits(),
        }
    }

    /// Asks whether several pasted lines shall be sent as one message.
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
            self.warn(locale::text().paste_too_long(text.len(), MAX_LINE));
        } else {
            self.editor.insert(text);
            if text.contains('\n') {
                self.ask(|lines| locale::text().pasted(lines));
            }
        }
    }

    /// Handles Enter.
    fn submit(&mut self, now: Timestamp) {
        let text = self.editor.text().trim_end_matches('\n');
        if text.is_empty() {
            self.editor.take();
            self.interrupted = false;
            if self.call.is_none() && self.status.ringing.is_some() {
                self.input(Input::Command(Command::Answer));
            }
            return;
        }
        let request = match commands::parse(text, self.options.idle.role()) {
            Ok(request) => request,
            Err(error) => return self.warn(locale::text().command_error(&error)),
        };
        match request {
            Request::Help => {
                let help = locale::text().help(self.options.idle.role(), true);
                self.transcript.remark(Style::Notice, &help, now);
            }
            Request::KeysHelp => {
                self.transcript
                    .remark(Style::Notice, locale::text().keys_help(), now);
            }
            Request::Command(command) => self.command(command, now),
            Request::HangUpMaybe
                if self.call.is_some() && self.questioned.as_deref() != Some(text) =>
            {
                self.questioned = Some(text.to_owned());
                return self.warn(locale::text().hang_up_maybe().to_owned());
            }
            Request::HangUp | Request::HangUpMaybe if self.call.is_some() => self.hang_up(),
            Request::HangUp | Request::HangUpMaybe => match self.options.idle {
                Idle::Calling(_) => self.leave(),
                Idle::Waiting(_) => return self.warn(locale::text().no_call().to_owned()),
            },
            Request::Say(_) if self.inputs.len() >= MAX_INPUTS => {
                return self.warn(locale::text().full().to_owned());
            }
            Request::Say(text) => match &mut self.call {
                // The text was not meant for the one who rings, and Enter is to answer.
                None if self.status.ringing.is_some() => {
                    self.editor.take();
                    self.interrupted = false;
                    return self.warn(locale::text().rings_meanwhile().to_owned());
                }
                None => return self.warn(locale::text().nobody().to_owned()),
                Some(call) if self.interrupted => {
                    let warning = locale::text().now_talking_to(&call.peer.name);
                    self.interrupted = false;
                    return self.warn(warning);
                }
                Some(_)
                    if self.questioned.as_ref() != Some(&text)
                        && self.status.gives_number_away(&text) =>
                {
                    self.questioned = Some(text);
                    return self.warn(locale::text().own_number().to_owned());
                }
                Some(call) => {
                    if self.status.has_receipts() {
                        call.unreceived.push_back(PendingMessage {
                            text: text.clone(),
                            written: false,
                        });
                        self.write_old(now);
                    } else {
                        self.transcript.own(DeliveryState::Unknown, &text, now);
                    }
                    // A message ends the typing notification by itself.
                    self.typing = false;
                    self.questioned = None;
                    self.input(Input::Message(text));
                }
            },
        }
        self.editor.take();
    }

    /// Answers `/status` if the screen knows the status; the program runs all other commands.
    fn command(&mut self, command: Command, now: Timestamp) {
        match locale::text().call_status(&self.status) {
            Some(text) if command == Command::Status => {
                self.transcript.remark(Style::Notice, &text, now);
            }
            _ => {
                // Who takes the call that rings has seen that it is another one.
                self.interrupted &= command != Command::Answer;
                self.input(Input::Command(command));
            }
        }
    }

    /// Keeps the newest messages in the live region, and moves older ones to the transcript.
    fn write_old(&mut self, now: Timestamp) {
        let Some(call) = &mut self.call else {
            return;
        };
        let old = call.unreceived.len().saturating_sub(WAITING_ROWS);
        for message in call.unreceived.iter_mut().take(old) {
            if !message.written {
                message.written = true;
                self.transcript.own(DeliveryState::Sent, &message.text, now);
            }
        }
    }

    /// Handles Ctrl-C and Ctrl-D in an empty draft.
    fn leave(&mut self) {
        match &self.call {
            Some(call) if !call.hanging_up => self.hang_up(),
            _ => self.input(Input::Command(Command::Quit)),
        }
    }

    fn hang_up(&mut self) {
        if let Some(call) = &mut self.call {
            call.hanging_up = true;
        }
        self.input(Input::HangUp);
    }

    fn complete(&mut self) {
        let typed = commands::with_slash(self.editor.text()).into_owned();
        if let Some(begun) = typed.strip_prefix("/send ") {
            return self.complete_path(begun.to_owned());
        }
        match commands::completions(&typed, self.options.idle.role()).as_slice() {
            [] => (),
            [name] => self.editor.set(format!("{name} ")),
            names => self.hint = Some((Style::Faint, names.join("  "))),
        }
    }

    /// Completes the last path of a `/send`, as far as it is clear.
    fn complete_path(&mut self, begun: String) {
        let (before, last) = begun.split_at(paths::last_begins(&begun));
        let found = paths::completions(last);
        let common = paths::common(&found);
        if let [one] = found.as_slice() {
            let blank = if one.ends_with('/') { "" } else { " " };
            self.editor.set(format!("/send {before}{one}{blank}"));
        } else if common.len() > last.len() {
            self.editor.set(format!("/send {before}{common}"));
        } else if !found.is_empty() {
            self.hint = Some((Style::Faint, found.join("  ")));
        }
    }

    fn warn(&mut self, text: String) {
        self.hint = Some((Style::Warning, text));
        self.changed = true;
    }

    fn tell_typing(&mut self) {
        let text = self.editor.text();
        let typing = self.options.tells_typing
            && self.call.is_some()
            && !text.is_empty()
            && !text.starts_with('/');
        if typing != self.typing {
            self.say_typing(typing);
        }
    }

    /// The user goes away for a while, or is back, and the peer may know.
    pub(crate) fn say_suspended(&mut self, suspended: bool) {
        if self.options.tells_typing && self.call.is_some() {
            self.typing = false;
            self.input(Input::Suspended(suspended));
        }
    }

    fn say_typing(&mut self, typing: bool) {
        self.typing = typing;
        // A typing notification that has to wait is out of date, so it is dropped.
        if self.inputs.is_empty() && self.call.is_some() {
            self.input(Input::Typing(typing));
        }
    }
}
