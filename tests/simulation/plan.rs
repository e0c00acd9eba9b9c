//! What a seed stands for: who says what, how they part, and what happens to the network.

use std::ops::Range;
use std::time::Duration;

use crate::person::LastAct;

/// One run.
#[derive(Debug)]
pub struct Plan {
    /// The clock moves in such steps.
    pub tick: Duration,
    pub latency: Range<Duration>,
    pub server: Person,
    /// The server ends after one call.
    pub once: bool,
    pub clients: Vec<Person>,
    /// One after the other.
    pub faults: Vec<Fault>,
    /// How many cables break.
    pub flaws: u32,
}

/// One of the people.
#[derive(Debug)]
pub struct Person {
    pub talk: usize,
    pub last_act: LastAct,
    /// Hangs up only when all has arrived.
    pub patient: bool,
    /// Comes this late.
    pub late: Duration,
    pub seed: u64,
}

/// Something that happens to the network between the server and one client.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub client: usize,
    pub kind: FaultKind,
    pub begin: Duration,
    pub end: Duration,
}

#[derive(Clone, Copy, Debug)]
pub enum FaultKind {
    /// Packets are late, but arrive.
    Hold,
    /// Packets are lost.
    Partition,
    /// Packets to the server are lost.
    Deaf,
    /// Packets to the client are lost.
    Mute,
    /// Connections are reset, and new ones refused.
    Refuse,
    /// The client has another address from the beginning of this.
    Roam,
    /// Large packets are lost.
    Hole,
    /// The client's machine sleeps.
    Sleep,
}

impl Plan {
    pub fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let rng = &mut rng;
        let clients = if rng.u8(..6) == 0 { 2 } else { 1 };
        // One side at least must be the one that ends.
        let (server, client) = match rng.u8(..10) {
            0..5 => (LastAct::Finish, LastAct::Finish),
            5..7 => (
                [LastAct::Finish, LastAct::Wait][rng.usize(..2)],
                [LastAct::HangUp, LastAct::SendOnly][rng.usize(..2)],
            ),
            7..9 => (
                LastAct::HangUp,
                [LastAct::Finish, LastAct::Wait][rng.usize(..2)],
            ),
            _ => (LastAct::HangUp, LastAct::HangUp),
        };
        let server = Person::new(server, rng);
        let clients: Vec<_> = (0..clients).map(|_| Person::new(client, rng)).collect();
        let slowest = rng.u64(1..250);
        Self {
            tick: Duration::from_millis([10, 20, 50][rng.usize(..3)]),
            latency: Duration::ZERO..Duration::from_millis(slowest),
            server,
            once: clients.len() == 1 && rng.bool(),
            faults: faults(clients.len(), rng),
            clients,
            flaws: [0, 2, 4, 8, 30][rng.usize(..5)],
        }
    }

    /// Whether nothing happens to the network.
    pub fn is_calm(&self) -> bool {
        self.faults.is_empty() && self.flaws == 0
    }
}

impl Person {
    fn new(last_act: LastAct, rng: &mut fastrand::Rng) -> Self {
        Self {
            talk: rng.usize(..20),
            last_act,
            patient: rng.u8(..4) != 0,
            late: Duration::from_millis(rng.u64(..3_000)),
            seed: rng.u64(..),
        }
    }
}

fn faults(clients: usize, rng: &mut fastrand::Rng) -> Vec<Fault> {
    let mut end = Duration::ZERO;
    let count = [0, 0, 1, 2, 4, 12][rng.usize(..6)];
    let mut fault = |rng: &mut fastrand::Rng| {
        let begin = end + Duration::from_millis(rng.u64(..6_000));
        let lasts = match rng.u8(..100) {
            0..40 => rng.u64(..1_000),
            40..70 => rng.u64(..8_000),
            70..98 => rng.u64(..40_000),
            _ => rng.u64(..700_000),
        };
        end = begin + Duration::from_millis(lasts);
        let kinds = [
            FaultKind::Hold,
            FaultKind::Hold,
            FaultKind::Partition,
            FaultKind::Deaf,
            FaultKind::Mute,
            FaultKind::Refuse,
            FaultKind::Roam,
            FaultKind::Hole,
            FaultKind::Sleep,
        ];
        Fault {
            client: rng.usize(1..=clients),
            kind: kinds[rng.usize(..kinds.len())],
            begin,
            end,
        }
    };
    (0..count).map(|_| fault(rng)).collect()
}
