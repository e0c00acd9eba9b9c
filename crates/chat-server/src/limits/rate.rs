//! How often something may happen: a token bucket.

use std::time::Duration;

use tokio::time::Instant;

/// Lets something happen now and then, however often it is asked for.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    burst: u32,
    refill_every: Duration,
    /// How often it may happen at once.
    tokens: u32,
    /// When `tokens` last grew.
    refilled: Instant,
    suppressed: usize,
}

impl RateLimiter {
    /// Lets it happen `burst` times at once, and after that one time in `refill_every`.
    pub(crate) fn new(burst: u32, refill_every: Duration) -> Self {
        Self {
            burst,
            refill_every,
            tokens: burst,
            refilled: Instant::now(),
            suppressed: 0,
        }
    }

    /// Asks for one time. If that is granted, returns how many were suppressed since the last.
    pub(crate) fn try_acquire(&mut self) -> Option<usize> {
        while self.tokens < self.burst && self.refilled.elapsed() >= self.refill_every {
            self.tokens += 1;
            self.refilled += self.refill_every;
        }
        if self.tokens == self.burst {
            self.refilled = Instant::now();
        }
        match self.tokens.checked_sub(1) {
            Some(tokens) => {
                self.tokens = tokens;
                Some(std::mem::take(&mut self.suppressed))
            }
            None => {
                self.suppressed += 1;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const BURST: u32 = 10;
    const REFILL_EVERY: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_crowd_is_noticed_only_now_and_then() {
        let mut limiter = RateLimiter::new(BURST, REFILL_EVERY);
        let mut acquired =
            |count| -> Vec<_> { (0..count).filter_map(|_| limiter.try_acquire()).collect() };
        assert_eq!(acquired(1_000), [0; BURST as usize]);
        advance(REFILL_EVERY * 2).await;
        assert_eq!(acquired(1_000), [990, 0]);
        advance(REFILL_EVERY * 1_000).await;
        let told = acquired(1_000);
        assert_eq!(told.len(), BURST as usize);
        assert_eq!(told[0], 998);
    }
}
