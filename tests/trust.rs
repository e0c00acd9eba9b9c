//! Real handshakes: who gets through, as whom, and who does not.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use chat_core::transport::{
    ALPN, HANDSHAKE_TIMEOUT, PeerKind, SecureStream, TlsEndpoint, TlsError,
};
use chat_core::trust::{Identity, KnownPeers};
use chat_testkit::TLS_CALLER;
use chat_testkit::anybody::Anybody;
use rustls::client::ResolvesClientCert;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::Acceptor;
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion, ServerConfig, SignatureScheme,
    SupportedProtocolVersion, version,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// How long a stock tool may take to print what it must.
const PATIENCE: Duration = Duration::from_secs(20);

/// A user of the programs, with a key in a directory of their own.
struct User {
    home: TempDir,
    identity: Identity,
    tls: TlsEndpoint,
}

fn user() -> User {
    let home = tempfile::tempdir().expect("a directory");
    let identity = Identity::open(home.path()).expect("an identity");
    let tls = TlsEndpoint::new(&identity).expect("a certificate");
    User {
        home,
        identity,
        tls,
    }
}

fn pipe() -> (DuplexStream, DuplexStream) {
    duplex(64 * 1024)
}

type Encrypted = SecureStream<DuplexStream>;

/// One user calls another.
async fn call(caller: &User, callee: &User) -> (Encrypted, Encrypted) {
    let (near, far) = pipe();
    let (dialed, called) = tokio::join!(caller.tls.connect(near), callee.tls.accept(far));
    (dialed.expect("connected"), called.expect("accepted"))
}

async fn accepts(callee: &User, stream: DuplexStream) -> Result<Encrypted, TlsError> {
    callee.tls.accept(stream).await
}

/// A certificate and its key, of a type that stock tools use.
fn stock_certificate() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = rcgen::KeyPair::generate().expect("an ECDSA key");
    let params = rcgen::CertificateParams::default();
    let certificate = params.self_signed(&key).expect("a certificate");
    (certificate.into(), key.into())
}

/// Shows this certificate, whether or not the key belongs to it.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl Shows {
    fn new(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> Self {
        Self::chain(vec![certificate], key)
    }

    fn chain(certificates: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        let key = aws_lc_rs::sign::any_supported_type(&key).expect("a key");
        Self(Arc::new(CertifiedKey::new(certificates, key)))
    }
}

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Settings of a client that is none of ours.
fn foreign_client(
    version: &'static SupportedProtocolVersion,
    shows: Option<Shows>,
    alpn: &[&[u8]],
) -> ClientConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    foreign_client_with(provider, version, shows, alpn)
}

fn foreign_client_with(
    provider: Arc<CryptoProvider>,
    version: &'static SupportedProtocolVersion,
    shows: Option<Shows>,
    alpn: &[&[u8]],
) -> ClientConfig {
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody));
    let mut client = match shows {
        Some(shows) => client.with_client_cert_resolver(Arc::new(shows)),
        None => client.with_no_client_auth(),
    };
    client.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    client
}

/// A server that is none of ours and asks for no certificate.
fn foreign_server(version: &'static SupportedProtocolVersion, alpn: &[&[u8]]) -> TlsAcceptor {
    let provider = Arc::new(aws_lc_rs::default_provider());
    foreign_server_with(provider, version, alpn)
}

fn foreign_server_with(
    provider: Arc<CryptoProvider>,
    version: &'static SupportedProtocolVersion,
    alpn: &[&[u8]],
) -> TlsAcceptor {
    let (certificate, key) = stock_certificate();
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate");
    server.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(server).into()
}

/// A foreign client calls a user; what both ends make of it.
async fn foreign_call(
    config: &Arc<ClientConfig>,
    callee: &User,
) -> (
    std::io::Result<TlsStream<DuplexStream>>,
    Result<Encrypted, TlsError>,
) {
    let (near, far) = pipe();
    let name = ServerName::try_from("localhost").expect("a name");
    let connector = TlsConnector::from(config.clone());
    let (dialed, called) = tokio::join!(connector.connect(name, near), accepts(callee, far));
    (dialed.map(Into::into), called)
}

#[tokio::test]
async fn both_ends_learn_each_others_keys_and_share_one_secret() {
    let (ann, bob) = (user(), user());
    let (anns, bobs) = call(&ann, &bob).await;
    assert_eq!(anns.peer_key, Some(bob.identity.fingerprint()));
    assert_eq!(bobs.peer_key, Some(ann.identity.fingerprint()));
    assert_eq!(
        (anns.peer_kind, bobs.peer_kind),
        (PeerKind::Chat1, PeerKind::Chat1)
    );
    assert_eq!(anns.exporter, bobs.exporter);

    let (again, _) = call(&ann, &bob).await;
    assert_ne!(anns.exporter, again.exporter, "each connection has its own");
}

#[tokio::test]
async fn the_handshake_is_tls_1_3_and_post_quantum() {
    let (ann, bob) = (user(), user());
    let (anns, bobs) = call(&ann, &bob).await;
    for end in [anns, bobs] {
        let (_, state) = end.stream.get_ref();
        assert_eq!(state.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        let group = state.negotiated_key_exchange_group().expect("a group");
        assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
        assert_eq!(state.handshake_kind(), Some(HandshakeKind::Full));
    }
}

#[tokio::test]
async fn the_first_message_names_no_host() {
    let ann = user();
    let (near, mut far) = pipe();
    let dialing = tokio::spawn(async move { ann.tls.connect(near).await });
    let mut acceptor = Acceptor::default();
    let accepted = loop {
        let mut bytes = [0; 4096];
        let count = far.read(&mut bytes).await.expect("a ClientHello");
        acceptor.read_tls(&mut &bytes[..count]).expect("room");
        if let Some(accepted) = acceptor.accept().map_err(|(error, _)| error).expect("TLS") {
            break accepted;
        }
    };
    let hello = accepted.client_hello();
    assert_eq!(hello.server_name(), None);
    assert_eq!(hello.alpn().expect("ALPN").collect::<Vec<_>>(), [ALPN]);
    assert_eq!(
        hello.named_groups().and_then(<[_]>::first),
        Some(&NamedGroup::X25519MLKEM768)
    );
    drop(far);
    assert!(matches!(
        dialing.await.expect("no panic"),
        Err(TlsError::Closed)
    ));
}

#[tokio::test]
async fn lines_cross_and_a_good_bye_differs_from_a_cut() {
    let (ann, bob) = (user(), user());
    let (mut anns, mut bobs) = call(&ann, &bob).await;
    anns.stream
        .write_all("hi, 李雷\n".as_bytes())
        .await
        .expect("written");
    anns.stream.shutdown().await.expect("shut down");
    let mut heard = String::new();
    bobs.stream
        .read_to_string(&mut heard)
        .await
        .expect("a good end");
    assert_eq!(heard, "hi, 李雷\n");

    let (anns, mut bobs) = call(&ann, &bob).await;
    drop(anns);
    let cut = bobs.stream.read(&mut [0; 8]).await.expect_err("cut");
    assert_eq!(cut.kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_man_in_the_middle_shows_his_own_key_and_shares_two_secrets() {
    let (ann, mallory, bob) = (user(), user(), user());
    let (anns, to_ann) = call(&ann, &mallory).await;
    let (to_bob, bobs) = call(&mallory, &bob).await;
    assert_eq!(anns.peer_key, Some(mallory.identity.fingerprint()));
    assert_eq!(bobs.peer_key, Some(mallory.identity.fingerprint()));
    assert_ne!(anns.exporter, bobs.exporter);
    assert_eq!(
        (anns.exporter, bobs.exporter),
        (to_ann.exporter, to_bob.exporter)
    );
}

#[tokio::test]
async fn a_man_in_the_middle_of_friends_is_refused_at_both_ends() {
    let (ann, mallory, bob) = (user(), user(), user());
    let anns_known = KnownPeers::open(ann.home.path()).expect("known peers");
    let bobs_known = KnownPeers::open(bob.home.path()).expect("known peers");

    let (anns, bobs) = call(&ann, &bob).await;
    let (bobs_key, anns_key) = (anns.peer_key.expect("a key"), bobs.peer_key.expect("a key"));
    anns_known
        .remember("bob", Some("bob:7788"), bobs_key)
        .expect("remembered");
    bobs_known.verify("ann", anns_key).expect("verified");

    let (anns, _) = call(&ann, &mallory).await;
    let (_, bobs) = call(&mallory, &bob).await;
    let list = anns_known.load().expect("a list");
    let refused = list.check_dialed("bob:7788", anns.peer_key.expect("a key"), &[]);
    assert_eq!(refused.expect_err("refused").known.fingerprint, bobs_key);
    let list = bobs_known.load().expect("a list");
    let refused = list.check_caller(bobs.peer_key.expect("a key"), Some("ann"), &[]);
    assert_eq!(refused.expect_err("refused").known.fingerprint, anns_key);
}

#[tokio::test]
async fn a_new_key_is_vouched_for_by_the_last_three() {
    let (ann, bob) = (user(), user());
    let mut keys = vec![ann.identity.fingerprint()];
    for _ in 0..5 {
        let identity = Identity::replace(ann.home.path()).expect("another key");
        keys.insert(0, identity.fingerprint());
    }
    let identity = Identity::open(ann.home.path()).expect("the last key");
    assert_eq!(identity.fingerprint(), keys[0]);
    let ann = User {
        tls: TlsEndpoint::new(&identity).expect("a certificate"),
        identity,
        ..ann
    };
    let (_, called) = call(&ann, &bob).await;
    assert_eq!(called.peer_key, Some(keys[0]));
    assert_eq!(called.replaced_keys, keys[1..4]);
    let (dialed, _) = call(&bob, &ann).await;
    assert_eq!(dialed.replaced_keys, keys[1..4]);
    assert_eq!(ann.identity.replaces(), keys[1..4]);
}

/// Ann's certificates, which everybody has who has talked to her, are shown with another key.
#[tokio::test]
async fn nobody_is_vouched_for_by_a_key_that_did_not_sign() {
    let (ann, bob) = (user(), user());
    let anns_first = certificates_of(&ann, &bob).await;
    let identity = Identity::replace(ann.home.path()).expect("another key");
    let ann = User {
        tls: TlsEndpoint::new(&identity).expect("a certificate"),
        ..ann
    };
    let anns = certificates_of(&ann, &bob).await;
    let [own, by_first, first] = &anns[..] else {
        panic!("{} certificates", anns.len());
    };
    assert_eq!(first, &anns_first[0]);

    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let issuer = |key| {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let name = rcgen::DnType::CommonName;
        params.distinguished_name.push(name, "chat");
        (params.self_signed(key).expect("a certificate"), params)
    };
    let (mallorys, _) = issuer(&key);
    let mallorys = CertificateDer::from(mallorys);
    for chain in [
        vec![&mallorys, by_first, first],
        vec![&mallorys, &mallorys, first],
        vec![&mallorys, &mallorys, own],
        vec![&mallorys, first],
        vec![&mallorys, first, first],
        vec![&mallorys, own, by_first, first],
    ] {
        let chain = chain.into_iter().cloned().collect();
        let shows = Shows::chain(
            chain,
            PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        );
        let caller = Arc::new(foreign_client(&version::TLS13, Some(shows), &[ALPN]));
        let (_, called) = foreign_call(&caller, &bob).await;
        assert_eq!(called.expect("a call").replaced_keys, []);
    }
}

/// What somebody shows to whom they call.
async fn certificates_of(caller: &User, callee: &User) -> Vec<CertificateDer<'static>> {
    let (_, called) = call(caller, callee).await;
    let certificates = called.stream.get_ref().1.peer_certificates();
    certificates.expect("they have a key").to_vec()
}

#[tokio::test]
async fn a_certificate_proves_nothing_without_its_key() {
    let (ann, bob) = (user(), user());
    let (_, bobs) = call(&ann, &bob).await;
    let anns_certificate = bobs.stream.get_ref().1.peer_certificates().expect("hers")[0].clone();
    let mallorys_key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let stolen = Shows::new(anns_certificate, mallorys_key.into());
    let thief = Arc::new(foreign_client(&version::TLS13, Some(stolen), &[ALPN]));
    let (_, called) = foreign_call(&thief, &bob).await;
    assert!(matches!(called, Err(TlsError::Handshake(_))), "{called:?}");
}

#[tokio::test]
async fn stock_clients_come_in_with_or_without_a_key() {
    let bob = user();
    let plain = Arc::new(foreign_client(&version::TLS13, None, &[]));
    let (dialed, called) = foreign_call(&plain, &bob).await;
    dialed.expect("connected");
    let called = called.expect("accepted");
    assert_eq!((called.peer_kind, called.peer_key), (PeerKind::Stock, None));

    let (certificate, key) = stock_certificate();
    let shows = Some(Shows::new(certificate, key));
    let keyed = Arc::new(foreign_client(&version::TLS13, shows, &[]));
    let called = foreign_call(&keyed, &bob).await.1.expect("accepted");
    assert_eq!(called.peer_kind, PeerKind::Stock);
    assert!(called.peer_key.is_some());
}

#[tokio::test]
async fn chat_1_without_an_ed25519_key_is_refused() {
    let bob = user();
    let (certificate, key) = stock_certificate();
    for shows in [None, Some(Shows::new(certificate, key))] {
        let keyless = Arc::new(foreign_client(&version::TLS13, shows, &[ALPN]));
        let (_, called) = foreign_call(&keyless, &bob).await;
        assert!(matches!(called, Err(TlsError::NoKey)), "{called:?}");
    }

    let ann = user();
    let (near, far) = pipe();
    let server = foreign_server(&version::TLS13, &[ALPN]);
    let (_, dialed) = tokio::join!(server.accept(far), ann.tls.connect(near));
    assert!(matches!(dialed, Err(TlsError::NoKey)), "{dialed:?}");
}

/// Settings that agree on no post-quantum keys, as those of older stock tools do.
fn before_quantum() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    Arc::new(provider)
}

#[tokio::test]
async fn chat_1_without_post_quantum_keys_is_refused_at_both_ends() {
    for (alpn, expected) in [(&[ALPN][..], None), (&[], Some(false))] {
        let (ann, bob) = (user(), user());
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
        let certificate = rcgen::CertificateParams::default().self_signed(&key);
        let certificate = certificate.expect("a certificate").der().clone();
        let shows = Some(Shows::new(certificate, key.into()));
        let client = foreign_client_with(before_quantum(), &version::TLS13, shows, alpn);
        let (_, called) = foreign_call(&Arc::new(client), &bob).await;
        let dialed = {
            let (near, far) = pipe();
            let server = foreign_server_with(before_quantum(), &version::TLS13, alpn);
            tokio::join!(server.accept(far), ann.tls.connect(near)).1
        };
        for end in [called, dialed] {
            match (end, expected) {
                (Ok(end), Some(post_quantum)) => assert_eq!(end.post_quantum, post_quantum),
                (Err(TlsError::NotPostQuantum), None) => {}
                (end, _) => panic!("{end:?}"),
            }
        }
    }
}

#[tokio::test]
async fn other_protocols_over_tls_are_refused() {
    let bob = user();
    let browser = foreign_client(&version::TLS13, None, &[b"h2", b"http/1.1"]);
    let (dialed, called) = foreign_call(&Arc::new(browser), &bob).await;
    dialed.expect_err("refused");
    assert!(matches!(called, Err(TlsError::OtherProtocol)), "{called:?}");
}

#[tokio::test]
async fn stock_servers_are_reached_as_such() {
    let ann = user();
    let (near, far) = pipe();
    let server = foreign_server(&version::TLS13, &[]);
    let (accepted, dialed) = tokio::join!(server.accept(far), ann.tls.connect(near));
    accepted.expect("accepted");
    let dialed = dialed.expect("connected");
    assert_eq!(dialed.peer_kind, PeerKind::Stock);
    assert!(dialed.peer_key.is_some());
}

#[tokio::test]
async fn tls_1_2_is_refused_at_both_ends() {
    let (ann, bob) = (user(), user());
    let old = Arc::new(foreign_client(&version::TLS12, None, &[]));
    let (dialed, called) = foreign_call(&old, &bob).await;
    dialed.expect_err("refused");
    assert!(matches!(called, Err(TlsError::Handshake(_))), "{called:?}");

    let (near, far) = pipe();
    let server = foreign_server(&version::TLS12, &[]);
    let (accepted, dialed) = tokio::join!(server.accept(far), ann.tls.connect(near));
    assert!(accepted.is_err());
    assert!(matches!(dialed, Err(TlsError::Handshake(_))), "{dialed:?}");
}

#[tokio::test]
async fn nothing_is_ever_resumed() {
    let bob = user();
    let eager = Arc::new(foreign_client(&version::TLS13, None, &[]));
    for _ in 0..2 {
        let (dialed, called) = foreign_call(&eager, &bob).await;
        let (mut dialed, mut called) = (dialed.expect("connected"), called.expect("accepted"));
        // A ticket would come with the first data.
        called.stream.write_all(b"hi\n").await.expect("written");
        called.stream.flush().await.expect("flushed");
        dialed.read_exact(&mut [0; 3]).await.expect("read");
        assert_eq!(
            dialed.get_ref().1.handshake_kind(),
            Some(HandshakeKind::Full)
        );
    }
}

#[tokio::test]
async fn what_is_no_tls_is_told_apart() {
    let peer = user();
    for garbage in [
        &b"h"[..],
        b"hello\n",
        "你好".as_bytes(),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0\0\0\0\0\0\0\0",
    ] {
        let (near, mut far) = pipe();
        far.write_all(garbage).await.expect("written");
        let called = peer.tls.accept(near).await;
        assert!(matches!(called, Err(TlsError::NotTls)), "{called:?}");

        let (near, mut far) = pipe();
        far.write_all(garbage).await.expect("written");
        let dialed = peer.tls.connect(near).await;
        assert!(matches!(dialed, Err(TlsError::NotTls)), "{dialed:?}");
    }
}

#[tokio::test]
async fn broken_tls_is_not_taken_for_plain_text() {
    let peer = user();
    let (near, mut far) = pipe();
    far.write_all(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff")
        .await
        .expect("written");
    let called = peer.tls.accept(near).await;
    assert!(matches!(called, Err(TlsError::Handshake(_))), "{called:?}");
}

#[tokio::test]
async fn an_end_half_way_is_told_as_such() {
    let peer = user();
    for start in [&b""[..], b"\x16\x03\x01"] {
        let (near, mut far) = pipe();
        far.write_all(start).await.expect("written");
        drop(far);
        let called = peer.tls.accept(near).await;
        assert!(matches!(called, Err(TlsError::Closed)), "{called:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_its_limit_at_both_ends() {
    let peer = user();
    let (near, _far) = pipe();
    let start = Instant::now();
    let called = peer.tls.accept(near).await;
    assert!(
        matches!(called, Err(TlsError::TimedOut(HANDSHAKE_TIMEOUT))),
        "{called:?}"
    );
    assert_eq!(start.elapsed(), HANDSHAKE_TIMEOUT);

    let (near, _far) = pipe();
    let start = Instant::now();
    let dialed = peer.tls.connect(near).await;
    assert!(
        matches!(dialed, Err(TlsError::TimedOut(HANDSHAKE_TIMEOUT))),
        "{dialed:?}"
    );
    assert_eq!(start.elapsed(), HANDSHAKE_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_slow_sender_gains_no_time() {
    let peer = user();
    let (near, mut far) = pipe();
    let start = Instant::now();
    let slow = async {
        // A record of 16 KiB, one byte a second.
        far.write_all(b"\x16\x03\x01\x40\x00")
            .await
            .expect("written");
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            far.write_all(b"\x01").await.expect("written");
        }
    };
    let called = tokio::select! {
        called = peer.tls.accept(near) => called,
        () = slow => unreachable!(),
    };
    assert!(
        matches!(called, Err(TlsError::TimedOut(HANDSHAKE_TIMEOUT))),
        "{called:?}"
    );
    assert_eq!(start.elapsed(), HANDSHAKE_TIMEOUT);
}

#[tokio::test]
async fn a_call_over_loopback() {
    let (ann, bob) = (user(), user());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let (stream, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (stream, accepted) = (stream.expect("connected"), accepted.expect("accepted").0);
    let (anns, bobs) = tokio::join!(ann.tls.connect(stream), bob.tls.accept(accepted));
    let (mut anns, mut bobs) = (anns.expect("connected"), bobs.expect("accepted"));
    assert_eq!(anns.exporter, bobs.exporter);

    let text = vec![b'x'; 1 << 20];
    let write = async {
        anns.stream.write_all(&text).await.expect("written");
        anns.stream.shutdown().await.expect("shut down");
    };
    let mut heard = Vec::new();
    let (_, read) = tokio::join!(write, bobs.stream.read_to_end(&mut heard));
    read.expect("a good end");
    assert!(heard == text);
}

/// A running stock tool, ended when it is dropped.
struct Tool {
    child: Child,
    /// What it prints, on either output.
    lines: mpsc::Receiver<String>,
}

/// Starts a stock tool, or says that the test is skipped without it.
fn tool(program: &str, arguments: &[&str]) -> Option<Tool> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: {program} is not installed");
            return None;
        }
        child => child.expect("a process"),
    };
    let (sender, lines) = mpsc::channel();
    forward(child.stdout.take().expect("stdout"), sender.clone());
    forward(child.stderr.take().expect("stderr"), sender);
    Some(Tool { child, lines })
}

fn forward(output: impl Read + Send + 'static, lines: mpsc::Sender<String>) {
    let output = BufReader::new(output).lines().map_while(Result::ok);
    thread::spawn(move || output.map(|line| lines.send(line)).all(|sent| sent.is_ok()));
}

impl Tool {
    fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin");
        writeln!(stdin, "{line}").expect("written");
    }

    /// Waits until it prints a line that holds `wanted`.
    fn hear(&self, wanted: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("the line");
            if line.contains(wanted) {
                return line;
            }
        }
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Lets a stock TLS client call a user and exchanges a line each way.
async fn called_by(program: &'static str, arguments: &[&str]) {
    let bob = user();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let at = address.to_string();
    let filled: Vec<_> = arguments
        .iter()
        .map(|argument| match *argument {
            "HOST" => host.as_str(),
            "PORT" => port.as_str(),
            "ADDRESS" => at.as_str(),
            other => other,
        })
        .collect();
    let Some(mut tool) = tool(program, &filled) else {
        return;
    };
    let (stream, _) = listener.accept().await.expect("a caller");
    let mut called = bob.tls.accept(stream).await.expect("accepted");
    assert_eq!((called.peer_kind, called.peer_key), (PeerKind::Stock, None));

    tool.say("你好 from a tool");
    let mut heard = vec![0; "你好 from a tool\n".len()];
    called.stream.read_exact(&mut heard).await.expect("a line");
    assert_eq!(heard, "你好 from a tool\n".as_bytes());
    called
        .stream
        .write_all(b"hello tool\n")
        .await
        .expect("written");
    called.stream.flush().await.expect("flushed");
    assert_eq!(tool.hear("tool"), "hello tool");
}

#[tokio::test]
async fn openssl_s_client_calls() {
    called_by("openssl", &["s_client", "-quiet", "-connect", "ADDRESS"]).await;
}

#[tokio::test]
async fn ncat_calls() {
    called_by("ncat", &["--ssl", "HOST", "PORT"]).await;
}

#[tokio::test]
async fn python_calls() {
    called_by("python3", &["-c", TLS_CALLER, "HOST", "PORT"]).await;
}

#[tokio::test]
async fn openssl_computes_the_fingerprint_of_whoever_answers() {
    let bob = user();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    if tool("openssl", &["version"]).is_none() {
        return;
    }
    let pipeline = format!(
        "openssl s_client -connect {address} </dev/null 2>/dev/null | openssl x509 -pubkey -noout |
         openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64"
    );
    let shell = tool("sh", &["-c", &pipeline]).expect("a shell");
    let (stream, _) = listener.accept().await.expect("a caller");
    let _called = bob.tls.accept(stream).await.expect("accepted");
    let fingerprint = bob.identity.fingerprint().to_string();
    assert_eq!(format!("SHA256:{}", shell.hear("=")), fingerprint);
}

#[tokio::test]
async fn openssl_with_tls_1_2_is_refused() {
    let bob = user();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address").to_string();
    let Some(_tool) = tool("openssl", &["s_client", "-tls1_2", "-connect", &address]) else {
        return;
    };
    let (stream, _) = listener.accept().await.expect("a caller");
    let called = bob.tls.accept(stream).await;
    assert!(matches!(called, Err(TlsError::Handshake(_))), "{called:?}");
}

/// Calls a stock TLS server and exchanges a line each way.
async fn calls(tool: &mut Tool, address: &str) {
    let ann = user();
    let stream = TcpStream::connect(address).await.expect("connected");
    let mut dialed = ann.tls.connect(stream).await.expect("encrypted");
    assert_eq!(dialed.peer_kind, PeerKind::Stock);
    assert!(dialed.peer_key.is_some());

    dialed
        .stream
        .write_all("hello 工具\n".as_bytes())
        .await
        .expect("written");
    dialed.stream.flush().await.expect("flushed");
    assert_eq!(tool.hear("工具"), "hello 工具");
    tool.say("hello to you");
    let mut heard = vec![0; "hello to you\n".len()];
    dialed.stream.read_exact(&mut heard).await.expect("a line");
    assert_eq!(heard, b"hello to you\n");
}

#[tokio::test]
async fn openssl_s_server_is_called() {
    for key in [
        &["rsa:2048"][..],
        &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ] {
        let home = tempfile::tempdir().expect("a directory");
        let path = |name: &str| home.path().join(name).to_string_lossy().into_owned();
        let (key_file, certificate) = (path("key"), path("certificate"));
        let files = ["-keyout", &key_file, "-out", &certificate];
        let request = ["req", "-x509", "-nodes", "-subj", "/CN=stock", "-newkey"];
        let Some(mut made) = tool("openssl", &[&request[..], key, &files].concat()) else {
            return;
        };
        assert!(made.child.wait().expect("an end").success());

        let files = ["-key", &key_file, "-cert", &certificate];
        let serve = ["s_server", "-naccept", "1", "-accept", "127.0.0.1:0"];
        let mut server = tool("openssl", &[&serve[..], &files].concat()).expect("openssl");
        let port = server.hear("ACCEPT");
        let address = port.rsplit(' ').next().expect("an address").to_owned();
        calls(&mut server, &address).await;
    }
}

#[tokio::test]
async fn ncat_is_called() {
    // ncat does not tell which port it was given, so it gets one that was free just now.
    let free = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = free.local_addr().expect("an address");
    drop(free);
    let port = address.port().to_string();
    let Some(mut server) = tool("ncat", &["-v", "--ssl", "-l", "127.0.0.1", &port]) else {
        return;
    };
    server.hear("Listening on");
    calls(&mut server, &address.to_string()).await;
}
