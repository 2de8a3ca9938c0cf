//! Probes for a port with sockets of ephtrace's own that are closed at once.
//!
//! No packet is sent if TCP Fast Open may be used: a connect that is deferred until the first write
//! only searches for its port. Otherwise a SYN is sent.

use std::{
    net::SocketAddr,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrIn6, SockaddrStorage, bind, connect,
        getsockname, socket,
    },
};

use crate::inventory::explain::{Probed, Question, Transport, Way};

/// Asks the kernel in each way that the question covers.
pub(super) fn ask(question: &Question) -> Vec<Probed> {
    let any = |port| SocketAddr::from(([0, 0, 0, 0], port));
    let probed = |way, asked: nix::Result<OwnedFd>| {
        let port = asked.as_ref().ok().and_then(port_of);
        Probed { way, port, errno: asked.err().map_or(0, |errno| errno as i32) }
    };
    match *question {
        Question::Destination(to) => vec![
            probed(Way::Connect, connects(None, to)),
            probed(Way::BindAny, bound(SockType::Stream, any(0))),
            probed(Way::UdpAny, bound(SockType::Datagram, any(0))),
        ],
        Question::Tuple { from, to } => {
            vec![probed(Way::ConnectFrom, connects(Some(from), to))]
        }
        Question::Port { port, transport } => {
            let ways = [
                (Transport::Tcp, Way::BindPort, SockType::Stream),
                (Transport::Udp, Way::UdpPort, SockType::Datagram),
            ];
            let wanted = ways.into_iter().filter(|(it, ..)| transport.is_none_or(|one| one == *it));
            wanted.map(|(_, way, kind)| probed(way, bound(kind, any(port)))).collect()
        }
    }
}

fn connects(from: Option<SocketAddr>, to: SocketAddr) -> nix::Result<OwnedFd> {
    let socket = match from {
        Some(from) => bound(SockType::Stream, from)?,
        None => open(SockType::Stream, to)?,
    };
    put_off(&socket);
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
        // The SYN is on its way: the port was found.
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(socket),
        Err(errno) => Err(errno),
    }
}

fn port_of(socket: &OwnedFd) -> Option<u16> {
    let addr: SockaddrStorage = getsockname(socket.as_raw_fd()).ok()?;
    let v6 = || addr.as_sockaddr_in6().map(SockaddrIn6::port);
    addr.as_sockaddr_in().map(SockaddrIn::port).or_else(v6)
}

fn bound(kind: SockType, addr: SocketAddr) -> nix::Result<OwnedFd> {
    let socket = open(kind, addr)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(addr))?;
    Ok(socket)
}

fn open(kind: SockType, addr: SocketAddr) -> nix::Result<OwnedFd> {
    let family = match addr {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    socket(family, kind, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)
}

/// Defers the SYN until data is written, which never happens. If the kernel refuses, the SYN is
/// sent.
fn put_off(socket: &OwnedFd) {
    const SIZE: libc::socklen_t = 4;
    let on: [u8; SIZE as usize] = 1_i32.to_ne_bytes();
    for option in [libc::TCP_FASTOPEN_NO_COOKIE, libc::TCP_FASTOPEN_CONNECT] {
        let fd = socket.as_raw_fd();
        // SAFETY: the descriptor is open, and the kernel reads as many bytes as `on` has.
        let refused =
            unsafe { libc::setsockopt(fd, libc::IPPROTO_TCP, option, on.as_ptr().cast(), SIZE) };
        if refused != 0 {
            log::info!("a SYN is sent: {}", Errno::last());
        }
    }
}
