//! Strangers, who send what they like: noise, half a handshake, or lines of chat/1 in any order.

use std::io;
use std::time::Duration;

use chat_core::transport::TlsEndpoint;
use fastrand::Rng;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::sleep;
use turmoil::net::TcpStream;

use crate::network::PORT;
use crate::plan::Stranger;

/// How long one stays when there is nothing more to send.
const STAYS: Duration = Duration::from_secs(20);

/// What a name of a stranger begins with: nobody else's does.
pub const MARK: &str = "x";

/// Calls the server, and does its worst. That ends however it ends.
pub async fn calls(stranger: Stranger, tls: TlsEndpoint) {
    sleep(stranger.at).await;
    let mut rng = Rng::with_seed(stranger.seed);
    let Ok(stream) = TcpStream::connect(("server", PORT)).await else {
        return;
    };
    let ended = match stranger.speaks {
        true => match tls.connect(stream).await {
            Ok(secured) => {
                // Most are let in, for what is sent in a call matters most.
                let begin = match rng.u8(..4) {
                    0 => String::new(),
                    _ => format!("\u{1}{}\n", hello(&mut rng, false)),
                };
                sends(secured.stream, begin, stranger.pieces, line, &mut rng).await
            }
            Err(_) => return,
        },
        false => sends(stream, String::new(), stranger.pieces, noise, &mut rng).await,
    };
    // Whoever is hung up on cannot send on.
    drop(ended);
}

async fn sends(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    begin: String,
    pieces: usize,
    piece: fn(&mut Rng) -> Vec<u8>,
    rng: &mut Rng,
) -> io::Result<()> {
    let (mut from, mut to) = tokio::io::split(stream);
    let mut heard = Vec::new();
    let listens = from.read_to_end(&mut heard);
    let talks = async {
        to.write_all(begin.as_bytes()).await?;
        for _ in 0..pieces {
            to.write_all(&piece(rng)).await?;
            to.flush().await?;
            sleep(Duration::from_millis(rng.u64(..400))).await;
        }
        if rng.bool() {
            to.shutdown().await?;
        }
        sleep(STAYS).await;
        Ok(())
    };
    tokio::select! {
        talked = talks => talked,
        Err(error) = listens => Err(error),
    }
}

fn noise(rng: &mut Rng) -> Vec<u8> {
    let begin: &[u8] =
        [&b""[..], b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n"][rng.usize(..3)];
    let bytes = std::iter::repeat_with(|| rng.u8(..)).take(400);
    begin.iter().copied().chain(bytes).collect()
}

fn hello(rng: &mut Rng, resumed: bool) -> String {
    let (name, id) = (rng.u8(..), hex(rng, 32));
    let hello = format!(r#""name":"{MARK}{name}","conversation":"{id}""#);
    let received = match resumed {
        true => rng.u64(..3),
        false => 0,
    };
    format!(r#"{{"hello":{{{hello},"received":{received},"resumed":{resumed}}}}}"#)
}

fn hex(rng: &mut Rng, digits: usize) -> String {
    ["0", "a"][rng.usize(..2)].repeat(digits)
}

/// A line as the grammar has them, not always in its place; now and then another.
fn line(rng: &mut Rng) -> Vec<u8> {
    let number = [0, 1, rng.u64(..20), u64::MAX][rng.usize(..4)];
    let (id, secret, resumed) = (hex(rng, 32), hex(rng, 64), rng.bool());
    let control = match rng.u8(..16) {
        0..5 => hello(rng, resumed),
        5 => format!(r#"{{"received":{number}}}"#),
        6 => format!(r#"{{"say":"{number}\n"}}"#),
        7 => r#"{"done":true}"#.to_owned(),
        8 => format!(r#"{{"nonce":"{secret}"}}"#),
        9 => format!(r#"{{"reveal":"{secret}"}}"#),
        10 => format!(r#"{{"ping":{number}}}"#),
        11 => format!(r#"{{"name":"{MARK}{number}"}}"#),
        12 => format!(r#"{{"away":"{id}"}}"#),
        13 => format!(r#"{{"offer":{{"id":"{id}","name":"../{number}","size":{number}}}}}"#),
        14 => "{".repeat(5_000),
        _ => format!(r#"{{"{id}":{number}}}"#),
    };
    match rng.u8(..8) {
        0 => b"88\n".to_vec(),
        1 => format!("{MARK} says {number}\n").into_bytes(),
        2 => noise(rng),
        _ => format!("\u{1}{control}\n").into_bytes(),
    }
}
