//! A person's side that is a program: inputs come from one channel, events go to another.

use std::collections::VecDeque;
use std::future::pending;
use std::io;

use tokio::sync::mpsc;

use crate::driver::{Input, Sink, Source};
use crate::protocol::Event;

/// How many inputs or events may wait to be taken.
const CAPACITY: usize = 16;

/// The program's end of both channels.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) events: mpsc::Receiver<Event>,
}

/// The call's end of the inputs.
#[derive(Debug)]
pub(super) struct ChannelSource(mpsc::Receiver<Input>);

/// The call's end of the events.
#[derive(Debug)]
pub(super) struct ChannelSink {
    events: mpsc::Sender<Event>,
    /// Events for which there was no room yet. Meanwhile the peer is not read, so they are few.
    pending: VecDeque<Event>,
}

/// Both channels, new.
pub(super) fn channel() -> (Ends, ChannelSource, ChannelSink) {
    let (input_sender, inputs) = mpsc::channel(CAPACITY);
    let (event_sender, events) = mpsc::channel(CAPACITY);
    let ends = Ends {
        inputs: input_sender,
        events,
    };
    let sink = ChannelSink {
        events: event_sender,
        pending: VecDeque::new(),
    };
    (ends, ChannelSource(inputs), sink)
}

impl Source for ChannelSource {
    async fn next(&mut self) -> io::Result<Input> {
        match self.0.recv().await {
            Some(input) => Ok(input),
            // The handle was dropped, which hangs up.
            None => pending().await,
        }
    }
}

impl ChannelSink {
    /// Another sender, to tell when the program's end is gone.
    pub(super) fn events(&self) -> mpsc::Sender<Event> {
        self.events.clone()
    }
}

impl Sink for ChannelSink {
    fn show(&mut self, event: Event) {
        // Two people compare it. To a program that anybody may call again and again, it would
        // only be a number that can be guessed.
        if !matches!(event, Event::SafetyNumber { .. }) {
            self.pending.push_back(event);
        }
    }

    async fn flushed(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            let room = self.events.reserve().await;
            let room = room.map_err(|_| io::ErrorKind::BrokenPipe)?;
            if let Some(event) = self.pending.pop_front() {
                room.send(event);
            }
        }
        Ok(())
    }
}
