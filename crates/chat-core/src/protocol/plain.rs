//! The protocol with peers that speak plain lines: `nc`, telnet, plain sockets, stock TLS.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};

use super::close::CloseState;
use super::{
    CloseReason, Disconnect, Event, Handshake, Linger, Next, Outgoing, Protocol, ProtocolError,
    ProtocolEvent, SendError, Session, Side, SinkState, Violation,
};
use crate::wire::{Batch, Frame, HANG_UP, MAX_LINE, WriteBuffer, is_hang_up};

/// The most that may wait to be written, in bytes.
const MAX_UNSENT: usize = 256 * 1024;

/// The plain protocol. Nothing is numbered, so nothing can be sent again.
#[derive(Debug, Default)]
pub struct Plain {
    events: VecDeque<ProtocolEvent>,
    unsent: VecDeque<Batch>,
    unsent_bytes: usize,
    finished: bool,
    peer_finished: bool,
    close: CloseState,
    /// The call is over for another reason than a hang-up.
    over: Option<CloseReason>,
    /// What was left to write at the last check for progress, in bytes.
    left: usize,
    /// What the peer is told before a hang-up for its silence.
    farewell: Option<String>,
    /// The peer was silent for too long.
    idle: bool,
}

impl Plain {
    /// A protocol at the start of a call.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with what the peer is told, in one line, before a hang-up for its silence.
    pub fn with_farewell(self, farewell: Option<String>) -> Self {
        Self { farewell, ..self }
    }

    fn show(&mut self, event: Event) {
        self.events.push_back(ProtocolEvent::Show(event));
    }

    /// Nothing tells what was delivered, so writing counts as progress.
    fn note_progress(&mut self, out: &WriteBuffer, now: Instant) {
        let left = out.remaining() + self.unsent_bytes;
        if left < self.left {
            self.close.delivered(now);
        }
        self.left = left;
    }

    /// The next lines to send, at most so many.
    fn take_unsent(&mut self, lines: usize) -> Option<Batch> {
        let front = self.unsent.front_mut()?;
        let batch = front.split_to(lines);
        if front.is_empty() {
            self.unsent.pop_front();
        }
        self.unsent_bytes -= batch.wire_len();
        Some(batch)
    }

    fn transmit(&mut self, out: &mut WriteBuffer) {
        while !out.is_full() {
            let Some(batch) = self.take_unsent(usize::MAX) else {
                return self.transmit_hang_up(out);
            };
            out.push(batch.into());
        }
    }

    /// One write is one message: the next goes out only when the last is written.
    fn transmit_raw(&mut self, out: &mut WriteBuffer) {
        if !out.is_empty() {
            return;
        }
        if let Some(message) = self.take_unsent(1) {
            let bytes = message.as_bytes();
            out.push(bytes.slice(..bytes.len() - 1));
        } else {
            // A raw peer would take a notice and the hang-up for one message.
            self.idle = false;
            self.transmit_hang_up(out);
        }
    }

    fn transmit_hang_up(&mut self, out: &mut WriteBuffer) {
        if let CloseState::Flushing(patience) = self.close {
            if let Some(farewell) = self.farewell.take_if(|_| self.idle) {
                out.push(format!("{farewell}\n").into());
            }
            out.push(Bytes::from_static(HANG_UP.as_bytes()));
            self.close = CloseState::Queued(patience);
        }
    }
}

impl Protocol for Plain {
    fn connected(&mut self, _handshake: Handshake, _now: Instant) -> bool {
        true
    }

    /// Nothing can be resumed.
    fn disconnected(&mut self, disconnect: Disconnect, _resumable: bool, _now: Instant) {
        self.over.get_or_insert(match self.close.linger() {
            // Who lingers wants to know whether everything was written.
            Some(Linger::Brief) => CloseReason::HungUp(Side::Local),
            _ => self.close.reason().unwrap_or(disconnect.into()),
        });
    }

    fn heard(&mut self, _now: Instant) {}

    fn receive(&mut self, frame: Option<Frame>, _now: Instant) {
        match frame {
            // Nothing counts after the hang-up.
            _ if self.close == CloseState::PeerClosed => {}
            Some(Frame::Text(lines)) => self.show(Event::Lines(lines)),
            Some(Frame::HangUp) => self.close.peer_closed(),
            Some(Frame::Control(_)) => {
                let error = ProtocolError::Violation(Violation::ControlInPlain);
                self.over = Some(error.into());
            }
            None => {
                self.peer_finished = true;
                if self.close == CloseState::Open && !self.finished {
                    self.show(Event::PeerEof);
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        self.unsent_bytes < MAX_UNSENT
    }

    fn say_lines(&mut self, lines: Batch) -> Result<(), SendError> {
        if self.close == CloseState::Open && !lines.is_empty() {
            self.unsent_bytes += lines.wire_len();
            self.unsent.push_back(lines);
        }
        Ok(())
    }

    fn say(&mut self, text: &str) -> Result<(), SendError> {
        let lines = Batch::from_lines(text, MAX_LINE);
        if lines.lines().any(|line| is_hang_up(line.as_bytes())) {
            return Err(SendError::WouldHangUp);
        }
        self.say_lines(lines)
    }

    fn typing(&mut self, _typing: bool) {}

    fn suspended(&mut self, _suspended: bool) {}

    fn finish(&mut self) {
        self.finished = true;
    }

    fn hang_up(&mut self, linger: Linger, now: Instant) {
        self.close.hang_up(linger, now);
    }

    fn idle_timeout(&mut self, _idle: Duration, now: Instant) {
        self.idle |= self.close == CloseState::Open;
        self.hang_up(Linger::Brief, now);
    }

    fn sink_changed(&mut self, _sink: SinkState, _now: Instant) {}

    fn poll_event(&mut self) -> Option<ProtocolEvent> {
        self.events.pop_front()
    }

    fn poll_transmit(&mut self, out: Outgoing<'_>, now: Instant) -> Next {
        if let Some(reason) = self.over.take() {
            return Next::Ended(reason);
        }
        if out.written {
            self.close.written();
        }
        self.note_progress(out.buffer, now);
        if out.raw {
            self.transmit_raw(out.buffer);
        } else {
            self.transmit(out.buffer);
        }
        if let Some(reason) = self.close.reason() {
            return Next::Ended(reason);
        }
        let finished = self.finished && self.unsent.is_empty();
        match self.close {
            CloseState::Open if !finished => Next::Wait,
            CloseState::Open if self.peer_finished && out.written && out.buffer.is_empty() => {
                Next::Ended(CloseReason::BothFinished)
            }
            CloseState::Flushing(_) => Next::Wait,
            _ => Next::Close,
        }
    }

    fn timeout(&self) -> Option<Instant> {
        self.close.timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.close.timeout().is_none_or(|at| now < at) {
            return;
        }
        if self.close.linger() == Some(Linger::Steady) {
            self.over = Some(Disconnect::Stuck.into());
        } else {
            self.close = CloseState::Sent;
        }
    }

    fn session(&mut self) -> Option<&mut Session> {
        None
    }

    fn unacknowledged(&self) -> Vec<String> {
        let lines = self.unsent.iter().flat_map(Batch::lines);
        lines.map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A raw peer gets one message a write, so what else there is to send waits.
    fn poll(plain: &mut Plain, buffer: &mut WriteBuffer, now: Instant) -> Next {
        let out = Outgoing {
            buffer,
            written: false,
            raw: true,
        };
        plain.poll_transmit(out, now)
    }

    /// This side has hung up, and still has a message to send.
    fn flushing(linger: Linger, now: Instant) -> (Plain, WriteBuffer) {
        let (mut plain, mut buffer) = (Plain::new(), WriteBuffer::default());
        for text in ["one", "two"] {
            plain.say(text).expect("a message");
        }
        plain.hang_up(linger, now);
        assert!(matches!(poll(&mut plain, &mut buffer, now), Next::Wait));
        (plain, buffer)
    }

    fn disconnect() -> Disconnect {
        std::io::Error::other("gone").into()
    }

    #[test]
    fn who_has_hung_up_without_patience_does_not_mind_a_loss() {
        let now = Instant::now();
        for (linger, is_minded) in [(Linger::Brief, false), (Linger::Steady, true)] {
            let (mut plain, mut buffer) = flushing(linger, now);
            plain.disconnected(disconnect(), false, now);
            let next = poll(&mut plain, &mut buffer, now);
            let is_hang_up = matches!(next, Next::Ended(CloseReason::HungUp(Side::Local)));
            assert_eq!(is_hang_up, !is_minded, "{next:?}");
        }
    }

    #[test]
    fn the_peers_end_is_told_only_to_who_may_still_say_something() {
        let now = Instant::now();
        let ends: [fn(&mut Plain, Instant); 3] = [
            |_, _| {},
            |plain, _| plain.finish(),
            |plain, now| plain.hang_up(Linger::Brief, now),
        ];
        let told = ends.map(|end| {
            let mut plain = Plain::new();
            end(&mut plain, now);
            plain.receive(None, now);
            matches!(
                plain.poll_event(),
                Some(ProtocolEvent::Show(Event::PeerEof))
            )
        });
        assert_eq!(told, [true, false, false]);
    }

    #[test]
    fn a_hang_up_waits_for_what_was_said_until_its_time() {
        let now = Instant::now();
        let (mut plain, mut buffer) = flushing(Linger::Brief, now);
        let until = plain.timeout().expect("a limit");
        plain.handle_timeout(now);
        assert!(matches!(poll(&mut plain, &mut buffer, now), Next::Wait));
        let late = until + Duration::from_millis(1);
        plain.handle_timeout(late);
        let next = poll(&mut plain, &mut buffer, late);
        assert!(
            matches!(next, Next::Ended(CloseReason::HungUp(Side::Local))),
            "{next:?}"
        );
    }
}
