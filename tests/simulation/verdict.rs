//! What must hold of every run.

use std::sync::Arc;
use std::time::Duration;

use chat_core::protocol::{CloseReason, ConnectionStatus, Ended, Side};
use chat_terminal::exit;

use crate::log::{Entry, SERVER, What};
use crate::plan::Plan;
use crate::stranger::MARK;

/// After so long an outage a call is lost for good.
const GRACE: Duration = Duration::from_secs(5 * 60);

/// Whoever is none of the people: of their calls only what this side says is checked.
const STRANGER: usize = usize::MAX;

/// One person's side of one call.
#[derive(Debug, Default)]
struct Call {
    with: usize,
    said: Vec<String>,
    heard: Vec<String>,
    delivered: usize,
    hung_up: bool,
    finished: bool,
    /// Since when the other is away.
    away_since: Option<Duration>,
    /// For how long it was when the call ended.
    away: Duration,
    ended: Option<Arc<Ended>>,
}

/// What is found out while the log is read.
#[derive(Debug, Default)]
struct Verdict {
    /// The calls of each person.
    calls: Vec<Vec<Call>>,
    exits: Vec<Option<u8>>,
}

/// Whether a run was as it must be.
pub fn check(plan: &Plan, entries: &[Entry]) -> Result<(), String> {
    let people = plan.clients.len() + 1;
    let mut verdict = Verdict {
        calls: (0..people).map(|_| Vec::new()).collect(),
        exits: vec![None; people],
    };
    for client in 1..people {
        verdict.calls[client].push(Call::default());
    }
    for entry in entries {
        verdict
            .read(entry, plan)
            .map_err(|error| format!("{error}, at: {entry}"))?;
    }
    verdict.conclude(plan)
}

impl Verdict {
    fn read(&mut self, entry: &Entry, plan: &Plan) -> Result<(), String> {
        let who = entry.who;
        if let (SERVER, What::Call(name)) = (who, &entry.what) {
            let with = match name.starts_with(MARK) {
                true => STRANGER,
                false => name.parse().map_err(|_| format!("a call with {name}"))?,
            };
            let calls = &mut self.calls[SERVER];
            // A call is shown again when more is known of it.
            if calls.last().is_none_or(|call| call.ended.is_some()) {
                calls.push(Call {
                    with,
                    ..Call::default()
                });
            }
            return match calls.last() {
                Some(call) if call.with == with => Ok(()),
                _ => Err("the call has changed hands".into()),
            };
        }
        if let What::Exited(code) = entry.what {
            self.exits[who] = Some(code);
            return Ok(());
        }
        if let (SERVER, What::Ended(_)) = (who, &entry.what)
            && self.calls[SERVER]
                .last()
                .is_none_or(|call| call.ended.is_some())
        {
            // It ended before the two had met.
            return Ok(());
        }
        let call = self.calls[who].last_mut().ok_or("there is no call")?;
        match &entry.what {
            What::Says(text) => call.said.push(text.clone()),
            What::Hears(text) => call.heard.push(text.clone()),
            What::HangsUp => call.hung_up = true,
            What::Finishes => call.finished = true,
            What::Delivered(number) => {
                call.delivered = *number as usize;
                // A stranger may claim to have heard what was said.
                let said = call.said.len();
                let heard = match call.with {
                    STRANGER => said,
                    _ => self.peer_of(who).map_or(0, |peer| peer.heard.len()),
                };
                if *number as usize > heard {
                    return Err(format!("delivered {number}, but heard {heard}"));
                }
            }
            What::Ended(ended) => {
                call.ended = Some(Arc::clone(ended));
                call.away = call
                    .away_since
                    .map_or(Duration::ZERO, |since| entry.at - since);
            }
            What::NoCall(error) => return Err(format!("there never was a call: {error}")),
            What::Link(ConnectionStatus::Reconnecting(_)) if plan.is_calm() => {
                return Err("the link was lost although nothing happened to it".into());
            }
            What::Link(ConnectionStatus::Reconnecting(_)) => {
                call.away_since.get_or_insert(entry.at);
            }
            What::Link(_) => call.away_since = None,
            What::Call(_) | What::Exited(_) => {}
        }
        Ok(())
    }

    /// The other side of a person's last call.
    fn peer_of(&self, who: usize) -> Option<&Call> {
        if who == SERVER {
            let with = self.calls[SERVER].last()?.with;
            return self.calls.get(with)?.last();
        }
        let mut calls = self.calls[SERVER].iter().rev();
        calls.find(|call| call.with == who)
    }

    fn conclude(&self, plan: &Plan) -> Result<(), String> {
        for (who, calls) in self.calls.iter().enumerate() {
            for call in calls {
                let ended = call.ended.as_ref().ok_or("a call has not ended")?;
                check_undelivered(call, ended).map_err(|error| format!("{who}: {error}"))?;
            }
            let Some(code) = self.exits[who] else {
                return Err(format!("{who} has not ended"));
            };
            let last = calls.last().and_then(|call| call.ended.as_ref());
            let expected = match last {
                Some(ended) if who != SERVER || plan.once => exit::code(ended),
                _ => exit::OK,
            };
            if code != expected {
                return Err(format!("{who} exits with {code} instead of {expected}"));
            }
        }
        for client in 1..self.calls.len() {
            self.check_pair(client)
                .map_err(|error| format!("server and {client}: {error}"))?;
        }
        Ok(())
    }

    fn check_pair(&self, client: usize) -> Result<(), String> {
        let own = &self.calls[client][0];
        let mut theirs = self.calls[SERVER]
            .iter()
            .filter(|call| call.with == client)
            .rev();
        let Some(their) = theirs.next() else {
            return match own.heard.is_empty() && own.delivered == 0 {
                true => Ok(()),
                false => Err("heard although there was no call".into()),
            };
        };
        // The client may not have learned that earlier ones were on.
        for unmet in theirs {
            if unmet.delivered > 0 || !unmet.heard.is_empty() {
                return Err("the conversation was begun anew".into());
            }
        }
        check_text(own, their).map_err(|error| format!("to the server: {error}"))?;
        check_text(their, own).map_err(|error| format!("to the client: {error}"))?;
        check_endings(own, their)?;
        check_endings(their, own)
    }
}

/// What was not received is named, word for word.
fn check_undelivered(call: &Call, ended: &Ended) -> Result<(), String> {
    if call.said[call.delivered..] != ended.unacknowledged {
        return Err(format!(
            "{} of {} delivered, but unacknowledged are {:?}",
            call.delivered,
            call.said.len(),
            ended.unacknowledged
        ));
    }
    Ok(())
}

/// Exactly what was said is heard, once, in order; all of it that counts as delivered.
fn check_text(speaker: &Call, listener: &Call) -> Result<(), String> {
    if !speaker.said.starts_with(&listener.heard) {
        let at = speaker.said.iter().zip(&listener.heard);
        let same = at.take_while(|(said, heard)| said == heard).count();
        return Err(format!(
            "message {same} is heard as {:?}",
            listener.heard.get(same)
        ));
    }
    if speaker.delivered > listener.heard.len() {
        return Err("delivered more than was heard".into());
    }
    Ok(())
}

/// The way in which a call ends for one person is what really happened.
fn check_endings(own: &Call, their: &Call) -> Result<(), String> {
    let (Some(end), Some(other)) = (&own.ended, &their.ended) else {
        return Err("not ended".into());
    };
    let they_hung_up = their.hung_up && matches!(other.reason, CloseReason::HungUp(Side::Local));
    let all_heard = own.said == their.heard && their.said == own.heard;
    let is_true = match &end.reason {
        CloseReason::HungUp(Side::Local) => own.hung_up,
        CloseReason::HungUp(Side::Remote) => they_hung_up,
        CloseReason::BothFinished => own.finished && their.finished && all_heard,
        CloseReason::Lost(_) => they_hung_up || own.away.max(their.away) >= GRACE,
        _ => false,
    };
    match is_true {
        true => Ok(()),
        false => Err(format!("{:?} and {:?}", end.reason, other.reason)),
    }
}
