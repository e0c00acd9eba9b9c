//! Both programs as processes: what they say of keys, with which exit code, and what stock
//! tools make of them.

#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use chat_testkit::process::{Process, program};
use chat_testkit::{TLS_CALLER, a_port, home, soon};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// Where nobody listens: a port for which a user needs rights.
const NOBODY: &str = "127.0.0.1:1";

fn chat_client() -> PathBuf {
    program("chat-client")
}

fn chat_server() -> PathBuf {
    program("chat-server")
}

fn call(home: &TempDir, arguments: &[&str]) -> Process {
    Process::start(&chat_client(), home.path(), arguments)
}

/// A server that waits for calls, where it does, and its key.
async fn serve(home: &TempDir, arguments: &[&str]) -> (Process, String, String) {
    serve_on("127.0.0.1:0", home, arguments).await
}

async fn serve_on(on: &str, home: &TempDir, more: &[&str]) -> (Process, String, String) {
    let arguments = [&[on], more].concat();
    let mut server = Process::start(&chat_server(), home.path(), &arguments);
    let address = server.listens().await.to_string();
    let key = server.tells("--peer-key SHA256:").await;
    let key = key.rsplit(' ').next().expect("a key").to_owned();
    (server, address, key)
}

/// An ordinary call, after which the two know each other.
async fn have_met(ann: &TempDir, bob: &TempDir) -> String {
    let (mut server, address, _) = serve(bob, &["--name", "bob", "--once"]).await;
    let mut client = call(ann, &[&address, "--name", "ann"]);
    let anns = client.tells("Safety number").await;
    let bobs = server.tells("Safety number").await;
    assert_eq!(anns, bobs);
    assert!(!anns.contains('/'), "a pipe takes no commands: {anns}");
    assert!(client.seen.contains("new, unverified"), "{}", client.seen);
    assert!(server.seen.contains("new, unverified"), "{}", server.seen);
    assert_eq!(client.hangs_up().await.code, Some(0));
    assert_eq!(server.ends().await.code, Some(0));
    address
}

fn known_peers(home: &TempDir) -> String {
    fs::read_to_string(home.path().join("known_peers")).expect("a file")
}

#[tokio::test]
async fn programs_that_start_at_once_have_one_key() {
    let home = home();
    let path = home.path().join("new");
    let mut servers: Vec<_> = (0..4)
        .map(|_| Process::start(&chat_server(), &path, &["127.0.0.1:0"]))
        .collect();
    let mut keys = Vec::new();
    for server in &mut servers {
        keys.push(server.tells("--peer-key").await);
    }
    keys.dedup();
    assert_eq!(keys.len(), 1, "{keys:?}");
    let pipeline = "openssl pkey -in \"$0\" -pubout -outform DER | \
                    openssl dgst -sha256 -binary | base64";
    let identity = path.join("identity");
    let identity = identity.to_str().expect("UTF-8");
    if Process::tool("openssl", &["version"]).is_none() {
        return;
    }
    let mut shell = Process::tool("sh", &["-c", pipeline, identity]).expect("a shell");
    let fingerprint = shell.next_line().await;
    assert!(keys[0].ends_with(&fingerprint), "{keys:?}: {fingerprint}");
}

/// Runs the command with which a refusal ends.
async fn mend(refusal: &str) {
    let (_, command) = refusal.rsplit_once(": ").expect("a command");
    let mended = Command::new("sh").args(["-c", command]).status();
    assert!(mended.await.expect("a shell").success(), "{command}");
}

#[tokio::test]
async fn a_bad_identity_is_refused_with_the_command_that_mends_it() {
    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).expect("written");
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
    }
    fn loosen(path: &Path) {
        fs::set_permissions(path, Permissions::from_mode(0o644)).expect("chmod");
    }
    fn link(path: &Path) {
        fs::rename(path, path.with_extension("real")).expect("renamed");
        symlink(path.with_extension("real"), path).expect("a link");
    }
    fn empty(path: &Path) {
        write(path, "", 0o600);
    }
    fn garbage(path: &Path) {
        write(path, "garbage\n", 0o600);
    }
    let spoil: [fn(&Path); 4] = [loosen, link, empty, garbage];
    for (spoil, command) in spoil.iter().zip(["chmod 600 ", "rm ", "rm ", "mv "]) {
        for (program, argument) in [(chat_client(), NOBODY), (chat_server(), "127.0.0.1:0")] {
            let home = home();
            let identity = home.path().join("identity");
            Process::start(&chat_client(), home.path(), &[NOBODY])
                .ends()
                .await;
            spoil(&identity);
            let refused = Process::start(&program, home.path(), &[argument])
                .ends()
                .await;
            assert_eq!(refused.code, Some(1), "{refused:?}");
            let line = refused.one_line();
            assert!(line.contains(identity.to_str().expect("UTF-8")), "{line}");
            assert!(line.contains(&format!(": {command}")), "{line}");
            mend(line).await;
            let tried = Process::start(&chat_client(), home.path(), &[NOBODY])
                .ends()
                .await;
            assert!(tried.one_line().contains("cannot reach"), "{tried:?}");
        }
    }
}

#[tokio::test]
async fn known_peers_that_others_may_read_are_refused() {
    let home = home();
    let path = home.path().join("known_peers");
    fs::write(&path, "").expect("written");
    fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("chmod");
    for (program, argument) in [(chat_client(), NOBODY), (chat_server(), "127.0.0.1:0")] {
        let refused = Process::start(&program, home.path(), &[argument])
            .ends()
            .await;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.one_line().contains(": chmod 600 "), "{refused:?}");
    }
}

#[tokio::test]
async fn lines_that_cannot_be_read_are_named_and_kept() {
    let (ann, bob) = (home(), home());
    let mess = "# friends\r\n\r\nbob ed25519 nonsense 2026-01-02 verified\r\nto do\n";
    for home in [&ann, &bob] {
        let path = home.path().join("known_peers");
        fs::write(&path, mess).expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("chmod");
    }
    let mut server = Process::start(&chat_server(), bob.path(), &["127.0.0.1:0", "--once"]);
    server.tells("known_peers, line 3 is skipped").await;
    server.tells("known_peers, line 4 is skipped").await;
    let address = server.listens().await.to_string();
    let mut client = call(&ann, &[&address]);
    client.tells("known_peers, line 3 is skipped").await;
    client.tells("known_peers, line 4 is skipped").await;
    client.tells("Safety number").await;
    client.hangs_up().await;
    server.ends().await;
    for home in [&ann, &bob] {
        let after = known_peers(home);
        let added = after.strip_prefix(mess).expect("as it was");
        assert_eq!(added.lines().count(), 1, "{added}");
    }
}

#[tokio::test]
async fn a_changed_key_is_refused_by_the_client_until_it_is_forgotten() {
    let (ann, bob, new_bob) = (home(), home(), home());
    let address = have_met(&ann, &bob).await;
    let known = known_peers(&ann);
    let known: Vec<_> = known.split_whitespace().collect();
    let (mut server, _, new_key) = serve_on(&address, &new_bob, &["--name", "bob"]).await;
    server.types("a secret of the server\n").await;

    let mut client = call(&ann, &[&address]);
    client.types("a secret\n").await;
    let refused = client.ends().await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let line = refused.one_line();
    let forget = "chat-client --forget bob";
    for part in [known[2], &new_key, &format!("since {}", known[3]), forget] {
        assert!(line.contains(part), "{part}: {line}");
    }

    let forgotten = call(&ann, &["--forget", "bob"]).ends().await;
    assert_eq!(forgotten.code, Some(0), "{forgotten:?}");
    assert!(forgotten.one_line().contains(known[2]), "{forgotten:?}");
    let nobody = call(&ann, &["--forget", "bob"]).ends().await;
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.one_line().contains("nobody named bob"), "{nobody:?}");

    let mut client = call(&ann, &[&address]);
    client.types("it is me\n").await;
    server.prints("it is me").await;
    client.prints("a secret of the server").await;
    assert_eq!(client.hangs_up().await.code, Some(0));

    let forgotten = call(&ann, &["--forget", &new_key]).ends().await;
    assert_eq!(forgotten.code, Some(0), "{forgotten:?}");
    assert!(forgotten.one_line().contains("bob"), "{forgotten:?}");
    let nobody = call(&ann, &["--forget", &new_key]).ends().await;
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
}

#[tokio::test]
async fn a_changed_key_is_refused_by_the_server_which_goes_on() {
    let (ann, new_ann, bob) = (home(), home(), home());
    have_met(&ann, &bob).await;
    // Only the name of who was verified is kept for them.
    let verified = known_peers(&bob).replace("unverified", "verified");
    fs::write(bob.path().join("known_peers"), verified).expect("written");
    let (mut server, address, _) = serve(&bob, &["--name", "bob"]).await;
    let mut client = call(&new_ann, &[&address, "--name", "ann"]);
    client.types("a secret\n").await;
    let refused = client.ends().await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(3), ""));
    assert!(refused.stderr.contains("refused the call"), "{refused:?}");
    let told = server.tells("Refused a call").await;
    assert!(told.contains("chat-server --forget ann"), "{told}");
    assert_eq!(told.matches("SHA256:").count(), 2, "{told}");

    let mut client = call(&ann, &[&address, "--name", "somebody else"]);
    client.types("it is me\n").await;
    server.prints("it is me").await;
    client.hangs_up().await;
    assert!(!server.seen.contains("a secret"), "{}", server.seen);

    let forgotten = Process::start(&chat_server(), bob.path(), &["--forget", "ann"]);
    assert_eq!(forgotten.ends().await.code, Some(0));
    let mut client = call(&new_ann, &[&address, "--name", "ann"]);
    client.tells("new, unverified").await;
    client.hangs_up().await;
}

#[tokio::test]
async fn a_demanded_key_is_the_only_one() {
    let (ann, bob, mallory) = (home(), home(), home());
    let (_server, address, key) = serve(&bob, &[]).await;
    let mut client = call(&ann, &[&address, "--peer-key", &key]);
    client.tells("Safety number").await;
    assert_eq!(client.hangs_up().await.code, Some(0));

    let (mut server, address, _) = serve(&mallory, &["--once"]).await;
    let mut client = call(&ann, &[&address, "--peer-key", &key]);
    client.types("a secret\n").await;
    let refused = client.ends().await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.one_line().contains(&key), "{refused:?}");
    let carol = home();
    let mut next = call(&carol, &[&address]);
    next.types("hello\n").await;
    server.prints("hello").await;

    let wrong = call(&ann, &[&address, "--peer-key", "SHA256:x"]);
    assert_eq!(wrong.ends().await.code, Some(2));
}

#[tokio::test]
async fn an_address_that_withheld_its_number_is_tried_again_when_told_to() {
    let (ann, bob) = (home(), home());
    let (_server, address, key) = serve(&bob, &[]).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("it is after 1970").as_secs();
    let path = ann.path().join("first_contacts");
    fs::write(&path, format!("{address} {now} {now} {now}\n")).expect("a file");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("my own file");
    let refused = call(&ann, &[&address]).ends().await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let told = refused.one_line();
    assert!(told.contains("somebody may be in between"), "{told}");
    assert!(told.ends_with("--try-again"), "{told}");

    let mut client = call(&ann, &[&address, "--peer-key", &key]);
    client.tells("Safety number").await;
    assert_eq!(client.hangs_up().await.code, Some(0));
    assert_eq!(call(&ann, &[&address]).ends().await.code, Some(3));
    let mut client = call(&ann, &[&address, "--try-again"]);
    client.tells("Safety number").await;
    assert_eq!(client.hangs_up().await.code, Some(0));
    assert_eq!(fs::read_to_string(&path).expect("a file"), "");
}

#[tokio::test]
async fn known_only_leaves_strangers_outside() {
    let (ann, bob, carol) = (home(), home(), home());
    have_met(&ann, &bob).await;
    let (mut server, address, _) = serve(&bob, &["--known-only"]).await;
    let mut stranger = call(&carol, &[&address, "--name", "stranger"]);
    stranger.types("let me in\n").await;
    let refused = stranger.ends().await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(3), ""));
    let mut client = call(&ann, &[&address]);
    client.types("it is me\n").await;
    server.prints("it is me").await;
    client.hangs_up().await;
}

/// Takes one call, says a line, and answers all it hears.
async fn plaintext_server(listener: TcpListener) -> Vec<u8> {
    let (mut stream, _) = soon(listener.accept()).await.expect("a caller");
    stream.write_all(b"hello?\n").await.expect("written");
    stream.shutdown().await.expect("an open stream");
    let mut heard = Vec::new();
    // However it ends: what came is what counts.
    drop(soon(stream.read_to_end(&mut heard)).await);
    heard
}

#[tokio::test]
async fn a_plaintext_server_is_not_spoken_to_unless_it_is_meant() {
    let ann = home();
    let (listener, address) = a_port().await;
    let address = address.to_string();
    let mut client = call(&ann, &[&address, "--name", "ann"]);
    client.types("a secret\n").await;
    let (heard, refused) = tokio::join!(plaintext_server(listener), client.ends());
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.one_line().contains("--plain"), "{refused:?}");
    assert_eq!(heard[0], 22, "a TLS handshake");
    let heard = String::from_utf8_lossy(&heard);
    assert!(!heard.contains("ann") && !heard.contains("secret"));

    let listener = TcpListener::bind(&address).await.expect("the same port");
    let mut client = call(&ann, &[&address, "--plain"]);
    client.types("no secret\n").await;
    let talk = async {
        client.prints("hello?").await;
        client.hangs_up().await
    };
    let (heard, ended) = tokio::join!(plaintext_server(listener), talk);
    assert_eq!(String::from_utf8_lossy(&heard), "no secret\n88");
    assert!(ended.stderr.contains("NOT ENCRYPTED"), "{ended:?}");
}

#[tokio::test]
async fn a_known_address_is_never_called_without_its_key() {
    let (ann, bob) = (home(), home());
    let address = have_met(&ann, &bob).await;
    let refused = call(&ann, &[&address, "--plain"]).ends().await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let line = refused.one_line();
    assert!(!line.contains("--forget"), "{line}");

    let port = address.rsplit(':').next().expect("a port");
    let Some(mut server) = Process::tool("ncat", &["-v", "--ssl", "-l", "127.0.0.1", port]) else {
        return;
    };
    server.tells("Listening on").await;
    let mut client = call(&ann, &[&address]);
    client.types("a secret\n").await;
    let refused = client.ends().await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    refused.one_line();
    assert_eq!(server.ends().await.stdout, "");
}

/// Lets a tool call a server and exchanges a line each way.
async fn tool_calls(options: &[&str], mark: &str, program: &str, arguments: &[&str]) {
    let bob = home();
    let (mut server, address, _) = serve(&bob, &[options, &["--once"]].concat()).await;
    let (host, port) = address.split_once(':').expect("a port");
    let filled: Vec<_> = arguments
        .iter()
        .map(|argument| match *argument {
            "HOST" => host,
            "PORT" => port,
            "ADDRESS" => &address,
            other => other,
        })
        .collect();
    let Some(mut tool) = Process::tool(program, &filled) else {
        return;
    };
    tool.types("你好 from a tool\n").await;
    server.prints("你好 from a tool").await;
    server.tells(mark).await;
    server.types("hello tool\n").await;
    tool.prints("hello tool").await;
    let ended = server.hangs_up().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
}

const NO_KEY: &str = "encrypted, no key";

#[tokio::test]
async fn openssl_s_client_calls() {
    let arguments = ["s_client", "-quiet", "-connect", "ADDRESS"];
    tool_calls(&[], NO_KEY, "openssl", &arguments).await;
}

#[tokio::test]
async fn ncat_calls() {
    tool_calls(&[], NO_KEY, "ncat", &["--ssl", "HOST", "PORT"]).await;
}

#[tokio::test]
async fn python_calls() {
    let arguments = ["-c", TLS_CALLER, "HOST", "PORT"];
    tool_calls(&[], NO_KEY, "python3", &arguments).await;
}

#[tokio::test]
async fn nc_calls_where_plain_text_is_allowed() {
    let options = ["--allow-plain"];
    tool_calls(&options, "NOT ENCRYPTED", "nc", &["HOST", "PORT"]).await;
}

#[tokio::test]
async fn nc_is_told_what_to_do_where_it_is_not() {
    let bob = home();
    let (_server, address, _) = serve(&bob, &[]).await;
    let (host, port) = address.split_once(':').expect("a port");
    let Some(mut nc) = Process::tool("nc", &[host, port]) else {
        return;
    };
    nc.types("hello\n").await;
    let line = nc.next_line().await;
    assert!(line.contains("--allow-plain"), "{line}");
    drop(nc.stdin.take());
    assert_eq!(nc.ends().await.stdout, "");
}

/// Calls a stock TLS server and exchanges a line each way.
async fn calls_tool(tool: &mut Process, address: &str) {
    let ann = home();
    let mut client = call(&ann, &[address]);
    client.types("hello 工具\n").await;
    loop {
        // s_server tells about the session first.
        let line = tool.next_line().await;
        if line == "hello 工具" {
            break;
        }
    }
    client.tells(NO_KEY).await;
    tool.types("hello to you\n").await;
    client.prints("hello to you").await;
    let ended = client.hangs_up().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn openssl_s_server_is_called() {
    let files = home();
    let path = |name: &str| files.path().join(name).to_string_lossy().into_owned();
    let (key, certificate) = (path("key"), path("certificate"));
    let request = ["req", "-x509", "-nodes", "-subj", "/CN=stock", "-newkey"];
    let kind = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let made = ["-keyout", &key, "-out", &certificate];
    let Some(maker) = Process::tool("openssl", &[&request[..], &kind, &made].concat()) else {
        return;
    };
    assert_eq!(maker.ends().await.code, Some(0));
    let serve = ["s_server", "-naccept", "1", "-accept", "127.0.0.1:0"];
    let files = ["-key", &key, "-cert", &certificate];
    let mut server = Process::tool("openssl", &[&serve[..], &files].concat()).expect("openssl");
    let address = loop {
        let line = server.next_line().await;
        if let Some(address) = line.strip_prefix("ACCEPT ") {
            break address.to_owned();
        }
    };
    calls_tool(&mut server, &address).await;
}

#[tokio::test]
async fn ncat_is_called() {
    // ncat does not tell which port it was given, so it gets one that was free just now.
    let (free, address) = a_port().await;
    drop(free);
    let (address, port) = (address.to_string(), address.port().to_string());
    let arguments = ["-v", "--ssl", "-l", "127.0.0.1", &port];
    let Some(mut server) = Process::tool("ncat", &arguments) else {
        return;
    };
    server.tells("Listening on").await;
    calls_tool(&mut server, &address).await;
}

#[tokio::test]
async fn a_port_scan_leaves_a_call_alone() {
    let (ann, bob) = (home(), home());
    let (mut server, address, _) = serve(&bob, &["--once"]).await;
    let mut client = call(&ann, &[&address]);
    client.types("before\n").await;
    server.prints("before").await;
    for _ in 0..20 {
        drop(TcpStream::connect(&address).await.expect("a server"));
    }
    client.types("after\n").await;
    server.prints("after").await;
    let ended = client.hangs_up().await;
    assert_eq!(ended.code, Some(0));
    assert_eq!(server.ends().await.code, Some(0));
}

#[tokio::test]
async fn a_file_arrives_as_it_was_written() {
    let (ann, bob) = (home(), home());
    let (mut server, address, _) = serve(&bob, &["--once"]).await;
    drop(server.stdin.take());
    let mut client = call(&ann, &[&address, "--send-only"]);
    let file = "DOS\r\n88\r\n\r\nUnix\n\u{1}x\nlast\r\n";
    client.types(file).await;
    drop(client.stdin.take());
    assert_eq!(client.ends().await.code, Some(0));
    let ended = server.ends().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), file));
}
