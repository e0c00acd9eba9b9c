//! The linear mode: plain lines at a terminal, for screen readers, dumb terminals and `tee`.
//!
//! The keys are echoed here and not by the terminal, for only who knows the half-typed line can
//! keep what arrives out of it. As with the screen, one thread owns the terminal; it is joined
//! once both halves are dropped.

mod row;

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use chat_core::driver::sleep_until_some;
use termina::event::KeyCode;
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use crate::input::parser::{InputEvent, InputParser};
use crate::locale;
use crate::screen::keyboard::Keyboard;
use crate::screen::tty::{self, Change, Mode, Signals};
use crate::screen::writer::Writer;
use crate::text::charset::Charset;
use crate::text::sanitize;
use crate::text::stderr::Stderr;

pub(crate) use row::Piece;
use row::{Row, Typed};

/// The most that may wait to be written, in bytes.
const MAX_PENDING: usize = 1 << 20;

/// The most of what is typed that waits to be taken, in bytes.
const MAX_TYPED: usize = 1 << 20;

/// Room for typed lines on their way to the program, in bytes.
const ROOM: usize = 4096;

/// At the end, a terminal that takes no output for this long is given up.
const STALLED: Duration = Duration::from_millis(500);

/// How long to wait for the process to be stopped and continued.
const STOPPED: Duration = Duration::from_millis(500);

/// What is written beside the row on which a person types.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pieces: mpsc::UnboundedSender<Piece>,
    /// How many bytes of them wait.
    pending: watch::Sender<usize>,
    has_draft: Arc<AtomicBool>,
    /// The last field: the thread ends when `pieces` is dropped.
    _thread: Arc<Joined>,
}

impl Page {
    /// Writes this as soon as nobody is typing.
    pub(crate) fn push(&self, piece: Piece) {
        self.pending.send_modify(|pending| *pending += piece.len());
        // If the terminal is gone, `room` returns the error.
        let _ = self.pieces.send(piece);
    }

    /// Waits until there is room for more. Cancel safe.
    ///
    /// # Errors
    /// `BrokenPipe`: nobody reads any more.
    pub(crate) async fn room(&self) -> io::Result<()> {
        let mut pending = self.pending.subscribe();
        tokio::select! {
            biased;
            () = self.pieces.closed() => Err(io::ErrorKind::BrokenPipe.into()),
            _ = pending.wait_for(|pending| *pending < MAX_PENDING) => Ok(()),
        }
    }

    /// Whether a line is half typed.
    pub(crate) fn has_draft(&self) -> bool {
        self.has_draft.load(Ordering::SeqCst)
    }
}

/// The thread, joined when the last half is dropped.
#[derive(Debug, Default)]
struct Joined(OnceLock<JoinHandle<()>>);

impl Drop for Joined {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // A panic in the thread was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Takes over the editing of lines, if the terminal does that now. Returns what is typed, line by
/// line, and where to write.
///
/// # Errors
/// The terminal cannot be set up, or no thread can be started.
pub(crate) fn open() -> io::Result<Option<(DuplexStream, Page)>> {
    let is_seen = io::stdout().is_terminal() || io::stderr().is_terminal();
    if !is_seen || !tty::edits_lines() {
        return Ok(None);
    }
    tty::enter(Mode::Lines)?;
    let (lines, typed) = tokio::io::duplex(ROOM);
    let (pieces, arriving) = mpsc::unbounded_channel();
    let (pending, _) = watch::channel(0);
    let has_draft = Arc::new(AtomicBool::new(false));
    let joined = Arc::new(Joined::default());
    let page = Page {
        pieces,
        pending: pending.clone(),
        has_draft: Arc::clone(&has_draft),
        _thread: Arc::clone(&joined),
    };
    let thread = thread::Builder::new()
        .name("lines".to_owned())
        .spawn(move || run(arriving, pending, has_draft, lines))
        .inspect_err(|_| tty::abandon())?;
    joined.0.set(thread).expect("it is set only here");
    Ok(Some((typed, page)))
}

fn run(
    arriving: mpsc::UnboundedReceiver<Piece>,
    pending: watch::Sender<usize>,
    has_draft: Arc<AtomicBool>,
    lines: DuplexStream,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    let result = runtime.and_then(|runtime| {
        runtime.block_on(async {
            Terminal::new(pending, has_draft, lines)?
                .run(arriving, Keyboard::open()?)
                .await
        })
    });
    match result {
        Ok(()) => tty::end(),
        Err(error) => {
            tracing::debug!(%error, "the terminal failed");
            tty::abandon();
        }
    }
}

/// The state of the thread.
struct Terminal {
    charset: Charset,
    row: Row,
    parser: InputParser,
    writer: Writer<Piece>,
    signals: Signals,
    pending: watch::Sender<usize>,
    has_draft: Arc<AtomicBool>,
    /// The way of typed lines to the program; `None` after the last one.
    lines: Option<DuplexStream>,
    /// Typed lines that it has not taken yet, with their ends.
    typed: VecDeque<u8>,
    /// Whether no more will be typed.
    ended: bool,
}

impl Terminal {
    fn new(
        pending: watch::Sender<usize>,
        has_draft: Arc<AtomicBool>,
        lines: DuplexStream,
    ) -> io::Result<Self> {
        let charset = Charset::of_locale();
        Ok(Self {
            charset,
            row: Row::new(tty::size().columns),
            parser: InputParser::default(),
            writer: Writer::start(move |piece| write(piece, charset))?,
            signals: Signals::new()?,
            pending,
            has_draft,
            lines: Some(lines),
            typed: VecDeque::new(),
            ended: false,
        })
    }

    /// Runs until nothing more arrives.
    async fn run(
        &mut self,
        mut arriving: mpsc::UnboundedReceiver<Piece>,
        mut keyboard: Keyboard,
    ) -> io::Result<()> {
        loop {
            self.write_next();
            let is_draft = !self.row.half_typed().is_empty();
            self.has_draft.store(is_draft, Ordering::SeqCst);
            let timeout = [self.parser.timeout(), self.row.timeout()];
            let timeout = timeout.into_iter().flatten().min().map(Instant::from_std);
            let listens = !self.ended && self.typed.len() < MAX_TYPED;
            if self.ended && self.typed.is_empty() {
                self.lines = None;
            }
            tokio::select! {
                biased;
                written = self.writer.written(), if self.writer.is_busy() => written?,
                change = self.signals.next() => match change {
                    Change::Resized => self.row.resize(tty::size().columns),
                    Change::Woken => self.wake()?,
                },
                bytes = keyboard.read(), if listens => match bytes {
                    Some(bytes) => self.keys(&bytes).await?,
                    None => self.ended = true,
                },
                () = sleep_until_some(timeout) => self.handle_timeout(),
                sent = send(&mut self.lines, &self.typed), if !self.typed.is_empty() => {
                    self.typed.drain(..sent);
                }
                piece = arriving.recv(), if !self.row.is_busy() => match piece {
                    Some(piece) => {
                        self.pending.send_modify(|pending| *pending -= piece.len());
                        self.row.arrive(piece, now());
                    }
                    None => return self.finish().await,
                },
            }
        }
    }

    /// Starts to write what comes next.
    fn write_next(&mut self) {
        if !self.writer.is_busy()
            && let Some(piece) = self.row.next()
        {
            self.writer.write(piece);
        }
    }

    async fn keys(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut input_events = Vec::new();
        let bytes = self.charset.decode(bytes);
        self.parser.feed(&bytes, now(), &mut input_events);
        for event in input_events {
            self.input_event(event).await?;
        }
        Ok(())
    }

    async fn input_event(&mut self, event: InputEvent) -> io::Result<()> {
        match event {
            InputEvent::Key(key) => match self.row.key(key, now()) {
                Some(Typed::Line(line)) => {
                    self.typed.extend(line.as_bytes());
                    self.typed.push_back(b'\n');
                }
                Some(Typed::End) => self.ended = true,
                Some(Typed::Suspend) => self.suspend().await?,
                None => (),
            },
            // The terminal was not asked to mark a paste, and did all the same.
            InputEvent::Paste(text) => {
                for character in text.chars() {
                    let key = match character {
                        '\n' => KeyCode::Enter,
                        _ => KeyCode::Char(character),
                    };
                    Box::pin(self.input_event(InputEvent::Key(key.into()))).await?;
                }
            }
            InputEvent::PasteTooLong(_) | InputEvent::PasteCancelled | InputEvent::Focus(_) => (),
        }
        Ok(())
    }

    fn handle_timeout(&mut self) {
        let mut input_events = Vec::new();
        // Only the Escape key comes this way, which does nothing here.
        self.parser.handle_timeout(now(), &mut input_events);
        self.row.handle_timeout(now());
    }

    /// Handles Ctrl-Z.
    async fn suspend(&mut self) -> io::Result<()> {
        self.row.leave();
        self.flush().await?;
        tty::suspend()?;
        let _ = timeout(STOPPED, self.signals.woken()).await;
        self.wake()
    }

    /// The process was stopped and continued.
    fn wake(&mut self) -> io::Result<()> {
        tty::resume()?;
        self.row.show();
        Ok(())
    }

    /// Writes what is left, and says what was not sent.
    async fn finish(&mut self) -> io::Result<()> {
        self.row.leave();
        let draft = sanitize::line(self.row.half_typed()).into_owned();
        if !draft.is_empty() {
            let told = format!("* {}\n", locale::text().draft(&draft));
            self.row.arrive(Piece::Told(told), now());
            self.row.leave();
        }
        self.flush().await
    }

    /// Waits until all is written.
    async fn flush(&mut self) -> io::Result<()> {
        while self.writer.is_busy() || self.row.is_busy() {
            self.write_next();
            timeout(STALLED, self.writer.written()).await??;
        }
        Ok(())
    }
}

fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Hands typed lines to the program. Returns how many bytes need not be kept any more.
async fn send(lines: &mut Option<DuplexStream>, typed: &VecDeque<u8>) -> usize {
    let taken = match lines {
        Some(lines) => lines.write(typed.as_slices().0).await.ok(),
        None => None,
    };
    // A program that takes no more is about to end.
    taken.unwrap_or(typed.len())
}

fn write(piece: &Piece, charset: Charset) -> io::Result<()> {
    match piece {
        Piece::Said(bytes) => write_all(io::stdout().lock(), bytes),
        Piece::Told(text) => {
            // Without stderr nobody reads notices.
            let _ = Stderr.write_all(text.as_bytes());
            Ok(())
        }
        Piece::Echo(text) => {
            let shown = charset.show(text).into_owned();
            let bytes = charset.encode(shown);
            match io::stdout().is_terminal() {
                true => write_all(io::stdout().lock(), &bytes),
                false => write_all(io::stderr().lock(), &bytes),
            }
        }
    }
}

fn write_all(mut writer: impl Write, bytes: &[u8]) -> io::Result<()> {
    writer.write_all(bytes)?;
    writer.flush()
}
