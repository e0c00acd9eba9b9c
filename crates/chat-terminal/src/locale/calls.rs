//! What happens in a call, and how it ends.

use std::time::Duration;

use chat_core::protocol::{
    CloseReason, ConnectionStatus, Disconnect, Ended, Event, Peer, ProtocolError, Renewed, Side,
    Violation,
};
use chat_core::trust::Security;
use chat_core::trust::safety_number::ExchangeError;
use chat_core::wire::{ControlError, LineError, Presence, Refusal, RefusalCode};

use super::{Explain, Language, short_name};
use crate::call_status::CallStatus;

/// What happens in a call, and how it ends.
pub trait Calls {
    /// A call begins.
    fn call(&self, peer: &Peer) -> String;

    /// What is known of the peer, in `/status`.
    fn other_side_is(&self, peer: &Peer) -> String;

    /// The peer has sent its last message.
    fn no_more_to_say(&self) -> &'static str;

    /// The peer hangs up, for it has heard nothing for so long.
    fn hangs_up_unheard(&self, idle: Duration) -> String;

    /// Nothing was heard for so long.
    fn link_silent(&self, silence: Duration) -> String;

    /// The connection is lost, and the other side is to call again.
    fn lost_waiting(&self) -> &'static str;

    /// The connection is lost, and is made again.
    fn lost_reconnecting(&self, tries: u32) -> String;

    /// The connection is back, and so many messages were sent again.
    fn back(&self, after: Duration, resent: u64) -> String;

    /// This side's program was started anew, and so many messages were sent again.
    fn goes_on(&self, resent: u64) -> String;

    /// The peer's program was started anew, and so many messages were sent again; `in_doubt`:
    /// maybe for the second time.
    fn restarted(&self, name: &str, resent: u64, in_doubt: bool) -> String;

    /// Whether the peer still records what it gets.
    fn peer_records(&self, records: bool) -> &'static str;

    /// Whether the peer keeps what is said after the call.
    fn peer_keeps(&self, keeps: bool) -> &'static str;

    /// Whether a machine answers for the peer's person.
    fn machine_answers(&self, answers: bool) -> &'static str;

    /// The peer's person is there again.
    fn peer_is_back(&self) -> &'static str;

    /// The peer's person has gone; with a text, or with an empty one.
    fn peer_is_away(&self, text: &str) -> String;

    /// How many callers are served before this side.
    fn in_queue(&self, ahead: u64) -> String;

    /// Somebody calls, and waits for an answer.
    fn ringing(&self, peer: &Peer) -> String;

    /// Who rang has gone.
    fn ringing_stopped(&self) -> &'static str;

    /// How long a call was, after the words that it is over.
    fn call_lasted(&self, time: Duration) -> String;

    /// This side has hung up.
    fn you_hung_up(&self) -> &'static str;

    /// The other side has.
    fn they_hung_up(&self) -> &'static str;

    /// Both sides have ended their input.
    fn both_finished(&self) -> &'static str;

    /// This side hung up, for it heard nothing for so long.
    fn you_hung_up_unheard(&self, limit: Duration) -> String;

    /// The other side broke the rules in this way.
    fn broke_the_rules(&self, how: &str) -> String;

    /// The other side takes no more callers than those `waiting`.
    fn busy(&self, waiting: u64) -> String;

    /// Reading or writing failed on this side.
    fn failed_here(&self, why: &str) -> String;

    /// So many messages, at least one, have no receipt.
    fn not_received(&self, count: usize) -> String;

    /// The connection broke, and is not to be had back.
    fn lost(&self) -> &'static str;

    /// The connection could not be made again.
    fn lost_unreachable(&self, why: &str) -> String;

    /// The connection was refused when it was made again.
    fn lost_refused(&self, refusal: &str) -> String;

    /// Nothing was heard for so long.
    fn lost_silent(&self, silence: Duration) -> String;

    /// The other side reads nothing.
    fn lost_stuck(&self) -> &'static str;

    /// The system reports an error.
    fn lost_to(&self, why: &str) -> String;

    /// The other side takes no call; with its own words if there are any.
    fn refused_by_them(&self, code: RefusalCode, text: Option<&str>) -> String;

    /// Nobody takes connections where the peer was; it is called again for so long. `gives_up` is
    /// the key or line that ends it.
    fn refused_for_now(&self, left: Duration, gives_up: &str) -> String;

    /// A line is longer than `limit` bytes, as the end of a sentence like those below.
    fn line_too_long(&self, limit: usize) -> String;

    /// A control line that cannot be read.
    fn malformed(&self, error: &ControlError) -> String;

    /// A part of the exchange of safety numbers that is not due.
    fn number_unasked(&self) -> &'static str;

    /// The exchange of safety numbers was cheated in.
    fn number_tampered_with(&self) -> &'static str;

    /// How the other side broke the rules of a call.
    fn violation(&self, what: Violation) -> &'static str;

    /// A call begins with nobody at the other end.
    fn nobody_there_yet(&self, peer: &Peer) -> String;

    /// This side's person has gone.
    fn you_are_away(&self) -> &'static str;

    /// This side's person is there again.
    fn you_are_back(&self) -> &'static str;
}

impl dyn Language + '_ {
    /// The notice for an event; `None` for messages and for events that need no notice.
    pub fn describe(&self, event: &Event) -> Option<String> {
        Some(match event {
            Event::Established(peer) => self.call(peer),
            Event::PeerEof => self.no_more_to_say().into(),
            Event::PeerIdleTimeout(idle) => self.hangs_up_unheard(*idle),
            Event::SendFailed(_, why) => self.not_sent(why),
            Event::Connection(status) => return self.connection(status),
            Event::PeerKeeps(records) => self.peer_records(*records).into(),
            Event::PeerHistory(keeps) => self.peer_keeps(*keeps).into(),
            Event::SafetyNumber { digits, emoji } => self.safety_number(digits, emoji, true),
            Event::Answering(answers) => self.machine_answers(*answers).into(),
            Event::Presence(Presence::Here) => self.peer_is_back().into(),
            Event::Presence(Presence::Away(text)) => self.peer_is_away(text),
            Event::QueuePosition(callers) => self.in_queue(*callers),
            Event::Ringing(peer) => self.ringing(peer),
            Event::RingingStopped => self.ringing_stopped().into(),
            Event::File(event) => return self.file_event(event, true),
            Event::Ended(ended) => self.ending(ended),
            Event::Notice(text) | Event::Alarm(text) => text.clone(),
            Event::Peer(_)
            | Event::Lines(_)
            | Event::Message(_)
            | Event::History(_)
            | Event::Delivered(_)
            | Event::Earlier(_)
            | Event::Typing(_)
            | Event::Claims(_)
            | Event::QueueLength(_) => return None,
        })
    }

    /// The same for a user who cannot give commands, because every line is text.
    pub(crate) fn describe_without_commands(&self, event: &Event) -> Option<String> {
        match event {
            Event::SafetyNumber { digits, emoji } => Some(self.safety_number(digits, emoji, false)),
            Event::File(event) => self.file_event(event, false),
            event => self.describe(event),
        }
    }

    fn connection(&self, status: &ConnectionStatus) -> Option<String> {
        Some(match status {
            ConnectionStatus::Up { .. } => return None,
            ConnectionStatus::Silent(silence) => self.link_silent(*silence),
            ConnectionStatus::Reconnecting(0) => self.lost_waiting().into(),
            ConnectionStatus::Reconnecting(tries) => self.lost_reconnecting(*tries),
            ConnectionStatus::Resumed { after, resent } => self.back(*after, *resent),
            ConnectionStatus::Restored { resent } => self.goes_on(*resent),
        })
    }

    /// The call goes on with a program that was started anew.
    pub(crate) fn renewed(&self, peer: &Peer, renewed: Renewed) -> String {
        self.restarted(&short_name(peer), renewed.resent, renewed.in_doubt)
    }

    /// The status of the call; `None` before there is anything to report.
    pub(crate) fn call_status(&self, status: &CallStatus) -> Option<String> {
        let CallStatus {
            peer,
            ahead,
            link,
            ringing,
            ..
        } = status;
        let link = match link {
            ConnectionStatus::Silent(_) | ConnectionStatus::Reconnecting(_) => {
                self.connection(link)
            }
            ConnectionStatus::Up { .. }
            | ConnectionStatus::Resumed { .. }
            | ConnectionStatus::Restored { .. } => None,
        };
        let queue = ahead.map(|ahead| self.in_queue(ahead));
        let peer = peer.as_ref().map(|peer| self.peer_status(peer));
        let ringing = ringing.as_ref().map(|caller| self.ringing(caller));
        let told: Vec<_> = [link, queue, peer, ringing].into_iter().flatten().collect();
        (!told.is_empty()).then(|| told.join("\n"))
    }

    /// What is known of the peer.
    pub(crate) fn peer_status(&self, peer: &Peer) -> String {
        let told = self.other_side_is(peer);
        match &peer.security {
            Security::Key { fingerprint, .. } => format!("{told}\n    {fingerprint}"),
            _ => told,
        }
    }

    fn ending(&self, ended: &Ended) -> String {
        let end = match &ended.reason {
            CloseReason::HungUp(Side::Local) => self.you_hung_up().to_owned(),
            CloseReason::HungUp(Side::Remote) => self.they_hung_up().into(),
            CloseReason::BothFinished => self.both_finished().into(),
            CloseReason::Idle(limit) => self.you_hung_up_unheard(*limit),
            CloseReason::Lost(why) => self.disconnect(why),
            CloseReason::Protocol(error) => self.broke_the_rules(&self.protocol_error(error)),
            CloseReason::Busy { waiting } => self.busy(*waiting),
            CloseReason::Refused(refusal) => self.refusal(refusal),
            CloseReason::Local(error) => self.failed_here(&self.system(error)),
        };
        match ended.unacknowledged.len() {
            0 => end,
            count => self.joined(&end, &self.not_received(count)),
        }
    }

    fn refusal(&self, Refusal { code, text }: &Refusal) -> String {
        self.refused_by_them(*code, text.as_deref())
    }

    /// How a connection was lost for good.
    fn disconnect(&self, why: &Disconnect) -> String {
        match why {
            Disconnect::Cut => self.lost().into(),
            Disconnect::Unreachable(error) => self.lost_unreachable(&error.explain_in(self)),
            Disconnect::Refused(refusal) => self.lost_refused(&self.refusal(refusal)),
            Disconnect::Silent(silence) => self.lost_silent(*silence),
            Disconnect::Stuck => self.lost_stuck().into(),
            Disconnect::Io(error) => self.lost_to(&self.system(error)),
        }
    }

    /// How the other side broke the rules.
    fn protocol_error(&self, error: &ProtocolError) -> String {
        match error {
            ProtocolError::Line(LineError::TooLong { limit }) => self.line_too_long(*limit),
            ProtocolError::Line(LineError::Io(error)) => self.system(error),
            ProtocolError::Malformed(error) => self.malformed(error),
            ProtocolError::Exchange(ExchangeError::Unasked) => self.number_unasked().into(),
            ProtocolError::Exchange(ExchangeError::WrongReveal) => {
                self.number_tampered_with().into()
            }
            ProtocolError::Violation(what) => self.violation(*what).into(),
        }
    }

    /// Nobody takes connections where the peer was; it is called again for so long. In a pipe 88
    /// waits until all has arrived.
    pub fn calling_again(&self, left: Duration, piped: bool) -> String {
        self.refused_for_now(left, if piped { "Ctrl-C" } else { "88" })
    }
}
