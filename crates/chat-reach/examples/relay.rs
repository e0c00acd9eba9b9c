//! A relay to try things out with, whose certificate is made up and kept in a file with its key:
//! `cargo run -p chat-reach --example relay -- 203.0.113.1 relay.pem`, and `SSL_CERT_FILE=relay.pem`
//! for those who use it. Names after that are what they call it by. For others there is the program
//! `iroh-relay`.

use std::env;
use std::error::Error;
use std::fs;
use std::future::pending;
use std::iter;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use iroh_relay::server::{CertConfig, QuicConfig, RelayConfig, Server, ServerConfig, TlsConfig};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The port of QUIC address discovery, at which programs learn their outer address.
const QUIC_PORT: u16 = 7842;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let (Some(address), Some(file)) = (args.next(), args.next()) else {
        return Err("ADDRESS FILE [NAME]…".into());
    };
    let names: Vec<_> = iter::once(address.clone()).chain(args).collect();
    let address: IpAddr = address.parse()?;
    if !Path::new(&file).exists() {
        let made = rcgen::generate_simple_self_signed(names)?;
        fs::write(&file, made.cert.pem() + &made.signing_key.serialize_pem())?;
    }
    let certificate = CertificateDer::from_pem_file(&file)?;
    let key = PrivateKeyDer::from_pem_file(&file)?;
    let server_config =
        rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
    let tls = TlsConfig::new((address, 443), CertConfig::Manual { server_config });
    let mut relay = RelayConfig::new((address, 80));
    relay.tls = Some(tls);
    let mut config = ServerConfig::default();
    config.relay = Some(relay);
    config.quic = Some(QuicConfig::new((address, QUIC_PORT)));
    let _server = Server::spawn(config).await?;
    println!("ready");
    pending().await
}
