//! How many notices strangers may cause: a token bucket.

use std::time::Duration;

use tokio::time::Instant;

/// This many notices may come at once.
const BURST: u32 = 10;

/// After that, one in this time.
const REFILL_EVERY: Duration = Duration::from_secs(10);

/// Decides which notices about callers reach the screen, because anybody can cause any number.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    /// Notices that may be shown.
    tokens: u32,
    /// When `tokens` last grew.
    refilled: Instant,
    suppressed: usize,
}

impl RateLimiter {
    pub(crate) fn new() -> Self {
        Self {
            tokens: BURST,
            refilled: Instant::now(),
            suppressed: 0,
        }
    }

    /// Asks to show a notice. If that is granted, returns how many were suppressed since the last.
    pub(crate) fn try_acquire(&mut self) -> Option<usize> {
        while self.tokens < BURST && self.refilled.elapsed() >= REFILL_EVERY {
            self.tokens += 1;
            self.refilled += REFILL_EVERY;
        }
        if self.tokens == BURST {
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

    #[tokio::test(start_paused = true)]
    async fn a_crowd_is_noticed_only_now_and_then() {
        let mut limiter = RateLimiter::new();
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
