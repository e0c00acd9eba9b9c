//! The safety number: what two people compare to know that nobody is in the middle.
//!
//! Both sides hash the same connection, the same keys and the same two nonces. The listener
//! commits to its nonce, the dialer sends its own, and the listener reveals. So neither can
//! search for a nonce that gives the number it wants. The dialer of a call learns the number only
//! when the listener's person sees it; a listener could learn it and withhold it from the dialer,
//! which is why the dialer's nonces are counted.

use std::time::Instant;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use super::Fingerprint;
use super::emoji::EMOJI;
use crate::wire::{Commitment, Hex, Nonce};

/// How many nonces a dialer sends in a session without a reveal. Each of them is one guess for
/// somebody in the middle.
const MAX_NONCES: u8 = 3;

/// As many numbers as there are of eight digits.
const NUMBERS: u64 = 100_000_000;

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

/// Eight digits and five emoji: the same at both ends unless somebody is in the middle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafetyNumber {
    /// Eight decimal digits, as they are shown: `5836 5501`.
    pub digits: String,
    /// Five emoji with their names.
    pub emoji: [(char, &'static str); 5],
}

/// How a peer broke the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// It sent its part of the safety number when it was not its turn.
    #[error("unasked")]
    Unasked,
    /// The listener revealed another nonce than it had committed to.
    #[error("a reveal that does not match its commitment")]
    WrongReveal,
}

/// The listener's part in a session.
#[derive(Debug)]
pub struct ListenerExchange {
    stage: ListenerStage,
    /// Nothing is revealed before this moment.
    reveal_after: Option<Instant>,
}

#[derive(Debug)]
enum ListenerStage {
    /// The session was restored: what was exchanged before is forgotten, and nothing more is.
    Forgotten,
    /// The dialer's nonce has not come. On the present connection this one is committed to.
    Open { own: Option<Nonce> },
    /// The number is settled for the rest of the session.
    Settled {
        own: Nonce,
        number: SafetyNumber,
        /// This side's person has seen it.
        shown: bool,
        /// It was revealed on the present connection.
        revealed: bool,
    },
}

/// What the listener does at the same moment.
#[derive(Debug, PartialEq, Eq)]
pub struct Reveal {
    /// To send.
    pub nonce: Nonce,
    /// To show, the first time.
    pub number: Option<SafetyNumber>,
}

impl ListenerExchange {
    /// Reveals nothing before `reveal_after`.
    pub fn new(reveal_after: Option<Instant>) -> Self {
        Self {
            stage: ListenerStage::Open { own: None },
            reveal_after,
        }
    }

    /// In a session that was restored.
    pub fn forgotten() -> Self {
        Self {
            stage: ListenerStage::Forgotten,
            reveal_after: None,
        }
    }

    /// There is a new connection. Returns what the hello on it commits to, unless the number is
    /// settled.
    pub fn commit(&mut self) -> Option<Commitment> {
        match &mut self.stage {
            ListenerStage::Open { own } => {
                let nonce = Nonce::random();
                *own = Some(nonce);
                Some(commitment(&nonce))
            }
            ListenerStage::Settled { revealed, .. } => {
                *revealed = false;
                None
            }
            ListenerStage::Forgotten => None,
        }
    }

    /// Takes the dialer's nonce, which settles the number.
    ///
    /// # Errors
    /// Nothing was committed to on this connection.
    pub fn settle(&mut self, binding: &ChannelBinding, theirs: Nonce) -> Result<(), ExchangeError> {
        let ListenerStage::Open { own: Some(own) } = self.stage else {
            return Err(ExchangeError::Unasked);
        };
        let keys = [binding.peer_key.as_bytes(), binding.own_key.as_bytes()];
        self.stage = ListenerStage::Settled {
            own,
            number: SafetyNumber::new(binding, keys, [&theirs, &own]),
            shown: false,
            revealed: false,
        };
        Ok(())
    }

    /// What is due on the present connection, once.
    pub fn reveal(&mut self, now: Instant) -> Option<Reveal> {
        if self.reveal_after.is_some_and(|after| now < after) {
            return None;
        }
        let ListenerStage::Settled {
            own,
            number,
            shown,
            revealed: revealed @ false,
        } = &mut self.stage
        else {
            return None;
        };
        *revealed = true;
        let first = !std::mem::replace(shown, true);
        Some(Reveal {
            nonce: *own,
            number: first.then(|| number.clone()),
        })
    }

    /// When [`reveal`](Self::reveal) wants to be called, if it has to wait for its time.
    pub fn timeout(&self) -> Option<Instant> {
        let waits = matches!(
            self.stage,
            ListenerStage::Settled {
                revealed: false,
                ..
            }
        );
        self.reveal_after.filter(|_| waits)
    }
}

/// The dialer's part in a session.
#[derive(Debug)]
pub struct DialerExchange {
    stage: DialerStage,
    /// How many more nonces may be sent.
    nonces_left: u8,
    /// The listener's promise on the present connection, until it is answered with a nonce.
    unanswered: Option<(ChannelBinding, Commitment)>,
    /// The program knows that it is about to be answered.
    announced: bool,
}

#[derive(Debug)]
enum DialerStage {
    /// The session was restored: what was exchanged before is forgotten, and nothing more is.
    Forgotten,
    /// No nonce was sent.
    Fresh,
    /// This nonce was the last one that was sent.
    Sent {
        binding: ChannelBinding,
        commitment: Commitment,
        own: Nonce,
    },
    /// The number was shown: it has come of this commitment.
    Known { commitment: Commitment },
}

impl Default for DialerExchange {
    fn default() -> Self {
        Self {
            stage: DialerStage::Fresh,
            nonces_left: MAX_NONCES,
            unanswered: None,
            announced: false,
        }
    }
}

impl DialerExchange {
    /// In a session that was restored.
    pub fn forgotten() -> Self {
        Self {
            stage: DialerStage::Forgotten,
            nonces_left: 0,
            unanswered: None,
            announced: false,
        }
    }

    /// In a session that was restored, and that the peer may not know: a number can still be made.
    pub fn restored() -> Self {
        Self {
            nonces_left: MAX_NONCES,
            ..Self::forgotten()
        }
    }

    /// The call goes on in a new session. A number that is known stays the one of the call; nonces
    /// that were not opened still count.
    pub fn renew(&mut self) {
        self.unanswered = None;
        self.announced = false;
        match self.stage {
            DialerStage::Known { .. } => *self = Self::forgotten(),
            DialerStage::Sent { .. } => self.stage = DialerStage::Fresh,
            DialerStage::Fresh | DialerStage::Forgotten => {}
        }
    }

    /// There is a new connection, on which nothing was promised yet.
    pub fn connected(&mut self) {
        self.unanswered = None;
    }

    /// The listener has committed to its nonce on the present connection. If the number is known,
    /// its program was started anew, and the number stays what it is.
    pub fn committed(&mut self, binding: &ChannelBinding, commitment: Commitment) {
        let is_known = matches!(self.stage, DialerStage::Known { .. });
        if !is_known && self.nonces_left > 0 {
            self.unanswered = Some((binding.clone(), commitment));
            self.announced = false;
        }
    }

    /// Whether a nonce is sent next. Returns true once for each.
    pub fn announce_nonce(&mut self) -> bool {
        self.unanswered.is_some() && !std::mem::replace(&mut self.announced, true)
    }

    /// No nonce is sent on the present connection.
    pub fn withhold_nonce(&mut self) {
        self.unanswered = None;
    }

    /// The nonce that is to be sent now, once.
    pub fn take_nonce(&mut self) -> Option<Nonce> {
        let (binding, commitment) = self.unanswered.take()?;
        self.nonces_left -= 1;
        let own = Nonce::random();
        self.stage = DialerStage::Sent {
            binding,
            commitment,
            own,
        };
        Some(own)
    }

    /// Takes what the listener reveals. Returns the number, the first time.
    ///
    /// # Errors
    /// No nonce was sent, or it is not what was committed to.
    pub fn open(&mut self, theirs: Nonce) -> Result<Option<SafetyNumber>, ExchangeError> {
        let (promised, number) = match &self.stage {
            DialerStage::Forgotten => return Ok(None),
            DialerStage::Fresh => return Err(ExchangeError::Unasked),
            DialerStage::Known { commitment } => (*commitment, None),
            DialerStage::Sent {
                binding,
                commitment,
                own,
            } => {
                let keys = [binding.own_key.as_bytes(), binding.peer_key.as_bytes()];
                let number = SafetyNumber::new(binding, keys, [own, &theirs]);
                (*commitment, Some(number))
            }
        };
        if commitment(&theirs) != promised {
            return Err(ExchangeError::WrongReveal);
        }
        self.stage = DialerStage::Known {
            commitment: promised,
        };
        Ok(number)
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
        let number = number % NUMBERS;
        let emoji = |at: usize| EMOJI[usize::from(hash[8 + at]) % EMOJI.len()];
        Self {
            digits: format!("{:04} {:04}", number / 10_000, number % 10_000),
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
    use std::time::Duration;

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

    /// The present moment. These exchanges have nothing to wait for.
    fn now() -> Instant {
        Instant::now()
    }

    fn both() -> (DialerExchange, ListenerExchange) {
        (DialerExchange::default(), ListenerExchange::new(None))
    }

    /// The listener's hello comes to the dialer, over a new connection.
    fn connect(dialer: &mut DialerExchange, listener: &mut ListenerExchange) {
        dialer.connected();
        if let Some(commitment) = listener.commit() {
            dialer.committed(&DIALER, commitment);
        }
    }

    #[test]
    fn both_sides_see_the_same_number() {
        let (mut dialer, mut listener) = both();
        connect(&mut dialer, &mut listener);
        let nonce = dialer.take_nonce().expect("a first try");
        assert_eq!(listener.reveal(now()), None);
        listener.settle(&LISTENER, nonce).expect("in turn");
        let Reveal { nonce, number } = listener.reveal(now()).expect("due");
        let ours = dialer.open(nonce).expect("in turn");
        assert_eq!(ours, number);
        assert_eq!(ours.expect("a number").digits.len(), "5836 5501".len());
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
    fn the_number_and_the_commitment_are_known_answers() {
        let number = SafetyNumber::new(
            &DIALER,
            [&[2; 32], &[3; 32]],
            [&Hex([4; 32]), &Hex([5; 32])],
        );
        // Computed apart, with Python's hashlib.
        assert_eq!(number.digits, "3550 4955");
        assert_eq!(
            number.emoji,
            [55, 50, 26, 32, 26].map(|at: usize| EMOJI[at])
        );
        assert_eq!(
            commitment(&Hex([5; 32])).to_string(),
            "031b1737f94b2c29302cd26468cdbe4b4f909a5b04e4eff43cc5ffebd82d07fa"
        );
    }

    const DOCUMENT: &str = include_str!("../../../../docs/protocol.md");

    #[test]
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
    fn a_wrong_reveal_is_an_error_also_when_the_number_is_known() {
        let (mut dialer, mut listener) = both();
        connect(&mut dialer, &mut listener);
        let nonce = dialer.take_nonce().expect("a first try");
        let wrong = dialer.open(Nonce::random());
        assert_eq!(wrong, Err(ExchangeError::WrongReveal));
        listener.settle(&LISTENER, nonce).expect("in turn");
        let Reveal { nonce, .. } = listener.reveal(now()).expect("due");
        dialer.open(nonce).expect("the right one");
        assert_eq!(dialer.open(nonce), Ok(None));
        let wrong = dialer.open(Nonce::random());
        assert_eq!(wrong, Err(ExchangeError::WrongReveal));
    }

    #[test]
    fn parts_that_come_unasked_are_errors() {
        let (mut dialer, mut listener) = both();
        let nonce = Nonce::random();
        assert_eq!(dialer.open(nonce), Err(ExchangeError::Unasked));
        assert_eq!(
            listener.settle(&LISTENER, nonce),
            Err(ExchangeError::Unasked)
        );
        connect(&mut dialer, &mut listener);
        assert_eq!(dialer.open(nonce), Err(ExchangeError::Unasked));
        listener.settle(&LISTENER, nonce).expect("in turn");
        assert_eq!(
            listener.settle(&LISTENER, nonce),
            Err(ExchangeError::Unasked)
        );
    }

    #[test]
    fn a_listener_that_has_revealed_gets_no_other_nonce() {
        let (mut dialer, mut listener) = both();
        connect(&mut dialer, &mut listener);
        let nonce = dialer.take_nonce().expect("a first try");
        listener.settle(&LISTENER, nonce).expect("in turn");
        let Reveal { nonce, .. } = listener.reveal(now()).expect("due");
        dialer.open(nonce).expect("the right one");
        dialer.committed(&DIALER, commitment(&Nonce::random()));
        assert!(!dialer.announce_nonce());
        assert_eq!(dialer.take_nonce(), None);
    }

    #[test]
    fn a_listener_gets_three_nonces_a_session() {
        let (mut dialer, mut listener) = both();
        for _ in 0..MAX_NONCES {
            connect(&mut dialer, &mut listener);
            dialer.take_nonce().expect("a try");
            assert_eq!(dialer.take_nonce(), None);
        }
        connect(&mut dialer, &mut listener);
        assert!(!dialer.announce_nonce());
        assert_eq!(dialer.take_nonce(), None);
    }

    #[test]
    fn a_restored_session_makes_a_number_and_passes_over_a_forgotten_one() {
        let (mut dialer, mut listener) = (DialerExchange::restored(), ListenerExchange::new(None));
        // Of a nonce that was sent before the restart.
        assert_eq!(dialer.open(Nonce::random()), Ok(None));
        for _ in 0..MAX_NONCES {
            connect(&mut dialer, &mut listener);
            dialer.take_nonce().expect("a try");
        }
        connect(&mut dialer, &mut listener);
        assert_eq!(dialer.take_nonce(), None);
    }

    #[test]
    fn nonces_count_over_all_sessions_of_a_call() {
        let mut dialer = DialerExchange::default();
        for _ in 0..MAX_NONCES {
            connect(&mut dialer, &mut ListenerExchange::new(None));
            dialer.take_nonce().expect("a try");
            dialer.renew();
            // What comes now is of no nonce of this session.
            assert_eq!(dialer.open(Nonce::random()), Err(ExchangeError::Unasked));
        }
        connect(&mut dialer, &mut ListenerExchange::new(None));
        assert_eq!(dialer.take_nonce(), None);
    }

    #[test]
    fn a_promise_counts_only_in_its_session() {
        let (mut dialer, mut listener) = both();
        connect(&mut dialer, &mut listener);
        dialer.renew();
        assert_eq!(dialer.take_nonce(), None);
    }

    #[test]
    fn a_number_that_is_known_stays_the_one_of_the_call() {
        let (mut dialer, mut listener) = both();
        connect(&mut dialer, &mut listener);
        let nonce = dialer.take_nonce().expect("a first try");
        listener.settle(&LISTENER, nonce).expect("in turn");
        let Reveal { nonce, .. } = listener.reveal(now()).expect("due");
        dialer.open(nonce).expect("the right one");
        dialer.renew();
        connect(&mut dialer, &mut ListenerExchange::new(None));
        assert_eq!(dialer.take_nonce(), None);
        assert_eq!(dialer.open(Nonce::random()), Ok(None));
    }

    #[test]
    fn a_nonce_that_is_withheld_is_no_try() {
        let (mut dialer, mut listener) = both();
        for _ in 0..10 {
            connect(&mut dialer, &mut listener);
            assert!(dialer.announce_nonce());
            assert!(!dialer.announce_nonce());
            dialer.withhold_nonce();
            assert_eq!(dialer.take_nonce(), None);
        }
        connect(&mut dialer, &mut listener);
        assert!(dialer.take_nonce().is_some());
    }

    #[test]
    fn what_was_missed_is_caught_up_on_the_next_connection() {
        let (mut dialer, mut listener) = both();
        // The nonce is lost.
        connect(&mut dialer, &mut listener);
        dialer.take_nonce().expect("a try");
        // The reveal is lost.
        connect(&mut dialer, &mut listener);
        let nonce = dialer.take_nonce().expect("a try");
        listener.settle(&LISTENER, nonce).expect("in turn");
        let shown = listener.reveal(now()).expect("due").number;
        assert!(shown.is_some());
        assert_eq!(listener.reveal(now()), None);
        connect(&mut dialer, &mut listener);
        assert_eq!(dialer.take_nonce(), None);
        let Reveal { nonce, number } = listener.reveal(now()).expect("due again");
        assert_eq!(number, None);
        assert_eq!(dialer.open(nonce), Ok(shown));
    }

    #[test]
    fn a_nonce_that_was_not_asked_for_on_this_connection_settles_nothing() {
        let (mut dialer, mut listener) = both();
        connect(&mut dialer, &mut listener);
        let nonce = dialer.take_nonce().expect("a try");
        listener.settle(&LISTENER, nonce).expect("in turn");
        connect(&mut dialer, &mut listener);
        assert_eq!(
            listener.settle(&LISTENER, nonce),
            Err(ExchangeError::Unasked)
        );
    }

    #[test]
    fn nothing_is_revealed_before_its_time() {
        let (start, wait) = (now(), Duration::from_secs(10));
        let mut dialer = DialerExchange::default();
        let mut listener = ListenerExchange::new(Some(start + wait));
        assert_eq!(listener.timeout(), None);
        for _ in 0..2 {
            connect(&mut dialer, &mut listener);
            if let Some(nonce) = dialer.take_nonce() {
                listener.settle(&LISTENER, nonce).expect("in turn");
            }
            assert_eq!(listener.timeout(), Some(start + wait));
            assert_eq!(listener.reveal(start), None);
        }
        let revealed = listener.reveal(start + wait).expect("due");
        assert!(revealed.number.is_some());
        assert_eq!(listener.timeout(), None);
    }
}
