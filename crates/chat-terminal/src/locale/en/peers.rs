//! Names, keys and safety numbers.

use chat_core::protocol::Peer;
use chat_core::trust::{Fingerprint, KnownPeer};

use super::English;
use crate::locale::{Peers, who};
use crate::text::sanitize;

impl Peers for English {
    fn own_key(&self, key: Fingerprint) -> String {
        format!("Your key is {key}")
    }

    fn safety_number(
        &self,
        digits: &str,
        pictures: &[(char, &'static str)],
        commands: bool,
    ) -> String {
        let how = if commands { ": /verify N" } else { "" };
        // A picture and its name stay in one row.
        let pictures = pictures.iter().map(|(c, name)| format!("{c}\u{a0}{name}"));
        format!(
            "Safety number {digits}: {}\n    \
             compare by telephone or face to face, never in this chat{how}",
            pictures.collect::<Vec<_>>().join(" ")
        )
    }

    fn picture_name(&self, _: char, english: &'static str) -> &'static str {
        english
    }

    fn no_safety_number(&self) -> &'static str {
        "There is no safety number yet: the other side has not \
         sent its part. Until then, say nothing here that others must not know."
    }

    fn number_withheld(&self, why: &str, suspicious: bool) -> String {
        let suspicion = match suspicious {
            true => "; somebody may be in between",
            false => "",
        };
        format!("This call has no safety number yet: {why}{suspicion}.")
    }

    fn how_to_verify(&self, peer: &Peer) -> String {
        format!(
            "Let {} read the safety number to you, by telephone or face to face, never in this chat; \
             then type /verify and those eight digits.",
            who(peer)
        )
    }

    fn no_number(&self, typed: &str) -> String {
        format!(
            "{} is not a safety number: type /verify and all eight digits that were read to you.",
            sanitize::quote(typed)
        )
    }

    fn wrong_number(&self, peer: &Peer) -> String {
        format!(
            "NOT THE SAME NUMBER: somebody may sit between you and {}, reading and changing everything. \
             Hang up with 88, and reach them in another way. If you only mistyped it, try again; until the \
             numbers are the same, say nothing here that others must not know.",
            who(peer)
        )
    }

    fn no_key_to_verify(&self) -> &'static str {
        "There is no key to verify: this call is not with chat-client or chat-server, or not encrypted."
    }

    fn verified(&self, peer: &Peer) -> String {
        format!("{} is verified from now on.", who(peer))
    }

    fn calls_itself(&self, peer: &Peer, claimed: &str) -> String {
        format!(
            "{} calls itself {} now; /rename takes that name, /rename NAME another.",
            who(peer),
            sanitize::quote(claimed)
        )
    }

    fn renamed(&self, peer: &Peer, name: &str) -> String {
        format!("{} is {name} here from now on.", who(peer))
    }

    fn rename_to_what(&self) -> &'static str {
        "Rename to what? Type the name after /rename"
    }

    fn no_key_to_name(&self) -> &'static str {
        "Names are kept by the key, and this peer has none."
    }

    fn you_are_called(&self, name: &str) -> String {
        format!("You are called {} from now on.", sanitize::quote(name))
    }

    fn name_is_taken(&self, known: &str, name: &str) -> String {
        format!("You know another {known}, with another key; this one is called {name} here.")
    }

    fn not_remembered(&self, why: &str) -> String {
        format!("The key of this peer is not remembered: {why}")
    }

    fn known_peers(&self) -> &'static str {
        "Known peers:"
    }

    fn no_known_peers(&self) -> &'static str {
        "No peers are known yet."
    }

    fn known_peer(&self, peer: &KnownPeer) -> String {
        let KnownPeer {
            name,
            fingerprint,
            first_seen,
            state,
            addresses,
            ..
        } = peer;
        let (state, addresses) = (state.as_str(), addresses.join(" "));
        let heard = self.heard(peer.last_heard());
        format!(
            "    {name}  {state} since {first_seen}, {heard}  {addresses}\n        {fingerprint}"
        )
    }

    fn heard(&self, day: &str) -> String {
        format!("heard {day}")
    }

    fn never_called(&self) -> &'static str {
        "has called you"
    }

    fn strangers_have_called(&self, count: usize) -> String {
        match count {
            1 => "1 more has only called you; /peers in a call shows all.".to_owned(),
            _ => format!("{count} more have only called you; /peers in a call shows all."),
        }
    }

    fn near_not_proven(&self) -> &'static str {
        "Near you, by what they say; a call proves whose key it is:"
    }

    fn somebody_near(&self) -> &'static str {
        "somebody"
    }

    fn nobody_to_call(&self) -> &'static str {
        "You know nobody yet, and nobody near you runs chat-server --announce."
    }

    fn new_key(&self, old: Fingerprint, new: Fingerprint) -> String {
        format!(
            "You have a new key, {new}. The old one, {old}, vouches for it and was removed. Your \
             friends are told at the next call, and decide whether to accept it; let them know before."
        )
    }

    fn key_accepted(&self, known: &KnownPeer, new: Fingerprint) -> String {
        let KnownPeer {
            name, fingerprint, ..
        } = known;
        format!(
            "The key of {name} is {new} from now on, and no longer {fingerprint}. It is not verified \
             yet: compare the safety number when you talk."
        )
    }

    fn forgot(&self, peer: &KnownPeer) -> String {
        let KnownPeer {
            name,
            fingerprint,
            first_seen,
            ..
        } = peer;
        format!("Forgot {name}, known since {first_seen} by {fingerprint}")
    }
}
