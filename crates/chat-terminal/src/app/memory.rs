//! What is in memory, the key and what was said, stays there.

/// Sees to it that a crash leaves no core dump, and on Linux that no other program of this user
/// reads the memory (proc(5), ptrace(2)). What the system does not allow is only logged.
#[cfg(unix)]
pub(crate) fn keep_private() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::debug!(%error, "core dumps are not forbidden");
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};

        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::debug!(%error, "the memory is not kept from other programs");
        }
    }
}

/// Not on this system.
#[cfg(not(unix))]
pub(crate) fn keep_private() {}
