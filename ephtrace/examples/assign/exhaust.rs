//! Uses up a range of ports.

use std::{
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use socket2::Socket;

use crate::{
    gate::{self, Gate},
    net::{self, Server},
    netns,
    truth::{Probe, Truth},
};

/// What `assign exhaust` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The namespace's ephemeral range
    #[arg(long, default_value = "40000-40009", value_parser = parse_range, value_name = "LOW-HIGH")]
    range: (u16, u16),
    /// How often to connect
    #[arg(long, default_value_t = 20)]
    attempts: u32,
    /// Connect so often a second, not as fast as possible
    #[arg(long, value_name = "PER-SECOND")]
    pace: Option<f64>,
    /// Keep the ports until standard input ends
    #[arg(long, conflicts_with = "wait")]
    hold: bool,
    #[command(flatten)]
    gate: Gate,
}

/// Parses LOW-HIGH.
pub(crate) fn parse_range(text: &str) -> Result<(u16, u16)> {
    let (low, high) = text.split_once('-').context("LOW-HIGH is wanted")?;
    let range = (low.parse()?, high.parse()?);
    ensure!(range.0 <= range.1, "the low end is above the high end");
    Ok(range)
}

/// Connects in a namespace with the given range, and holds the ports.
pub(crate) fn run(args: &Args) -> Result<()> {
    args.gate.wait()?;
    let truth = Truth::stdout();
    netns::in_new(Some(args.range), || {
        let server = Server::new(Ipv4Addr::LOCALHOST)?;
        let probe = Probe::new(&truth, "exhaust", server.addr);
        let began = Instant::now();
        let held = (0..args.attempts)
            .map(|nth| {
                if let Some(pace) = args.pace {
                    let due = began + Duration::from_secs_f64(f64::from(nth) / pace);
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                }
                let client = net::client(server.addr)?;
                probe.connect(&client)?;
                Ok(client)
            })
            .collect::<Result<Vec<_>>>()?;
        truth.flush()?;
        if args.hold {
            gate::end_of_input()?;
        }
        drop(held);
        Ok(())
    })
}

/// Takes all `ports` of a range, then asks `more` times for another one, which must fail.
///
/// The returned sockets hold the ports.
pub(crate) fn exhaust(
    probe: &Probe<'_>,
    ports: u32,
    more: u32,
    client: impl Fn() -> Result<Socket>,
) -> Result<Vec<Socket>> {
    let mut held = Vec::new();
    for i in 0..ports + more {
        let client = client()?;
        let attempt = probe.connect(&client)?;
        ensure!(
            (attempt.errno == libc::EADDRNOTAVAIL) == (i >= ports),
            "connect {} of a range of {ports} ports ended with errno {}",
            i + 1,
            attempt.connect_errno
        );
        held.push(client);
    }
    Ok(held)
}
