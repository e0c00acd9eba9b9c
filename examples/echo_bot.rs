//! A bot that answers every line, in as many calls at once as there are callers.
//!
//! ```text
//! cargo run --example echo_bot [ADDRESS]
//! ```
//! Then `chat-client --plain`, `nc localhost 7788`, or any plain socket.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use chat_core::driver::{CallConfig, CallDriver, Connection, Input, Sink, Source};
use chat_core::protocol::{Event, Plain};
use chat_core::transport::tcp::set_tcp_options;
use chat_core::wire::LineCodec;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::sleep;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("0.0.0.0:7788")).await?;
    println!("waiting on {}", listener.local_addr()?);
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(caller) => caller,
            Err(error) => {
                // The others can still talk, and once one has left there is room again.
                println!("cannot accept: {error}");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        set_tcp_options(&stream);
        tokio::spawn(async move {
            let (mouth, said) = mpsc::channel(1);
            let answers = VecDeque::new();
            let (mut ears, mut mouth) = (Ears { answers, mouth }, Mouth(said));
            let call = CallDriver::new(
                Box::new(Plain::new()),
                CallConfig::default(),
                &mut mouth,
                &mut ears,
            );
            let ended = call
                .run(Connection::new(stream, LineCodec::default()))
                .await;
            println!("{from}: {}", ended.reason);
        });
    }
}

/// Hears the caller, and thinks of answers.
struct Ears {
    answers: VecDeque<Input>,
    mouth: mpsc::Sender<Input>,
}

impl Sink for Ears {
    fn show(&mut self, event: Event) {
        match event {
            Event::Lines(lines) => {
                let answers: Vec<_> = lines.lines().map(|line| format!("{line}?")).collect();
                let answers = answers.join("\n").as_str().into();
                self.answers.push_back(Input::Lines(answers));
            }
            Event::PeerEof => self.answers.push_back(Input::Eof),
            Event::Ended(_) => self.answers.clear(),
            _ => {}
        }
    }

    /// Until its answers are taken, a caller is not heard again: nothing piles up.
    async fn flushed(&mut self) -> io::Result<()> {
        while let Some(answer) = self.answers.front() {
            let room = self.mouth.reserve().await.map_err(io::Error::other)?;
            room.send(answer.clone());
            self.answers.pop_front();
        }
        Ok(())
    }
}

/// Says the answers.
struct Mouth(mpsc::Receiver<Input>);

impl Source for Mouth {
    async fn next(&mut self) -> io::Result<Input> {
        Ok(self.0.recv().await.unwrap_or(Input::Eof))
    }
}
