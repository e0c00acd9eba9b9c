//! Whether the other end of a connection is still there.

use std::time::{Duration, Instant};

use crate::protocol::ProtocolError;

/// After so much silence the peer is asked whether it is there.
const PING: Duration = Duration::from_secs(2);

/// After so much silence the person is told.
const SILENT: Duration = Duration::from_secs(5);

/// After so much silence the connection counts as lost.
pub(super) const DEAD: Duration = Duration::from_secs(15);

/// Pings, pongs, and the clock of silence, on one connection.
#[derive(Debug)]
pub(super) struct Liveness {
    heard: Instant,
    /// Since when the connection is not read. As long as it is not, silence means nothing.
    deaf_since: Option<Instant>,
    /// The person was told of the silence.
    silent: bool,
    /// Numbers pings from 1; the last one given out.
    pings: u64,
    /// When the last ping was wanted.
    pinged: Instant,
    ping_due: bool,
    /// When the last ping was sent, until its pong comes.
    awaited: Option<Instant>,
    /// The ping to answer. Only the last one is: its pong says all.
    pong_due: Option<u64>,
    /// The last measured time from a ping to its pong.
    pub(super) round_trip: Option<Duration>,
}

/// What silence has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// The person should know: nothing came for this long.
    Notable(Duration),
    /// The connection is lost: nothing came for this long.
    Deadly(Duration),
}

impl Liveness {
    /// A new connection, which is measured at once.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            heard: now,
            deaf_since: None,
            silent: false,
            pings: 0,
            pinged: now,
            ping_due: true,
            awaited: None,
            pong_due: None,
            round_trip: None,
        }
    }

    /// Something came. Returns whether that breaks a silence that the person knows of.
    pub(super) fn heard(&mut self, now: Instant) -> bool {
        self.heard = now;
        std::mem::take(&mut self.silent)
    }

    /// Whether the connection is read from now on. Answers how long it was not, when it is
    /// read again: that time does not count as silence.
    pub(super) fn listening(&mut self, listening: bool, now: Instant) -> Duration {
        if !listening {
            self.deaf_since.get_or_insert(now);
            return Duration::ZERO;
        }
        let deaf = self
            .deaf_since
            .take()
            .map_or(Duration::ZERO, |since| now - since);
        self.heard += deaf;
        deaf
    }

    pub(super) fn is_listening(&self) -> bool {
        self.deaf_since.is_none()
    }

    /// Whether the person was told of a silence that has not ended.
    pub(super) fn is_silent(&self) -> bool {
        self.silent
    }

    pub(super) fn ping(&mut self, number: u64) {
        self.pong_due = Some(number);
    }

    /// Returns whether the pong belongs to the last ping, and the round trip is new.
    pub(super) fn pong(&mut self, number: u64, now: Instant) -> Result<bool, ProtocolError> {
        if number > self.pings {
            return Err(ProtocolError::Absurd("it answered a ping never sent"));
        }
        if number < self.pings {
            return Ok(false);
        }
        let Some(sent) = self.awaited.take() else {
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
        self.awaited = Some(now);
        Some(self.pings)
    }

    pub(super) fn take_pong(&mut self) -> Option<u64> {
        self.pong_due.take()
    }

    pub(super) fn timeout(&self) -> Instant {
        let ping = self.next_ping();
        match (self.is_listening(), self.silent) {
            (false, _) => ping,
            (true, false) => ping.min(self.heard + SILENT),
            (true, true) => ping.min(self.heard + DEAD),
        }
    }

    /// While nothing is read nobody is heard, but the peer must go on hearing this side.
    fn next_ping(&self) -> Instant {
        if self.is_listening() {
            self.pinged.max(self.heard) + PING
        } else {
            self.pinged + PING
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Silence> {
        if self.next_ping() <= now {
            self.ping_due = true;
            self.pinged = now;
        }
        if !self.is_listening() {
            return None;
        }
        let silence = now.saturating_duration_since(self.heard);
        if silence >= DEAD {
            return Some(Silence::Deadly(DEAD));
        }
        if silence >= SILENT && !self.silent {
            self.silent = true;
            return Some(Silence::Notable(SILENT));
        }
        None
    }
}
