//! The person's side of this process: a pipe, or a terminal.

use std::io;

use chat_core::conversation::{Event, Input, Manners, Sink, Source};

use crate::args::CommonArgs;
use crate::lines::{self, LineSink, LineSource};

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
}

/// What the person sees.
pub enum ConsoleSink {
    /// Plain lines.
    Lines(LineSink),
}

impl Console {
    /// Opens standard input and output. Must be called within a runtime.
    ///
    /// # Errors
    /// The terminal cannot be set up.
    pub fn open(args: &CommonArgs) -> io::Result<Self> {
        let interactive = lines::is_terminal();
        let literal = args.literal && !interactive;
        Ok(Self {
            source: ConsoleSource::Lines(LineSource::new(lines::stdin(), literal, interactive)),
            sink: ConsoleSink::Lines(LineSink::new(lines::stdout())),
            interactive,
        })
    }

    /// A pipe has the patience to see everything delivered; a person who hangs up has not.
    pub fn manners(&self) -> Manners {
        Manners {
            patient: !self.interactive,
            ..Manners::default()
        }
    }
}

impl Source for ConsoleSource {
    async fn next(&mut self) -> io::Result<Input> {
        match self {
            Self::Lines(source) => source.next().await,
        }
    }
}

impl Sink for ConsoleSink {
    fn show(&mut self, event: Event) {
        match self {
            Self::Lines(sink) => sink.show(event),
        }
    }

    async fn flushed(&mut self) -> io::Result<()> {
        match self {
            Self::Lines(sink) => sink.flushed().await,
        }
    }
}
