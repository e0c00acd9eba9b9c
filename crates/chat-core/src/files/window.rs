//! How much of a file may be on its way at once: so little that it makes no queue in which a line of
//! the talk would wait.
//!
//! The queue shows in how long the receiver's words take. The window grows while that is hardly
//! longer than without a queue, and shrinks with it otherwise, as in FAST TCP.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::FileViolation;

/// The smallest window, in bytes. Three quarters of it are what a receiver takes without a word, and
/// no sender waits while less is on its way.
const SMALLEST: u64 = 32 * 1024;

/// The largest: this goes again after a cut. The rest of 1 MiB is for the handshakes before it, and
/// for what the kernel took of a connection that was given up already.
const LARGEST: u64 = 12 * 64 * 1024;

/// How long a line of the talk may wait behind a file.
const QUEUE: Duration = Duration::from_millis(5);

/// What is timed by itself, in bytes.
const PIECE: u64 = 16 * 1024;

/// The window of a sender.
#[derive(Debug)]
pub(super) struct Window {
    size: u64,
    /// What was sent, and what of it the receiver has.
    sent: u64,
    got: u64,
    /// When pieces were sent, by where they end.
    times: VecDeque<(u64, Instant)>,
    /// The shortest time in which a piece was got: that without a queue.
    shortest: Option<Duration>,
    round: Round,
}

/// The time in which a window is sent and got.
#[derive(Debug)]
struct Round {
    /// It is over once this is got.
    end: u64,
    /// The shortest time of a piece in it; others may have waited for a busy machine.
    shortest: Duration,
}

impl Round {
    fn until(end: u64) -> Self {
        let shortest = Duration::MAX;
        Self { end, shortest }
    }
}

impl Window {
    pub(super) fn new() -> Self {
        Self {
            size: SMALLEST,
            sent: 0,
            got: 0,
            times: VecDeque::new(),
            shortest: None,
            round: Round::until(0),
        }
    }

    /// How many bytes there are when all of it is used.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// How many more bytes may be sent.
    pub(super) fn room(&self) -> u64 {
        self.size.saturating_sub(self.sent - self.got)
    }

    /// So many bytes are being sent.
    pub(super) fn sent(&mut self, bytes: u64, now: Instant) {
        let end = self.sent + bytes;
        while self.sent < end {
            self.sent = end.min(self.sent + PIECE);
            self.times.push_back((self.sent, now));
        }
    }

    /// The receiver has so many bytes by now.
    ///
    /// # Errors
    /// They are more than were sent.
    pub(super) fn got(&mut self, bytes: u64, now: Instant) -> Result<(), FileViolation> {
        if bytes > self.sent {
            return Err(FileViolation::Misplaced);
        }
        self.got = self.got.max(bytes);
        let mut last = None;
        while self.times.front().is_some_and(|(end, _)| *end <= self.got) {
            last = self.times.pop_front();
        }
        if let Some((_, sent)) = last {
            let took = now.saturating_duration_since(sent);
            self.shortest = Some(self.shortest.map_or(took, |shortest| shortest.min(took)));
            self.round.shortest = self.round.shortest.min(took);
            if self.got >= self.round.end {
                self.adjust();
                self.round = Round::until(self.sent);
            }
        }
        Ok(())
    }

    /// After each round: half way to what would make a queue of the length that is allowed.
    fn adjust(&mut self) {
        let wanted = self.shortest.unwrap_or_default() + QUEUE;
        let ratio = wanted.as_secs_f64() / self.round.shortest.as_secs_f64().max(1e-6);
        let size = self.size as f64 * (1.0 + ratio.clamp(0.0, 3.0)) / 2.0;
        self.size = (size as u64).clamp(SMALLEST, LARGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends through a link of this rate, in bytes a second, and this round trip, for some seconds.
    /// Returns the queue in the end, and how much got through in the last second.
    fn through(rate: u64, round_trip: Duration) -> (Duration, u64) {
        let begun = Instant::now();
        let (mut window, mut now, mut free) = (Window::new(), begun, begun);
        let mut on_its_way = VecDeque::new();
        let (mut queue, mut before) = (Duration::ZERO, 0);
        while now < begun + Duration::from_secs(10) {
            while window.room() >= PIECE {
                window.sent(PIECE, now);
                queue = free.saturating_duration_since(now);
                free = free.max(now) + Duration::from_secs_f64(PIECE as f64 / rate as f64);
                on_its_way.push_back((window.sent, free + round_trip));
            }
            let (end, at) = on_its_way.pop_front().expect("something is on its way");
            now = at;
            window.got(end, now).expect("it was sent");
            if now < begun + Duration::from_secs(9) {
                before = end;
            }
        }
        (queue, window.got - before)
    }

    #[test]
    fn a_link_is_full_and_its_queue_short() {
        for (rate, round_trip) in [
            (2_500_000, 5),
            (2_500_000, 100),
            (600_000, 30),
            (10_000_000, 20),
        ] {
            let (queue, in_a_second) = through(rate, Duration::from_millis(round_trip));
            let smallest = Duration::from_secs_f64(SMALLEST as f64 / rate as f64);
            assert!(
                queue <= smallest.max(2 * QUEUE),
                "{rate} {round_trip} {queue:?}"
            );
            assert!(
                in_a_second * 10 >= rate * 9,
                "{rate} {round_trip} {in_a_second}"
            );
        }
    }

    #[test]
    fn a_fast_link_has_the_largest_window_and_no_more() {
        let (_, in_a_second) = through(1_000_000_000, Duration::from_micros(500));
        assert!(in_a_second > 900_000_000, "{in_a_second}");
        let (_, in_a_second) = through(1_000_000_000, Duration::from_millis(100));
        assert!(in_a_second <= 11 * LARGEST, "{in_a_second}");
    }

    #[test]
    fn nothing_is_got_that_was_not_sent() {
        let (mut window, now) = (Window::new(), Instant::now());
        window.sent(10, now);
        assert_eq!(window.got(11, now), Err(FileViolation::Misplaced));
        assert_eq!(window.got(10, now), Ok(()));
    }
}
