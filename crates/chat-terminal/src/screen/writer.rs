//! Writes frames in a thread of its own, so that a terminal which takes no output blocks nothing
//! else.

use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::sync::mpsc as channel;

use crate::screen::tty;

/// Writes one frame at a time.
#[derive(Debug)]
pub(crate) struct Writer {
    frames: mpsc::Sender<Vec<u8>>,
    written: channel::Receiver<io::Result<()>>,
    busy: bool,
}

impl Writer {
    /// Starts the thread. It ends with the writer, or with the process if the terminal stalls.
    pub(crate) fn start() -> io::Result<Self> {
        let (frames, queue) = mpsc::channel::<Vec<u8>>();
        let (done, written) = channel::channel(1);
        thread::Builder::new()
            .name("terminal output".to_owned())
            .spawn(move || {
                for frame in queue {
                    let result = tty::write_frame(&frame);
                    if done.blocking_send(result).is_err() {
                        break;
                    }
                }
            })?;
        Ok(Self {
            frames,
            written,
            busy: false,
        })
    }

    /// Whether a frame is being written.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Starts to write a frame. Only to be called while the writer is not busy.
    pub(crate) fn write(&mut self, frame: Vec<u8>) {
        debug_assert!(!self.busy);
        self.busy = self.frames.send(frame).is_ok();
    }

    /// Waits until the frame has been written. Cancel safe.
    pub(crate) async fn written(&mut self) -> io::Result<()> {
        let result = self.written.recv().await;
        self.busy = false;
        result.unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into()))
    }
}
