//! Calls a server and holds the call.

mod dial;

use std::future::Future;
use std::io;
use std::pin::pin;

use chat_core::conversation::{
    Command, Connection, Conversation, Event, Manners, Peer, Plain, Security, Sink, Source, Step,
};
use chat_core::wire::Framing;
use chat_terminal::{exit, words};

pub use dial::{Dial, DialError, Target, TcpDialer};

/// What the person asked of the client.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who is called, as the person wrote it.
    pub target: Target,
    /// How messages are told apart with peers without chat/1.
    pub framing: Framing,
    /// How this side behaves in a call.
    pub manners: Manners,
}

/// Why there was no call.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody answered.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The person's side failed.
    #[error(transparent)]
    Person(#[from] io::Error),
}

/// Calls, and holds the call to its end. Answers the exit code.
///
/// # Errors
/// Nobody answered.
pub async fn run<D, In, Out>(
    mut dialer: D,
    config: Config,
    source: &mut In,
    sink: &mut Out,
    shutdown: impl Future<Output = u8>,
) -> Result<u8, CallError>
where
    D: Dial,
    In: Source,
    Out: Sink,
{
    let mut shutdown = pin!(shutdown);
    let stream = tokio::select! {
        stream = dialer.dial() => stream?,
        code = shutdown.as_mut() => return Ok(code),
    };
    let connection = Connection {
        stream: Box::new(stream),
        peer: Peer {
            name: None,
            address: config.target.to_string(),
            security: Security::Plaintext,
        },
    };
    let peer = connection.peer.clone();
    let mut link = connection.into_plain_link(config.framing);
    let mut call = Conversation::new(Plain::new(), config.manners, source, sink);
    call.show(Event::Call(peer.clone()));
    let mut interrupted = None;
    let ending = loop {
        tokio::select! {
            step = call.over(&mut link) => match step {
                Step::Ended(ending) => break ending,
                Step::Cut => unreachable!("a plain call has one connection"),
                Step::Command(Command::Quit) => call.hang_up(),
                Step::Command(Command::Next) => {
                    call.show(Event::Notice(words::not_here("/next")));
                }
                Step::Command(Command::Status) => {
                    call.show(Event::Notice(words::status(&peer)));
                }
                Step::Command(_) => {}
            },
            code = shutdown.as_mut(), if interrupted.is_none() => {
                interrupted = Some(code);
                call.hang_up();
            }
        }
    };
    let concluded = async { tokio::join!(call.conclude(ending), link.end()).0 };
    tokio::select! {
        ended = concluded => Ok(interrupted.unwrap_or_else(|| exit::code(&ended))),
        code = shutdown.as_mut(), if interrupted.is_none() => Ok(code),
    }
}
