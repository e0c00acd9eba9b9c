//! What arrives: bytes beneath one directory, under a name of this program until they are whole
//! and right.

use std::io::{self, BufRead, Write};
#[cfg(not(target_os = "linux"))]
use std::path::PathBuf;

use aws_lc_rs::digest::{Context, SHA256};

use super::error::unwritable;
use super::part::{Listed, Part};
use super::tree::{Tree, components};
use super::{
    Complete, Directory, Expected, FileName, FileViolation, Progress, TransferError, lines,
};
use crate::wire::{FileLine, Have, NextFile, Sha256};

/// What is added to the name of a file whose hash is wrong.
const DAMAGED: &str = ".damaged";

/// A transfer on the receiver's side.
pub struct Incoming {
    directory: Directory,
    expected: Expected,
    /// Of a directory.
    tree: Option<Tree>,
    /// How many files are whole.
    files: u64,
    /// The bytes of those.
    bytes: u64,
    /// The hash of their list.
    list: Context,
    current: Option<Part>,
}

impl Incoming {
    /// Finds out what is there of it already, which may take the time to read it.
    ///
    /// # Errors
    /// The directory cannot be used, or has not enough room.
    pub fn open(directory: Directory, expected: Expected) -> Result<Self, TransferError> {
        let here = directory.path_of("");
        let mut incoming = Self {
            directory,
            expected,
            tree: None,
            files: 0,
            bytes: 0,
            list: Context::new(&SHA256),
            current: None,
        };
        let found = match incoming.expected.files {
            None => incoming.find_file(),
            Some(_) => incoming.find_tree(),
        };
        found.map_err(unwritable(here.clone()))?;
        let needed = incoming.expected.size.saturating_sub(incoming.done());
        let room = incoming.directory.room().map_err(unwritable(here))?;
        match needed > room {
            true => Err(TransferError::NoSpace { needed, room }),
            false => Ok(incoming),
        }
    }

    fn find_file(&mut self) -> io::Result<()> {
        if let Some(file) = self.directory.reopen(&self.expected.part())? {
            let listed = Listed {
                path: String::new(),
                size: self.expected.size,
                local: self.expected.part(),
            };
            self.current = Some(Part::resume(file, listed)?);
        }
        Ok(())
    }

    fn find_tree(&mut self) -> io::Result<()> {
        let (part, list) = (self.expected.part(), self.expected.list());
        self.directory.make_directory(&part)?;
        let list = match self.directory.reopen(&list)? {
            Some(list) => list,
            None => self.directory.create(&list)?,
        };
        let mut tree = Tree {
            root: self.directory.enter(&part)?,
            list,
        };
        let mut listed = tree.read_list()?;
        // It was listed, and then not made: its place is that of an earlier file.
        if let Some((last, earlier)) = listed.split_last()
            && earlier.iter().any(|file| file.local == last.local)
        {
            tree.unlist(last)?;
            listed.pop();
        }
        let mut listed = listed.into_iter().peekable();
        while let Some(file) = listed.next() {
            if listed.peek().is_some() {
                self.files += 1;
                self.bytes += file.size;
                lines::list(&mut self.list, &file.path, file.size);
            } else if let Some(found) = tree.root.reopen(&file.local)? {
                self.current = Some(Part::resume(found, file)?);
            } else {
                let made = tree.root.create(&file.local)?;
                self.current = Some(Part::resume(made, file)?);
            }
        }
        self.tree = Some(tree);
        Ok(())
    }

    /// How many bytes are there.
    pub fn done(&self) -> u64 {
        self.bytes + self.current.as_ref().map_or(0, |current| current.bytes)
    }

    /// What the sender is told of that.
    pub fn have(&self) -> Have {
        let mut list = self.list.clone();
        let (bytes, sha256) = match &self.current {
            Some(current) if current.bytes > 0 => {
                lines::list(&mut list, &current.listed.path, current.listed.size);
                (current.bytes, current.hash.clone())
            }
            _ => (0, Context::new(&SHA256)),
        };
        Have {
            files: self.files,
            list: lines::finish(list),
            bytes,
            sha256: lines::finish(sha256),
        }
    }

    /// Receives the rest, and makes sure that it is what the sender had and on the disk.
    ///
    /// # Errors
    /// The connection or the disk failed, or what came is wrong.
    pub fn receive(
        mut self,
        input: &mut impl BufRead,
        progress: &Progress,
    ) -> Result<Complete, TransferError> {
        progress.set(self.done());
        let files = self.expected.files.unwrap_or(1);
        while self.files < files {
            let FileLine::Next(next) = lines::read(input)? else {
                return Err(FileViolation::Misplaced.into());
            };
            self.begin(next)?;
            progress.set(self.done());
            self.copy(input, progress)?;
            let FileLine::Sha256(sha256) = lines::read(input)? else {
                return Err(FileViolation::Misplaced.into());
            };
            self.finish_file(sha256, progress)?;
        }
        if self.bytes != self.expected.size {
            return Err(FileViolation::TooLittle.into());
        }
        // All is there; how the sender ends does not matter, unless it goes on.
        if matches!(input.fill_buf(), Ok([_, ..])) {
            return Err(FileViolation::TooMuch.into());
        }
        let here = self.directory.path_of(&self.expected.part());
        self.sync().map_err(unwritable(here))?;
        Ok(Complete {
            directory: self.directory,
            expected: self.expected,
        })
    }

    /// A file begins, or goes on.
    fn begin(&mut self, next: NextFile) -> Result<(), TransferError> {
        let here = self.directory.path_of(&self.expected.part());
        if next.index == 0 && self.files > 0 {
            // The source is another one now.
            self.begin_anew().map_err(unwritable(here.clone()))?;
        } else if next.index != self.files {
            return Err(FileViolation::Misplaced.into());
        }
        if next.size > self.expected.size - self.bytes {
            return Err(FileViolation::TooMuch.into());
        }
        if self.expected.files.is_none()
            && (!next.path.is_empty() || next.size != self.expected.size)
        {
            return Err(FileViolation::TooLittle.into());
        }
        let goes_on = self.current.as_ref().is_some_and(|current| {
            (
                current.listed.path.as_str(),
                current.listed.size,
                current.bytes,
            ) == (next.path.as_str(), next.size, next.from)
        });
        if goes_on {
            return Ok(());
        }
        if next.from != 0 {
            return Err(FileViolation::Misplaced.into());
        }
        let components = match &self.tree {
            Some(_) => components(&next.path)?,
            None => Vec::new(),
        };
        self.begin_file(next, &components).map_err(unwritable(here))
    }

    fn begin_file(&mut self, next: NextFile, components: &[FileName]) -> io::Result<()> {
        let old = self.current.take();
        let Some(tree) = &mut self.tree else {
            if old.is_some() {
                self.directory.remove(&self.expected.part())?;
            }
            let file = self.directory.create(&self.expected.part())?;
            let listed = Listed {
                path: next.path,
                size: next.size,
                local: self.expected.part(),
            };
            self.current = Some(Part::new(file, listed));
            return Ok(());
        };
        if let Some(old) = old {
            tree.root.remove(&old.listed.local)?;
            tree.unlist(&old.listed)?;
        }
        self.current = Some(tree.begin_file(next, components)?);
        Ok(())
    }

    fn begin_anew(&mut self) -> io::Result<()> {
        self.current = None;
        self.tree = None;
        self.expected.discard(&self.directory)?;
        (self.files, self.bytes) = (0, 0);
        self.list = Context::new(&SHA256);
        self.find_tree()
    }

    /// Takes the bytes of the present file, and not one more.
    fn copy(&mut self, input: &mut impl BufRead, progress: &Progress) -> Result<(), TransferError> {
        let Some(current) = &mut self.current else {
            return Err(FileViolation::Misplaced.into());
        };
        while current.bytes < current.listed.size {
            let chunk = input.fill_buf()?;
            if chunk.is_empty() {
                return Err(TransferError::Connection(
                    io::ErrorKind::UnexpectedEof.into(),
                ));
            }
            let left = current.listed.size - current.bytes;
            let most = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let chunk = &chunk[..most];
            let here = || self.directory.path_of(&current.listed.local);
            current.file.write_all(chunk).map_err(unwritable(here()))?;
            current.hash.update(chunk);
            current.bytes += most as u64;
            progress.add(most);
            input.consume(most);
        }
        Ok(())
    }

    fn finish_file(&mut self, sha256: Sha256, progress: &Progress) -> Result<(), TransferError> {
        let Some(current) = self.current.take() else {
            return Err(FileViolation::Misplaced.into());
        };
        if lines::finish(current.hash) != sha256 {
            return Err(self.keep_aside());
        }
        if self.tree.is_none() {
            progress.sha256.get_or_init(|| sha256);
            let here = self.directory.path_of(&self.expected.part());
            current.file.sync_all().map_err(unwritable(here))?;
        }
        #[cfg(not(target_os = "linux"))]
        current
            .file
            .sync_all()
            .map_err(unwritable(PathBuf::new()))?;
        lines::list(&mut self.list, &current.listed.path, current.listed.size);
        self.files += 1;
        self.bytes += current.listed.size;
        Ok(())
    }

    /// Gives what is wrong a name that says so.
    fn keep_aside(&mut self) -> TransferError {
        let name = self.expected.name.with_suffix(DAMAGED);
        let part = self.expected.part();
        let kept = match self.directory.publish(&part, &name) {
            Ok(name) => self.directory.path_of(name.as_str()),
            Err(_) => self.directory.path_of(&part),
        };
        if let Err(error) = self.directory.remove(&self.expected.list()) {
            tracing::debug!(%error, "the list of a damaged directory stays");
        }
        TransferError::WrongHash { kept }
    }

    fn sync(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Some(tree) = &self.tree {
            return tree.root.sync_all();
        }
        self.directory.sync()
    }
}
