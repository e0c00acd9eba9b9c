//! Where a program may write: in the user's directory of keys and calls, and where files arrive.
//!
//! It may read what the user may, for it sends any file that they name. The rules are those of
//! Landlock (landlock(7)); they hold for threads that are started later, and cannot be undone.

use std::path::PathBuf;

/// The directories beneath which a program writes, if it keeps to some.
#[derive(Clone, Debug, Default)]
pub struct Sandbox(Option<Vec<PathBuf>>);

impl Sandbox {
    /// Writes beneath these and the user's own directory alone, and starts no program.
    pub fn around(directories: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(Some(directories.into_iter().collect()))
    }

    /// None, for a program that starts another: that would be in it, too.
    pub fn none() -> Self {
        Self(None)
    }

    /// Enters it. Where that is not possible, that is only logged. To be called before there are
    /// other threads.
    pub(crate) fn enter(self) {
        let Some(directories) = self.0 else {
            tracing::info!("no sandbox: another program is to be started");
            return;
        };
        match confine(&directories) {
            Ok(true) => tracing::debug!(?directories, "writes nowhere else from now on"),
            Ok(false) => tracing::info!("no sandbox: this system has no Landlock"),
            Err(error) => tracing::info!(%error, "no sandbox"),
        }
    }
}

/// Returns whether this thread is confined now.
#[cfg(target_os = "linux")]
fn confine(directories: &[PathBuf]) -> Result<bool, landlock::RulesetError> {
    use landlock::{
        ABI, AccessFs, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, path_beneath_rules,
    };

    /// Of Linux 6.2. Older ones do what they can.
    const KNOWN: ABI = ABI::V3;
    /// The terminal, and where nothing is.
    const DEVICES: &str = "/dev";

    let write = AccessFs::from_write(KNOWN);
    let devices = path_beneath_rules([DEVICES], AccessFs::WriteFile);
    let status = Ruleset::default()
        .handle_access(write | AccessFs::Execute)?
        .create()?
        .add_rules(path_beneath_rules(directories, write))?
        .add_rules(devices)?
        .restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

/// Not on this system.
#[cfg(not(target_os = "linux"))]
fn confine(_: &[PathBuf]) -> Result<bool, std::convert::Infallible> {
    Ok(false)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::process::Command;
    use std::thread;

    use super::*;

    #[test]
    fn nothing_is_written_elsewhere_and_nothing_run() {
        let (home, elsewhere) = (tempfile::tempdir(), tempfile::tempdir());
        let (home, elsewhere) = (home.expect("ours"), elsewhere.expect("ours"));
        let theirs = elsewhere.path().join("theirs");
        fs::write(&theirs, "theirs").expect("written");
        let ours = home.path().join("ours");
        let new = elsewhere.path().join("new");
        // The rules are those of a thread.
        let confined = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                if !confine(&[home.path().to_owned()]).expect("rules") {
                    eprintln!("skipped: this system has no Landlock");
                    return;
                }
                let denied = |result: std::io::Result<()>| {
                    let error = result.expect_err("it is elsewhere");
                    let kinds = [ErrorKind::PermissionDenied, ErrorKind::CrossesDevices];
                    assert!(kinds.contains(&error.kind()), "{error}");
                };
                fs::create_dir(home.path().join("sub")).expect("beneath");
                fs::write(&ours, "ours").expect("beneath");
                fs::rename(&ours, home.path().join("sub/moved")).expect("beneath");
                fs::write("/dev/null", "nothing").expect("a device");
                assert_eq!(fs::read(&theirs).expect("to be sent"), b"theirs");
                denied(fs::write(&theirs, "ours now"));
                denied(fs::write(&new, "new"));
                denied(fs::create_dir(&new));
                denied(fs::remove_file(&theirs));
                denied(fs::rename(home.path().join("sub/moved"), &new));
                denied(std::os::unix::fs::symlink(&theirs, &new));
                denied(Command::new("/bin/sh").spawn().map(drop));
            });
            thread.join()
        });
        confined.expect("no panic");
        assert_eq!(fs::read(&theirs).expect("still there"), b"theirs");
    }
}
