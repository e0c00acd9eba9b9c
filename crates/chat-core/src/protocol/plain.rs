//! The protocol with peers that speak plain lines: `nc`, telnet, plain sockets, stock TLS.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};

use super::close::LINGER_TIMEOUT;
use super::{CloseReason, Disconnect, Event, Linger, Protocol, ProtocolError, SendError, Side};
use crate::trust::safety_number::DialerExchange;
use crate::wire::{Batch, Frame, HANG_UP, MAX_LINE, WriteBuffer, is_hang_up};

/// The most that may wait to be written, in bytes.
const MAX_UNSENT: usize = 256 * 1024;

/// The plain protocol. Nothing is numbered, so nothing can be sent again.
#[derive(Debug, Default)]
pub struct Plain {
    over_tls: bool,
    unsent: VecDeque<Batch>,
    unsent_bytes: usize,
    finished: bool,
    peer_finished: bool,
    close: CloseState,
    close_deadline: Option<Instant>,
    linger: Option<Linger>,
    /// What was left to write at the last check for progress, in bytes.
    left: usize,
    /// The connection is considered lost.
    lost: Option<Disconnect>,
    /// The peer sent no text for this long; it is told so before the hang-up.
    idle_after: Option<Duration>,
}

/// The states of a close, one after the other.
#[derive(Debug, Default, PartialEq)]
enum CloseState {
    #[default]
    Open,
    /// This side hangs up once its messages are written.
    Flushing,
    /// The hang-up is in the write buffer.
    Queued,
    /// It was written.
    Sent,
    /// The peer hung up.
    PeerClosed,
}

impl Plain {
    /// A protocol at the start of a call.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same over TLS, where a reset at the end is no sign of loss: few peers stay to read the
    /// close_notify.
    pub fn over_tls() -> Self {
        Self {
            over_tls: true,
            ..Self::default()
        }
    }

    /// Nothing tells what was delivered, so writing counts as progress.
    fn note_progress(&mut self, out: &WriteBuffer, now: Instant) {
        let left = out.remaining() + self.unsent_bytes;
        if left < self.left && self.linger == Some(Linger::Steady) {
            self.close_deadline = Some(now + LINGER_TIMEOUT);
        }
        self.left = left;
    }

    fn take_unsent(&mut self, lines: Option<usize>) -> Option<Batch> {
        let batch = match (lines, self.unsent.front_mut()) {
            (Some(lines), Some(front)) if lines < front.len() => front.split_to(lines),
            _ => self.unsent.pop_front()?,
        };
        self.unsent_bytes -= batch.wire_len();
        Some(batch)
    }

    /// One write is one message: the next goes out only when the last is written.
    fn transmit_raw(&mut self, out: &mut WriteBuffer) {
        if !out.is_empty() {
            return;
        }
        if let Some(message) = self.take_unsent(Some(1)) {
            let bytes = message.as_bytes();
            out.push(bytes.slice(..bytes.len() - 1));
        } else {
            // A raw peer would take a notice and the hang-up for one message.
            self.idle_after = None;
            self.transmit_hang_up(out);
        }
    }

    fn transmit_hang_up(&mut self, out: &mut WriteBuffer) {
        if self.close == CloseState::Flushing {
            if let Some(idle) = self.idle_after {
                out.push(format!("(hanging up: nothing heard for {idle:?})\n").into());
            }
            out.push(Bytes::from_static(HANG_UP.as_bytes()));
            self.close = CloseState::Queued;
        }
    }
}

impl Protocol for Plain {
    fn dialer_exchange(&mut self) -> Option<&mut DialerExchange> {
        None
    }

    fn loses_by_reset(&self) -> bool {
        !self.over_tls
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

    fn typing(&mut self, _typing: bool, _now: Instant) {}

    fn finish(&mut self) {
        self.finished = true;
    }

    fn hang_up(&mut self, linger: Linger, now: Instant) {
        if self.close == CloseState::Open {
            self.close = CloseState::Flushing;
        }
        self.linger = Some(linger);
        if linger != Linger::Endless {
            self.close_deadline.get_or_insert(now + LINGER_TIMEOUT);
        }
    }

    fn idle_timeout(&mut self, idle: Duration, now: Instant) {
        if self.close == CloseState::Open {
            self.idle_after = Some(idle);
        }
        self.hang_up(Linger::Brief, now);
    }

    fn receive(
        &mut self,
        frame: Frame,
        events: &mut Vec<Event>,
        _now: Instant,
    ) -> Result<(), ProtocolError> {
        match frame {
            // Nothing counts after the hang-up.
            _ if self.close == CloseState::PeerClosed => {}
            Frame::Text(lines) => events.push(Event::Lines(lines)),
            Frame::HangUp => self.close = CloseState::PeerClosed,
            Frame::Control(_) => {
                return Err(ProtocolError::Violation("a control line in plain text"));
            }
        }
        Ok(())
    }

    fn receive_eof(&mut self, events: &mut Vec<Event>, _now: Instant) {
        self.peer_finished = true;
        if self.close == CloseState::Open && !self.finished {
            events.push(Event::PeerEof);
        }
    }

    fn delivered_to_user(&mut self, _now: Instant) {}

    fn set_paused(&mut self, _paused: bool, _now: Instant) {}

    fn poll_transmit(&mut self, raw: bool, out: &mut WriteBuffer, now: Instant) {
        self.note_progress(out, now);
        if raw {
            return self.transmit_raw(out);
        }
        while !out.is_full() {
            let Some(batch) = self.take_unsent(None) else {
                return self.transmit_hang_up(out);
            };
            out.push(batch.into());
        }
    }

    fn transmitted(&mut self, _now: Instant) {
        if self.close == CloseState::Queued {
            self.close = CloseState::Sent;
        }
    }

    fn wants_close(&self) -> bool {
        match self.close {
            CloseState::Open => self.finished && self.unsent.is_empty(),
            CloseState::Flushing => false,
            CloseState::Queued | CloseState::Sent | CloseState::PeerClosed => true,
        }
    }

    fn timeout(&self) -> Option<Instant> {
        self.close_deadline
    }

    fn handle_timeout(&mut self, _events: &mut Vec<Event>, now: Instant) {
        if self.close_deadline.take_if(|by| *by <= now).is_none() {
            return;
        }
        match self.linger {
            Some(Linger::Steady) => {
                let stuck = "the other side takes nothing more";
                self.lost = Some(Disconnect::Io(io::Error::new(
                    io::ErrorKind::TimedOut,
                    stuck,
                )));
            }
            _ => self.close = CloseState::Sent,
        }
    }

    fn connection_lost(&mut self) -> Option<Disconnect> {
        self.lost.take()
    }

    fn disconnected(&mut self, disconnect: Disconnect, _now: Instant) -> Option<CloseReason> {
        Some(match self.close {
            CloseState::Open => CloseReason::Lost(disconnect),
            CloseState::PeerClosed => CloseReason::HungUp(Side::Remote),
            CloseState::Sent => CloseReason::HungUp(Side::Local),
            // Who lingers wants to know whether everything was written.
            _ if self.linger == Some(Linger::Brief) => CloseReason::HungUp(Side::Local),
            _ => CloseReason::Lost(disconnect),
        })
    }

    fn close_reason(&mut self, written: bool) -> Option<CloseReason> {
        match self.close {
            CloseState::PeerClosed => Some(CloseReason::HungUp(Side::Remote)),
            CloseState::Sent => Some(CloseReason::HungUp(Side::Local)),
            CloseState::Open if self.finished && self.peer_finished && written => {
                self.unsent.is_empty().then_some(CloseReason::BothFinished)
            }
            _ => None,
        }
    }

    fn unacknowledged(&self) -> Vec<String> {
        let lines = self.unsent.iter().flat_map(Batch::lines);
        lines.map(str::to_owned).collect()
    }
}
