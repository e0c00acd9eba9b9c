//! Lines of `chat-file/1` on a blocking stream.

use std::io::{BufRead, Read, Write};

use aws_lc_rs::digest::Context;

use super::{FileViolation, TransferError};
use crate::wire::{CONTROL, FileLine, MAX_CONTROL, Sha256};

/// Reads a line.
///
/// # Errors
/// The connection failed, or the peer broke the rules.
pub(super) fn read(input: &mut impl BufRead) -> Result<FileLine, TransferError> {
    let mut line = Vec::new();
    let longest = MAX_CONTROL as u64 + 2;
    input.by_ref().take(longest).read_until(b'\n', &mut line)?;
    match line.split_last() {
        Some((b'\n', [CONTROL, json @ ..])) => {
            match FileLine::parse(json).map_err(FileViolation::from)? {
                FileLine::Refused(refusal) => Err(TransferError::Refused(refusal)),
                line => Ok(line),
            }
        }
        Some((b'\n', _)) => Err(FileViolation::Misplaced.into()),
        _ if line.len() as u64 == longest => Err(FileViolation::Endless.into()),
        _ => Err(TransferError::Connection(
            std::io::ErrorKind::UnexpectedEof.into(),
        )),
    }
}

/// Writes a line.
///
/// # Errors
/// The connection failed.
pub(super) fn write(output: &mut impl Write, line: &FileLine) -> Result<(), TransferError> {
    Ok(output.write_all(&line.to_line())?)
}

/// The hash so far.
pub(super) fn finish(hash: Context) -> Sha256 {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.finish().as_ref());
    crate::wire::Hex(bytes)
}

/// Adds a file to the hash of a list: its path and its size.
pub(super) fn list(hash: &mut Context, path: &str, size: u64) {
    hash.update(&(path.len() as u64).to_be_bytes());
    hash.update(path.as_bytes());
    hash.update(&size.to_be_bytes());
}
