//! Whether the other end of a connection is still there.

use std::time::{Duration, Instant};

use crate::protocol::{ProtocolError, Violation};

/// After this much silence a ping is sent.
const PING_AFTER: Duration = Duration::from_secs(2);

/// After this much silence the person is told.
const UNRESPONSIVE_AFTER: Duration = Duration::from_secs(5);

/// After this much silence the connection is considered lost.
pub(super) const DEAD_AFTER: Duration = Duration::from_secs(15);

/// Pings, pongs and silence on one connection.
#[derive(Debug)]
pub(super) struct Liveness {
    last_heard: Instant,
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
    /// A new connection, which is measured at once.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            last_heard: now,
            paused_since: None,
            unresponsive: false,
            pings: 0,
            last_ping: now,
            ping_due: true,
            ping_sent: None,
            pong_due: None,
            round_trip: None,
        }
    }

    /// Something was received. Returns whether that ends a silence that the person was told of.
    pub(super) fn heard(&mut self, now: Instant) -> bool {
        self.last_heard = now;
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
        pause
    }

    /// When the peer was last heard. What comes while reading is paused waits to be heard.
    pub(super) fn last_heard(&self, now: Instant) -> Instant {
        let pause = self
            .paused_since
            .map_or(Duration::ZERO, |since| now - since);
        self.last_heard + pause
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
        Some(self.pings)
    }

    pub(super) fn take_pong(&mut self) -> Option<u64> {
        self.pong_due.take()
    }

    pub(super) fn timeout(&self) -> Instant {
        let ping = self.next_ping();
        match (self.is_paused(), self.unresponsive) {
            (true, _) => ping,
            (false, false) => ping.min(self.last_heard + UNRESPONSIVE_AFTER),
            (false, true) => ping.min(self.last_heard + DEAD_AFTER),
        }
    }

    /// While reading is paused nothing is received, but the peer must go on hearing this side.
    fn next_ping(&self) -> Instant {
        if self.is_paused() {
            self.last_ping + PING_AFTER
        } else {
            self.last_ping.max(self.last_heard) + PING_AFTER
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
