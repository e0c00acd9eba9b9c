//! Writes in a thread of its own, so that a terminal which takes no output blocks nothing
//! else.

use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::sync::mpsc as channel;

/// Writes one frame, or whatever it is made for, at a time.
#[derive(Debug)]
pub(crate) struct Writer<T> {
    frames: mpsc::Sender<T>,
    written: channel::Receiver<io::Result<()>>,
    busy: bool,
}

impl<T: Send + 'static> Writer<T> {
    /// Starts the thread. It ends with the writer, or with the process if the terminal stalls.
    pub(crate) fn start(
        mut write: impl FnMut(&T) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let (frames, queue) = mpsc::channel::<T>();
        let (done, written) = channel::channel(1);
        thread::Builder::new()
            .name("terminal output".to_owned())
            .spawn(move || {
                for frame in queue {
                    let result = write(&frame);
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
    pub(crate) fn write(&mut self, frame: T) {
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
