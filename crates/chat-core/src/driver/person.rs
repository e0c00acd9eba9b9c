//! The person at this end: where lines come from and where they are shown.

use std::future::Future;
use std::io;

use crate::files::FileCommand;
use crate::protocol::Event;
use crate::wire::Batch;

/// What the person does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Sends these lines, each one a message.
    Lines(Batch),
    /// Sends one message, which may have line breaks, or be `88` as text.
    Message(String),
    /// Hangs up.
    HangUp,
    /// Has nothing more to send, but still reads.
    Eof,
    /// Has begun or stopped typing.
    Typing(bool),
    /// Has stopped this program for a while, or continued it.
    Suspended(bool),
    /// Gives this program a command; nothing goes to the peer.
    Command(Command),
}

impl Input {
    /// The text, if there is any.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Lines(lines) => lines.lines().collect::<Vec<_>>().join("\n"),
            Self::Message(text) => text,
            _ => String::new(),
        }
    }
}

/// A command to the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Compare the safety number of this call with the one that the other person read out, and
    /// remember the key if they are the same. Without a number: say how that is done.
    Verify(Option<String>),
    /// Take the call that rings.
    Answer,
    /// Refuse the call that rings, or the next that waits, with a word to the caller.
    Decline(Option<String>),
    /// Refuse the call that rings, and every other with that key.
    Block,
    /// Be away, and say this to who is on the line or waits; without a text, come back, or be
    /// away without a word.
    Away(Option<String>),
    /// Be called this from now on.
    Name(String),
    /// Call the peer this; without a name, what it calls itself.
    Rename(Option<String>),
    /// Leave this line for the person, while this side waits.
    Note(String),
    /// List the known peers.
    Peers,
    /// Do this about files.
    File(FileCommand),
    /// Tell about the call.
    Status,
    /// Show so many of the last messages that were recorded with this peer.
    History(usize),
    /// Show the recorded messages that contain this text.
    Search(String),
    /// Keep what is said from now on when the call is over.
    Keep,
    /// End this call and take the next caller.
    Next,
    /// End the program.
    Quit,
}

/// Where the person's words come from: a screen, a pipe, a script, a bot.
pub trait Source: Send {
    /// The next input. Must be cancel safe. Not called again after
    /// [`Input::Eof`] within one call.
    fn next(&mut self) -> impl Future<Output = io::Result<Input>> + Send;

    /// A call begins. If messages are counted, a line that is too long for one message is an
    /// error and must not be cut into several.
    fn begin(&mut self, _messages_are_counted: bool) {}

    /// Whether the person has typed something and not sent it, which the next caller must not get
    /// to hear.
    fn has_draft(&self) -> bool {
        false
    }
}

/// Where events are shown.
pub trait Sink: Send {
    /// Takes an event; must not block. The caller passes few more before it awaits
    /// [`flushed`](Self::flushed).
    fn show(&mut self, event: Event);

    /// Waits until the events are written, or at least until there is room for more. Must be
    /// cancel safe. An error of kind `BrokenPipe` means that the reader is gone.
    fn flushed(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}
