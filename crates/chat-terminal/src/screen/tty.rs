//! The terminal device: it sends each key while the program has it, and is restored however the
//! program ends.
//!
//! All that is Unix-only is in this file, `app/logging.rs`, `app/signals.rs` and the FIFOs of
//! `pipe.rs`.

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
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr,
    tcgetwinsize, tcsetattr,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::screen::size::Size;

/// The size that is assumed for a terminal which does not tell it.
const USUAL: Size = Size {
    columns: 80,
    rows: 24,
};

/// What the program makes of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It draws on all of it.
    Screen,
    /// It echoes the keys, and writes lines; a key may still end the program.
    Lines,
}

impl Mode {
    /// Turns on bracketed paste and focus reports, and saves the title.
    fn begin(self) -> &'static str {
        match self {
            Self::Screen => "\x1b[?2004h\x1b[?1004h\x1b[22;2t",
            Self::Lines => "",
        }
    }

    /// Resets every mode to what a shell expects, once the live region is cleared.
    fn end(self) -> &'static str {
        match self {
            Self::Screen => "\x1b[?2026l\x1b[m\x1b[?7h\x1b[?25h\x1b[?2004l\x1b[?1004l\x1b[23;2t",
            Self::Lines => "",
        }
    }

    /// The same from any cursor position: also starts a new row and clears below it.
    fn abandon(self) -> &'static str {
        match self {
            Self::Screen => {
                "\x1b[?2026l\x1b[m\x1b[?7h\x1b[?25h\x1b[?2004l\x1b[?1004l\x1b[23;2t\r\n\x1b[J"
            }
            Self::Lines => "\r\n",
        }
    }

    /// The settings for it.
    fn settings(self, before: &Termios) -> Termios {
        let mut settings = before.clone();
        match self {
            Self::Screen => settings.make_raw(),
            Self::Lines => {
                let edited = LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN;
                settings.local_modes.remove(edited);
                settings.input_modes.remove(InputModes::ICRNL);
                let codes = &mut settings.special_codes;
                codes[SpecialCodeIndex::VMIN] = 1;
                codes[SpecialCodeIndex::VTIME] = 0;
                // The half-typed line is left in good order before the program stops.
                codes[SpecialCodeIndex::VSUSP] = DISABLED;
            }
        }
        settings
    }
}

/// `_POSIX_VDISABLE`: no key does this.
const DISABLED: u8 = if cfg!(target_os = "linux") { 0 } else { 0xff };

/// The exit code of a panic, as by default.
const PANICKED: i32 = 101;

/// The terminal's settings before the program took it, and what for.
static BEFORE: Mutex<Option<(Termios, Mode)>> = Mutex::new(None);

/// Whether frames may be written.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether standard input and output are both a terminal.
pub(crate) fn is_there() -> bool {
    isatty(stdin()) && isatty(stdout())
}

/// Whether the terminal edits and echoes each line by itself, as it does unless another program,
/// such as Emacs, does that.
pub(crate) fn edits_lines() -> bool {
    let edits = LocalModes::ICANON | LocalModes::ECHO;
    tcgetattr(stdin()).is_ok_and(|settings| settings.local_modes.contains(edits))
}

/// Makes the terminal send each key; a panic restores it.
pub(crate) fn enter(mode: Mode) -> io::Result<()> {
    let before = tcgetattr(stdin())?;
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some((before.clone(), mode));
    restore_on_panic();
    take(&before, mode)
}

/// Restores the terminal, whose live region is cleared. May be called at any time, any number of
/// times, from any thread.
pub(crate) fn end() {
    restore(Mode::end);
}

/// The same wherever the cursor is.
pub(crate) fn abandon() {
    restore(Mode::abandon);
}

/// Restores the terminal's settings. The farewell is written last, if the terminal takes output.
fn restore(farewell: fn(Mode) -> &'static str) {
    TAKEN.store(false, Ordering::SeqCst);
    // Another thread that holds the lock is restoring the terminal right now.
    let before = match BEFORE.try_lock() {
        Ok(mut before) => before.take(),
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().take(),
        Err(TryLockError::WouldBlock) => None,
    };
    if let Some((before, mode)) = before {
        // The settings first: they do not block on a terminal that takes no output.
        leave(&before);
        if is_writable(Duration::ZERO) {
            let _ = write(stdout(), farewell(mode).as_bytes());
        }
    }
}

/// Restores the terminal and stops the process (SIGTSTP) until the shell continues it.
///
/// The threads run on for a moment: do not call [`resume`] before SIGCONT. Without a shell that
/// could continue it, the process is not stopped. The live region must be cleared before.
pub(crate) fn suspend() -> io::Result<()> {
    let before = BEFORE
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let Some((before, mode)) = before else {
        return Ok(());
    };
    let _ = write(stdout(), mode.end().as_bytes());
    leave(&before);
    Ok(kill_current_process_group(process::Signal::TSTP)?)
}

/// Takes the terminal again, after the shell has used it.
pub(crate) fn resume() -> io::Result<()> {
    match &*BEFORE.lock().unwrap_or_else(PoisonError::into_inner) {
        Some((before, mode)) => take(before, *mode),
        None => Ok(()),
    }
}

/// The signals about the terminal: SIGWINCH and SIGCONT.
pub(crate) struct Signals {
    resized: Signal,
    woken: Signal,
}

impl Signals {
    /// Catches the signals from now on. Needs a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            woken: signal(SignalKind::from_raw(process::Signal::CONT.as_raw()))?,
        })
    }

    /// Waits for a resize, or for the process to be continued. Cancel safe.
    pub(crate) async fn next(&mut self) -> Change {
        tokio::select! {
            _ = self.resized.recv() => Change::Resized,
            _ = self.woken.recv() => Change::Woken,
        }
    }

    /// Waits for the process to be continued after a stop. Cancel safe.
    pub(crate) async fn woken(&mut self) {
        self.woken.recv().await;
    }
}

/// What happened to the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It has another size; more changes may follow.
    Resized,
    /// The process was continued; a shell may have used the terminal.
    Woken,
}

/// The size of the terminal.
pub(crate) fn size() -> Size {
    match tcgetwinsize(stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Size {
            columns: size.ws_col.into(),
            rows: size.ws_row.into(),
        },
        _ => USUAL,
    }
}

/// Reads what was typed, and returns the number of bytes: 0 if the terminal is gone, or once the
/// other end of `stop` is closed.
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

/// Writes a whole frame, however long that takes, unless the terminal is restored.
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

fn take(before: &Termios, mode: Mode) -> io::Result<()> {
    set(stdin(), &mode.settings(before))?;
    TAKEN.store(true, Ordering::SeqCst);
    write_frame(mode.begin().as_bytes())
}

fn leave(before: &Termios) {
    // This fails if the terminal is gone.
    let _ = set(stdin(), before);
}

fn set(terminal: BorrowedFd<'_>, settings: &Termios) -> io::Result<()> {
    Ok(retry_on_intr(|| {
        tcsetattr(terminal, OptionalActions::Now, settings)
    })?)
}

/// Makes a panic in any thread or task restore the terminal, print its message and end the
/// program.
fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let taken = TAKEN.load(Ordering::SeqCst);
            abandon();
            print(info);
            if taken {
                std::process::exit(PANICKED);
            }
        }));
    });
}
