//! What is said about files: in the talk, and on the connection that carries one.

use bytes::Bytes;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

use super::control::{Hex, OneLine, SessionId};
use super::{CONTROL, ControlError, MAX_CONTROL, Refusal};

/// The longest name in an [`Offer`], in bytes. What is longer than a file's name is cut later.
const MAX_NAME: usize = 1024;

/// The longest path in a [`NextFile`], in bytes.
const MAX_PATH: usize = 2048;

/// Names an offer, over all connections and sessions of two people.
pub type OfferId = Hex<16>;

/// A SHA-256 hash.
pub type Sha256 = Hex<32>;

/// A file, or a directory of files, that the peer may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Names it.
    pub id: OfferId,
    /// What the sender calls it. Control characters come out as U+FFFD; it is not fit for a file
    /// system yet.
    #[serde(deserialize_with = "short_name")]
    pub name: String,
    /// The bytes of all its files.
    pub size: u64,
    /// How many files are in a directory; nothing for a single file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
}

/// The end of an offer that is not, or no longer, to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelledOffer {
    /// The offer.
    pub id: OfferId,
    /// Why.
    pub code: CancelCode,
}

/// Why an offer is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CancelCode {
    /// The receiver does not want it.
    Declined,
    /// Nobody there can take files.
    Unattended,
    /// One of the two has changed their mind.
    Cancelled,
    /// The sender's file is not what it was when it was offered.
    Changed,
    /// The sender cannot read it.
    Unreadable,
    /// The receiver has no room for it.
    NoSpace,
    /// The receiver cannot write it.
    Unwritable,
    /// What came was not what the sender had.
    WrongHash,
    /// Too many offers are open.
    TooMany,
    /// The offer is not known, or not any more.
    Unknown,
    /// Another reason: that of a newer program.
    #[serde(rename = "", other)]
    Other,
}

/// A line on a connection of `chat-file/1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileLine {
    /// The first line, by the dialer: what the connection is for.
    File(FileHello),
    /// The first line of the receiver: where to go on.
    Have(Have),
    /// The receiver, again and again: it has so many bytes of what was sent since its first line.
    Got(u64),
    /// The sender: the bytes of this file follow, and then their hash.
    Next(NextFile),
    /// The sender: the hash of the whole file whose bytes have gone before.
    Sha256(Sha256),
    /// The listener: there is no such offer here.
    Refused(Refusal),
}

/// Ties a connection to a session and an offer of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHello {
    /// The session of the call.
    pub conversation: SessionId,
    /// What is carried.
    pub offer: OfferId,
}

/// What the receiver has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Have {
    /// How many files it has whole, from the first.
    pub files: u64,
    /// The hash of their list.
    pub list: Sha256,
    /// How many bytes it has of the next.
    pub bytes: u64,
    /// The hash of those.
    pub sha256: Sha256,
}

/// A file whose bytes follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextFile {
    /// Which of the offer it is, from 0.
    pub index: u64,
    /// Where it belongs in the directory, with `/` between the components; empty for a single file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[serde(deserialize_with = "short_path")]
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// The first of them that follows.
    pub from: u64,
}

impl FileLine {
    /// Reads a line without its U+0001 and LF.
    ///
    /// # Errors
    /// It is no JSON object with one member that is known here, or is too long.
    pub fn parse(json: &[u8]) -> Result<Self, ControlError> {
        match json.len() > MAX_CONTROL {
            true => Err(ControlError::TooLong),
            false => Ok(serde_json::from_slice(json)?),
        }
    }

    /// The line as it crosses the wire: U+0001, JSON, LF.
    pub fn to_line(&self) -> Bytes {
        let mut line = vec![CONTROL];
        serde_json::to_writer(&mut line, self).expect("strings and numbers are JSON");
        line.push(b'\n');
        line.into()
    }
}

fn short_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let OneLine(name) = OneLine::deserialize(deserializer)?;
    match name.len() > MAX_NAME {
        true => Err(de::Error::custom("the name is too long")),
        false => Ok(name),
    }
}

fn short_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let path = String::deserialize(deserializer)?;
    match path.len() > MAX_PATH {
        true => Err(de::Error::custom("the path is too long")),
        false => Ok(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_of_a_newer_program_is_another_one() {
        let id = Hex([7; 16]);
        let json = format!(r#"{{"id":"{id}","code":"full-moon"}}"#);
        let cancelled: CancelledOffer = serde_json::from_str(&json).expect("a code");
        let code = CancelCode::Other;
        assert_eq!(cancelled, CancelledOffer { id, code });
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let line = |length: usize| {
            let json = r#"{"sha256":""#.to_owned() + &Hex::<32>::random().to_string() + "\"}";
            json.clone() + &" ".repeat(length - json.len())
        };
        let id = Hex::<16>::random();
        let path = |length: usize| {
            let path = "x".repeat(length);
            format!(r#"{{"next":{{"index":0,"path":"{path}","size":7,"from":7}}}}"#)
        };
        FileLine::parse(line(MAX_CONTROL).as_bytes()).expect("it fits");
        for json in [MAX_CONTROL + 1, MAX_CONTROL + 2].map(line) {
            let refused = FileLine::parse(json.as_bytes());
            assert_eq!(refused, Err(ControlError::TooLong));
        }
        FileLine::parse(path(MAX_PATH).as_bytes()).expect("it fits");
        for json in [MAX_PATH + 1, MAX_PATH + 2].map(path) {
            FileLine::parse(json.as_bytes()).expect_err("the path is too long");
        }
        for (length, fits) in [(MAX_NAME, true), (MAX_NAME + 2, false)] {
            let name = "x".repeat(length);
            let json = format!(r#"{{"id":"{id}","name":"{name}","size":1}}"#);
            assert_eq!(serde_json::from_str::<Offer>(&json).is_ok(), fits);
        }
    }

    #[test]
    fn every_line_reads_back() {
        let (offer, hash) = (Hex::random(), Hex::random());
        for line in [
            FileLine::File(FileHello {
                conversation: Hex::random(),
                offer,
            }),
            FileLine::Have(Have {
                files: 3,
                list: hash,
                bytes: u64::MAX,
                sha256: hash,
            }),
            FileLine::Next(NextFile {
                index: 0,
                path: "a/\n\u{202e}b".into(),
                size: 7,
                from: 7,
            }),
            FileLine::Got(u64::MAX),
            FileLine::Sha256(hash),
        ] {
            let bytes = line.to_line();
            assert_eq!(FileLine::parse(&bytes[1..bytes.len() - 1]), Ok(line));
        }
    }
}
