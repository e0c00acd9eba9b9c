//! The person's side of this process: a pipe, or a terminal.

use std::io::{self, IsTerminal};

use chat_core::driver::{CallConfig, Input, Sink, Source};
use chat_core::protocol::Event;

use crate::args::CommonArgs;
use crate::lines::{self, LineSink, LineSource, LineStyle};
use crate::screen::{Screen, ScreenSink, ScreenSource};
use crate::view::{Idle, ScreenOptions};

/// Standard input and output, as the two halves of a person.
pub struct Console {
    /// Where the person's words come from.
    pub source: ConsoleSource,
    /// Where events are shown.
    pub sink: ConsoleSink,
    /// Whether a person sits at a terminal, and may give commands.
    pub interactive: bool,
}

/// What the person says.
pub enum ConsoleSource {
    /// Plain lines.
    Lines(LineSource),
    /// A keyboard.
    Screen(ScreenSource),
}

/// What the person sees.
pub enum ConsoleSink {
    /// Plain lines.
    Lines(LineSink),
    /// A screen.
    Screen(ScreenSink),
}

impl Console {
    /// Opens standard input and output: as a screen if both are a terminal that can be
    /// painted, else as plain lines. `idle` tells what is done while nobody is on the line.
    /// Must be called within a runtime.
    ///
    /// # Errors
    /// The terminal cannot be set up.
    pub fn open(args: &CommonArgs, idle: Idle) -> io::Result<Self> {
        let interactive = Screen::is_possible();
        if interactive && std::env::var_os("TERM").is_some_and(|term| term != "dumb") {
            let (source, sink) = Screen::open(ScreenOptions {
                color: args.color(),
                bell: !args.quiet,
                idle,
            })?;
            return Ok(Self {
                source: ConsoleSource::Screen(source),
                sink: ConsoleSink::Screen(sink),
                interactive,
            });
        }
        let (source, sink) = if interactive {
            lines::dialogue(lines::stdin(), lines::stdout())
        } else {
            let style = match io::stdout().is_terminal() {
                true => LineStyle::Harmless,
                false => LineStyle::Exact,
            };
            (
                LineSource::piped(lines::stdin(), args.literal),
                LineSink::new(lines::stdout(), style),
            )
        };
        Ok(Self {
            source: ConsoleSource::Lines(source),
            sink: ConsoleSink::Lines(sink),
            interactive,
        })
    }

    /// A pipe has the patience to see everything delivered; a person who hangs up has not.
    pub fn call_config(&self) -> CallConfig {
        CallConfig {
            interactive: self.interactive,
            graceful: !self.interactive,
            ..CallConfig::default()
        }
    }
}

impl Source for ConsoleSource {
    fn begin(&mut self, messages_are_counted: bool) {
        match self {
            Self::Lines(source) => source.begin(messages_are_counted),
            Self::Screen(source) => source.begin(messages_are_counted),
        }
    }

    async fn next(&mut self) -> io::Result<Input> {
        match self {
            Self::Lines(source) => source.next().await,
            Self::Screen(source) => source.next().await,
        }
    }
}

impl Sink for ConsoleSink {
    fn show(&mut self, event: Event) {
        match self {
            Self::Lines(sink) => sink.show(event),
            Self::Screen(sink) => sink.show(event),
        }
    }

    async fn flushed(&mut self) -> io::Result<()> {
        match self {
            Self::Lines(sink) => sink.flushed().await,
            Self::Screen(sink) => sink.flushed().await,
        }
    }
}
