//! Observations for a question about a port: sockets, settings, the route, and the kernel's answer
//! to a probe.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    path::Path,
};

use super::{
    netns::{self, Found},
    probe,
    snapshot::{self, InventoryError, Named},
    sysctl::{self, PROC_SYS_NET},
};
use crate::inventory::{
    Namespace,
    census::{Census, Listing},
    explain::{Hidden, HiddenWhy, Question, Seen},
    namespace::NetnsRef,
    owners::Owners,
    socket::Socket,
    sysctls::Sysctls,
};
use crate::model::PortRange;

/// First unprivileged port, if the sysctl can't be read.
const UNPRIVILEGED: u16 = 1024;

/// Observations, and the census made from them.
pub struct Looked {
    /// Observations that the answer is based on.
    pub seen: Seen,
    census: Census,
}

impl Looked {
    /// Returns inode numbers of the sockets whose holders the answer to `question` names.
    pub fn inodes(&self, question: &Question) -> impl Iterator<Item = u32> {
        let to = match question {
            Question::Destination(to) => Some(*to),
            Question::Tuple { .. } | Question::Port { .. } => None,
        };
        // If ports run short for every destination, the answer names their holders.
        let is_short = 2 * self.seen.tcp.len() >= self.seen.sysctls.usable() as usize;
        let is_meant = move |socket: &&Socket| {
            let is_there = socket.flow(None).remote() == to;
            to.is_none() || is_short || is_there || !socket.is_connected()
        };
        let sockets = self.seen.tcp.iter().filter(is_meant).chain(&self.seen.udp);
        sockets.map(|socket| socket.inode).filter(|inode| *inode != 0)
    }

    /// Returns the ports in use in the namespace, all destinations one by one, and the
    /// observations.
    pub fn describe(self, owners: Owners<'_>) -> (Namespace, Seen) {
        (self.census.describe(usize::MAX, owners), self.seen)
    }
}

/// Observes one namespace, that of ephtrace if none is named. With `probe`, the kernel is asked for
/// a port, too.
pub fn look(
    named: Option<&Named>,
    question: &Question,
    probe: bool,
) -> Result<Looked, InventoryError> {
    let own = netns::own().map_err(InventoryError::Proc)?;
    let Some(named) = named.filter(|named| named.netns != own) else {
        let name = netns::name_of(own);
        return look_here(
            NetnsRef { netns: own, name, own: true, ..NetnsRef::default() },
            question,
            probe,
        );
    };
    let found: Found = snapshot::find(named)?;
    let place = snapshot::place(&found, false);
    let looked = found.inside(|| look_here(place, question, probe));
    looked.map_err(|cause| InventoryError::Enter { text: named.text.clone(), cause })?
}

/// Observes the namespace of this thread.
pub fn look_here(
    place: NetnsRef,
    question: &Question,
    probe: bool,
) -> Result<Looked, InventoryError> {
    let sysctls = sysctl::read(Path::new(PROC_SYS_NET))?;
    // Only the port in question, which need not be an ephemeral one.
    let listed = match question.port() {
        Some(port) => Sysctls { range: PortRange::new(port, port), ..sysctls.clone() },
        None => sysctls.clone(),
    };
    let listing = snapshot::list(&listed)?;
    let route = |to: SocketAddr| source_for(to, sysctls.range);
    let (source, is_local) = match question {
        Question::Destination(to) => (route(*to), None),
        Question::Tuple { from, .. } => (None, is_local(from.ip(), sysctls.range)),
        Question::Port { .. } => (None, None),
    };
    let seen = Seen {
        netns: place.netns,
        tcp: listing.in_range.clone(),
        udp: listing.udp_in_range.clone(),
        hidden: hidden(&listing),
        source,
        is_local,
        privileged_below: privileged_below(),
        probed: if probe { probe::ask(question) } else { Vec::new() },
        sysctls,
    };
    let census = Census::new(place, listed, listing);
    Ok(Looked { seen, census })
}

/// Upper bound on TCP sockets that have a port and are in no list.
///
/// The kernel counts all TCP sockets that exist (`alloc` in `/proc/net/sockstat`), also those of
/// other namespaces and those without a port. Up to this number, less the sockets listed here, may
/// be bound.
fn hidden(listing: &Listing) -> Hidden {
    if listing.tcp.left_out > 0 {
        return Hidden { sockets: u32::MAX, why: HiddenWhy::TooMany };
    }
    if listing.lists_bound {
        return Hidden::default();
    }
    let text = fs::read_to_string("/proc/thread-self/net/sockstat").ok();
    let all = text.as_deref().and_then(allocated);
    let by_state = listing.tcp.connected;
    // A FIN_WAIT2 may be a timewait socket, which does not count.
    let listed = by_state.total() - by_state.time_wait - by_state.fin_wait2 - by_state.syn_recv
        + listing.tcp.listening
        + listing.tcp.bound_only;
    let sockets =
        all.map_or(u32::MAX, |all| u32::try_from(all.saturating_sub(listed)).unwrap_or(u32::MAX));
    Hidden { sockets, why: HiddenWhy::BoundOnly }
}

/// Parses `TCP: inuse 5 orphan 0 tw 0 alloc 7 mem 1`.
fn allocated(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace();
    words.find(|word| *word == "alloc")?;
    words.next()?.parse().ok()
}

fn privileged_below() -> u16 {
    let text = fs::read_to_string(Path::new(PROC_SYS_NET).join("ipv4/ip_unprivileged_port_start"));
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(UNPRIVILEGED)
}

/// Returns the source address of a connect to `to`, as chosen by routing; `None` if no UDP port is
/// free for the query.
fn source_for(to: SocketAddr, range: PortRange) -> Option<Result<IpAddr, i32>> {
    let any = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = match socket_outside(any, range)? {
        Ok(socket) => socket,
        Err(error) => return Some(Err(error.raw_os_error().unwrap_or(0))),
    };
    // Connecting a UDP socket looks up the route, and sends nothing.
    let source = socket.connect(to).and_then(|()| socket.local_addr());
    Some(source.map(|addr| addr.ip().to_canonical()).map_err(|e| e.raw_os_error().unwrap_or(0)))
}

/// Returns whether a socket can be bound to `addr`.
fn is_local(addr: IpAddr, range: PortRange) -> Option<bool> {
    match socket_outside(addr, range)? {
        Ok(_) => Some(true),
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Some(false),
        Err(_) => None,
    }
}

/// Opens a UDP socket with a port outside of the ephemeral range, so that the question itself uses
/// up no ephemeral port; `None` if all are taken.
fn socket_outside(addr: IpAddr, range: PortRange) -> Option<io::Result<UdpSocket>> {
    let outside = (UNPRIVILEGED..=u16::MAX).rev().filter(|port| !range.contains(*port));
    // Any port outside of the range, or an ephemeral one at last.
    for port in outside.chain([0]) {
        match UdpSocket::bind((addr, port)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return Some(bound),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_counts_its_sockets() {
        let text =
            "sockets: used 9\nTCP: inuse 5 orphan 0 tw 3 alloc 7 mem 1\nUDP: inuse 2 mem 0\n";
        assert_eq!(allocated(text), Some(7));
        assert_eq!(allocated("TCP: inuse 5"), None);
        assert_eq!(allocated(""), None);
    }

    #[test]
    fn routes_tell_the_source() {
        let range = PortRange::new(32_768, 60_999);
        let to = SocketAddr::from(([127, 0, 0, 9], 1));
        assert_eq!(source_for(to, range), Some(Ok(Ipv4Addr::LOCALHOST.into())));
        assert_eq!(is_local(Ipv4Addr::LOCALHOST.into(), range), Some(true));
        assert_eq!(is_local(Ipv4Addr::new(192, 0, 2, 77).into(), range), Some(false));
    }
}
