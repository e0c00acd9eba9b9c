//! What is typed and outlives the program: the draft that was not sent, and, if the person wants
//! that, the lines that were.

use std::collections::BTreeMap;
use std::path::Path;

use chat_core::trust::{FileError, PrivateFile};

use crate::input::history::LIMIT;

/// What a person has typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Typed {
    /// What was not sent.
    pub(crate) draft: String,
    /// The other lines, the oldest first.
    pub(crate) lines: Vec<String>,
}

/// The files `drafts`, an object in JSON with a draft for each address, and `typed`, a string in
/// JSON for each line.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    address: String,
    /// `None` unless drafts are to be remembered.
    drafts: Option<PrivateFile>,
    /// `None` unless lines are to be remembered.
    typed: Option<PrivateFile>,
}

impl Memory {
    /// What is remembered in `data_dir` for a program that calls or listens at `address`.
    ///
    /// # Errors
    /// The directory is not the user's alone, or cannot be made.
    pub(crate) fn open(
        data_dir: &Path,
        address: String,
        drafts: bool,
        lines: bool,
    ) -> Result<Self, FileError> {
        let drafts = drafts.then(|| PrivateFile::open(data_dir, "drafts"));
        let typed = lines.then(|| PrivateFile::open(data_dir, "typed"));
        Ok(Self {
            address,
            drafts: drafts.transpose()?,
            typed: typed.transpose()?,
        })
    }

    /// What was typed last time.
    ///
    /// # Errors
    /// One of the files cannot be read.
    pub(crate) fn load(&self) -> Result<Typed, FileError> {
        let drafts = self.drafts.as_ref().map(PrivateFile::read).transpose()?;
        let mut drafts = parse_drafts(&drafts.unwrap_or_default());
        let typed = self.typed.as_ref().map(PrivateFile::read).transpose()?;
        Ok(Typed {
            draft: drafts.remove(&self.address).unwrap_or_default(),
            lines: parse_lines(&typed.unwrap_or_default()),
        })
    }

    /// Keeps what was typed this time: an empty draft is forgotten, the lines follow those before.
    ///
    /// # Errors
    /// One of the files cannot be written.
    pub(crate) fn save(&self, typed: &Typed) -> Result<(), FileError> {
        if let Some(file) = &self.drafts {
            file.update(|bytes| {
                let mut drafts = parse_drafts(bytes);
                match typed.draft.is_empty() {
                    true => drafts.remove(&self.address),
                    false => drafts.insert(self.address.clone(), typed.draft.clone()),
                };
                match drafts.is_empty() {
                    true => Vec::new(),
                    false => serde_json::to_vec(&drafts).expect("strings are JSON"),
                }
            })?;
        }
        let Some(file) = &self.typed else {
            return Ok(());
        };
        file.update(|bytes| {
            let mut lines = parse_lines(bytes);
            lines.extend(typed.lines.iter().cloned());
            let last = lines.iter().skip(lines.len().saturating_sub(LIMIT));
            let json = last.map(|line| serde_json::json!(line).to_string() + "\n");
            json.collect::<String>().into_bytes()
        })
    }
}

/// What cannot be read is dropped: the file is not for people.
fn parse_drafts(bytes: &[u8]) -> BTreeMap<String, String> {
    serde_json::from_slice(bytes).unwrap_or_default()
}

fn parse_lines(bytes: &[u8]) -> Vec<String> {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn typed(draft: &str, lines: &[&str]) -> Typed {
        Typed {
            draft: draft.to_owned(),
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        }
    }

    #[test]
    fn a_draft_is_kept_for_its_address_until_it_is_sent() {
        let home = tempfile::tempdir().expect("a directory");
        let open =
            |address: &str| Memory::open(home.path(), address.into(), true, false).expect("open");
        let (ann, bob) = (open("ann:7788"), open("bob:7788"));
        ann.save(&typed("to ann\n88", &["said"])).expect("saved");
        bob.save(&typed("to bob", &[])).expect("saved");
        assert_eq!(ann.load().expect("read"), typed("to ann\n88", &[]));
        let path = home.path().join("drafts");
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        ann.save(&typed("", &[])).expect("saved");
        assert_eq!(ann.load().expect("read"), typed("", &[]));
        assert_eq!(bob.load().expect("read"), typed("to bob", &[]));
        bob.save(&typed("", &[])).expect("saved");
        assert!(!path.exists(), "nothing is left to keep");
    }

    #[test]
    fn lines_of_two_programs_are_remembered() {
        let home = tempfile::tempdir().expect("a directory");
        let open = || Memory::open(home.path(), "ann:7788".into(), true, true).expect("open");
        for line in ["one", "two"] {
            open().save(&typed("", &[line])).expect("saved");
        }
        assert_eq!(open().load().expect("read").lines, ["one", "two"]);
    }
}
