//! A listener and a dialer as running processes, with pipes at both ends.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::contender::{Certificate, Contender};
use crate::lines::NumberedLines;

/// Bytes of a line that goes there and back, line feed included.
const TRIP_WIDTH: usize = 40;

/// A program must listen within this time.
const START: Duration = Duration::from_secs(10);

/// How often it is looked whether it does.
const PROBE_PAUSE: Duration = Duration::from_micros(20);

/// Two processes that hold a call.
pub(crate) struct Pair {
    /// The one that was called.
    pub(crate) listener: End,
    /// The one that called.
    pub(crate) dialer: End,
    trips: usize,
}

/// One process.
pub(crate) struct End {
    process: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
}

/// How long the beginning of a call took.
pub(crate) struct Beginning {
    /// From starting the listener until it listens.
    pub(crate) listening: Duration,
    /// From starting the dialer until a line was there and back.
    pub(crate) connected: Duration,
}

impl Pair {
    /// Starts both, and sends a first line there and back.
    pub(crate) fn start(
        contender: &Contender,
        certificate: &Certificate,
        home: &Path,
    ) -> io::Result<(Self, Beginning)> {
        // Free now, and most likely still in a moment: `nc` cannot choose one by itself.
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let [listen, dial] = contender.commands(certificate, address.port(), home);
        let start = Instant::now();
        let listener = End::start(listen, home)?;
        wait_for_listener(address)?;
        let listening = start.elapsed();
        let start = Instant::now();
        let dialer = End::start(dial, home)?;
        let mut pair = Self {
            listener,
            dialer,
            trips: 0,
        };
        pair.round_trip()?;
        let connected = start.elapsed();
        Ok((
            pair,
            Beginning {
                listening,
                connected,
            },
        ))
    }

    /// Sends a line from the dialer to the listener and back, and answers how long it took.
    pub(crate) fn round_trip(&mut self) -> io::Result<Duration> {
        self.trips += 1;
        let line = format!("{:0>1$}\n", self.trips, TRIP_WIDTH - 1);
        let start = Instant::now();
        self.dialer.stdin.write_all(line.as_bytes())?;
        self.listener.expect(line.as_bytes())?;
        self.listener.stdin.write_all(line.as_bytes())?;
        self.dialer.expect(line.as_bytes())?;
        Ok(start.elapsed())
    }

    /// Sends `count` lines of `width` bytes from the dialer to the listener as fast as they
    /// go, checks each, and answers how long it took.
    pub(crate) fn flow(&mut self, count: usize, width: usize) -> io::Result<Duration> {
        let sent = NumberedLines::new(count, width);
        let wanted = NumberedLines::new(count, width);
        let (dialer, listener) = (&mut self.dialer, &mut self.listener);
        let start = Instant::now();
        thread::scope(|scope| {
            let writing = scope.spawn(|| sent.write_to(&mut dialer.stdin));
            let checked = wanted.check(&mut listener.stdout);
            let elapsed = start.elapsed();
            if checked.is_err() {
                // The writer would wait for ever.
                let _ = listener.process.kill();
            }
            let written = writing.join().expect("the writer does not panic");
            checked.and(written).map(|()| elapsed)
        })
    }

    /// Processor time of both so far.
    pub(crate) fn processor_time(&self) -> io::Result<Duration> {
        Ok(self.listener.processor_time()? + self.dialer.processor_time()?)
    }
}

impl End {
    fn start(mut command: Command, home: &Path) -> io::Result<Self> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(home.join("stderr"))?;
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let stdin = process.stdin.take().expect("it was asked for");
        let stdout = process.stdout.take().expect("it was asked for");
        Ok(Self {
            process,
            stdin,
            stdout,
        })
    }

    fn expect(&mut self, line: &[u8]) -> io::Result<()> {
        let mut buffer = [0; TRIP_WIDTH];
        self.stdout.read_exact(&mut buffer)?;
        match buffer == line {
            true => Ok(()),
            false => Err(io::Error::other("another line came back")),
        }
    }

    /// Memory in use now, in KiB.
    pub(crate) fn memory(&self) -> io::Result<u64> {
        self.status("VmRSS:")
    }

    /// The most memory that was ever in use, in KiB.
    pub(crate) fn peak_memory(&self) -> io::Result<u64> {
        self.status("VmHWM:")
    }

    fn status(&self, field: &str) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let value = status.lines().find_map(|line| line.strip_prefix(field));
        let value = value.and_then(|value| value.trim().trim_end_matches(" kB").parse().ok());
        value.ok_or_else(|| io::Error::other(format!("the process has no {field}")))
    }

    /// Processor time of its threads; the kernel counts it in nanoseconds.
    fn processor_time(&self) -> io::Result<Duration> {
        let mut sum = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let counts = fs::read_to_string(thread?.path().join("schedstat"))?;
            let first = counts.split(' ').next().and_then(|time| time.parse().ok());
            sum += first.unwrap_or(0);
        }
        Ok(Duration::from_nanos(sum))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // It may be gone already, which is as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Tries to bind the same port, which fails as soon as a socket listens there, and until then
/// is in nobody's way. No connection can be spent on trying: `nc` takes one only.
fn wait_for_listener(address: SocketAddr) -> io::Result<()> {
    let start = Instant::now();
    while start.elapsed() < START {
        let probe = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        probe.set_reuse_address(true)?;
        match probe.bind(&address.into()) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Ok(()),
            bound => bound?,
        }
        thread::sleep(PROBE_PAUSE);
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        "it does not listen",
    ))
}
