//! How many file descriptors this process may have, and how many of them strangers may use.

use super::handshakes::MAX_HANDSHAKES;

/// Descriptors that strangers never use: those of the call that is on, of the terminal, of the
/// log, and of the files that are opened for a moment.
const RESERVE: usize = 48;

/// With fewer handshakes at a time than this, nobody would get through.
const MIN_HANDSHAKES: usize = 8;

/// How many handshakes may be under way, so that the reserve is kept with `backlog` callers
/// waiting.
pub(crate) fn handshakes(backlog: usize) -> usize {
    let free = limit().saturating_sub(RESERVE.saturating_add(backlog));
    free.clamp(MIN_HANDSHAKES, MAX_HANDSHAKES)
}

/// Lets this process have as many descriptors as the system allows it. Does nothing if it may not.
#[cfg(unix)]
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of descriptors stays as it is");
    }
}

#[cfg(unix)]
fn limit() -> usize {
    use rustix::process::{Resource, getrlimit};

    let current = getrlimit(Resource::Nofile).current;
    current.map_or(usize::MAX, |limit| limit.try_into().unwrap_or(usize::MAX))
}

/// Other systems have no such limit.
#[cfg(not(unix))]
pub fn raise_descriptor_limit() {}

#[cfg(not(unix))]
fn limit() -> usize {
    usize::MAX
}
