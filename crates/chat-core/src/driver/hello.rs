//! The hello of a chat/1 caller, and the refusal of one that is not welcome.

use std::time::Duration;

use tokio::time::timeout;

use super::Connection;
use crate::transport::Stream;
use crate::wire::{Control, Frame, Hello, LineError, RefusalCode};

/// How long a chat/1 caller may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// Nothing came within 10 s, or the caller has hung up.
    #[error("the caller did not say hello")]
    Missing,
    /// What came first was something else.
    #[error("the caller's hello could not be read")]
    Malformed,
}

impl<S: Stream> Connection<S> {
    /// Receives the hello with which a chat/1 caller begins, within 10 s.
    ///
    /// # Errors
    /// There is none.
    pub async fn receive_hello(&mut self) -> Result<Hello, HelloError> {
        match timeout(HELLO_TIMEOUT, self.receive()).await {
            Ok(Ok(Some(Frame::Control(json)))) => match Control::parse(&json) {
                Ok(Some(Control::Hello(hello))) => Ok(hello),
                _ => Err(HelloError::Malformed),
            },
            Ok(Ok(Some(Frame::Text(_))) | Err(LineError::TooLong { .. })) => {
                Err(HelloError::Malformed)
            }
            // With a hang-up, the caller has changed its mind.
            _ => Err(HelloError::Missing),
        }
    }

    /// Tells a chat/1 caller why it is refused, and ends the connection.
    pub async fn refuse(mut self, code: RefusalCode) {
        self.push_control(&Control::Refused(code.into()));
        self.end().await;
    }
}
