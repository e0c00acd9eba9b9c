//! Two machines in one local network: namespaces of the kernel, joined by a cable. Skipped, with a
//! word, where this user may not make them.

#![cfg(target_os = "linux")]

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use chat_testkit::process::{Process, program};
use chat_testkit::{home, soon};
use tempfile::TempDir;
use tokio::time::sleep;

/// The process whose namespace is the other machine.
const OTHER: &str = "CHAT_TEST_OTHER_MACHINE";

/// Makes the network, then runs what follows in it. Without IPv6, whose own packets would be
/// counted.
const NETWORK: &str = r#"
    set -e
    quiet() { echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 || true; ip link set lo up; }
    quiet
    unshare -n sleep 600 &
    export CHAT_TEST_OTHER_MACHINE=$!
    trap 'kill $CHAT_TEST_OTHER_MACHINE' EXIT
    until [ "$(readlink /proc/$CHAT_TEST_OTHER_MACHINE/ns/net)" != "$(readlink /proc/self/ns/net)" ]
    do sleep 0.05; done
    nsenter -n -t $CHAT_TEST_OTHER_MACHINE sh -c "$(declare -f quiet); quiet"
    ip link add here type veth peer name there netns $CHAT_TEST_OTHER_MACHINE
    ip addr add 10.77.0.1/24 dev here
    ip link set here up
    nsenter -n -t $CHAT_TEST_OTHER_MACHINE sh -c '
        ip addr add 10.77.0.2/24 dev there; ip link set there up'
    "$@"
"#;

/// The process of the other machine; without one, the test of this name runs in a network of its
/// own, and this one has nothing left to do.
fn other_machine(test: &str) -> Option<String> {
    if let Ok(other) = env::var(OTHER) {
        return Some(other);
    }
    let may = Command::new("unshare").args(["-rn", "true"]).status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this user may not make a network (unshare -rn)");
        return None;
    }
    let this = env::current_exe().expect("this program");
    let status = Command::new("unshare")
        .args(["-rn", "bash", "-c", NETWORK, "network"])
        .arg(this)
        .args(["--exact", test, "--nocapture"])
        .status();
    let status = status.expect("unshare was there before");
    assert!(status.success(), "in a network of its own: {status}");
    None
}

/// Starts a server on the other machine.
async fn serve(other: &str, home: &TempDir, options: &[&str]) -> Process {
    let server = program("chat-server");
    let server = server.to_str().expect("UTF-8");
    let arguments = [&["-n", "-t", other, server], options].concat();
    let mut server = Process::start(Path::new("nsenter"), home.path(), &arguments);
    server.tells("Waiting for a call").await;
    server
}

fn call(home: &TempDir, arguments: &[&str]) -> Process {
    Process::start(&program("chat-client"), home.path(), arguments)
}

async fn list(home: &TempDir) -> String {
    call(home, &["--list"]).ends().await.stdout
}

/// The list once it holds this: whoever begins to announce looks for a second whether the name is
/// taken (RFC 6762, section 8.1).
async fn listed(home: &TempDir, words: &str) -> String {
    loop {
        let list = list(home).await;
        if list.contains(words) {
            return list;
        }
    }
}

/// The packets that this machine has sent to the other.
fn sent() -> u64 {
    let devices = fs::read_to_string("/proc/self/net/dev").expect("counters");
    let here = devices
        .lines()
        .find_map(|line| line.trim().strip_prefix("here:"));
    let fields: Vec<_> = here.expect("a device").split_whitespace().collect();
    fields[9].parse().expect("a number")
}

#[tokio::test]
async fn a_friend_is_found_although_the_address_has_changed() {
    let test = "a_friend_is_found_although_the_address_has_changed";
    let Some(other) = other_machine(test) else {
        return;
    };
    let (ann, bob) = (home(), home());
    let announced = ["--announce", "--name", "ann"];
    let server = serve(&other, &ann, &announced).await;
    let near = soon(listed(&bob, "10.77.0.2:7788")).await;
    assert!(near.contains("“ann”"), "{near}");

    let mut client = call(&bob, &["10.77.0.2", "--name", "bob"]);
    client.tells("Safety number").await;
    client.hangs_up().await;
    server.signal("TERM").await;
    server.ends().await;

    let moved = "ip addr add 10.77.0.3/24 dev there; ip addr del 10.77.0.2/24 dev there;
                 ip addr replace 10.77.0.3/24 dev there";
    let status = Command::new("nsenter")
        .args(["-n", "-t", &other, "sh", "-c", moved])
        .status();
    assert!(status.expect("nsenter").success());
    let mut server = serve(&other, &ann, &announced).await;
    let near = soon(listed(&bob, "10.77.0.3:7788")).await;
    assert!(near.contains("ann ") && !near.contains("“ann”"), "{near}");

    let mut client = call(&bob, &["ann", "--name", "bob"]);
    client.types("found you\n").await;
    server.prints("found you").await;
    client.hangs_up().await;
    let known = fs::read_to_string(bob.path().join("known_peers")).expect("a file");
    assert!(
        known.starts_with("ann,10.77.0.3:7788,10.77.0.2:7788 "),
        "{known}"
    );

    server.signal("TERM").await;
    server.ends().await;
    let gone = list(&bob).await;
    assert_eq!(gone.lines().count(), 1, "nobody is near any more: {gone}");
}

#[tokio::test]
async fn not_one_packet_is_sent_unasked() {
    let Some(other) = other_machine("not_one_packet_is_sent_unasked") else {
        return;
    };
    let (ann, bob, carol) = (home(), home(), home());
    let _elsewhere = serve(&other, &carol, &["--announce"]).await;
    // Whoever starts listens, and calls, on this machine alone.
    let mut server = Process::start(&program("chat-server"), ann.path(), &["--name", "ann"]);
    let before = sent();
    server.tells("Waiting for a call").await;
    let mut client = call(&bob, &[]);
    client.tells("Safety number").await;
    client.hangs_up().await;
    // By a name that is a known peer, who is where she was.
    let mut client = call(&bob, &["ann"]);
    client.tells("Call with ann").await;
    client.hangs_up().await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(sent(), before);
    list(&bob).await;
    assert!(sent() > before, "a list asks");
}
