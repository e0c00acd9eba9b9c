//! What encryption costs: a connection, and a line there and back, beside plain text.
//!
//! Both ends run in this process and talk over loopback.

use chat_core::transport::TlsEndpoint;
use chat_core::trust::Identity;
use divan::Bencher;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// What people say in one go.
const LINE: &[u8; 40] = b"a line of forty bytes, with its LF here\n";

fn main() {
    divan::main();
}

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}

fn secure() -> TlsEndpoint {
    let home = tempfile::tempdir().expect("a directory");
    let identity = Identity::open(home.path()).expect("an identity");
    TlsEndpoint::new(&identity).expect("a certificate")
}

async fn listen() -> TcpListener {
    let listening = TcpListener::bind("127.0.0.1:0").await;
    listening.expect("a free port")
}

/// Both ends of a connection.
async fn connect(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let address = listener.local_addr().expect("it is bound");
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (near, (far, _)) = (near.expect("connected"), far.expect("accepted"));
    for end in [&near, &far] {
        end.set_nodelay(true).expect("a TCP socket");
    }
    (near, far)
}

/// The same, with a key at each end.
async fn encrypt(
    keys: &(TlsEndpoint, TlsEndpoint),
    (near, far): (TcpStream, TcpStream),
) -> (impl AsyncRead + AsyncWrite, impl AsyncRead + AsyncWrite) {
    let (near, far) = tokio::join!(keys.0.connect(near), keys.1.accept(far));
    let (near, far) = (near.expect("connected"), far.expect("accepted"));
    (near.stream, far.stream)
}

#[divan::bench_group]
mod connection {
    use super::*;

    #[divan::bench]
    fn plaintext(bencher: Bencher) {
        let runtime = runtime();
        let listener = runtime.block_on(listen());
        bencher.bench_local(|| runtime.block_on(connect(&listener)));
    }

    #[divan::bench]
    fn encrypted(bencher: Bencher) {
        let runtime = runtime();
        let listener = runtime.block_on(listen());
        let keys = (secure(), secure());
        bencher.bench_local(|| {
            runtime.block_on(async { encrypt(&keys, connect(&listener).await).await })
        });
    }
}

#[divan::bench_group]
mod line_there_and_back {
    use super::*;

    #[divan::bench]
    fn plaintext(bencher: Bencher) {
        let runtime = runtime();
        let ends = runtime.block_on(async { connect(&listen().await).await });
        talk(bencher, &runtime, ends);
    }

    #[divan::bench]
    fn encrypted(bencher: Bencher) {
        let runtime = runtime();
        let keys = (secure(), secure());
        let ends = runtime.block_on(async { encrypt(&keys, connect(&listen().await).await).await });
        talk(bencher, &runtime, ends);
    }

    fn talk(
        bencher: Bencher,
        runtime: &Runtime,
        (near, far): (impl AsyncRead + AsyncWrite, impl AsyncRead + AsyncWrite),
    ) {
        let (mut near, mut far) = (Box::pin(near), Box::pin(far));
        bencher.bench_local(|| {
            runtime.block_on(async {
                say(&mut near).await;
                hear(&mut far).await;
                say(&mut far).await;
                hear(&mut near).await;
            });
        });
    }

    async fn say(stream: &mut (impl AsyncWrite + Unpin)) {
        stream.write_all(LINE).await.expect("written");
        stream.flush().await.expect("sent");
    }

    async fn hear(stream: &mut (impl AsyncRead + Unpin)) {
        let mut line = [0; LINE.len()];
        stream.read_exact(&mut line).await.expect("a line");
        assert_eq!(&line, LINE);
    }
}
