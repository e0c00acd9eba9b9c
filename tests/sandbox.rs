//! The programs write where they said they would, even if somebody tricks them.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::symlink;

use chat_testkit::home;
use chat_testkit::process::{Process, program};

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
