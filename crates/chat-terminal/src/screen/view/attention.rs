//! Whether the user looks, and what calls the attention of one who does not: the bell, the title
//! of the terminal with the number of unread messages, a row where these begin, and, if asked for,
//! a notification of the desktop.

use std::time::{Duration, Instant};

use super::View;
use crate::locale;
use crate::screen::notify::Notification;
use crate::screen::style::Style;
use crate::screen::transcript::Timestamp;

/// Callers ring no sooner than this after each other.
const QUIET: Duration = Duration::from_secs(10);

/// Without focus reports, the user counts as away after so long without a key.
const AWAY: Duration = Duration::from_secs(30);

/// The same for the row where the unread messages begin: who reads and says nothing is spared it.
const LONG_AWAY: Duration = Duration::from_secs(5 * 60);

/// What the terminal is to do besides drawing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signals {
    /// It rings.
    pub(crate) bell: bool,
    /// It has this title from now on.
    pub(crate) title: Option<String>,
    /// It shows this to a user who is elsewhere.
    pub(crate) notification: Option<Notification>,
}

/// Whether the user looks, and what is new since then.
#[derive(Debug)]
pub(super) struct Attention {
    /// When the last key was pressed.
    pub(super) last_key: Instant,
    /// Whether the terminal has the focus, if it reports that.
    focus: Option<bool>,
    unread: usize,
    last_call: Option<Instant>,
    signals: Signals,
    /// The title that the terminal has.
    title: Option<String>,
}

impl Attention {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            last_key: now,
            focus: None,
            unread: 0,
            last_call: None,
            signals: Signals::default(),
            title: None,
        }
    }

    /// The terminal has got, or lost, the focus.
    pub(super) fn set_focus(&mut self, focus: bool) {
        self.focus = Some(focus);
        if focus {
            self.unread = 0;
        }
    }

    /// A key was pressed.
    pub(super) fn key(&mut self, now: Instant) {
        self.last_key = now;
        self.unread = 0;
    }

    fn is_away(&self, now: Instant, without_keys: Duration) -> bool {
        match self.focus {
            Some(focus) => !focus,
            None => now.duration_since(self.last_key) >= without_keys,
        }
    }
}

impl View {
    /// A message comes: the first one since the user looked away is announced.
    pub(super) fn announce_message(&mut self, name: &str, text: &str, now: Timestamp) {
        if !self.attention.is_away(now.at, AWAY) {
            return;
        }
        self.attention.unread += 1;
        if self.attention.unread > 1 {
            return;
        }
        if self.attention.is_away(now.at, LONG_AWAY) {
            self.transcript
                .remark(Style::Faint, locale::text().unread_from_here(), now);
        }
        self.signal(locale::text().says(name, text));
    }

    /// Somebody calls, or offers a file, as `text` says.
    pub(super) fn announce(&mut self, text: String, now: Timestamp) {
        let is_quiet = |last| now.at.duration_since(last) >= QUIET;
        if self.attention.is_away(now.at, AWAY) && self.attention.last_call.is_none_or(is_quiet) {
            self.attention.last_call = Some(now.at);
            self.signal(text);
        }
    }

    fn signal(&mut self, text: String) {
        let signals = &mut self.attention.signals;
        signals.bell |= self.options.bell;
        let notification = |protocol| Notification::new(protocol, &text, self.options.charset);
        signals.notification = self.options.notifications.map(notification);
    }

    /// Takes what the terminal is to do with the next frame.
    pub(crate) fn take_signals(&mut self) -> Signals {
        let title = match (&self.status.ringing, &self.call) {
            (Some(caller), _) => locale::text().rings(&locale::short_name(caller)),
            (None, Some(call)) => locale::title(&call.peer.name, self.attention.unread),
            (None, None) => locale::TITLE.to_owned(),
        };
        let title = Some(self.options.charset.show(&title).into_owned());
        let mut signals = std::mem::take(&mut self.attention.signals);
        if self.options.title && self.attention.title != title {
            self.attention.title.clone_from(&title);
            signals.title = title;
        }
        signals
    }

    /// Another program may have set the title.
    pub(crate) fn forget_title(&mut self) {
        self.attention.title = None;
    }
}
