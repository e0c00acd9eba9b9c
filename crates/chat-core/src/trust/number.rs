//! A number under which a peer can be called from anywhere: its key, and a relay that finds it.

use std::fmt;
use std::str::FromStr;

use super::Fingerprint;
use crate::wire::Hex;

/// What the SPKI of an Ed25519 key begins with (RFC 8410); 32 bytes of key follow.
const ED25519_SPKI: [u8; 12] = *b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// The longest name of a relay, in bytes.
const MAX_RELAY: usize = 255;

/// A public Ed25519 key in full, written as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// The key in its SPKI form (RFC 5280); `None` for one of another type.
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        let key = der.strip_prefix(&ED25519_SPKI)?;
        key.try_into().map(Self).ok()
    }

    /// The key in its SPKI form.
    pub(super) fn to_spki(self) -> Vec<u8> {
        [&ED25519_SPKI[..], &self.0].concat()
    }

    /// How people know it.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_spki(&self.to_spki())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(self.0).fmt(f)
    }
}

impl FromStr for PublicKey {
    type Err = InvalidNumber;

    fn from_str(text: &str) -> Result<Self, InvalidNumber> {
        let Hex(key) = text.parse().map_err(|_| InvalidNumber::Key)?;
        Ok(Self(key))
    }
}

/// The number of a peer, `KEY@RELAY`. The key never changes; the relay only finds the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// Whose number it is.
    pub key: PublicKey,
    /// The relay at which the peer waits, as it was given: a host, a URL, or a word.
    pub relay: String,
}

/// A text that is no [`Number`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNumber {
    /// The part before the `@` has not 64 hexadecimal digits.
    #[error("no key of 64 hexadecimal digits")]
    Key,
    /// The part after the `@` is empty, too long, or holds what is in no URL.
    #[error("no relay")]
    Relay,
}

impl Number {
    /// A number with this relay.
    ///
    /// # Errors
    /// The relay is empty, longer than 255 bytes, or holds what is in no URL.
    pub fn new(key: PublicKey, relay: &str) -> Result<Self, InvalidNumber> {
        // Nothing that would end a field of `known_peers`, or mean something to a shell.
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]".contains(c);
        match (1..=MAX_RELAY).contains(&relay.len()) && relay.chars().all(fits) {
            true => Ok(Self {
                key,
                relay: relay.to_owned(),
            }),
            false => Err(InvalidNumber::Relay),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.key, self.relay)
    }
}

impl FromStr for Number {
    type Err = InvalidNumber;

    fn from_str(text: &str) -> Result<Self, InvalidNumber> {
        let (key, relay) = text.split_once('@').ok_or(InvalidNumber::Relay)?;
        Self::new(key.parse()?, relay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    #[test]
    fn a_number_is_read_as_it_is_written() {
        for relay in [
            "relay.example",
            "https://relay.example:8443/",
            "n0",
            "[::1]:3340",
        ] {
            let text = format!("{KEY}@{relay}");
            let number: Number = text.parse().expect("a number");
            assert_eq!(number.to_string(), text);
            assert_eq!(number.relay, relay);
        }
        for (text, error) in [
            (KEY.to_owned(), InvalidNumber::Relay),
            (format!("{KEY}@"), InvalidNumber::Relay),
            (format!("{KEY}@a,b"), InvalidNumber::Relay),
            (format!("{KEY}@a b"), InvalidNumber::Relay),
            (format!("{KEY}@{}", "a".repeat(256)), InvalidNumber::Relay),
            (format!("{}@relay", &KEY[1..]), InvalidNumber::Key),
        ] {
            assert_eq!(text.parse::<Number>(), Err(error), "{text}");
        }
    }

    #[test]
    fn the_fingerprint_is_that_of_the_spki() {
        let key: PublicKey = KEY.parse().expect("a key");
        let spki = [&ED25519_SPKI[..], &key.0].concat();
        assert_eq!(key.fingerprint(), Fingerprint::of_spki(&spki));
        assert_eq!(PublicKey::from_spki(&spki), Some(key));
        assert_eq!(PublicKey::from_spki(&spki[1..]), None);
        assert_eq!(PublicKey::from_spki(&spki[..43]), None);
    }
}
