//! The directory in which files arrive. All work is done beneath one handle, by names that lead
//! nowhere else.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::FileName;

/// How often a name is tried with another number.
const MAX_NUMBER: u32 = 10_000;

/// An open directory.
#[derive(Debug)]
pub struct Directory {
    handle: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens the directory, and makes it if there is none.
    ///
    /// # Errors
    /// It cannot be made or opened, or is something else.
    pub fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            handle: rustix::fs::open(path, flags, Mode::empty())?,
            path: std::path::absolute(path)?,
        })
    }

    /// Where something in it is.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The bytes for which there is room.
    ///
    /// # Errors
    /// The file system does not tell.
    pub fn room(&self) -> io::Result<u64> {
        let space = rustix::fs::fstatvfs(&self.handle)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// Makes a file that is not there, without an execute bit.
    pub(super) fn create(&self, path: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        self.open_beneath(path, flags, Mode::from_raw_mode(0o666))
            .map(File::from)
    }

    /// Opens a regular file that is there, to go on with it; `None` if there is none.
    pub(super) fn reopen(&self, path: &str) -> io::Result<Option<File>> {
        // Without waiting: a FIFO would keep its opener for ever.
        let flags = OFlags::RDWR | OFlags::NONBLOCK;
        let file = match self.open_beneath(path, flags, Mode::empty()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => File::from(opened?),
        };
        match file.metadata()?.is_file() {
            true => Ok(Some(file)),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Makes a directory, unless it is there.
    pub(super) fn make_directory(&self, path: &str) -> io::Result<()> {
        let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
        let parent = self.open_directory(parent)?;
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o777)) {
            // If it is something else, what is made in it fails.
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A directory in this one.
    pub(super) fn enter(&self, path: &str) -> io::Result<Self> {
        Ok(Self {
            handle: self.open_directory(path)?,
            path: self.path_of(path),
        })
    }

    fn open_directory(&self, path: &str) -> io::Result<OwnedFd> {
        self.open_beneath(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
    }

    /// Gives what is there as `from` the first free name of these: the wish, or the wish with a
    /// number. Nothing is ever replaced. Returns the name.
    pub(super) fn publish(&self, from: &str, wish: &FileName) -> io::Result<FileName> {
        for n in 1..MAX_NUMBER {
            let name = wish.numbered(n);
            match self.rename_to_free(from, name.as_str()) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                renamed => return renamed.map(|()| name),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn rename_to_free(&self, from: &str, to: &str) -> io::Result<()> {
        let handle = &self.handle;
        match rustix::fs::renameat_with(handle, from, handle, to, RenameFlags::NOREPLACE) {
            // File systems without it: a hard link and a new directory replace nothing either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            renamed => return Ok(renamed?),
        }
        match rustix::fs::linkat(handle, from, handle, to, AtFlags::empty()) {
            Ok(()) => Ok(rustix::fs::unlinkat(handle, from, AtFlags::empty())?),
            // Directories have no links, and some file systems have none at all.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::ISDIR) => {
                if self.enter(from).is_ok() {
                    rustix::fs::mkdirat(handle, to, Mode::from_raw_mode(0o777))?;
                } else {
                    self.create(to)?;
                }
                Ok(rustix::fs::renameat(handle, from, handle, to)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a file or a directory with all that is in it; nothing there is fine.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
        let inside = self.enter(name)?;
        let entries: Vec<_> = rustix::fs::Dir::read_from(&inside.handle)?.collect();
        for entry in entries {
            let entry = entry?;
            match entry.file_name().to_str() {
                Ok("." | "..") => {}
                Ok(name) => inside.remove(name)?,
                Err(_) => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(rustix::fs::unlinkat(
            &self.handle,
            name,
            AtFlags::REMOVEDIR,
        )?)
    }

    /// Makes new names outlive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.handle)?)
    }

    /// Makes all that was written beneath it outlive a power cut: one wait instead of one for
    /// each file.
    #[cfg(target_os = "linux")]
    pub(super) fn sync_all(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.handle)?)
    }

    /// Opens what is beneath this directory, and follows no link on the way.
    fn open_beneath(&self, path: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::ResolveFlags;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            match rustix::fs::openat2(&self.handle, path, flags, mode, resolve) {
                // An old kernel, or a sandbox that does not know the call.
                Err(Errno::NOSYS | Errno::PERM) => {}
                opened => return Ok(opened?),
            }
        }
        self.open_step_by_step(path, flags, mode)
    }

    /// The same where there is no `openat2`: each component by itself.
    fn open_step_by_step(&self, path: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let way = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (parents, name) = match path.rsplit_once('/') {
            Some((parents, name)) => (Some(parents), name),
            None => (None, path),
        };
        let mut at = None;
        for component in parents.into_iter().flat_map(|parents| parents.split('/')) {
            let from = at.as_ref().unwrap_or(&self.handle);
            at = Some(rustix::fs::openat(
                from,
                beneath(component)?,
                way,
                Mode::empty(),
            )?);
        }
        let from = at.as_ref().unwrap_or(&self.handle);
        Ok(rustix::fs::openat(from, beneath(name)?, flags, mode)?)
    }
}

/// Refuses a component that leads elsewhere.
fn beneath(component: &str) -> io::Result<&str> {
    match component {
        "" | ".." => Err(io::ErrorKind::InvalidInput.into()),
        _ => Ok(component),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn directory() -> (tempfile::TempDir, Directory) {
        let home = tempfile::tempdir().expect("a temporary directory");
        let directory = Directory::open(&home.path().join("in")).expect("a directory");
        (home, directory)
    }

    #[test]
    fn nothing_leads_out_of_the_directory() {
        let (home, directory) = directory();
        fs::write(home.path().join("secret"), "x").expect("a file");
        symlink(home.path(), directory.path_of("out")).expect("a link");
        symlink(home.path().join("secret"), directory.path_of("link")).expect("a link");
        let flags = OFlags::RDWR | OFlags::CREATE;
        let absolute = home.path().join("secret").display().to_string();
        for path in [
            "../secret",
            "out/secret",
            "link",
            "a/../../secret",
            &absolute,
            "out",
        ] {
            let mode = Mode::from_raw_mode(0o666);
            assert!(directory.open_beneath(path, flags, mode).is_err(), "{path}");
            let stepwise = directory.open_step_by_step(path, flags | OFlags::NOFOLLOW, mode);
            assert!(stepwise.is_err(), "{path}");
        }
        directory.remove("out").expect("the link alone is removed");
        assert!(home.path().join("secret").exists());
    }

    #[test]
    fn nothing_is_replaced_or_executable() {
        let (_home, directory) = directory();
        let name = FileName::sanitize("report.pdf");
        for (n, wanted) in ["report.pdf", "report (2).pdf", "report (3).pdf"]
            .iter()
            .enumerate()
        {
            directory.create(".part").expect("a new file");
            assert!(directory.create(".part").is_err(), "it is there");
            fs::write(directory.path_of(".part"), n.to_string()).expect("written");
            let named = directory.publish(".part", &name).expect("a free name");
            assert_eq!(named.as_str(), *wanted);
            let path = directory.path_of(wanted);
            assert_eq!(fs::read_to_string(&path).expect("there"), n.to_string());
            let mode = fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o111, 0);
        }
        directory.make_directory("photos").expect("made");
        directory.make_directory("new").expect("made");
        directory.make_directory("new/deep").expect("made");
        directory.create("new/deep/x").expect("made");
        let named = directory.publish("new", &FileName::sanitize("photos"));
        assert_eq!(named.expect("a free name").as_str(), "photos (2)");
        directory.remove("photos (2)").expect("removed");
        assert!(!directory.path_of("photos (2)").exists());
    }
}
