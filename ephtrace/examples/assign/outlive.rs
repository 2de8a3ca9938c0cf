//! A search that stays open while many threads search.
//!
//! With TCP Fast Open, `connect()` takes the port and the SYN waits for the first write, so that a
//! tracer that sees no function of the kernel waits, too. No thread ends before that write: one
//! that did would leave its place, and its `task_struct`, to the next.

use std::{
    sync::{Barrier, mpsc},
    thread,
};

use anyhow::{Context as _, Result};

use crate::{
    gate::Gate,
    net::{self, Server},
    truth::{Attempt, Probe, Truth},
    ways::fastopen::{deferring_client, in_fastopen_netns},
};

/// What `assign outlive` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many threads connect once, one after the other, while the first connect waits
    #[arg(long, default_value_t = 10_000)]
    threads: usize,
    #[command(flatten)]
    gate: Gate,
}

/// As many threads as there may be have small stacks.
const STACK: usize = 64 << 10;

/// Connects, has others connect, and only then sends.
pub(crate) fn run(args: &Args) -> Result<()> {
    args.gate.wait()?;
    let truth = Truth::stdout();
    in_fastopen_netns(|server| {
        let client = deferring_client(server.addr)?;
        Probe::new(&truth, "outlive", server.addr).connect(&client)?;
        connect_all(args.threads, &Probe::new(&truth, "short", server.addr), server)?;
        client.send(b"x").context("sending")?;
        drop(client);
        server.drain()
    })?;
    truth.flush()
}

/// Threads that connect once each, and wait for the last of them.
fn connect_all(threads: usize, probe: &Probe<'_>, server: &Server) -> Result<()> {
    let all = Barrier::new(threads + 1);
    let (done, outcomes) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (all, done) = (&all, done.clone());
            let work = move || {
                let outcome = connect(probe, server);
                // The receiver lives as long as the scope.
                let _ = done.send(outcome);
                all.wait();
            };
            thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)?;
            outcomes.recv()??;
        }
        all.wait();
        Ok(())
    })
}

fn connect(probe: &Probe<'_>, server: &Server) -> Result<Attempt> {
    let client = net::client(server.addr)?;
    let attempt = probe.connect(&client)?;
    drop(client);
    server.drain()?;
    Ok(attempt)
}
