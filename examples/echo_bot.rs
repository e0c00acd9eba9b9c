//! A bot that answers every message, encrypted, in as many calls at once as there are callers.
//!
//! ```text
//! CHAT_HOME=/tmp/bot cargo run --example echo_bot [ADDRESS]
//! ```
//! Then `chat-client`. The bot's key and those of its callers are in `CHAT_HOME`.

use std::time::Duration;

use chat_core::transport::Keyring;
use chat_core::{Call, CallError, trust};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let keyring = Keyring::open(&trust::data_dir()?)?;
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
        let keyring = keyring.clone();
        tokio::spawn(async move {
            match echo(stream, &keyring).await {
                Ok(how) => println!("{from}: {how}"),
                Err(error) => println!("{from}: {error}"),
            }
        });
    }
}

/// Holds a call to its end, and returns how it ended.
async fn echo(stream: TcpStream, keyring: &Keyring) -> Result<String, CallError> {
    let mut call = Call::accept(stream, keyring, "echo").await?;
    while let Some(text) = call.next().await {
        call.send(format!("{text}?")).await?;
    }
    Ok(call.hang_up().await.reason.to_string())
}
