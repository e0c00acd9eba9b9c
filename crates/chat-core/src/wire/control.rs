//! The control lines of chat/1: U+0001, then one JSON object with one member.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::codec::CONTROL;
use super::file::{CancelledOffer, Offer, OfferId};
use super::refusal::Refusal;

/// The longest control line but `say`, in bytes, without its U+0001 and LF.
pub const MAX_CONTROL: usize = 4 * 1024;

/// The deepest nesting that is read; no line of chat/1 comes near.
pub const MAX_DEPTH: usize = 16;

/// The length of lines that are padded with blanks: room for a ping with the largest number.
const PADDED: usize = 48;

/// The longest name, and the longest text that is no message, in bytes.
const MAX_NAME: usize = 256;

/// What the two programs exchange besides lines of text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Control {
    /// The first line, each way.
    Hello(Hello),
    /// The next message, where it cannot be a line of its own.
    Say(String),
    /// The number of the peer's messages that were shown here, from the first of the call.
    Received(u64),
    /// The person has begun or stopped typing.
    Typing(bool),
    /// To be answered with the same number.
    Ping(u64),
    /// The answer to a ping.
    Pong(u64),
    /// The caller is in the queue.
    Waiting {
        /// How many are served before it.
        ahead: u64,
    },
    /// The queue is full; no call.
    Busy {
        /// How many are in it.
        waiting: u64,
    },
    /// The sender has nothing more to send: always true.
    Done(bool),
    /// The peer sent no text for this many milliseconds, so a hang-up follows.
    Idle(u64),
    /// No call, and why.
    Refused(Refusal),
    /// For the next handshake of this session, so that it is not dropped in favour of others.
    Cookie(Cookie),
    /// Whether what is received from now on is recorded before it is acknowledged.
    Keeps(bool),
    /// Whether what is said from now on stays written down when the call is over.
    History(bool),
    /// The dialer's part of the safety number.
    Nonce(Nonce),
    /// The listener's part of the safety number, which opens its commitment.
    Reveal(Nonce),
    /// The peer may have this file.
    Offer(Offer),
    /// The offer is wanted.
    Accept(OfferId),
    /// The offer has arrived whole, and is on the disk.
    Taken(OfferId),
    /// The offer is not, or no longer, to be taken.
    Cancel(CancelledOffer),
    /// Whether the person is there.
    Away(Presence),
    /// The person is called something else from now on.
    Name(#[serde(serialize_with = "cut_short")] String),
    /// What a caller says who waits, before there is a call.
    Note(#[serde(serialize_with = "cut_short")] String),
}

/// Whether a person is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// The person is there.
    #[default]
    Here,
    /// The person is away, and says this about it, which may be nothing.
    Away(String),
}

/// `false` is here, `true` or a text is away.
impl Serialize for Presence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Here => serializer.serialize_bool(false),
            Self::Away(text) if text.is_empty() => serializer.serialize_bool(true),
            Self::Away(text) => cut_short(text, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Flag(bool),
            Text(#[serde(deserialize_with = "short_text")] String),
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Flag(false) => Self::Here,
            Form::Flag(true) => Self::Away(String::new()),
            Form::Text(text) => Self::Away(text),
        })
    }
}

/// How each side begins, on every connection of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// What the person is called. Control characters come out as U+FFFD.
    #[serde(deserialize_with = "short_text")]
    pub name: String,
    /// The person has chosen that name; it is not just the name of an account. Somebody who comes
    /// under it with another key is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chosen: bool,
    /// The session: chosen by the dialer, the same on every connection.
    pub conversation: SessionId,
    /// How many of the peer's messages were received.
    pub received: u64,
    /// The session exists already, so that a listener that no longer knows it does not take it
    /// for a new one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumed: bool,
    /// What is received is recorded before it is acknowledged, and outlives the program.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keeps: bool,
    /// What is said stays written down when the call is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub history: bool,
    /// Nobody is there: a machine records what is said, and a receipt says no more than that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answering: bool,
    /// The program knows the lines about files, so that offers to it are answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub files: bool,
    /// The sender has ended the session: its last receipt and the hang-up follow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// The listener's promise of a nonce, for the safety number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<Commitment>,
}

impl Hello {
    /// The name, if it was chosen.
    pub fn chosen_name(&self) -> Option<&str> {
        self.chosen.then_some(&self.name)
    }
}

/// What a person is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Whether the person has chosen it; many accounts are called `root`.
    pub chosen: bool,
}

impl Name {
    /// The name of the person's account.
    pub fn of_account(text: String) -> Self {
        Self {
            text,
            chosen: false,
        }
    }

    /// The name, cut to what fits into a hello.
    pub(crate) fn fitting(&self) -> &str {
        &self.text[..self.text.floor_char_boundary(MAX_NAME)]
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self { text, chosen: true }
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// Names a session on all its connections.
pub type SessionId = Hex<16>;

/// What a dialer shows to be let through to the session that is on.
pub type Cookie = Hex<16>;

/// A random number that is used once.
pub type Nonce = Hex<32>;

/// The SHA-256 hash of a nonce that is revealed later.
pub type Commitment = Hex<32>;

/// Bytes that are written in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hex<const N: usize>(pub [u8; N]);

impl<const N: usize> Hex<N> {
    /// Random bytes that nobody can guess.
    ///
    /// # Panics
    /// If the system has no random numbers to give.
    pub fn random() -> Self {
        let mut bytes = [0; N];
        aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random numbers");
        Self(bytes)
    }
}

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not the right number of hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{digits} hexadecimal digits are expected")]
pub struct HexError {
    digits: usize,
}

impl<const N: usize> FromStr for Hex<N> {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        let error = HexError { digits: 2 * N };
        let digit = |c: u8| char::from(c).to_digit(16).ok_or(error);
        if text.len() != 2 * N {
            return Err(error);
        }
        let mut bytes = [0; N];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Ok(Self(bytes))
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A peer's text that goes into a notice of this program. It is one line: a second one would
/// look like a notice of its own, here and in a log.
pub(super) struct OneLine(pub(super) String);

impl<'de> Deserialize<'de> for OneLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(text.replace(char::is_control, "\u{fffd}")))
    }
}

fn short_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let OneLine(text) = OneLine::deserialize(deserializer)?;
    if text.len() > MAX_NAME {
        return Err(de::Error::custom("the text is too long"));
    }
    Ok(text)
}

/// A person's text as it is, but for what is too long for a peer to read.
fn cut_short<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text[..text.floor_char_boundary(MAX_NAME)])
}

/// Why a control line cannot be read. Nothing of the line is repeated: it may be hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// It is no JSON.
    #[error("no JSON at column {column}")]
    Syntax {
        /// Where, in bytes from 1; 0 if at the value as a whole.
        column: usize,
    },
    /// A known member has a value that it cannot have, or there are two known members.
    #[error("a wrong member or value at column {column}")]
    Value {
        /// Where, in bytes from 1; 0 if at the value as a whole.
        column: usize,
    },
    /// Its values are nested too deeply.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// It is longer than [`MAX_CONTROL`].
    #[error("longer than {MAX_CONTROL} bytes")]
    TooLong,
}

impl From<serde_json::Error> for ControlError {
    fn from(error: serde_json::Error) -> Self {
        let column = error.column();
        if error.is_data() {
            Self::Value { column }
        } else {
            Self::Syntax { column }
        }
    }
}

impl Control {
    /// Reads what follows the U+0001. A line with none but unknown members is `None`.
    ///
    /// # Errors
    /// It is no JSON object, has a wrong or a second known member, is nested too deeply, or is too
    /// long.
    pub fn parse(json: &[u8]) -> Result<Option<Self>, ControlError> {
        if is_too_deep(json) {
            return Err(ControlError::TooDeep);
        }
        let Known(control) = serde_json::from_slice(json)?;
        match control {
            Some(Self::Say(_)) => {}
            _ if json.len() > MAX_CONTROL => return Err(ControlError::TooLong),
            _ => {}
        }
        Ok(control)
    }

    /// The line as it crosses the wire: U+0001, JSON, LF. Those that tell how a person types or
    /// that the link is up are all 48 bytes long, so that their length does not tell
    /// which they are.
    pub fn to_line(&self) -> Bytes {
        let mut line = vec![CONTROL];
        serde_json::to_writer(&mut line, self).expect("names, numbers and strings are JSON");
        let is_padded = match self {
            Self::Typing(_) | Self::Ping(_) | Self::Pong(_) | Self::Away(Presence::Here) => true,
            Self::Away(Presence::Away(text)) => text.is_empty(),
            _ => false,
        };
        if is_padded {
            line.pop();
            line.resize(PADDED - 2, b' ');
            line.push(b'}');
        }
        line.push(b'\n');
        line.into()
    }
}

/// Whether values are nested deeper than [`MAX_DEPTH`], which is cheaper to find out than to parse.
fn is_too_deep(json: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// The one known member of an object, if there is one.
struct Known(Option<Control>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Member {
    Hello,
    Say,
    Received,
    Typing,
    Ping,
    Pong,
    Waiting,
    Busy,
    Done,
    Idle,
    Refused,
    Cookie,
    Keeps,
    History,
    Nonce,
    Reveal,
    Offer,
    Accept,
    Taken,
    Cancel,
    Away,
    Name,
    Note,
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
struct ShortText(#[serde(deserialize_with = "short_text")] String);

#[derive(Deserialize)]
struct Ahead {
    ahead: u64,
}

#[derive(Deserialize)]
struct InQueue {
    waiting: u64,
}

impl<'de> Deserialize<'de> for Known {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KnownVisitor)
    }
}

struct KnownVisitor;

impl<'de> Visitor<'de> for KnownVisitor {
    type Value = Known;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one member")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Known, M::Error> {
        let mut known = None;
        while let Some(member) = members.next_key()? {
            let control = match member {
                Member::Hello => Control::Hello(members.next_value()?),
                Member::Say => Control::Say(members.next_value()?),
                Member::Received => Control::Received(members.next_value()?),
                Member::Typing => Control::Typing(members.next_value()?),
                Member::Ping => Control::Ping(members.next_value()?),
                Member::Pong => Control::Pong(members.next_value()?),
                Member::Waiting => {
                    let Ahead { ahead } = members.next_value()?;
                    Control::Waiting { ahead }
                }
                Member::Busy => {
                    let InQueue { waiting } = members.next_value()?;
                    Control::Busy { waiting }
                }
                Member::Done => Control::Done(members.next_value()?),
                Member::Idle => Control::Idle(members.next_value()?),
                Member::Refused => Control::Refused(members.next_value()?),
                Member::Cookie => Control::Cookie(members.next_value()?),
                Member::Keeps => Control::Keeps(members.next_value()?),
                Member::History => Control::History(members.next_value()?),
                Member::Nonce => Control::Nonce(members.next_value()?),
                Member::Reveal => Control::Reveal(members.next_value()?),
                Member::Offer => Control::Offer(members.next_value()?),
                Member::Accept => Control::Accept(members.next_value()?),
                Member::Taken => Control::Taken(members.next_value()?),
                Member::Cancel => Control::Cancel(members.next_value()?),
                Member::Away => Control::Away(members.next_value()?),
                Member::Name => Control::Name(members.next_value::<ShortText>()?.0),
                Member::Note => Control::Note(members.next_value::<ShortText>()?.0),
                Member::Unknown => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if known.replace(control).is_some() {
                return Err(de::Error::custom("more than one member"));
            }
        }
        Ok(Known(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::RefusalCode;

    fn hello() -> Hello {
        Hello {
            name: "ann".into(),
            chosen: false,
            conversation: Hex([0xab; 16]),
            received: 7,
            resumed: false,
            keeps: false,
            history: false,
            answering: false,
            files: false,
            ended: false,
            commitment: None,
        }
    }

    #[test]
    fn lines_are_as_documented() {
        let cases = [
            (
                Control::Hello(hello()),
                r#"{"hello":{"name":"ann","conversation":"abababababababababababababababab","received":7}}"#,
            ),
            (Control::Say("a\nb".into()), r#"{"say":"a\nb"}"#),
            (Control::Received(3), r#"{"received":3}"#),
            (
                Control::Typing(true),
                r#"{"typing":true                               }"#,
            ),
            (
                Control::Away(Presence::Away(String::new())),
                r#"{"away":true                                 }"#,
            ),
            (Control::Waiting { ahead: 2 }, r#"{"waiting":{"ahead":2}}"#),
            (Control::Busy { waiting: 5 }, r#"{"busy":{"waiting":5}}"#),
            (Control::Done(true), r#"{"done":true}"#),
            (
                Control::Refused(RefusalCode::UnknownKey.into()),
                r#"{"refused":{"code":"unknown-key"}}"#,
            ),
        ];
        for (control, json) in cases {
            assert_eq!(control.to_line(), format!("\u{1}{json}\n"));
            assert_eq!(Control::parse(json.as_bytes()), Ok(Some(control)));
        }
    }

    #[test]
    fn every_control_line_reads_back() {
        let commitment = Some(Hex::random());
        for control in [
            Control::Hello(Hello {
                resumed: true,
                keeps: true,
                history: true,
                ended: true,
                commitment,
                ..hello()
            }),
            Control::Say("\u{1}88\r\n\"\\你好".into()),
            Control::Ping(u64::MAX),
            Control::Pong(0),
            Control::Idle(300),
            Control::Cookie(Hex::random()),
            Control::Keeps(false),
            Control::History(true),
            Control::Nonce(Hex::random()),
            Control::Reveal(Hex::random()),
            Control::Away(Presence::Here),
            Control::Away(Presence::Away(String::new())),
            Control::Away(Presence::Away("until two".into())),
            Control::Name("bob".into()),
            Control::Note("it is about the train".into()),
        ] {
            let line = control.to_line();
            assert_eq!(Control::parse(&line[1..line.len() - 1]), Ok(Some(control)));
        }
    }

    #[test]
    fn what_a_person_says_is_cut_to_what_can_be_read() {
        let long = "é".repeat(MAX_NAME);
        for control in [
            Control::Away(Presence::Away(long.clone())),
            Control::Name(long.clone()),
            Control::Note(long),
        ] {
            let line = control.to_line();
            let read = Control::parse(&line[1..line.len() - 1]);
            assert!(matches!(read, Ok(Some(_))), "{read:?}");
        }
    }

    #[test]
    fn typing_cannot_be_told_from_pings_by_its_length() {
        for control in [
            Control::Typing(true),
            Control::Typing(false),
            Control::Away(Presence::Here),
            Control::Away(Presence::Away(String::new())),
            Control::Ping(1),
            Control::Ping(u64::MAX),
            Control::Pong(u64::MAX),
        ] {
            let line = control.to_line();
            assert_eq!(line.len(), PADDED, "{control:?}");
            assert_eq!(Control::parse(&line[1..PADDED - 1]), Ok(Some(control)));
        }
    }

    /// The safety number of a call could be forged in the name of who waits for its end.
    #[test]
    fn what_goes_into_a_notice_is_one_line() {
        let name = Hello {
            name: "x\nSafety number\u{9b}".into(),
            ..hello()
        };
        let seen = Hello {
            name: "x\u{fffd}Safety number\u{fffd}".into(),
            ..hello()
        };
        let told = |text: &str| Refusal {
            code: RefusalCode::Other,
            text: Some(text.into()),
        };
        for (sent, seen) in [
            (Control::Hello(name), Control::Hello(seen)),
            (
                Control::Refused(told("no\r\n\u{1b}[2J")),
                Control::Refused(told("no\u{fffd}\u{fffd}\u{fffd}[2J")),
            ),
        ] {
            let line = sent.to_line();
            assert_eq!(Control::parse(&line[1..line.len() - 1]), Ok(Some(seen)));
        }
    }

    #[test]
    fn unknown_members_are_ignored() {
        assert_eq!(Control::parse(b"{}"), Ok(None));
        assert_eq!(Control::parse(br#"{"colour":{"a":[1,2]}}"#), Ok(None));
        let both = br#"{"x":1,"received":5,"y":null}"#;
        assert_eq!(Control::parse(both), Ok(Some(Control::Received(5))));
        let inner = br#"{"waiting":{"ahead":1,"since":2}}"#;
        assert_eq!(
            Control::parse(inner),
            Ok(Some(Control::Waiting { ahead: 1 }))
        );
    }

    #[test]
    fn bad_lines_are_errors() {
        for json in ["", "{", "{\"ping\":1}}", "{\"say\":\"\\u12\"}"] {
            let error = Control::parse(json.as_bytes());
            assert!(
                matches!(error, Err(ControlError::Syntax { .. })),
                "{json}: {error:?}"
            );
        }
        for json in [
            "[]",
            "7",
            r#"{"received":-1}"#,
            r#"{"received":18446744073709551616}"#,
            r#"{"received":1.5}"#,
            r#"{"received":null}"#,
            r#"{"ping":1,"pong":1}"#,
            r#"{"say":"a","say":"b"}"#,
            r#"{"hello":{}}"#,
            r#"{"hello":{"name":"a","conversation":"ab","received":0}}"#,
            r#"{"nonce":"zz"}"#,
            r#"{"waiting":3}"#,
        ] {
            let error = Control::parse(json.as_bytes());
            assert!(
                matches!(error, Err(ControlError::Value { .. })),
                "{json}: {error:?}"
            );
        }
    }

    #[test]
    fn only_messages_may_be_long() {
        let long = "x".repeat(MAX_CONTROL);
        for json in [
            format!(r#"{{"refused":"{long}"}}"#),
            format!(r#"{{"unknown":"{long}"}}"#),
        ] {
            assert_eq!(Control::parse(json.as_bytes()), Err(ControlError::TooLong));
        }
        let fits = format!(r#"{{"unknown":"{}"}}"#, &long[r#"{"unknown":""}"#.len()..]);
        assert_eq!(Control::parse(fits.as_bytes()), Ok(None));
        let say = format!(r#"{{"say":"{long}"}}"#);
        assert_eq!(Control::parse(say.as_bytes()), Ok(Some(Control::Say(long))));
    }

    #[test]
    fn an_error_says_how_many_digits_are_wanted() {
        let error = "7".parse::<Hex<3>>().expect_err("too short").to_string();
        assert!(error.contains('6'), "{error}");
    }

    #[test]
    fn long_names_are_refused_and_cut() {
        let name = "你".repeat(100);
        let line = Control::Hello(Hello {
            name: name.clone(),
            ..hello()
        })
        .to_line();
        let parsed = Control::parse(&line[1..]);
        assert!(matches!(parsed, Err(ControlError::Value { .. })));
        assert_eq!(Name::from(name).fitting(), "你".repeat(85));
    }

    #[test]
    fn deep_nesting_is_harmless() {
        let nested = |depth, inner| {
            let json = format!(
                r#"{{"x":{}{inner}{}}}"#,
                "[".repeat(depth),
                "]".repeat(depth)
            );
            Control::parse(json.as_bytes())
        };
        for depth in [MAX_DEPTH, 100_000] {
            assert_eq!(nested(depth, ""), Err(ControlError::TooDeep));
        }
        // What was closed is no nesting, unless it was closed in a text.
        let side_by_side = vec!["[]"; MAX_DEPTH].join(",");
        assert_eq!(nested(MAX_DEPTH - 2, &side_by_side), Ok(None));
        let deeper = nested(MAX_DEPTH - 1, r#""]]]]",[]"#);
        assert_eq!(deeper, Err(ControlError::TooDeep));
        // Brackets in a text are no nesting.
        let text = format!("\\\"{}", "[{".repeat(100));
        let line = Control::Say(text.clone()).to_line();
        let said = Control::parse(&line[1..line.len() - 1]);
        assert_eq!(said, Ok(Some(Control::Say(text))));
    }
}
