//! Why there is no call: a code, which the person at the other end reads in their own words.

use std::fmt;

use serde::de::Deserializer;
use serde::{Deserialize, Serialize};

use super::control::OneLine;

/// The longest text that is kept of a peer's refusal, in bytes.
const MAX_TEXT: usize = 400;

/// A refused call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Why.
    pub code: RefusalCode,
    /// What the peer says about it, for codes that are not known here. Control characters come
    /// out as U+FFFD, and more than 400 bytes are cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalCode {
    /// Only known keys are answered, and the caller's is not known.
    UnknownKey,
    /// The caller's key is not the one that is known under its name.
    ChangedKey,
    /// What the caller said first was no hello.
    BadHello,
    /// The session is not known any more.
    NoSession,
    /// The session belongs to another key.
    ForeignSession,
    /// The person wants no calls from this key.
    Blocked,
    /// The person declined the call.
    Declined,
    /// Nobody takes calls any more.
    Closed,
    /// The caller has this side's own key.
    OwnKey,
    /// A passing trouble of the machine: worth another try.
    Unavailable,
    /// Another reason, or none: that of a newer program, or of one that knows no codes.
    #[serde(rename = "", other)]
    Other,
}

impl Refusal {
    /// Whether the same call may succeed a little later.
    pub fn is_passing(&self) -> bool {
        self.code == RefusalCode::Unavailable
    }
}

impl From<RefusalCode> for Refusal {
    fn from(code: RefusalCode) -> Self {
        Self { code, text: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => write!(f, "{:?}, {text:?}", self.code),
            None => write!(f, "{:?}", self.code),
        }
    }
}

impl<'de> Deserialize<'de> for Refusal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Programs that know no codes send a text alone.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(OneLine),
            Coded {
                code: RefusalCode,
                text: Option<OneLine>,
            },
        }
        let (code, text) = match Form::deserialize(deserializer)? {
            Form::Text(text) => (RefusalCode::Other, Some(text)),
            Form::Coded { code, text } => (code, text),
        };
        let text = text.map(|OneLine(mut text)| {
            text.truncate(text.floor_char_boundary(MAX_TEXT));
            text
        });
        Ok(Self { code, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Refusal {
        serde_json::from_str(json).expect("a refusal")
    }

    #[test]
    fn codes_are_read_in_every_form() {
        let other = |text: &str| Refusal {
            code: RefusalCode::Other,
            text: Some(text.into()),
        };
        assert_eq!(
            read(r#"{"code":"no-session"}"#),
            RefusalCode::NoSession.into()
        );
        assert_eq!(
            read(r#"{"code":"full-moon","text":"a\nb"}"#),
            other("a\u{fffd}b")
        );
        assert_eq!(read(r#""go away""#), other("go away"));
        for json in ["7", "{}", r#"{"code":1}"#, r#"{"code":"closed","text":2}"#] {
            assert!(serde_json::from_str::<Refusal>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn the_longest_text_is_cut_and_reads_the_same_again() {
        let long = read(&format!("\"{}\"", "\u{7f}".repeat(4_000)));
        assert!(
            long.text
                .as_ref()
                .is_some_and(|text| text.len() <= MAX_TEXT)
        );
        let json = serde_json::to_string(&long).expect("JSON");
        assert_eq!(read(&json), long);
    }
}
