//! Records `docs/demo.cast`, for `asciinema play`: a real call between the two programs, as one of
//! the two people sees it. Port 7788 must be free.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chat_testkit::terminal::{Recorder, Size, Terminal, shell};
use serde_json::json;
use tokio::time::sleep;

/// Both terminals.
const SIZE: Size = Size(80, 24);

/// From key to key.
const TYPING: Duration = Duration::from_millis(55);

/// To read what has come, and to think.
const READING: Duration = Duration::from_millis(1_300);

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let (ann_home, bob_home) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let cast = Arc::new(Mutex::new(Cast::new()));
    let recorder = {
        let cast = Arc::clone(&cast);
        Box::new(move |bytes: &[u8]| lock(&cast).add(bytes)) as Recorder
    };
    let mut ann = Terminal::start(SIZE, shell("ann", ann_home.path()));
    let bob_shell = shell("bob", bob_home.path());
    let mut bob = Terminal::start_recorded(SIZE, |_| bob_shell, recorder);
    talk(&mut ann, &mut bob).await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/demo.cast");
    std::fs::write(&path, lock(&cast).to_text())?;
    println!("{}", path.display());
    Ok(())
}

/// The call: Ann waits, and Bob, whose terminal is recorded, calls her.
async fn talk(ann: &mut Terminal, bob: &mut Terminal) {
    ann.wait_for_line("$").await;
    ann.type_keys("chat-server 127.0.0.1:7788 --name ann\n")
        .await;
    ann.wait_for_status("waiting for a call").await;
    bob.wait_for_line("$").await;
    types(bob, "chat-client localhost --name bob\r").await;
    bob.wait_for_line("Safety number").await;
    let number = ann.wait_for_line("Safety number").await;
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let digits = &digits[digits.len() - 8..];
    sleep(READING).await;
    // They read it to each other by telephone, not in the chat.
    types(bob, &format!("/verify {digits}\r")).await;
    bob.wait_for_status("🔒 verified").await;
    sleep(READING).await;
    types(bob, "hi ann! is the train on time?\r").await;
    ann.wait_for_line("> hi ann!").await;
    types(ann, "to the minute 👋\r").await;
    bob.wait_for_line("> to the minute").await;
    sleep(READING).await;
    // Both type at once, and neither disturbs the other.
    types(bob, "and bring ").await;
    types(ann, "14:05, platform 3\r").await;
    bob.wait_for_line("> 14:05").await;
    sleep(READING).await;
    types(bob, "the cake\r").await;
    bob.wait_for_line("✓ you: and bring the cake").await;
    sleep(READING).await;
    types(bob, "88\r").await;
    bob.wait_for_line("You hung up").await;
    sleep(READING).await;
}

/// Types like a person.
async fn types(person: &mut Terminal, text: &str) {
    for key in text.chars() {
        person.type_keys(key.encode_utf8(&mut [0; 4])).await;
        sleep(TYPING).await;
    }
}

fn lock(cast: &Mutex<Cast>) -> std::sync::MutexGuard<'_, Cast> {
    cast.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A recording in asciicast v2 (<https://docs.asciinema.org/manual/asciicast/v2/>).
struct Cast {
    begun: Instant,
    /// A header, and an event for each piece of output.
    lines: Vec<String>,
    /// The beginning of a character whose rest is still to come.
    partial: Vec<u8>,
}

impl Cast {
    fn new() -> Self {
        let Size(width, height) = SIZE;
        let header = json!({
            "version": 2,
            "width": width,
            "height": height,
            "title": "A call with chat",
            "env": { "TERM": "xterm-256color" },
        });
        Self {
            begun: Instant::now(),
            lines: vec![header.to_string()],
            partial: Vec::new(),
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.partial) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let rest = self.partial.split_off(whole);
        let text = std::mem::replace(&mut self.partial, rest);
        let milliseconds = self.begun.elapsed().as_millis();
        let event = json!([
            milliseconds as f64 / 1_000.0,
            "o",
            String::from_utf8_lossy(&text)
        ]);
        self.lines.push(event.to_string());
    }

    fn to_text(&self) -> String {
        self.lines.join("\n") + "\n"
    }
}
