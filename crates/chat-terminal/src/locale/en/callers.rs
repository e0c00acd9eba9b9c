//! What the person is told who is called.

use std::time::Duration;

use chat_core::protocol::Peer;

use super::{English, seconds};
use crate::locale::{Callers, who};
use crate::text::sanitize;

impl Callers for English {
    fn waiting_for_a_call(&self, port: u16) -> String {
        format!("Waiting for a call on port {port}. On the other machine:")
    }

    fn at_another_address(&self) -> &'static str {
        "or at another address, such as"
    }

    fn at_a_number(&self) -> &'static str {
        "From anywhere:"
    }

    fn caller_waits(&self, peer: &Peer, waiting: usize) -> String {
        format!("{} is calling too, {waiting} waiting.", who(peer))
    }

    fn how_to_take_the_next(&self) -> &'static str {
        "/next takes the next call."
    }

    fn caller_left(&self, peer: &Peer) -> String {
        format!("{} no longer waits.", who(peer))
    }

    fn caller_turned_away(&self, peer: &Peer) -> String {
        format!("{} was told that you are busy.", who(peer))
    }

    fn relay_gone(&self, relay: &str, why: &str) -> String {
        format!(
            "Nobody can call your number: the relay {relay} cannot be reached ({why}); is it \
             spelled right, and is this machine online?"
        )
    }

    fn relay_there(&self, relay: &str) -> String {
        format!("Your number can be called again: the relay {relay} is there.")
    }

    fn declined(&self, peer: &Peer) -> String {
        format!("{} was told that you declined.", who(peer))
    }

    fn note(&self, peer: &Peer, text: &str) -> String {
        format!("{} waits, and says: {}", who(peer), sanitize::quote(text))
    }

    fn note_left(&self) -> &'static str {
        "Your note was left for them."
    }

    fn refused(&self, reason: &str) -> String {
        format!("Refused a call: {reason}")
    }

    fn refused_own_key(&self) -> String {
        self.refused("the caller has your own key; if that was not you, somebody may have taken it")
    }

    fn refused_bad_hello(&self) -> String {
        self.refused("the caller's hello could not be read")
    }

    fn refused_plaintext(&self, from: &str) -> String {
        self.refused(&format!(
            "{from} does not encrypt; --allow-plain answers such callers"
        ))
    }

    fn refused_unknown(&self, from: &str) -> String {
        self.refused(&format!(
            "{from} has no key that is known here; --known-only is on"
        ))
    }

    fn refused_handshake(&self, from: &str, why: &str) -> String {
        self.refused(&format!("{from}: {why}"))
    }

    fn after_others(&self, notice: &str, unmentioned: usize) -> String {
        format!("{notice} (Too many at once; left out before it: {unmentioned}.)")
    }

    fn left_out(&self, count: usize) -> String {
        format!("(Too many at once; notices of callers left out: {count}.)")
    }

    fn strangers_ring(&self, time: Duration) -> String {
        format!(
            "Strangers called again and again, or hung up without a word: for {} their calls ring \
             first. /answer takes a call, /decline refuses it, /block refuses that key for ever.",
            seconds(time)
        )
    }

    fn guessing(&self, callers: usize) -> String {
        format!("Somebody may be guessing your safety number: {callers} callers broke off.")
    }

    fn blocked(&self, peer: &Peer) -> String {
        format!("{} is blocked: calls with that key are refused.", who(peer))
    }

    fn no_key_to_block(&self) -> &'static str {
        "That caller has no key to block; the call is declined."
    }
}
