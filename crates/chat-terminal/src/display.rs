//! The thread behind the screen: keys, events, frames and the clock, one after another.

use std::collections::VecDeque;
use std::io;
use std::thread;
use std::time::Duration;

use chat_core::driver::sleep_until_some;
use chat_core::protocol::Event;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::keys::{Keyboard, Stroke};
use crate::painter::{Live, Painter};
use crate::screen::{Backend, Dated, Screen, weight};
use crate::terminal::{self, Change, Signals};
use crate::transcript::Moment;
use crate::view::{ScreenOptions, Urge, View};
use crate::writer::Writer;

/// At least so long from one frame to the next.
const FRAME: Duration = Duration::from_millis(16);

/// The most bytes of messages in a frame, give or take a message.
const FRAME_BYTES: usize = 16 * 1024;

/// The size is taken when it has not changed for this long: the terminal may still be at work.
const RESIZE: Duration = Duration::from_millis(300);

/// A terminal that takes no output for this long is given up at the end.
const STALLED: Duration = Duration::from_millis(500);

/// A process that was not stopped after this long will not be.
const STOPPED: Duration = Duration::from_millis(500);

/// Two signals to go on within this time are one.
const AWAKE: Duration = Duration::from_secs(1);

/// The most lines that the screen itself keeps ready to be drawn.
const MAX_LINES: usize = 2_000;

/// The screen's thread.
pub(crate) fn run(options: ScreenOptions, backend: Backend) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    let result = runtime.and_then(|runtime| {
        runtime.block_on(async {
            let display = Display::new(options, backend.pending)?;
            display
                .run(backend.events, backend.inputs, read_keys()?)
                .await
        })
    });
    if let Err(error) = result {
        tracing::debug!(%error, "the terminal failed");
    }
    Screen::restore();
}

/// What is typed, as one read after another brings it.
struct Keys {
    bytes: mpsc::Receiver<Vec<u8>>,
    /// The thread that reads ends when this is dropped.
    _stop: io::PipeWriter,
}

fn read_keys() -> io::Result<Keys> {
    let (stopped, stop) = io::pipe()?;
    let (sender, bytes) = mpsc::channel(4);
    thread::Builder::new()
        .name("terminal input".to_owned())
        .spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = terminal::read_keys(&mut buffer, &stopped) {
                if sender.blocking_send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        })?;
    Ok(Keys { bytes, _stop: stop })
}

/// Everything behind the screen.
struct Display {
    view: View,
    painter: Painter,
    keyboard: Keyboard,
    writer: Writer,
    signals: Signals,
    pending: watch::Sender<usize>,
    /// Up to which line of the transcript there are events of this weight to be drawn.
    owed: VecDeque<(u64, usize)>,
    /// Lines of the transcript that have reached the terminal.
    reached: u64,
    next_frame: Instant,
    resize_at: Option<Instant>,
    resumed: Option<Instant>,
    calls: u64,
}

impl Display {
    fn new(options: ScreenOptions, pending: watch::Sender<usize>) -> io::Result<Self> {
        Ok(Self {
            view: View::new(options, Moment::now()),
            painter: Painter::new(terminal::size()),
            keyboard: Keyboard::default(),
            writer: Writer::start()?,
            signals: Signals::new()?,
            pending,
            owed: VecDeque::new(),
            reached: 0,
            next_frame: Instant::now(),
            resize_at: None,
            resumed: None,
            calls: 0,
        })
    }

    /// Shows and listens until there will be no more events, or the terminal is gone.
    async fn run(
        mut self,
        mut events: mpsc::UnboundedReceiver<Event>,
        inputs: mpsc::Sender<Dated>,
        mut keys: Keys,
    ) -> io::Result<()> {
        // Once nobody shows anything more: when a terminal that takes no output is given up.
        let mut give_up = None;
        loop {
            let frame_due = self.has_frame() && !self.writer.is_busy() && self.resize_at.is_none();
            let timeout = [self.keyboard.timeout(), self.view.timeout()];
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
                bytes = keys.bytes.recv() => match bytes {
                    Some(bytes) => self.keys(&bytes).await?,
                    None => return Err(io::ErrorKind::UnexpectedEof.into()),
                },
                () = sleep_until_some(timeout) => self.handle_timeout(),
                permit = inputs.reserve(), if self.view.has_input() && !inputs.is_closed() => {
                    if let (Ok(permit), Some(input)) = (permit, self.view.next_input()) {
                        permit.send((self.calls, input));
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
        let lines = self.view.transcript().take(FRAME_BYTES);
        let live = self.view.live(self.painter.size());
        let bell = self.view.take_bell();
        self.writer.write(self.painter.frame(&lines, &live, bell));
        self.next_frame = Instant::now() + FRAME;
    }

    fn event(&mut self, event: Event) {
        if matches!(event, Event::Ended(_)) {
            self.calls += 1;
        }
        let weight = weight(&event);
        self.view.event(event, Moment::now());
        self.owed
            .push_back((self.view.transcript().counts().0, weight));
        self.release();
    }

    /// A frame has reached the terminal.
    fn drawn(&mut self) {
        self.reached = self.view.transcript().counts().1;
        self.release();
    }

    /// Makes room for what may be shown next.
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
        let mut strokes = Vec::new();
        let now = Moment::now();
        self.keyboard.feed(bytes, now.at, &mut strokes);
        self.view.paste_stalled(self.keyboard.is_stalled());
        self.strokes(&strokes, now).await
    }

    async fn strokes(&mut self, strokes: &[Stroke], now: Moment) -> io::Result<()> {
        match self.view.strokes(strokes, now) {
            Some(Urge::Suspend) => self.suspend().await,
            Some(Urge::Redraw) => {
                self.painter.clear();
                self.resize();
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn handle_timeout(&mut self) {
        let now = Moment::now();
        let mut strokes = Vec::new();
        self.keyboard.handle_timeout(now.at, &mut strokes);
        self.view.paste_stalled(self.keyboard.is_stalled());
        // Only the Escape key comes late, and it asks nothing of the terminal.
        self.view.strokes(&strokes, now);
        self.view.handle_timeout(now);
    }

    fn resize(&mut self) {
        self.resize_at = None;
        self.painter.resize(terminal::size());
        self.view.touch();
    }

    /// Ctrl-Z.
    async fn suspend(&mut self) -> io::Result<()> {
        if !self.clear().await? {
            return Ok(());
        }
        terminal::suspend()?;
        let _ = timeout(STOPPED, self.signals.woken()).await;
        terminal::resume()?;
        self.resumed = Some(Instant::now());
        self.resize();
        Ok(())
    }

    /// The process goes on after somebody else has stopped it.
    fn wake(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if self.resumed.is_none_or(|resumed| now - resumed > AWAKE) {
            terminal::resume()?;
            self.painter.forget();
            self.resize();
        }
        self.resumed = Some(now);
        Ok(())
    }

    /// Draws all lines that wait, and clears the live region away. Answers whether the terminal
    /// took it.
    async fn clear(&mut self) -> io::Result<bool> {
        while self.settle().await? {
            let lines = self.view.transcript().take(FRAME_BYTES);
            let last = self.view.transcript().waiting() == 0;
            self.writer
                .write(self.painter.frame(&lines, &Live::default(), false));
            if last {
                return self.settle().await;
            }
        }
        Ok(false)
    }

    /// Waits until the last frame is written, if the terminal takes output.
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

    /// Draws what is left, and gives the terminal back.
    async fn finish(mut self) -> io::Result<()> {
        if self.clear().await? {
            terminal::give_back(terminal::END);
        }
        Ok(())
    }
}
