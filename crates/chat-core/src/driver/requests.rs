//! What a program asks of its call, and learns of it.

use tokio::time::Instant;

use super::{CallDriver, Sink, Source};
use crate::protocol::{Disconnect, Linger, Remark};
use crate::wire::{CancelCode, CancelledOffer, Control, Cookie, Offer, SessionId};

impl<In: Source, Out: Sink> CallDriver<'_, In, Out> {
    /// Tells a chat/1 peer something besides messages.
    pub fn remark(&mut self, remark: Remark) {
        if let Some(session) = self.protocol.session() {
            session.remark(remark);
        }
    }

    /// This side's messages of which it is not known that they have arrived.
    pub fn unacknowledged(&self) -> Vec<String> {
        self.protocol.unacknowledged()
    }

    /// Hangs up without waiting for the person's side; drive on until the call has ended.
    pub fn hang_up(&mut self) {
        self.hasty = true;
        self.protocol
            .hang_up(Linger::Brief, Instant::now().into_std());
    }

    /// No other connection can be made; drive on until the call has ended.
    pub fn give_up(&mut self, disconnect: Disconnect) {
        tracing::info!(%disconnect, "giving the connection up");
        let now = Instant::now().into_std();
        self.protocol.disconnected(disconnect, false, now);
    }

    /// When bytes were last received, text or not.
    pub fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// The digits of this call's safety number, once they were shown.
    pub fn safety_number(&self) -> Option<&str> {
        self.safety_number.as_deref()
    }

    /// What the dialer shows in its next handshake of this call, once that is known.
    pub fn cookie(&self) -> Option<Cookie> {
        self.cookie
    }

    /// Whether a word was said, by this side or the other.
    pub fn has_conversed(&self) -> bool {
        self.conversed
    }

    /// Whether the dialer's part of the safety number goes out with what is sent next. That can
    /// only be so after [`Step::Established`](super::Step::Established) or [`Step::Answered`](super::Step::Answered), and is returned once.
    pub fn announce_nonce(&mut self) -> bool {
        let session = self.protocol.session();
        session.is_some_and(|session| session.dialer_exchange().announce_nonce())
    }

    /// Does without a safety number on the present connection.
    pub fn withhold_nonce(&mut self) {
        if let Some(session) = self.protocol.session() {
            session.dialer_exchange().withhold_nonce();
        }
    }

    /// The session, which both sides have in common; `None` with a peer that speaks plain lines.
    pub fn session_id(&mut self) -> Option<SessionId> {
        self.protocol.session().map(|session| session.state().id())
    }

    /// Whether the peer's program knows what is said about files, once it has said hello.
    pub fn peer_knows_files(&mut self) -> Option<bool> {
        self.protocol.session()?.peer_knows_files()
    }

    /// A file is on its way, which counts as if the peer had said something.
    pub(crate) fn file_moves(&mut self) {
        if let Some(last_text) = &mut self.last_text {
            *last_text = Instant::now();
        }
    }

    /// Says this about a file, on the present connection.
    pub fn say_of_file(&mut self, control: Control) {
        if let Some(session) = self.protocol.session() {
            session.say_of_file(control);
        }
    }

    /// Says this to a peer of plain lines; others are told in words of their own.
    pub(super) fn tell_plain(&mut self, text: &str) {
        if self.protocol.session().is_none()
            && let Err(error) = self.protocol.say(text)
        {
            tracing::debug!(%error, "a peer of plain lines is not told");
        }
    }

    /// Nobody here takes files.
    pub(super) fn decline_file(&mut self, control: Control) {
        if let Control::Offer(Offer { id, .. }) = control {
            let code = CancelCode::Unattended;
            self.say_of_file(Control::Cancel(CancelledOffer { id, code }));
        }
    }

    /// What to tell a peer that reconnects after this side has hung up.
    pub fn final_ack(&mut self) -> Vec<Control> {
        let session = self.protocol.session();
        session.map_or_else(Vec::new, |session| session.final_ack())
    }

    /// There is a reason to doubt the present connection, such as that this machine has moved; it
    /// is asked whether it is still there, and [`Step::Doubted`](super::Step::Doubted) tells.
    pub fn suspect(&mut self) {
        if let Some(session) = self.protocol.session() {
            session.suspect(Instant::now().into_std());
        }
    }
}
