//! The channels between the program and the screen's thread: the two halves that a call sees,
//! and their other ends.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

use chat_core::driver::{Command, Input, Sink, Source};
use chat_core::protocol::Event;
use tokio::sync::{mpsc, watch};

use crate::locale;

/// The most events that may wait to be drawn, in bytes: 1 MiB, or 2,048 short messages.
const MAX_PENDING: usize = 1 << 20;

/// What an event counts besides its text, in bytes.
const EVENT_WEIGHT: usize = 512;

/// When something was typed: how many calls and how many rings had begun or ended before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    calls: u64,
    rings: u64,
}

impl Moment {
    /// Goes on with an event.
    pub(crate) fn update(&mut self, event: &Event) {
        match event {
            Event::Established(_) | Event::Ended(_) => self.calls += 1,
            Event::Ringing(_) | Event::RingingStopped => self.rings += 1,
            _ => {}
        }
    }
}

/// An input, and when it was typed.
#[derive(Clone, Debug)]
pub(crate) struct Stamped {
    /// When it was typed.
    pub(crate) moment: Moment,
    /// What was typed.
    pub(crate) input: Input,
}

impl Stamped {
    /// Whether it still means the same call, or the same caller that rings, as when it was typed.
    pub(crate) fn is_current(&self, now: Moment) -> bool {
        match self.input {
            Input::Command(Command::Peers | Command::Status | Command::Quit) => true,
            Input::Command(Command::Away(_) | Command::Name(_)) => true,
            Input::Command(Command::Answer | Command::Decline(_) | Command::Block) => {
                self.moment.rings == now.rings
            }
            _ => self.moment.calls == now.calls,
        }
    }
}

/// The state that the two halves share.
#[derive(Debug, Default)]
struct Open {
    /// As far as the program has told, which is ahead of what is drawn.
    now: Mutex<Moment>,
    thread: OnceLock<JoinHandle<()>>,
}

impl Open {
    fn now(&self) -> MutexGuard<'_, Moment> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic in the thread was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// What is to be drawn, on its way to the screen's thread.
#[derive(Clone, Debug)]
struct Feed {
    events: mpsc::UnboundedSender<Event>,
    /// The weight of the events that are not drawn yet, in bytes.
    pending: watch::Sender<usize>,
}

impl Feed {
    fn send(&self, event: Event) {
        let weight = weight(&event);
        self.pending.send_modify(|pending| *pending += weight);
        // If the screen is gone, `flushed` returns the error.
        let _ = self.events.send(event);
    }
}

/// The user's input from the keyboard.
#[derive(Debug)]
pub struct ScreenSource {
    inputs: mpsc::Receiver<Stamped>,
    /// How many inputs were taken.
    taken: u64,
    handled: watch::Sender<u64>,
    has_draft: Arc<AtomicBool>,
    feed: Feed,
    open: Arc<Open>,
}

impl Source for ScreenSource {
    async fn next(&mut self) -> io::Result<Input> {
        // Who asks for the next input has sent what the last one led to.
        let taken = self.taken;
        self.handled
            .send_if_modified(|handled| std::mem::replace(handled, taken) != taken);
        while let Some(stamped) = self.inputs.recv().await {
            self.taken += 1;
            // What was meant for a caller who has hung up is not for the next one.
            let is_current = stamped.is_current(*self.open.now());
            match stamped.input {
                input if is_current => return Ok(input),
                Input::Command(_) => self
                    .feed
                    .send(Event::Notice(locale::text().too_late().into())),
                // Text that did not arrive is marked as such, and Up brings it back.
                _ => {}
            }
        }
        Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            locale::text().terminal_gone(),
        ))
    }

    fn has_draft(&self) -> bool {
        self.has_draft.load(Ordering::SeqCst)
    }
}

/// The user's screen.
#[derive(Debug)]
pub struct ScreenSink {
    feed: Feed,
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
        self.open.now().update(&event);
        self.feed.send(event);
    }

    async fn flushed(&mut self) -> io::Result<()> {
        tokio::select! {
            biased;
            () = self.feed.events.closed() => Err(io::ErrorKind::BrokenPipe.into()),
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
        Event::History(messages) => {
            let texts = messages.iter().map(|message| message.text.len());
            texts.sum::<usize>() + EVENT_WEIGHT * messages.len()
        }
        _ => EVENT_WEIGHT,
    }
}

/// The ends that the screen's thread holds.
pub(crate) struct Backend {
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) inputs: mpsc::Sender<Stamped>,
    /// How many of them were handled.
    pub(crate) handled: watch::Receiver<u64>,
    pub(crate) pending: watch::Sender<usize>,
    /// Whether something is typed that was not sent.
    pub(crate) has_draft: Arc<AtomicBool>,
}

pub(crate) fn halves() -> (ScreenSource, ScreenSink, Backend) {
    let (event_sender, events) = mpsc::unbounded_channel();
    let (inputs, input_receiver) = mpsc::channel(1);
    let (pending, room) = watch::channel(0);
    let (handled_sender, handled) = watch::channel(0);
    let open = Arc::new(Open::default());
    let has_draft = Arc::new(AtomicBool::new(false));
    let feed = Feed {
        events: event_sender,
        pending: pending.clone(),
    };
    let source = ScreenSource {
        inputs: input_receiver,
        taken: 0,
        handled: handled_sender,
        has_draft: has_draft.clone(),
        feed: feed.clone(),
        open: open.clone(),
    };
    let sink = ScreenSink { feed, room, open };
    let backend = Backend {
        events,
        inputs,
        handled,
        pending,
        has_draft,
    };
    (source, sink, backend)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use chat_core::protocol::{CloseReason, Ended, Peer, Side};
    use chat_core::trust::Security;
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

    fn ended() -> Event {
        Event::Ended(Arc::new(Ended {
            reason: CloseReason::HungUp(Side::Remote),
            unacknowledged: Vec::new(),
        }))
    }

    fn peer(name: &str) -> Peer {
        Peer {
            name: Some(name.into()),
            address: "[::1]:7788".into(),
            security: Security::Plaintext,
        }
    }

    /// What the source hears of an input that is typed first, and comes after these events.
    fn heard_after(events: impl IntoIterator<Item = Event>, input: Input) -> Option<Input> {
        let (mut source, mut sink, backend) = halves();
        let moment = Moment::default();
        let stamped = Stamped { moment, input };
        backend.inputs.try_send(stamped).expect("there is room");
        events.into_iter().for_each(|event| sink.show(event));
        match poll_once(source.next()) {
            Poll::Ready(heard) => Some(heard.expect("the terminal is there")),
            Poll::Pending => None,
        }
    }

    #[test]
    fn what_was_said_in_one_call_is_not_heard_in_the_next() {
        for input in [
            Input::Message("secret".into()),
            Input::Command(Command::Verify(Some("5836 5501".into()))),
            Input::Command(Command::Next),
            Input::HangUp,
        ] {
            let heard = heard_after([Event::Notice(String::new())], input.clone());
            assert_eq!(heard, Some(input.clone()), "the call is on");
            let over = [ended(), Event::Established(peer("mallory"))];
            assert_eq!(heard_after(over, input), None, "it is over");
        }
        for command in [Command::Quit, Command::Peers, Command::Status] {
            let input = Input::Command(command);
            assert_eq!(heard_after([ended()], input.clone()), Some(input));
        }
    }

    #[test]
    fn nobody_is_answered_or_blocked_in_the_place_of_another() {
        for command in [Command::Answer, Command::Decline(None), Command::Block] {
            let input = Input::Command(command);
            let another = [Event::RingingStopped, Event::Ringing(peer("mallory"))];
            assert_eq!(heard_after(another, input.clone()), None);
            assert_eq!(heard_after([], input.clone()), Some(input));
        }
    }

    #[test]
    fn a_command_that_came_too_late_is_told() {
        let (mut source, mut sink, mut backend) = halves();
        let stamped = Stamped {
            moment: Moment::default(),
            input: Input::Command(Command::Verify(None)),
        };
        backend.inputs.try_send(stamped).expect("there is room");
        sink.show(ended());
        assert!(poll_once(source.next()).is_pending());
        backend.events.try_recv().expect("the end");
        let Ok(Event::Notice(told)) = backend.events.try_recv() else {
            panic!("the person waits for an answer");
        };
        assert_eq!(told, locale::text().too_late());
    }
}
