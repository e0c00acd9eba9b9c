//! What a program is around its own work: a runtime, a log, an exit code.

use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::app::args::CommonArgs;
use crate::app::{exit, logging};
use crate::text::sanitize;

/// Why a program ends before its time: what to say, and the exit code.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    /// A failure with an exit code of its own.
    pub fn new(code: u8, error: impl Into<anyhow::Error>) -> Self {
        Self {
            code,
            error: error.into(),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(exit::FAILED, error)
    }
}

/// Runs `work` to its exit code. A failure becomes one line on stderr.
pub fn run<F>(program: &str, args: &CommonArgs, work: F) -> ExitCode
where
    F: Future<Output = Result<u8, Failure>>,
{
    let code = start(program, args, work).unwrap_or_else(|Failure { code, error }| {
        let error = format!("{error:#}");
        // If nobody reads it, the exit code still tells.
        let _ = writeln!(io::stderr(), "{program}: {}", sanitize::line(&error));
        code
    });
    ExitCode::from(code)
}

fn start<F>(program: &str, args: &CommonArgs, work: F) -> Result<u8, Failure>
where
    F: Future<Output = Result<u8, Failure>>,
{
    logging::start(args)?;
    // A log that stays empty cannot be told from one that is not written.
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "{program} starts");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let code = runtime.block_on(work);
    // A thread that still waits for standard input must not keep the process.
    runtime.shutdown_background();
    code
}
