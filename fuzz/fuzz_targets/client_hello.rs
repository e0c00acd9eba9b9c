//! The first bytes of a stranger, as far as they are read before any cryptography.

#![no_main]

use std::sync::LazyLock;

use chat_core::transport::TlsEndpoint;
use chat_core::trust::Identity;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncWriteExt, duplex};
use tokio::runtime::{Builder, Runtime};

static TLS: LazyLock<(TlsEndpoint, Runtime)> = LazyLock::new(|| {
    let home = std::env::temp_dir().join(format!("chat-fuzz-{}", std::process::id()));
    let identity = Identity::open(&home).expect("a key");
    let _ = std::fs::remove_dir_all(home);
    let runtime = Builder::new_current_thread().enable_time().build();
    let tls = TlsEndpoint::new(&identity).expect("a certificate");
    (tls, runtime.expect("a runtime"))
});

fuzz_target!(|data: &[u8]| {
    let (tls, runtime) = &*TLS;
    runtime.block_on(async {
        let (near, mut far) = duplex(1 << 16);
        far.write_all(&data[..data.len().min(1 << 15)])
            .await
            .expect("room");
        far.shutdown().await.expect("open");
        if let Ok(hello) = tls.receive_hello(near).await {
            let _ = hello.cookie();
            let _ = hello.accept().await;
        }
    });
});
