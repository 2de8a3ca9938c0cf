//! Sockets that are bound before they connect.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsRawFd as _,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use socket2::{SockAddr, Socket};

use crate::{
    context::Context,
    net::{self, Closed, Server},
    truth::Origin,
};

/// `bind()` to port 0: the kernel chose the port, but not in `connect()`.
pub(super) fn bind_zero(context: &Context<'_>) -> Result<()> {
    let server = Server::new(Ipv4Addr::LOCALHOST)?;
    for _ in 0..context.times {
        let client = zero_client(context, &server)?;
        context.probe(server.addr).origin(Origin::Explicit).connect(&client)?;
        drop(client);
        server.drain()?;
    }
    Ok(())
}

/// A refused connection loses the port from `bind()` to port 0: the next `connect()` on the socket
/// chooses another.
pub(super) fn bind_zero_refused_retry(context: &Context<'_>) -> Result<()> {
    let (closed, server) = (Closed::new(Ipv4Addr::LOCALHOST)?, Server::new(Ipv4Addr::LOCALHOST)?);
    for _ in 0..context.times {
        let client = zero_client(context, &server)?;
        context.probe(closed.addr).origin(Origin::Explicit).connect(&client)?;
        context.probe(server.addr).connect(&client)?;
        drop(client);
        server.drain()?;
    }
    Ok(())
}

/// The program names the port.
pub(super) fn bind_explicit(context: &Context<'_>) -> Result<()> {
    let server = Server::new(Ipv4Addr::LOCALHOST)?;
    for _ in 0..context.times {
        let (client, _) = net::bound(Ipv4Addr::LOCALHOST.into())?;
        client.set_linger(Some(Duration::ZERO))?;
        context.probe(server.addr).origin(Origin::Explicit).connect(&client)?;
        drop(client);
        server.drain()?;
    }
    Ok(())
}

/// The program names a port whose connection already exists: `EADDRNOTAVAIL` without a search.
pub(super) fn bind_explicit_conflict(context: &Context<'_>) -> Result<()> {
    let server = Server::new(Ipv4Addr::LOCALHOST)?;
    for _ in 0..context.times {
        // A port that no other socket has, shared from now on.
        let (first, addr) = net::bound(Ipv4Addr::LOCALHOST.into())?;
        first.set_linger(Some(Duration::ZERO))?;
        first.set_reuse_address(true)?;
        let second = bound_client(&server, addr.port())?;
        context.probe(server.addr).origin(Origin::Explicit).connect(&first)?;
        let attempt = context.probe(server.addr).origin(Origin::Explicit).connect(&second)?;
        ensure!(attempt.errno == libc::EADDRNOTAVAIL, "one connection was made twice");
        drop((first, second));
        server.drain()?;
    }
    Ok(())
}

/// `IP_BIND_ADDRESS_NO_PORT`: `bind()` fixes the address only, `connect()` chooses the port.
pub(super) fn bind_address_no_port(context: &Context<'_>) -> Result<()> {
    // Routing would choose another address.
    no_port(context, Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(127, 0, 0, 3).into())
}

/// `IP_BIND_ADDRESS_NO_PORT` over IPv6.
pub(super) fn bind_address_no_port_ipv6(context: &Context<'_>) -> Result<()> {
    net::need_ipv6()?;
    no_port(context, Ipv6Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into())
}

fn no_port(context: &Context<'_>, to: IpAddr, from: IpAddr) -> Result<()> {
    let server = Server::new(to)?;
    for _ in 0..context.times {
        let client = net::client(server.addr)?;
        net::set_option(client.as_raw_fd(), libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)
            .context("IP_BIND_ADDRESS_NO_PORT")?;
        bind(&client, SocketAddr::new(from, 0))?;
        let attempt = context.probe(server.addr).connect(&client)?;
        ensure!(attempt.saddr == from, "{} in place of {from}", attempt.saddr);
        drop(client);
        server.drain()?;
    }
    Ok(())
}

/// Returns a client of `server` with a port that the kernel chose in `bind()`, which is logged.
fn zero_client(context: &Context<'_>, server: &Server) -> Result<Socket> {
    let client = net::client(server.addr)?;
    client.set_reuse_address(true)?;
    let addr = SocketAddr::new(server.addr.ip(), 0);
    context.probe(addr).origin(Origin::Bind).bind(&client, "tcp", || bind(&client, addr))?;
    Ok(client)
}

/// Returns a client of `server`, bound to `port`, which several clients may share.
fn bound_client(server: &Server, port: u16) -> Result<Socket> {
    let client = net::client(server.addr)?;
    client.set_reuse_address(true)?;
    bind(&client, SocketAddr::new(server.addr.ip(), port))?;
    Ok(client)
}

fn bind(client: &Socket, addr: SocketAddr) -> io::Result<()> {
    client.bind(&SockAddr::from(addr))
}
