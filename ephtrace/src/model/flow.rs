//! What makes two assignments neighbours.

use std::net::{IpAddr, Ipv4Addr};

/// What the kernel's hash is keyed on, and the namespace that holds the ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Destination {
    /// Inode number of the network namespace, 0 where the source does not tell.
    pub netns: u32,
    /// Source address; fixed by routing before the search begins.
    pub saddr: IpAddr,
    /// Destination address; the unspecified one of the family if there is none.
    pub daddr: IpAddr,
    /// Destination port; 0 if there is none.
    pub dport: u16,
}

impl Default for Destination {
    fn default() -> Self {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self { netns: 0, saddr: any, daddr: any, dport: 0 }
    }
}
