//! The model of the screen, without a terminal: input events and events of the call go in,
//! inputs of the call, lines and the live region come out.

mod events;
mod keys;
mod layout;

use std::collections::VecDeque;
use std::time::Instant;

use chat_core::conversation::{Input, Peer};

use crate::call_status::CallStatus;
use crate::input::editor::Editor;
use crate::locale;
use crate::screen::style::{Palette, Style};
use crate::screen::transcript::{Timestamp, Transcript};
use crate::text::sanitize;

use keys::PasteDetector;
pub(crate) use keys::TerminalRequest;

/// How the screen looks and sounds.
#[derive(Clone, Debug)]
pub(crate) struct ScreenOptions {
    /// Whether colours are used.
    pub(crate) color: bool,
    /// Whether a message rings the bell while the person looks elsewhere.
    pub(crate) bell: bool,
    /// What the program does while nobody is on the line.
    pub(crate) idle: Idle,
}

/// What a program does while nobody is on the line, as the status row tells it.
#[derive(Clone, Debug)]
pub enum Idle {
    /// It calls somebody; hanging up gives that up.
    Calling(String),
    /// It waits for calls, with none to hang up.
    Waiting(String),
}

impl Idle {
    fn text(&self) -> &str {
        match self {
            Self::Calling(text) | Self::Waiting(text) => text,
        }
    }
}

/// The state of the screen.
#[derive(Debug)]
pub(crate) struct View {
    options: ScreenOptions,
    palette: Palette,
    editor: Editor,
    transcript: Transcript,
    status: CallStatus,
    call: Option<Call>,
    waiting: usize,
    /// A word to the person, shown until the next key.
    hint: Option<(Style, String)>,
    inputs: VecDeque<Input>,
    /// Whether the peer was told that the person is typing.
    typing: bool,
    paste_detector: PasteDetector,
    last_key: Instant,
    focus: Option<bool>,
    last_message: Option<Instant>,
    bell: bool,
    paste_stalled: bool,
    changed: bool,
}

/// What the screen keeps of a call that is on.
#[derive(Debug)]
struct Call {
    name: String,
    typing: bool,
    hanging_up: bool,
    /// How many of one's own messages the peer has received.
    received: u64,
    /// Those that it has not received yet, the oldest first.
    unreceived: VecDeque<PendingMessage>,
}

/// One's own message.
#[derive(Debug)]
struct PendingMessage {
    text: String,
    /// Whether it stands in the transcript already.
    written: bool,
}

impl Call {
    fn new(peer: &Peer) -> Self {
        Self {
            name: sanitized_name(peer),
            typing: false,
            hanging_up: false,
            received: 0,
            unreceived: VecDeque::new(),
        }
    }
}

fn sanitized_name(peer: &Peer) -> String {
    sanitize::name(locale::name_or_address(peer)).unwrap_or_default()
}

impl View {
    /// An empty screen.
    pub(crate) fn new(options: ScreenOptions, now: Timestamp) -> Self {
        let palette = Palette {
            color: options.color,
        };
        Self {
            options,
            palette,
            editor: Editor::default(),
            transcript: Transcript::new(palette),
            status: CallStatus::default(),
            call: None,
            waiting: 0,
            hint: None,
            inputs: VecDeque::new(),
            typing: false,
            paste_detector: PasteDetector::default(),
            last_key: now.at,
            focus: None,
            last_message: None,
            bell: false,
            paste_stalled: false,
            changed: true,
        }
    }

    /// Whether there is something new to draw.
    pub(crate) fn has_changed(&self) -> bool {
        self.changed
    }

    /// Whether the conversation can have an input.
    pub(crate) fn has_input(&self) -> bool {
        !self.inputs.is_empty()
    }

    /// The next thing that the person did.
    pub(crate) fn next_input(&mut self) -> Option<Input> {
        self.inputs.pop_front()
    }

    /// The lines that wait to be drawn.
    pub(crate) fn transcript(&mut self) -> &mut Transcript {
        &mut self.transcript
    }

    /// Whether the bell is due; it is no longer, then.
    pub(crate) fn take_bell(&mut self) -> bool {
        std::mem::take(&mut self.bell)
    }

    /// Everything has to be drawn again.
    pub(crate) fn touch(&mut self) {
        self.changed = true;
    }

    /// A paste has begun long ago and does not end.
    pub(crate) fn paste_stalled(&mut self, stalled: bool) {
        self.changed |= self.paste_stalled != stalled;
        self.paste_stalled = stalled;
    }
}
