//! What the kernel keeps a search for a port apart by: one type for it, everywhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::Serialize;

/// What the kernel's hash is keyed on, and the namespace that holds the ports.
///
/// A recording may know the address without the port or the port without the address; the kernel
/// half always knows both or that there is no destination yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct FlowKey {
    /// Inode number of the network namespace; null where the source does not tell.
    pub netns: Option<u32>,
    /// Source address; fixed by routing before the search begins.
    pub saddr: IpAddr,
    /// Destination address; null where there is none yet (bind, listen, UDP).
    pub daddr: Option<IpAddr>,
    /// Destination port; likewise.
    pub dport: Option<u16>,
}

impl Default for FlowKey {
    fn default() -> Self {
        Self { netns: None, saddr: Ipv4Addr::UNSPECIFIED.into(), daddr: None, dport: None }
    }
}

impl FlowKey {
    /// From the kernel's form: an unspecified address with port 0 is no destination.
    pub fn from_kernel(netns: Option<u32>, saddr: IpAddr, daddr: IpAddr, dport: u16) -> Self {
        let is_known = dport != 0 || !daddr.is_unspecified();
        let (daddr, dport) = (is_known.then_some(daddr), is_known.then_some(dport));
        Self { netns, saddr, daddr, dport }
    }

    /// Whether it is known where to: a port that is chosen in `bind()` or `listen()`, or for a UDP
    /// socket, is chosen before.
    pub fn has_destination(&self) -> bool {
        self.daddr.is_some() || self.dport.is_some()
    }

    /// The destination as text has it, if there is one: an unknown half is `0.0.0.0`, `::` or port
    /// 0 there.
    pub fn remote(&self) -> Option<SocketAddr> {
        let daddr = self.daddr.unwrap_or(unspecified(self.saddr));
        self.has_destination().then(|| SocketAddr::new(daddr, self.dport.unwrap_or(0)))
    }

    /// 4 or 6; an IPv4-mapped destination is 4.
    pub fn family(&self) -> u8 {
        if self.daddr.unwrap_or(self.saddr).is_ipv4() { 4 } else { 6 }
    }

    /// The same flow where the network namespace is not told.
    #[must_use]
    pub fn in_any_netns(self) -> Self {
        Self { netns: None, ..self }
    }
}

fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}
