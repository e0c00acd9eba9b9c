//! The person at this end: where lines come from and where they are shown.

use std::future::Future;
use std::io;

use crate::protocol::Event;
use crate::wire::Batch;

/// What the person does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Says these lines, each one a message.
    Lines(Batch),
    /// Says one message, which may have line breaks, or be `88` as text.
    Say(String),
    /// Hangs up.
    HangUp,
    /// Has no more to say, but still listens.
    End,
    /// Has begun or stopped typing.
    Typing(bool),
    /// Wants something of this program, not of the peer.
    Command(Command),
}

impl Input {
    /// What is said, if something is.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Lines(lines) => lines.lines().collect::<Vec<_>>().join("\n"),
            Self::Say(text) => text,
            _ => String::new(),
        }
    }
}

/// What the person wants of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Remember that the safety numbers were compared and are the same.
    Verify,
    /// List the known peers.
    Peers,
    /// Tell about the call.
    Status,
    /// End this call and take the next caller.
    Next,
    /// End the program.
    Quit,
}

/// Where the person's words come from: a screen, a pipe, a script, a bot.
pub trait Source: Send {
    /// The next thing the person does. Must be cancel safe. Not called again after
    /// [`Input::End`] within one call.
    fn next(&mut self) -> impl Future<Output = io::Result<Input>> + Send;

    /// A call begins. Where messages are counted, a line that is too long for one message
    /// must not be cut into several, but is an error.
    fn begin(&mut self, _messages_are_counted: bool) {}
}

/// Where events are shown.
pub trait Sink: Send {
    /// Takes an event in; must not wait. The caller shows little more before it awaits
    /// [`flushed`](Self::flushed).
    fn show(&mut self, event: Event);

    /// Waits until what was shown has been handed over, or at least until there is room for
    /// more. Must be cancel safe. An error of kind `BrokenPipe` says that nobody looks any more.
    fn flushed(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}
