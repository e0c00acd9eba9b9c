//! How often strangers may ring.

use std::time::Duration;

use tokio::time::Instant;

/// So much news is told at once.
const BURST: u32 = 10;

/// After that, this often.
const PAUSE: Duration = Duration::from_secs(10);

/// Decides what news of the door is worth a line on the screen, for anybody can make any
/// amount of it.
#[derive(Debug)]
pub struct Doorbell {
    /// News that may be told.
    left: u32,
    /// When `left` last grew.
    grown: Instant,
    unmentioned: usize,
}

impl Doorbell {
    pub fn new() -> Self {
        Self {
            left: BURST,
            grown: Instant::now(),
            unmentioned: 0,
        }
    }

    /// There is news. If it is to be told, answers how much was not since the last time.
    pub fn ring(&mut self) -> Option<usize> {
        while self.left < BURST && self.grown.elapsed() >= PAUSE {
            self.left += 1;
            self.grown += PAUSE;
        }
        if self.left == BURST {
            self.grown = Instant::now();
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Some(std::mem::take(&mut self.unmentioned))
            }
            None => {
                self.unmentioned += 1;
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
    async fn a_crowd_rings_no_more_than_now_and_then() {
        let mut doorbell = Doorbell::new();
        let mut rings = |count| -> Vec<_> { (0..count).filter_map(|_| doorbell.ring()).collect() };
        assert_eq!(rings(1_000), [0; BURST as usize]);
        advance(PAUSE * 2).await;
        assert_eq!(rings(1_000), [990, 0]);
        advance(PAUSE * 1_000).await;
        let told = rings(1_000);
        assert_eq!(told.len(), BURST as usize);
        assert_eq!(told[0], 998);
    }
}
