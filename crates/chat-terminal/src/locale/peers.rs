//! Names, keys and safety numbers.

use chat_core::protocol::Peer;
use chat_core::trust::{Fingerprint, FirstContactError, KnownPeer, PeerList};

use super::{Explain, Language};

/// Names, keys and safety numbers.
pub trait Peers {
    /// This side's key, for others to compare or to pin.
    fn own_key(&self, key: Fingerprint) -> String;

    /// The safety number, and how to compare it, in two rows; `commands`: the user can give them.
    fn safety_number(
        &self,
        digits: &str,
        pictures: &[(char, &'static str)],
        commands: bool,
    ) -> String;

    /// What a picture of the safety number is called.
    fn picture_name(&self, picture: char, english: &'static str) -> &'static str;

    /// `/verify` without a safety number to compare.
    fn no_safety_number(&self) -> &'static str;

    /// A first contact that cannot be written down, so that the number is done without;
    /// `suspicious`: it was tried too often.
    fn number_withheld(&self, why: &str, suspicious: bool) -> String;

    /// `/verify` without the number that the other person read out.
    fn how_to_verify(&self, peer: &Peer) -> String;

    /// `/verify` with something that is no safety number.
    fn no_number(&self, typed: &str) -> String;

    /// `/verify` with another number than this call's.
    fn wrong_number(&self, peer: &Peer) -> String;

    /// `/verify` for a peer without a key.
    fn no_key_to_verify(&self) -> &'static str;

    /// The peer is marked as verified.
    fn verified(&self, peer: &Peer) -> String;

    /// A peer calls itself something else than this user calls it.
    fn calls_itself(&self, peer: &Peer, claimed: &str) -> String;

    /// A peer is called something else here from now on.
    fn renamed(&self, peer: &Peer, name: &str) -> String;

    /// `/rename` without a name.
    fn rename_to_what(&self) -> &'static str;

    /// `/rename` for a peer without a key.
    fn no_key_to_name(&self) -> &'static str;

    /// This side's person has another name.
    fn you_are_called(&self, name: &str) -> String;

    /// A peer claims a name that looks like that of another known peer.
    fn name_is_taken(&self, known: &str, name: &str) -> String;

    /// The known-peers file could not be changed.
    fn not_remembered(&self, why: &str) -> String;

    /// Before the list of known peers.
    fn known_peers(&self) -> &'static str;

    /// An empty list of known peers.
    fn no_known_peers(&self) -> &'static str;

    /// A known peer, on two rows.
    fn known_peer(&self, peer: &KnownPeer) -> String;

    /// When a peer was last heard.
    fn heard(&self, day: &str) -> String;

    /// Where a peer is who has called, and was never called.
    fn never_called(&self) -> &'static str;

    /// How many are known beside those who are listed.
    fn strangers_have_called(&self, count: usize) -> String;

    /// Before those who are near.
    fn near_not_proven(&self) -> &'static str;

    /// Somebody near without a name.
    fn somebody_near(&self) -> &'static str;

    /// An empty list.
    fn nobody_to_call(&self) -> &'static str;

    /// What `--forget` did.
    fn forgot(&self, peer: &KnownPeer) -> String;

    /// This user has another key.
    fn new_key(&self, old: Fingerprint, new: Fingerprint) -> String;

    /// Another key is known for this peer from now on.
    fn key_accepted(&self, known: &KnownPeer, new: Fingerprint) -> String;
}

impl dyn Language + '_ {
    /// A first contact that cannot be written down, so that the number is done without.
    pub fn no_number_yet(&self, error: &FirstContactError) -> String {
        let suspicious = matches!(error, FirstContactError::TooMany(_));
        self.number_withheld(&error.explain_in(self), suspicious)
    }

    /// The known peers, one a line.
    pub(crate) fn peers(&self, known: &PeerList) -> String {
        let peers = known.peers().map(|peer| self.known_peer(peer));
        let flaws = known.unreadable();
        let flaws = flaws.map(|flaw| format!("    {}", self.unreadable(&flaw)));
        let rows: Vec<_> = peers.chain(flaws).collect();
        match rows.is_empty() {
            true => self.no_known_peers().into(),
            false => format!("{}\n{}", self.known_peers(), rows.join("\n")),
        }
    }

    /// What `--forget` did.
    pub(crate) fn forgotten(&self, peers: &[KnownPeer]) -> String {
        let rows = peers.iter().map(|peer| self.forgot(peer));
        rows.collect::<Vec<_>>().join("\n")
    }
}
