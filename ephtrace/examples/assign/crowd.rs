//! Many threads that search at the same time while one search stays open.
//!
//! With TCP Fast Open, `connect()` takes the port and the SYN waits for the first write. A tracer
//! that sees no kernel function must therefore wait, too. No thread ends before that write:
//! otherwise its place, and its `task_struct`, would go to the next thread.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result};
use serde::Serialize;
use socket2::{SockAddr, Socket};

use crate::{
    gate::Gate,
    net::{self, Server},
    netns,
    truth::Truth,
    ways::fastopen::{deferring_client, in_fastopen_netns},
};

/// Arguments of `assign crowd`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many threads connect at once
    #[arg(long, default_value_t = 1000)]
    threads: usize,
    #[command(flatten)]
    gate: Gate,
}

/// Line that is printed at the end, in the form of a storm's.
#[derive(Serialize)]
struct Report {
    connects: u64,
    failures: u64,
    rate: f64,
}

/// Range, and the number of its ports that are taken: all of one parity, so that each search looks
/// at all of them in vain.
const RANGE: &str = "40000 40399";
const TAKEN: usize = 200;

/// Stack size of a thread: small, because there may be many threads.
const STACK: usize = 64 << 10;

/// Connects, makes others connect, and only then sends; prints the number of their connects.
pub(crate) fn run(args: &Args) -> Result<()> {
    args.gate.wait()?;
    let connects = AtomicU64::new(0);
    in_fastopen_netns(|server| {
        let open = deferring_client(server.addr)?;
        open.connect(&SockAddr::from(server.addr)).context("connecting")?;
        netns::set("ip_local_port_range", RANGE)?;
        let taken = (0..TAKEN).map(|_| connect(server)).collect::<Result<Vec<_>>>()?;
        connects.fetch_add(1 + taken.len() as u64, Ordering::Relaxed);
        connect_at_once(args.threads, server, &connects)?;
        open.send(b"x").context("sending")?;
        drop((open, taken));
        server.drain()
    })?;
    let out = Truth::stdout();
    let connects = connects.into_inner();
    out.line(&serde_json::to_string(&Report { connects, failures: 0, rate: 0.0 })?)?;
    out.flush()
}

/// All threads begin when the last one has started, and none ends before the last one has
/// connected.
fn connect_at_once(threads: usize, server: &Server, connects: &AtomicU64) -> Result<()> {
    let all = Barrier::new(threads);
    thread::scope(|scope| {
        for _ in 0..threads {
            let work = || {
                all.wait();
                // A search that finds no port counts, too.
                let _ = connect(server);
                connects.fetch_add(1, Ordering::Relaxed);
                all.wait();
            };
            thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)?;
        }
        Ok(())
    })
}

fn connect(server: &Server) -> Result<Socket> {
    let client = net::client(server.addr)?;
    client.connect(&SockAddr::from(server.addr)).context("connecting")?;
    server.drain()?;
    Ok(client)
}
