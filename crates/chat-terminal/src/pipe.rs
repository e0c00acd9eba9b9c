//! The user's side as plain lines: a pipe, or a terminal that cannot be painted.

use std::future::poll_fn;
use std::io::{self, IsTerminal, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chat_core::driver::{Command, Input, Sink, Source};
use chat_core::files::FileEvent;
use chat_core::protocol::{ConnectionStatus, Event, PastMessage};
use chat_core::wire::{Batch, Frame, Framing, LineCodec, LineError, WriteBuffer, is_hang_up};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tokio_util::codec::Decoder;

use crate::call_status::CallStatus;
use crate::input::commands::{self, Request, Role};
use crate::linear::{self, Page, Piece};
use crate::locale;
use crate::text::charset::Charset;
use crate::text::past::{MARK, PastRows};
use crate::text::stderr::Stderr;
use crate::text::{action, sanitize};

/// Size of a new read buffer, in bytes.
const READ: usize = 128 * 1024;

/// A new read buffer is allocated when less room than this, in bytes, is left. Lines that wait
/// to be delivered share their buffer: one for each read would take far more memory than the
/// lines themselves.
const LEAST_READ: usize = 16 * 1024;

/// How long to look, after the last call, for input that was not read.
const LEFTOVER: Duration = Duration::from_millis(20);

/// Capacity to ask for in a pipe at either end, in bytes.
#[cfg(target_os = "linux")]
const PIPE: usize = 256 * 1024;

/// Lines from a reader.
pub struct LineSource {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    codec: LineCodec,
    buffer: BytesMut,
    ended: bool,
    /// The person was told that the input is not said as it is.
    told: bool,
    /// Only for a user at a terminal.
    typed: Option<Typed>,
}

/// The state of a user who types.
struct Typed {
    role: Role,
    /// Lines that are not parsed yet.
    lines: Batch,
    /// The status that the sink keeps.
    status: Arc<Mutex<CallStatus>>,
    /// A text that was not sent yet, because the person was asked about it.
    questioned: Option<String>,
    notices: Notices,
}

impl LineSource {
    /// Reads data from a pipe. With `literal`, `88` is text.
    pub(crate) fn piped(reader: impl AsyncRead + Send + 'static, literal: bool) -> Self {
        Self {
            reader: Box::pin(reader),
            codec: LineCodec::new(Framing::Line).literal(literal),
            buffer: BytesMut::new(),
            ended: false,
            told: false,
            typed: None,
        }
    }

    /// Says nothing, and does not end.
    pub(crate) fn silent() -> Self {
        Self::piped(Silence, true)
    }

    /// Whether some of the input was not said as it was, or not at all. To be called when no call
    /// is on.
    pub(crate) async fn has_failed(&mut self) -> bool {
        let altered = self.codec.has_mended() || self.codec.has_cut();
        let is_person = self.typed.is_some();
        if is_person || self.ended && self.buffer.is_empty() {
            return altered;
        }
        if self.buffer.is_empty() {
            let read = timeout(LEFTOVER, self.reader.read_buf(&mut self.buffer)).await;
            if !matches!(read, Ok(Ok(1..))) {
                return altered;
            }
        }
        if !self.told {
            notify(locale::text().input_left());
        }
        true
    }

    /// Tells once that what is said is not what was read.
    fn tell_alterations(&mut self) {
        let told = match (self.codec.has_mended(), self.codec.has_cut()) {
            _ if self.told => return,
            (true, _) => locale::text().input_not_utf8(),
            (_, true) => locale::text().input_cut(),
            _ => return,
        };
        self.told = true;
        notify(told);
    }

    /// Returns the next input from the typed lines; help, errors and a known status are printed
    /// here.
    fn next_request(&mut self) -> Option<Input> {
        let Typed {
            role,
            lines,
            status,
            questioned,
            notices,
        } = self.typed.as_mut()?;
        while !lines.is_empty() {
            let line = lines.split_to(1);
            let text = line.lines().next().unwrap_or_default();
            if text.is_empty() && known(status).ringing.is_some() {
                return Some(Input::Command(Command::Answer));
            }
            match commands::parse(text, *role) {
                Ok(Request::Say(text))
                    if questioned.as_ref() != Some(&text)
                        && known(status).gives_number_away(&text) =>
                {
                    notices.tell(locale::text().own_number_in_line());
                    *questioned = Some(text);
                }
                Ok(Request::Say(text)) if is_hang_up(text.as_bytes()) => {
                    return Some(Input::Message(text));
                }
                Ok(Request::Say(text)) => return Some(Input::Lines(Batch::from(text.as_str()))),
                Ok(Request::HangUpMaybe) if questioned.as_deref() != Some(text) => {
                    notices.tell(locale::text().hang_up_maybe_in_line());
                    *questioned = Some(text.to_owned());
                }
                Ok(Request::HangUp | Request::HangUpMaybe) => return Some(Input::HangUp),
                // The sink has seen more of the queue and the connection than the program.
                Ok(Request::Command(command)) => match locale::text().call_status(&known(status)) {
                    Some(text) if command == Command::Status => notices.tell(&text),
                    _ => return Some(Input::Command(command)),
                },
                // The keys are those of the terminal itself.
                Ok(Request::Help | Request::KeysHelp) => {
                    notices.tell(&locale::text().help(*role, false))
                }
                Err(error) => notices.tell(&locale::text().command_error(&error)),
            }
        }
        None
    }

    fn frame(&mut self) -> Result<Option<Frame>, LineError> {
        match self.ended {
            true => self.codec.decode_eof(&mut self.buffer),
            false => self.codec.decode(&mut self.buffer),
        }
    }
}

impl Source for LineSource {
    fn begin(&mut self, messages_are_counted: bool) {
        // Plain peers may take CRLF for two ends of a line.
        self.codec.set_keeps_cr(messages_are_counted);
        self.codec.set_whole_lines(messages_are_counted);
    }

    fn has_draft(&self) -> bool {
        let page = self
            .typed
            .as_ref()
            .and_then(|typed| typed.notices.0.as_ref());
        page.is_some_and(Page::has_draft)
    }

    async fn next(&mut self) -> io::Result<Input> {
        loop {
            if let Some(input) = self.next_request() {
                return Ok(input);
            }
            let frame = self.frame().map_err(io::Error::other)?;
            self.tell_alterations();
            match frame {
                Some(Frame::Text(lines)) => match &mut self.typed {
                    Some(typed) => typed.lines = lines,
                    None => return Ok(Input::Lines(lines)),
                },
                Some(Frame::HangUp) => {
                    // The data behind a line of 88 is lost, maybe by mistake.
                    if !self.buffer.is_empty() {
                        self.told = true;
                        notify(locale::text().left_unsent());
                    }
                    return Ok(Input::HangUp);
                }
                Some(Frame::Control(_)) => {}
                None if !self.ended => {
                    if self.buffer.capacity() - self.buffer.len() < LEAST_READ {
                        self.buffer.reserve(READ);
                    }
                    self.ended = self.reader.read_buf(&mut self.buffer).await? == 0;
                }
                None => {
                    let person = self.typed.take();
                    return Ok(person.map_or(Input::Eof, |_| Input::Command(Command::Quit)));
                }
            }
        }
    }
}

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineStyle {
    /// Unchanged, for a program to read.
    Raw,
    /// Sanitized, each after the speaker's name, for a terminal.
    Sanitized,
    /// The same for a user who can give commands.
    Interactive,
}

impl LineStyle {
    /// The style for standard output where nobody can give commands.
    pub(crate) fn of_stdout() -> Self {
        match io::stdout().is_terminal() {
            true => Self::Sanitized,
            false => Self::Raw,
        }
    }
}

/// An input on which nothing ever comes.
struct Silence;

impl AsyncRead for Silence {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// Where notices go: to stderr, or to the terminal at which somebody types.
#[derive(Clone, Debug, Default)]
struct Notices(Option<Page>);

impl Notices {
    fn tell(&self, notice: &str) {
        match &self.0 {
            Some(page) => page.push(Piece::Told(notice_lines(notice))),
            None => notify(notice),
        }
    }

    async fn room(&self) -> io::Result<()> {
        match &self.0 {
            Some(page) => page.room().await,
            None => Ok(()),
        }
    }
}

/// Writes messages to a terminal at which somebody types.
struct Said(Page);

impl AsyncWrite for Said {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.push(Piece::Said(bytes.to_vec()));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Writes messages to a writer, one a line, and notices to stderr.
pub struct LineSink {
    writer: Pin<Box<dyn AsyncWrite + Send>>,
    unwritten: WriteBuffer,
    style: LineStyle,
    /// What a terminal at the writer's end can show.
    charset: Charset,
    speaker: String,
    /// How far the files are stands on the last line of stderr, which is a terminal.
    progress: bool,
    /// The user was told that the connection is lost.
    told_lost: bool,
    status: Arc<Mutex<CallStatus>>,
    notices: Notices,
}

/// The source and the sink for a user at a terminal: a typed line may be a command, and the end
/// of the input quits the program. Where the terminal edits lines, this is done here from now on.
///
/// # Errors
/// The terminal cannot be set up.
pub(crate) fn interactive(role: Role) -> io::Result<(LineSource, LineSink)> {
    Ok(match linear::open()? {
        Some((typed, page)) => {
            let notices = Notices(Some(page.clone()));
            interactive_at(typed, Said(page), role, notices)
        }
        None => interactive_at(stdin(), stdout(), role, Notices::default()),
    })
}

fn interactive_at(
    reader: impl AsyncRead + Send + 'static,
    writer: impl AsyncWrite + Send + 'static,
    role: Role,
    notices: Notices,
) -> (LineSource, LineSink) {
    let sink = LineSink {
        notices: notices.clone(),
        ..LineSink::new(writer, LineStyle::Interactive)
    };
    let typed = Typed {
        role,
        lines: Batch::default(),
        status: Arc::clone(&sink.status),
        questioned: None,
        notices,
    };
    let source = LineSource {
        typed: Some(typed),
        ..LineSource::piped(reader, true)
    };
    (source, sink)
}

impl LineSink {
    /// Writes to `writer`.
    pub(crate) fn new(writer: impl AsyncWrite + Send + 'static, style: LineStyle) -> Self {
        Self {
            writer: Box::pin(writer),
            unwritten: WriteBuffer::default(),
            style,
            charset: Charset::of_locale(),
            speaker: String::new(),
            progress: false,
            told_lost: false,
            status: Arc::default(),
            notices: Notices::default(),
        }
    }

    /// Shows how far the files are, in the place of what was shown of that before. Only on a
    /// terminal that can be painted: elsewhere each would be a line of its own.
    fn show_progress(&mut self, progress: Option<String>) {
        let mut stderr = io::stderr();
        if self.style == LineStyle::Interactive
            || !(self.progress || progress.is_some() && stderr.is_terminal())
        {
            return;
        }
        self.progress = progress.is_some();
        let progress = progress.unwrap_or_default();
        let _ = write!(stderr, "\r\x1b[2K{}", sanitize::line(&progress));
    }

    /// Whether an event says only again that the connection is lost: what is written stays, so the
    /// tries are not counted there.
    fn is_old_news(&mut self, event: &Event) -> bool {
        let Event::Connection(status) = event else {
            return false;
        };
        let lost = matches!(status, ConnectionStatus::Reconnecting(_));
        std::mem::replace(&mut self.told_lost, lost) && lost
    }

    /// Writes messages of earlier, for a user at a terminal.
    fn write_past(&mut self, messages: &[PastMessage]) {
        if self.style == LineStyle::Interactive {
            let mut rows = PastRows::new(&self.speaker);
            for row in messages.iter().flat_map(|message| rows.rows(message)) {
                let row = format!("{MARK} {row}\n");
                let shown = self.charset.show(&row).into_owned();
                self.unwritten.push(self.charset.encode(shown).into());
            }
        }
    }

    fn write_line(&mut self, line: &str) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = action::after_name(line);
        let line = format!("<{}> {}\n", self.speaker, sanitize::line(&line));
        let shown = self.charset.show(&line).into_owned();
        self.unwritten.push(self.charset.encode(shown).into());
    }
}

impl Sink for LineSink {
    fn show(&mut self, event: Event) {
        let is_old_news = self.is_old_news(&event);
        let notice = if self.style == LineStyle::Interactive {
            known(&self.status).update(&event);
            locale::text().describe(&event)
        } else {
            locale::text().describe_without_commands(&event)
        };
        if let Some(notice) = notice.filter(|_| !is_old_news) {
            self.show_progress(None);
            self.notices.tell(&notice);
        }
        match event {
            Event::Established(peer) | Event::Peer(peer) => {
                let name = sanitize::name(locale::name_or_address(&peer));
                self.speaker = name.unwrap_or(peer.address);
            }
            Event::Lines(lines) if self.style == LineStyle::Raw => {
                self.unwritten.push(lines.into());
            }
            Event::Lines(lines) => lines.lines().for_each(|line| self.write_line(line)),
            Event::Message(text) if self.style == LineStyle::Raw => {
                self.unwritten.push(text.into());
                self.unwritten.push(Bytes::from_static(b"\n"));
            }
            Event::Message(text) => text.split('\n').for_each(|line| self.write_line(line)),
            Event::File(FileEvent::Progress(rates)) => {
                self.show_progress(locale::text().progress(&rates));
            }
            Event::History(messages) => self.write_past(&messages),
            Event::Earlier(earlier) => self.write_past(&earlier.recent),
            _ => {}
        }
    }

    async fn flushed(&mut self) -> io::Result<()> {
        while !self.unwritten.is_empty() {
            poll_fn(|cx| self.unwritten.poll_write_to(self.writer.as_mut(), cx)).await?;
        }
        self.writer.flush().await?;
        self.notices.room().await
    }
}

fn known(status: &Mutex<CallStatus>) -> MutexGuard<'_, CallStatus> {
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a notice to stderr. Errors are ignored: without stderr nobody reads notices.
fn notify(notice: &str) {
    let _ = Stderr.write_all(notice_lines(notice).as_bytes());
}

fn notice_lines(notice: &str) -> String {
    let lines = notice.lines();
    lines
        .map(|line| format!("* {}\n", sanitize::line(line)))
        .collect()
}

/// Standard input. A FIFO goes through the reactor, everything else is read on a thread.
pub(crate) fn stdin() -> Pin<Box<dyn AsyncRead + Send>> {
    #[cfg(target_os = "linux")]
    if let Ok(fifo) = tokio::net::unix::pipe::OpenOptions::new().open_receiver("/proc/self/fd/0") {
        widen(&fifo);
        return Box::pin(fifo);
    }
    Box::pin(tokio::io::stdin())
}

/// Standard output, as [`stdin`].
pub(crate) fn stdout() -> Pin<Box<dyn AsyncWrite + Send>> {
    #[cfg(target_os = "linux")]
    if let Ok(fifo) = tokio::net::unix::pipe::OpenOptions::new().open_sender("/proc/self/fd/1") {
        widen(&fifo);
        return Box::pin(fifo);
    }
    Box::pin(tokio::io::stdout())
}

/// Enlarges a pipe if the system allows it: with the default 64 KiB the programs at its ends
/// spend most of the time waiting for each other (pipe(7), `F_SETPIPE_SZ`).
#[cfg(target_os = "linux")]
fn widen(pipe: impl std::os::fd::AsFd) {
    use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};

    if fcntl_getpipe_size(&pipe).is_ok_and(|size| size < PIPE) {
        let _ = fcntl_setpipe_size(&pipe, PIPE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_that_come_one_by_one_share_a_buffer() {
        let (mut pipe, reader) = tokio::io::duplex(64);
        let mut source = LineSource::piped(reader, false);
        let mut kept = Vec::new();
        for _ in 0..1_000 {
            pipe.write_all(b"x\n").await.expect("it is read");
            let Ok(Input::Lines(lines)) = source.next().await else {
                panic!("a line was said");
            };
            kept.push(lines);
        }
        let apart = |pair: &[Batch]| {
            let [one, next] = [&pair[0], &pair[1]].map(|batch| batch.as_bytes().as_ptr_range());
            one.end != next.start
        };
        let buffers = 1 + kept.windows(2).filter(|pair| apart(pair)).count();
        assert_eq!(buffers, 1, "for a thousand short lines");
    }

    #[test]
    fn a_lost_connection_is_told_once() {
        let mut sink = LineSink::new(tokio::io::sink(), LineStyle::Raw);
        let resumed = ConnectionStatus::Resumed {
            after: Duration::from_secs(1),
            resent: 0,
        };
        let told = [
            ConnectionStatus::Silent(Duration::from_secs(5)),
            ConnectionStatus::Reconnecting(1),
            ConnectionStatus::Reconnecting(2),
            resumed,
            ConnectionStatus::Reconnecting(1),
        ]
        .map(|status| !sink.is_old_news(&Event::Connection(status)));
        assert_eq!(told, [true, true, false, true, true]);
    }

    #[tokio::test]
    async fn what_was_shown_answers_for_the_status() {
        let typed = b"/status\n/status\n/peers\n";
        let (mut source, mut sink) = interactive_at(
            &typed[..],
            tokio::io::sink(),
            Role::Client,
            Notices::default(),
        );
        let first = source.next().await.expect("a line");
        assert_eq!(first, Input::Command(Command::Status), "nothing is known");
        sink.show(Event::QueuePosition(2));
        let second = source.next().await.expect("another");
        assert_eq!(second, Input::Command(Command::Peers), "it was answered");
    }
}
