//! The event loop of the screen's thread: keys, events, frames, signals and timeouts.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chat_core::driver::sleep_until_some;
use chat_core::protocol::Event;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::input::memory::{Memory, Typed};
use crate::input::parser::{InputEvent, InputParser};
use crate::screen::channel::{Backend, Stamped, weight};
use crate::screen::keyboard::Keyboard;
use crate::screen::painter::{LiveRegion, Painter};
use crate::screen::transcript::Timestamp;
use crate::screen::tty::{self, Change, Signals};
use crate::screen::view::{self, ScreenOptions, TerminalRequest, View};
use crate::screen::writer::Writer;
use crate::text::charset::Charset;

/// The least time from one frame to the next.
const FRAME: Duration = Duration::from_millis(16);

/// The most bytes of messages in a frame; the last message may exceed it.
const FRAME_BYTES: usize = 16 * 1024;

/// A resize is handled when the size has not changed for this long.
const RESIZE: Duration = Duration::from_millis(300);

/// At the end, a terminal that takes no output for this long is given up.
const STALLED: Duration = Duration::from_millis(500);

/// How long to wait for the process to be stopped and continued.
const STOPPED: Duration = Duration::from_millis(500);

/// How long Ctrl-Z waits until the other side was told.
const TOLD: Duration = Duration::from_millis(200);

/// Two SIGCONT within this time count as one.
const AWAKE: Duration = Duration::from_secs(1);

/// The most lines of the transcript that wait to be drawn before no more events are taken.
const MAX_LINES: usize = 2_000;

/// Runs the screen's thread until both halves are dropped or the terminal fails. What is typed
/// then and was not sent is left in `memory`.
pub(crate) fn run(options: ScreenOptions, typed: Typed, memory: Option<Memory>, backend: Backend) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    let result = runtime.and_then(|runtime| {
        runtime.block_on(async {
            let inputs = Inputs {
                sender: backend.inputs,
                sent: 0,
                handled: backend.handled,
            };
            let mut event_loop =
                EventLoop::new(options, typed, backend.pending, backend.has_draft, inputs)?;
            let result = event_loop.run(backend.events, Keyboard::open()?).await;
            // Also when the terminal is gone.
            if let Some(memory) = memory
                && let Err(error) = memory.save(&event_loop.view.typed())
            {
                tracing::warn!(%error, "what was typed is not remembered");
            }
            result
        })
    });
    if let Err(error) = result {
        tracing::debug!(%error, "the terminal failed");
    }
    tty::abandon();
}

/// The way of what the user does to the program.
struct Inputs {
    sender: mpsc::Sender<Stamped>,
    /// How many were sent, and how many of them the program has handled.
    sent: u64,
    handled: watch::Receiver<u64>,
}

/// The state of the screen's thread.
struct EventLoop {
    charset: Charset,
    view: View,
    painter: Painter,
    parser: InputParser,
    writer: Writer<Vec<u8>>,
    signals: Signals,
    pending: watch::Sender<usize>,
    has_draft: Arc<AtomicBool>,
    inputs: Inputs,
    /// For each event, up to which line of the transcript it goes, and its weight in bytes.
    owed: VecDeque<(u64, usize)>,
    /// How many lines of the transcript have been written to the terminal.
    reached: u64,
    next_frame: Instant,
    resize_at: Option<Instant>,
    resumed: Option<Instant>,
}

impl EventLoop {
    fn new(
        options: ScreenOptions,
        typed: Typed,
        pending: watch::Sender<usize>,
        has_draft: Arc<AtomicBool>,
        inputs: Inputs,
    ) -> io::Result<Self> {
        Ok(Self {
            charset: options.charset,
            view: View::new(options, typed, Timestamp::now()),
            painter: Painter::new(tty::size()),
            parser: InputParser::default(),
            writer: Writer::start(|frame: &Vec<u8>| tty::write_frame(frame))?,
            signals: Signals::new()?,
            pending,
            has_draft,
            inputs,
            owed: VecDeque::new(),
            reached: 0,
            next_frame: Instant::now(),
            resize_at: None,
            resumed: None,
        })
    }

    /// Runs until the sink is dropped or the terminal is gone.
    async fn run(
        &mut self,
        mut events: mpsc::UnboundedReceiver<Event>,
        mut keyboard: Keyboard,
    ) -> io::Result<()> {
        let inputs = self.inputs.sender.clone();
        // Once the sink is dropped: when to give up a terminal that takes no output.
        let mut give_up = None;
        loop {
            self.has_draft
                .store(self.view.has_draft(), Ordering::SeqCst);
            let frame_due = self.has_frame() && !self.writer.is_busy() && self.resize_at.is_none();
            let timeout = [self.parser.timeout(), self.view.timeout()];
            let timeout = timeout.into_iter().flatten().min().map(Instant::from_std);
            tokio::select! {
                biased;
                written = self.writer.written(), if self.writer.is_busy() => {
                    written?;
                    self.drawn();
                    give_up = give_up.map(|_| Instant::now() + STALLED);
                }
                () = self.pending.closed(), if give_up.is_none() => {
                    give_up = Some(Instant::now() + STALLED);
                }
                () = sleep_until_some(give_up), if self.writer.is_busy() => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                () = sleep_until(self.next_frame), if frame_due => self.paint(),
                change = self.signals.next() => match change {
                    Change::Resized => self.resize_at = Some(Instant::now() + RESIZE),
                    Change::Woken => self.wake()?,
                },
                () = sleep_until_some(self.resize_at) => self.resize(),
                bytes = keyboard.read() => match bytes {
                    Some(bytes) => self.keys(&bytes).await?,
                    None => return Err(io::ErrorKind::UnexpectedEof.into()),
                },
                () = sleep_until_some(timeout) => self.handle_timeout(),
                permit = inputs.reserve(), if self.view.has_input() && !inputs.is_closed() => {
                    if let (Ok(permit), Some(input)) = (permit, self.view.next_input()) {
                        permit.send(input);
                        self.inputs.sent += 1;
                    }
                }
                event = events.recv(), if self.view.transcript().waiting() < MAX_LINES => {
                    match event {
                        Some(event) => self.event(event),
                        None => return self.finish().await,
                    }
                }
            }
        }
    }

    fn has_frame(&mut self) -> bool {
        self.view.has_changed() || self.view.transcript().waiting() > 0
    }

    fn paint(&mut self) {
        let columns = self.painter.size().columns;
        let lines = self.view.transcript().take(FRAME_BYTES, columns);
        let live = self
            .view
            .live(self.painter.size(), Instant::now().into_std());
        let signals = self.view.take_signals();
        self.write(&lines, &live, &signals);
        self.next_frame = Instant::now() + FRAME;
    }

    /// Starts to write a frame, in the bytes of the terminal's charset.
    fn write(&mut self, lines: &str, live: &LiveRegion, signals: &view::Signals) {
        let frame = self.painter.frame(lines, live, signals);
        self.writer.write(self.charset.encode(frame));
    }

    fn event(&mut self, event: Event) {
        let weight = weight(&event);
        self.view.event(event, Timestamp::now());
        self.owed
            .push_back((self.view.transcript().counts().0, weight));
        self.release();
    }

    /// Accounts for a frame that has been written.
    fn drawn(&mut self) {
        self.reached = self.view.transcript().counts().1;
        self.release();
    }

    /// Releases the weight of the events that have been drawn.
    fn release(&mut self) {
        let mut released = 0;
        while let Some((line, weight)) = self.owed.front()
            && *line <= self.reached
        {
            released += weight;
            self.owed.pop_front();
        }
        if released > 0 {
            self.pending.send_modify(|pending| *pending -= released);
        }
    }

    async fn keys(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut input_events = Vec::new();
        let now = Timestamp::now();
        let bytes = self.charset.decode(bytes);
        self.parser.feed(&bytes, now.at, &mut input_events);
        self.view.paste_stalled(self.parser.is_stalled());
        self.input_events(&input_events, now).await
    }

    async fn input_events(
        &mut self,
        input_events: &[InputEvent],
        now: Timestamp,
    ) -> io::Result<()> {
        match self.view.input_events(input_events, now) {
            Some(TerminalRequest::Suspend) => self.suspend().await,
            Some(TerminalRequest::Redraw) => {
                self.painter.clear();
                self.resize();
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn handle_timeout(&mut self) {
        let now = Timestamp::now();
        let mut input_events = Vec::new();
        self.parser.handle_timeout(now.at, &mut input_events);
        self.view.paste_stalled(self.parser.is_stalled());
        // Only the Escape key comes this way, and it makes no terminal request.
        self.view.input_events(&input_events, now);
        self.view.handle_timeout(now);
    }

    fn resize(&mut self) {
        self.resize_at = None;
        self.painter.resize(tty::size());
        self.view.touch();
    }

    /// Handles Ctrl-Z.
    async fn suspend(&mut self) -> io::Result<()> {
        self.view.say_suspended(true);
        // Once the process is stopped, it says nothing more.
        let _ = timeout(TOLD, self.hand_over()).await;
        let stopped = self.stop().await;
        self.view.say_suspended(false);
        stopped
    }

    /// Hands all inputs to the program, and waits until it has handled them.
    async fn hand_over(&mut self) {
        let Inputs {
            sender,
            sent,
            handled,
        } = &mut self.inputs;
        while self.view.has_input() {
            let Ok(permit) = sender.reserve().await else {
                return;
            };
            if let Some(input) = self.view.next_input() {
                permit.send(input);
                *sent += 1;
            }
        }
        let _ = handled.wait_for(|handled| handled >= sent).await;
    }

    async fn stop(&mut self) -> io::Result<()> {
        if !self.clear().await? {
            return Ok(());
        }
        tty::suspend()?;
        let _ = timeout(STOPPED, self.signals.woken()).await;
        tty::resume()?;
        self.view.forget_title();
        self.resumed = Some(Instant::now());
        self.resize();
        Ok(())
    }

    /// Handles SIGCONT after a stop from outside.
    fn wake(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if self.resumed.is_none_or(|resumed| now - resumed > AWAKE) {
            tty::resume()?;
            self.view.forget_title();
            self.painter.forget();
            self.resize();
        }
        self.resumed = Some(now);
        Ok(())
    }

    /// Draws all waiting lines and erases the live region. Returns whether the terminal took it.
    async fn clear(&mut self) -> io::Result<bool> {
        let columns = self.painter.size().columns;
        while self.settle().await? {
            let lines = self.view.transcript().take(FRAME_BYTES, columns);
            let last = self.view.transcript().waiting() == 0;
            self.write(&lines, &LiveRegion::default(), &view::Signals::default());
            if last {
                return self.settle().await;
            }
        }
        Ok(false)
    }

    /// Waits until the last frame is written. Returns whether the terminal took it.
    async fn settle(&mut self) -> io::Result<bool> {
        if !self.writer.is_busy() {
            return Ok(true);
        }
        match timeout(STALLED, self.writer.written()).await {
            Ok(written) => {
                written?;
                self.drawn();
                Ok(true)
            }
            Err(_) => Ok(false),
        }
    }

    /// Draws what is left, and restores the terminal.
    async fn finish(&mut self) -> io::Result<()> {
        self.view.finish(Timestamp::now());
        if self.clear().await? {
            tty::end();
        }
        Ok(())
    }
}
