//! Takes one message from each caller, prints it, says thank you, and closes.
//!
//! ```text
//! cargo run --example one_message_server [ADDRESS]
//! ```
//! Then `cargo run --example one_message_client`, `chat-client --plain`,
//! `echo hello | nc -N localhost 7788`, or any plain socket.

use std::time::Duration;

use chat_core::driver::Connection;
use chat_core::wire::{Frame, LineCodec, LineError};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// How long a caller may take for its message.
const LIMIT: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("0.0.0.0:7788")).await?;
    println!("waiting on {}", listener.local_addr()?);
    loop {
        let (stream, from) = listener.accept().await?;
        // Whatever goes wrong with one caller, the next is served.
        match timeout(LIMIT, take_message(stream)).await {
            Ok(Ok(Some(message))) => println!("{from}: {message:?}"),
            Ok(Ok(None)) => println!("{from} left without a message"),
            Ok(Err(error)) => println!("{from} failed: {error}"),
            Err(_) => println!("{from} took longer than {LIMIT:?}"),
        }
    }
}

async fn take_message(stream: TcpStream) -> Result<Option<String>, LineError> {
    let mut link = Connection::new(stream, LineCodec::default());
    let Some(Frame::Text(said)) = link.receive().await? else {
        return Ok(None);
    };
    link.send(Frame::Text("Thank you!".into())).await?;
    link.end().await;
    Ok(said.lines().next().map(str::to_owned))
}
