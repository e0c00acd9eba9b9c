//! The terminal itself: taken over while the screen is open, and given back in every ending.
//!
//! All that is Unix-only is in this file and in `signals.rs`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError, TryLockError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, retry_on_intr, write};
use rustix::process::{self, kill_current_process_group};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::screen::size::Size;

/// The size of a terminal that does not know it.
const USUAL: Size = Size {
    columns: 80,
    rows: 24,
};

/// Bracketed paste and reports of focus.
const BEGIN: &[u8] = b"\x1b[?2004h\x1b[?1004h";

/// Every mode as a shell expects it, after the live region was cleared away.
pub(crate) const END: &str = "\x1b[?2026l\x1b[m\x1b[?7h\x1b[?25h\x1b[?2004l\x1b[?1004l";

/// The same wherever the cursor is, with a fresh row.
pub(crate) const ABANDON: &str =
    "\x1b[?2026l\x1b[m\x1b[?7h\x1b[?25h\x1b[?2004l\x1b[?1004l\r\n\x1b[J";

/// How a panic ends the process, as it does by default.
const PANICKED: i32 = 101;

/// The terminal's settings before it was taken over.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Whether frames may be written.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether standard input and output are both a terminal.
pub(crate) fn is_there() -> bool {
    isatty(stdin()) && isatty(stdout())
}

/// Takes the terminal over: raw mode, and a panic gives it back.
pub(crate) fn enter_raw() -> io::Result<()> {
    let before = tcgetattr(stdin())?;
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before.clone());
    restore_on_panic();
    enter(&before)
}

/// Gives the terminal back as it was. May be called at any time, any number of times, from any
/// thread. `farewell` is written last, if the terminal takes it.
pub(crate) fn restore(farewell: &str) {
    TAKEN.store(false, Ordering::SeqCst);
    // Whoever holds the lock is about to do the same.
    let before = match BEFORE.try_lock() {
        Ok(mut before) => before.take(),
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().take(),
        Err(TryLockError::WouldBlock) => None,
    };
    if let Some(before) = before {
        // The settings first: they do not wait for a terminal that takes no output.
        leave(&before);
        if is_writable(Duration::ZERO) {
            let _ = write(stdout(), farewell.as_bytes());
        }
    }
}

/// Has the process stopped, with the terminal given back, until the shell wakes it up.
///
/// Threads go on for a moment: do not take the terminal over again before the process is woken.
/// Where no shell could do that, it is not stopped at all. The live region must have been
/// cleared away.
pub(crate) fn suspend() -> io::Result<()> {
    let before = BEFORE
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let Some(before) = before else {
        return Ok(());
    };
    let _ = write(stdout(), END.as_bytes());
    leave(&before);
    Ok(kill_current_process_group(process::Signal::TSTP)?)
}

/// Takes the terminal over again, after a shell has used it.
pub(crate) fn resume() -> io::Result<()> {
    match &*BEFORE.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(before) => enter(before),
        None => Ok(()),
    }
}

/// What the system tells about the terminal.
pub(crate) struct Signals {
    resized: Signal,
    woken: Signal,
}

impl Signals {
    /// Listens from now on. Needs a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            woken: signal(SignalKind::from_raw(process::Signal::CONT.as_raw()))?,
        })
    }

    /// The terminal is being resized, or the process goes on after it was stopped. Cancel safe.
    pub(crate) async fn next(&mut self) -> Change {
        tokio::select! {
            _ = self.resized.recv() => Change::Resized,
            _ = self.woken.recv() => Change::Woken,
        }
    }

    /// The process goes on after it was stopped. Cancel safe.
    pub(crate) async fn woken(&mut self) {
        self.woken.recv().await;
    }
}

/// What has happened to the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It has another size, maybe not for long.
    Resized,
    /// A shell may have used it.
    Woken,
}

/// How large the terminal is.
pub(crate) fn size() -> Size {
    match tcgetwinsize(stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Size {
            columns: size.ws_col.into(),
            rows: size.ws_row.into(),
        },
        _ => USUAL,
    }
}

/// Reads what was typed; nothing if the terminal is gone, or once `stop` is closed at its other
/// end.
pub(crate) fn read_keys(buffer: &mut [u8], stop: impl AsFd) -> io::Result<usize> {
    loop {
        let mut ready = [
            PollFd::from_borrowed_fd(stdin(), PollFlags::IN),
            PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN),
        ];
        retry_on_intr(|| poll(&mut ready, None))?;
        if !ready[1].revents().is_empty() {
            return Ok(0);
        }
        match read(stdin(), &mut *buffer) {
            Err(Errno::AGAIN | Errno::INTR) => (),
            result => return Ok(result?),
        }
    }
}

/// Writes a whole frame, however long the terminal takes, unless it was given back.
pub(crate) fn write_frame(mut frame: &[u8]) -> io::Result<()> {
    while !frame.is_empty() && TAKEN.load(Ordering::SeqCst) {
        match write(stdout(), frame) {
            Ok(written) => frame = &frame[written..],
            Err(Errno::AGAIN) => {
                wait_until_writable(None)?;
            }
            Err(Errno::INTR) => (),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn is_writable(patience: Duration) -> bool {
    wait_until_writable(Some(patience)).is_ok_and(|ready| ready)
}

fn wait_until_writable(patience: Option<Duration>) -> io::Result<bool> {
    let patience = patience.map(|patience| Timespec {
        tv_sec: patience.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: patience.subsec_nanos().into(),
    });
    let mut ready = [PollFd::from_borrowed_fd(stdout(), PollFlags::OUT)];
    retry_on_intr(|| poll(&mut ready, patience.as_ref()))?;
    Ok(ready[0].revents().contains(PollFlags::OUT))
}

fn enter(before: &Termios) -> io::Result<()> {
    let mut raw = before.clone();
    raw.make_raw();
    set(stdin(), &raw)?;
    TAKEN.store(true, Ordering::SeqCst);
    write_frame(BEGIN)
}

fn leave(before: &Termios) {
    // A terminal that is gone has no settings to give back.
    let _ = set(stdin(), before);
}

fn set(terminal: BorrowedFd<'_>, settings: &Termios) -> io::Result<()> {
    Ok(retry_on_intr(|| {
        tcsetattr(terminal, OptionalActions::Now, settings)
    })?)
}

/// A panic in any thread or task ends the program, with its message on a sane terminal.
fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let taken = TAKEN.load(Ordering::SeqCst);
            restore(ABANDON);
            print(info);
            if taken {
                std::process::exit(PANICKED);
            }
        }));
    });
}
