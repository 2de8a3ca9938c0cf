//! SCTP: one-to-one sockets, like TCP's, and one-to-many sockets, like UDP's.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::AsRawFd as _,
};

use anyhow::{Context as _, Result, ensure};
use socket2::{Protocol, SockAddr, Socket, Type};

use super::unconnected::{self, ANY4, ANY6, Kind, V4, V6, autobind_once, bind_once, use_up};
use crate::{
    context::Context,
    net, netns,
    skip::{self, NO_SUCH_SOCKET},
    truth::Origin,
};

/// `IPPROTO_SCTP` (linux/in.h).
const SCTP: i32 = 132;
/// Socket options of SCTP (linux/sctp.h).
const SOL_SCTP: i32 = 132;
/// `SCTP_SOCKOPT_BINDX_ADD`.
const BINDX_ADD: i32 = 100;

/// Port of servers: below the range, and without any other SCTP server.
const SERVER_PORT: u16 = 20_132;

/// Ports that a program names.
const NAMED_PORTS: std::ops::Range<u16> = 20_200..20_300;

fn one_to_one() -> Kind {
    kind(Type::STREAM)
}

fn one_to_many() -> Kind {
    kind(Type::SEQPACKET)
}

fn kind(r#type: Type) -> Kind {
    Kind { r#type, protocol: Some(Protocol::from(SCTP)), name: "sctp", origin: Origin::Sctp }
}

fn need_sctp() -> Result<()> {
    let made = one_to_one().socket(V4);
    made.map(drop).map_err(|e| skip::lacking("this kernel has no SCTP", NO_SUCH_SOCKET, e))
}

/// Binds both kinds of sockets to any address and to one address.
pub(super) fn bind(context: &Context<'_>) -> Result<()> {
    need_sctp()?;
    unconnected::bind(context, one_to_one(), ANY4)?;
    unconnected::bind(context, one_to_one(), V4)?;
    unconnected::bind(context, one_to_many(), V4)
}

/// Binds over IPv6.
pub(super) fn bind_ipv6(context: &Context<'_>) -> Result<()> {
    need_sctp()?;
    net::need_ipv6()?;
    unconnected::bind(context, one_to_one(), ANY6)?;
    unconnected::bind(context, one_to_one(), V6)
}

/// A second address gets the port of the first one: nothing is assigned.
pub(super) fn bind_second(context: &Context<'_>) -> Result<()> {
    need_sctp()?;
    for _ in 0..context.times {
        let socket = one_to_one().socket(V4)?;
        bind_once(context, one_to_one(), V4, &socket)?;
        let port = local_port(&socket)?;
        let second = SockAddr::from(SocketAddr::new(IpAddr::from([127, 0, 0, 2]), 0));
        // SAFETY: the option reads one address, which outlives the call.
        let done = unsafe {
            let (address, len) = (second.as_ptr().cast(), second.len());
            libc::setsockopt(socket.as_raw_fd(), SOL_SCTP, BINDX_ADD, address, len)
        };
        ensure!(done == 0, "a second address: {}", io::Error::last_os_error());
        ensure!(local_port(&socket)? == port, "another port with the second address");
    }
    Ok(())
}

/// Binds to a port that the program names, and once more with another socket.
pub(super) fn bind_explicit(context: &Context<'_>) -> Result<()> {
    need_sctp()?;
    for port in NAMED_PORTS.take(usize::try_from(context.times)?) {
        let to = SocketAddr::new(V4, port);
        let (one, other) = (one_to_one().socket(V4)?, one_to_one().socket(V4)?);
        for socket in [&one, &other] {
            let probe = context.probe(to).origin(Origin::Explicit);
            probe.bind(socket, "sctp", || socket.bind(&SockAddr::from(to)))?;
        }
    }
    Ok(())
}

/// `listen()` on an unbound socket; a second `listen()` assigns nothing.
pub(super) fn listen(context: &Context<'_>) -> Result<()> {
    need_sctp()?;
    listen_at(context, ANY4)
}

/// `listen()` over IPv6.
pub(super) fn listen_ipv6(context: &Context<'_>) -> Result<()> {
    need_sctp()?;
    net::need_ipv6()?;
    listen_at(context, ANY6)
}

fn listen_at(context: &Context<'_>, ip: IpAddr) -> Result<()> {
    for _ in 0..context.times {
        let socket = one_to_one().socket(ip)?;
        listen_once(context, ip, &socket)?;
        socket.listen(2).context("listening again")?;
    }
    Ok(())
}

fn listen_once(context: &Context<'_>, ip: IpAddr, socket: &Socket) -> Result<i32> {
    let probe = context.probe(SocketAddr::new(ip, 0)).origin(Origin::Sctp);
    Ok(probe.bind(socket, "sctp", || socket.listen(1))?.errno)
}

/// `connect()` of an unbound socket.
pub(super) fn connect(context: &Context<'_>) -> Result<()> {
    connect_at(context, V4)
}

/// `connect()` over IPv6.
pub(super) fn connect_ipv6(context: &Context<'_>) -> Result<()> {
    net::need_ipv6()?;
    connect_at(context, V6)
}

fn connect_at(context: &Context<'_>, ip: IpAddr) -> Result<()> {
    need_sctp()?;
    let to = SocketAddr::new(ip, SERVER_PORT);
    netns::in_new(None, || {
        let _server = server(to)?;
        for _ in 0..context.times {
            let client = one_to_one().socket(ip)?;
            autobind_once(context, one_to_one(), ip, &client, connect_to(to))?;
        }
        Ok(())
    })
}

/// First send on an unbound socket; a second send assigns nothing.
pub(super) fn send(context: &Context<'_>) -> Result<()> {
    send_at(context, V4)
}

/// First send over IPv6.
pub(super) fn send_ipv6(context: &Context<'_>) -> Result<()> {
    net::need_ipv6()?;
    send_at(context, V6)
}

fn send_at(context: &Context<'_>, ip: IpAddr) -> Result<()> {
    need_sctp()?;
    let to = SocketAddr::new(ip, SERVER_PORT);
    netns::in_new(None, || {
        let _server = server(to)?;
        for _ in 0..context.times {
            let client = one_to_many().socket(ip)?;
            autobind_once(context, one_to_many(), ip, &client, send_twice(to))?;
        }
        Ok(())
    })
}

/// Uses up a narrow range in every manner.
pub(super) fn exhausted(context: &Context<'_>) -> Result<()> {
    exhausted_at(context, V4, ANY4)
}

/// Uses up a narrow range over IPv6.
pub(super) fn exhausted_ipv6(context: &Context<'_>) -> Result<()> {
    net::need_ipv6()?;
    exhausted_at(context, V6, ANY6)
}

fn exhausted_at(context: &Context<'_>, ip: IpAddr, any: IpAddr) -> Result<()> {
    need_sctp()?;
    let (one, many) = (one_to_one(), one_to_many());
    let to = SocketAddr::new(ip, SERVER_PORT);
    use_up(libc::EADDRINUSE, one, any, |socket| bind_once(context, one, any, socket))?;
    use_up(libc::EADDRINUSE, one, ip, |socket| bind_once(context, one, ip, socket))?;
    use_up(libc::EAGAIN, one, any, |socket| listen_once(context, any, socket))?;
    use_up(libc::EAGAIN, one, ip, |socket| {
        let _server = server(to)?;
        autobind_once(context, one, ip, socket, connect_to(to))
    })?;
    use_up(libc::EAGAIN, many, ip, |socket| {
        let _server = server(to)?;
        autobind_once(context, many, ip, socket, send_twice(to))
    })
}

/// Returns a socket that listens at `to`; the port is named, so that nothing is assigned.
fn server(to: SocketAddr) -> Result<Socket> {
    let socket = one_to_one().socket(to.ip())?;
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(to)).context("binding the server")?;
    socket.listen(libc::SOMAXCONN).context("listen")?;
    Ok(socket)
}

fn connect_to(to: SocketAddr) -> impl Fn(&Socket, SocketAddr) -> io::Result<()> + Copy {
    move |socket, _| socket.connect(&SockAddr::from(to))
}

fn send_twice(to: SocketAddr) -> impl Fn(&Socket, SocketAddr) -> io::Result<()> + Copy {
    move |socket, _| {
        socket.send_to(b"x", &SockAddr::from(to))?;
        socket.send_to(b"x", &SockAddr::from(to)).map(drop)
    }
}

fn local_port(socket: &Socket) -> Result<u16> {
    Ok(socket.local_addr()?.as_socket().context("not an internet socket")?.port())
}
