//! Reads the bytes that are typed, in a thread of its own.

use std::io;
use std::thread;

use tokio::sync::mpsc;

use crate::screen::tty;

/// The bytes that are typed, one read after another.
#[derive(Debug)]
pub(crate) struct Keyboard {
    bytes: mpsc::Receiver<Vec<u8>>,
    /// The reading thread ends when this is dropped.
    _stop: io::PipeWriter,
}

impl Keyboard {
    /// Starts to read.
    pub(crate) fn open() -> io::Result<Self> {
        let (stopped, stop) = io::pipe()?;
        let (sender, bytes) = mpsc::channel(4);
        thread::Builder::new()
            .name("terminal input".to_owned())
            .spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = tty::read_keys(&mut buffer, &stopped) {
                    if sender.blocking_send(buffer[..length].to_vec()).is_err() {
                        break;
                    }
                }
            })?;
        Ok(Self { bytes, _stop: stop })
    }

    /// What was typed; `None` once the terminal is gone. Cancel safe.
    pub(crate) async fn read(&mut self) -> Option<Vec<u8>> {
        self.bytes.recv().await
    }
}
