//! How soon keys and messages are on the screen, through a real pseudo-terminal: while nobody
//! speaks, at 1,000 messages a second, and in a burst of 10,000; and how soon a message is marked as
//! received by another person at a screen. `BEFORE=DIRECTORY` measures the
//! programs of another build in turn with these, and `ROUNDS` how often.

#[cfg(target_os = "linux")]
#[tokio::main(flavor = "current_thread")]
async fn main() {
    linux::run().await;
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("processor time is read from /proc, which only Linux has");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::env;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpStream;
    use tokio::time::{MissedTickBehavior, interval, sleep};

    use chat_testkit::process::program;
    use chat_testkit::terminal::{Emulator, Size, Terminal, command_at};

    const SIZE: Size = Size(80, 24);

    const BURST: usize = 10_000;

    /// How long messages come at 1,000 a second.
    const LOAD: Duration = Duration::from_secs(10);

    /// Ticks of `/proc/PID/stat` in a second, on every Linux that matters.
    const TICKS: f64 = 100.0;

    pub async fn run() {
        let before = env::var_os("BEFORE").map(PathBuf::from);
        let rounds = env::var("ROUNDS").map_or(1, |rounds| rounds.parse().expect("a number"));
        let mut now = Figures::default();
        let mut earlier = Figures::default();
        for _ in 0..rounds {
            now.measure(&program("chat-server")).await;
            if let Some(before) = &before {
                earlier.measure(&before.join("chat-server")).await;
            }
        }
        now.report("now");
        if before.is_some() {
            earlier.report("before");
        }
    }

    /// What was measured of one build.
    #[derive(Default)]
    struct Figures {
        receipts: Vec<Duration>,
        idle_keys: Vec<Duration>,
        keys: Vec<Duration>,
        messages: Vec<Duration>,
        bursts: Vec<Duration>,
        under_load: Vec<Usage>,
        in_bursts: Vec<Usage>,
    }

    impl Figures {
        async fn measure(&mut self, server: &Path) {
            self.receipts.extend(receipts(server, 100).await);
            let home = tempfile::tempdir().expect("a temporary directory");
            let command = command_at(server, home.path()).args(["127.0.0.1:0", "--allow-plain"]);
            let mut screen = Terminal::start(SIZE, command);
            let address = screen.invitation().await;
            let mut peer = TcpStream::connect(&address).await.expect("it listens");
            peer.set_nodelay(true).expect("it is a socket");
            peer.write_all(b"message 0\n").await.expect("it reads");
            screen.wait_for(|screen| newest(screen) == Some(0)).await;

            self.idle_keys.extend(keys(&mut screen, 200).await);
            self.load(&mut screen, &mut peer).await;
            self.burst(&mut screen, &mut peer).await;
        }

        /// Messages in step with a clock, keys in between.
        async fn load(&mut self, screen: &mut Terminal, peer: &mut TcpStream) {
            let before = Usage::of(screen);
            let count = LOAD.as_millis() as usize;
            let mut sent = Vec::with_capacity(count);
            let (mut echoes, mut shown) = (Vec::new(), Vec::new());
            let mut clock = interval(Duration::from_millis(1));
            clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut key: Option<(Instant, usize)> = None;
            while shown.len() < count {
                tokio::select! {
                    _ = clock.tick(), if sent.len() < count => {
                        sent.push(Instant::now());
                        let line = format!("message {}\n", sent.len());
                        peer.write_all(line.as_bytes()).await.expect("it reads");
                        if sent.len() % 53 == 0 && key.is_none() {
                            let column = screen.screen().cursor().1;
                            let (typed, then) = match column > 70 {
                                true => ("\x15", 2),
                                false => ("x", column + 1),
                            };
                            key = Some((Instant::now(), then));
                            screen.type_keys(typed).await;
                        }
                    }
                    () = screen.changed() => {
                        let newest = newest(&screen.screen()).unwrap_or(0);
                        let times = sent.get(shown.len()..newest).unwrap_or_default();
                        shown.extend(times.iter().map(Instant::elapsed));
                        let column = screen.screen().cursor().1;
                        if let Some((typed, _)) = key.take_if(|(_, then)| *then == column) {
                            echoes.push(typed.elapsed());
                        }
                    }
                }
            }
            self.keys.extend(echoes);
            self.messages.extend(shown);
            self.under_load.push(before.until_now(screen));
            screen.type_keys("\x15").await;
        }

        /// Many messages at once.
        async fn burst(&mut self, screen: &mut Terminal, peer: &mut TcpStream) {
            let first = LOAD.as_millis() as usize + 1;
            let lines: String = (first..first + BURST)
                .map(|n| format!("message {n}\n"))
                .collect();
            let before = Usage::of(screen);
            let start = Instant::now();
            peer.write_all(lines.as_bytes()).await.expect("it reads");
            let last = Some(first + BURST - 1);
            screen.wait_for(|screen| newest(screen) == last).await;
            self.bursts.push(start.elapsed());
            self.in_bursts.push(before.until_now(screen));
        }

        fn report(self, build: &str) {
            println!("{build:36}{:>9}{:>9}{:>9}", "p50", "p99", "most");
            report("receipt of another person", self.receipts);
            report("key, while nobody speaks", self.idle_keys);
            report("key, at 1,000 messages a second", self.keys);
            report("message, at 1,000 a second", self.messages);
            report_usage(self.under_load);
            report("the last of 10,000 at once", self.bursts);
            report_usage(self.in_bursts);
        }
    }

    /// Says one message after another to somebody at another screen, and measures from Enter until
    /// each is marked as received.
    async fn receipts(server: &Path, count: usize) -> Vec<Duration> {
        let homes = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
        let [bobs, anns] = homes.each_ref().map(|home| home.path());
        let mut bob = Terminal::start(SIZE, command_at(server, bobs).args(["127.0.0.1:0"]));
        let address = bob.invitation().await;
        let client = server.with_file_name("chat-client");
        let mut ann = Terminal::start(SIZE, command_at(&client, anns).args([address]));
        ann.wait_for_line("Call with").await;
        let mut times = Vec::new();
        for number in 0..count {
            let text = format!("message {number}.");
            ann.type_keys(&text).await;
            ann.wait_for(|screen| screen.cursor().0.ends_with(&text))
                .await;
            let start = Instant::now();
            ann.type_keys("\r").await;
            let is_marked = |row: &String| row.contains('✓') && row.ends_with(&text);
            ann.wait_for(|screen| screen.rows().iter().any(is_marked))
                .await;
            times.push(start.elapsed());
        }
        times
    }

    /// Types one key after another, and measures until each is on the screen.
    async fn keys(screen: &mut Terminal, count: usize) -> Vec<Duration> {
        let mut times = Vec::new();
        for number in 0..count {
            // Not in step with the frames.
            sleep(Duration::from_micros(
                20_000 + 7_919 * number as u64 % 16_000,
            ))
            .await;
            let column = screen.screen().cursor().1;
            if column > 70 {
                screen.type_keys("\x15").await;
                screen.wait_for(|screen| screen.cursor().1 == 2).await;
                continue;
            }
            let start = Instant::now();
            screen.type_keys("x").await;
            screen
                .wait_for(|screen| screen.cursor().1 == column + 1)
                .await;
            times.push(start.elapsed());
        }
        screen.type_keys("\x15").await;
        times
    }

    /// The number of the newest message on the screen.
    fn newest(screen: &Emulator) -> Option<usize> {
        let rows = screen.rows();
        let messages = rows
            .iter()
            .rev()
            .filter_map(|row| row.split_once("> message "));
        messages.filter_map(|(_, text)| text.parse().ok()).next()
    }

    fn report(what: &str, mut times: Vec<Duration>) {
        times.sort_unstable();
        let at = |percent: usize| {
            let index = (times.len() - 1) * percent / 100;
            format!("{:.1} ms", times[index].as_secs_f64() * 1e3)
        };
        println!("{what:36}{:>9}{:>9}{:>9}", at(50), at(99), at(100));
    }

    /// What the program has used.
    #[derive(Clone, Copy)]
    struct Usage {
        processor: f64,
        bytes: usize,
        frames: usize,
    }

    impl Usage {
        fn of(terminal: &Terminal) -> Self {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", terminal.id()))
                .expect("the program runs");
            // After the name, which may contain blanks: utime and stime, proc_pid_stat(5).
            let (_, fields) = stat.rsplit_once(')').expect("a name");
            let ticks = fields.split_whitespace().skip(11).take(2);
            let ticks: f64 = ticks.filter_map(|field| field.parse::<f64>().ok()).sum();
            let screen = terminal.screen();
            Self {
                processor: ticks / TICKS,
                bytes: screen.bytes,
                frames: screen.frames,
            }
        }

        fn until_now(self, terminal: &Terminal) -> Self {
            let now = Self::of(terminal);
            Self {
                processor: now.processor - self.processor,
                bytes: now.bytes - self.bytes,
                frames: now.frames - self.frames,
            }
        }
    }

    /// The mean of the rounds.
    fn report_usage(rounds: Vec<Usage>) {
        let count = rounds.len();
        println!(
            "    {:.2} s of the processor, {} frames, {} kB",
            rounds.iter().map(|usage| usage.processor).sum::<f64>() / count as f64,
            rounds.iter().map(|usage| usage.frames).sum::<usize>() / count,
            rounds.iter().map(|usage| usage.bytes).sum::<usize>() / count / 1000,
        );
    }
}
