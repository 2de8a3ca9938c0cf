//! Ports without a destination: bind to port 0, listen, UDP, ping sockets.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    thread,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::{context::Context, net, netns, truth::Origin};

pub(super) const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(super) const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
pub(super) const ANY4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
pub(super) const ANY6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Kind of a socket, and its name in the log.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) r#type: Type,
    pub(super) protocol: Option<Protocol>,
    pub(super) name: &'static str,
    pub(super) origin: Origin,
}

const TCP: Kind = Kind { r#type: Type::STREAM, protocol: None, name: "tcp", origin: Origin::Bind };
const UDP: Kind = Kind { r#type: Type::DGRAM, protocol: None, name: "udp", origin: Origin::Udp };

fn ping(ip: IpAddr) -> Kind {
    let (protocol, name) = match ip {
        IpAddr::V4(_) => (Protocol::ICMPV4, "icmp"),
        IpAddr::V6(_) => (Protocol::ICMPV6, "icmpv6"),
    };
    Kind { r#type: Type::DGRAM, protocol: Some(protocol), name, origin: Origin::Ping }
}

impl Kind {
    pub(super) fn socket(self, ip: IpAddr) -> Result<Socket> {
        let domain = Domain::for_address(SocketAddr::new(ip, 0));
        Socket::new(domain, self.r#type, self.protocol).context("socket")
    }
}

/// Calls `bind()` for port 0 of an address.
pub(super) fn bind(context: &Context<'_>, kind: Kind, ip: IpAddr) -> Result<()> {
    for _ in 0..context.times {
        bind_once(context, kind, ip, &kind.socket(ip)?)?;
    }
    Ok(())
}

pub(super) fn bind_once(
    context: &Context<'_>,
    kind: Kind,
    ip: IpAddr,
    socket: &Socket,
) -> Result<i32> {
    let to = SocketAddr::new(ip, 0);
    let probe = context.probe(to).origin(kind.origin);
    Ok(probe.bind(socket, kind.name, || socket.bind(&SockAddr::from(to)))?.errno)
}

/// Binds TCP sockets to any address.
pub(super) fn tcp_bind(context: &Context<'_>) -> Result<()> {
    bind(context, TCP, ANY4)
}

/// Binds TCP sockets to one address.
pub(super) fn tcp_bind_address(context: &Context<'_>) -> Result<()> {
    bind(context, TCP, V4)
}

/// Binds TCP sockets over IPv6.
pub(super) fn tcp_bind_ipv6(context: &Context<'_>) -> Result<()> {
    net::need_ipv6()?;
    bind(context, TCP, ANY6)?;
    bind(context, TCP, V6)
}

/// Binds an `AF_INET6` socket to an IPv4 address.
pub(super) fn tcp_bind_mapped(context: &Context<'_>) -> Result<()> {
    net::need_ipv6()?;
    bind(context, TCP, Ipv4Addr::LOCALHOST.to_ipv6_mapped().into())
}

/// With `SO_REUSEADDR`, the kernel searches the lower half of the range first.
pub(super) fn tcp_bind_reuse(context: &Context<'_>) -> Result<()> {
    for _ in 0..context.times {
        let socket = TCP.socket(V4)?;
        socket.set_reuse_address(true)?;
        bind_once(context, TCP, V4, &socket)?;
    }
    Ok(())
}

/// `listen()` on an unbound socket; a second `listen()` assigns nothing.
pub(super) fn listen(context: &Context<'_>) -> Result<()> {
    for _ in 0..context.times {
        let socket = TCP.socket(ANY4)?;
        listen_once(context, ANY4, &socket)?;
        socket.listen(2).context("listening again")?;
    }
    Ok(())
}

/// `listen()` over IPv6.
pub(super) fn listen_ipv6(context: &Context<'_>) -> Result<()> {
    net::need_ipv6()?;
    for _ in 0..context.times {
        listen_once(context, ANY6, &TCP.socket(ANY6)?)?;
    }
    Ok(())
}

fn listen_once(context: &Context<'_>, ip: IpAddr, socket: &Socket) -> Result<i32> {
    let probe = context.probe(SocketAddr::new(ip, 0)).origin(Origin::Listen);
    Ok(probe.bind(socket, "tcp", || socket.listen(1))?.errno)
}

/// Binds UDP sockets to any address and to one address.
pub(super) fn udp_bind(context: &Context<'_>) -> Result<()> {
    bind(context, UDP, ANY4)?;
    bind(context, UDP, V4)
}

/// Binds UDP sockets over IPv6.
pub(super) fn udp_bind_ipv6(context: &Context<'_>) -> Result<()> {
    net::need_ipv6()?;
    bind(context, UDP, ANY6)?;
    bind(context, UDP, V6)
}

/// `connect()` of an unbound UDP socket.
pub(super) fn udp_connect(context: &Context<'_>) -> Result<()> {
    autobind(context, UDP, V4, connect)
}

/// `connect()` of an unbound UDP socket over IPv6.
pub(super) fn udp_connect_ipv6(context: &Context<'_>) -> Result<()> {
    net::need_ipv6()?;
    autobind(context, UDP, V6, connect)
}

/// `sendto()` on an unbound UDP socket; a second `sendto()` assigns nothing.
pub(super) fn udp_send(context: &Context<'_>) -> Result<()> {
    autobind(context, UDP, V4, send_twice)
}

/// `sendto()` on an unbound UDP socket over IPv6.
pub(super) fn udp_send_ipv6(context: &Context<'_>) -> Result<()> {
    net::need_ipv6()?;
    autobind(context, UDP, V6, send_twice)
}

fn connect(socket: &Socket, to: SocketAddr) -> std::io::Result<()> {
    socket.connect(&SockAddr::from(to))
}

fn send(socket: &Socket, to: SocketAddr) -> std::io::Result<()> {
    socket.send_to(b"x", &SockAddr::from(to)).map(drop)
}

fn send_twice(socket: &Socket, to: SocketAddr) -> std::io::Result<()> {
    socket.send_to(b"x", &SockAddr::from(to))?;
    // Nobody listens, as the error of the second send may say.
    let _ = socket.send_to(b"x", &SockAddr::from(to));
    Ok(())
}

/// The kernel binds the socket by itself while `act` makes it talk to `ip`.
pub(super) fn autobind(
    context: &Context<'_>,
    kind: Kind,
    ip: IpAddr,
    act: impl Fn(&Socket, SocketAddr) -> std::io::Result<()>,
) -> Result<()> {
    for _ in 0..context.times {
        autobind_once(context, kind, ip, &kind.socket(ip)?, &act)?;
    }
    Ok(())
}

pub(super) fn autobind_once(
    context: &Context<'_>,
    kind: Kind,
    ip: IpAddr,
    socket: &Socket,
    act: impl Fn(&Socket, SocketAddr) -> std::io::Result<()>,
) -> Result<i32> {
    let any = if ip.is_ipv4() { ANY4 } else { ANY6 };
    let probe = context.probe(SocketAddr::new(any, 0)).origin(kind.origin);
    let to = SocketAddr::new(ip, 53);
    Ok(probe.bind(socket, kind.name, || act(socket, to))?.errno)
}

/// Ping sockets: bind, connect. The namespace's settings say who may have them.
pub(super) fn ping_sockets(context: &Context<'_>) -> Result<()> {
    netns::in_new(None, || {
        netns::set("ping_group_range", "0 2147483647")?;
        bind(context, ping(V4), V4)?;
        autobind(context, ping(V4), V4, connect)?;
        net::need_ipv6()?;
        bind(context, ping(V6), V6)?;
        autobind(context, ping(V6), V6, connect)
    })
}

/// Uses up a narrow range by `bind()` and `listen()`.
pub(super) fn exhausted_bind(context: &Context<'_>) -> Result<()> {
    use_up(libc::EADDRINUSE, TCP, V4, |socket| bind_once(context, TCP, V4, socket))?;
    use_up(libc::EADDRINUSE, TCP, ANY4, |socket| listen_once(context, ANY4, socket))?;
    use_up(libc::EADDRINUSE, UDP, V4, |socket| bind_once(context, UDP, V4, socket))
}

/// Uses up a narrow range by `connect()` of UDP sockets.
pub(super) fn exhausted_udp(context: &Context<'_>) -> Result<()> {
    use_up(libc::EAGAIN, UDP, V4, |socket| autobind_once(context, UDP, V4, socket, connect))
}

/// UDP sockets get EAGAIN on their first send, for lack of a port.
pub(super) fn exhausted_send(context: &Context<'_>) -> Result<()> {
    use_up(libc::EAGAIN, UDP, V4, |socket| autobind_once(context, UDP, V4, socket, send))
}

/// Gets ports for more sockets than a narrow range has ports; the last ones fail with `errno`.
pub(super) fn use_up(
    errno: i32,
    kind: Kind,
    ip: IpAddr,
    get: impl Fn(&Socket) -> Result<i32> + Send + Sync,
) -> Result<()> {
    const PORTS: (u16, u16) = (40_000, 40_003);
    const ATTEMPTS: usize = 7;
    netns::in_new(Some(PORTS), || {
        let sockets = (0..ATTEMPTS).map(|_| kind.socket(ip)).collect::<Result<Vec<_>>>()?;
        let ends = sockets.iter().map(&get).collect::<Result<Vec<_>>>()?;
        let failed = ends.iter().filter(|end| **end == errno).count();
        let fine = ends.iter().filter(|end| **end == 0).count();
        ensure!(failed > 0 && failed + fine == ATTEMPTS, "{failed} failed of {ATTEMPTS}: {ends:?}");
        Ok(())
    })
}

/// Binds from two threads at once: each has its own ports.
pub(super) fn two_threads(context: &Context<'_>) -> Result<()> {
    thread::scope(|scope| {
        let threads = [tcp_bind, udp_bind].map(|way| scope.spawn(move || way(context)));
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
    })
}
