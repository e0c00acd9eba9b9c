//! What a program is around its own work: a runtime, a log, an exit code.

use std::future::Future;
use std::process::ExitCode;

use crate::args::CommonArgs;
use crate::exit;

/// Runs `work` to its exit code. An error becomes one line on stderr and exit code 1.
pub fn run<F>(program: &str, args: &CommonArgs, work: F) -> ExitCode
where
    F: Future<Output = anyhow::Result<u8>>,
{
    let code = args.start_logging().and_then(|()| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build()?;
        let code = runtime.block_on(work);
        // A thread that still waits for standard input must not keep the process.
        runtime.shutdown_background();
        code
    });
    match code {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{program}: {error:#}");
            ExitCode::from(exit::FAILED)
        }
    }
}
