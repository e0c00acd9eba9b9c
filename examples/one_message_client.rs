//! Asks for one message, sends it, prints the one answer, and ends.
//!
//! ```text
//! cargo run --example one_message_client [ADDRESS]
//! ```
//! At the other end: `cargo run --example one_message_server`, `chat-server --allow-plain`,
//! `nc -l 7788`, or any plain socket.

use std::io::{self, Write};

use chat_core::driver::Connection;
use chat_core::wire::{Frame, LineCodec, LineError};
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), LineError> {
    let address = std::env::args().nth(1);
    let stream = TcpStream::connect(address.as_deref().unwrap_or("localhost:7788")).await?;
    print!("Your message: ");
    io::stdout().flush()?;
    let mut message = String::new();
    io::stdin().read_line(&mut message)?;

    let mut link = Connection::new(stream, LineCodec::default());
    link.send(Frame::Text(message.trim_end().into())).await?;
    match link.receive().await? {
        Some(Frame::Text(answer)) => println!("{}", answer.lines().next().unwrap_or_default()),
        Some(_) | None => println!("The other side hung up."),
    }
    link.end().await;
    Ok(())
}
