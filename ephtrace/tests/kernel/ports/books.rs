//! Books of opened sockets, in network namespaces that belong to one thread each.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd as _,
};

use anyhow::{Context as _, Result, ensure};
use ephtrace::model::PortRange;
use nix::sched::{CloneFlags, unshare};
use socket2::{Domain, Socket, Type};

use crate::mounts::on_a_thread;

/// A small range, so that shares are large.
pub(crate) const RANGE: PortRange = PortRange::new(40_000, 40_099);

/// Reserved ports inside the range.
pub(crate) const RESERVED: [u16; 3] = [40_010, 40_011, 40_050];

/// Books of the opened sockets, as the kernel told by `getsockname`.
#[derive(Default)]
pub(crate) struct Books {
    /// Ports by destination and state.
    pub(crate) connected: BTreeMap<(SocketAddr, &'static str), BTreeSet<u16>>,
    pub(crate) accepted: u64,
    pub(crate) bound: BTreeMap<u16, &'static str>,
    pub(crate) udp: BTreeSet<u16>,
    streams: Vec<TcpStream>,
    listeners: Vec<TcpListener>,
    sockets: Vec<Socket>,
    udp_sockets: Vec<UdpSocket>,
}

impl Books {
    pub(crate) fn listen(&mut self, addr: impl Into<SocketAddr>) -> Result<SocketAddr> {
        let listener = TcpListener::bind(addr.into())?;
        let addr = listener.local_addr()?;
        self.listeners.push(listener);
        if RANGE.contains(addr.port()) {
            self.bound.insert(addr.port(), "listen");
        }
        Ok(addr)
    }

    /// Connects `times` times, with sockets of `domain`, and keeps both ends.
    pub(crate) fn connect(&mut self, domain: Domain, to: SocketAddr, times: u32) -> Result<()> {
        for _ in 0..times {
            let (client, server) = self.pair(domain, to)?;
            self.enter(&client, to, "established")?;
            self.accepted += u64::from(RANGE.contains(to.port()));
            self.streams.extend([client, server]);
        }
        Ok(())
    }

    /// Connects and closes, the client first.
    pub(crate) fn connect_and_close(&mut self, to: SocketAddr, times: u32) -> Result<()> {
        for _ in 0..times {
            let (client, server) = self.pair(Domain::IPV4, to)?;
            self.enter(&client, to, "time_wait")?;
            drop(client);
            io::copy(&mut &server, &mut io::sink())?;
        }
        Ok(())
    }

    /// Connects, and makes the other end close first.
    fn connect_and_be_left(&mut self, to: SocketAddr) -> Result<()> {
        let (client, server) = self.pair(Domain::IPV4, to)?;
        drop(server);
        io::copy(&mut &client, &mut io::sink())?;
        self.enter(&client, to, "close_wait")?;
        self.streams.push(client);
        Ok(())
    }

    fn pair(&mut self, domain: Domain, to: SocketAddr) -> Result<(TcpStream, TcpStream)> {
        let socket = Socket::new(domain, Type::STREAM, None)?;
        let as_mapped = match (domain, to) {
            (Domain::IPV6, SocketAddr::V4(v4)) => {
                SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())
            }
            _ => to,
        };
        socket.connect(&as_mapped.into()).with_context(|| format!("connecting to {to}"))?;
        let listener = self.listeners.iter().find(|one| one.local_addr().is_ok_and(|a| a == to));
        let (server, _) = listener.context("no such listener")?.accept()?;
        Ok((socket.into(), server))
    }

    fn enter(&mut self, client: &TcpStream, to: SocketAddr, state: &'static str) -> Result<()> {
        let port = client.local_addr()?.port();
        let is_new = self.connected.entry((to, state)).or_default().insert(port);
        ensure!(is_new, "{port} was given twice for {to}");
        Ok(())
    }

    fn bind(&mut self, port: u16) -> Result<()> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
        let addr = socket.local_addr()?.as_socket().context("no address")?;
        self.bound.insert(addr.port(), "bound");
        self.sockets.push(socket);
        Ok(())
    }

    fn udp(&mut self) -> Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        self.udp.insert(socket.local_addr()?.port());
        self.udp_sockets.push(socket);
        Ok(())
    }

    /// Opens some sockets of every kind.
    pub(crate) fn fill(&mut self) -> Result<()> {
        let localhost = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let plain = self.listen(localhost(2001))?;
        let v6 = self.listen((Ipv6Addr::LOCALHOST, 2002))?;
        let inside = self.listen(localhost(40_060))?;
        self.listen(localhost(40_050))?;
        self.bind(40_071)?;
        self.bind(0)?;
        self.connect(Domain::IPV4, plain, 12)?;
        self.connect(Domain::IPV6, plain, 3)?;
        self.connect_and_close(plain, 4)?;
        self.connect_and_be_left(plain)?;
        self.connect(Domain::IPV6, v6, 7)?;
        self.connect(Domain::IPV4, inside, 2)?;
        self.udp()?;
        self.udp()
    }

    pub(crate) fn of(&self, to: SocketAddr) -> BTreeSet<u16> {
        let of_it = self.connected.iter().filter(|((there, _), _)| *there == to);
        of_it.flat_map(|(_, ports)| ports).copied().collect()
    }

    pub(crate) fn destinations(&self) -> BTreeSet<SocketAddr> {
        self.connected.keys().map(|(to, _)| *to).collect()
    }

    pub(crate) fn in_state(&self, state: &str) -> usize {
        self.connected.iter().filter(|((_, s), _)| *s == state).map(|(_, p)| p.len()).sum()
    }
}

/// Runs `work` on a thread in a new network namespace with its loopback device up and `RANGE`.
pub(crate) fn in_new_netns<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    on_a_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET).context("making a network namespace")?;
        loopback_up().context("bringing up the loopback device")?;
        let reserved = RESERVED.map(|port| port.to_string()).join(",");
        let range = format!("{} {}", RANGE.low, RANGE.high);
        for (name, value) in [
            ("ip_local_port_range", &*range),
            ("ip_local_reserved_ports", &*reserved),
            // Otherwise a port in TIME_WAIT is given again.
            ("tcp_tw_reuse", "0"),
        ] {
            let path = format!("/proc/sys/net/ipv4/{name}");
            fs::write(&path, value).with_context(|| format!("writing {value:?} to {path}"))?;
        }
        work()
    })
}

fn loopback_up() -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    // SAFETY: all zero is a valid `ifreq`: it holds integers and arrays of them.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(*b"lo") {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP).unwrap_or(1);
    // SAFETY: `request` is of the type that SIOCSIFFLAGS reads, and outlives the call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
