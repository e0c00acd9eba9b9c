//! When strangers ring instead of being connected: after calls that only disturb.

use std::time::Duration;

use tokio::time::Instant;

use super::RateLimiter;

/// This many calls of strangers may break off without a word within about a minute.
const WORDLESS_BURST: u32 = 2;
const WORDLESS_EVERY: Duration = Duration::from_secs(60);

/// This many calls of strangers may come at once, and after that one in this time.
const CALL_BURST: u32 = 20;
const CALL_EVERY: Duration = Duration::from_secs(3);

/// How long strangers ring after that.
pub(crate) const WARY_FOR: Duration = Duration::from_secs(10 * 60);

/// Decides whether a stranger is connected, or rings.
#[derive(Debug)]
pub(crate) struct StrangerLimiter {
    wordless: RateLimiter,
    calls: RateLimiter,
    wary_until: Option<Instant>,
}

impl StrangerLimiter {
    pub(crate) fn new() -> Self {
        Self {
            wordless: RateLimiter::new(WORDLESS_BURST, WORDLESS_EVERY),
            calls: RateLimiter::new(CALL_BURST, CALL_EVERY),
            wary_until: None,
        }
    }

    /// Whether strangers ring for now.
    pub(crate) fn is_wary(&self) -> bool {
        self.wary_until.is_some_and(|until| Instant::now() < until)
    }

    /// A call of a stranger is over. `wordless`: it broke off without a word. Returns whether
    /// strangers ring from now on who did not before.
    pub(crate) fn call_ended(&mut self, wordless: bool) -> bool {
        let too_many = self.calls.try_acquire().is_none();
        let disturbs = wordless && self.wordless.try_acquire().is_none();
        if !(too_many || disturbs) {
            return false;
        }
        let was_wary = self.is_wary();
        self.wary_until = Some(Instant::now() + WARY_FOR);
        !was_wary
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn three_calls_without_a_word_make_strangers_ring_for_a_while() {
        let mut strangers = StrangerLimiter::new();
        let ended = [(); 4].map(|()| strangers.call_ended(true));
        assert_eq!(ended, [false, false, true, false]);
        assert!(strangers.is_wary());
        advance(WARY_FOR).await;
        assert!(!strangers.is_wary());
        for _ in 0..9 {
            advance(WORDLESS_EVERY).await;
            assert!(!strangers.call_ended(true));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_with_words_may_come_more_often_but_not_without_end() {
        let mut strangers = StrangerLimiter::new();
        let begun = (0..1_000).position(|_| strangers.call_ended(false));
        assert_eq!(begun, Some(CALL_BURST as usize));
    }
}
