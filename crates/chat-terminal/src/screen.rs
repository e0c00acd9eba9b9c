//! The terminal mode: the person at a screen and a keyboard, as a source and a sink.
//!
//! One thread owns all that the screen shows. It has a runtime of its own, so that keys are
//! echoed at once whatever the rest of the program does, and so that dropping both halves can
//! wait until the terminal has been given back.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use chat_core::driver::{Input, Sink, Source};
use chat_core::protocol::Event;
use tokio::sync::{mpsc, watch};

use crate::display;
use crate::terminal;
pub use crate::view::ScreenOptions;

/// The most that may be shown and not drawn yet: 1 MiB, or 2,048 short messages.
const MAX_PENDING: usize = 1 << 20;

/// What an event weighs besides its text.
const EVENT_WEIGHT: usize = 512;

/// The person at a terminal.
#[derive(Debug)]
pub struct Screen;

impl Screen {
    /// Whether there is a terminal on both standard input and output.
    pub fn is_possible() -> bool {
        terminal::is_there()
    }

    /// Takes the terminal over. It is given back when both halves are dropped, once all that
    /// was shown has been drawn, or after half a second if the terminal takes no output.
    ///
    /// One screen at a time: the terminal is the process's.
    ///
    /// # Errors
    /// The terminal cannot be set up, or there is no thread to be had.
    pub fn open(options: ScreenOptions) -> io::Result<(ScreenSource, ScreenSink)> {
        terminal::take_over()?;
        let (source, sink, backend) = halves();
        let thread = thread::Builder::new()
            .name("screen".to_owned())
            .spawn(move || display::run(options, backend))
            .inspect_err(|_| Screen::restore())?;
        sink.open.thread.set(thread).expect("it is set only here");
        Ok((source, sink))
    }

    /// Gives the terminal back at once, wherever the program is. May be called at any time, and
    /// more than once; dropping the two halves is the orderly way.
    pub fn restore() {
        terminal::give_back(terminal::ABANDON);
    }
}

/// What the two halves have in common.
#[derive(Debug, Default)]
struct Open {
    /// How many calls have ended.
    calls: AtomicU64,
    thread: OnceLock<JoinHandle<()>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic there has told of itself already.
            let _ = thread.join();
        }
    }
}

/// An input, and how many calls had ended when it was made.
pub(crate) type Dated = (u64, Input);

/// What the person does at the keyboard.
#[derive(Debug)]
pub struct ScreenSource {
    inputs: mpsc::Receiver<Dated>,
    open: Arc<Open>,
}

impl Source for ScreenSource {
    async fn next(&mut self) -> io::Result<Input> {
        while let Some((calls, input)) = self.inputs.recv().await {
            // What was said to somebody who hung up meanwhile is not for the next caller.
            let current = calls == self.open.calls.load(Ordering::SeqCst);
            if current || matches!(input, Input::Command(_)) {
                return Ok(input);
            }
        }
        Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the terminal is gone",
        ))
    }
}

/// What the person sees.
#[derive(Debug)]
pub struct ScreenSink {
    events: mpsc::UnboundedSender<Event>,
    /// What was shown and not drawn yet, by weight.
    pending: watch::Sender<usize>,
    room: watch::Receiver<usize>,
    open: Arc<Open>,
}

impl Sink for ScreenSink {
    fn show(&mut self, event: Event) {
        if matches!(event, Event::Ended(_)) {
            self.open.calls.fetch_add(1, Ordering::SeqCst);
        }
        let weight = weight(&event);
        self.pending.send_modify(|pending| *pending += weight);
        // If nobody looks any more, `flushed` tells.
        let _ = self.events.send(event);
    }

    async fn flushed(&mut self) -> io::Result<()> {
        tokio::select! {
            biased;
            () = self.events.closed() => Err(io::ErrorKind::BrokenPipe.into()),
            room = self.room.wait_for(|pending| *pending < MAX_PENDING) => match room {
                Ok(_) => Ok(()),
                Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
            },
        }
    }
}

/// How much of the room for events one takes.
pub(crate) fn weight(event: &Event) -> usize {
    match event {
        Event::Lines(batch) => batch.wire_len() + EVENT_WEIGHT * batch.len(),
        Event::Message(text) => text.len() + EVENT_WEIGHT,
        _ => EVENT_WEIGHT,
    }
}

/// The other ends of the two halves.
pub(crate) struct Backend {
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) inputs: mpsc::Sender<Dated>,
    pub(crate) pending: watch::Sender<usize>,
}

fn halves() -> (ScreenSource, ScreenSink, Backend) {
    let (event_sender, events) = mpsc::unbounded_channel();
    let (inputs, input_receiver) = mpsc::channel(1);
    let (pending, room) = watch::channel(0);
    let open = Arc::new(Open::default());
    let source = ScreenSource {
        inputs: input_receiver,
        open: open.clone(),
    };
    let sink = ScreenSink {
        events: event_sender,
        pending: pending.clone(),
        room,
        open,
    };
    let backend = Backend {
        events,
        inputs,
        pending,
    };
    (source, sink, backend)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use chat_core::driver::Command;
    use chat_core::protocol::{CloseReason, Ended, Side};
    use chat_core::wire::Batch;

    use super::*;

    fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn there_is_room_while_little_is_pending() {
        let (_source, mut sink, backend) = halves();
        for _ in 0..2_047 {
            sink.show(Event::Message(String::new()));
        }
        assert!(matches!(poll_once(sink.flushed()), Poll::Ready(Ok(()))));
        sink.show(Event::Lines(Batch::from("one\ntwo")));
        assert!(poll_once(sink.flushed()).is_pending());
        backend
            .pending
            .send_modify(|pending| *pending -= 2 * EVENT_WEIGHT);
        assert!(matches!(poll_once(sink.flushed()), Poll::Ready(Ok(()))));
    }

    #[test]
    fn a_terminal_that_is_gone_is_told() {
        let (mut source, mut sink, backend) = halves();
        drop(backend);
        sink.show(Event::Typing(true));
        let Poll::Ready(Err(error)) = poll_once(sink.flushed()) else {
            panic!("nobody looks");
        };
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(matches!(poll_once(source.next()), Poll::Ready(Err(_))));
    }

    #[test]
    fn what_was_said_in_one_call_is_not_heard_in_the_next() {
        let (mut source, mut sink, backend) = halves();
        let send = |input| backend.inputs.try_send((0, input)).expect("there is room");
        send(Input::Message("secret".into()));
        sink.show(Event::Ended(Arc::new(Ended {
            reason: CloseReason::HungUp(Side::Remote),
            unacknowledged: Vec::new(),
        })));
        assert!(poll_once(source.next()).is_pending());
        send(Input::Command(Command::Quit));
        let Poll::Ready(Ok(input)) = poll_once(source.next()) else {
            panic!("a command is for the program");
        };
        assert_eq!(input, Input::Command(Command::Quit));
    }
}
