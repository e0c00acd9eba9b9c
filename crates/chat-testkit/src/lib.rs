//! What the tests share: scripted people, programs in processes and at terminals, and networks
//! that fail on command. Only tests, benches and examples depend on it.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::timeout;

pub mod anybody;
pub mod crash;
pub mod emulator;
pub mod mitm;
pub mod network;
pub mod people;
pub mod process;
pub mod proxy;
pub mod scripted;
#[cfg(unix)]
pub mod terminal;
pub mod wire;

/// A stock peer in Python: `python3 -c TLS_CALLER HOST PORT` calls over TLS, sends a line from
/// stdin, and prints what comes back.
pub const TLS_CALLER: &str = include_str!("tls_caller.py");

/// Far longer than anything takes: what takes longer never comes.
pub const NEVER: Duration = Duration::from_secs(60);

/// Fails a test that would wait for ever.
pub async fn soon<F: Future>(what: F) -> F::Output {
    timeout(NEVER, what)
        .await
        .expect("what was waited for never came")
}

/// A home for a program, or for a person's files.
pub fn home() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// A free port of this machine, and where it is called.
pub async fn a_port() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}
