//! Encryption: TLS 1.3, with each end's own key as its only credential.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::Acceptor;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ConnectionCommon, DigitallySignedStruct,
    DistinguishedName as Authority, InvalidMessage, NamedGroup, OtherError, PeerIncompatible,
    ServerConfig, SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::{LazyConfigAcceptor, StartHandshake, TlsAcceptor, TlsConnector, TlsStream};

use crate::blocking;
use crate::trust::certificate::public_key;
use crate::trust::safety_number::ChannelBinding;
use crate::trust::{AgentError, Fingerprint, Identity, PublicKey, replaced_keys};
use crate::wire::Cookie;

/// The application protocol (ALPN, RFC 7301) of two programs of this kind.
pub const ALPN: &[u8] = b"chat/1";

/// The same of connections that carry a file.
pub const ALPN_FILE: &[u8] = b"chat-file/1";

/// What an application protocol begins with that is none, but carries a cookie.
const ALPN_COOKIE: &[u8] = b"chat/1;";

/// How long a handshake may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The label of the `tls-exporter` channel binding (RFC 9266).
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// Both ends of encrypted connections under one identity. Cheap to clone.
#[derive(Clone)]
pub struct TlsEndpoint {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    any: AnyCertificate,
    thread: HandshakeThread,
}

/// Where handshakes are made: to sign is a matter of the thread that makes one.
#[derive(Clone, Copy, Debug)]
enum HandshakeThread {
    /// On that of the runtime.
    Runtime,
    /// On one of its own, for to sign blocks.
    Own,
}

/// What a connection is made for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Intent {
    /// What the listener has given for a further connection of a call: it is offered as an
    /// application protocol, which is all that a listener can read of a handshake before it does
    /// any cryptography.
    pub cookie: Option<Cookie>,
    /// The only key that is wanted. Whoever has another does not learn who called.
    pub wanted: Option<Fingerprint>,
    /// The connection is for a file of the call that is on.
    pub for_file: bool,
}

impl Intent {
    fn protocols(&self) -> Vec<Vec<u8>> {
        let cookie = self.cookie.map(|cookie| cookie.to_string());
        let cookie = cookie.map(|cookie| [ALPN_COOKIE, cookie.as_bytes()].concat());
        let protocol = if self.for_file { ALPN_FILE } else { ALPN };
        cookie.into_iter().chain([protocol.to_vec()]).collect()
    }
}

/// An encrypted connection, and what the handshake tells about the other end.
///
/// An end of the stream without close_notify is an error of kind `UnexpectedEof`.
#[derive(Debug)]
pub struct SecureStream<S> {
    /// Carries the call.
    pub stream: TlsStream<S>,
    /// What the other end speaks.
    pub peer_kind: PeerKind,
    /// The keys of the connection stay secret from a quantum computer of tomorrow. Always so with a
    /// chat/1 peer.
    pub post_quantum: bool,
    /// The key that the other end has proved to own. A chat/1 peer always has one, of type
    /// Ed25519; a stock server has one of any type, a stock client seldom has one.
    pub peer_key: Option<Fingerprint>,
    /// Earlier keys that vouch for that one, the last one first; none but of a chat/1 peer.
    pub replaced_keys: Vec<Fingerprint>,
    /// The same secret at both ends of this connection and nowhere else: the `tls-exporter`
    /// channel binding of RFC 9266.
    pub exporter: [u8; 32],
}

/// A caller that has begun a handshake, and has not been answered yet.
pub struct ClientHello<S> {
    start: StartHandshake<S>,
    config: Arc<ServerConfig>,
    thread: HandshakeThread,
    deadline: Instant,
}

/// What the other end of an encrypted connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerKind {
    /// A program of this kind.
    Chat1,
    /// The same, with a connection for a file.
    File1,
    /// Plain lines: a stock TLS tool.
    Stock,
}

/// The key of whoever has answered, who is not the one that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key of somebody else: {found}")]
pub struct OtherKey {
    /// The key that the other end has proved to own.
    pub found: Fingerprint,
    /// Earlier keys that vouch for it, the last one first.
    pub replaced: Vec<Fingerprint>,
}

/// Why there is no encrypted connection.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The other end sent something else; most likely it speaks plain text.
    #[error("no TLS")]
    NotTls,
    /// The other end took too long.
    #[error("no TLS handshake within {0:?}")]
    TimedOut(Duration),
    /// The other end encrypts, and speaks another protocol in that.
    #[error("another protocol than chat/1 over TLS")]
    OtherProtocol,
    /// The other end closed the connection half-way.
    #[error("closed during the TLS handshake")]
    Closed,
    /// The other end has proved to own another key than the one that is wanted. It was told
    /// nothing: not even who called.
    #[error(transparent)]
    OtherKey(#[from] OtherKey),
    /// The other end claims to speak chat/1 but proves no Ed25519 key.
    #[error("chat/1 without an Ed25519 key")]
    NoKey,
    /// The other end claims to speak chat/1 but agreed on keys that a quantum computer could find
    /// out: no program of this kind does, so somebody may have taken the better way out.
    #[error("chat/1 without post-quantum keys")]
    NotPostQuantum,
    /// The two ends do not agree, or one of them broke the rules.
    #[error("TLS handshake: {0}")]
    Handshake(rustls::Error),
    /// This side's key is in an agent, which did not sign.
    #[error("the own key: {0}")]
    Agent(AgentError),
    /// The connection failed.
    #[error("connection during the TLS handshake: {0}")]
    Io(io::Error),
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        use InvalidMessage::{InvalidContentType, UnknownProtocolVersion};
        if let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(error))) =
            &error
            && let Some(other) = error.downcast_ref::<OtherKey>()
        {
            return other.clone().into();
        }
        match error {
            // The first bytes are no record of TLS.
            rustls::Error::InvalidMessage(InvalidContentType | UnknownProtocolVersion) => {
                Self::NotTls
            }
            rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)
            | rustls::Error::NoApplicationProtocol => Self::OtherProtocol,
            rustls::Error::Other(OtherError(error)) if error.is::<AgentError>() => {
                let error = error.downcast_ref::<AgentError>().cloned();
                Self::Agent(error.unwrap_or(AgentError::Refused))
            }
            error => Self::Handshake(error),
        }
    }
}

impl From<io::Error> for TlsError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        let inner = error.get_ref();
        if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return tls.clone().into();
        }
        match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl TlsEndpoint {
    /// Prepares both ends: one user may call and be called under the same key.
    ///
    /// # Errors
    /// The cryptographic library does not do what it should.
    pub fn new(identity: &Identity) -> Result<Self, TlsError> {
        let key = CertifiedKey::new(identity.certificates().to_vec(), identity.key());
        let key = Arc::new(SingleCertAndKey::from(key));

        let provider = Arc::new(aws_lc_rs::default_provider());
        let any = AnyCertificate(provider.signature_verification_algorithms);

        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(any))
            .with_cert_resolver(key.clone());
        server.alpn_protocols = vec![ALPN.to_vec(), ALPN_FILE.to_vec()];
        server.send_tls13_tickets = 0;

        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(any))
            .with_client_cert_resolver(key);
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.resumption = Resumption::disabled();
        client.enable_sni = false;

        Ok(Self {
            acceptor: Arc::new(server).into(),
            connector: Arc::new(client).into(),
            any,
            thread: match identity.is_slow() {
                true => HandshakeThread::Own,
                false => HandshakeThread::Runtime,
            },
        })
    }

    /// Accepts a connection; the handshake has [`HANDSHAKE_TIMEOUT`].
    ///
    /// # Errors
    /// The handshake failed.
    pub async fn accept<S>(&self, stream: S) -> Result<SecureStream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.receive_hello(stream).await?.accept().await
    }

    /// Reads what a caller offers, which costs no cryptography; with what follows, the handshake
    /// has [`HANDSHAKE_TIMEOUT`].
    ///
    /// # Errors
    /// The caller does not begin a handshake.
    pub async fn receive_hello<S>(&self, stream: S) -> Result<ClientHello<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let deadline = Instant::now() + HANDSHAKE_TIMEOUT;
        let acceptor = LazyConfigAcceptor::new(Acceptor::default(), stream);
        Ok(ClientHello {
            start: in_time(deadline, acceptor).await?,
            config: Arc::clone(self.acceptor.config()),
            thread: self.thread,
            deadline,
        })
    }

    /// Connects over `stream`; the handshake has [`HANDSHAKE_TIMEOUT`].
    ///
    /// Trusts any key: the caller must check whose it is before anything is sent.
    ///
    /// # Errors
    /// The handshake failed.
    pub async fn connect<S>(&self, stream: S) -> Result<SecureStream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.connect_with(stream, Intent::default()).await
    }

    /// The same, as `intent` says.
    ///
    /// # Errors
    /// The handshake failed, or the other end has another key than is wanted.
    pub async fn connect_with<S>(
        &self,
        stream: S,
        intent: Intent,
    ) -> Result<SecureStream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut config = ClientConfig::clone(self.connector.config());
        config.alpn_protocols = intent.protocols();
        if let Some(wanted) = intent.wanted {
            let only = OneKey {
                any: self.any,
                wanted,
                replaced: OnceLock::new(),
            };
            config.dangerous().set_certificate_verifier(Arc::new(only));
        }
        let connector = TlsConnector::from(Arc::new(config));
        // Neither sent nor checked: keys have no host names.
        let nobody = ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into());
        let deadline = Instant::now() + HANDSHAKE_TIMEOUT;
        let handshake = in_time(deadline, connector.connect(nobody, stream));
        let stream = self.thread.run(handshake).await?;
        SecureStream::new(stream.into())
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> ClientHello<S> {
    /// The cookie that the caller shows. It proves nothing.
    pub fn cookie(&self) -> Option<Cookie> {
        let hello = self.start.client_hello();
        let mut protocols = hello.alpn()?;
        protocols.find_map(|name| {
            std::str::from_utf8(name.strip_prefix(ALPN_COOKIE)?)
                .ok()?
                .parse()
                .ok()
        })
    }

    /// Finishes the handshake.
    ///
    /// # Errors
    /// The handshake failed.
    pub async fn accept(self) -> Result<SecureStream<S>, TlsError> {
        let handshake = in_time(self.deadline, self.start.into_stream(self.config));
        let stream = self.thread.run(handshake).await?;
        SecureStream::new(stream.into())
    }
}

impl HandshakeThread {
    /// Makes a handshake. It ends when this is dropped, wherever it is made.
    async fn run<T: Send + 'static>(
        self,
        handshake: impl Future<Output = Result<T, TlsError>> + Send + 'static,
    ) -> Result<T, TlsError> {
        match self {
            Self::Runtime => handshake.await,
            Self::Own => {
                let runtime = Handle::current();
                let (_wanted, unwanted) = oneshot::channel::<()>();
                let done = blocking(move || {
                    runtime.block_on(async {
                        tokio::select! {
                            done = handshake => done,
                            _ = unwanted => Err(TlsError::Closed),
                        }
                    })
                });
                done.await
            }
        }
    }
}

async fn in_time<T>(
    deadline: Instant,
    handshake: impl Future<Output = io::Result<T>>,
) -> Result<T, TlsError> {
    match timeout_at(deadline, handshake).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(TlsError::TimedOut(HANDSHAKE_TIMEOUT)),
    }
}

impl<S> SecureStream<S> {
    fn new(stream: TlsStream<S>) -> Result<Self, TlsError> {
        let Learned {
            peer_kind,
            post_quantum,
            peer_key,
            replaced_keys,
            exporter,
        } = match &stream {
            TlsStream::Client(stream) => Learned::from_handshake(stream.get_ref().1)?,
            TlsStream::Server(stream) => Learned::from_handshake(stream.get_ref().1)?,
        };
        Ok(Self {
            stream,
            peer_kind,
            post_quantum,
            peer_key,
            replaced_keys,
            exporter,
        })
    }

    /// What binds a chat/1 connection to the two keys; `None` with another peer.
    pub fn binding(&self, own_key: Fingerprint) -> Option<ChannelBinding> {
        let peer_key = self
            .peer_key
            .filter(|_| self.peer_kind == PeerKind::Chat1)?;
        Some(ChannelBinding {
            exporter: self.exporter,
            own_key,
            peer_key,
        })
    }
}

/// The part of [`SecureStream`] that is the same for both ends.
struct Learned {
    peer_kind: PeerKind,
    post_quantum: bool,
    peer_key: Option<Fingerprint>,
    replaced_keys: Vec<Fingerprint>,
    exporter: [u8; 32],
}

impl Learned {
    fn from_handshake<D>(connection: &ConnectionCommon<D>) -> Result<Self, TlsError> {
        let peer_kind = match connection.alpn_protocol() {
            Some(ALPN) => PeerKind::Chat1,
            Some(ALPN_FILE) => PeerKind::File1,
            _ => PeerKind::Stock,
        };
        let group = connection.negotiated_key_exchange_group();
        let post_quantum = group.is_some_and(|group| group.name() == NamedGroup::X25519MLKEM768);
        let ours = peer_kind != PeerKind::Stock;
        if ours && !post_quantum {
            return Err(TlsError::NotPostQuantum);
        }
        let certificates = connection.peer_certificates().unwrap_or_default();
        let spki = certificates.first().map(public_key).transpose()?;
        if ours && spki.as_deref().and_then(PublicKey::from_spki).is_none() {
            return Err(TlsError::NoKey);
        }
        Ok(Self {
            peer_kind,
            post_quantum,
            peer_key: spki.map(|spki| Fingerprint::of_spki(&spki)),
            replaced_keys: match ours {
                true => replaced_keys(certificates),
                false => Vec::new(),
            },
            exporter: connection.export_keying_material([0; 32], EXPORTER_LABEL, None)?,
        })
    }
}

/// Accepts every certificate that can be parsed. The handshake proves that the peer owns its
/// key; whether it is welcome is decided afterwards, by its fingerprint.
#[derive(Clone, Copy, Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        public_key(end_entity).map(|_| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

impl ClientCertVerifier for AnyCertificate {
    /// Stock tools have no certificate and are welcome.
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[Authority] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        public_key(end_entity).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// The same for one connection, on which one key is wanted: another ends the handshake before the
/// client has shown its own (RFC 8446, section 4.4.2).
#[derive(Debug)]
struct OneKey {
    any: AnyCertificate,
    wanted: Fingerprint,
    /// The keys that vouch for the one that is there, as its certificates say; empty for that which
    /// is wanted.
    replaced: OnceLock<Vec<Fingerprint>>,
}

impl ServerCertVerifier for OneKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if Fingerprint::of_spki(&public_key(end_entity)?) != self.wanted {
            let chain: Vec<_> = std::iter::once(end_entity)
                .chain(intermediates)
                .cloned()
                .collect();
            self.replaced.get_or_init(|| replaced_keys(&chain));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls12_signature(&self.any, message, cert, dss)
    }

    /// Says whose key it is once that is proved, after the certificates were looked at.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let verified = ServerCertVerifier::verify_tls13_signature(&self.any, message, cert, dss)?;
        let found = Fingerprint::of_spki(&public_key(cert)?);
        if found == self.wanted {
            return Ok(verified);
        }
        let replaced = self.replaced.get().cloned().unwrap_or_default();
        let other = OtherError(Arc::new(OtherKey { found, replaced }));
        Err(CertificateError::Other(other).into())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(&self.any)
    }
}
