//! Both programs on a simulated network, in virtual time. Each run follows from a seed, which
//! decides what is said, when the network holds, loses or cuts, who calls besides, and how the
//! people part. Of a run that fails, the shortest plan is printed that fails too.
//!
//! `CHAT_SIM_SEED=n` repeats the run of one seed and shows what happened in it, and
//! `CHAT_SIM_RUNS=n` makes so many runs. The order in which tokio looks at what is ready at the
//! same time follows from the seed only with `RUSTFLAGS="--cfg tokio_unstable"`.

mod crash;
mod log;
mod network;
mod person;
mod plan;
mod shrink;
mod stranger;
mod verdict;
mod weather;

use std::env;
use std::fs;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use chat_client::{Connector, Trust, Wanted, Ways};
use chat_core::driver::{CallConfig, RESUME_WINDOW};
use chat_core::files::FileConfig;
use chat_core::protocol::CloseReason;
use chat_core::transport::{Dial, Keyring, Listen};
use chat_core::wire::Framing;
use chat_server::Acceptor;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::sleep;
use turmoil::Builder;

use log::{Log, SERVER, What};
use network::{Dialer, Listener, Network};
use person::{LastAct, Screen, Script};
use plan::{Person, Plan, Way};
use shrink::shrink;
use weather::Weather;

/// Runs in the ordinary test suite.
const RUNS: u64 = 1_000;

/// The place of the strangers' key among all.
const STRANGER: usize = 3;

/// The same of those with crashes, which wait for a real disk.
const CRASH_RUNS: u64 = 30;

/// By then everybody has ended, in virtual time.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// So many packets, of connections above all, may be held on their way.
const CONNECTIONS: usize = 16 * 1024;

/// How long a connection may be under way to the server after its client has ended: two
/// handshakes.
const LATE: Duration = Duration::from_secs(25);

#[test]
fn nothing_is_lost_or_doubled_whatever_the_network_does() {
    let run = |world: &World, seed, verbose| world.run(&Plan::new(seed), verbose);
    let (runs, outages) = run_all(RUNS, run).unwrap_or_else(|seeds| explain(&seeds));
    println!("{runs} runs survived {outages} outages");
    assert!(runs < RUNS || outages as u64 > runs, "too little happens");
}

#[test]
fn nothing_is_lost_or_doubled_whoever_loses_power() {
    let (runs, crashes) = run_all(CRASH_RUNS, |world, seed, _| world.crash(seed))
        .unwrap_or_else(|seeds| panic!("seeds that failed: {seeds:?}"));
    println!("{runs} runs survived {crashes} crashes");
    assert!(crashes as u64 >= runs);
}

/// What is to be found here is made: a message that is lost after an outage.
#[test]
fn a_run_that_fails_is_shrunk_to_what_makes_it_fail() {
    let world = World::new();
    let forgetful = |seed| {
        let mut plan = Plan::new(seed);
        let people = plan.clients.iter_mut().chain([&mut plan.server]);
        people.for_each(|person| person.forgets = true);
        plan
    };
    let mut plans = (0..).map(forgetful);
    let rich = |plan: &Plan| plan.faults.len() > 3 && plan.server.talk > 5;
    let plan = plans.find(|plan| rich(plan) && world.fails(plan));
    let plan = plan.expect("many have outages");
    let shortest = shrink(&plan, |plan| world.fails(plan));
    assert!(world.fails(&shortest), "{shortest:#?}");
    let happens = |plan: &Plan| {
        plan.faults.len() + plan.flaws as usize + plan.strangers.len() + plan.clients.len()
    };
    // One outage of one client, and less to say around it.
    assert_eq!(happens(&shortest), 2, "{shortest:#?}");
    let said = |plan: &Plan| plan.server.talk + plan.clients[0].talk;
    assert!(said(&shortest) * 2 <= said(&plan), "{shortest:#?}");
}

/// Fails, having printed the shortest plan that fails as the first of these seeds does.
fn explain(seeds: &[u64]) -> ! {
    let world = World::new();
    let plan = shrink(&Plan::new(seeds[0]), |plan| world.fails(plan));
    eprintln!("the shortest that fails of seed {}:", seeds[0]);
    let failed = world.run(&plan, true);
    panic!("seeds that failed: {seeds:?}; the shortest: {failed:?}");
}

/// Makes so many runs, or as the environment wants it, each with a seed. Returns how many there
/// were, and what they have counted; or the seeds of those that failed.
fn run_all(
    runs: u64,
    run: impl Fn(&World, u64, bool) -> Result<usize, String> + Sync,
) -> Result<(u64, usize), Vec<u64>> {
    let seeds = match (number("CHAT_SIM_SEED"), number("CHAT_SIM_RUNS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, wanted) => 0..wanted.unwrap_or(runs),
    };
    let verbose = seeds.end - seeds.start == 1;
    let next = AtomicU64::new(seeds.start);
    let counted = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let work = || {
        let world = World::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            match run(&world, seed, verbose) {
                Ok(count) => {
                    counted.fetch_add(count, Ordering::Relaxed);
                }
                Err(error) => {
                    eprintln!("CHAT_SIM_SEED={seed}: {error}");
                    failures.lock().expect("no panic").push(seed);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().expect("no panic");
    match failures.is_empty() {
        true => Ok((seeds.end - seeds.start, counted.into_inner())),
        false => Err(failures),
    }
}

/// It has the right key, and takes every connection, but nobody says hello.
#[test]
fn a_server_that_never_answers_is_given_up() {
    let world = World::new();
    let plan = Person {
        talk: 1,
        last_act: LastAct::Finish,
        patient: true,
        late: Duration::ZERO,
        seed: 0,
        forgets: false,
    };
    let network = Network::new(fastrand::Rng::with_seed(0), 0, 1);
    let log = Log::default();
    let secure = world.keyrings[SERVER].tls.clone();
    let mut sim = Builder::new()
        .tick_duration(Duration::from_millis(20))
        .simulation_duration(LIMIT)
        .build();
    let listening = Listener::bind(network.clone());
    sim.host("server", {
        let listening = Mutex::new(Some(listening));
        move || {
            let listening = listening.lock().expect("no panic").take();
            let secure = secure.clone();
            async move {
                let mut listener = listening.expect("started once").await?;
                let mut silent = Vec::new();
                loop {
                    let (cable, _) = listener.accept().await?;
                    silent.push(secure.accept(cable).await?);
                }
            }
        }
    });
    let ways = world.ways(1, false, network);
    let client = client(1, &plan, ways, log.clone());
    sim.client("client-1", async {
        client.await;
        Ok(())
    });
    sim.run().expect("the client ends");
    let entries = log.entries();
    let lost = entries.iter().find_map(|entry| match &entry.what {
        What::Ended(ended) => Some((entry.at, matches!(ended.reason, CloseReason::Lost(_)))),
        _ => None,
    });
    let (at, lost) = lost.expect("the call ends");
    assert!(lost, "the call is lost");
    let minutes = at.as_secs() / 60;
    assert!((5..7).contains(&minutes), "given up after {at:?}");
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().expect("the variable is a number"))
}

/// What the runs of one thread share: making keys takes time.
struct World {
    /// The server's, then the clients', then that of strangers.
    keyrings: Vec<Keyring>,
    homes: Vec<TempDir>,
}

impl World {
    fn new() -> Self {
        let homes: Vec<_> = (0..4)
            .map(|_| tempfile::tempdir().expect("a temporary directory"))
            .collect();
        let keyrings = homes
            .iter()
            .map(|home| Keyring::open(home.path()).expect("a new home"));
        Self {
            keyrings: keyrings.collect(),
            homes,
        }
    }

    /// Whether a run fails, or the program does.
    fn fails(&self, plan: &Plan) -> bool {
        let run = || self.run(plan, false);
        !matches!(catch_unwind(AssertUnwindSafe(run)), Ok(Ok(_)))
    }

    /// Makes one run. Returns how many times somebody's call came back after an outage.
    fn run(&self, plan: &Plan, verbose: bool) -> Result<usize, String> {
        fastrand::seed(plan.seed);
        // Numbers that were withheld in other runs do not count in this one.
        for home in &self.homes {
            let _ = fs::remove_file(home.path().join("first_contacts"));
        }
        let log = Log::default();
        let result = self
            .simulate(plan, &log)
            .map_err(|error| error.to_string())
            .and_then(|()| verdict::check(plan, &log.entries()));
        if verbose {
            eprintln!("{plan:#?}");
            log.entries().iter().for_each(|entry| eprintln!("{entry}"));
        }
        result.map(|()| log.comebacks())
    }

    fn simulate(&self, plan: &Plan, log: &Log) -> turmoil::Result {
        let mut sim = Builder::new()
            .rng_seed(plan.seed)
            .tick_duration(plan.tick)
            .simulation_duration(LIMIT)
            .min_message_latency(plan.latency.start)
            .max_message_latency(plan.latency.end)
            .tcp_capacity(CONNECTIONS)
            .enable_random_order()
            .build();
        let rng = fastrand::Rng::with_seed(plan.seed ^ 0xcab1e);
        let network = Network::new(rng, plan.flaws, plan.clients.len());
        let ended = watch::Sender::new(0);
        let everybody = plan.clients.len() + 1;

        let server = self.server(plan, network.clone(), log.clone(), &ended);
        sim.client("server", until(server, ended.clone(), everybody));
        if plan.relayed {
            sim.host("relay", network::relay);
        }
        for (person, number) in plan.clients.iter().zip(1..) {
            let ways = self.ways(number, plan.relayed, network.clone());
            let client = client(number, person, ways, log.clone());
            let name = format!("client-{number}");
            sim.client(name, until(client, ended.clone(), everybody));
        }
        for (stranger, number) in plan.strangers.iter().zip(1..) {
            let calls = stranger::calls(*stranger, self.keyrings[STRANGER].tls.clone());
            sim.client(format!("stranger-{number}"), async {
                calls.await;
                Ok(())
            });
        }
        let mut weather = Weather::new(&plan.faults);
        loop {
            weather.change(&sim, &network);
            if sim.step()? {
                return Ok(());
            }
        }
    }

    fn server(
        &self,
        plan: &Plan,
        network: Network,
        log: Log,
        ended: &watch::Sender<usize>,
    ) -> impl Future<Output = ()> + use<> {
        let (mut script, mut screen) = person(SERVER, &plan.server, &log);
        let reception = acceptor(self.keyrings[SERVER].clone());
        let config = server_config(manners(&plan.server), plan.once);
        let clients = plan.clients.len();
        let mut ended = ended.subscribe();
        async move {
            let listeners = Listener::bind_both(network).await.expect("free ports");
            let nobody_calls = async {
                ended
                    .wait_for(|ended| *ended >= clients)
                    .await
                    .expect("a sender");
                sleep(LATE).await;
                while log.in_call(SERVER) {
                    sleep(LATE).await;
                }
                chat_terminal::exit::OK
            };
            let run = chat_server::run(
                listeners,
                reception,
                config,
                &mut script,
                &mut screen,
                nobody_calls,
            );
            let code = run.await.expect("the person's side works");
            log.note(SERVER, What::Exited(code));
        }
    }

    /// How a client reaches the server: at its address, or by its key on several ways.
    fn ways(&self, client: usize, relayed: bool, network: Network) -> Makes<Ways<Dialer>> {
        let keyring = self.keyrings[client].clone();
        if !relayed {
            return Box::new(move || direct(client, keyring.clone(), network.clone()));
        }
        let wanted = Wanted::Known(self.keyrings[SERVER].own_key);
        let trust = Trust::Encrypted { keyring, wanted };
        Box::new(move || {
            let ways = [Way::Direct, Way::Relay];
            let connectors = ways.map(|way| connector(client, way, trust.clone(), network.clone()));
            let limit = connectors[0].dialer.limit();
            Ways::to_known(
                "server".into(),
                trust.clone(),
                limit,
                connectors.into(),
                None,
            )
        })
    }
}

/// Makes one each time that a person calls.
type Makes<T> = Box<dyn Fn() -> T + Send>;

/// The only way of a client where there is no relay, to whoever has the server's address.
fn direct(client: usize, keyring: Keyring, network: Network) -> Ways<Dialer> {
    let wanted = Wanted::Address;
    let trust = Trust::Encrypted { keyring, wanted };
    connector(client, Way::Direct, trust, network).into()
}

fn connector(client: usize, way: Way, trust: Trust, network: Network) -> Connector<Dialer> {
    Connector {
        dialer: Dialer {
            client,
            way,
            network,
        },
        trust,
        framing: Framing::Auto,
    }
}

fn client(
    number: usize,
    who: &Person,
    ways: Makes<Ways<Dialer>>,
    log: Log,
) -> impl Future<Output = ()> + use<> {
    let (mut script, mut screen) = person(number, who, &log);
    let config = chat_client::Config {
        name: number.to_string().into(),
        call_config: manners(who),
        files: FileConfig::none(),
        send_files: Vec::new(),
        redial_for: Some(RESUME_WINDOW),
        recorder: None,
        when_there: None,
    };
    let late = who.late;
    async move {
        sleep(late).await;
        // Only a call that is on is dialed again; until then, it is the person who does.
        for _ in 0..1_000 {
            let never = std::future::pending();
            let run = chat_client::run(ways(), config.clone(), &mut script, &mut screen, never);
            match run.await {
                Ok(code) => return log.note(number, What::Exited(code)),
                Err(_) => sleep(Duration::from_secs(1)).await,
            }
        }
        log.note(number, What::NoCall("nobody answered".into()));
    }
}

fn acceptor(keyring: Keyring) -> Acceptor {
    Acceptor {
        keyring,
        allow_plain: false,
        known_only: false,
        framing: Framing::Auto,
    }
}

fn server_config(call_config: CallConfig, once: bool) -> chat_server::Config {
    chat_server::Config {
        name: SERVER.to_string().into(),
        backlog: 5,
        ring: false,
        answer: None,
        on_call: None,
        once,
        give_up_after: RESUME_WINDOW,
        call_config,
        files: FileConfig::none(),
        files_from_anyone: false,
        interactive: false,
        recorder: None,
        relay: None,
    }
}

/// Runs a program, then keeps its host up until everybody has ended: a host answers for a
/// program that is gone.
async fn until(
    program: impl Future<Output = ()>,
    ended: watch::Sender<usize>,
    everybody: usize,
) -> turmoil::Result {
    program.await;
    ended.send_modify(|ended| *ended += 1);
    ended
        .subscribe()
        .wait_for(|ended| *ended == everybody)
        .await?;
    Ok(())
}

fn person(who: usize, person: &Person, log: &Log) -> (Script, Screen) {
    let mut rng = fastrand::Rng::with_seed(person.seed);
    let script = Script {
        who,
        log: log.clone(),
        rng: rng.fork(),
        talk: person.talk,
        last_act: person.last_act,
        calls: 0,
        spoken: 0,
        next_at: None,
    };
    let screen = Screen {
        who,
        log: log.clone(),
        rng,
        unread: Vec::new(),
        read_at: None,
        forgets: person.forgets,
        was_away: false,
    };
    (script, screen)
}

fn manners(person: &Person) -> CallConfig {
    CallConfig {
        graceful: person.patient,
        send_only: person.last_act == LastAct::SendOnly,
        ..CallConfig::default()
    }
}
