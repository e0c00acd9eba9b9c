//! Whether the other end of a connection is still there.

use std::time::{Duration, Instant};

use crate::protocol::{ProtocolError, Violation};

/// After this much silence a ping is sent.
const PING_AFTER: Duration = Duration::from_secs(2);

/// While reading is paused nothing is answered, and a ping is sent this often, so that the peer has
/// no reason to doubt.
const PAUSED_PING_AFTER: Duration = Duration::from_secs(1);

/// After this much silence the person is told.
const UNRESPONSIVE_AFTER: Duration = Duration::from_secs(5);

/// Who was asked something and is silent for this long, and for some round trips, is in doubt.
const DOUBT_AFTER: Duration = Duration::from_millis(1500);

/// So many round trips more.
const DOUBT_ROUND_TRIPS: u32 = 4;

/// After this much silence the connection is considered lost.
pub(super) const DEAD_AFTER: Duration = Duration::from_secs(15);

/// Pings, pongs and silence on one connection.
#[derive(Debug)]
pub(super) struct Liveness {
    last_heard: Instant,
    /// Since when this side has asked for something, a pong or a receipt, and heard nothing.
    asked: Option<Instant>,
    /// Whether it has waited too long for that.
    doubted: bool,
    /// The ping whose pong ends the doubt. Other bytes only show that one direction works.
    proof: u64,
    /// Since when reading is paused. Meanwhile silence means nothing.
    paused_since: Option<Instant>,
    /// The person was told of the silence.
    unresponsive: bool,
    /// Numbers pings from 1; the last one given out.
    pings: u64,
    /// When the last ping was wanted.
    last_ping: Instant,
    ping_due: bool,
    /// When the last ping was sent, until its pong comes.
    ping_sent: Option<Instant>,
    /// The ping to answer: only the last one, its pong covers those before.
    pong_due: Option<u64>,
    /// The last measured time from a ping to its pong.
    pub(super) round_trip: Option<Duration>,
}

/// What silence has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// The person should know: nothing was received for this long.
    Unresponsive(Duration),
    /// The connection is lost: nothing was received for this long.
    Dead(Duration),
}

impl Liveness {
    /// A new connection, which is measured at once. Until then its round trip is that of the last.
    pub(super) fn new(round_trip: Option<Duration>, now: Instant) -> Self {
        Self {
            last_heard: now,
            asked: None,
            doubted: false,
            proof: 0,
            paused_since: None,
            unresponsive: false,
            pings: 0,
            last_ping: now,
            ping_due: true,
            ping_sent: None,
            pong_due: None,
            round_trip,
        }
    }

    /// Something is sent that the peer answers.
    pub(super) fn asked(&mut self, now: Instant) {
        self.asked.get_or_insert(now);
    }

    /// Something was received. Returns whether that ends a silence that the person was told of.
    pub(super) fn heard(&mut self, now: Instant) -> bool {
        self.last_heard = now;
        if !self.doubted {
            self.asked = None;
        }
        std::mem::take(&mut self.unresponsive)
    }

    /// Whether reading is paused. Returns how long it was, when it ends: that time does not count
    /// as silence.
    pub(super) fn set_paused(&mut self, paused: bool, now: Instant) -> Duration {
        if paused {
            self.paused_since.get_or_insert(now);
            return Duration::ZERO;
        }
        let pause = self
            .paused_since
            .take()
            .map_or(Duration::ZERO, |since| now - since);
        self.last_heard += pause;
        if let Some(asked) = &mut self.asked {
            *asked += pause;
        }
        pause
    }

    /// When the peer was last heard. What comes while reading is paused waits to be heard.
    pub(super) fn last_heard(&self, now: Instant) -> Instant {
        let pause = self
            .paused_since
            .map_or(Duration::ZERO, |since| now - since);
        self.last_heard + pause
    }

    /// There is a reason to doubt the connection at once: it is asked.
    pub(super) fn suspect(&mut self, now: Instant) {
        self.asked = now.checked_sub(self.patience());
    }

    /// Whether it is newly in doubt, or newly beyond it.
    pub(super) fn take_doubt(&mut self, now: Instant) -> Option<bool> {
        let doubted = !self.is_paused() && self.doubt_at().is_some_and(|at| at <= now);
        if doubted && !self.doubted {
            self.ping_due = true;
            self.last_ping = now;
            self.proof = self.pings + 1;
        }
        (std::mem::replace(&mut self.doubted, doubted) != doubted).then_some(doubted)
    }

    fn doubt_at(&self) -> Option<Instant> {
        Some(self.asked? + self.patience())
    }

    fn patience(&self) -> Duration {
        DOUBT_AFTER + DOUBT_ROUND_TRIPS * self.round_trip.unwrap_or_default()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused_since.is_some()
    }

    /// Whether the person was told of a silence that has not ended.
    pub(super) fn is_unresponsive(&self) -> bool {
        self.unresponsive
    }

    pub(super) fn ping(&mut self, number: u64) {
        self.pong_due = Some(number);
    }

    /// Returns whether the pong belongs to the last ping, and the round trip is new.
    pub(super) fn pong(&mut self, number: u64, now: Instant) -> Result<bool, ProtocolError> {
        if number > self.pings {
            return Err(ProtocolError::Violation(Violation::PongUnasked));
        }
        if self.doubted && number >= self.proof {
            self.asked = None;
        }
        if number < self.pings {
            return Ok(false);
        }
        let Some(sent) = self.ping_sent.take() else {
            return Ok(false);
        };
        self.round_trip = Some(now - sent);
        Ok(true)
    }

    pub(super) fn take_ping(&mut self, now: Instant) -> Option<u64> {
        if !std::mem::take(&mut self.ping_due) {
            return None;
        }
        self.pings += 1;
        self.ping_sent = Some(now);
        self.asked(now);
        Some(self.pings)
    }

    pub(super) fn take_pong(&mut self) -> Option<u64> {
        self.pong_due.take()
    }

    pub(super) fn timeout(&self) -> Instant {
        let ping = self.next_ping();
        if self.is_paused() {
            return ping;
        }
        let silence = match self.unresponsive {
            false => UNRESPONSIVE_AFTER,
            true => DEAD_AFTER,
        };
        let next = ping.min(self.last_heard + silence);
        self.doubt_timeout().map_or(next, |at| at.min(next))
    }

    /// When the connection will be in doubt.
    pub(super) fn doubt_timeout(&self) -> Option<Instant> {
        let waits = !self.doubted && !self.is_paused();
        self.doubt_at().filter(|_| waits)
    }

    /// While reading is paused nothing is received, but the peer must go on hearing this side.
    fn next_ping(&self) -> Instant {
        match self.paused_since {
            Some(since) => self.last_ping.max(since) + PAUSED_PING_AFTER,
            None => self.last_ping.max(self.last_heard) + PING_AFTER,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Silence> {
        if self.next_ping() <= now {
            self.ping_due = true;
            self.last_ping = now;
        }
        if self.is_paused() {
            return None;
        }
        let silence = now.saturating_duration_since(self.last_heard);
        if silence >= DEAD_AFTER {
            return Some(Silence::Dead(DEAD_AFTER));
        }
        if silence >= UNRESPONSIVE_AFTER && !self.unresponsive {
            self.unresponsive = true;
            return Some(Silence::Unresponsive(UNRESPONSIVE_AFTER));
        }
        None
    }
}
