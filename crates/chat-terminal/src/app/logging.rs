//! The log, on stderr or in a file.

use std::fs::File;
use std::io::IsTerminal;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::app::args::CommonArgs;
use crate::app::exit;
use crate::app::runtime::Failure;
use crate::locale;
use crate::screen::Screen;

/// Starts logging as the command line asks. `RUST_LOG` refines what is logged.
///
/// # Errors
/// The log file cannot be opened.
pub(crate) fn start(args: &CommonArgs) -> Result<(), Failure> {
    let level = match args.verbose {
        // Only the painter may write to the screen.
        _ if args.log_file.is_none() && is_on_screen() => return Ok(()),
        0 if args.log_file.is_none() => LevelFilter::OFF,
        0 | 1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .from_env_lossy();
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    match &args.log_file {
        Some(path) => {
            let file = File::options().create(true).append(true).open(path);
            let file =
                file.map_err(|error| Failure::new(exit::FAILED, locale::cannot_log(path, &error)))?;
            builder
                .with_ansi(false)
                .with_writer(Mutex::new(file))
                .init();
        }
        None => builder
            .with_ansi(args.color() && std::io::stderr().is_terminal())
            .with_writer(std::io::stderr)
            .init(),
    }
    Ok(())
}

/// Whether stderr is the terminal that is being painted.
fn is_on_screen() -> bool {
    std::io::stderr().is_terminal() && Screen::is_possible()
}
