//! The programs write where they said they would, even if somebody tricks them.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;

use chat_testkit::home;
use chat_testkit::process::{Process, command, program};

/// A user without rights.
const NOBODY: u32 = 65534;

/// The directory for files becomes a link to another while the server runs.
#[tokio::test]
async fn files_arrive_where_they_should_or_nowhere() {
    let (bob, ann, elsewhere) = (home(), home(), home());
    let downloads = bob.path().join("downloads");
    let bobs_home = bob.path().join("home");
    let options = ["127.0.0.1:0", "-v", "--from-anyone", "--accept-files"];
    let arguments = [&options[..], &[downloads.to_str().expect("UTF-8")]].concat();
    let mut server = Process::start(&program("chat-server"), &bobs_home, &arguments);
    let address = server.listens().await.to_string();
    if server.seen.contains("no sandbox") {
        eprintln!("skipped: this system has no Landlock");
        return;
    }
    let file = ann.path().join("report.txt");
    fs::write(&file, "all is well").expect("written");
    let send = [&address, "--send-file", file.to_str().expect("UTF-8")];
    let client = || Process::start(&program("chat-client"), &ann.path().join("home"), &send);

    let sent = client().ends().await;
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let arrived = fs::read(downloads.join("report.txt")).expect("it arrived");
    assert_eq!(arrived, b"all is well");

    fs::rename(&downloads, bob.path().join("moved")).expect("ours");
    symlink(elsewhere.path(), &downloads).expect("ours");
    let refused = client().ends().await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let written = fs::read_dir(elsewhere.path()).expect("a directory").count();
    assert_eq!(written, 0, "nothing arrives elsewhere");
}

/// A program that is to start another is in no sandbox, and says so.
#[tokio::test]
async fn a_program_that_runs_another_says_that_it_is_in_no_sandbox() {
    let options = ["-v", "--on-call", "/bin/true"];
    let (server, _) = Process::server(&options).await;
    let told = "no sandbox: another program is to be started";
    assert!(server.seen.contains(told), "{}", server.seen);
}

/// The kernel gives what belongs to a program that nobody may trace to root (proc(5)). Whoever is
/// root is somebody else for this test, for root may read everything.
#[tokio::test]
async fn nobody_reads_the_memory_of_a_program_and_no_core_is_left() {
    let home = home();
    let mut command = command(&program("chat-server"), home.path(), &["127.0.0.1:0"]);
    if fs::metadata("/proc/self").expect("Linux").uid() == 0 {
        chown(home.path(), Some(NOBODY), Some(NOBODY)).expect("a home for somebody else");
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut server = match Process::spawn(&mut command) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            eprintln!("skipped: somebody else cannot run the program: {error}");
            return;
        }
        started => started.expect("the program starts"),
    };
    server.listens().await;
    let proc = Path::new("/proc").join(server.id().to_string());
    let memory = fs::metadata(proc.join("mem")).expect("it runs");
    assert_eq!(memory.uid(), 0, "others of the same user could read it");
    let limits = fs::read_to_string(proc.join("limits")).expect("it runs");
    let mut limits = limits.lines();
    let core = limits.find_map(|line| line.strip_prefix("Max core file size"));
    let core = core.expect("a limit").split_whitespace();
    assert_eq!(core.take(2).collect::<Vec<_>>(), ["0", "0"]);
}
