//! Sockets: clients that leave nothing behind, servers that need no thread, rare options.

use std::{
    io, mem,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    os::fd::{AsRawFd as _, RawFd},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::{netns, skip};

/// First port that servers try: below every usual ephemeral range, so that no client of ours is
/// given the port of a server, or connects to itself.
const FIRST_SERVER_PORT: u16 = 20_000;

/// Number of ports that servers try.
const SERVER_PORTS: u16 = 10_000;

/// `getsockopt(SOL_SOCKET)`: the socket's cookie (asm-generic/socket.h).
const SO_COOKIE: libc::c_int = 57;

/// Option since Linux 6.3 and 6.1.32: range of one socket, low | high << 16, each end 0 for unset.
const IP_LOCAL_PORT_RANGE: libc::c_int = 51;

/// Returns a TCP socket for a connect to `to`; it resets its connection when dropped, so that no
/// `TIME_WAIT` is left.
pub(crate) fn client(to: SocketAddr) -> Result<Socket> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).context("socket")?;
    socket.set_linger(Some(Duration::ZERO)).context("SO_LINGER")?;
    Ok(socket)
}

/// Returns a client whose ports come from `range`.
pub(crate) fn ranged_client(to: SocketAddr, range: (u16, u16)) -> Result<Socket> {
    let client = client(to)?;
    let value = u32::from(range.0) | u32::from(range.1) << 16;
    match set_option(client.as_raw_fd(), libc::IPPROTO_IP, IP_LOCAL_PORT_RANGE, value) {
        Ok(()) => Ok(client),
        Err(e) => Err(no_option("IP_LOCAL_PORT_RANGE", e)),
    }
}

/// Returns the error of a socket option that can't be set: of kind `Skip` if the kernel has no such
/// option.
pub(crate) fn no_option(name: &str, error: io::Error) -> anyhow::Error {
    let what = format!("this kernel has no {name}");
    skip::lacking(&what, &[libc::ENOPROTOOPT], error.into())
}

/// A listening socket. Connections wait in its queue until [`Server::drain`].
pub(crate) struct Server {
    socket: Socket,
    /// Address on which it listens.
    pub(crate) addr: SocketAddr,
}

impl Server {
    /// Listens on a free port of `ip`.
    pub(crate) fn new(ip: impl Into<IpAddr>) -> Result<Self> {
        let (socket, addr) = bound(ip.into())?;
        socket.listen(libc::SOMAXCONN).context("listen")?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, addr })
    }

    /// Returns the socket.
    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Accepts one waiting connection and closes it; returns false if none waits.
    pub(crate) fn accept(&self) -> Result<bool> {
        loop {
            match self.socket.accept_raw() {
                Ok(_) => return Ok(true),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(e) => return Err(e).context("accept"),
            }
        }
    }

    /// Accepts and closes all waiting connections.
    pub(crate) fn drain(&self) -> Result<()> {
        while self.accept()? {}
        Ok(())
    }
}

/// A port that refuses connections for as long as this lives: bound, not listening.
pub(crate) struct Closed {
    _socket: Socket,
    /// Address that refuses connections.
    pub(crate) addr: SocketAddr,
}

impl Closed {
    /// Takes a free port of `ip`.
    pub(crate) fn new(ip: impl Into<IpAddr>) -> Result<Self> {
        let (socket, addr) = bound(ip.into())?;
        Ok(Self { _socket: socket, addr })
    }
}

/// A failed bind to a port that another program had: an attempt, too, which the log records.
pub(crate) struct Refused {
    pub(crate) addr: SocketAddr,
    pub(crate) tid: i32,
    pub(crate) netns: u64,
    pub(crate) range: (u16, u16),
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
}

/// Refused binds that are not yet in the log.
static REFUSED: Mutex<Vec<Refused>> = Mutex::new(Vec::new());

/// Takes the binds that were refused since the last call.
pub(crate) fn take_refused() -> Vec<Refused> {
    mem::take(&mut *REFUSED.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Returns a socket bound to some free port outside the ephemeral range.
pub(crate) fn bound(ip: IpAddr) -> Result<(Socket, SocketAddr)> {
    /// Number of ports tried so far, so that a taken port is not tried again at once.
    static LOOKED_AT: AtomicU32 = AtomicU32::new(0);
    // Concurrent processes have neighbouring ids, but begin far from each other.
    let first = std::process::id().wrapping_mul(2_654_435_761) >> 16;
    for _ in 0..SERVER_PORTS {
        let nth = first + LOOKED_AT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(nth % u32::from(SERVER_PORTS))? + FIRST_SERVER_PORT;
        let found = try_bind(SocketAddr::new(ip, port));
        if let Some(found) = found.with_context(|| format!("binding to {ip}"))? {
            return Ok(found);
        }
    }
    bail!("no free port for a server on {ip}")
}

/// Binds to `addr`; returns `None`, with a note for the log, if another program has the port.
fn try_bind(addr: SocketAddr) -> Result<Option<(Socket, SocketAddr)>> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    let start_ns = now_ns();
    match socket.bind(&SockAddr::from(addr)) {
        Ok(()) => Ok(Some((socket, addr))),
        Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
            let end_ns = now_ns();
            let (tid, netns) = (nix::unistd::gettid().as_raw(), netns::inode()?);
            let refused = Refused { addr, tid, netns, range: netns::range()?, start_ns, end_ns };
            REFUSED.lock().unwrap_or_else(PoisonError::into_inner).push(refused);
            Ok(None)
        }
        Err(e) => Err(e.into()),
    }
}

/// Returns the time in nanoseconds since the Unix epoch.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(0)
}

/// Returns an error of kind `Skip` if the kernel has no IPv6 or it is disabled.
pub(crate) fn need_ipv6() -> Result<()> {
    let errnos = &[libc::EAFNOSUPPORT, libc::EADDRNOTAVAIL];
    let bound = Closed::new(Ipv6Addr::LOCALHOST);
    bound.map(drop).map_err(|e| skip::lacking("no IPv6", errnos, e))
}

/// Sets an integer option.
pub(crate) fn set_option(
    fd: RawFd,
    level: libc::c_int,
    name: libc::c_int,
    value: u32,
) -> io::Result<()> {
    let len = socklen::<u32>();
    // SAFETY: `value` outlives the call and is `len` bytes long.
    let done = unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), len) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Returns the socket's cookie.
pub(crate) fn cookie(fd: RawFd) -> io::Result<u64> {
    let mut value = 0_u64;
    let mut len = socklen::<u64>();
    // SAFETY: `value` and `len` outlive the call, and `len` is the size of `value`.
    let done = unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, SO_COOKIE, (&raw mut value).cast(), &raw mut len)
    };
    if done == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

/// Dissolves the association of a connected socket, so that it can connect again.
pub(crate) fn disconnect(socket: &Socket) -> io::Result<()> {
    // SAFETY: all zero is a valid `sockaddr`, and its family is then AF_UNSPEC.
    let unspecified: libc::sockaddr = unsafe { mem::zeroed() };
    let len = socklen::<libc::sockaddr>();
    // SAFETY: the address outlives the call and is `len` bytes long.
    let done = unsafe { libc::connect(socket.as_raw_fd(), &raw const unspecified, len) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(clippy::cast_possible_truncation, reason = "the size of a small type")]
const fn socklen<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}
