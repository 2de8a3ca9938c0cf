//! Observations of one network namespace.

use std::net::IpAddr;

use super::attempt::Way;
use crate::inventory::{socket::Socket, sysctls::Sysctls};

/// Observations of one network namespace.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Inode number of the namespace.
    pub netns: u32,
    /// Settings of the namespace.
    pub sysctls: Sysctls,
    /// TCP sockets: those of the range, or of the port in question.
    pub tcp: Vec<Socket>,
    /// UDP sockets likewise.
    pub udp: Vec<Socket>,
    /// Upper bound on TCP sockets that may be bound to ports of the namespace and are in no list.
    pub hidden: Hidden,
    /// Source address of a connect to the destination, or the errno in place of a route; `None` if
    /// it can't be determined.
    pub source: Option<Result<IpAddr, i32>>,
    /// True if the source address of the 4-tuple is one of this machine's.
    pub is_local: Option<bool>,
    /// Port below which a bind needs a capability (`ip_unprivileged_port_start`).
    pub privileged_below: u16,
    /// Answers of the kernel to sockets of ephtrace's own.
    pub probed: Vec<Probed>,
}

/// Answer of the kernel to a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probed {
    /// Way of asking.
    pub way: Way,
    /// Errno of the call; 0 if it succeeded.
    pub errno: i32,
    /// Port that the socket was given.
    pub port: Option<u16>,
}

/// Upper bound on TCP sockets that are bound and in no list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Maximum number of such sockets.
    pub sockets: u32,
    /// Reason why there may be any.
    pub why: HiddenWhy,
}

/// Reason why sockets may be hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HiddenWhy {
    /// No sockets are hidden.
    #[default]
    None,
    /// The kernel does not list sockets that are only bound: before Linux 6.8, and in `/proc/net`.
    BoundOnly,
    /// There are more sockets than are kept.
    TooMany,
}
