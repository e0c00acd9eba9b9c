//! The protocol with peers that speak plain lines: `nc`, telnet, plain sockets, stock TLS.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};

use super::close::PATIENCE;
use super::{Ending, Event, Loss, Patience, Protocol, ProtocolError, Side, Unsayable};
use crate::wire::{Batch, Frame, HANG_UP, MAX_LINE, Outgoing, is_hang_up};

/// What a person may have said that is not yet written, in bytes.
const ROOM: usize = 256 * 1024;

/// Lines out, lines in. Nothing is numbered, so nothing can be sent again.
#[derive(Debug, Default)]
pub struct Plain {
    over_tls: bool,
    unsent: VecDeque<Batch>,
    unsent_bytes: usize,
    finished: bool,
    peer_finished: bool,
    good_bye: GoodBye,
    hang_up_by: Option<Instant>,
    patience: Option<Patience>,
    /// What was left to write when this was last looked at, in bytes.
    left: usize,
    /// The connection is as good as gone.
    lost: Option<Loss>,
    /// The peer was silent for so long that this side hangs up, and is to be told.
    dismissed_after: Option<Duration>,
}

/// How far a call is on its way to its end.
#[derive(Debug, Default, PartialEq)]
enum GoodBye {
    #[default]
    Talking,
    /// This side hangs up once what it said is written.
    Wanted,
    /// The hang-up is among the bytes to write.
    Appended,
    /// It was written.
    Written,
    /// The peer hung up.
    Heard,
}

impl Plain {
    /// A protocol at the start of a call.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, for a connection that ends with a word of its own, which few peers stay to
    /// read: TLS.
    pub fn over_tls() -> Self {
        Self {
            over_tls: true,
            ..Self::default()
        }
    }

    /// Nothing tells what has been delivered: patience lasts as long as something is written.
    fn note_progress(&mut self, out: &Outgoing, now: Instant) {
        let left = out.remaining() + self.unsent_bytes;
        if left < self.left && self.patience == Some(Patience::Steady) {
            self.hang_up_by = Some(now + PATIENCE);
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
    fn transmit_raw(&mut self, out: &mut Outgoing) {
        if !out.is_empty() {
            return;
        }
        if let Some(message) = self.take_unsent(Some(1)) {
            let bytes = message.as_bytes();
            out.push(bytes.slice(..bytes.len() - 1));
        } else {
            // A line before it would make the hang-up a part of a message.
            self.dismissed_after = None;
            self.transmit_good_bye(out);
        }
    }

    fn transmit_good_bye(&mut self, out: &mut Outgoing) {
        if self.good_bye == GoodBye::Wanted {
            if let Some(idle) = self.dismissed_after {
                out.push(format!("(hanging up: nothing heard for {idle:?})\n").into());
            }
            out.push(Bytes::from_static(HANG_UP.as_bytes()));
            self.good_bye = GoodBye::Appended;
        }
    }
}

impl Protocol for Plain {
    fn loses_by_reset(&self) -> bool {
        !self.over_tls
    }

    fn has_room(&self) -> bool {
        self.unsent_bytes < ROOM
    }

    fn say_lines(&mut self, lines: Batch) -> Result<(), Unsayable> {
        if self.good_bye == GoodBye::Talking && !lines.is_empty() {
            self.unsent_bytes += lines.wire_len();
            self.unsent.push_back(lines);
        }
        Ok(())
    }

    fn say(&mut self, text: &str) -> Result<(), Unsayable> {
        let lines = Batch::from_lines(text, MAX_LINE);
        if lines.lines().any(|line| is_hang_up(line.as_bytes())) {
            return Err(Unsayable::WouldHangUp);
        }
        self.say_lines(lines)
    }

    fn typing(&mut self, _typing: bool, _now: Instant) {}

    fn finish(&mut self) {
        self.finished = true;
    }

    fn hang_up(&mut self, patience: Patience, now: Instant) {
        if self.good_bye == GoodBye::Talking {
            self.good_bye = GoodBye::Wanted;
        }
        self.patience = Some(patience);
        if patience != Patience::Endless {
            self.hang_up_by.get_or_insert(now + PATIENCE);
        }
    }

    fn dismiss(&mut self, idle: Duration, now: Instant) {
        if self.good_bye == GoodBye::Talking {
            self.dismissed_after = Some(idle);
        }
        self.hang_up(Patience::Brief, now);
    }

    fn receive(
        &mut self,
        frame: Frame,
        events: &mut Vec<Event>,
        _now: Instant,
    ) -> Result<(), ProtocolError> {
        match frame {
            // Who hung up has nothing more to say.
            _ if self.good_bye == GoodBye::Heard => {}
            Frame::Text(lines) => events.push(Event::Lines(lines)),
            Frame::HangUp => self.good_bye = GoodBye::Heard,
            Frame::Control(_) => return Err(ProtocolError::Absurd("a control line in plain text")),
        }
        Ok(())
    }

    fn receive_end(&mut self, events: &mut Vec<Event>, _now: Instant) {
        self.peer_finished = true;
        if self.good_bye == GoodBye::Talking && !self.finished {
            events.push(Event::PeerFinished);
        }
    }

    fn shown(&mut self, _now: Instant) {}

    fn listening(&mut self, _listening: bool, _now: Instant) {}

    fn transmit(&mut self, raw: bool, out: &mut Outgoing, now: Instant) {
        self.note_progress(out, now);
        if raw {
            return self.transmit_raw(out);
        }
        while !out.is_full() {
            let Some(batch) = self.take_unsent(None) else {
                return self.transmit_good_bye(out);
            };
            out.push(batch.into());
        }
    }

    fn transmitted(&mut self, _now: Instant) {
        if self.good_bye == GoodBye::Appended {
            self.good_bye = GoodBye::Written;
        }
    }

    fn closes(&self) -> bool {
        match self.good_bye {
            GoodBye::Talking => self.finished && self.unsent.is_empty(),
            GoodBye::Wanted => false,
            GoodBye::Appended | GoodBye::Written | GoodBye::Heard => true,
        }
    }

    fn timeout(&self) -> Option<Instant> {
        self.hang_up_by
    }

    fn handle_timeout(&mut self, _events: &mut Vec<Event>, now: Instant) {
        if self.hang_up_by.take_if(|by| *by <= now).is_none() {
            return;
        }
        match self.patience {
            Some(Patience::Steady) => {
                let stuck = "the other side takes nothing more";
                self.lost = Some(Loss::Io(io::Error::new(io::ErrorKind::TimedOut, stuck)));
            }
            _ => self.good_bye = GoodBye::Written,
        }
    }

    fn link_lost(&mut self) -> Option<Loss> {
        self.lost.take()
    }

    fn disconnected(&mut self, loss: Loss, _now: Instant) -> Option<Ending> {
        Some(match self.good_bye {
            GoodBye::Talking => Ending::Lost(loss),
            GoodBye::Heard => Ending::HungUp(Side::There),
            GoodBye::Written => Ending::HungUp(Side::Here),
            // A person wants to go, and did. A pipe wants to know whether all was written.
            _ if self.patience == Some(Patience::Brief) => Ending::HungUp(Side::Here),
            _ => Ending::Lost(loss),
        })
    }

    fn ending(&mut self, written: bool) -> Option<Ending> {
        match self.good_bye {
            GoodBye::Heard => Some(Ending::HungUp(Side::There)),
            GoodBye::Written => Some(Ending::HungUp(Side::Here)),
            GoodBye::Talking if self.finished && self.peer_finished && written => {
                self.unsent.is_empty().then_some(Ending::InputOver)
            }
            _ => None,
        }
    }

    fn undelivered(&self) -> Vec<String> {
        let lines = self.unsent.iter().flat_map(Batch::lines);
        lines.map(str::to_owned).collect()
    }
}
