//! Whom to call, as people write it.

use std::fmt;
use std::net::IpAddr;

use crate::DEFAULT_PORT;
use crate::trust::{Fingerprint, InvalidFingerprint, InvalidNumber, Number};

/// So many digits before an `@` are meant as a key, if a wrong one. Names are shorter.
const LOOKS_LIKE_A_KEY: usize = 32;

/// Whom to call: `NAME`, `SHA256:…`, `HOST[:PORT]` or `KEY@RELAY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The name of a known peer; where nobody is known by it, a host at the usual port.
    Name(String),
    /// A known peer by its fingerprint.
    Key(Fingerprint),
    /// A host, which was given with a port, as an address, or as `localhost`.
    Host(HostPort),
    /// A peer wherever it is.
    Number(Number),
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// A text that does not say whom to call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// There is no host in it.
    #[error("no host")]
    NoHost,
    /// After `[` there is no `]`.
    #[error("no closing bracket")]
    NoBracket,
    /// What follows the `]` is no `:` with a port.
    #[error("no port after the bracket")]
    AfterBracket,
    /// What stands in place of the port is none.
    #[error("no port: {0:?}")]
    NoPort(String),
    /// It begins like a fingerprint, and is none.
    #[error(transparent)]
    Key(#[from] InvalidFingerprint),
    /// It begins like `KEY@RELAY`, and is none.
    #[error(transparent)]
    Number(#[from] InvalidNumber),
}

impl Target {
    /// Reads `NAME`, `SHA256:…`, `KEY@RELAY`, and what [`HostPort::parse`] reads.
    ///
    /// # Errors
    /// The text has none of these forms.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        if let Some((key, _)) = text.split_once('@')
            && key.len() >= LOOKS_LIKE_A_KEY
            && key.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            return Ok(Self::Number(text.parse()?));
        }
        if text.starts_with("SHA256:") {
            return Ok(Self::Key(text.parse()?));
        }
        let host = HostPort::parse(text)?;
        // An address, a port or brackets show that a host is meant, and one name is always this
        // machine (RFC 6761, section 6.3).
        let is_host = host.host != text
            || host.host.parse::<IpAddr>().is_ok()
            || text.eq_ignore_ascii_case("localhost");
        Ok(match is_host {
            true => Self::Host(host),
            false => Self::Name(host.host),
        })
    }
}

impl Target {
    /// The part of it that is no port.
    pub fn host(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Key(_) => "HOST",
            Self::Host(host) => &host.host,
            Self::Number(number) => &number.relay,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Key(key) => key.fmt(f),
            Self::Host(host) => host.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl HostPort {
    /// A host at the port where this program listens unless it is told otherwise.
    pub fn usual(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            port: DEFAULT_PORT,
        }
    }

    /// Reads `HOST`, `HOST:PORT`, `[IPv6]` or `[IPv6]:PORT`; a bare IPv6 address is a host.
    ///
    /// # Errors
    /// The text has none of these forms.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or(TargetError::NoBracket)?,
            None => match text.rsplit_once(':') {
                Some((host, _)) if !host.contains(':') => text.split_at(host.len()),
                _ => (text, ""),
            },
        };
        if host.is_empty() {
            return Err(TargetError::NoHost);
        }
        let port = match port.strip_prefix(':') {
            Some(port) => match port.parse() {
                Ok(port) => port,
                Err(_) => return Err(TargetError::NoPort(port.to_owned())),
            },
            None if port.is_empty() => DEFAULT_PORT,
            None => return Err(TargetError::AfterBracket),
        };
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    #[test]
    fn hosts_are_read_in_every_spelling() {
        for (text, host, port) in [
            ("ann.example", "ann.example", 7788),
            ("ann.example:99", "ann.example", 99),
            ("127.0.0.1:99", "127.0.0.1", 99),
            ("::1", "::1", 7788),
            ("[::1]", "::1", 7788),
            ("[::1]:99", "::1", 99),
        ] {
            let host = host.to_owned();
            assert_eq!(HostPort::parse(text), Ok(HostPort { host, port }), "{text}");
        }
        for text in ["", ":99", "host:port", "host:99999", "[::1", "[::1]99"] {
            assert!(HostPort::parse(text).is_err(), "{text}");
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_word_is_a_name_before_it_is_a_host() {
        for text in ["ann", "李雷", "ann.example", "ann@work", "beef@relay"] {
            assert_eq!(Target::parse(text), Ok(Target::Name(text.into())), "{text}");
        }
        for text in [
            "localhost",
            "LOCALHOST",
            "192.0.2.1",
            "::1",
            "[::1]",
            "ann:7788",
        ] {
            let host = HostPort::parse(text).expect("a host");
            assert_eq!(Target::parse(text), Ok(Target::Host(host)), "{text}");
        }
    }

    #[test]
    fn a_fingerprint_is_no_host() {
        let key = Fingerprint::of_spki(b"");
        assert_eq!(Target::parse(&key.to_string()), Ok(Target::Key(key)));
        assert_eq!(
            Target::parse("SHA256:47DEQpj8"),
            Err(InvalidFingerprint.into())
        );
    }

    #[test]
    fn a_key_at_a_relay_is_a_number_and_a_wrong_one_is_no_name() {
        let text = format!("{KEY}@relay.example:8443");
        let number = text.parse().expect("a number");
        assert_eq!(Target::parse(&text), Ok(Target::Number(number)));
        for (text, error) in [
            (format!("{KEY}@"), InvalidNumber::Relay),
            (format!("{}@relay.example", &KEY[2..]), InvalidNumber::Key),
        ] {
            assert_eq!(Target::parse(&text), Err(error.into()), "{text}");
        }
    }
}
