//! What is sent: a file, or a directory as a list of files.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use super::{MAX_FILES, Progress, TransferError, lines};
use crate::wire::{FileLine, Have, NextFile};

/// How much is read at once, in bytes.
const CHUNK: usize = 128 * 1024;

/// How deep a directory is looked into.
const MAX_DEPTH: usize = 32;

/// A file or a directory, as it was when it was offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    path: PathBuf,
    directory: bool,
    files: Vec<Listed>,
    size: u64,
}

/// A file of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    /// Beneath the directory, with `/` between the components; empty for a single file.
    path: String,
    size: u64,
}

impl Source {
    /// Looks at what is there. Of a directory all regular files count, in the order of their
    /// names; links, devices and what has no name in Unicode are left out.
    ///
    /// # Errors
    /// There is nothing that can be sent, or more than [`MAX_FILES`].
    pub fn scan(path: &Path) -> Result<Self, TransferError> {
        let unreadable = |reason| TransferError::Unreadable {
            path: path.to_owned(),
            reason,
        };
        let path = std::path::absolute(path).map_err(unreadable)?;
        let metadata = fs::metadata(&path).map_err(unreadable)?;
        let mut source = Self {
            directory: metadata.is_dir(),
            files: Vec::new(),
            size: 0,
            path,
        };
        if metadata.is_file() {
            // What cannot be read is told before it is offered.
            File::open(&source.path).map_err(unreadable)?;
            source.add(String::new(), metadata.len())?;
        } else if metadata.is_dir() {
            source.walk("", 0)?;
        }
        match source.files.is_empty() {
            true => Err(TransferError::Nothing(source.path)),
            false => Ok(source),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is called.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The bytes of all files.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The number of files in a directory; nothing for a single file.
    pub fn files(&self) -> Option<u64> {
        self.directory.then_some(self.files.len() as u64)
    }

    fn add(&mut self, path: String, size: u64) -> Result<(), TransferError> {
        if self.files.len() as u64 == MAX_FILES {
            return Err(TransferError::TooMany(self.path.clone()));
        }
        self.size += size;
        self.files.push(Listed { path, size });
        Ok(())
    }

    fn walk(&mut self, beneath: &str, depth: usize) -> Result<(), TransferError> {
        let place = self.path.join(beneath);
        let unreadable = |reason| TransferError::Unreadable {
            path: place.clone(),
            reason,
        };
        let mut entries = Vec::new();
        for entry in fs::read_dir(&place).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if let Ok(name) = entry.file_name().into_string() {
                entries.push((name, entry));
            }
        }
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (name, entry) in entries {
            let path = match beneath {
                "" => name,
                beneath => format!("{beneath}/{name}"),
            };
            let kind = entry.file_type().map_err(unreadable)?;
            if kind.is_file() {
                let size = entry.metadata().map_err(unreadable)?.len();
                self.add(path, size)?;
            } else if kind.is_dir() && depth < MAX_DEPTH {
                self.walk(&path, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Sends all that the receiver does not have, and the hash of each file.
    ///
    /// # Errors
    /// The connection failed, or the source is not what it was.
    pub fn send(
        &self,
        have: &Have,
        output: &mut impl Write,
        progress: &Progress,
    ) -> Result<(), TransferError> {
        let (first, bytes) = self.agreed(have);
        let before: u64 = self.files[..first].iter().map(|file| file.size).sum();
        progress.set(before);
        let mut buffer = vec![0; CHUNK];
        for (index, file) in self.files.iter().enumerate().skip(first) {
            let resumed = (index == first && bytes > 0).then_some((bytes, have));
            self.send_file(index, file, resumed, &mut buffer, output, progress)?;
        }
        Ok(output.flush()?)
    }

    /// From which file and byte to go on. From the very first if the lists are not the same.
    fn agreed(&self, have: &Have) -> (usize, u64) {
        let listed = have.files.saturating_add(u64::from(have.bytes > 0));
        let known = usize::try_from(listed).ok();
        let Some(files) = known.and_then(|known| self.files.get(..known)) else {
            return (0, 0);
        };
        let mut hash = Context::new(&SHA256);
        for file in files {
            lines::list(&mut hash, &file.path, file.size);
        }
        match lines::finish(hash) == have.list {
            true => (have.files as usize, have.bytes),
            false => (0, 0),
        }
    }

    fn send_file(
        &self,
        index: usize,
        listed: &Listed,
        resumed: Option<(u64, &Have)>,
        buffer: &mut [u8],
        output: &mut impl Write,
        progress: &Progress,
    ) -> Result<(), TransferError> {
        let path = match self.directory {
            true => self.path.join(&listed.path),
            false => self.path.clone(),
        };
        let mut reader = Reader::open(path)?;
        if reader.size != listed.size {
            return Err(TransferError::Changed(reader.path));
        }
        let mut hash = Context::new(&SHA256);
        let mut from = 0;
        if let Some((bytes, have)) = resumed.filter(|(bytes, _)| *bytes <= listed.size) {
            reader.read(bytes, buffer, |chunk| {
                hash.update(chunk);
                Ok(())
            })?;
            if lines::finish(hash.clone()) == have.sha256 {
                from = bytes;
                progress.set(progress.done() + bytes);
            } else {
                hash = Context::new(&SHA256);
                reader.rewind()?;
            }
        }
        let next = NextFile {
            index: index as u64,
            path: listed.path.clone(),
            size: listed.size,
            from,
        };
        lines::write(output, &FileLine::Next(next))?;
        reader.read(listed.size - from, buffer, |chunk| {
            hash.update(chunk);
            output.write_all(chunk)?;
            progress.add(chunk.len());
            Ok(())
        })?;
        reader.ends()?;
        let sha256 = lines::finish(hash);
        if !self.directory {
            progress.sha256.get_or_init(|| sha256);
        }
        lines::write(output, &FileLine::Sha256(sha256))
    }
}

/// A file that is read from its beginning to its end, and must not change its length.
struct Reader {
    file: File,
    path: PathBuf,
    size: u64,
}

impl Reader {
    fn open(path: PathBuf) -> Result<Self, TransferError> {
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?, file)));
        match opened {
            Ok((metadata, file)) => Ok(Self {
                size: metadata.len(),
                file,
                path,
            }),
            Err(reason) => Err(TransferError::Unreadable { path, reason }),
        }
    }

    /// Passes the next so many bytes on.
    fn read(
        &mut self,
        mut left: u64,
        buffer: &mut [u8],
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), TransferError> {
        while left > 0 {
            let most = buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = self.file.read(&mut buffer[..most]);
            match read.map_err(|reason| self.unreadable(reason))? {
                0 => return Err(TransferError::Changed(self.path.clone())),
                read => {
                    take(&buffer[..read])?;
                    left -= read as u64;
                }
            }
        }
        Ok(())
    }

    /// Makes sure that nothing was appended meanwhile.
    fn ends(&mut self) -> Result<(), TransferError> {
        let read = self.file.read(&mut [0]);
        match read.map_err(|reason| self.unreadable(reason))? {
            0 => Ok(()),
            _ => Err(TransferError::Changed(self.path.clone())),
        }
    }

    fn rewind(&mut self) -> Result<(), TransferError> {
        let rewound = self.file.seek(SeekFrom::Start(0));
        rewound.map_err(|reason| self.unreadable(reason))?;
        Ok(())
    }

    fn unreadable(&self, reason: io::Error) -> TransferError {
        TransferError::Unreadable {
            path: self.path.clone(),
            reason,
        }
    }
}
