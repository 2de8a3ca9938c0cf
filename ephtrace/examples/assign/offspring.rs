//! A flood of processes, each of which does little: one after the other, each binds a few sockets
//! and ends.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU64,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, fork},
};
use serde::Serialize;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::{gate::Gate, truth::Truth};

/// Arguments of `assign offspring`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many UDP sockets each process binds to port 0
    #[arg(long, default_value = "100")]
    each: NonZeroU64,
    /// For how long new processes are made
    #[arg(long, default_value_t = 6.0)]
    seconds: f64,
    #[command(flatten)]
    gate: Gate,
}

/// Line that is printed at the end.
#[derive(Serialize)]
struct Report {
    processes: u64,
}

/// Starts one process after the other, until the time is over.
pub(crate) fn run(args: &Args) -> Result<()> {
    args.gate.wait()?;
    let end = Instant::now() + Duration::from_secs_f64(args.seconds);
    let mut report = Report { processes: 0 };
    while Instant::now() < end {
        // SAFETY: this process has one thread, so that its child may call anything.
        match unsafe { fork() }.context("making a process")? {
            // The child does nothing else, and ends.
            ForkResult::Child => return bind(args.each),
            ForkResult::Parent { child } => match waitpid(child, None)? {
                WaitStatus::Exited(_, 0) => report.processes += 1,
                other => bail!("a child ended so: {other:?}"),
            },
        }
    }
    let out = Truth::stdout();
    out.line(&serde_json::to_string(&report)?)?;
    out.flush()
}

fn bind(times: NonZeroU64) -> Result<()> {
    let any = SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    for _ in 0..times.get() {
        Socket::new(Domain::IPV4, Type::DGRAM, None)?.bind(&any)?;
    }
    Ok(())
}
