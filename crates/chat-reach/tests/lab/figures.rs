//! How long something took, each time.

use std::fmt;
use std::time::Duration;

/// Times of one kind, of which there is at least one before they are shown.
#[derive(Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
        self.0.sort();
    }

    pub fn median(&self) -> Duration {
        self.0[self.0.len() / 2]
    }

    pub fn worst(&self) -> Duration {
        self.0[self.0.len() - 1]
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, worst) = (self.median(), self.worst());
        write!(f, "{median:.2?}, at most {worst:.2?}")
    }
}
