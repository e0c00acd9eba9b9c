//! The terminal mode: screen and keyboard as a source and a sink.
//!
//! One thread owns all that the screen shows. It has a runtime of its own, so that keys are
//! echoed at once whatever the rest of the program does, and so that dropping both halves can
//! wait until the terminal is restored.

mod channel;
mod draft;
mod event_loop;
#[cfg(any(test, fuzzing))]
mod harmless;
pub(crate) mod keyboard;
mod line;
mod notify;
mod painter;
mod size;
mod status_row;
mod style;
#[cfg(test)]
mod tests;
mod transcript;
pub(crate) mod tty;
mod view;
pub(crate) mod writer;

use std::io;
use std::thread;

use crate::input::memory::{Memory, Typed};
use channel::halves;
pub(crate) use channel::{ScreenSink, ScreenSource};
pub(crate) use notify::Protocol;
pub(crate) use style::Colors;
use tty::Mode;
pub use view::Idle;
pub(crate) use view::ScreenOptions;

/// What the screen is made of, without its threads.
#[cfg(fuzzing)]
pub(crate) mod fuzz {
    pub(crate) use super::harmless::that_acts;
    pub(crate) use super::painter::Painter;
    pub(crate) use super::size::Size;
    pub(crate) use super::transcript::Timestamp;
    pub(crate) use super::view::View;
    pub(crate) use super::{Idle, ScreenOptions};
}

/// Opens and restores the terminal.
#[derive(Debug)]
pub(crate) struct Screen;

impl Screen {
    /// Whether standard input and output are both a terminal.
    pub(crate) fn is_possible() -> bool {
        tty::is_there()
    }

    /// Puts the terminal into raw mode. It is restored when both halves are dropped, after all
    /// events have been drawn, or after half a second if the terminal takes no output. `typed` was
    /// left in `memory`, and so is what will not be sent this time.
    ///
    /// There can be one screen at a time: the terminal belongs to the process.
    ///
    /// # Errors
    /// The terminal cannot be set up, or no thread can be started.
    pub(crate) fn open(
        options: ScreenOptions,
        typed: Typed,
        memory: Option<Memory>,
    ) -> io::Result<(ScreenSource, ScreenSink)> {
        tty::enter(Mode::Screen)?;
        let (source, sink, backend) = halves();
        let thread = thread::Builder::new()
            .name("screen".to_owned())
            .spawn(move || event_loop::run(options, typed, memory, backend))
            .inspect_err(|_| Screen::restore())?;
        sink.set_thread(thread);
        Ok((source, sink))
    }

    /// Restores the terminal at once. May be called at any time and more than once; dropping
    /// the two halves is the orderly way.
    pub(crate) fn restore() {
        tty::abandon();
    }
}
