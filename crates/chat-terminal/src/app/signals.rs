//! The signals that end a program, and one that must not.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGXFSZ, which the system sends with the error EFBIG.
const FILE_SIZE: i32 = rustix::process::Signal::XFSZ.as_raw();

/// Waits for SIGINT, SIGTERM and SIGHUP.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    _file_size: Signal,
}

impl Signals {
    /// Catches the signals: from now on they no longer end the process. Needs a runtime.
    ///
    /// # Errors
    /// The signal handlers cannot be installed.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            // A file that may not grow any more is an error of whoever writes it.
            _file_size: signal(SignalKind::from_raw(FILE_SIZE))?,
        })
    }

    /// Returns the exit code for the next signal: 128 plus its number. Cancel safe. Waits in a
    /// task of its own, because a call polls this for every message, and one task is cheaper to
    /// poll than three signals.
    pub async fn next(self) -> u8 {
        tokio::spawn(self.first()).await.unwrap_or(255)
    }

    async fn first(mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
            _ = self.hang_up.recv() => 129,
        }
    }
}
