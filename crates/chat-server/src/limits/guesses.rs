//! How often strangers may learn a safety number: each that they learn is a guess for somebody
//! who wants it to be the one that another call shows.

use std::time::Duration;

use tokio::time::Instant;

/// This many numbers may be revealed at once.
const BURST: u32 = 3;

/// The first pause, which doubles with each number.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause. As much quiet makes up for one number.
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);

/// No more than this is remembered: so many numbers lead to the longest pause.
const MAX_LEVEL: u32 = 10;

/// So many callers who broke off are worth a warning.
const SUSPICIOUS: usize = 3;

/// Between two warnings. After as much quiet the count begins anew.
const WARN_EVERY: Duration = Duration::from_secs(10 * 60);

/// Slows down callers who are not verified, all of them together: keys cost nothing.
///
/// However they call, they learn at most 160 numbers a day.
#[derive(Debug)]
pub(crate) struct GuessLimiter {
    /// Grows with each number, and falls with quiet time.
    level: u32,
    /// When the level last fell, or had nowhere to fall to.
    fell: Instant,
    /// When the last number was revealed.
    revealed: Option<Instant>,
    /// Callers who have broken off.
    broke_off: usize,
    last_broke_off: Instant,
    warned: Option<Instant>,
}

impl GuessLimiter {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            level: 0,
            fell: now,
            revealed: None,
            broke_off: 0,
            last_broke_off: now,
            warned: None,
        }
    }

    /// When the next caller may learn its number; `None` if at once.
    pub(crate) fn reveal_after(&mut self) -> Option<Instant> {
        self.recover();
        let doublings = self.level.checked_sub(BURST)?;
        let pause = FIRST_PAUSE * 2u32.pow(doublings);
        self.revealed.map(|at| at + pause.min(LONGEST_PAUSE))
    }

    /// A caller has learned its number.
    pub(crate) fn revealed(&mut self) {
        self.recover();
        self.level = (self.level + 1).min(MAX_LEVEL);
        self.revealed = Some(Instant::now());
    }

    /// A caller has broken off without a word. Returns how many have, if it is time for a
    /// warning.
    pub(crate) fn broke_off(&mut self) -> Option<usize> {
        let now = Instant::now();
        if now - self.last_broke_off >= WARN_EVERY {
            self.broke_off = 0;
        }
        self.last_broke_off = now;
        self.broke_off += 1;
        let quiet = self.warned.is_none_or(|at| now - at >= WARN_EVERY);
        (quiet && self.broke_off >= SUSPICIOUS).then(|| {
            self.warned = Some(now);
            self.broke_off
        })
    }

    fn recover(&mut self) {
        while self.level > 0 && self.fell.elapsed() >= LONGEST_PAUSE {
            self.level -= 1;
            self.fell += LONGEST_PAUSE;
        }
        if self.level == 0 {
            self.fell = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep_until};

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// One caller who waits for its number. Returns how long it took.
    async fn learn(limiter: &mut GuessLimiter) -> Duration {
        let start = Instant::now();
        if let Some(after) = limiter.reveal_after() {
            sleep_until(after).await;
        }
        limiter.revealed();
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn each_number_takes_longer_than_the_one_before() {
        let mut limiter = GuessLimiter::new();
        let mut waits = Vec::new();
        for _ in 0..6 {
            waits.push(learn(&mut limiter).await.as_secs());
        }
        assert_eq!(waits, [0, 0, 0, 10, 20, 40]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_most_patient_guesser_learns_no_more_in_a_day() {
        let mut limiter = GuessLimiter::new();
        let start = Instant::now();
        let mut learned = 0;
        while start.elapsed() < DAY {
            learn(&mut limiter).await;
            learned += 1;
        }
        assert!((140..=160).contains(&learned), "{learned}");
    }

    #[tokio::test(start_paused = true)]
    async fn quiet_makes_up_for_it() {
        let mut limiter = GuessLimiter::new();
        for _ in 0..20 {
            learn(&mut limiter).await;
        }
        advance(LONGEST_PAUSE * MAX_LEVEL).await;
        assert_eq!(limiter.reveal_after(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_warning_comes_now_and_then() {
        let mut limiter = GuessLimiter::new();
        let mut warned = Vec::new();
        for _ in 0..1_000 {
            warned.extend(limiter.broke_off());
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!(warned, [3, 603]);
        advance(WARN_EVERY).await;
        assert_eq!(limiter.broke_off(), None);
    }
}
