//! Settings of a network namespace that concern ports.

use std::ops::Add;

use serde::Serialize;

use super::port_set::PortSet;
use crate::model::PortRange;

/// Settings of one network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctls {
    /// `net.ipv4.ip_local_port_range`.
    pub range: PortRange,
    /// `net.ipv4.ip_local_reserved_ports`.
    pub reserved: PortSet,
    /// `net.ipv4.ip_local_port_step_width`; `None` before Linux 7.1.
    pub step_width: Option<u32>,
    /// `net.ipv4.tcp_tw_reuse`: 0 never, 1 always, 2 on loopback only.
    pub tw_reuse: Option<u8>,
    /// `net.ipv4.tcp_tw_reuse_delay`, in milliseconds; `None` on older kernels, whose delay is a
    /// second.
    pub tw_reuse_delay_ms: Option<u32>,
    /// `net.ipv4.tcp_timestamps`: 0 is off, so that no `TIME_WAIT` can be taken over.
    pub timestamps: Option<u8>,
    /// `net.ipv4.ip_autobind_reuse`: sockets with `SO_REUSEADDR` may be bound to port 0 although
    /// all ports are taken, and share one with similar sockets; `None` before Linux 5.7.
    pub autobind_reuse: Option<bool>,
    /// Connections in the conntrack table; `None` without connection tracking.
    pub conntrack: Option<Conntrack>,
}

/// Use of the connection tracking table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Conntrack {
    /// `net.netfilter.nf_conntrack_count`: entries of this namespace.
    pub count: u64,
    /// `net.netfilter.nf_conntrack_max`: maximum number of entries.
    pub max: u64,
    /// Its failures since the namespace was created; null if unreadable.
    pub counts: Option<TrackerCounts>,
}

/// Failures of connection tracking, all processors together (`struct ip_conntrack_stat`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TrackerCounts {
    /// Entries that clashed with another, so that the packet was dropped. Behind a NAT, two
    /// connections were assigned the same translated port.
    pub insert_failed: u64,
    /// Packets that were dropped because the table was full.
    pub drop: u64,
    /// Entries that were dropped early to make room.
    pub early_drop: u64,
    /// Look-ups that had to restart because the table changed meanwhile.
    pub search_restart: u64,
}

impl Add for TrackerCounts {
    type Output = Self;

    /// The sum saturates at [`u64::MAX`]: the numbers are read from a file.
    fn add(self, other: Self) -> Self {
        Self {
            insert_failed: self.insert_failed.saturating_add(other.insert_failed),
            drop: self.drop.saturating_add(other.drop),
            early_drop: self.early_drop.saturating_add(other.early_drop),
            search_restart: self.search_restart.saturating_add(other.search_restart),
        }
    }
}

/// Minimum age of a `TIME_WAIT` to be taken over, in milliseconds, without the sysctl: older
/// kernels compare full seconds (`tcp_twsk_unique`).
const REUSE_DELAY_MS: u32 = 1000;

impl Sysctls {
    /// Minimum age of a `TIME_WAIT` to be taken over, in milliseconds.
    pub fn reuse_delay_ms(&self) -> u32 {
        self.tw_reuse_delay_ms.unwrap_or(REUSE_DELAY_MS)
    }

    /// Returns whether a connect may use `port`: in the range, and not reserved.
    pub fn is_usable(&self, port: u16) -> bool {
        self.range.contains(port) && !self.reserved.contains(port)
    }

    /// Number of ports in the range that are not reserved.
    pub fn usable(&self) -> u32 {
        self.range.len() - self.reserved.count(self.range)
    }

    /// Number of usable ports that a connect tries first: those of the parity of the range's low
    /// end (`__inet_hash_connect`).
    pub fn tried_first(&self) -> u32 {
        let parity = self.reserved.split(self.range);
        let reserved = if self.range.low.is_multiple_of(2) { parity.even } else { parity.odd };
        self.range.len().div_ceil(2) - reserved
    }
}
