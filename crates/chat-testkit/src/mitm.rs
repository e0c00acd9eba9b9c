//! A man in the middle: he answers one side under his own key, and dials the other.

use std::net::SocketAddr;
use std::time::Instant;

use chat_core::driver::{BoxConnection, Connection};
use chat_core::transport::{Keyring, SecureStream, Stream};
use chat_core::trust::safety_number::{
    ChannelBinding, DialerExchange, ListenerExchange, Reveal, SafetyNumber,
};
use chat_core::wire::{Batch, Control, Frame, Hello, LineCodec, SessionId};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::people::User;
use crate::{a_port, soon};

/// What he does besides listening.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tactics {
    /// He replaces each side's number by the other's in what the two write to each other.
    pub rewrites_numbers: bool,
    /// He does not reveal to the caller a number that is not the server's, and cuts the call.
    pub breaks_off: bool,
}

/// What he has learned.
#[derive(Clone, Debug, Default)]
pub struct Learned {
    /// The numbers that the caller was shown, or would be if he revealed his nonce.
    pub callers: Vec<String>,
    /// The numbers that the server was shown.
    pub servers: Vec<String>,
    /// What the two wrote to each other.
    pub words: Vec<String>,
}

/// The man in the middle, who takes one call after the other.
pub struct Mitm {
    /// What the caller is to call.
    pub address: SocketAddr,
    learned: watch::Receiver<Learned>,
    _task: JoinSet<()>,
}

impl Mitm {
    /// `mallory` between callers of his and `server`.
    pub async fn before(server: SocketAddr, mallory: &User, tactics: Tactics) -> Self {
        let (listener, address) = a_port().await;
        let (learns, learned) = watch::channel(Learned::default());
        let keyring = mallory.keyring();
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let mut call = Middle::between(&listener, server, &keyring, tactics).await;
                // It ends when one side leaves; then the other is left too.
                call.run(&learns).await;
            }
        });
        Self {
            address,
            learned,
            _task: task,
        }
    }

    /// Waits until he has learned this.
    pub async fn learns(&mut self, enough: impl Fn(&Learned) -> bool) -> Learned {
        let learned = soon(self.learned.wait_for(|learned| enough(learned))).await;
        learned.expect("he goes on").clone()
    }
}

/// One call that goes through him.
struct Middle {
    tactics: Tactics,
    caller: BoxConnection,
    server: BoxConnection,
    caller_binding: ChannelBinding,
    server_binding: ChannelBinding,
    /// His part in the number that the caller sees.
    listener: ListenerExchange,
    /// His part in the number that the server sees.
    dialer: DialerExchange,
    callers_number: Option<SafetyNumber>,
    servers_number: Option<SafetyNumber>,
    /// The session that the caller wants. The server gets a new one each time.
    session: Option<SessionId>,
}

impl Middle {
    async fn between(
        listener: &TcpListener,
        server: SocketAddr,
        keyring: &Keyring,
        tactics: Tactics,
    ) -> Self {
        let (stream, _) = listener.accept().await.expect("a caller");
        let caller = keyring.tls.accept(stream).await.expect("a handshake");
        let stream = TcpStream::connect(server).await.expect("a server");
        let server = keyring.tls.connect(stream).await.expect("a handshake");
        Self {
            tactics,
            caller_binding: binding(keyring, &caller),
            server_binding: binding(keyring, &server),
            caller: Connection::new(Box::new(caller.stream), LineCodec::chat1()),
            server: Connection::new(Box::new(server.stream), LineCodec::chat1()),
            listener: ListenerExchange::new(None),
            dialer: DialerExchange::default(),
            callers_number: None,
            servers_number: None,
            session: None,
        }
    }

    async fn run(&mut self, learns: &watch::Sender<Learned>) {
        loop {
            let goes_on = tokio::select! {
                frame = self.caller.receive() => match frame {
                    Ok(Some(frame)) => self.hears_caller(frame, learns),
                    _ => return,
                },
                frame = self.server.receive() => match frame {
                    Ok(Some(frame)) => self.hears_server(frame, learns),
                    _ => return,
                },
            };
            if !goes_on {
                return;
            }
        }
    }

    fn hears_caller(&mut self, frame: Frame, learns: &watch::Sender<Learned>) -> bool {
        match frame {
            Frame::Text(lines) => {
                let numbers = (&self.callers_number, &self.servers_number);
                say(&mut self.server, lines, self.tactics, numbers, learns);
            }
            Frame::Control(json) => match Control::parse(&json).expect("a good peer") {
                Some(Control::Nonce(nonce)) => {
                    let settled = self.listener.settle(&self.caller_binding, nonce);
                    settled.expect("it was asked for");
                    return self.reveal(learns);
                }
                Some(Control::Hello(hello)) => {
                    self.session = Some(hello.conversation);
                    self.server.push_control(&Control::Hello(Hello {
                        conversation: SessionId::random(),
                        resumed: false,
                        ..hello
                    }));
                }
                Some(control) => self.server.push_control(&control),
                None => {}
            },
            Frame::HangUp => self.server.push_hang_up(),
        }
        true
    }

    fn hears_server(&mut self, frame: Frame, learns: &watch::Sender<Learned>) -> bool {
        match frame {
            Frame::Text(lines) => {
                let numbers = (&self.servers_number, &self.callers_number);
                say(&mut self.caller, lines, self.tactics, numbers, learns);
            }
            Frame::Control(json) => match Control::parse(&json).expect("a good peer") {
                Some(Control::Hello(mut hello)) => {
                    if let Some(commitment) = hello.commitment {
                        self.dialer.committed(&self.server_binding, commitment);
                        let nonce = self.dialer.take_nonce().expect("a first try");
                        self.server.push_control(&Control::Nonce(nonce));
                        hello.commitment = self.listener.commit();
                    }
                    hello.conversation = self.session.expect("the caller's hello came first");
                    self.caller.push_control(&Control::Hello(hello));
                }
                Some(Control::Reveal(nonce)) => {
                    self.servers_number = self.dialer.open(nonce).expect("a true reveal");
                    let number = self.servers_number.iter();
                    let number = number.map(|number| number.digits.clone());
                    learns.send_modify(|learned| learned.servers.extend(number));
                    return self.reveal(learns);
                }
                Some(control) => self.caller.push_control(&control),
                None => {}
            },
            Frame::HangUp => self.caller.push_hang_up(),
        }
        true
    }

    /// Reveals his nonce to the caller, when he knows both numbers and if he wants to. Returns
    /// whether he goes on.
    fn reveal(&mut self, learns: &watch::Sender<Learned>) -> bool {
        let Some(servers_number) = &self.servers_number else {
            return true;
        };
        let Some(Reveal { nonce, number }) = self.listener.reveal(Instant::now()) else {
            return true;
        };
        let equal = number.as_ref() == Some(servers_number);
        self.callers_number = number;
        let number = self.callers_number.iter();
        let number = number.map(|number| number.digits.clone());
        learns.send_modify(|learned| learned.callers.extend(number));
        if self.tactics.breaks_off && !equal {
            return false;
        }
        self.caller.push_control(&Control::Reveal(nonce));
        true
    }
}

/// What binds the number to his connection with a peer.
fn binding<S: Stream>(keyring: &Keyring, secured: &SecureStream<S>) -> ChannelBinding {
    ChannelBinding {
        exporter: secured.exporter,
        own_key: keyring.own_key,
        peer_key: secured.peer_key.expect("a program of this kind"),
    }
}

/// Passes lines on. `numbers`: that of the side that has written them, and that of the other.
fn say(
    to: &mut BoxConnection,
    lines: Batch,
    tactics: Tactics,
    numbers: (&Option<SafetyNumber>, &Option<SafetyNumber>),
    learns: &watch::Sender<Learned>,
) {
    for line in lines.lines() {
        learns.send_modify(|learned| learned.words.push(line.to_owned()));
        match numbers {
            (Some(own), Some(others)) if tactics.rewrites_numbers => {
                to.push_line(&line.replace(&own.digits, &others.digits));
            }
            _ => to.push_line(line),
        }
    }
}
