//! One assignment on the wire.
//!
//! Enumerations are plain integers here and checked by the reader: a Rust enum on the wire would be
//! undefined behaviour on an unexpected byte.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One decision of the kernel: this socket gets this local port, or none.
///
/// 152 bytes, no padding. A field whose bit in [`AssignmentRecord::known`] is clear has no meaning
/// and must be shown as unknown.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Eq)]
#[repr(C)]
pub struct AssignmentRecord {
    /// `CLOCK_MONOTONIC` when the decision was known, in nanoseconds.
    pub end_ns: u64,
    /// Time from the start of the search to its end, in nanoseconds.
    pub latency_ns: u64,
    /// Socket cookie (`SO_COOKIE`). Known with [`known::COOKIE`].
    pub cookie: u64,
    /// cgroup v2 id of the task (the inode number of its directory).
    pub cgroup_id: u64,
    /// `jiffies64` at the start of the search; the hash secret's epoch is `jiffies / (10 * HZ)`.
    pub jiffies: u64,
    /// `port_offset` argument of `__inet_hash_connect`. Known with [`known::HASH_OFFSET`].
    pub hash_offset: u64,
    /// Source address, network order; IPv4 as `::ffff:a.b.c.d`.
    pub saddr: [u8; 16],
    /// Destination address, network order; IPv4 as `::ffff:a.b.c.d`.
    pub daddr: [u8; 16],
    /// Name of the process (its main thread), NUL-terminated unless 16 bytes long.
    pub comm: [u8; 16],
    /// Word of `table_perturb` at the start. Known with [`known::WORD_BEFORE`].
    pub word_before: u32,
    /// Word of `table_perturb` at the end. Known with [`known::WORD_AFTER`].
    pub word_after: u32,
    /// Process id (`tgid`) in the pid namespace of the loader, see [`OUTSIDE`].
    pub pid: u32,
    /// Thread id in the pid namespace of the loader, see [`OUTSIDE`].
    pub tid: u32,
    /// Real user id of the task in the initial user namespace.
    pub uid: u32,
    /// Inode number of the socket's network namespace.
    pub netns: u32,
    /// Process id (`tgid`) in the initial pid namespace; 0 if the loader is there, too.
    pub host_pid: u32,
    /// Known optional fields: bits of [`known`].
    pub known: u32,
    /// Low end of the namespace's `net.ipv4.ip_local_port_range`.
    pub netns_low: u16,
    /// High end of the namespace's `net.ipv4.ip_local_port_range`, inclusive.
    pub netns_high: u16,
    /// Low end of the socket's `IP_LOCAL_PORT_RANGE`, 0 if unset.
    pub socket_low: u16,
    /// High end of the socket's `IP_LOCAL_PORT_RANGE`, 0 if unset.
    pub socket_high: u16,
    /// `net.ipv4.ip_local_port_step_width` (Linux 7.1 and later), 0 if off or absent; 65,535 for
    /// anything above.
    pub step_width: u16,
    /// 0 for success, else the positive errno.
    pub errno: u16,
    /// Assigned port in host order; 0 for a failed assignment.
    pub sport: u16,
    /// Destination port in host order.
    pub dport: u16,
    /// [`crate::Protocol`] number as in the IP header; 16 bits wide, which MPTCP's 262 needs.
    pub protocol: u16,
    /// Address family: 4 or 6; an IPv4-mapped destination is 4.
    pub family: u8,
    /// A [`crate::Origin`].
    pub origin: u8,
    /// A [`crate::Hook`].
    pub hook: u8,
    /// Always zero: keeps the size a multiple of eight.
    pub reserved: u8,
    /// For origin `Explicit`, the port that the program named, or that its socket had; else 0.
    pub named_port: u16,
}

/// Bit of a process or thread id: the loader is in a pid namespace of its own, in which the task
/// has no id. The other bits are the id in the initial one. No id has this bit (`PID_MAX_LIMIT` is
/// 2²²).
pub const OUTSIDE: u32 = 1 << 31;

/// Returns a process or thread id of the kernel half, if the task has one in the loader's pid
/// namespace.
#[must_use]
pub const fn id_here(id: u32) -> Option<u32> {
    if id & OUTSIDE == 0 { Some(id) } else { None }
}

/// Bits of [`AssignmentRecord::known`].
pub mod known {
    /// `cookie` is the socket's cookie.
    pub const COOKIE: u32 = 1 << 0;
    /// `hash_offset` is the search's hash.
    pub const HASH_OFFSET: u32 = 1 << 1;
    /// `word_before` was read.
    pub const WORD_BEFORE: u32 = 1 << 2;
    /// `word_after` was read.
    pub const WORD_AFTER: u32 = 1 << 3;
    /// `netns_low` and `netns_high` were read.
    pub const RANGE: u32 = 1 << 4;
    /// `netns` was read.
    pub const NETNS: u32 = 1 << 5;
    /// `comm` is the process's name.
    pub const COMM: u32 = 1 << 6;
    /// `cgroup_id` was read.
    pub const CGROUP: u32 = 1 << 7;
    /// `jiffies` was read.
    pub const JIFFIES: u32 = 1 << 8;
    /// Another search on the same word of `table_perturb` was under way at the same time.
    pub const RACED: u32 = 1 << 9;
    /// The end was seen with a delay: `latency_ns` is the time since the search began, not that of
    /// the search.
    pub const DEFERRED: u32 = 1 << 10;
}
