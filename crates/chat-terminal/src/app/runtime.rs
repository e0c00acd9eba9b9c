//! The shared `main`: runtime, logging, exit code.

use std::future::Future;
use std::process::ExitCode;

use crate::app::args::CommonArgs;
use crate::app::sandbox::Sandbox;
use crate::app::{exit, logging, memory, version};
use crate::locale::Explain;
use crate::text::stderr;

/// Why a program fails: what the user reads, and the exit code.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    told: String,
}

impl Failure {
    /// A failure with this exit code, in one line of the locale.
    pub fn new(code: u8, told: String) -> Self {
        Self { code, told }
    }
}

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(exit::FAILED, error.explain())
    }
}

/// Runs `work` in the sandbox and returns its exit code. A failure is printed as one line on stderr.
/// `work` is pinned where it was made: it is large, and to move it would touch all of its memory.
pub fn run<F>(program: &str, args: &CommonArgs, sandbox: Sandbox, work: F) -> ExitCode
where
    F: Future<Output = Result<u8, Failure>> + Unpin,
{
    let code = start(program, args, sandbox, work).unwrap_or_else(|Failure { code, told }| {
        // If stderr is closed, the exit code still tells.
        stderr::tell(&format!("{program}: {told}"));
        code
    });
    ExitCode::from(code)
}

fn start<F>(program: &str, args: &CommonArgs, sandbox: Sandbox, work: F) -> Result<u8, Failure>
where
    F: Future<Output = Result<u8, Failure>>,
{
    logging::start(args)?;
    memory::keep_private();
    sandbox.enter();
    // An empty log would look like one that could not be written.
    tracing::info!(version = version::short(), "{program} starts");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let code = runtime.block_on(work);
    // A thread that is blocked on standard input must not keep the process alive.
    runtime.shutdown_background();
    code
}
