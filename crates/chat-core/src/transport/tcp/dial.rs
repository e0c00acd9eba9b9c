//! Dialing over TCP: names, addresses, and which of them answers first.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::set_tcp_options;
use crate::DEFAULT_PORT;
use crate::transport::{Dial, DialError};

/// Head start of an address before the next is tried beside it (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Who is called: a host name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
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
}

impl Target {
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

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Dials over TCP.
#[derive(Clone, Debug)]
pub struct TcpDialer {
    /// Who is called.
    pub target: Target,
    /// How long all of it may take.
    pub limit: Duration,
}

impl Dial for TcpDialer {
    type Stream = TcpStream;

    fn address(&self) -> String {
        self.target.to_string()
    }

    fn limit(&self) -> Duration {
        self.limit
    }

    async fn dial(&self) -> Result<TcpStream, DialError> {
        let dialed = timeout(self.limit, self.first_to_answer()).await;
        dialed.unwrap_or_else(|_| {
            Err(DialError::Timeout {
                address: self.address(),
                limit: self.limit,
            })
        })
    }
}

impl TcpDialer {
    /// Tries every address, each a little after the one before.
    async fn first_to_answer(&self) -> Result<TcpStream, DialError> {
        let Target { host, port } = &self.target;
        let resolve_error = |reason| DialError::Resolve {
            name: host.clone(),
            reason,
        };
        let addresses = lookup_host((host.as_str(), *port)).await;
        let mut attempts = JoinSet::new();
        for (turn, address) in (0..).zip(addresses.map_err(resolve_error)?) {
            attempts.spawn(async move {
                // Even a sleep of no time takes a tick of the timer, a millisecond.
                if turn > 0 {
                    sleep(HEAD_START * turn).await;
                }
                connect(address).await
            });
        }
        let mut last = io::ErrorKind::NotFound.into();
        while let Some(attempt) = attempts.join_next().await {
            match attempt.unwrap_or_else(|error| Err(error.into())) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(DialError::Connect {
            address: self.target.to_string(),
            reason: last,
        })
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    set_tcp_options(&stream);
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_in_every_spelling() {
        for (text, host, port) in [
            ("ann.example", "ann.example", 7788),
            ("ann.example:99", "ann.example", 99),
            ("127.0.0.1:99", "127.0.0.1", 99),
            ("::1", "::1", 7788),
            ("[::1]", "::1", 7788),
            ("[::1]:99", "::1", 99),
        ] {
            let host = host.to_owned();
            assert_eq!(Target::parse(text), Ok(Target { host, port }), "{text}");
        }
        for text in ["", ":99", "host:port", "host:99999", "[::1", "[::1]99"] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
