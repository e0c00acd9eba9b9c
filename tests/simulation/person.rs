//! People whose words, pauses and moods come from the seed.

use std::future::pending;
use std::io;
use std::time::Duration;

use chat_core::driver::{Input, Sink, Source};
use chat_core::protocol::{ConnectionStatus, Event};
use chat_core::wire::{Batch, MAX_LINE};
use tokio::time::{Instant, sleep_until};

use crate::log::{Log, What};

/// What a person does after the last message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastAct {
    /// Says that there is no more to say.
    Finish,
    /// Hangs up at the end of input, once all has arrived.
    SendOnly,
    HangUp,
    /// Waits until the other hangs up.
    Wait,
}

/// What a person says, in one call or in several.
pub struct Script {
    pub who: usize,
    pub log: Log,
    pub rng: fastrand::Rng,
    /// How often the person says something, in each call.
    pub talk: usize,
    pub last_act: LastAct,
    /// Calls that are over, when this person last looked.
    pub calls: usize,
    /// How often the person has spoken in this call.
    pub spoken: usize,
    pub next_at: Option<Instant>,
}

impl Script {
    fn pause(&mut self) -> Duration {
        match self.rng.u8(..100) {
            0..40 => Duration::ZERO,
            40..80 => Duration::from_millis(self.rng.u64(..300)),
            80..97 => Duration::from_millis(self.rng.u64(..2_000)),
            _ => Duration::from_millis(self.rng.u64(..9_000)),
        }
    }

    fn act(&mut self) -> Option<Input> {
        self.spoken += 1;
        if self.spoken <= self.talk {
            return Some(self.speak());
        }
        if self.spoken > self.talk + 1 {
            return None;
        }
        let (what, input) = match self.last_act {
            LastAct::Finish => (What::Finishes, Input::Eof),
            LastAct::SendOnly => (What::HangsUp, Input::Eof),
            LastAct::HangUp => (What::HangsUp, Input::HangUp),
            LastAct::Wait => return None,
        };
        self.log.note(self.who, what);
        Some(input)
    }

    fn speak(&mut self) -> Input {
        let (who, n) = (self.who, self.spoken);
        let (lines, said) = match self.rng.u8(..10) {
            0..5 => return self.say_lines(&format!("{who}: {n}")),
            5 => {
                let many = self.rng.usize(2..400);
                let lines: Vec<_> = (0..many).map(|i| format!("{who}: {n}, {i}")).collect();
                return self.say_lines(&lines.join("\n"));
            }
            6 => (format!("{who}: {n}\nand a second line\n"), true),
            7 => ("88".to_owned(), self.rng.bool()),
            8 => (
                format!("\u{1}{{\"received\":{n}}}\n\u{1}{who}"),
                self.rng.bool(),
            ),
            _ => (
                [String::new(), "x".repeat(30_000), "\r".into()][self.rng.usize(..3)].clone(),
                true,
            ),
        };
        if !said {
            return self.say_lines(&lines);
        }
        self.log.note(self.who, What::Says(lines.clone()));
        Input::Message(lines)
    }

    fn say_lines(&self, text: &str) -> Input {
        let batch = Batch::from_lines(text, MAX_LINE);
        for line in batch.lines() {
            self.log.note(self.who, What::Says(line.to_owned()));
        }
        Input::Lines(batch)
    }
}

impl Source for Script {
    async fn next(&mut self) -> io::Result<Input> {
        let calls = self.log.calls_ended(self.who);
        if self.calls != calls {
            self.calls = calls;
            self.spoken = 0;
        }
        let at = match self.next_at {
            Some(at) => at,
            None => Instant::now() + self.pause(),
        };
        self.next_at = Some(at);
        sleep_until(at).await;
        self.next_at = None;
        match self.act() {
            Some(input) => Ok(input),
            None => pending().await,
        }
    }
}

/// Where a person reads, now and then slowly.
pub struct Screen {
    pub who: usize,
    pub log: Log,
    pub rng: fastrand::Rng,
    /// What is not read yet.
    pub unread: Vec<What>,
    pub read_at: Option<Instant>,
    /// Loses the first message after an outage.
    pub forgets: bool,
    /// There was one.
    pub was_away: bool,
}

impl Sink for Screen {
    fn show(&mut self, event: Event) {
        let what = match event {
            Event::Lines(lines) => {
                let lost = usize::from(self.forgets && std::mem::take(&mut self.was_away));
                let lines = lines.lines().map(|line| What::Hears(line.to_owned()));
                return self.unread.extend(lines.skip(lost));
            }
            Event::Message(text) => return self.unread.push(What::Hears(text)),
            Event::Ended(ended) => return self.unread.push(What::Ended(ended)),
            Event::Established(peer) => {
                // Whoever left the last call in haste has not read all of it.
                self.read();
                What::Call(peer.name.unwrap_or_default())
            }
            Event::Delivered(number) => What::Delivered(number),
            Event::Connection(state) => {
                self.was_away |= matches!(state, ConnectionStatus::Resumed { .. });
                What::Link(state)
            }
            Event::SendFailed(text, why) => panic!("{text:?} was not said: {why}"),
            _ => return,
        };
        self.log.note(self.who, what);
    }

    async fn flushed(&mut self) -> io::Result<()> {
        let at = self.read_at.unwrap_or_else(|| {
            let pause = match self.rng.u16(..500) {
                0 => self.rng.u64(..25_000),
                1..50 => self.rng.u64(..500),
                _ => 0,
            };
            Instant::now() + Duration::from_millis(pause)
        });
        self.read_at = Some(at);
        sleep_until(at).await;
        self.read_at = None;
        self.read();
        Ok(())
    }
}

impl Screen {
    fn read(&mut self) {
        for what in self.unread.drain(..) {
            self.log.note(self.who, what);
        }
    }
}

/// A program that ends in haste leaves the rest on the screen.
impl Drop for Screen {
    fn drop(&mut self) {
        self.read();
    }
}
