//! One assignment, as everything behind the decoder sees it.

use std::sync::Arc;

use ephtrace_common::{Hook, Origin, Protocol};

use super::{
    comm::Comm,
    flow::FlowKey,
    port_range::{PortRange, RangeInForce},
    search::{Pass, Unknown},
};

/// One decision of the kernel: this socket gets this local port, or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    /// When the decision was known, in nanoseconds since the Unix epoch.
    pub ts_ns: u64,
    /// Process id (`tgid`) in the pid namespace that ephtrace sees; `None` for a process outside.
    pub pid: Option<u32>,
    /// Thread id, likewise.
    pub tid: Option<u32>,
    /// Process id in the initial pid namespace; `None` where that is the one that ephtrace sees.
    pub host_pid: Option<u32>,
    /// Name of the process, not of the thread.
    pub comm: Option<Comm>,
    /// Real user id in the initial user namespace.
    pub uid: Option<u32>,
    /// cgroup v2 id: the inode number of its directory.
    pub cgroup_id: Option<u64>,
    /// Short id of the container that the task runs in, if it runs in one.
    pub container: Option<Arc<str>>,
    /// What the kernel's hash is keyed on.
    pub flow: FlowKey,
    /// Transport protocol.
    pub protocol: Option<Protocol>,
    /// How the assignment came about.
    pub origin: Option<Origin>,
    /// The assigned port; `None` for a failed assignment.
    pub sport: Option<u16>,
    /// 0 for success, else the positive errno; `None` where the source does not tell.
    pub errno: Option<u16>,
    /// Time that the kernel spent choosing, in nanoseconds.
    pub latency_ns: Option<u64>,
    /// The range in force for this socket.
    pub range: Option<RangeInForce>,
    /// Growth of the kernel's perturbation word during the search; see `analyse::selection`. Two
    /// ports in a row say as much, so that it is no secret.
    pub word_step: Option<u32>,
    /// Epoch of the kernel's hash secret: `jiffies64 / (10 * HZ)`.
    pub salt_epoch: Option<u64>,
    /// Where the search began; see `analyse::selection`.
    pub first_candidate: Option<u16>,
    /// How many candidates the search looked at, the chosen one included.
    pub tried: Option<u32>,
    /// Whether the search stayed with the parity it prefers.
    pub pass: Option<Pass>,
    /// Why the search is not known, or not all of it.
    pub search_unknown: Option<Unknown>,
    /// This port minus the one before in the same lane, wrap-around undone.
    pub step: Option<i32>,
    /// Whether the kernel's hash secret changed since the one before in the same lane, so that the
    /// step is none of the counter's.
    pub resalted: Option<bool>,
    /// Socket cookie (`SO_COOKIE`).
    pub cookie: Option<u64>,
    /// How it was seen; `None` for a foreign recording.
    pub hook: Option<Hook>,
}

impl Assignment {
    /// The ports that the search could choose from.
    pub fn ports(&self) -> Option<PortRange> {
        self.range.map(|range| range.ports)
    }

    /// The kernel found no port.
    pub fn is_failed(&self) -> bool {
        self.sport.is_none()
    }

    /// The socket would connect to itself: source and destination are the same.
    pub fn is_self_connect(&self) -> bool {
        Some(self.flow.saddr) == self.flow.daddr
            && self.sport.is_some()
            && self.sport == self.flow.dport
    }
}
