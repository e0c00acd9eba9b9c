//! What the person is told who is called.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use chat_core::DEFAULT_PORT;
use chat_core::protocol::Peer;
use chat_core::transport::RelayStatus;
use chat_core::trust::{Fingerprint, Number};

use super::Language;

/// To the person who is called.
pub trait Callers {
    /// A server waits; the command for the other machine follows.
    fn waiting_for_a_call(&self, port: u16) -> String;

    /// Before the further addresses of this machine.
    fn at_another_address(&self) -> &'static str;

    /// Before the number of this side.
    fn at_a_number(&self) -> &'static str;

    /// A caller has to wait.
    fn caller_waits(&self, peer: &Peer, waiting: usize) -> String;

    /// How to take the call of somebody who waits.
    fn how_to_take_the_next(&self) -> &'static str;

    /// A caller has left the queue.
    fn caller_left(&self, peer: &Peer) -> String;

    /// A caller was rejected because the queue is full.
    fn caller_turned_away(&self, peer: &Peer) -> String;

    /// The relay at which this side waits cannot be reached.
    fn relay_gone(&self, relay: &str, why: &str) -> String;

    /// It can be reached again.
    fn relay_there(&self, relay: &str) -> String;

    /// A caller who waited was declined.
    fn declined(&self, peer: &Peer) -> String;

    /// What a caller says who waits.
    fn note(&self, peer: &Peer, text: &str) -> String;

    /// A note is on its way.
    fn note_left(&self) -> &'static str;

    /// A call was refused, for a reason that the user should know.
    fn refused(&self, reason: &str) -> String;

    /// A caller had this user's own key.
    fn refused_own_key(&self) -> String;

    /// A caller spoke chat/1, but what it said first was no hello.
    fn refused_bad_hello(&self) -> String;

    /// A caller was not encrypted.
    fn refused_plaintext(&self, from: &str) -> String;

    /// A caller has no key that is known.
    fn refused_unknown(&self, from: &str) -> String;

    /// A caller's program is not up to chat/1.
    fn refused_handshake(&self, from: &str, why: &str) -> String;

    /// A notice after so many, at least one, that were left out.
    fn after_others(&self, notice: &str, unmentioned: usize) -> String;

    /// Notices that were left out because there were too many.
    fn left_out(&self, count: usize) -> String;

    /// Why strangers ring who were connected at once before.
    fn strangers_ring(&self, time: Duration) -> String;

    /// So many callers learned a safety number, or nearly, and said nothing.
    fn guessing(&self, callers: usize) -> String;

    /// The key of a caller is blocked from now on.
    fn blocked(&self, peer: &Peer) -> String;

    /// `/block` for a caller without a key.
    fn no_key_to_block(&self) -> &'static str;
}

impl dyn Language + '_ {
    /// How to reach a server from anywhere.
    pub fn invitation_from_anywhere(&self, number: &Number) -> String {
        format!("{}\n    chat-client {number}", self.at_a_number())
    }

    /// What has become of the relay at which this side waits.
    pub fn relay_status(&self, status: &RelayStatus) -> String {
        match &status.gone {
            Some(reason) => self.relay_gone(&status.relay, &self.system(reason)),
            None => self.relay_there(&status.relay),
        }
    }

    /// How to reach a server that listens on `port` at these addresses, and nobody else in its
    /// place.
    pub fn invitation(&self, port: u16, addresses: &[IpAddr], own_key: Fingerprint) -> String {
        let targets = addresses.iter().map(|address| match port {
            DEFAULT_PORT => address.to_string(),
            _ => SocketAddr::new(*address, port).to_string(),
        });
        let rows = targets.enumerate().map(|(index, target)| match index {
            // A shell takes both rows for one command, so the terminal need not wrap it.
            0 => format!("\n    chat-client {target} \\\n        --peer-key {own_key}"),
            1 => format!("\n{}\n    {target}", self.at_another_address()),
            _ => format!("\n    {target}"),
        });
        self.waiting_for_a_call(port) + &rows.collect::<String>()
    }

    /// A caller has to wait. `commands`: the user can give commands.
    pub fn waits(&self, peer: &Peer, waiting: usize, commands: bool) -> String {
        let told = self.caller_waits(peer, waiting);
        match commands {
            true => self.joined(&told, self.how_to_take_the_next()),
            false => told,
        }
    }

    /// A notice, with the number of notices that were left out before it.
    pub fn with_unmentioned(&self, notice: String, unmentioned: usize) -> String {
        match unmentioned {
            0 => notice,
            _ => self.after_others(&notice, unmentioned),
        }
    }
}
