//! One line of `known_peers`: `NAME[,ADDRESS…] KEYTYPE SHA256:… FIRST-SEEN STATE`.
//!
//! Whatever this module does not understand stays as it is, byte for byte.

use super::name::likeness;
use crate::trust::Fingerprint;

/// The only type of key that is ever remembered.
const KEY_TYPE: &str = "ed25519";

// The fields that are ever changed, counted from 0.
const LABELS: usize = 0;
const KEY: usize = 2;
const FIRST_SEEN: usize = 3;
const STATE: usize = 4;

/// What a field after those begins with that names a key which was replaced.
const REPLACED: &str = "replaced=";

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
    /// What this user has decided about it.
    pub state: PeerState,
    /// Keys that it had before, which are worth nothing any more.
    pub replaced: Vec<Fingerprint>,
}

/// What this user has decided about a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// Nothing yet.
    Unverified,
    /// The two people have compared their safety numbers.
    Verified,
    /// Its calls are refused, and it is not called.
    Blocked,
}

impl PeerState {
    const ALL: [Self; 3] = [Self::Unverified, Self::Verified, Self::Blocked];

    /// The word for it in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Verified => "verified",
            Self::Blocked => "blocked",
        }
    }
}

impl KnownPeer {
    /// Its name; `None` if it has not given one yet and stands under its fingerprint.
    pub fn given_name(&self) -> Option<&str> {
        (self.name != self.fingerprint.short()).then_some(&self.name)
    }

    /// Whether it is written down only because it called.
    pub(super) fn is_stranger(&self) -> bool {
        !self.is_friend() && !self.is_blocked()
    }

    /// Whether this user has dialed or verified it, or accepted a new key of it. The others have
    /// only called.
    pub fn is_friend(&self) -> bool {
        self.state == PeerState::Verified || !self.addresses.is_empty() || !self.replaced.is_empty()
    }

    /// Whether this user wants no calls from it, and is not to call it.
    pub fn is_blocked(&self) -> bool {
        self.state == PeerState::Blocked
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
    #[error("no UTF-8")]
    Encoding,
    /// It has fewer fields than five.
    #[error("fewer than five fields")]
    TooShort,
    /// The name, or one of the addresses, is missing between the commas.
    #[error("no name or address")]
    Nameless,
    /// The third field is no fingerprint.
    #[error(transparent)]
    Fingerprint(#[from] crate::trust::InvalidFingerprint),
    /// The fifth field is not a state.
    #[error("no known state")]
    State,
}

/// One line of the file: `content` is always what `raw` says.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// With its line ending.
    pub(super) raw: Vec<u8>,
    /// A peer; `None` for a blank line or a comment.
    pub(super) content: Result<Option<KnownPeer>, ParseError>,
    /// How the peer's name looks; empty without a peer.
    likeness: String,
}

impl Line {
    pub(super) fn new(raw: Vec<u8>) -> Self {
        let content = std::str::from_utf8(&raw)
            .map_err(|_| ParseError::Encoding)
            .and_then(parse_line);
        let peer = content.as_ref().ok().and_then(Option::as_ref);
        let likeness = peer.map(|peer| likeness(&peer.name)).unwrap_or_default();
        Self {
            raw,
            content,
            likeness,
        }
    }

    /// A new line, for a key that is seen for the first time today.
    pub(super) fn of_new_key(labels: &str, key: Fingerprint) -> Self {
        let today = today();
        let state = PeerState::Unverified.as_str();
        let line = format!("{labels} {KEY_TYPE} {key} {today} {state}\n");
        Self::new(line.into_bytes())
    }

    pub(super) fn peer(&self) -> Option<&KnownPeer> {
        self.content.as_ref().ok()?.as_ref()
    }

    pub(super) fn has_key(&self, key: Fingerprint) -> bool {
        self.peer().is_some_and(|peer| peer.fingerprint == key)
    }

    pub(super) fn likeness(&self) -> &str {
        &self.likeness
    }

    pub(super) fn add_address(&mut self, address: &str) {
        if let Some(peer) = self.peer().filter(|peer| !peer.is_at(address)) {
            let addresses = peer.addresses.iter().map(String::as_str);
            let labels = labels(&peer.name, addresses.chain([address]));
            self.set_field(LABELS, &labels);
        }
    }

    pub(super) fn set_name(&mut self, name: &str) {
        if let Some(peer) = self.peer() {
            let labels = labels(name, peer.addresses.iter().map(String::as_str));
            self.set_field(LABELS, &labels);
        }
    }

    pub(super) fn set_state(&mut self, state: PeerState) {
        self.set_field(STATE, state.as_str());
    }

    /// Gives the peer another key, which is seen for the first time today.
    pub(super) fn replace_key(&mut self, key: Fingerprint) {
        let Some(KnownPeer {
            fingerprint: old,
            state,
            ..
        }) = self.peer().cloned()
        else {
            return;
        };
        self.set_field(KEY, &key.to_string());
        self.set_field(FIRST_SEEN, &today());
        let state = match state {
            PeerState::Verified => PeerState::Unverified,
            state => state,
        };
        // In front of what somebody may have written behind it.
        self.set_field(STATE, &format!("{} {REPLACED}{old}", state.as_str()));
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

fn today() -> String {
    time::OffsetDateTime::now_utc().date().to_string()
}

/// The first field.
pub(super) fn labels<'a>(name: &'a str, addresses: impl Iterator<Item = &'a str>) -> String {
    let labels: Vec<_> = std::iter::once(name).chain(addresses).collect();
    labels.join(",")
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
    Ok(Some(KnownPeer {
        name,
        addresses,
        key_type: key_type.to_owned(),
        fingerprint: fingerprint.parse()?,
        first_seen: first_seen.to_owned(),
        state: PeerState::ALL
            .into_iter()
            .find(|known| known.as_str() == state)
            .ok_or(ParseError::State)?,
        replaced: fields
            .filter_map(|field| field.strip_prefix(REPLACED)?.parse().ok())
            .collect(),
    }))
}
