//! Connects of other namespaces, threads, names and processes.

use std::{fs, net::Ipv4Addr, process, thread};

use anyhow::{Context as _, Result, anyhow, ensure};

use super::plain;
use crate::{
    context::Context,
    net::{self, Server},
    netns as namespaces,
};

/// Number of threads that connect at once.
const THREADS: usize = 4;

/// Connects in another network namespace.
pub(super) fn netns(context: &Context<'_>) -> Result<()> {
    namespaces::in_new(None, || plain::to_server(context, Ipv4Addr::LOCALHOST.into()))
}

/// Connects from several threads at once, to one destination.
pub(super) fn threads(context: &Context<'_>) -> Result<()> {
    let server = Server::new(Ipv4Addr::LOCALHOST)?;
    let connect = || {
        for _ in 0..context.times {
            context.probe(server.addr).connect(&net::client(server.addr)?)?;
            server.drain()?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(connect)).collect();
        threads.into_iter().try_for_each(join)
    })
}

/// Connects from a thread whose name is not the process's.
pub(super) fn thread_name(context: &Context<'_>) -> Result<()> {
    thread::scope(|scope| {
        let named = thread::Builder::new().name("a-thread".to_owned());
        let thread = named.spawn_scoped(scope, || {
            let name = fs::read_to_string("/proc/thread-self/comm")?;
            ensure!(name.trim_end() == "a-thread", "the thread is called {name:?}");
            plain::to_server(context, Ipv4Addr::LOCALHOST.into())
        })?;
        join(thread)
    })
}

/// Connects from a process that changed its name.
pub(super) fn process_renamed(context: &Context<'_>) -> Result<()> {
    let before = fs::read_to_string("/proc/self/comm")?;
    fs::write("/proc/self/comm", "assign (new) \u{e9}")?;
    let done = plain::to_server(context, Ipv4Addr::LOCALHOST.into());
    fs::write("/proc/self/comm", before.trim_end())?;
    done
}

/// Connects from a process that ends at once.
pub(super) fn child_process(context: &Context<'_>) -> Result<()> {
    let server = Server::new(Ipv4Addr::LOCALHOST)?;
    for _ in 0..context.times {
        let output = process::Command::new(std::env::current_exe()?)
            .args(["connect", "--way", context.way, &server.addr.to_string()])
            .stderr(process::Stdio::inherit())
            .output()
            .context("starting a child")?;
        ensure!(output.status.success(), "the child failed: {}", output.status);
        context.truth.line(&String::from_utf8(output.stdout)?)?;
        server.drain()?;
    }
    Ok(())
}

fn join(thread: thread::ScopedJoinHandle<'_, Result<()>>) -> Result<()> {
    thread.join().map_err(|_| anyhow!("a thread panicked"))?
}
