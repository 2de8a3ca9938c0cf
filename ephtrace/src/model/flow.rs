//! The key that the kernel keeps searches for a port apart by: one type for it, everywhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::Serialize;

/// Key of the kernel's hash, and the namespace that holds the ports.
///
/// A recording may know the address without the port or the port without the address; the kernel
/// half always knows both, or that there is no destination yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FlowKey {
    /// Inode number of the network namespace; null if the source does not contain it.
    pub netns: Option<u32>,
    /// Source address; fixed by routing before the search begins.
    pub saddr: IpAddr,
    /// Destination address; null if there is none yet (bind, listen, UDP).
    pub daddr: Option<IpAddr>,
    /// Destination port; likewise.
    pub dport: Option<u16>,
}

/// Address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Number of the family, as in every output: 4 or 6.
    pub fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }
}

impl Default for FlowKey {
    fn default() -> Self {
        Self { netns: None, saddr: Ipv4Addr::UNSPECIFIED.into(), daddr: None, dport: None }
    }
}

impl FlowKey {
    /// Converts the kernel's form: an unspecified address with port 0 is no destination.
    pub fn from_kernel(netns: Option<u32>, saddr: IpAddr, daddr: IpAddr, dport: u16) -> Self {
        let is_known = dport != 0 || !daddr.is_unspecified();
        let (daddr, dport) = (is_known.then_some(daddr), is_known.then_some(dport));
        Self { netns, saddr, daddr, dport }
    }

    /// Returns whether the destination is known: a port that is chosen in `bind()` or `listen()`,
    /// or for a UDP socket, is chosen before.
    pub fn has_destination(&self) -> bool {
        self.daddr.is_some() || self.dport.is_some()
    }

    /// Returns the destination for text, if there is one: an unknown half is `0.0.0.0`, `::` or
    /// port 0 there.
    pub fn remote(&self) -> Option<SocketAddr> {
        let daddr = self.daddr.unwrap_or(self.unspecified());
        self.has_destination().then(|| SocketAddr::new(daddr, self.dport.unwrap_or(0)))
    }

    /// Returns the family of the destination, or of the source if there is none; an IPv4-mapped
    /// address is IPv4.
    pub fn family(&self) -> Family {
        if self.daddr.unwrap_or(self.saddr).is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// Returns the unspecified address of the source's family.
    pub fn unspecified(&self) -> IpAddr {
        match self.saddr {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// Returns the flow without its network namespace.
    #[must_use]
    pub fn in_any_netns(self) -> Self {
        Self { netns: None, ..self }
    }
}
