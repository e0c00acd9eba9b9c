//! One line of `known_peers`: `NAME[,ADDRESS…] KEYTYPE SHA256:… FIRST-SEEN STATE`.
//!
//! Whatever this module does not understand stays as it is, byte for byte.

use crate::trust::Fingerprint;

/// The only type of key that is ever remembered.
const KEY_TYPE: &str = "ed25519";

const UNVERIFIED: &str = "unverified";
const VERIFIED: &str = "verified";
const BLOCKED: &str = "blocked";

// The fields that are ever changed, counted from 0.
const LABELS: usize = 0;
const STATE: usize = 4;

/// A peer whose key this user has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPeer {
    /// What this user calls it; unique unless edited by hand.
    pub name: String,
    /// Where it was dialed, as `HOST:PORT`.
    pub addresses: Vec<String>,
    /// The type of its key.
    pub key_type: String,
    /// Its key.
    pub fingerprint: Fingerprint,
    /// The day of the first contact, `YYYY-MM-DD` in UTC.
    pub first_seen: String,
    /// Whether the two people have compared their safety numbers.
    pub verified: bool,
    blocked: bool,
}

impl KnownPeer {
    /// Whether this user has dialed or verified it. The others have only called.
    pub fn is_friend(&self) -> bool {
        self.verified || !self.addresses.is_empty()
    }

    /// Whether this user wants no calls from it.
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    pub(super) fn is_at(&self, address: &str) -> bool {
        let known = |known: &String| known.eq_ignore_ascii_case(address);
        self.addresses.iter().any(known)
    }
}

/// Why a line cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is no UTF-8.
    #[error("it is no UTF-8")]
    Encoding,
    /// It has fewer fields than five.
    #[error("it should read NAME[,ADDRESS...] KEYTYPE SHA256:... FIRST-SEEN STATE")]
    TooShort,
    /// The name, or one of the addresses, is missing between the commas.
    #[error("a name or address is missing")]
    Nameless,
    /// The third field is no fingerprint.
    #[error(transparent)]
    Fingerprint(#[from] crate::trust::InvalidFingerprint),
    /// The fifth field is not a state.
    #[error("the state is none of unverified, verified and blocked")]
    State,
}

/// One line of the file: `content` is always what `raw` says.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// With its line ending.
    pub(super) raw: Vec<u8>,
    /// A peer; `None` for a blank line or a comment.
    pub(super) content: Result<Option<KnownPeer>, ParseError>,
}

impl Line {
    pub(super) fn new(raw: Vec<u8>) -> Self {
        let content = std::str::from_utf8(&raw)
            .map_err(|_| ParseError::Encoding)
            .and_then(parse_line);
        Self { raw, content }
    }

    /// A new line, for a key that is seen for the first time today.
    pub(super) fn of_new_key(labels: &str, key: Fingerprint) -> Self {
        let today = time::OffsetDateTime::now_utc().date();
        let line = format!("{labels} {KEY_TYPE} {key} {today} {UNVERIFIED}\n");
        Self::new(line.into_bytes())
    }

    pub(super) fn peer(&self) -> Option<&KnownPeer> {
        self.content.as_ref().ok()?.as_ref()
    }

    pub(super) fn has_key(&self, key: Fingerprint) -> bool {
        self.peer().is_some_and(|peer| peer.fingerprint == key)
    }

    pub(super) fn add_address(&mut self, address: &str) {
        if let Some(peer) = self.peer().filter(|peer| !peer.is_at(address)) {
            let mut labels = vec![peer.name.as_str()];
            labels.extend(peer.addresses.iter().map(String::as_str));
            labels.push(address);
            let labels = labels.join(",");
            self.set_field(LABELS, &labels);
        }
    }

    pub(super) fn set_verified(&mut self) {
        self.set_field(STATE, VERIFIED);
    }

    pub(super) fn set_blocked(&mut self) {
        self.set_field(STATE, BLOCKED);
    }

    /// Puts `value` in the place of a field and leaves all other bytes as they are.
    fn set_field(&mut self, index: usize, value: &str) {
        let mut raw = Vec::with_capacity(self.raw.len() + value.len());
        let mut fields = 0;
        for piece in self.raw.split_inclusive(u8::is_ascii_whitespace) {
            let (field, space) = piece.split_at(piece.trim_ascii_end().len());
            let is_field = !field.is_empty();
            raw.extend_from_slice(if is_field && fields == index {
                value.as_bytes()
            } else {
                field
            });
            raw.extend_from_slice(space);
            fields += usize::from(is_field);
        }
        *self = Self::new(raw);
    }

    /// Ends a last line that lacks its line ending.
    pub(super) fn end(&mut self) {
        if self.raw.last() != Some(&b'\n') {
            self.raw.push(b'\n');
        }
    }
}

fn parse_line(line: &str) -> Result<Option<KnownPeer>, ParseError> {
    let mut fields = line.split_ascii_whitespace();
    let Some(labels) = fields.next().filter(|first| !first.starts_with('#')) else {
        return Ok(None);
    };
    let mut field = || fields.next().ok_or(ParseError::TooShort);
    let (key_type, fingerprint, first_seen, state) = (field()?, field()?, field()?, field()?);
    let mut labels = labels.split(',').map(str::to_owned);
    let name = labels.next().unwrap_or_default();
    let addresses: Vec<_> = labels.collect();
    if name.is_empty() || addresses.iter().any(String::is_empty) {
        return Err(ParseError::Nameless);
    }
    if ![UNVERIFIED, VERIFIED, BLOCKED].contains(&state) {
        return Err(ParseError::State);
    }
    Ok(Some(KnownPeer {
        name,
        addresses,
        key_type: key_type.to_owned(),
        fingerprint: fingerprint.parse()?,
        first_seen: first_seen.to_owned(),
        verified: state == VERIFIED,
        blocked: state == BLOCKED,
    }))
}
