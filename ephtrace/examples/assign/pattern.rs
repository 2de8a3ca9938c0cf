//! Assigns ports repeatedly in one manner, spread over some seconds, as input for a verdict on
//! their pattern.
//!
//! Connects are logged as in all subcommands. For ports of `bind` and UDP, which ephtrace does not
//! trace, the log is a recording itself: lines that `ephtrace report` reads.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde::Serialize;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::{
    exhaust::parse_range,
    gate::Gate,
    net::{self, Server, now_ns},
    netns,
    skip::Skip,
    truth::{Probe, Truth},
};

/// What `assign pattern` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How the ports are assigned
    #[arg(value_enum)]
    by: By,
    /// How many assignments to have
    #[arg(long, default_value_t = 300)]
    times: u32,
    /// How many destinations to connect to, in turn
    #[arg(long, default_value_t = 1)]
    destinations: u32,
    /// How long to take
    #[arg(long, default_value_t = 0.0)]
    seconds: f64,
    /// Connect with `IP_LOCAL_PORT_RANGE`
    #[arg(long, value_parser = parse_range, value_name = "LOW-HIGH")]
    socket_range: Option<(u16, u16)>,
    /// The address that servers listen at: counters of the kernel are common to all namespaces
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST)]
    at: Ipv4Addr,
    /// Do it in a network namespace of its own, with these ports
    #[arg(long, value_parser = parse_range, value_name = "LOW-HIGH")]
    netns_range: Option<(u16, u16)>,
    /// Other ways to get a port, each after each connect; `connect` is by a plain socket
    #[arg(long, value_enum, value_delimiter = ',')]
    beside: Vec<By>,
    #[command(flatten)]
    gate: Gate,
}

/// What assigns ports.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum By {
    /// `connect()` of TCP sockets.
    Connect,
    /// `bind()` of TCP sockets to port 0.
    Bind,
    /// `connect()` of UDP sockets.
    Udp,
}

/// Address of a name server; nothing is sent there.
const NAMESERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53);

/// A line that `ephtrace report` reads.
#[derive(Serialize)]
struct Assignment {
    r#type: &'static str,
    ts_ns: u64,
    netns: u64,
    protocol: &'static str,
    origin: &'static str,
    saddr: IpAddr,
    sport: u16,
    daddr: Option<IpAddr>,
    dport: Option<u16>,
    range: (u16, u16),
}

/// Makes the kernel assign the ports.
pub(crate) fn run(args: &Args) -> Result<()> {
    let truth = Truth::stdout();
    args.gate.wait()?;
    let done = match args.netns_range {
        Some(range) => netns::in_new(Some(range), || assign(args, &truth)),
        None => assign(args, &truth),
    };
    match done {
        Err(e) if e.is::<Skip>() => truth.skipped("pattern", &e)?,
        done => done?,
    }
    truth.flush()
}

fn assign(args: &Args, truth: &Truth) -> Result<()> {
    match args.by {
        By::Connect => connect(args, truth),
        By::Bind => paced(args, |_| bind(truth)),
        By::Udp => paced(args, |_| udp(truth, NAMESERVER)),
    }
}

/// Calls `act` as often as requested, at even intervals.
fn paced(args: &Args, act: impl Fn(usize) -> Result<()>) -> Result<()> {
    let start = Instant::now();
    let interval = Duration::from_secs_f64(args.seconds) / args.times.max(1);
    for (i, nth) in (0..args.times).zip(0..) {
        thread::sleep((interval * i).saturating_sub(start.elapsed()));
        act(nth)?;
    }
    Ok(())
}

fn connect(args: &Args, truth: &Truth) -> Result<()> {
    let servers =
        (0..args.destinations.max(1)).map(|_| Server::new(args.at)).collect::<Result<Vec<_>>>()?;
    paced(args, |nth| {
        let server = &servers[nth % servers.len()];
        connect_to(truth, server, args.socket_range)?;
        args.beside.iter().try_for_each(|by| match by {
            By::Connect => connect_to(truth, server, None),
            By::Bind => bind(truth),
            By::Udp => udp(truth, NAMESERVER),
        })
    })
}

fn connect_to(truth: &Truth, server: &Server, range: Option<(u16, u16)>) -> Result<()> {
    let probe = Probe::new(truth, "pattern", server.addr);
    let (client, probe) = match range {
        Some(range) => (net::ranged_client(server.addr, range)?, probe.range(range)),
        None => (net::client(server.addr)?, probe),
    };
    probe.connect(&client)?;
    drop(client);
    server.drain()
}

fn bind(truth: &Truth) -> Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&SockAddr::from(any)).context("binding to port 0")?;
    log(truth, &socket, ("tcp", "bind"), None)
}

/// Sends nothing, so that nobody needs to listen.
fn udp(truth: &Truth, to: SocketAddr) -> Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.connect(&SockAddr::from(to)).context("connecting a UDP socket")?;
    log(truth, &socket, ("udp", "udp"), Some(to))
}

fn log(
    truth: &Truth,
    socket: &Socket,
    (protocol, origin): (&'static str, &'static str),
    to: Option<SocketAddr>,
) -> Result<()> {
    let local = socket.local_addr()?.as_socket().context("not an internet socket")?;
    let line = Assignment {
        r#type: "assignment",
        ts_ns: now_ns(),
        netns: netns::inode()?,
        protocol,
        origin,
        saddr: local.ip(),
        sport: local.port(),
        daddr: to.map(|to| to.ip()),
        dport: to.map(|to| to.port()),
        range: netns::range()?,
    };
    truth.line(&serde_json::to_string(&line)?)
}
