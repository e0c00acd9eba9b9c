//! The user's side of this process: a pipe or a terminal.

use std::io::{self, IsTerminal};

use chat_core::driver::{CallConfig, Input, Sink, Source};
use chat_core::protocol::Event;
use chat_core::trust::data_dir;

use crate::app::args::CommonArgs;
use crate::app::exit;
use crate::input::memory::{Memory, Typed};
use crate::locale::{self, Explain};
use crate::pipe::{self, LineSink, LineSource, LineStyle};
use crate::screen::{Colors, Idle, Protocol, Screen, ScreenOptions, ScreenSink, ScreenSource};
use crate::text::charset::Charset;

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
    /// painted, as plain lines otherwise, or if they are asked for. `idle` is what the status row says while there is no
    /// call. A draft that is not sent is kept for `address`. Must be called within a runtime.
    ///
    /// # Errors
    /// The terminal cannot be set up.
    pub fn open(args: &CommonArgs, idle: Idle, address: String) -> io::Result<Self> {
        // Whoever asks for lines may also send the output elsewhere, to `tee` say.
        let interactive = Screen::is_possible() || args.linear && io::stdin().is_terminal();
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if interactive && !is_dumb && !args.linear {
            let options = ScreenOptions {
                colors: match args.color() {
                    true => Colors::of_terminal(),
                    false => Colors::None,
                },
                charset: Charset::of_locale(),
                bell: !args.quiet,
                title: has_title(),
                notifications: Protocol::of_terminal().filter(|_| args.notify),
                tells_typing: !args.no_typing,
                marks_pastes: marks_pastes(),
                idle,
            };
            let remembered = remember(args, address);
            let flaw = remembered.as_ref().err().cloned();
            let (memory, typed) = remembered.unwrap_or_default();
            let has_draft = !typed.draft.is_empty();
            let (source, mut sink) = Screen::open(options, typed, memory)?;
            if has_draft {
                sink.show(Event::Notice(locale::text().draft_is_back().to_owned()));
            }
            if let Some(flaw) = flaw {
                sink.show(Event::Notice(flaw));
            }
            return Ok(Self {
                source: ConsoleSource::Screen(source),
                sink: ConsoleSink::Screen(sink),
                interactive,
            });
        }
        let (source, sink) = if interactive {
            pipe::interactive(idle.role())?
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

    /// For a program that serves nobody here: notices go to standard error, and nothing is read.
    pub fn headless() -> Self {
        Self {
            source: ConsoleSource::Lines(LineSource::piped(tokio::io::empty(), true)),
            sink: ConsoleSink::Lines(LineSink::new(tokio::io::sink(), LineStyle::Raw)),
            interactive: false,
        }
    }

    /// Whether there is a terminal at which a person may sit.
    pub fn has_person() -> bool {
        Screen::is_possible()
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

    /// The exit code of the program, after calls that ended with this one: a pipe fails if some of
    /// its input was not sent as it was.
    pub async fn exit_code(&mut self, code: u8) -> u8 {
        let has_failed = match &mut self.source {
            ConsoleSource::Lines(source) if code == exit::OK => source.has_failed().await,
            _ => false,
        };
        if has_failed { exit::FAILED } else { code }
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

/// Terminals that mark what is pasted, by the beginning of `TERM`. Others may do so too.
const MARK_PASTES: [&str; 13] = [
    "alacritty",
    "contour",
    "foot",
    "ghostty",
    "iterm",
    "konsole",
    "mintty",
    "rxvt",
    "st-",
    "tmux",
    "vte",
    "wezterm",
    "xterm",
];

/// Whether the terminal is known to mark what is pasted. Tmux may call itself `screen`.
fn marks_pastes() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    let is_tmux = std::env::var_os("TMUX").is_some();
    is_tmux || MARK_PASTES.iter().any(|known| term.starts_with(known))
}

/// What is to be remembered of what is typed, and what was. The error is told to the person, for
/// whom it is no reason to do without a call.
fn remember(args: &CommonArgs, address: String) -> Result<(Option<Memory>, Typed), String> {
    let data_dir = data_dir().map_err(|error| error.explain())?;
    let remembered =
        Memory::open(&data_dir, address, !args.no_drafts, args.keep).and_then(|memory| {
            let typed = memory.load()?;
            Ok((Some(memory), typed))
        });
    remembered.map_err(|error| error.explain())
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

/// Whether the terminal has a title that can be set.
fn has_title() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    !["linux", "vt", "ansi", "cons"]
        .iter()
        .any(|name| term.starts_with(name))
}
