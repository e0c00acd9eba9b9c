//! A call in the lab, with a person at each end.

use std::time::{Duration, Instant};

use tokio::time::{interval, sleep};

use super::people::Person;

/// Between two lines of somebody who talks all the time.
const EVERY: Duration = Duration::from_millis(20);

/// How long a way is watched that was just taken.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// Two people who talk.
pub struct Call {
    /// Who waited, in the first home.
    pub ann: Person,
    /// Who called, in the second.
    pub bob: Person,
    /// How long it took from the start of Bob's program until Ann had his first line.
    pub first_line: Duration,
}

/// What came of talking on while the way changed.
pub struct Change {
    /// When the way was direct.
    pub after: Duration,
    /// How long one line took at most, until a while after that.
    pub longest_line: Duration,
}

impl Call {
    /// Both say a line, and hear that of the other and nothing before it. Returns how long that
    /// took.
    pub async fn exchange(&mut self, words: &str) -> Duration {
        let begun = Instant::now();
        let (of_ann, of_bob) = (format!("ann: {words}"), format!("bob: {words}"));
        self.ann.says(&of_ann).await;
        self.bob.says(&of_bob).await;
        self.ann.hears(&of_bob).await;
        self.bob.hears(&of_ann).await;
        begun.elapsed()
    }

    /// The person at this end, and the other one.
    pub fn ends(&mut self, home: usize) -> (&mut Person, &mut Person) {
        match home {
            0 => (&mut self.ann, &mut self.bob),
            _ => (&mut self.bob, &mut self.ann),
        }
    }

    /// Bob talks on until the way is direct, and a while longer. Nothing if it does not become so
    /// within `limit`.
    pub async fn becomes_direct(&mut self, limit: Duration) -> Option<Change> {
        let begun = Instant::now();
        let mut ticks = interval(EVERY);
        let (mut said, mut direct) = (Vec::new(), None);
        while direct.is_none_or(|direct: Instant| direct.elapsed() < AFTERWARDS) {
            if direct.is_none() && begun.elapsed() > limit {
                return None;
            }
            ticks.tick().await;
            self.bob.says(&format!("line {}", said.len())).await;
            said.push(Instant::now());
            direct = direct.or_else(|| self.bob.has_read("Direct"));
        }
        let mut longest_line = Duration::ZERO;
        for (line, said) in said.into_iter().enumerate() {
            let heard = self.ann.hears(&format!("line {line}")).await;
            longest_line = longest_line.max(heard - said);
        }
        Some(Change {
            after: direct? - begun,
            longest_line,
        })
    }

    /// Both sleep on it: nothing comes any more that was said before.
    pub async fn says_nothing(&mut self) {
        sleep(AFTERWARDS).await;
        self.exchange("and that is all").await;
    }
}
