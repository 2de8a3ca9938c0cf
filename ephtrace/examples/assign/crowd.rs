//! Many threads that search at the same time, each for long: half of the ports are taken.

use std::{
    net::Ipv4Addr,
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result};
use serde::Serialize;
use socket2::SockAddr;

use crate::{
    gate::Gate,
    net::{self, Server},
    netns,
    truth::Truth,
};

/// What `assign crowd` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many threads connect at once
    #[arg(long, default_value_t = 1000)]
    threads: usize,
    #[command(flatten)]
    gate: Gate,
}

/// The line printed at the end, as that of a storm.
#[derive(Serialize)]
struct Report {
    connects: u64,
    failures: u64,
    rate: f64,
}

/// Ports, of which the first half is taken, so that each search looks at 500 in vain.
const RANGE: (u16, u16) = (40_000, 40_999);

/// As many threads as there may be have small stacks.
const STACK: usize = 64 << 10;

/// Connects once in each thread, and prints how often.
pub(crate) fn run(args: &Args) -> Result<()> {
    args.gate.wait()?;
    let connects = netns::in_new(Some(RANGE), || {
        let server = Server::new(Ipv4Addr::LOCALHOST)?;
        let held = (0..(RANGE.1 - RANGE.0).div_ceil(2)).map(|_| connect(&server));
        let held = held.collect::<Result<Vec<_>>>()?;
        let begun = AtomicU64::new(held.len() as u64);
        connect_at_once(args.threads, &server, &begun)?;
        drop(held);
        Ok(begun.into_inner())
    })?;
    let out = Truth::stdout();
    out.line(&serde_json::to_string(&Report { connects, failures: 0, rate: 0.0 })?)?;
    out.flush()
}

/// All threads begin when the last one is there, and none ends before the last one has connected.
fn connect_at_once(threads: usize, server: &Server, begun: &AtomicU64) -> Result<()> {
    let all = Barrier::new(threads);
    thread::scope(|scope| {
        for _ in 0..threads {
            let work = || {
                all.wait();
                // A search that finds no port is one, too.
                let _ = connect(server);
                begun.fetch_add(1, Ordering::Relaxed);
                all.wait();
            };
            thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)?;
        }
        Ok(())
    })
}

fn connect(server: &Server) -> Result<socket2::Socket> {
    let client = net::client(server.addr)?;
    client.connect(&SockAddr::from(server.addr)).context("connecting")?;
    server.drain()?;
    Ok(client)
}
