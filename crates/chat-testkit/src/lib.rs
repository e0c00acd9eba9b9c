//! What the tests share: scripted people, programs in processes and at terminals, and networks
//! that fail on command. Only tests, benches and examples depend on it.

use std::future::Future;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::timeout;

pub mod anybody;
pub mod crash;
pub mod emulator;
#[cfg(target_os = "linux")]
pub mod lab;
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

/// From these no system takes the ports of its own connections.
const PORTS: Range<u32> = 20_000..32_000;

/// A free port of this machine, and where it is called. It stays free while no program listens on
/// it: no connection is given it by chance, and no other test of this process.
pub async fn a_port() -> (TcpListener, SocketAddr) {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Tests of other processes take others.
    let first = std::process::id().wrapping_mul(97);
    loop {
        let next = first.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + next % (PORTS.end - PORTS.start);
        let address = SocketAddr::from(([127, 0, 0, 1], port as u16));
        if let Ok(listener) = TcpListener::bind(address).await {
            return (listener, address);
        }
    }
}
