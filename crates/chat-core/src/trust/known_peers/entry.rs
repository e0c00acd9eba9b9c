//! One line of `known_peers`: `NAME[,ADDRESS…] KEYTYPE SHA256:… FIRST-SEEN STATE`, and then, where
//! they are known, `heard=DAY`, `key=KEY` and `relay=RELAY`.
//!
//! Whatever this module does not understand stays as it is, byte for byte.

use super::name::likeness;
use crate::trust::place::place;
use crate::trust::{Fingerprint, Number, PublicKey};

/// The only type of key that is ever remembered.
const KEY_TYPE: &str = "ed25519";

// The fields that are ever changed, counted from 0.
const LABELS: usize = 0;
const FINGERPRINT: usize = 2;
const FIRST_SEEN: usize = 3;
const STATE: usize = 4;

// What the fields begin with that not every line has.
const HEARD: &str = "heard=";
const KEY: &str = "key=";
const RELAY: &str = "relay=";
const REPLACED: &str = "replaced=";

/// The most addresses that are kept of a peer.
const MAX_ADDRESSES: usize = 8;

/// A peer whose key this user has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPeer {
    /// What this user calls it; unique unless edited by hand.
    pub name: String,
    /// Where it was dialed, as `HOST:PORT`, the last one first.
    pub addresses: Vec<String>,
    /// The type of its key.
    pub key_type: String,
    /// Its key.
    pub fingerprint: Fingerprint,
    /// The day of the first contact, `YYYY-MM-DD` in UTC.
    pub first_seen: String,
    /// What this user has decided about it.
    pub state: PeerState,
    /// The day on which it was last heard, `YYYY-MM-DD` in UTC, if that is later.
    pub heard: Option<String>,
    /// Under which it was dialed wherever it was.
    pub number: Option<Number>,
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
        let was_dialed = !self.addresses.is_empty() || self.number.is_some();
        self.state == PeerState::Verified || was_dialed || !self.replaced.is_empty()
    }

    /// Whether this user wants no calls from it, and is not to call it.
    pub fn is_blocked(&self) -> bool {
        self.state == PeerState::Blocked
    }

    /// The day on which it was last heard, `YYYY-MM-DD` in UTC.
    pub fn last_heard(&self) -> &str {
        self.heard.as_deref().unwrap_or(&self.first_seen)
    }

    /// Whether it was dialed at this address, or under this number.
    pub(super) fn is_at(&self, address: &str) -> bool {
        let number = self.number.as_ref().map(Number::to_string);
        let mut known = self.addresses.iter().chain(&number);
        known.any(|known| place(known) == place(address))
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
    pub(super) fn of_new_key(name: &str, key: Fingerprint) -> Self {
        let state = PeerState::Unverified.as_str();
        let line = format!("{name} {KEY_TYPE} {key} {} {state}\n", today());
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

    /// Notes that the peer was reached at this address, the first to be tried from now on. Of too
    /// many, the one that was not used for the longest time is dropped.
    pub(super) fn reached_at(&mut self, address: &str) {
        let Some(peer) = self.peer() else { return };
        let known = peer.addresses.iter().map(String::as_str);
        let is_here = |known: &&str| place(known) == place(address);
        let (here, others): (Vec<_>, Vec<_>) = known.partition(is_here);
        let here = here.first().copied().unwrap_or(address);
        let addresses = std::iter::once(here).chain(others).take(MAX_ADDRESSES);
        let labels = labels(&peer.name, addresses);
        self.set_field(LABELS, &labels);
    }

    /// Notes the number under which the peer was reached.
    pub(super) fn set_number(&mut self, number: &Number) {
        // A field that is new goes before the others.
        self.set_extra(RELAY, &number.relay);
        self.set_extra(KEY, &number.key.to_string());
    }

    /// Notes that the peer was heard today.
    pub(super) fn set_heard(&mut self) {
        let today = today();
        if self.peer().is_some_and(|peer| peer.last_heard() != today) {
            self.set_extra(HEARD, &today);
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

    /// Gives a field behind the state its value; it is added if it is not there.
    fn set_extra(&mut self, name: &str, value: &str) {
        let line = str::from_utf8(&self.raw).unwrap_or_default();
        let mut fields = line.split_ascii_whitespace();
        let state = fields.nth(STATE).unwrap_or_default();
        let place = extras(fields).position(|field| field.starts_with(name));
        match place {
            Some(place) => self.set_field(STATE + 1 + place, &format!("{name}{value}")),
            None => self.set_field(STATE, &format!("{state} {name}{value}")),
        }
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
        self.set_field(FINGERPRINT, &key.to_string());
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

/// The first field.
fn labels<'a>(name: &'a str, addresses: impl Iterator<Item = &'a str>) -> String {
    let labels: Vec<_> = std::iter::once(name).chain(addresses).collect();
    labels.join(",")
}

/// The fields behind the state that are no comment.
fn extras<'a>(fields: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    fields.take_while(|field| !field.starts_with('#'))
}

/// Today, `YYYY-MM-DD` in UTC.
fn today() -> String {
    time::OffsetDateTime::now_utc().date().to_string()
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
    let fingerprint: Fingerprint = fingerprint.parse()?;
    let extras: Vec<_> = extras(fields).collect();
    let extra = |name| extras.iter().find_map(|field| field.strip_prefix(name));
    // The key of somebody else is no way to this peer.
    let key = extra(KEY).and_then(|key| key.parse::<PublicKey>().ok());
    let key = key.filter(|key| key.fingerprint() == fingerprint);
    Ok(Some(KnownPeer {
        name,
        addresses,
        key_type: key_type.to_owned(),
        fingerprint,
        first_seen: first_seen.to_owned(),
        heard: extra(HEARD).map(str::to_owned),
        number: key.and_then(|key| Number::new(key, extra(RELAY)?).ok()),
        state: PeerState::ALL
            .into_iter()
            .find(|known| known.as_str() == state)
            .ok_or(ParseError::State)?,
        replaced: extras
            .iter()
            .filter_map(|field| field.strip_prefix(REPLACED)?.parse().ok())
            .collect(),
    }))
}
