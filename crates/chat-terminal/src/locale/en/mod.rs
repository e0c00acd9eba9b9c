//! The texts in English.

mod callers;
mod calls;
mod errors;
mod files;
mod help;
mod line;
mod machine;
mod past;
mod peers;
mod replies;
mod start;
mod status;

use std::time::Duration;

use chat_core::trust::{Security, Verification};

use super::Language;

/// English.
#[derive(Debug)]
pub(super) struct English;

impl Language for English {
    fn joined(&self, sentence: &str, next: &str) -> String {
        format!("{sentence} {next}")
    }
}

/// How secure the connection is, in a sentence.
fn mark(security: &Security) -> &'static str {
    match security {
        Security::Plaintext => "NOT ENCRYPTED",
        Security::NoKey { post_quantum } => no_key(*post_quantum),
        Security::Key { verification, .. } => match verification {
            Verification::New => "encrypted, new, unverified",
            Verification::Unverified => "encrypted, unverified",
            Verification::Verified => "encrypted, verified",
        },
    }
}

fn no_key(post_quantum: bool) -> &'static str {
    match post_quantum {
        true => "encrypted, no key",
        false => "encrypted, no key, not post-quantum",
    }
}

fn messages(count: u64) -> String {
    match count {
        1 => "1 message".into(),
        _ => format!("{count} messages"),
    }
}

fn ordinal(number: u32) -> String {
    let suffix = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..10 if time.subsec_millis() >= 100 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}
