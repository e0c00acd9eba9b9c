//! The ways to a call: dialed, accepted, or in memory; and who may be at its other end.

use std::time::Duration;

use tokio::io::duplex;
use tokio::net::TcpStream;

use super::{Call, CallError};
use crate::blocking;
use crate::driver::{BoxConnection, Connected, Connection};
use crate::protocol::{Handshake, Peer};
use crate::transport::tcp::{TcpDialer, set_tcp_options};
use crate::transport::{Dial, HostPort, Keyring, Origin, Packets, TlsError};
use crate::trust::safety_number::ChannelBinding;
use crate::trust::{
    self, Fingerprint, KnownPeer, KnownPeers, KnownPeersError, RejectedKey, Security,
};
use crate::wire::{Hello, LineCodec, MAX_CONTROL, MAX_LINE, Name};

/// How long a server may take to answer, the handshake not counted.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// The buffer between the two ends of a pair, in bytes.
const PAIR_BUFFER: usize = 64 * 1024;

/// A connection that is ready for a call.
pub(super) struct Opened {
    pub(super) connected: Connected,
    /// Where the peer's key is remembered, if it has one.
    pub(super) memory: Option<Memory>,
}

/// Remembers the peer's key once the call is on.
pub(super) struct Memory {
    known: KnownPeers,
    /// The address that this side dialed, if it did.
    dialed: Option<String>,
    key: Fingerprint,
}

impl Opened {
    /// An encrypted one, dialed unless there is a `hello`.
    fn encrypted(
        connection: BoxConnection,
        address: String,
        binding: ChannelBinding,
        hello: Option<Hello>,
        keyring: &Keyring,
        owner: Option<&KnownPeer>,
    ) -> Self {
        let key = binding.peer_key;
        let memory = Memory {
            known: keyring.known.clone(),
            dialed: hello.is_none().then(|| address.clone()),
            key,
        };
        let connected = Connected {
            connection,
            peer: Peer {
                name: owner.and_then(KnownPeer::given_name).map(str::to_owned),
                address,
                security: trust::security(key, owner),
            },
            handshake: Some(Handshake {
                binding: Some(binding),
                hello,
            }),
            routes: None,
        };
        Self {
            connected,
            memory: Some(memory),
        }
    }
}

impl Call {
    /// Calls the chat/1 program at `address`, `HOST` or `HOST:PORT`, encrypted and with its key checked.
    /// `name` is what it is told. It has 10 s to answer, and 10 s for the handshake.
    ///
    /// The call may still be refused, or wait in a queue; then its events say so.
    ///
    /// # Errors
    /// Nobody answers, or not encrypted; another key is known at the address; the key is blocked
    /// or this side's own. Nothing was said then.
    pub async fn connect(
        address: &str,
        keyring: &Keyring,
        name: impl Into<Name>,
    ) -> Result<Self, CallError> {
        let target = HostPort::parse(address)?;
        let address = target.to_string();
        let dialer = TcpDialer::new(target, DIAL_TIMEOUT);
        let stream = dialer.dial(Packets::default()).await?;
        let known = keyring.known.begin_load();
        let secured = keyring.tls.connect(stream).await?;
        let binding = secured.binding(keyring.own_key);
        let binding = binding.ok_or(CallError::NotChat1)?;
        let known = known.await.map_err(RejectedKey::File)?;
        let replaced = &secured.replaced_keys;
        let owner = keyring.check_dialed(&known, &address, binding.peer_key, replaced)?;
        let connection = Connection::new(Box::new(secured.stream) as _, LineCodec::chat1());
        let opened = Opened::encrypted(connection, address, binding, None, keyring, owner);
        Ok(Self::begin(opened, name.into()))
    }

    /// Takes the call of a chat/1 program that has connected, encrypted and with its key checked.
    /// `name` is what it is told. It has 10 s for the handshake, and 10 s to say hello.
    ///
    /// # Errors
    /// The caller does not encrypt, does not speak chat/1, or resumes another call; its name
    /// belongs to another key; its key is blocked or this side's own. A chat/1 caller is told why.
    pub async fn accept(
        stream: TcpStream,
        keyring: &Keyring,
        name: impl Into<Name>,
    ) -> Result<Self, CallError> {
        let from = Origin::from(stream.peer_addr().map_err(TlsError::Io)?).address;
        set_tcp_options(&stream);
        let secured = keyring.tls.accept(stream).await?;
        let binding = secured.binding(keyring.own_key);
        let binding = binding.ok_or(CallError::NotChat1)?;
        let (key, replaced) = (binding.peer_key, secured.replaced_keys);
        // Until its call begins, a caller has only short lines to say.
        let short_lines = LineCodec::chat1().limit(MAX_CONTROL);
        let mut connection: BoxConnection = Connection::new(Box::new(secured.stream), short_lines);
        let (hello, owner) = match admit(&mut connection, keyring, key, replaced).await {
            Ok(admitted) => admitted,
            Err(error) => {
                if let Some(code) = error.code() {
                    connection.refuse(code).await;
                }
                return Err(error);
            }
        };
        connection.set_limit(MAX_LINE);
        let (hello, owner) = (Some(hello), owner.as_ref());
        let opened = Opened::encrypted(connection, from, binding, hello, keyring, owner);
        Ok(Self::begin(opened, name.into()))
    }

    /// Both ends of a call in memory, for tests: not encrypted, otherwise like any other.
    pub async fn pair() -> (Self, Self) {
        let (dialed, accepted) = duplex(PAIR_BUFFER);
        let opened = |connection, hello| Opened {
            connected: Connected {
                connection,
                peer: Peer {
                    name: None,
                    address: "memory".to_owned(),
                    security: Security::Plaintext,
                },
                handshake: Some(Handshake {
                    binding: None,
                    hello,
                }),
                routes: None,
            },
            memory: None,
        };
        let caller = Connection::new(Box::new(dialed) as _, LineCodec::chat1());
        let caller = Self::begin(opened(caller, None), "caller".into());
        let mut callee: BoxConnection = Connection::new(Box::new(accepted), LineCodec::chat1());
        let hello = callee.receive_hello().await.expect("the caller begins");
        let callee = Self::begin(opened(callee, Some(hello)), "callee".into());
        (caller, callee)
    }
}

/// Receives a caller's hello, and finds out whether it is welcome.
async fn admit(
    connection: &mut BoxConnection,
    keyring: &Keyring,
    key: Fingerprint,
    replaced: Vec<Fingerprint>,
) -> Result<(Hello, Option<KnownPeer>), CallError> {
    let hello = connection.receive_hello().await?;
    let known = keyring
        .known
        .begin_load()
        .await
        .map_err(RejectedKey::File)?;
    let owner = keyring.check_caller(&known, key, hello.chosen_name(), &replaced)?;
    match hello.resumed {
        true => Err(CallError::NoSession),
        false => {
            let owner = owner.cloned();
            Ok((hello, owner))
        }
    }
}

impl Memory {
    /// Remembers the key, of a peer that calls itself `name`. Returns the name by which it is
    /// known from now on.
    pub(super) async fn remember(self, name: String) -> Result<Option<String>, KnownPeersError> {
        blocking(move || {
            let known = self
                .known
                .remember(&name, self.dialed.as_deref(), self.key)?;
            Ok(known.given_name().map(str::to_owned))
        })
        .await
    }
}
