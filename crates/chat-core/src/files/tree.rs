//! A directory under way, and the list of its files.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};

use super::part::{Listed, Part};
use super::{Directory, FileName, FileViolation};
use crate::wire::NextFile;

/// The most components of a path.
const MAX_DEPTH: usize = 33;

/// A directory under way, and the list of its files.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Directory,
    pub(super) list: File,
}

impl Tree {
    /// The files that were begun. A line that was cut off is dropped: its file was not made yet.
    pub(super) fn read_list(&mut self) -> io::Result<Vec<Listed>> {
        let mut listed = Vec::new();
        let mut whole = 0;
        let mut reader = BufReader::new(&self.list);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            let Ok(file) = serde_json::from_slice(&line) else {
                break;
            };
            listed.push(file);
            whole += line.len() as u64;
            line.clear();
        }
        drop(reader);
        self.list.set_len(whole)?;
        self.list.seek(SeekFrom::End(0))?;
        Ok(listed)
    }

    /// Takes the last line back.
    pub(super) fn unlist(&mut self, last: &Listed) -> io::Result<()> {
        let length = self.list.metadata()?.len();
        let line = serde_json::to_vec(last)?.len() as u64 + 1;
        self.list.set_len(length.saturating_sub(line))?;
        self.list.seek(SeekFrom::End(0))?;
        Ok(())
    }

    /// Lists a file, then makes it under the first free name.
    pub(super) fn begin_file(
        &mut self,
        next: NextFile,
        components: &[FileName],
    ) -> io::Result<Part> {
        let Some((name, parents)) = components.split_last() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut place = String::new();
        for parent in parents {
            place.push_str(parent.as_str());
            self.root.make_directory(&place)?;
            place.push('/');
        }
        for n in 1..1_000 {
            let listed = Listed {
                local: format!("{place}{}", name.numbered(n)),
                path: next.path.clone(),
                size: next.size,
            };
            let mut line = serde_json::to_vec(&listed)?;
            line.push(b'\n');
            self.list.write_all(&line)?;
            match self.root.create(&listed.local) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.unlist(&listed)?
                }
                made => return Ok(Part::new(made?, listed)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// The components of a path, each made safe. One that leads elsewhere is refused: no honest
/// sender writes it.
pub(super) fn components(path: &str) -> Result<Vec<FileName>, FileViolation> {
    let components: Vec<_> = path.split('/').collect();
    let leads_away = |component: &&str| matches!(*component, "" | "." | "..");
    match components.len() > MAX_DEPTH || components.iter().any(leads_away) {
        true => Err(FileViolation::Path),
        false => Ok(components.into_iter().map(FileName::sanitize).collect()),
    }
}
