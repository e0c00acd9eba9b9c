//! The log, on stderr or in a file.

use std::fs::{File, Permissions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Mutex;

use rustix::fs::OFlags;
use rustix::io::Errno;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::app::args::CommonArgs;
use crate::app::exit;
use crate::app::runtime::Failure;
use crate::locale;
use crate::screen::Screen;
use crate::text::sanitize;
use crate::text::stderr::Stderr;

/// The most bytes of a log file.
const MAX_FILE: u64 = 64 << 20;

/// The most columns of a line of the log.
const MAX_LINE: usize = 1_000;

/// Starts logging as the command line asks. `RUST_LOG` refines what is logged.
///
/// # Errors
/// The log file cannot be opened.
pub(crate) fn start(args: &CommonArgs) -> Result<(), Failure> {
    let level = match args.verbose {
        // Only the painter may write to the screen.
        _ if args.debug_log.is_none() && is_on_screen() => return Ok(()),
        // Nobody asks for a log: to be ready for one would take a part of each start.
        0 if args.debug_log.is_none() && !is_refined() => return Ok(()),
        0 if args.debug_log.is_none() => LevelFilter::OFF,
        0 | 1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .from_env_lossy();
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    match &args.debug_log {
        Some(path) => {
            let file = open(path).map_err(|error| {
                Failure::new(exit::FAILED, locale::text().log_error(path, &error))
            })?;
            builder.with_writer(Mutex::new(SafeLines(file))).init();
        }
        None if is_journal() => builder
            .with_writer(Journal)
            .with_ansi(false)
            .with_level(false)
            .without_time()
            .init(),
        None => builder.with_writer(|| SafeLines(Stderr)).init(),
    }
    Ok(())
}

/// Why a log file cannot be used.
#[derive(Debug)]
pub(crate) enum LogError {
    /// A symbolic link, which may lead to another file.
    Symlink,
    /// A device, a directory, a FIFO.
    NoFile,
    /// It has so many bytes, and takes no more.
    Full(u64),
    /// The system refused.
    Io(io::Error),
}

impl From<io::Error> for LogError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Whether stderr is the terminal that is being painted.
fn is_on_screen() -> bool {
    io::stderr().is_terminal() && Screen::is_possible()
}

/// Whether `RUST_LOG` says what is logged.
fn is_refined() -> bool {
    std::env::var_os(EnvFilter::DEFAULT_ENV).is_some()
}

/// Whether stderr goes to systemd's journal (systemd.exec(5), `JOURNAL_STREAM`).
fn is_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").ok();
    let stderr = rustix::fs::fstat(rustix::stdio::stderr()).ok();
    match (stream, stderr) {
        (Some(stream), Some(stderr)) => stream == format!("{}:{}", stderr.st_dev, stderr.st_ino),
        _ => false,
    }
}

/// Writes to the journal, which knows the time itself and takes the level from a prefix
/// (sd-daemon(3)).
struct Journal;

impl<'a> MakeWriter<'a> for Journal {
    type Writer = SafeLines<Prefixed<Stderr>>;

    fn make_writer(&'a self) -> Self::Writer {
        SafeLines(Prefixed("", Stderr))
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        let prefix = match *metadata.level() {
            Level::ERROR => "<3>",
            Level::WARN => "<4>",
            Level::INFO => "<6>",
            Level::DEBUG | Level::TRACE => "<7>",
        };
        SafeLines(Prefixed(prefix, Stderr))
    }
}

/// Writes each line after a prefix.
struct Prefixed<W>(&'static str, W);

impl<W: Write> Write for Prefixed<W> {
    /// Takes a whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.1.write_all(&[self.0.as_bytes(), line].concat())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.1.flush()
    }
}

/// Opens a log file to append to it: one that nobody else can read, and no link to another file.
fn open(path: &Path) -> Result<BoundedFile, LogError> {
    // A FIFO without a reader would be waited for.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = match opened {
        Err(error) if is_link(&error) => return Err(LogError::Symlink),
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(LogError::NoFile);
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    let room = MAX_FILE.saturating_sub(metadata.len());
    if room == 0 {
        return Err(LogError::Full(MAX_FILE));
    }
    Ok(BoundedFile { file, room })
}

/// Whether a file was not opened because of `O_NOFOLLOW`.
fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// A log file that does not fill the disk.
struct BoundedFile {
    file: File,
    /// How many bytes may still be written.
    room: u64,
}

impl Write for BoundedFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let length = line.len() as u64;
        if self.room >= length {
            self.room -= length;
            self.file.write_all(line)?;
        } else if self.room > 0 {
            self.room = 0;
            writeln!(
                self.file,
                "The log is full: {MAX_FILE} bytes. No more is written."
            )?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Makes each line safe for a terminal: what a peer said can be in it.
struct SafeLines<W>(W);

impl<W: Write> Write for SafeLines<W> {
    /// Takes the whole line of an event, as the subscriber writes it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = sanitize::line(text.strip_suffix('\n').unwrap_or(&text));
        let text = format!("{}\n", sanitize::cut(&text, MAX_LINE));
        self.0.write_all(text.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn mode(path: &Path) -> u32 {
        let metadata = fs::metadata(path).expect("it is there");
        metadata.permissions().mode() & 0o777
    }

    #[test]
    fn a_log_is_for_its_owner_alone() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let path = home.path().join("log");
        open(&path).expect("a new one");
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("it is ours");
        open(&path).expect("an old one");
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_log_is_a_file_and_no_way_to_another() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let (link, target) = (home.path().join("link"), home.path().join("target"));
        std::os::unix::fs::symlink(&target, &link).expect("a link");
        assert!(matches!(open(&link), Err(LogError::Symlink)));
        assert!(!target.exists());
        let refused = open(Path::new("/dev/null"));
        assert!(matches!(refused, Err(LogError::NoFile)));
    }

    #[test]
    fn a_log_ends_when_it_is_full() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let path = home.path().join("log");
        let mut log = open(&path).expect("a new one");
        log.room = 10;
        for line in ["12345678\n", "too long\n", "x\n"] {
            log.write_all(line.as_bytes()).expect("it takes everything");
        }
        let written = fs::read_to_string(&path).expect("it was written");
        assert!(
            written.starts_with("12345678\nThe log is full"),
            "{written}"
        );
        assert_eq!(written.lines().count(), 2);
        log.file.set_len(MAX_FILE).expect("it is ours");
        assert!(matches!(open(&path), Err(LogError::Full(MAX_FILE))));
    }

    #[test]
    fn what_a_peer_said_cannot_act_through_the_log() {
        let mut log = SafeLines(Vec::new());
        log.write_all("refused: \x1b[2J\u{202e}x\n12:00 INFO forged\n".as_bytes())
            .expect("it takes everything");
        let written = String::from_utf8(log.0).expect("it is text");
        assert_eq!(written, "refused: ␛[2J⟨U+202E⟩x␊12:00 INFO forged\n");
    }
}
