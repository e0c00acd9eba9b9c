//! The model of the screen, without a terminal: input events and events of the call go in,
//! inputs of the call, lines and the live region come out.

mod attention;
mod events;
mod keys;
mod layout;

use std::collections::VecDeque;
use std::time::Instant;

use chat_core::driver::Input;
use chat_core::files::Rate;
use chat_core::protocol::Peer;
use chat_core::trust::Fingerprint;

use crate::call_status::CallStatus;
use crate::input::commands::Role;
use crate::input::editor::Editor;
use crate::input::memory::Typed;
use crate::locale;
use crate::screen::channel::{Moment, Stamped};
use crate::screen::notify::Protocol;
use crate::screen::style::{Colors, Palette, Style};
use crate::screen::transcript::{Timestamp, Transcript};
use crate::text::charset::Charset;
use crate::text::sanitize;

use attention::Attention;
pub(crate) use attention::Signals;
use keys::PasteDetector;
pub(crate) use keys::TerminalRequest;

/// How the screen looks and sounds.
#[derive(Clone, Debug)]
pub(crate) struct ScreenOptions {
    /// The colours that are used.
    pub(crate) colors: Colors,
    /// The characters that the terminal can show.
    pub(crate) charset: Charset,
    /// Whether the bell rings while the user is away.
    pub(crate) bell: bool,
    /// Whether the terminal has a title.
    pub(crate) title: bool,
    /// How notifications are shown, if they are.
    pub(crate) notifications: Option<Protocol>,
    /// Whether the peer is told that the user is typing.
    pub(crate) tells_typing: bool,
    /// Whether the terminal marks pastes, so that a quick run of keys is none.
    pub(crate) marks_pastes: bool,
    /// What the program does while there is no call.
    pub(crate) idle: Idle,
}

#[cfg(any(test, fuzzing))]
impl ScreenOptions {
    /// At a terminal that can do all but mark pastes.
    pub(crate) fn full(charset: Charset, idle: Idle) -> Self {
        Self {
            colors: Colors::Many,
            charset,
            bell: true,
            title: true,
            notifications: Some(Protocol::Osc9),
            tells_typing: true,
            marks_pastes: false,
            idle,
        }
    }
}

/// What a program does while there is no call, as a text for the status row.
#[derive(Clone, Debug)]
pub enum Idle {
    /// It calls a peer; hanging up cancels that.
    Calling(String),
    /// It waits for calls; there is nothing to hang up.
    Waiting(String),
}

impl Idle {
    fn text(&self) -> &str {
        match self {
            Self::Calling(text) | Self::Waiting(text) => text,
        }
    }

    pub(crate) fn role(&self) -> Role {
        match self {
            Self::Calling(_) => Role::Client,
            Self::Waiting(_) => Role::Server,
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
    /// The files under way.
    files: Vec<Rate>,
    /// Since when nothing was heard, while the connection is silent or lost.
    silent_since: Option<Instant>,
    /// When the status row, which counts that up, is to be drawn again.
    next_second: Option<Instant>,
    /// A hint or warning, shown until the next key.
    hint: Option<(Style, String)>,
    inputs: VecDeque<Stamped>,
    moment: Moment,
    /// The draft was put aside while the user may still be typing it.
    interrupted: bool,
    /// For whom the draft was typed, once that call is over.
    draft_for: Option<Addressee>,
    /// When Ctrl-C dropped a draft.
    dropped: Option<Instant>,
    /// A text that was not sent yet, because the person was asked about it.
    questioned: Option<String>,
    /// Whether the peer was told that the user is typing.
    typing: bool,
    paste_detector: PasteDetector,
    attention: Attention,
    paste_stalled: bool,
    /// Whether the user knows that the terminal cannot show all characters.
    told_of_charset: bool,
    changed: bool,
}

/// Whom a draft is for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Addressee {
    /// Without a key, nobody can be told from somebody else at the same address.
    key: Option<Fingerprint>,
    name: String,
}

impl Addressee {
    fn new(peer: &Peer) -> Self {
        Self {
            key: peer.security.fingerprint(),
            name: sanitized_name(peer),
        }
    }

    fn is(&self, other: &Self) -> bool {
        self.key.is_some() && self == other
    }
}

/// The state of the current call.
#[derive(Debug)]
struct Call {
    peer: Addressee,
    since: Instant,
    typing: bool,
    hanging_up: bool,
    /// How many of this side's messages the peer has received.
    received: u64,
    /// The messages that it has not received yet, the oldest first.
    unreceived: VecDeque<PendingMessage>,
}

/// A message of this side that is not acknowledged yet.
#[derive(Debug)]
struct PendingMessage {
    text: String,
    /// Whether it is in the transcript already.
    written: bool,
}

impl Call {
    fn new(peer: &Peer, since: Instant) -> Self {
        Self {
            peer: Addressee::new(peer),
            since,
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
    /// A view without a call, with what was typed before.
    pub(crate) fn new(options: ScreenOptions, typed: Typed, now: Timestamp) -> Self {
        let palette = Palette {
            colors: options.colors,
            charset: options.charset,
        };
        Self {
            options,
            palette,
            editor: Editor::new(typed),
            transcript: Transcript::new(palette),
            status: CallStatus::default(),
            call: None,
            waiting: 0,
            files: Vec::new(),
            silent_since: None,
            next_second: None,
            hint: None,
            inputs: VecDeque::new(),
            moment: Moment::default(),
            interrupted: false,
            draft_for: None,
            dropped: None,
            questioned: None,
            typing: false,
            paste_detector: PasteDetector::default(),
            attention: Attention::new(now.at),
            paste_stalled: false,
            told_of_charset: false,
            changed: true,
        }
    }

    /// Whether there is something new to draw.
    pub(crate) fn has_changed(&self) -> bool {
        self.changed
    }

    /// Whether there is an input for the call.
    pub(crate) fn has_input(&self) -> bool {
        !self.inputs.is_empty()
    }

    /// Takes the next input for the call.
    pub(crate) fn next_input(&mut self) -> Option<Stamped> {
        self.inputs.pop_front()
    }

    /// The draft that was not sent, and the lines that were typed.
    pub(crate) fn typed(&self) -> Typed {
        self.editor.typed()
    }

    /// The program ends: shows the draft, so that it can be copied.
    pub(crate) fn finish(&mut self, now: Timestamp) {
        let Typed { draft, .. } = self.typed();
        if !draft.is_empty() {
            self.transcript
                .remark(Style::Notice, &locale::text().draft(&draft), now);
        }
    }

    /// Whether something is typed that was not sent, or was put aside just now.
    pub(crate) fn has_draft(&self) -> bool {
        self.interrupted || !self.editor.text().is_empty()
    }

    /// Hands an input to the call, or to the caller that rings, of this moment.
    fn input(&mut self, input: Input) {
        let moment = self.moment;
        self.inputs.push_back(Stamped { moment, input });
    }

    /// The lines that wait to be drawn.
    pub(crate) fn transcript(&mut self) -> &mut Transcript {
        &mut self.transcript
    }

    /// Makes [`has_changed`](Self::has_changed) true.
    pub(crate) fn touch(&mut self) {
        self.changed = true;
    }

    /// Sets whether a paste has begun and its end is overdue.
    pub(crate) fn paste_stalled(&mut self, stalled: bool) {
        self.changed |= self.paste_stalled != stalled;
        self.paste_stalled = stalled;
    }
}
