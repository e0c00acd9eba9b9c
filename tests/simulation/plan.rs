//! What a seed stands for: who says what, how they part, and what happens to the network.

use std::ops::Range;
use std::time::Duration;

use crate::person::LastAct;
use crate::shrink::{below, chunks};

/// The only way, where there is no relay.
pub const DIRECT: &[Way] = &[Way::Direct];

/// Both ways.
const BOTH: &[Way] = &[Way::Direct, Way::Relay];

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Decides what the plan does not say: the order of what happens at the same time.
    pub seed: u64,
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
    /// The server is reached by a relay too.
    pub relayed: bool,
    pub strangers: Vec<Stranger>,
}

/// One of the people.
#[derive(Clone, Debug)]
pub struct Person {
    pub talk: usize,
    pub last_act: LastAct,
    /// Hangs up only when all has arrived.
    pub patient: bool,
    /// Comes this late.
    pub late: Duration,
    pub seed: u64,
    /// Loses the first message after an outage: a fault of the program, which a run must find.
    pub forgets: bool,
}

/// Somebody who calls the server and sends what nobody should.
#[derive(Clone, Copy, Debug)]
pub struct Stranger {
    pub at: Duration,
    /// Encrypts, and sends lines; otherwise, noise.
    pub speaks: bool,
    pub pieces: usize,
    pub seed: u64,
}

/// Something that happens to the network between the server and one client.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub client: usize,
    /// What it happens to: either way to the server, or both.
    pub ways: &'static [Way],
    pub kind: FaultKind,
    pub begin: Duration,
    pub end: Duration,
}

/// A way from a client to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Direct,
    Relay,
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
        let mut plan = Self {
            seed,
            tick: Duration::from_millis([10, 20, 50][rng.usize(..3)]),
            latency: Duration::ZERO..Duration::from_millis(slowest),
            server,
            once: clients.len() == 1 && rng.bool(),
            faults: faults(clients.len(), rng),
            clients,
            flaws: [0, 2, 4, 8, 30][rng.usize(..5)],
            relayed: rng.u8(..4) == 0,
            strangers: Vec::new(),
        };
        if plan.relayed {
            for fault in &mut plan.faults {
                fault.ways = match fault.kind {
                    FaultKind::Sleep => BOTH,
                    _ => [DIRECT, &[Way::Relay], BOTH][rng.usize(..3)],
                };
            }
        }
        // The server is theirs for a call.
        if !plan.once && rng.u8(..4) == 0 {
            plan.strangers = (0..rng.usize(1..3)).map(|_| Stranger::new(rng)).collect();
        }
        plan
    }

    /// Whether nothing happens to the network.
    pub fn is_calm(&self) -> bool {
        self.faults.is_empty() && self.flaws == 0 && self.strangers.is_empty()
    }

    /// Plans in which a little less happens, those with much less first.
    pub fn smaller(&self) -> Vec<Self> {
        let mut smaller = Vec::new();
        let mut less = |change: &dyn Fn(&mut Self)| {
            let mut plan = self.clone();
            change(&mut plan);
            smaller.push(plan);
        };
        if self.clients.len() > 1 {
            less(&|plan| {
                plan.clients.truncate(1);
                plan.faults.retain(|fault| fault.client == 1);
            });
        }
        if self.relayed {
            less(&|plan| {
                plan.relayed = false;
                plan.faults.iter_mut().for_each(|fault| fault.ways = DIRECT);
            });
        }
        for chunk in chunks(self.strangers.len()) {
            less(&|plan| drop(plan.strangers.drain(chunk.clone())));
        }
        for chunk in chunks(self.faults.len()) {
            less(&|plan| drop(plan.faults.drain(chunk.clone())));
        }
        for flaws in below(self.flaws.into()) {
            less(&|plan| plan.flaws = flaws as u32);
        }
        for who in 0..=self.clients.len() {
            let person = self.person(who);
            for talk in below(person.talk as u64) {
                less(&|plan| plan.person_mut(who).talk = talk as usize);
            }
            if !person.late.is_zero() {
                less(&|plan| plan.person_mut(who).late = Duration::ZERO);
            }
        }
        for (at, stranger) in self.strangers.iter().enumerate() {
            for pieces in below(stranger.pieces as u64) {
                less(&|plan| plan.strangers[at].pieces = pieces as usize);
            }
        }
        for (at, fault) in self.faults.iter().enumerate() {
            if fault.begin > self.tick {
                less(&|plan| plan.faults[at].begins_earlier(fault.begin / 2));
            }
            if fault.lasts() > self.tick {
                less(&|plan| plan.faults[at].end -= fault.lasts() / 2);
            }
        }
        smaller
    }

    fn person(&self, who: usize) -> &Person {
        match who.checked_sub(1) {
            None => &self.server,
            Some(client) => &self.clients[client],
        }
    }

    fn person_mut(&mut self, who: usize) -> &mut Person {
        match who.checked_sub(1) {
            None => &mut self.server,
            Some(client) => &mut self.clients[client],
        }
    }
}

impl Fault {
    fn lasts(&self) -> Duration {
        self.end - self.begin
    }

    fn begins_earlier(&mut self, by: Duration) {
        self.begin -= by;
        self.end -= by;
    }
}

impl Stranger {
    fn new(rng: &mut fastrand::Rng) -> Self {
        Self {
            at: Duration::from_millis(rng.u64(..20_000)),
            speaks: rng.u8(..4) != 0,
            pieces: rng.usize(..30),
            seed: rng.u64(..),
        }
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
            forgets: false,
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
            ways: DIRECT,
            kind: kinds[rng.usize(..kinds.len())],
            begin,
            end,
        }
    };
    (0..count).map(|_| fault(rng)).collect()
}
