//! The events of the call: how each changes the screen.

use chat_core::files::{Direction, FileEvent, FileState};
use chat_core::protocol::{ConnectionStatus, Earlier, Event, PastMessage};
use chat_core::trust::Security;

use super::keys::PasteDetector;
use super::{Addressee, Call, Idle, PendingMessage, View};
use crate::locale;
use crate::screen::style::Style;
use crate::screen::transcript::{DeliveryState, Timestamp};
use crate::text::past::PastRows;

impl View {
    /// Handles an event of the call.
    pub(crate) fn event(&mut self, event: Event, now: Timestamp) {
        self.changed = true;
        self.moment.update(&event);
        self.status.update(&event);
        match &event {
            Event::Established(peer) => {
                let is_new = self.call.is_none();
                let since = self.call.as_ref().map_or(now.at, |call| call.since);
                self.call = Some(Call::new(peer, since));
                self.hint = None;
                self.announce(locale::text().rings(&locale::short_name(peer)), now);
                // Who calls a certain peer has typed for it; who waits, for anybody, or for the last.
                if is_new && matches!(self.options.idle, Idle::Waiting(_)) {
                    self.put_aside_unless_for(&Addressee::new(peer), now);
                }
            }
            Event::Peer(peer) => {
                if let Some(call) = &mut self.call {
                    call.peer = Addressee::new(peer);
                }
            }
            Event::Lines(batch) => {
                for line in batch.lines() {
                    self.message(line, now);
                }
                return;
            }
            Event::Message(text) => return self.message(text, now),
            Event::History(messages) => return self.history(messages),
            Event::Delivered(count) => return self.delivered(*count, now),
            Event::Earlier(earlier) => return self.earlier(earlier),
            Event::QueueLength(callers) => {
                if *callers > self.waiting {
                    self.announce(locale::text().rings(locale::text().somebody()), now);
                }
                self.waiting = *callers;
            }
            Event::Typing(typing) => {
                if let Some(call) = &mut self.call {
                    call.typing = *typing;
                }
            }
            Event::Connection(link) => {
                self.silent_since = match link {
                    ConnectionStatus::Silent(silence) => now.at.checked_sub(*silence),
                    ConnectionStatus::Reconnecting(_) => self.silent_since.or(Some(now.at)),
                    ConnectionStatus::Up { .. }
                    | ConnectionStatus::Resumed { .. }
                    | ConnectionStatus::Restored { .. } => None,
                };
                if let Some(call) = &mut self.call {
                    call.typing &= matches!(link, ConnectionStatus::Up { .. });
                }
                // One row for an outage is enough, when it is over: the status row tells meanwhile.
                if !matches!(
                    link,
                    ConnectionStatus::Resumed { .. } | ConnectionStatus::Restored { .. }
                ) {
                    return;
                }
            }
            Event::SendFailed(text, _) => self.send_failed(text),
            Event::Ended(_) => self.mark_lost(now),
            Event::Ringing(peer) => {
                self.announce(locale::text().rings(&locale::short_name(peer)), now);
            }
            Event::RingingStopped => self.waiting = self.waiting.saturating_sub(1),
            Event::File(FileEvent::Offer(file, FileState::Offered)) => {
                if file.direction == Direction::Received {
                    self.announce(locale::text().file_waits(&file.name), now);
                }
            }
            Event::File(FileEvent::Progress(rates)) => self.files.clone_from(rates),
            Event::File(_) => (),
            Event::PeerEof
            | Event::Presence(_)
            | Event::Claims(_)
            | Event::PeerKeeps(_)
            | Event::Answering(_)
            | Event::PeerHistory(_)
            | Event::SafetyNumber { .. }
            | Event::QueuePosition(_)
            | Event::PeerIdleTimeout(_)
            | Event::Notice(_)
            | Event::Alarm(_) => (),
        }
        if let Some(mut text) = locale::text().describe(&event) {
            if let (Event::Ended(_), Some(call)) = (&event, &self.call) {
                let lasted = now.at.duration_since(call.since);
                let language = locale::text();
                text = language.joined(&text, &language.call_lasted(lasted));
            }
            let style = match &event {
                Event::SendFailed(..) | Event::Alarm(_) => Style::Alarm,
                Event::Established(peer) if peer.security == Security::Plaintext => Style::Alarm,
                _ => Style::Notice,
            };
            self.transcript.remark(style, &text, now);
        }
        if let Event::Ended(_) = event {
            self.ended(now);
        }
    }

    fn message(&mut self, text: &str, now: Timestamp) {
        let name = match &mut self.call {
            Some(call) => {
                call.typing = false;
                call.peer.name.clone()
            }
            None => String::new(),
        };
        self.announce_message(&name, text, now);
        self.transcript.message(&name, text, now);
        if self.transcript.is_transliterated() && !self.told_of_charset {
            self.told_of_charset = true;
            self.transcript
                .remark(Style::Notice, locale::text().transliterated(), now);
        }
    }

    fn history(&mut self, messages: &[PastMessage]) {
        let name = self.call.as_ref().map_or("", |call| &call.peer.name);
        let mut rows = PastRows::new(name);
        for message in messages {
            for row in rows.rows(message) {
                self.transcript.past(&row);
            }
        }
    }

    /// A call goes on: what was said last is shown again, and what has not arrived is under way.
    fn earlier(&mut self, earlier: &Earlier) {
        if let Some(call) = &mut self.call {
            call.received = earlier.received;
            for text in &earlier.unreceived {
                call.unreceived.push_back(PendingMessage {
                    text: text.clone(),
                    written: false,
                });
            }
        }
        self.history(&earlier.recent);
    }

    fn delivered(&mut self, count: u64, now: Timestamp) {
        let Some(call) = &mut self.call else {
            return;
        };
        let state = match self.status.answering {
            true => DeliveryState::Recorded,
            false => DeliveryState::Received,
        };
        let mut later = 0;
        while call.received < count
            && let Some(message) = call.unreceived.pop_front()
        {
            call.received += 1;
            if message.written {
                later += 1;
            } else {
                self.transcript.own(state, &message.text, now);
            }
        }
        if later > 0 {
            self.transcript
                .remark(Style::Faint, &locale::text().received_later(later), now);
        }
    }

    /// A message could not be sent: it goes back into the draft to be corrected.
    fn send_failed(&mut self, text: &str) {
        if let Some(call) = &mut self.call
            && let Some(index) = call
                .unreceived
                .iter()
                .position(|message| message.text == text)
        {
            call.unreceived.remove(index);
        }
        if self.editor.text().is_empty() {
            self.editor.set(text.to_owned());
        }
    }

    fn mark_lost(&mut self, now: Timestamp) {
        let unreceived = self.call.iter().flat_map(|call| &call.unreceived);
        for message in unreceived.filter(|message| !message.written) {
            self.transcript.own(DeliveryState::Lost, &message.text, now);
        }
    }

    fn ended(&mut self, now: Timestamp) {
        self.silent_since = None;
        if let Some(call) = self.call.take() {
            self.draft_for = Some(call.peer);
            // A text stays, but a command is about its call.
            if self.editor.text().starts_with('/') {
                self.put_aside(now);
            }
        }
        self.paste_detector = PasteDetector::default();
        self.typing = false;
        self.questioned = None;
        self.files.clear();
    }

    /// The draft stays on the line only for whom it was typed.
    fn put_aside_unless_for(&mut self, peer: &Addressee, now: Timestamp) {
        let is_for_peer = self.draft_for.as_ref().is_some_and(|other| other.is(peer));
        if !is_for_peer {
            self.put_aside(now);
        }
        self.draft_for = None;
    }

    /// Puts the draft into the history, so that nobody hears it for whom it was not typed.
    fn put_aside(&mut self, now: Timestamp) {
        self.paste_detector = PasteDetector::default();
        if self.editor.text().is_empty() {
            return;
        }
        self.editor.put_aside();
        self.interrupted = true;
        let name = self.draft_for.as_ref().map(|peer| peer.name.as_str());
        self.transcript
            .remark(Style::Notice, &locale::text().draft_put_aside(name), now);
    }
}
