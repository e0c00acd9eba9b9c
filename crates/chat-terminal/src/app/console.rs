//! The user's side of this process: a pipe or a terminal.

use std::io;

use chat_core::driver::{CallConfig, Input, Sink, Source};
use chat_core::protocol::Event;

use crate::app::args::CommonArgs;
use crate::pipe::{self, LineSink, LineSource, LineStyle};
use crate::screen::{Idle, Screen, ScreenOptions, ScreenSink, ScreenSource};

/// Standard input and output, as a source and a sink.
pub struct Console {
    /// Where the user's input comes from.
    pub source: ConsoleSource,
    /// Where events are shown.
    pub sink: ConsoleSink,
    /// Whether a user sits at a terminal and can give commands.
    pub interactive: bool,
}

/// The user's input.
pub enum ConsoleSource {
    /// Plain lines.
    Lines(LineSource),
    /// A keyboard.
    Screen(ScreenSource),
}

/// The user's output.
pub enum ConsoleSink {
    /// Plain lines.
    Lines(LineSink),
    /// A screen.
    Screen(ScreenSink),
}

impl Console {
    /// Opens standard input and output: as a screen if both are a terminal that can be
    /// painted, as plain lines otherwise. `idle` is what the status row says while there is no
    /// call. Must be called within a runtime.
    ///
    /// # Errors
    /// The terminal cannot be set up.
    pub fn open(args: &CommonArgs, idle: Idle) -> io::Result<Self> {
        let interactive = Screen::is_possible();
        if interactive && std::env::var_os("TERM").is_some_and(|term| term != "dumb") {
            let (source, sink) = Screen::open(ScreenOptions {
                color: args.color(),
                bell: !args.quiet,
                tells_typing: !args.no_typing,
                idle,
            })?;
            return Ok(Self {
                source: ConsoleSource::Screen(source),
                sink: ConsoleSink::Screen(sink),
                interactive,
            });
        }
        let (source, sink) = if interactive {
            pipe::interactive(pipe::stdin(), pipe::stdout())
        } else {
            (
                LineSource::piped(pipe::stdin(), args.literal),
                LineSink::new(pipe::stdout(), LineStyle::of_stdout()),
            )
        };
        Ok(Self {
            source: ConsoleSource::Lines(source),
            sink: ConsoleSink::Lines(sink),
            interactive,
        })
    }

    /// Opens standard output alone, as plain lines: nobody says anything here. Must be called within
    /// a runtime.
    pub fn silent() -> Self {
        let style = LineStyle::of_stdout();
        Self {
            source: ConsoleSource::Lines(LineSource::silent()),
            sink: ConsoleSink::Lines(LineSink::new(pipe::stdout(), style)),
            interactive: false,
        }
    }

    /// How to drive a call: a pipe waits until everything is delivered, a user who hangs up
    /// does not wait.
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

    fn has_draft(&self) -> bool {
        match self {
            Self::Lines(source) => source.has_draft(),
            Self::Screen(source) => source.has_draft(),
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
