//! Narrow ranges: of a socket, used up, and so narrow that a connection meets itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Result, ensure};

use crate::{
    context::Context,
    exhaust::exhaust,
    net::{self, Closed, Server},
    netns,
};

/// Ten ports, as many even as odd ones, so that the kernel's search can find every one of them.
const TEN_PORTS: (u16, u16) = (40_000, 40_009);

/// `IP_LOCAL_PORT_RANGE` inside the namespace's range.
pub(super) fn socket_range(context: &Context<'_>) -> Result<()> {
    let range = (45_000, 45_099);
    netns::in_new(None, || with_socket_range(context, range, range))
}

/// Only the low end is set: the high end is the namespace's.
pub(super) fn socket_range_one_end(context: &Context<'_>) -> Result<()> {
    let namespace = (40_000, 40_999);
    netns::in_new(Some(namespace), || with_socket_range(context, (40_500, 0), (40_500, 40_999)))
}

fn with_socket_range(
    context: &Context<'_>,
    option: (u16, u16),
    in_force: (u16, u16),
) -> Result<()> {
    let server = Server::new(Ipv4Addr::LOCALHOST)?;
    for _ in 0..context.times {
        let client = net::ranged_client(server.addr, option)?;
        let attempt = context.probe(server.addr).range(in_force).connect(&client)?;
        let inside = attempt.sport.is_some_and(|p| (in_force.0..=in_force.1).contains(&p));
        ensure!(inside, "{:?} is outside {in_force:?}", attempt.sport);
        drop(client);
        server.drain()?;
    }
    Ok(())
}

/// Holds all ports of an `IP_LOCAL_PORT_RANGE`, and asks for more.
pub(super) fn socket_range_exhausted(context: &Context<'_>) -> Result<()> {
    netns::in_new(None, || {
        let server = Server::new(Ipv4Addr::LOCALHOST)?;
        let probe = context.probe(server.addr).range(TEN_PORTS);
        exhaust(&probe, 10, context.times, || net::ranged_client(server.addr, TEN_PORTS))?;
        Ok(())
    })
}

/// Holds all ports of a namespace's range, and asks for more.
pub(super) fn exhausted(context: &Context<'_>) -> Result<()> {
    exhausted_at(context, Ipv4Addr::LOCALHOST.into())
}

/// Holds all ports of a namespace's range over IPv6, and asks for more.
pub(super) fn exhausted_ipv6(context: &Context<'_>) -> Result<()> {
    net::need_ipv6()?;
    exhausted_at(context, Ipv6Addr::LOCALHOST.into())
}

fn exhausted_at(context: &Context<'_>, ip: IpAddr) -> Result<()> {
    netns::in_new(Some(TEN_PORTS), || {
        let server = Server::new(ip)?;
        let probe = context.probe(server.addr);
        exhaust(&probe, 10, context.times, || net::client(server.addr))?;
        Ok(())
    })
}

/// A socket that was refused, so that it still shows a port, then finds the range used up.
pub(super) fn exhausted_retry(context: &Context<'_>) -> Result<()> {
    netns::in_new(Some(TEN_PORTS), || {
        let server = Server::new(Ipv4Addr::LOCALHOST)?;
        let closed = Closed::new(Ipv4Addr::LOCALHOST)?;
        let refused = (0..context.times)
            .map(|_| {
                let client = net::client(closed.addr)?;
                context.probe(closed.addr).connect(&client)?;
                Ok(client)
            })
            .collect::<Result<Vec<_>>>()?;
        let probe = context.probe(server.addr);
        let held = exhaust(&probe, 10, 0, || net::client(server.addr))?;
        for client in &refused {
            let attempt = probe.connect(client)?;
            ensure!(attempt.errno == libc::EADDRNOTAVAIL, "more ports than the range has");
        }
        drop(held);
        Ok(())
    })
}

/// The only available port is the destination's: the connection is its own peer.
pub(super) fn self_connect(context: &Context<'_>) -> Result<()> {
    self_connect_at(context, Ipv4Addr::LOCALHOST.into())
}

/// Connects to itself over IPv6.
pub(super) fn self_connect_ipv6(context: &Context<'_>) -> Result<()> {
    net::need_ipv6()?;
    self_connect_at(context, Ipv6Addr::LOCALHOST.into())
}

fn self_connect_at(context: &Context<'_>, ip: IpAddr) -> Result<()> {
    let port = 40_000;
    netns::in_new(Some((port, port + 1)), || {
        let to = SocketAddr::new(ip, port);
        for _ in 0..context.times {
            let attempt = context.probe(to).connect(&net::client(to)?)?;
            ensure!(attempt.sport == Some(port), "{:?} does not meet itself", attempt.sport);
        }
        Ok(())
    })
}
