//! TCP Fast Open with an unusual write that sends the SYN: from another thread, from another
//! process, at the second try, or never.

use std::{
    os::fd::OwnedFd,
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use socket2::Socket;

use super::fastopen::{FASTOPEN, deferring_client, in_fastopen_netns};
use crate::{
    context::Context,
    net::{self, Server},
    netns,
};

/// Number of connects that wait for their first write at the same time.
const SEVERAL: usize = 4;

/// Several at a time, all written to by another thread.
pub(super) fn other_thread(context: &Context<'_>) -> Result<()> {
    in_fastopen_netns(|server| {
        for _ in 0..context.times {
            let clients = connected(context, server, SEVERAL)?;
            elsewhere(|| {
                clients.iter().try_for_each(|client| client.send(b"x").map(drop))?;
                Ok(())
            })?;
            drop(clients);
            server.drain()?;
        }
        Ok(())
    })
}

/// A process connects and ends; another one, which has the same socket, writes.
pub(super) fn other_process(context: &Context<'_>) -> Result<()> {
    in_fastopen_netns(|server| {
        for _ in 0..context.times {
            let client = deferring_client(server.addr)?;
            let output = Command::new(std::env::current_exe()?)
                .args(["connect", "--inherited", "--way", context.way, &server.addr.to_string()])
                .stdin(Stdio::from(OwnedFd::from(client.try_clone()?)))
                .stderr(Stdio::inherit())
                .output()
                .context("starting a child")?;
            ensure!(output.status.success(), "the child failed: {}", output.status);
            context.truth.line(&String::from_utf8(output.stdout)?)?;
            client.send(b"x").context("sending")?;
            drop(client);
            server.drain()?;
        }
        Ok(())
    })
}

/// Another thread closes the socket, and nothing is ever sent.
pub(super) fn closed_elsewhere(context: &Context<'_>) -> Result<()> {
    in_fastopen_netns(|server| {
        for _ in 0..context.times {
            let clients = connected(context, server, SEVERAL)?;
            elsewhere(|| {
                drop(clients);
                Ok(())
            })?;
        }
        server.drain()
    })
}

/// The first write fails, and the second one sends the SYN.
pub(super) fn second_write(context: &Context<'_>) -> Result<()> {
    in_fastopen_netns(|server| {
        for _ in 0..context.times {
            let clients = connected(context, server, SEVERAL)?;
            netns::set("tcp_fastopen", "0")?;
            let refused = clients.iter().all(|client| client.send(b"x").is_err());
            netns::set("tcp_fastopen", FASTOPEN)?;
            ensure!(refused, "a write went through without Fast Open");
            clients.iter().try_for_each(|client| client.send(b"x").map(drop)).context("sending")?;
            drop(clients);
            server.drain()?;
        }
        Ok(())
    })
}

/// The program gives up before the first write, and connects again.
pub(super) fn reconnected(context: &Context<'_>) -> Result<()> {
    in_fastopen_netns(|server| {
        for _ in 0..context.times {
            let clients = connected(context, server, SEVERAL)?;
            for client in &clients {
                elsewhere(|| Ok(net::disconnect(client)?))?;
                context.probe(server.addr).connect(client)?;
            }
            drop(clients);
            server.drain()?;
        }
        Ok(())
    })
}

/// Returns `count` clients, connected one after another, whose SYNs wait.
fn connected(context: &Context<'_>, server: &Server, count: usize) -> Result<Vec<Socket>> {
    let connected = (0..count).map(|_| {
        let client = deferring_client(server.addr)?;
        context.probe(server.addr).connect(&client)?;
        Ok(client)
    });
    connected.collect()
}

/// Runs `work` in a thread of its own.
fn elsewhere(work: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    thread::scope(|scope| scope.spawn(work).join()).map_err(|_| anyhow!("a thread panicked"))?
}
