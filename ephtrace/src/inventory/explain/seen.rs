//! What was seen of one network namespace.

use std::net::IpAddr;

use super::attempt::Way;
use crate::inventory::{socket::Socket, sysctls::Sysctls};

/// What was seen of one network namespace.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Inode number of the namespace.
    pub netns: u32,
    /// What it is set to.
    pub sysctls: Sysctls,
    /// TCP sockets: those of the range, or of the port in question.
    pub tcp: Vec<Socket>,
    /// UDP sockets likewise.
    pub udp: Vec<Socket>,
    /// TCP sockets that may be bound to ports of the namespace and that are in no list, at most.
    pub hidden: Hidden,
    /// The address that a connect to the destination is made from, or the errno in place of a
    /// route; `None` if that can't be asked.
    pub source: Option<Result<IpAddr, i32>>,
    /// Whether the source address of the 4-tuple is one of this machine's.
    pub is_local: Option<bool>,
    /// Ports below it take a right (`ip_unprivileged_port_start`).
    pub privileged_below: u16,
    /// What the kernel said to sockets of ephtrace's own.
    pub probed: Vec<Probed>,
}

/// What the kernel said when it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probed {
    /// How it was asked.
    pub way: Way,
    /// The call's errno; 0 if it succeeded.
    pub errno: i32,
    /// The port that the socket was given.
    pub port: Option<u16>,
}

/// TCP sockets that are bound and in no list, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// How many there may be.
    pub sockets: u32,
    /// Why there may be any.
    pub why: HiddenWhy,
}

/// Why sockets may be hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HiddenWhy {
    /// None are.
    #[default]
    None,
    /// The kernel does not list sockets that are bound and nothing else: before Linux 6.8, and in
    /// `/proc/net`.
    BoundOnly,
    /// There are more sockets than are kept.
    TooMany,
}
