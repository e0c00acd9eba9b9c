//! Where two programs meet.

use std::fmt;
use std::str::FromStr;

use iroh::RelayUrl;

/// The word for the public relays.
const N0: &str = "n0";

/// What a relay's URL begins with, unless it says otherwise.
const HTTPS: &str = "https://";

/// A relay at which a program waits, or is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relay {
    /// This one.
    Own(RelayUrl),
    /// The nearest of n0's public ones, where n0's name servers say which that is.
    N0,
}

/// A text that names no relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no relay")]
pub struct InvalidRelay;

impl FromStr for Relay {
    type Err = InvalidRelay;

    /// Reads `relay.example.org`, `https://relay.example.org:8443`, `http://192.0.2.7:3340` or
    /// `n0`.
    fn from_str(text: &str) -> Result<Self, InvalidRelay> {
        if text == N0 {
            return Ok(Self::N0);
        }
        let url = match text.contains("://") {
            true => text.to_owned(),
            false => [HTTPS, text].concat(),
        };
        let url: RelayUrl = url.parse().map_err(|_| InvalidRelay)?;
        let is_relay = matches!(url.scheme(), "https" | "http")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        is_relay.then_some(Self::Own(url)).ok_or(InvalidRelay)
    }
}

impl fmt::Display for Relay {
    /// As short as it can be read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(url) => {
                let url = url.as_str().trim_end_matches('/');
                f.write_str(url.strip_prefix(HTTPS).unwrap_or(url))
            }
            Self::N0 => f.write_str(N0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_are_read_and_written_in_the_shortest_spelling() {
        for (text, shortest) in [
            ("n0", "n0"),
            ("relay.example.org", "relay.example.org"),
            ("https://relay.example.org/", "relay.example.org"),
            ("https://Relay.example.org:443", "relay.example.org"),
            ("relay.example.org:8443", "relay.example.org:8443"),
            ("192.0.2.7", "192.0.2.7"),
            ("[2001:db8::7]:8443", "[2001:db8::7]:8443"),
            ("http://192.0.2.7:3340", "http://192.0.2.7:3340"),
        ] {
            let relay: Relay = text.parse().expect(text);
            assert_eq!(relay.to_string(), shortest, "{text}");
            assert_eq!(shortest.parse(), Ok(relay), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            " ",
            "relay example",
            "ftp://relay.example.org",
            "relay.example.org/path",
            "ann@relay.example.org",
            "relay.example.org?x",
            "https://",
        ] {
            assert_eq!(text.parse::<Relay>(), Err(InvalidRelay), "{text:?}");
        }
    }
}
