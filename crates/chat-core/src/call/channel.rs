//! A person's side that is a program: inputs come from one queue, events go to another.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::mem::discriminant;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};

use crate::driver::{Input, Sink, Source};
use crate::protocol::Event;

/// How many inputs may wait to be taken, and how many events that must not be lost.
const CAPACITY: usize = 16;

/// Both queues, new: the program's ends, and the call's.
pub(super) fn channel() -> (mpsc::Sender<Input>, Events, ChannelSource, ChannelSink) {
    let (inputs, source) = mpsc::channel(CAPACITY);
    let queue = Queue::default();
    let (arrive, arrived) = watch::channel(());
    let (take, taken) = watch::channel(());
    let events = Events {
        queue: queue.clone(),
        arrived,
        take,
    };
    let sink = ChannelSink {
        queue,
        arrive: Arc::new(arrive),
        taken,
    };
    (inputs, events, ChannelSource(source), sink)
}

/// The inputs, for the call.
#[derive(Debug)]
pub(super) struct ChannelSource(mpsc::Receiver<Input>);

impl Source for ChannelSource {
    async fn next(&mut self) -> io::Result<Input> {
        match self.0.recv().await {
            Some(input) => Ok(input),
            // The handle was dropped, which hangs up.
            None => pending().await,
        }
    }
}

/// Events that wait to be taken.
#[derive(Clone, Debug, Default)]
struct Queue(Arc<Mutex<VecDeque<Event>>>);

impl Queue {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events, for the program.
#[derive(Debug)]
pub(super) struct Events {
    queue: Queue,
    arrived: watch::Receiver<()>,
    take: watch::Sender<()>,
}

impl Events {
    /// The next event; `None` once the call has ended. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            let event = self.queue.lock().pop_front();
            if event.is_some() {
                self.take.send_replace(());
                return event;
            }
            self.arrived.changed().await.ok()?;
        }
    }
}

/// The events, from the call.
#[derive(Debug)]
pub(super) struct ChannelSink {
    queue: Queue,
    arrive: Arc<watch::Sender<()>>,
    taken: watch::Receiver<()>,
}

impl ChannelSink {
    /// Tells when the program's end of the events is gone.
    pub(super) fn handle(&self) -> Arc<watch::Sender<()>> {
        Arc::clone(&self.arrive)
    }
}

impl Sink for ChannelSink {
    fn show(&mut self, event: Event) {
        // Two people compare it. To a program that anybody may call again and again, it would
        // only be a number that can be guessed.
        if matches!(event, Event::SafetyNumber { .. }) {
            return;
        }
        let mut queue = self.queue.lock();
        if is_status(&event) {
            queue.retain(|older| discriminant(older) != discriminant(&event));
        }
        queue.push_back(event);
        drop(queue);
        self.arrive.send_replace(());
    }

    async fn flushed(&mut self) -> io::Result<()> {
        while !self.arrive.is_closed() {
            self.taken.mark_unchanged();
            let waiting = self.queue.lock().iter().filter(|e| !is_status(e)).count();
            if waiting < CAPACITY {
                return Ok(());
            }
            // Fails if the other end is gone, as does this.
            let _ = self.taken.changed().await;
        }
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

/// Whether a newer event of the same kind says all that this one does. The latest is kept, so that
/// a program that only sends needs not take what it does not want to know.
fn is_status(event: &Event) -> bool {
    matches!(
        event,
        Event::Delivered(_)
            | Event::Typing(_)
            | Event::Away(_)
            | Event::Connection(_)
            | Event::PeerIdleTimeout(_)
            | Event::QueueLength(_)
            | Event::QueuePosition(_)
    )
}
