//! A day of one call, in simulated time: two people talk, type, are away, send files, and lose the
//! connection again and again. Nothing grows that should not.

use std::alloc::System;
use std::fs;
use std::future::{Future, pending};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cap::Cap;
use chat_client::{Connector, Trust, Wanted};
use chat_core::driver::{Command, Input};
use chat_core::files::{FileCommand, FileEvent, FileState};
use chat_core::journal::Recorder;
use chat_core::protocol::{ConnectionStatus, Event};
use chat_core::transport::{Dial, DialError, Packets, Routes};
use chat_core::wire::Framing;
use chat_testkit::NEVER;
use chat_testkit::network::{Exchange, NOWHERE, Network};
use chat_testkit::people::{Client, Server, User, user};
use chat_testkit::scripted::Person;
use tokio::io::{DuplexStream, copy_bidirectional, duplex};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{advance, sleep};

/// Counts what is allocated.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// How long nothing is said after each round.
const QUIET: Duration = Duration::from_secs(10 * 60);

/// So many of them are a day.
const ROUNDS: usize = 24 * 6;

/// By then everything is in place that stays: offers that are over are remembered, but not all.
const WARM: usize = 8 * 6;

/// So many of them are an hour.
const HOUR: usize = 6;

/// So much more memory may be in use at the end: what happens to be in buffers.
const SLACK: usize = 16 * 1024;

/// What one message takes in a journal, and its receipt, at most.
const RECORDED: u64 = 400;

/// Room in each direction.
const ROOM: usize = 64 * 1024;

/// A line to the server that can be cut.
#[derive(Clone)]
struct Line {
    exchange: Arc<Exchange>,
    cut: Arc<Notify>,
}

impl Dial for Line {
    type Stream = DuplexStream;

    fn address(&self) -> String {
        NOWHERE.to_string()
    }

    fn limit(&self) -> Duration {
        NEVER
    }

    async fn dial(&self, _: Packets) -> Result<DuplexStream, DialError> {
        let (here, mut near) = duplex(ROOM);
        let mut far = self.exchange.connect(ROOM);
        let cut = Arc::clone(&self.cut);
        tokio::spawn(async move {
            tokio::select! {
                ended = copy_bidirectional(&mut near, &mut far) => drop(ended),
                () = cut.notified() => {}
            }
        });
        Ok(here)
    }

    fn routes(&self) -> Option<Routes> {
        None
    }

    async fn moved(&self) {
        pending().await
    }
}

/// Does `work` while the clock goes five times as fast as a real one. It would run away from the
/// disk if it went as fast as it can.
async fn awake<T>(work: impl Future<Output = T>) -> T {
    let clock = async {
        loop {
            let slept = spawn_blocking(|| thread::sleep(Duration::from_micros(200)));
            slept.await.expect("no panic");
            advance(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        done = work => done,
        () = clock => unreachable!("it goes for ever"),
    }
}

/// What may grow.
#[derive(Clone, Copy, Debug)]
struct Use {
    /// In bytes.
    memory: usize,
    tasks: usize,
    descriptors: Option<usize>,
    /// Bytes in both journals.
    journals: u64,
}

fn now(people: [&User; 2]) -> Use {
    let descriptors = fs::read_dir("/proc/self/fd").ok();
    Use {
        memory: MEMORY.allocated(),
        tasks: Handle::current().metrics().num_alive_tasks(),
        descriptors: descriptors.map(Iterator::count),
        journals: people.map(|user| journal(user.home.path())).iter().sum(),
    }
}

/// The least of each: what is in use for a moment does not count.
fn least(uses: &[Use]) -> Use {
    let least = |one: Use, other: &Use| Use {
        memory: one.memory.min(other.memory),
        tasks: one.tasks.min(other.tasks),
        descriptors: one.descriptors.min(other.descriptors),
        journals: one.journals.min(other.journals),
    };
    uses[1..].iter().fold(uses[0], least)
}

fn journal(home: &Path) -> u64 {
    let files = fs::read_dir(home.join("calls")).expect("a directory");
    let lengths = files.map(|file| file.expect("a file").metadata().expect("a file").len());
    lengths.sum()
}

fn recorder(user: &User) -> Option<Recorder> {
    Some(Recorder {
        data_dir: user.home.path().to_owned(),
        person: true,
        keep: false,
        answering: false,
    })
}

/// Ann waits, and Bob calls her over a line.
async fn call(ann: &User, bob: &User) -> (Server, Client, Line) {
    let (network, exchange) = Network::new();
    let line = Line {
        exchange: Arc::new(exchange),
        cut: Arc::default(),
    };
    let mut server = ann.answers_as(network, NOWHERE, ann.reception(), |config| {
        config.recorder = recorder(ann);
    });
    let connector = Connector {
        dialer: line.clone(),
        trust: Trust::Encrypted {
            keyring: bob.keyring(),
            wanted: Wanted::Address,
        },
        framing: Framing::Auto,
    };
    let mut client = bob.calls_with(connector, |config| config.recorder = recorder(bob));
    server.person.is_called().await;
    client.person.is_called().await;
    (server, client, line)
}

async fn says(from: &Person, to: &mut Person, text: &str) {
    from.does(Input::Typing(true));
    from.says(text);
    to.hears(text).await;
    from.does(Input::Typing(false));
}

async fn sends(from: &mut Person, to: &mut Person, file: &Path) {
    let path = file.to_owned();
    from.commands(Command::File(FileCommand::Send(vec![path])));
    let number = to.sees(|event| match event {
        Event::File(FileEvent::Offer(file, FileState::Offered)) => Some(file.number),
        _ => None,
    });
    let number = Some(number.await);
    let name = None;
    to.commands(Command::File(FileCommand::Accept { number, name }));
    for person in [from, to] {
        let done = person.sees(|event| match event {
            Event::File(FileEvent::Offer(_, FileState::Done { path, .. })) => Some(path.clone()),
            _ => None,
        });
        if let Some(taken) = done.await {
            fs::remove_file(taken).expect("it is there");
        }
    }
}

async fn is_back(person: &mut Person) {
    let back = |event: &Event| match event {
        Event::Connection(ConnectionStatus::Resumed { .. }) => Some(()),
        _ => None,
    };
    person.sees(back).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_grows_in_a_day_of_a_call() {
    let (ann, bob) = (user("ann"), user("bob"));
    let photo = bob.home.path().join("photo.jpg");
    fs::write(&photo, vec![7; 20_000]).expect("written");
    let (mut server, mut client, line) = awake(call(&ann, &bob)).await;
    let mut day = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let (to_ann, to_bob) = (format!("tick {round:03}"), format!("tock {round:03}"));
        let (here, there) = (&mut server.person, &mut client.person);
        awake(async {
            says(there, here, &to_ann).await;
            says(here, there, &to_bob).await;
            if round % 2 == 1 {
                sends(there, here, &photo).await;
            }
            there.commands(Command::Away(Some("asleep".into())));
            there.commands(Command::Away(None));
            line.cut.notify_waiters();
            is_back(here).await;
            is_back(there).await;
        })
        .await;
        sleep(QUIET).await;
        day.push(now([&ann, &bob]));
    }
    let (early, late) = (least(&day[WARM - HOUR..WARM]), least(&day[ROUNDS - HOUR..]));
    println!("{early:?}\n{late:?}");
    assert!(late.memory <= early.memory + SLACK, "{day:#?}");
    assert_eq!(late.tasks, early.tasks, "{day:#?}");
    assert_eq!(late.descriptors, early.descriptors, "{day:#?}");
    // What is said is written down while the call lasts; nothing else is, however often it is cut.
    let said = 2 * (ROUNDS - WARM) as u64;
    assert!(
        late.journals - early.journals <= 2 * said * RECORDED,
        "{day:#?}"
    );

    awake(async {
        client.hangs_up().await;
        server.person.reads_the_end().await;
        server.stops().await;
    })
    .await;
    for user in [&ann, &bob] {
        assert!(journal(user.home.path()) < 1_000, "counts are left");
    }
}
