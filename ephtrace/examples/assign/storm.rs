//! Connects as many times per second as the machine can.
//!
//! Each thread connects to a listener of its own process, resets the connection and takes it off
//! the listener's queue by itself: no other thread has to be woken, and no connection is left in
//! `TIME_WAIT`.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use nix::{
    sys::{
        resource::{UsageWho, getrusage},
        time::{TimeVal, TimeValLike as _},
    },
    unistd::gettid,
};
use serde::Serialize;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::{
    gate::Gate,
    net::{self, Server},
    netns,
    truth::{Attempt, Truth},
};

/// What `assign storm` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many threads connect
    #[arg(long, default_value = "2")]
    threads: NonZeroUsize,
    /// How many connects to make, over all threads
    #[arg(long, default_value_t = 100_000)]
    connects: u64,
    /// End after so many seconds at the latest
    #[arg(long)]
    seconds: Option<f64>,
    /// How many destinations each thread connects to, in turn
    #[arg(long, default_value = "1")]
    destinations: NonZeroUsize,
    /// Connect to another address of 127.0.0.0/8 each time
    #[arg(long, conflicts_with = "ipv6")]
    spread: bool,
    /// Start a new thread after so many connects
    #[arg(long, value_name = "CONNECTS")]
    per_thread: Option<NonZeroU64>,
    /// How a port is got
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// Connect over IPv6
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Write one line per connect to this file, once all are made
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    #[command(flatten)]
    gate: Gate,
}

/// What gets a port, over and over.
#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum By {
    /// `connect()` of TCP sockets.
    #[default]
    Connect,
    /// `bind()` of TCP sockets to port 0.
    Bind,
    /// `bind()` of UDP sockets to port 0.
    UdpBind,
    /// `connect()` of UDP sockets and a datagram, as for DNS.
    Udp,
}

/// Line that is printed at the end.
#[derive(Serialize)]
struct Report {
    connects: u64,
    failures: u64,
    seconds: f64,
    rate: f64,
    cpu_user_s: f64,
    cpu_sys_s: f64,
}

/// Work done by one thread.
#[derive(Default)]
struct Work {
    connects: u64,
    failures: u64,
    log: Vec<Attempt>,
}

/// Runs the storm and prints the result.
pub(crate) fn run(args: &Args) -> Result<()> {
    args.gate.wait()?;
    let stop = AtomicBool::new(false);
    let start = Barrier::new(args.threads.get() + 1);
    let (work, report) = thread::scope(|scope| {
        let threads: Vec<_> = (0..args.threads.get())
            .map(|i| {
                let (start, stop) = (&start, &stop);
                scope.spawn(move || storm(args, share(args, i), start, stop))
            })
            .collect();
        let before = Meter::start(&start)?;
        if let Some(seconds) = args.seconds {
            wait(Duration::from_secs_f64(seconds), || {
                threads.iter().all(ScopedJoinHandle::is_finished)
            });
            stop.store(true, Ordering::Relaxed);
        }
        let work: Result<Vec<_>> = threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
            .collect();
        let work = work?;
        let report = before.report(&work)?;
        anyhow::Ok((work, report))
    })?;
    if let Some(path) = &args.truth {
        let truth = Truth::file(path)?;
        work.iter().flat_map(|w| &w.log).try_for_each(|attempt| truth.attempt(attempt))?;
        truth.flush()?;
    }
    let out = Truth::stdout();
    out.line(&serde_json::to_string(&report)?)?;
    out.flush()
}

/// Returns the number of connects for thread `index`.
fn share(args: &Args, index: usize) -> u64 {
    let (threads, index) = (args.threads.get() as u64, index as u64);
    args.connects / threads + u64::from(index < args.connects % threads)
}

/// Does the work of one thread, itself or by threads that it starts one after the other.
fn storm(args: &Args, connects: u64, start: &Barrier, stop: &AtomicBool) -> Result<Work> {
    // Steps that can fail at once do so before the other threads wait for this one.
    let prepared = prepare(args);
    start.wait();
    let (mut lanes, logged) = prepared?;
    let mut work = Work::default();
    let Some(per_thread) = args.per_thread else {
        work.burst(&mut lanes, logged, (args.by, connects), stop)?;
        return Ok(work);
    };
    let mut left = connects;
    while left > 0 && !stop.load(Ordering::Relaxed) {
        let part = left.min(per_thread.get());
        let (work, lanes, logged) = (&mut work, &mut lanes, logged.clone());
        let burst = move || work.burst(lanes, logged, (args.by, part), stop);
        thread::scope(|scope| scope.spawn(burst).join())
            .map_err(|_| anyhow!("a thread panicked"))??;
        left -= part;
    }
    Ok(work)
}

impl Work {
    /// Connects to each lane in turn.
    fn burst(
        &mut self,
        lanes: &mut [LaneKey],
        logged: Option<Attempt>,
        (by, connects): (By, u64),
        stop: &AtomicBool,
    ) -> Result<()> {
        let logged = logged.map(|shared| Attempt { tid: gettid().as_raw(), ..shared });
        let count = lanes.len();
        for (i, _) in (0..count).cycle().zip(0..connects) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            match by {
                By::Connect => self.connect(&mut lanes[i], logged.as_ref())?,
                By::Bind => self.bind(&lanes[i], Type::STREAM)?,
                By::UdpBind => self.bind(&lanes[i], Type::DGRAM)?,
                By::Udp => self.send(&lanes[i])?,
            }
        }
        Ok(())
    }

    fn bind(&mut self, lane: &LaneKey, kind: Type) -> Result<()> {
        let any = SocketAddr::new(lane.server.addr.ip(), 0);
        let socket = Socket::new(Domain::for_address(any), kind, None)?;
        self.count(&socket.bind(&SockAddr::from(any)));
        Ok(())
    }

    /// Sends to a port without a listener; the sender never learns of it.
    fn send(&mut self, lane: &LaneKey) -> Result<()> {
        let to = SocketAddr::new(lane.server.addr.ip(), lane.server.addr.port());
        let socket = Socket::new(Domain::for_address(to), Type::DGRAM, None)?;
        let sent = socket.connect(&SockAddr::from(to)).and_then(|()| socket.send(b"?"));
        self.count(&sent);
        Ok(())
    }

    fn count<T>(&mut self, result: &std::io::Result<T>) {
        self.connects += 1;
        self.failures += u64::from(result.is_err());
    }

    fn connect(&mut self, lane: &mut LaneKey, logged: Option<&Attempt>) -> Result<()> {
        let to = lane.next();
        let client = net::client(to)?;
        let result = client.connect(&SockAddr::from(to));
        self.connects += 1;
        self.failures += u64::from(result.is_err());
        lane.waiting += u32::from(result.is_ok());
        if let Some(shared) = logged {
            let errno = result.err().and_then(|e| e.raw_os_error()).unwrap_or(0);
            let port = client.local_addr()?.as_socket().context("not an internet socket")?.port();
            let (sport, dport) = ((errno == 0).then_some(port), to.port());
            self.log.push(Attempt { sport, dport, errno, connect_errno: errno, ..shared.clone() });
        }
        drop(client);
        lane.clear()
    }
}

/// A listener, and the number of connections that wait in its queue.
struct LaneKey {
    server: Server,
    waiting: u32,
}

/// Destination address of the next connect of any thread, for `--spread`.
static NEXT: AtomicU32 = AtomicU32::new(u32::from_be_bytes([127, 1, 0, 1]));

impl LaneKey {
    fn new(ip: IpAddr) -> Result<Self> {
        Ok(Self { server: Server::new(ip)?, waiting: 0 })
    }

    /// Returns the next destination.
    fn next(&self) -> SocketAddr {
        let to = self.server.addr;
        if to.ip() != IpAddr::from(Ipv4Addr::UNSPECIFIED) {
            return to;
        }
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        SocketAddr::new(Ipv4Addr::from_bits(next).into(), to.port())
    }

    /// Takes connections off the queue. An incomplete connection is left to the next call.
    fn clear(&mut self) -> Result<()> {
        while self.waiting > 0 && self.server.accept()? {
            self.waiting -= 1;
        }
        Ok(())
    }
}

/// Returns listeners and, if there is to be a log, the fields that all lines of the thread share.
fn prepare(args: &Args) -> Result<(Vec<LaneKey>, Option<Attempt>)> {
    let ip: IpAddr = match (args.ipv6, args.spread) {
        (true, _) => Ipv6Addr::LOCALHOST.into(),
        (false, true) => Ipv4Addr::UNSPECIFIED.into(),
        (false, false) => Ipv4Addr::LOCALHOST.into(),
    };
    let lanes = (0..args.destinations.get()).map(|_| LaneKey::new(ip)).collect::<Result<_>>()?;
    let logged = args.truth.as_ref().map(|_| {
        let way = "storm".to_owned();
        let family = if args.ipv6 { 6 } else { 4 };
        let range = netns::range()?;
        let shared = Attempt::of_this_thread()?;
        anyhow::Ok(Attempt { way, family, saddr: ip, daddr: ip, range: Some(range), ..shared })
    });
    Ok((lanes, logged.transpose()?))
}

/// Waits, and ends early when `done` returns true.
fn wait(time: Duration, done: impl Fn() -> bool) {
    let end = Instant::now() + time;
    while Instant::now() < end && !done() {
        thread::sleep(Duration::from_millis(5).min(end.saturating_duration_since(Instant::now())));
    }
}

/// Wall clock and CPU time since the start.
struct Meter {
    start: Instant,
    user: TimeVal,
    system: TimeVal,
}

impl Meter {
    /// Starts the threads and the clocks.
    fn start(threads: &Barrier) -> Result<Self> {
        threads.wait();
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        Ok(Self { start: Instant::now(), user: usage.user_time(), system: usage.system_time() })
    }

    #[expect(clippy::cast_precision_loss, reason = "counts and microseconds of a short run")]
    fn report(&self, work: &[Work]) -> Result<Report> {
        let seconds = self.start.elapsed().as_secs_f64();
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        let since = |now: TimeVal, then| (now - then).num_microseconds() as f64 / 1e6;
        let connects = work.iter().map(|w| w.connects).sum();
        Ok(Report {
            connects,
            failures: work.iter().map(|w| w.failures).sum(),
            seconds,
            rate: connects as f64 / seconds,
            cpu_user_s: since(usage.user_time(), self.user),
            cpu_sys_s: since(usage.system_time(), self.system),
        })
    }
}
