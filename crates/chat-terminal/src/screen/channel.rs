//! The channels between the program and the screen's thread: the two halves that a call sees,
//! and their other ends.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use chat_core::driver::{Input, Sink, Source};
use chat_core::protocol::Event;
use tokio::sync::{mpsc, watch};

use crate::locale;

/// The most events that may wait to be drawn, in bytes: 1 MiB, or 2,048 short messages.
const MAX_PENDING: usize = 1 << 20;

/// What an event counts besides its text, in bytes.
const EVENT_WEIGHT: usize = 512;

/// The state that the two halves share.
#[derive(Debug, Default)]
struct Open {
    /// How many calls have ended.
    calls: AtomicU64,
    thread: OnceLock<JoinHandle<()>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic in the thread was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// An input, stamped with the number of calls that had ended before it.
pub(crate) type Stamped = (u64, Input);

/// The user's input from the keyboard.
#[derive(Debug)]
pub struct ScreenSource {
    inputs: mpsc::Receiver<Stamped>,
    open: Arc<Open>,
}

impl Source for ScreenSource {
    async fn next(&mut self) -> io::Result<Input> {
        while let Some((calls, input)) = self.inputs.recv().await {
            // Input for a peer that has hung up is not for the next caller.
            let current = calls == self.open.calls.load(Ordering::SeqCst);
            if current || matches!(input, Input::Command(_)) {
                return Ok(input);
            }
        }
        Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            locale::TERMINAL_GONE,
        ))
    }
}

/// The user's screen.
#[derive(Debug)]
pub struct ScreenSink {
    events: mpsc::UnboundedSender<Event>,
    /// The weight of the events that are not drawn yet, in bytes.
    pending: watch::Sender<usize>,
    room: watch::Receiver<usize>,
    open: Arc<Open>,
}

impl ScreenSink {
    /// Sets the thread to join when both halves are dropped. To be called once.
    pub(crate) fn set_thread(&self, thread: JoinHandle<()>) {
        self.open.thread.set(thread).expect("it is set only here");
    }
}

impl Sink for ScreenSink {
    fn show(&mut self, event: Event) {
        if matches!(event, Event::Ended(_)) {
            self.open.calls.fetch_add(1, Ordering::SeqCst);
        }
        let weight = weight(&event);
        self.pending.send_modify(|pending| *pending += weight);
        // If the screen is gone, `flushed` returns the error.
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

/// The weight of an event, in bytes.
pub(crate) fn weight(event: &Event) -> usize {
    match event {
        Event::Lines(batch) => batch.wire_len() + EVENT_WEIGHT * batch.len(),
        Event::Message(text) => text.len() + EVENT_WEIGHT,
        _ => EVENT_WEIGHT,
    }
}

/// The ends that the screen's thread holds.
pub(crate) struct Backend {
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) inputs: mpsc::Sender<Stamped>,
    pub(crate) pending: watch::Sender<usize>,
}

pub(crate) fn halves() -> (ScreenSource, ScreenSink, Backend) {
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
