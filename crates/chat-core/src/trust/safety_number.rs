//! The safety number: what two people compare to know that nobody is in the middle.
//!
//! Both sides hash the same connection, the same keys and the same two nonces. The dialer
//! commits to its nonce before it sees the listener's, and the listener shows its own before
//! it sees the dialer's. So neither can search for a nonce that gives the number it wants:
//! somebody in the middle has one guess in a million each time.

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use super::Fingerprint;
use super::emoji::EMOJI;
use crate::wire::{Commitment, Hex, Nonce};

/// How often a session may start the exchange, when its connection breaks before both sides
/// know the number. Each time is one guess for somebody in the middle.
const TRIES: u8 = 3;

/// Binds the number to one connection between two keys (compare RFC 9266).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelBinding {
    /// Keying material that only the two ends of this connection have (RFC 8446, 7.5).
    pub exporter: [u8; 32],
    /// This side's key.
    pub own_key: Fingerprint,
    /// The peer's key.
    pub peer_key: Fingerprint,
}

/// Six digits and five emoji: the same at both ends unless somebody is in the middle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafetyNumber {
    /// Six decimal digits.
    pub digits: String,
    /// Five emoji with their names.
    pub emoji: [(char, &'static str); 5],
}

/// How a peer broke the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// It sent its part of the safety number when it was not its turn.
    #[error("a part of the safety number came unasked")]
    Unasked,
    /// The dialer revealed another nonce than it had committed to.
    #[error("the safety number was tampered with: what was revealed is not what was promised")]
    WrongOpening,
}

/// The exchange of nonces, by commit and reveal. One value serves a whole session.
#[derive(Debug)]
pub struct CommitReveal {
    stage: Stage,
    tries: u8,
}

#[derive(Debug)]
enum Stage {
    /// Nothing is expected.
    Idle,
    /// The dialer has committed to its nonce.
    Committed { own: Nonce },
    /// The listener has answered a commitment with its nonce.
    Answered { commitment: Commitment, own: Nonce },
    /// The listener knows the number; it stays as it is.
    Known,
}

impl Default for CommitReveal {
    fn default() -> Self {
        Self {
            stage: Stage::Idle,
            tries: TRIES,
        }
    }
}

impl CommitReveal {
    /// Begins at the dialer, on each connection: a listener that knows the number already
    /// does not answer.
    pub fn commit(&mut self) -> Option<Commitment> {
        self.stage = Stage::Idle;
        if self.tries == 0 {
            return None;
        }
        let own = Nonce::random();
        self.stage = Stage::Committed { own };
        Some(commitment(&own))
    }

    /// Begins at the listener, on each connection, and answers the dialer's commitment. One
    /// from an earlier connection is void: the number depends on the connection too.
    pub fn answer(&mut self, commitment: Option<Commitment>) -> Option<Nonce> {
        if matches!(self.stage, Stage::Known) {
            return None;
        }
        self.stage = Stage::Idle;
        let commitment = commitment.filter(|_| self.tries > 0)?;
        self.tries -= 1;
        let own = Nonce::random();
        self.stage = Stage::Answered { commitment, own };
        Some(own)
    }

    /// Takes the listener's nonce, at the dialer. Returns the nonce to reveal, and the number.
    ///
    /// # Errors
    /// Nothing was committed to on this connection.
    pub fn reveal(
        &mut self,
        binding: &ChannelBinding,
        theirs: Nonce,
    ) -> Result<(Nonce, SafetyNumber), ExchangeError> {
        let Stage::Committed { own } = self.stage else {
            return Err(ExchangeError::Unasked);
        };
        self.stage = Stage::Idle;
        self.tries -= 1;
        let keys = [binding.own_key.as_bytes(), binding.peer_key.as_bytes()];
        Ok((own, SafetyNumber::new(binding, keys, [&own, &theirs])))
    }

    /// Takes what the dialer reveals, at the listener. Returns the number.
    ///
    /// # Errors
    /// Nothing is to be revealed, or it is not what was committed to.
    pub fn open(
        &mut self,
        binding: &ChannelBinding,
        theirs: Nonce,
    ) -> Result<SafetyNumber, ExchangeError> {
        let Stage::Answered {
            commitment: promised,
            own,
        } = self.stage
        else {
            return Err(ExchangeError::Unasked);
        };
        if commitment(&theirs) != promised {
            return Err(ExchangeError::WrongOpening);
        }
        self.stage = Stage::Known;
        let keys = [binding.peer_key.as_bytes(), binding.own_key.as_bytes()];
        Ok(SafetyNumber::new(binding, keys, [&theirs, &own]))
    }
}

impl SafetyNumber {
    /// `keys` and `nonces`: the dialer's, then the listener's.
    fn new(binding: &ChannelBinding, keys: [&[u8; 32]; 2], nonces: [&Nonce; 2]) -> Self {
        let hash = hash(
            "chat/1 safety number",
            &[
                &binding.exporter,
                keys[0],
                keys[1],
                &nonces[0].0,
                &nonces[1].0,
            ],
        );
        let number = hash[..8]
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte));
        let emoji = |at: usize| EMOJI[usize::from(hash[8 + at]) % EMOJI.len()];
        Self {
            digits: format!("{:06}", number % 1_000_000),
            emoji: std::array::from_fn(emoji),
        }
    }
}

fn commitment(nonce: &Nonce) -> Commitment {
    Hex(hash("chat/1 safety number commitment", &[&nonce.0]))
}

/// SHA-256 over the parts, each prefixed with its length, so that no two lists collide.
fn hash(domain: &str, parts: &[&[u8]]) -> [u8; SHA256_OUTPUT_LEN] {
    let mut input = Vec::new();
    for part in [domain.as_bytes()].iter().chain(parts) {
        input.extend_from_slice(&(part.len() as u64).to_be_bytes());
        input.extend_from_slice(part);
    }
    let mut hash = [0; SHA256_OUTPUT_LEN];
    hash.copy_from_slice(digest(&SHA256, &input).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    const DIALER: ChannelBinding = ChannelBinding {
        exporter: [1; 32],
        own_key: Fingerprint::from_bytes([2; 32]),
        peer_key: Fingerprint::from_bytes([3; 32]),
    };
    const LISTENER: ChannelBinding = ChannelBinding {
        exporter: [1; 32],
        own_key: Fingerprint::from_bytes([3; 32]),
        peer_key: Fingerprint::from_bytes([2; 32]),
    };

    #[test]
    fn both_sides_see_the_same_number() {
        let (mut dialer, mut listener) = (CommitReveal::default(), CommitReveal::default());
        let commitment = dialer.commit().expect("a first try");
        let nonce = listener.answer(Some(commitment)).expect("a first try");
        let (revealed, ours) = dialer.reveal(&DIALER, nonce).expect("in turn");
        let theirs = listener.open(&LISTENER, revealed).expect("in turn");
        assert_eq!(ours, theirs);
        assert_eq!(ours.digits.len(), 6);
    }

    #[test]
    fn every_part_counts() {
        let nonces = [&Hex([4; 32]), &Hex([5; 32])];
        let number = |binding: &ChannelBinding, nonces| {
            SafetyNumber::new(
                binding,
                [binding.own_key.as_bytes(), binding.peer_key.as_bytes()],
                nonces,
            )
        };
        let mut numbers = HashSet::from([number(&DIALER, nonces).digits]);
        for binding in [
            ChannelBinding {
                exporter: [9; 32],
                ..DIALER
            },
            ChannelBinding {
                own_key: Fingerprint::from_bytes([9; 32]),
                ..DIALER
            },
            ChannelBinding {
                peer_key: Fingerprint::from_bytes([9; 32]),
                ..DIALER
            },
            LISTENER,
        ] {
            assert!(numbers.insert(number(&binding, nonces).digits));
        }
        assert!(numbers.insert(number(&DIALER, [nonces[1], nonces[0]]).digits));
    }

    #[test]
    fn the_number_is_a_known_answer() {
        let number = SafetyNumber::new(
            &DIALER,
            [&[2; 32], &[3; 32]],
            [&Hex([4; 32]), &Hex([5; 32])],
        );
        // Computed apart, with Python's hashlib.
        assert_eq!(number.digits, "504955");
    }

    const DOCUMENT: &str = include_str!("../../../../docs/protocol.md");

    #[test]
    #[ignore = "the document has eight digits, and the code six"]
    fn numbers_are_as_documented() {
        let blocks = DOCUMENT.split("```vectors safety-number\n").skip(1);
        assert!(blocks.clone().count() > 0, "the document has no vectors");
        for block in blocks {
            let lines = block.lines().take_while(|line| *line != "```");
            let vector: HashMap<_, _> = lines.filter_map(|line| line.split_once(' ')).collect();
            let bytes = |name| vector[name].trim().parse::<Hex<32>>().expect("64 digits");
            let key = |name| Fingerprint::from_bytes(bytes(name).0);
            let binding = ChannelBinding {
                exporter: bytes("exporter").0,
                own_key: key("dialer"),
                peer_key: key("listener"),
            };
            let number = SafetyNumber::new(
                &binding,
                [binding.own_key.as_bytes(), binding.peer_key.as_bytes()],
                [&bytes("dialer-nonce"), &bytes("listener-nonce")],
            );
            let digits = |text: &str| text.replace(' ', "");
            assert_eq!(digits(&number.digits), digits(vector["digits"]), "{block}");
            let pictures = number.emoji.map(|(_, name)| name).join(" ");
            assert_eq!(pictures, vector["pictures"].trim(), "{block}");
            let promised = commitment(&bytes("listener-nonce"));
            assert_eq!(promised, bytes("commitment"), "{block}");
        }
    }

    #[test]
    fn pictures_are_as_documented() {
        let pictures = EMOJI.map(|(sign, name)| format!("{sign} {name}"));
        let rows = pictures
            .chunks(8)
            .map(|row| format!("| {} |\n", row.join(" | ")));
        let table: String = rows.collect();
        assert!(DOCUMENT.contains(&table), "{table}");
    }

    #[test]
    fn a_wrong_opening_is_an_error() {
        let (mut dialer, mut listener) = (CommitReveal::default(), CommitReveal::default());
        let commitment = dialer.commit().expect("a first try");
        listener.answer(Some(commitment)).expect("a first try");
        let opened = listener.open(&LISTENER, Nonce::random());
        assert_eq!(opened, Err(ExchangeError::WrongOpening));
    }

    #[test]
    fn parts_that_come_unasked_are_errors() {
        let mut exchange = CommitReveal::default();
        let nonce = Nonce::random();
        assert_eq!(exchange.reveal(&DIALER, nonce), Err(ExchangeError::Unasked));
        assert_eq!(exchange.open(&LISTENER, nonce), Err(ExchangeError::Unasked));
        exchange.commit().expect("a first try");
        exchange.reveal(&DIALER, nonce).expect("in turn");
        assert_eq!(exchange.reveal(&DIALER, nonce), Err(ExchangeError::Unasked));
    }

    #[test]
    fn nobody_may_guess_often() {
        let mut dialer = CommitReveal::default();
        let mut listener = CommitReveal::default();
        for _ in 0..TRIES {
            dialer.commit().expect("a try");
            dialer.reveal(&DIALER, Nonce::random()).expect("in turn");
            listener.answer(Some(Hex([0; 32]))).expect("a try");
        }
        assert_eq!(dialer.commit(), None);
        assert_eq!(listener.answer(Some(Hex([0; 32]))), None);
    }

    #[test]
    fn a_commitment_is_good_for_one_connection() {
        let (mut dialer, mut listener) = (CommitReveal::default(), CommitReveal::default());
        let nonce = listener.answer(dialer.commit()).expect("a first try");
        let (revealed, _) = dialer.reveal(&DIALER, nonce).expect("in turn");
        assert_eq!(listener.answer(None), None);
        assert_eq!(
            listener.open(&LISTENER, revealed),
            Err(ExchangeError::Unasked)
        );
    }

    #[test]
    fn a_known_number_stays() {
        let (mut dialer, mut listener) = (CommitReveal::default(), CommitReveal::default());
        let nonce = listener.answer(dialer.commit()).expect("a first try");
        let (revealed, _) = dialer.reveal(&DIALER, nonce).expect("in turn");
        listener.open(&LISTENER, revealed).expect("in turn");
        let again = dialer.commit().expect("a second try");
        assert_eq!(listener.answer(Some(again)), None);
    }
}
