//! The program that is run when a call comes, so that a person who is elsewhere learns of it.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chat_core::protocol::Peer;
use chat_core::trust::{Security, Verification};
use chat_terminal::locale;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::limits::RateLimiter;

/// How many may run at once for strangers, and as many for friends.
const AT_ONCE: usize = 2;

/// Calls that are told of at once, of strangers and of friends.
const BURST: u32 = 5;

/// After that, one in this time.
const REFILL_EVERY: Duration = Duration::from_secs(10);

/// How long one may run.
const TIME: Duration = Duration::from_secs(60);

/// Runs a program for each call, within limits: anybody can call any number of times.
#[derive(Debug)]
pub(crate) struct OnCall {
    program: PathBuf,
    strangers: Allowance,
    /// Of their own, so that no flood of strangers keeps a friend's call quiet.
    friends: Allowance,
}

#[derive(Debug)]
struct Allowance {
    running: Arc<Semaphore>,
    rate: Mutex<RateLimiter>,
}

impl Allowance {
    fn new() -> Self {
        Self {
            running: Arc::new(Semaphore::new(AT_ONCE)),
            rate: Mutex::new(RateLimiter::new(BURST, REFILL_EVERY)),
        }
    }
}

impl OnCall {
    pub(crate) fn new(program: PathBuf) -> Self {
        Self {
            program,
            strangers: Allowance::new(),
            friends: Allowance::new(),
        }
    }

    /// Runs the program for the call of `peer`, beside everything else. Needs a runtime.
    pub(crate) fn run(&self, peer: &Peer, is_friend: bool) {
        let allowance = match is_friend {
            true => &self.friends,
            false => &self.strangers,
        };
        let Ok(permit) = Arc::clone(&allowance.running).try_acquire_owned() else {
            tracing::warn!("too many programs of --on-call still run");
            return;
        };
        let mut rate = allowance
            .rate
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if rate.try_acquire().is_none() {
            tracing::info!("calls come too often to run --on-call for each");
            return;
        }
        let mut command = self.command(peer);
        tokio::spawn(async move {
            run(&mut command).await;
            drop(permit);
        });
    }

    /// No shell sees what the caller chose, and there are no arguments that it could be one of.
    fn command(&self, peer: &Peer) -> Command {
        let (key, trust) = match &peer.security {
            Security::Plaintext => (None, "plaintext"),
            Security::NoKey { .. } => (None, "no-key"),
            Security::Key {
                fingerprint,
                verification,
            } => (
                Some(fingerprint.to_string()),
                match verification {
                    Verification::New => "new",
                    Verification::Unverified => "unverified",
                    Verification::Verified => "verified",
                },
            ),
        };
        let mut command = Command::new(&self.program);
        command
            .env("CHAT_CALLER_NAME", locale::plain_name(peer))
            .env("CHAT_CALLER_KEY", key.unwrap_or_default())
            .env("CHAT_CALLER_TRUST", trust)
            .env("CHAT_CALLER_ADDRESS", &peer.address)
            .env_remove("NOTIFY_SOCKET")
            // Standard output is for messages, and the terminal for the screen.
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        command
    }
}

/// Runs it to its end, or ends it when its time is over.
async fn run(command: &mut Command) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return tracing::warn!(%error, "--on-call cannot be run"),
    };
    match timeout(TIME, child.wait()).await {
        Ok(Ok(status)) if status.success() => {}
        Ok(Ok(status)) => tracing::warn!(%status, "--on-call failed"),
        Ok(Err(error)) => tracing::warn!(%error, "--on-call was lost"),
        Err(_) => {
            tracing::warn!("--on-call ran for too long, and was ended");
            if let Err(error) = child.kill().await {
                tracing::warn!(%error, "--on-call cannot be ended");
            }
        }
    }
}
