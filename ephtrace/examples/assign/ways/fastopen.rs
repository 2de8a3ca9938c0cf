//! TCP Fast Open: the port is chosen before the SYN is sent, or without `connect()`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    os::fd::AsRawFd as _,
    path::Path,
    thread,
};

use anyhow::{Context as _, Result, anyhow};
use socket2::{SockAddr, Socket};

use crate::{
    context::Context,
    net::{self, Server},
    netns,
};

/// Number of connects that wait for their first write at the same time.
const SEVERAL: usize = 4;

/// `connect()` takes the port, the first write sends the SYN.
pub(super) fn connect(context: &Context<'_>) -> Result<()> {
    in_fastopen_netns(|server| {
        for _ in 0..context.times {
            let client = deferring_client(server.addr)?;
            context.probe(server.addr).connect(&client)?;
            client.send(b"x").context("sending")?;
            drop(client);
            server.drain()?;
        }
        Ok(())
    })
}

/// Several connect before the first write of any.
pub(super) fn several(context: &Context<'_>) -> Result<()> {
    in_fastopen_netns(|server| {
        for _ in 0..context.times {
            let clients = (0..SEVERAL).map(|_| deferring_client(server.addr));
            let clients = clients.collect::<Result<Vec<_>>>()?;
            for client in &clients {
                context.probe(server.addr).connect(client)?;
            }
            for client in &clients {
                client.send(b"x").context("sending")?;
            }
            drop(clients);
            server.drain()?;
        }
        Ok(())
    })
}

/// Several connect, and before their first write another socket of the task is bound to port 0 and
/// connects.
pub(super) fn beside_bind(context: &Context<'_>) -> Result<()> {
    in_fastopen_netns(|server| {
        for _ in 0..context.times {
            let client = deferring_client(server.addr)?;
            context.probe(server.addr).connect(&client)?;
            let other = net::client(server.addr)?;
            other.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).context("binding")?;
            other.connect(&server.addr.into()).context("connecting")?;
            client.send(b"x").context("sending")?;
            drop((client, other));
            server.drain()?;
        }
        Ok(())
    })
}

/// `connect()` takes the port, but nothing is ever sent.
pub(super) fn unsent(context: &Context<'_>) -> Result<()> {
    in_fastopen_netns(|server| {
        for _ in 0..context.times {
            context.probe(server.addr).connect(&deferring_client(server.addr)?)?;
        }
        server.drain()
    })
}

/// `connect()` takes the port, and the thread ends; the socket is closed later.
pub(super) fn left(context: &Context<'_>) -> Result<()> {
    in_fastopen_netns(|server| {
        for _ in 0..context.times {
            let client = deferring_client(server.addr)?;
            let connect = || context.probe(server.addr).connect(&client);
            let attempt = thread::scope(|scope| scope.spawn(connect).join())
                .map_err(|_| anyhow!("a thread panicked"))??;
            // A thread is joined before the kernel has removed it.
            let place = format!("/proc/self/task/{}", attempt.tid);
            while Path::new(&place).exists() {
                thread::yield_now();
            }
        }
        server.drain()
    })
}

/// `sendto()` connects, without any call of `connect()`.
pub(super) fn sendto(context: &Context<'_>) -> Result<()> {
    in_fastopen_netns(|server| {
        for _ in 0..context.times {
            send_first(context, server.addr)?;
            server.drain()?;
        }
        Ok(())
    })
}

fn send_first(context: &Context<'_>, to: SocketAddr) -> Result<()> {
    let client = net::client(to)?;
    let send = || {
        client.send_to_with_flags(b"x", &SockAddr::from(to), libc::MSG_FASTOPEN)?;
        Ok(())
    };
    context.probe(to).act(&client, send)?;
    Ok(())
}

/// 1: clients, 2: servers, 0x4 and 0x200: neither needs a cookie.
pub(super) const FASTOPEN: &str = "519";

/// Runs `work` in a namespace in which client and server both use Fast Open and the client has the
/// server's cookie.
pub(crate) fn in_fastopen_netns(work: impl FnOnce(&Server) -> Result<()> + Send) -> Result<()> {
    netns::in_new(None, || {
        netns::set("tcp_fastopen", FASTOPEN)?;
        let server = Server::new(Ipv4Addr::LOCALHOST)?;
        net::set_option(server.socket().as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_FASTOPEN, 1024)
            .map_err(|e| net::no_option("TCP_FASTOPEN", e))?;
        work(&server)
    })
}

/// Returns a client whose SYN waits for the first write.
pub(crate) fn deferring_client(to: SocketAddr) -> Result<Socket> {
    let client = net::client(to)?;
    net::set_option(client.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, 1)
        .map_err(|e| net::no_option("TCP_FASTOPEN_CONNECT", e))?;
    Ok(client)
}
