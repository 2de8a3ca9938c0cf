//! One assignment, as everything behind the decoder sees it.

use std::sync::Arc;

use ephtrace_common::{Hook, Origin, Protocol};

use super::{
    comm::Comm,
    flow::FlowKey,
    port_range::{PortRange, RangeInForce},
    search::{Pass, Unknown},
    task_names::Names,
};

/// One decision of the kernel: this socket gets this local port, or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    /// Time at which the decision was known, in nanoseconds since the Unix epoch.
    pub ts_ns: u64,
    /// Process id (`tgid`) in the pid namespace that ephtrace sees; `None` for a process outside of
    /// it.
    pub pid: Option<u32>,
    /// Thread id, likewise.
    pub tid: Option<u32>,
    /// Process id in the initial pid namespace; `None` if that is the one that ephtrace sees.
    pub host_pid: Option<u32>,
    /// Name of the process, not of the thread.
    pub comm: Option<Comm>,
    /// Real user id in the initial user namespace.
    pub uid: Option<u32>,
    /// cgroup v2 id: the inode number of its directory.
    pub cgroup_id: Option<u64>,
    /// Short id of the task's container, if it is in one.
    pub container: Option<Arc<str>>,
    /// Names of its container, pod and unit; `None` if none is known.
    pub names: Option<Arc<Names>>,
    /// Key of the kernel's hash.
    pub flow: FlowKey,
    /// Transport protocol.
    pub protocol: Option<Protocol>,
    /// Origin of the assignment.
    pub origin: Option<Origin>,
    /// Assigned port; `None` for a failed assignment.
    pub sport: Option<u16>,
    /// 0 for success, else the positive errno; `None` if the source does not contain it.
    pub errno: Option<u16>,
    /// Port search latency, in nanoseconds.
    pub latency_ns: Option<u64>,
    /// Range in force for this socket.
    pub range: Option<RangeInForce>,
    /// Growth of the kernel's perturbation word during the search; see `analyse::selection`. Two
    /// consecutive ports reveal as much, so that it is no secret.
    pub word_step: Option<u32>,
    /// Epoch of the kernel's hash secret: `jiffies64 / (10 * HZ)`.
    pub salt_epoch: Option<u64>,
    /// First candidate of the search; see `analyse::selection`.
    pub first_candidate: Option<u16>,
    /// Number of candidates that the search tried, the chosen one included.
    pub tried: Option<u32>,
    /// Pass of the search: whether it stayed with the preferred parity.
    pub pass: Option<Pass>,
    /// Reason why the search is not known, or only in part.
    pub search_unknown: Option<Unknown>,
    /// Difference from the previous port in the same lane, wrap-around undone.
    pub step: Option<i32>,
    /// True if the kernel's hash secret changed since the previous assignment in the same lane, so
    /// that the step does not reflect the counter.
    pub resalted: Option<bool>,
    /// Socket cookie (`SO_COOKIE`).
    pub cookie: Option<u64>,
    /// Hook that saw the assignment; `None` for a foreign recording.
    pub hook: Option<Hook>,
    /// Position of its recording among several.
    pub recording: u32,
    /// True if its recording shows that it is no retry of an assignment before with the same
    /// addresses and ports, however soon it follows.
    pub is_another: bool,
}

impl Assignment {
    /// Returns the ports that the search could choose from.
    pub fn ports(&self) -> Option<PortRange> {
        self.range.map(|range| range.ports)
    }

    /// Returns the name of the container, or its id where the name is unknown.
    pub fn container_label(&self) -> Option<&Arc<str>> {
        let name = self.names.as_ref().and_then(|names| names.container_name.as_ref());
        name.or(self.container.as_ref())
    }

    /// Returns the pod as `NAMESPACE/NAME`, as far as known.
    pub fn full_pod(&self) -> Option<String> {
        self.names.as_ref()?.full_pod()
    }

    /// Returns whether the kernel found no port.
    pub fn is_failed(&self) -> bool {
        self.sport.is_none()
    }

    /// Returns whether the socket would connect to itself: source and destination are the same.
    pub fn is_self_connect(&self) -> bool {
        Some(self.flow.saddr) == self.flow.daddr
            && self.sport.is_some()
            && self.sport == self.flow.dport
    }
}
