//! Connects one after another and measures the time of each: at one nanosecond per instruction,
//! this is its cost in instructions.
//!
//! Nobody listens at the other end, so each connect is assigned a port, is refused, and leaves
//! nothing behind. All of it, the refusal included, happens inside of `connect()`.

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::{net::Closed, truth::Truth};

/// What `assign cost` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many connects to measure
    #[arg(long, default_value_t = 100_000)]
    connects: u32,
    /// How many connects to make beforehand
    #[arg(long, default_value_t = 0)]
    warm_up: u32,
    /// How many destinations to connect to, in turn
    #[arg(long, default_value = "1")]
    destinations: NonZeroUsize,
    /// Connect over IPv6
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Connect to nobody, and measure so many rounds of an empty loop instead: whatever else the
    /// processor does makes it longer
    #[arg(long, value_name = "ROUNDS")]
    spin: Option<u64>,
}

/// The line printed at the end, in nanoseconds.
#[derive(Serialize)]
struct Report {
    /// Number of measured connects, 0 for a loop.
    connects: u32,
    /// Duration of `connect()` alone: the values below which a tenth, half, nine tenths of the
    /// calls lie.
    p10_ns: u64,
    p50_ns: u64,
    p90_ns: u64,
    /// Time from the first to the last call, in which the processor also ran other processes.
    total_ns: u64,
}

/// Measures, and prints the result.
pub(crate) fn run(args: &Args) -> Result<()> {
    let report = match args.spin {
        Some(rounds) => spin(rounds)?,
        None => connect(args)?,
    };
    let out = Truth::stdout();
    out.line(&serde_json::to_string(&report)?)?;
    out.flush()
}

fn spin(rounds: u64) -> Result<Report> {
    let start = Instant::now();
    for round in 0..rounds {
        black_box(round);
    }
    let total_ns = nanoseconds(start.elapsed())?;
    Ok(Report { connects: 0, p10_ns: 0, p50_ns: 0, p90_ns: 0, total_ns })
}

fn connect(args: &Args) -> Result<Report> {
    let ip: IpAddr =
        if args.ipv6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
    let closed =
        (0..args.destinations.get()).map(|_| Closed::new(ip)).collect::<Result<Vec<_>>>()?;
    let destinations: Vec<_> = closed.iter().map(|closed| closed.addr).collect();
    let mut destinations = destinations.iter().copied().cycle();
    for to in destinations.by_ref().take(args.warm_up as usize) {
        refused(to)?;
    }
    let mut times = Vec::with_capacity(args.connects as usize);
    let start = Instant::now();
    for to in destinations.take(args.connects as usize) {
        times.push(refused(to)?);
    }
    let total_ns = nanoseconds(start.elapsed())?;
    times.sort_unstable();
    let at = |percent: usize| {
        let time = times.get(times.len() * percent / 100).context("no connect was measured")?;
        nanoseconds(*time)
    };
    let (p10_ns, p50_ns, p90_ns) = (at(10)?, at(50)?, at(90)?);
    Ok(Report { connects: args.connects, p10_ns, p50_ns, p90_ns, total_ns })
}

/// Connects, and returns the time that it took.
fn refused(to: SocketAddr) -> Result<Duration> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    let address = SockAddr::from(to);
    let start = Instant::now();
    let result = socket.connect(&address);
    let time = start.elapsed();
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => Ok(time),
        Err(error) => Err(error).context("connect"),
        Ok(()) => bail!("{to} accepts connections"),
    }
}

fn nanoseconds(time: Duration) -> Result<u64> {
    u64::try_from(time.as_nanos()).context("it took centuries")
}
