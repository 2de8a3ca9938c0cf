//! Unbound sockets without special options: both families, refused, repeated.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};

use crate::{
    context::Context,
    net::{self, Closed, Server},
    netns,
};

/// Connects over IPv4.
pub(super) fn ipv4(context: &Context<'_>) -> Result<()> {
    to_server(context, Ipv4Addr::LOCALHOST.into())
}

/// Connects over IPv6.
pub(super) fn ipv6(context: &Context<'_>) -> Result<()> {
    net::need_ipv6()?;
    to_server(context, Ipv6Addr::LOCALHOST.into())
}

/// Connects an `AF_INET6` socket to an IPv4 address.
pub(super) fn mapped(context: &Context<'_>) -> Result<()> {
    net::need_ipv6()?;
    let server = Server::new(Ipv4Addr::LOCALHOST)?;
    let to = SocketAddr::new(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), server.addr.port());
    for _ in 0..context.times {
        context.probe(to).connect(&net::client(to)?)?;
        server.drain()?;
    }
    Ok(())
}

/// Connects a non-blocking socket.
pub(super) fn nonblocking(context: &Context<'_>) -> Result<()> {
    let server = Server::new(Ipv4Addr::LOCALHOST)?;
    for _ in 0..context.times {
        let client = net::client(server.addr)?;
        client.set_nonblocking(true)?;
        context.probe(server.addr).connect(&client)?;
        // Closed while it may still be in SYN_SENT.
        drop(client);
        server.drain()?;
    }
    Ok(())
}

/// Nobody listens: the port is assigned and given back.
pub(super) fn refused(context: &Context<'_>) -> Result<()> {
    let closed = Closed::new(Ipv4Addr::LOCALHOST)?;
    for _ in 0..context.times {
        context.probe(closed.addr).connect(&net::client(closed.addr)?)?;
    }
    Ok(())
}

/// Connects the socket again after a refusal: it gets a second port, while it still shows the
/// first.
pub(super) fn refused_retry(context: &Context<'_>) -> Result<()> {
    let (closed, server) = (Closed::new(Ipv4Addr::LOCALHOST)?, Server::new(Ipv4Addr::LOCALHOST)?);
    for _ in 0..context.times {
        let client = net::client(closed.addr)?;
        context.probe(closed.addr).connect(&client)?;
        context.probe(closed.addr).connect(&client)?;
        context.probe(server.addr).connect(&client)?;
        drop(client);
        server.drain()?;
    }
    Ok(())
}

/// Connects the socket again after it was connected and disconnected.
pub(super) fn reconnect(context: &Context<'_>) -> Result<()> {
    let server = Server::new(Ipv4Addr::LOCALHOST)?;
    for _ in 0..context.times {
        let client = net::client(server.addr)?;
        context.probe(server.addr).connect(&client)?;
        net::disconnect(&client)?;
        context.probe(server.addr).connect(&client)?;
        drop(client);
        server.drain()?;
    }
    Ok(())
}

/// No route: connect fails before the search for a port.
pub(super) fn unroutable(context: &Context<'_>) -> Result<()> {
    // An address of TEST-NET-1; the new namespace only has a route to itself.
    let to = SocketAddr::from(([192, 0, 2, 1], 80));
    netns::in_new(None, || {
        for _ in 0..context.times {
            let attempt = context.probe(to).connect(&net::client(to)?)?;
            ensure!(attempt.connect_errno == libc::ENETUNREACH, "there is a route to {to}");
        }
        Ok(())
    })
}

/// Connects to a server on `ip`, one connection at a time.
pub(super) fn to_server(context: &Context<'_>, ip: IpAddr) -> Result<()> {
    let server = Server::new(ip)?;
    for _ in 0..context.times {
        context.probe(server.addr).connect(&net::client(server.addr)?)?;
        server.drain()?;
        // Spreads them over more than one tick of the kernel's clock.
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
