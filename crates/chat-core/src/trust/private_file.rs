//! Files that only their owner may touch, in a directory that only its owner may change.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How long to wait for a lock: its holder only writes one small file.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the lock is tried again.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Why a file or directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A symbolic link, whose target may change.
    #[error("{} is a symbolic link", .0.display())]
    Symlink(PathBuf),
    /// Not the kind of thing it should be.
    #[error("{} is no {wanted:?}", .path.display())]
    WrongKind {
        /// What is there.
        path: PathBuf,
        /// What should be there.
        wanted: FileKind,
    },
    /// Another user may read or change it.
    #[error("{} is open to other users, mode {mode:04o}", .path.display())]
    Exposed {
        /// What is there.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The permission bits that it should have.
        mend: u32,
    },
    /// Another user owns it.
    #[error("{} does not belong to user {user}", .path.display())]
    NotOwned {
        /// What is there.
        path: PathBuf,
        /// The id of the user who runs this program.
        user: u32,
    },
    /// Another program keeps it locked.
    #[error("{} is locked", .0.display())]
    Locked(PathBuf),
    /// The system refused.
    #[error("{}: {reason}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
}

/// What should be at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// A small file of the user's own, mode 0600, that is read and written as a whole.
#[derive(Clone, Debug)]
pub struct PrivateFile {
    path: PathBuf,
}

impl PrivateFile {
    /// The file of this name in `data_dir`, where the identity is. Makes the directory if it is
    /// not there.
    ///
    /// # Errors
    /// The directory is not the user's alone, or cannot be made.
    pub fn open(data_dir: &Path, name: &str) -> Result<Self, FileError> {
        private_dir(data_dir)?;
        Ok(Self {
            path: data_dir.join(name),
        })
    }

    /// Its bytes; none if there is no file.
    ///
    /// # Errors
    /// It is no file, others may read it, or it cannot be read.
    pub fn read(&self) -> Result<Vec<u8>, FileError> {
        Ok(read(&self.path)?.unwrap_or_default())
    }

    /// Reads, changes and writes it under a lock, so that no other program's change is lost; one
    /// without bytes is removed. Waits for other programs for up to 2 s.
    ///
    /// # Errors
    /// It cannot be read or written, or another program keeps it locked.
    pub fn update(&self, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<(), FileError> {
        let _lock = lock(&self.path.with_extension("lock"))?;
        let before = self.read()?;
        let after = change(&before);
        match after.is_empty() {
            _ if after == before => Ok(()),
            true => fs::remove_file(&self.path).map_err(at(&self.path)),
            false => replace(&self.path, &after).map(drop),
        }
    }
}

/// Adds the path to an I/O error.
fn at(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |reason| FileError::Io {
        path: path.to_owned(),
        reason,
    }
}

/// Makes the directory, with those above it, if it is not there; refuses one that others
/// may change.
pub(crate) fn private_dir(path: &Path) -> Result<(), FileError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => FileError::WrongKind {
            path: path.to_owned(),
            wanted: FileKind::Directory,
        },
        _ => at(path)(error),
    })?;
    let metadata = fs::metadata(path).map_err(at(path))?;
    only_owner(path, &metadata, 0o022, 0o700)
}

/// Differs when a file was replaced or written to, unless that took no measurable time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    inode: u64,
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(metadata),
        }
    }
}

/// The file's stamp, or nothing if there is no file.
///
/// Only called below a [`private_dir`], so nobody else can swap the file meanwhile.
pub(crate) fn stamp(path: &Path) -> Result<Option<Stamp>, FileError> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(at(path))?,
    };
    if metadata.is_symlink() {
        return Err(FileError::Symlink(path.to_owned()));
    }
    regular(path, &metadata)?;
    only_owner(path, &metadata, 0o077, 0o600)?;
    Ok(Some(Stamp::of(&metadata)))
}

/// The file's bytes, or nothing if there is no file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match stamp(path)? {
        Some(_) => fs::read(path).map(Some).map_err(at(path)),
        None => Ok(None),
    }
}

/// The file, to be read, or nothing if there is none. It is not locked.
pub(crate) fn open(path: &Path) -> Result<Option<File>, FileError> {
    match stamp(path)? {
        Some(_) => File::open(path).map(Some).map_err(at(path)),
        None => Ok(None),
    }
}

fn regular(path: &Path, metadata: &fs::Metadata) -> Result<(), FileError> {
    match metadata.is_file() {
        true => Ok(()),
        false => Err(FileError::WrongKind {
            path: path.to_owned(),
            wanted: FileKind::File,
        }),
    }
}

/// Makes the file, whole or not at all. If there is one already, it stays as it is.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let file = temporary(path, bytes)?;
    match file.persist_noclobber(path) {
        Err(lost) if lost.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(failed) => Err(at(path)(failed.error)),
        Ok(_) => sync_directory(path),
    }
}

/// Puts these bytes in the place of the file: a reader sees the old ones or the new ones.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<Stamp, FileError> {
    let file = temporary(path, bytes)?;
    let stamp = file.as_file().metadata().map_err(at(path))?;
    file.persist(path)
        .map_err(|failed| at(path)(failed.error))?;
    sync_directory(path)?;
    Ok(Stamp::of(&stamp))
}

/// Adds these bytes to a file that is there, safe on the disk. If that fails, a part of them may
/// have been added.
pub(crate) fn append(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let write = || {
        let mut file = OpenOptions::new().append(true).open(path)?;
        file.write_all(bytes)?;
        file.sync_data()
    };
    write().map_err(at(path))
}

/// Takes the lock, waiting at most 2 s for another program: a call may be on. Dropping the file
/// releases it.
pub(crate) fn lock(path: &Path) -> Result<File, FileError> {
    let file = open_lock(path)?;
    regular(path, &file.metadata().map_err(at(path))?)?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_TIMEOUT => {
                thread::sleep(LOCK_PAUSE);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(FileError::Locked(path.to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(at(path)(error)),
        }
    }
}

/// Opens a file that is there and takes its lock; `None` if another program has it. Dropping the
/// file releases it.
pub(crate) fn open_locked(path: &Path) -> Result<Option<File>, FileError> {
    let before = stamp(path)?;
    let file = try_lock(path)?;
    Ok(file.filter(|_| before.is_some()))
}

/// Takes the lock of a file, which is made if there is none; `None` if another has it. Dropping the
/// file releases it.
pub(crate) fn try_lock(path: &Path) -> Result<Option<File>, FileError> {
    let file = open_lock(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(at(path)(error)),
    }
    // Whoever had the lock until now may have replaced or removed the file.
    let opened = Stamp::of(&file.metadata().map_err(at(path))?);
    let same = stamp(path)? == Some(opened);
    Ok(same.then_some(file))
}

/// Opens the file, or makes it, without waiting: a FIFO would keep its opener for ever.
#[cfg(unix)]
fn open_lock(path: &Path) -> Result<File, FileError> {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;
    use rustix::io::Errno;

    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600).custom_flags(flags.bits().cast_signed());
    options.open(path).map_err(
        |error| match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::LOOP) => FileError::Symlink(path.to_owned()),
            _ => at(path)(error),
        },
    )
}

/// Opens the file, or makes it.
#[cfg(not(unix))]
fn open_lock(path: &Path) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    options.open(path).map_err(at(path))
}

/// A file beside `path` with mode 0600, safe on the disk.
fn temporary(path: &Path, bytes: &[u8]) -> Result<tempfile::NamedTempFile, FileError> {
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(directory(path))?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(at(path))
}

/// Makes a new name outlive a power cut.
#[cfg(unix)]
fn sync_directory(path: &Path) -> Result<(), FileError> {
    let directory = File::open(directory(path)).map_err(at(path))?;
    directory.sync_all().map_err(at(path))
}

/// On other systems directories cannot be opened as files.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> Result<(), FileError> {
    Ok(())
}

fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// Refuses what another user owns, or what has one of the `forbidden` permission bits.
#[cfg(unix)]
fn only_owner(
    path: &Path,
    metadata: &fs::Metadata,
    forbidden: u32,
    mend: u32,
) -> Result<(), FileError> {
    use std::os::unix::fs::MetadataExt;

    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        return Err(FileError::NotOwned {
            path: path.to_owned(),
            user,
        });
    }
    if metadata.mode() & forbidden != 0 {
        return Err(FileError::Exposed {
            path: path.to_owned(),
            mode: metadata.mode() & 0o7777,
            mend,
        });
    }
    Ok(())
}

/// On other systems the protection of the profile directory must suffice.
#[cfg(not(unix))]
fn only_owner(_: &Path, _: &fs::Metadata, _: u32, _: u32) -> Result<(), FileError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_kept_is_not_waited_for_for_ever() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let path = home.path().join("lock");
        let held = lock(&path).expect("nobody holds it");
        let error = lock(&path).expect_err("somebody does");
        assert!(matches!(error, FileError::Locked(_)), "{error}");
        drop(held);
        lock(&path).expect("nobody holds it any more");
    }

    #[test]
    fn a_file_that_cannot_be_made_is_an_error_unless_there_is_one() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let path = home.path().join("key");
        for bytes in [b"first", b"later"] {
            create(&path, bytes).expect("made, or there already");
        }
        assert_eq!(fs::read(&path).expect("a file"), b"first");
        let too_long = home.path().join("x".repeat(300));
        let error = create(&too_long, b"first").expect_err("no such name");
        assert!(matches!(error, FileError::Io { .. }), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn who_may_use_an_exposed_file_is_told_as_chmod_writes_it() {
        use std::os::unix::fs::PermissionsExt;

        let home = tempfile::tempdir().expect("a temporary directory");
        let path = home.path().join("key");
        create(&path, b"secret").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("my own file");
        let error = read(&path).expect_err("exposed");
        assert!(
            matches!(error, FileError::Exposed { mode: 0o644, .. }),
            "{error}"
        );
    }

    /// A FIFO once kept a program waiting for ever, and a link may lead to somebody else's file.
    #[cfg(unix)]
    #[test]
    fn a_lock_that_is_no_file_is_refused_at_once() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let path = home.path().join("lock");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo").success());
        let error = lock(&path).expect_err("a FIFO");
        assert!(matches!(error, FileError::WrongKind { .. }), "{error}");

        fs::remove_file(&path).expect("removed");
        let target = home.path().join("target");
        std::os::unix::fs::symlink(&target, &path).expect("a link");
        let error = lock(&path).expect_err("a link");
        assert!(matches!(error, FileError::Symlink(_)), "{error}");
        assert!(!target.exists());
    }
}
