//! Searches of known length, or with a count beside them.
//!
//! They run in a namespace with a range of its own, in which ports are reserved, held by
//! connections to the same destination, or held by other sockets. The kernel makes one call of
//! `__inet_check_established` for a candidate that connections hold (refused), and none for a free
//! candidate, which has no bucket, for a reserved one, or for one that an explicit `bind` holds. If
//! only connections to the same destination hold ports, a search has therefore tried as many
//! candidates as there were calls, and one more if it found a port. Linux 6.15 and later look
//! without a lock first: a candidate that is refused there still costs one call, and two only if it
//! was taken in between.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    thread,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::{
    calls::Calls,
    exhaust::parse_range,
    net::{self, Server},
    netns,
    skip::{self, Skip},
    truth::{Probe, Truth},
};

/// What `assign search` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What the log calls the connects; those that hold ports first are called "hold"
    #[arg(long, default_value = "search")]
    way: String,
    /// The namespace's ephemeral range, if not the default one
    #[arg(long, value_parser = parse_range, value_name = "LOW-HIGH")]
    range: Option<(u16, u16)>,
    /// Ports of it that are reserved, as the sysctl takes them
    #[arg(long, value_name = "PORTS")]
    reserved: Option<String>,
    /// Most by which a search may step from candidate to candidate at random (Linux 7.1)
    #[arg(long, value_name = "PORTS")]
    step_width: Option<u32>,
    /// Whom to connect to
    #[arg(long, value_enum, default_value_t = To::Ipv4)]
    to: To,
    /// First take all ports of the parity that the search prefers, in this manner
    #[arg(long, value_enum)]
    hold: Option<Hold>,
    /// How often each thread connects
    #[arg(long, default_value_t = 10)]
    attempts: u32,
    /// Keep what the connects got until the end
    #[arg(long)]
    keep: bool,
    /// How many threads connect at once
    #[arg(long, default_value_t = 1)]
    threads: u32,
}

/// The kind of destination.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum To {
    Ipv4,
    Ipv6,
    /// An IPv4 address, from an `AF_INET6` socket.
    Mapped,
}

/// Who holds ports.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Hold {
    /// Connections to the same destination.
    Connect,
    /// Sockets that are bound to them and do nothing else.
    Bind,
}

impl To {
    fn server(self) -> Result<Server> {
        match self {
            Self::Ipv4 => {}
            Self::Ipv6 | Self::Mapped => net::need_ipv6()?,
        }
        match self {
            Self::Ipv4 | Self::Mapped => Server::new(Ipv4Addr::LOCALHOST),
            Self::Ipv6 => Server::new(Ipv6Addr::LOCALHOST),
        }
    }

    /// Returns the address of `server` as this kind of destination.
    fn address(self, server: &Server) -> SocketAddr {
        match (self, server.addr.ip()) {
            (Self::Mapped, IpAddr::V4(ip)) => (ip.to_ipv6_mapped(), server.addr.port()).into(),
            _ => server.addr,
        }
    }

    /// Returns the kernel function that looks closely at a candidate.
    fn check(self) -> &'static str {
        match self {
            Self::Ipv4 | Self::Mapped => "__inet_check_established",
            Self::Ipv6 => "__inet6_check_established",
        }
    }
}

/// Takes ports, then connects, in a new namespace.
pub(crate) fn run(args: &Args) -> Result<()> {
    let truth = Truth::stdout();
    match netns::in_new(args.range, || search(args, &truth)) {
        Err(e) if e.is::<Skip>() => truth.skipped(&args.way, &e)?,
        done => done?,
    }
    truth.flush()
}

fn search(args: &Args, truth: &Truth) -> Result<()> {
    if let Some(ports) = &args.reserved {
        netns::set("ip_local_reserved_ports", ports)?;
    }
    if let Some(width) = args.step_width {
        netns::set("ip_local_port_step_width", &width.to_string())
            .map_err(|e| skip::lacking("searches don't step at random", &[libc::ENOENT], e))?;
    }
    let server = args.to.server()?;
    let to = args.to.address(&server);
    let calls = match Calls::of(args.to.check()) {
        Err(e) if e.is::<Skip>() => {
            truth.skipped(&args.way, &e)?;
            None
        }
        calls => Some(calls?),
    };
    let probe = |way| Probe::new(truth, way, to).counting(calls.as_ref());
    let held = match args.hold {
        None => Vec::new(),
        Some(Hold::Connect) => hold_by_connect(&probe("hold"))?,
        Some(Hold::Bind) => preferred()?.map(|port| bind(to, port)).collect::<Result<_>>()?,
    };
    let probe = probe(&args.way);
    let connects = || connects(args, &probe, &server);
    let kept = thread::scope(|scope| {
        let threads: Vec<_> = (0..args.threads).map(|_| scope.spawn(connects)).collect();
        let join = |t: thread::ScopedJoinHandle<'_, _>| t.join().map_err(|_| anyhow!("a panic"))?;
        threads.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;
    drop((held, kept));
    Ok(())
}

/// Connects, and returns the sockets to keep.
fn connects(args: &Args, probe: &Probe<'_>, server: &Server) -> Result<Vec<Socket>> {
    let mut kept = Vec::new();
    for _ in 0..args.attempts {
        let client = net::client(probe.to())?;
        probe.connect(&client)?;
        if args.keep {
            kept.push(client);
        } else {
            drop(client);
            server.drain()?;
        }
    }
    Ok(kept)
}

/// Returns the ports with the parity of the range's low end.
fn preferred() -> Result<impl Iterator<Item = u16>> {
    let (low, high) = netns::range()?;
    ensure!((high - low) % 2 == 1, "of an odd number of ports, a search leaves one out");
    Ok((low..=high).step_by(2))
}

/// Makes as many connections as there are preferred ports; they must get exactly these ports.
fn hold_by_connect(probe: &Probe<'_>) -> Result<Vec<Socket>> {
    let (low, _) = netns::range()?;
    preferred()?
        .map(|_| {
            let client = net::client(probe.to())?;
            let port = probe.connect(&client)?.sport.context("the range is too small")?;
            ensure!((port - low) % 2 == 0, "port {port} while those below {low} + 2n are free");
            Ok(client)
        })
        .collect()
}

/// Returns a socket that is bound exclusively to `port`.
fn bind(to: SocketAddr, port: u16) -> Result<Socket> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    let ip = if to.is_ipv4() { to.ip() } else { Ipv6Addr::UNSPECIFIED.into() };
    socket
        .bind(&SockAddr::from(SocketAddr::new(ip, port)))
        .with_context(|| format!("binding to port {port}"))?;
    Ok(socket)
}
