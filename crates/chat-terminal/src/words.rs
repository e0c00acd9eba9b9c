//! Every sentence that a person reads, in one place, apart from the logic.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use chat_core::DEFAULT_PORT;
use chat_core::conversation::{
    Ended, Ending, Event, LinkState, Loss, Peer, Security, Side, Standing, Unsayable,
};
use chat_core::trust::{KnownPeer, KnownPeersError, PeerList};

/// The remark that goes with an event; messages and states that need none have none.
pub fn describe(event: &Event) -> Option<String> {
    Some(match event {
        Event::Call(peer) => format!("call with {}, {}", who(peer), mark(&peer.security)),
        Event::Unsaid(_, why) => format!("not sent: {}", unsayable(*why)),
        Event::PeerFinished => "the other side has no more to say; 88 ends the call".into(),
        Event::Link(LinkState::Silent(time)) => format!("link silent for {}", seconds(*time)),
        Event::Link(LinkState::Reconnecting(0)) => {
            "connection lost; waiting for the other side to call again".into()
        }
        Event::Link(LinkState::Reconnecting(count)) => {
            format!("connection lost; reconnecting ({count}. try)")
        }
        Event::Link(LinkState::Back { after, resent }) => format!(
            "back after {}, {} sent again",
            seconds(*after),
            messages(*resent)
        ),
        Event::SafetyNumber { digits, emoji } => {
            let names: Vec<_> = emoji
                .iter()
                .map(|(c, name)| format!("{c} {name}"))
                .collect();
            format!("safety number {digits} ({})", names.join(", "))
        }
        Event::Ahead(0) => "the other side is busy; you are next".into(),
        Event::Ahead(ahead) => format!("the other side is busy; {ahead} wait before you"),
        Event::Ended(ended) => end(ended),
        Event::Notice(notice) => notice.clone(),
        Event::Lines(_)
        | Event::Message(_)
        | Event::Delivered(_)
        | Event::Typing(_)
        | Event::Waiting(_)
        | Event::Link(LinkState::Up { .. }) => return None,
    })
}

/// The peer, as one calls it.
pub fn who(peer: &Peer) -> String {
    match &peer.name {
        Some(name) => format!("{name} ({})", peer.address),
        None => peer.address.clone(),
    }
}

/// How far the connection can be trusted, in words.
pub fn mark(security: &Security) -> &'static str {
    match security {
        Security::Plaintext => "NOT ENCRYPTED",
        Security::NoKey => "encrypted, no key",
        Security::Key { standing, .. } => match standing {
            Standing::New => "encrypted, new, unverified",
            Standing::Unverified => "encrypted, unverified",
            Standing::Verified => "encrypted, verified",
        },
    }
}

/// What is known of the call.
pub fn status(peer: &Peer) -> String {
    format!("talking with {}, {}", who(peer), mark(&peer.security))
}

/// A caller has to wait.
pub fn caller_waits(peer: &Peer, waiting: usize) -> String {
    format!(
        "{} is calling too ({waiting} waiting); /next takes the next call",
        who(peer)
    )
}

/// A caller did not want to wait any longer.
pub fn caller_left(peer: &Peer) -> String {
    format!("{} no longer waits", who(peer))
}

/// A caller was turned away, for too many wait already.
pub fn caller_turned_away(peer: &Peer) -> String {
    format!("{} was told that you are busy", who(peer))
}

/// How to reach a server that listens on `port` at these addresses.
pub fn invitation(port: u16, addresses: &[IpAddr]) -> String {
    let commands: Vec<_> = addresses
        .iter()
        .map(|address| format!("\n    chat-client {}", target(*address, port)))
        .collect();
    format!(
        "waiting for a call on port {port}; the other side runs{}",
        commands.join("\n  or")
    )
}

/// Why a server cannot start.
pub fn cannot_listen(address: SocketAddr) -> String {
    format!(
        "cannot listen on {address}; is another server running there? name another port, such as chat-server {}",
        address.port().wrapping_add(1)
    )
}

fn target(address: IpAddr, port: u16) -> String {
    match (address, port) {
        (_, DEFAULT_PORT) => address.to_string(),
        _ => SocketAddr::new(address, port).to_string(),
    }
}

/// There is no key that could be verified.
pub const NO_KEY_TO_VERIFY: &str = "there is no key to verify: the peer is not chat-client or \
    chat-server, or the call is not encrypted";

/// The two people have compared their safety numbers.
pub fn verified(peer: &Peer) -> String {
    format!("{} is verified from now on", who(peer))
}

/// The file of known peers could not be changed.
pub fn not_remembered(error: &KnownPeersError) -> String {
    format!("the key of this peer is not remembered: {error}")
}

/// The known peers, one a line.
pub fn peers(known: &PeerList) -> String {
    let lines = known.peers().map(|peer| {
        let state = if peer.verified {
            "verified"
        } else {
            "unverified"
        };
        let KnownPeer {
            name,
            fingerprint,
            first_seen,
            ..
        } = peer;
        let addresses = peer.addresses.join(" ");
        format!("\n    {name}  {state}, since {first_seen}  {fingerprint}  {addresses}")
    });
    let flaws = known.unreadable().map(|flaw| format!("\n    {flaw}"));
    let lines: String = lines.chain(flaws).collect();
    match lines.is_empty() {
        true => "no peers are known yet".into(),
        false => format!("known peers:{lines}"),
    }
}

/// What `--forget` did.
pub fn forgotten(peers: &[KnownPeer]) -> String {
    let lines = peers.iter().map(|peer| {
        format!(
            "forgot {}, known by {} since {}",
            peer.name, peer.fingerprint, peer.first_seen
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Nobody is on the line to hear it.
pub const NOBODY_THERE: &str = "nobody is on the line";

/// Nobody waits for the next call.
pub const NOBODY_WAITS: &str = "nobody is waiting";

/// A client has no next caller.
pub const NEXT_IS_FOR_SERVERS: &str = "/next is for chat-server; /quit ends this call";

fn end(ended: &Ended) -> String {
    let how = match &ended.ending {
        Ending::HungUp(Side::Here) => "you hung up".into(),
        Ending::HungUp(Side::There) => "the other side hung up".into(),
        Ending::InputOver => "call over: both sides have no more to say".into(),
        Ending::Idle(time) => format!("hung up: nothing heard for {}", seconds(*time)),
        Ending::Lost(Loss::Silent(time)) => {
            format!("connection lost: nothing heard for {}", seconds(*time))
        }
        Ending::Lost(loss) => format!("connection lost: {loss}"),
        Ending::Protocol(error) => {
            format!("call ended: the other side broke the protocol: {error}")
        }
        Ending::Busy { waiting } => {
            format!("the other side is busy and {waiting} wait already; try again later")
        }
        Ending::Refused(reason) => format!("the other side refused the call: {reason}"),
        Ending::Local(error) => format!("call ended: this side's input or output failed: {error}"),
    };
    match ended.undelivered.len() {
        0 => how,
        count => format!("{how}; {} may not have arrived", messages(count as u64)),
    }
}

fn unsayable(why: Unsayable) -> String {
    match why {
        Unsayable::TooLong { length, limit } => {
            format!("the message has {length} bytes, and {limit} fit; say it in parts")
        }
        Unsayable::WouldHangUp => {
            "this peer would take the line 88 for a hang-up; add something to it".into()
        }
    }
}

fn messages(count: u64) -> String {
    match count {
        1 => "1 message".into(),
        _ => format!("{count} messages"),
    }
}

fn seconds(time: Duration) -> String {
    humantime::format_duration(Duration::from_secs(time.as_secs_f64().round() as u64)).to_string()
}
