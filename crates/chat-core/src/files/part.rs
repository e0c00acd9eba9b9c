//! A file that is not whole yet.

use std::fs::File;
use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// How much is hashed at once of what is there already, in bytes.
const CHUNK: usize = 128 * 1024;

/// A file that is not whole yet.
pub(super) struct Part {
    pub(super) file: File,
    pub(super) listed: Listed,
    pub(super) bytes: u64,
    pub(super) hash: Context,
}

/// A file in the list of a directory, written down before it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    /// What the sender calls it.
    pub(super) path: String,
    pub(super) size: u64,
    /// Where it is.
    pub(super) local: String,
}

impl Part {
    pub(super) fn new(file: File, listed: Listed) -> Self {
        Self {
            file,
            listed,
            bytes: 0,
            hash: Context::new(&SHA256),
        }
    }

    /// Goes on where the file ends.
    pub(super) fn resume(file: File, listed: Listed) -> io::Result<Self> {
        let mut part = Self::new(file, listed);
        if part.file.metadata()?.len() > part.listed.size {
            part.file.set_len(0)?;
        }
        let mut buffer = vec![0; CHUNK];
        loop {
            match part.file.read(&mut buffer)? {
                0 => return Ok(part),
                read => {
                    part.hash.update(&buffer[..read]);
                    part.bytes += read as u64;
                }
            }
        }
    }
}
