//! Rows, and the groups of the kernel's rows that each of them is made of.

use std::{cmp::Reverse, net::Ipv6Addr, sync::Arc};

use ephtrace_common::{
    id_here,
    totals::{Totals, TotalsKey},
};
use serde::Serialize;
use zerocopy::FromZeros as _;

use super::numbers::{Numbers, Period};
use crate::{
    analyse::capacity::Capacity,
    model::{
        Comm, FlowKey, Origin, Protocol,
        grouping::By,
        names::{serialize_origin, serialize_protocol},
        task_names::{Membership, Names},
        who::in_container,
    },
};

/// One row: processes of one name, user and container, or what `by` says; one destination, one
/// origin.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Row {
    /// Name of the container, pod or unit that the row is about, as `by` says; null for tasks in
    /// none, and if the row is about processes.
    pub group: Option<String>,
    /// Name of the processes; of several, that of the process with the most assignments.
    pub comm: String,
    /// The process with the most assignments; null if it is outside ephtrace's PID namespace.
    pub pid: Option<u32>,
    /// Number of processes that share the row.
    #[serde(rename = "process_count")]
    pub processes: u32,
    /// Real user id of that process.
    pub uid: u32,
    /// cgroup v2 id of the process with the most assignments.
    pub cgroup_id: u64,
    /// Container of that process, if it is in one.
    pub container: Option<String>,
    /// Name of that container; null if unknown.
    pub container_name: Option<String>,
    /// Image of that container; null if unknown.
    pub image: Option<String>,
    /// Name of its pod; null if unknown.
    pub pod: Option<String>,
    /// Kubernetes namespace of that pod; null if unknown.
    pub pod_namespace: Option<String>,
    /// systemd unit of that process; null if unknown.
    pub unit: Option<String>,
    /// Source and destination.
    #[serde(flatten)]
    pub flow: FlowKey,
    /// Transport protocol.
    #[serde(serialize_with = "serialize_protocol")]
    #[cfg_attr(test, schemars(schema_with = "crate::commands::schema::tests::words::protocol"))]
    pub protocol: Option<Protocol>,
    /// Origin of the assignments.
    #[serde(serialize_with = "serialize_origin")]
    #[cfg_attr(test, schemars(schema_with = "crate::commands::schema::tests::words::origin"))]
    pub origin: Option<Origin>,
    /// Numbers of the row.
    #[serde(flatten)]
    pub numbers: Numbers,
    /// Share of the range in use for the destination, and how long the rest lasts; null if not
    /// examined.
    pub capacity: Option<Capacity>,
}

impl Row {
    /// Display name: `curl (4711)`, or `curl (212 processes)`, and their container; or that of the
    /// group, `shop/web-0 (3 processes)`.
    pub fn process(&self) -> String {
        if let Some(group) = &self.group {
            return match self.processes {
                0 | 1 => group.clone(),
                many => format!("{group} ({many} processes)"),
            };
        }
        let process = match self.processes {
            0 | 1 => match self.pid {
                Some(pid) => format!("{} ({pid})", self.comm),
                None => format!("{} (outside this PID namespace)", self.comm),
            },
            many => format!("{} ({many} processes)", self.comm),
        };
        in_container(process, self.container_name.as_deref().or(self.container.as_deref()))
    }
}

/// Key of a row.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Group {
    key: TotalsKey,
    comm: [u8; 16],
    uid: u32,
    /// Container, for processes and containers: names are not unique.
    container: Option<Arc<str>>,
    /// Name of the group, unless it is one of processes.
    name: Option<Arc<str>>,
}

impl Group {
    pub(super) fn of(by: By, key: &TotalsKey, totals: &Totals, of: &Membership) -> Self {
        let key = TotalsKey { pid: 0, ..*key };
        let name = by.group(of);
        // Processes in no group stay apart.
        if name.is_none() {
            let (comm, uid, container) = (totals.comm, totals.uid, of.container.clone());
            return Self { key, comm, uid, container, name };
        }
        // Names of containers are not unique.
        let container = of.container.clone().filter(|_| by == By::Container);
        Self { key, comm: [0; 16], uid: 0, container, name }
    }

    pub(super) fn row(&self, members: &Members, period: Period) -> Row {
        let key = &self.key;
        let address = |bytes: [u8; 16]| Ipv6Addr::from(bytes).to_canonical();
        let has_destination = key.dport != 0;
        let busiest = &members.busiest;
        let name = |of: fn(&Names) -> &Option<Arc<str>>| {
            of(busiest.of.names.as_deref()?).as_deref().map(str::to_owned)
        };
        Row {
            group: self.name.as_deref().map(str::to_owned),
            comm: Comm::from_kernel(busiest.comm).as_str().to_owned(),
            pid: id_here(busiest.pid),
            processes: members.processes,
            uid: busiest.uid,
            cgroup_id: busiest.cgroup_id,
            container: busiest.of.container.as_deref().map(str::to_owned),
            container_name: name(|names| &names.container_name),
            image: name(|names| &names.image),
            pod: name(|names| &names.pod),
            pod_namespace: name(|names| &names.pod_namespace),
            unit: name(|names| &names.unit),
            flow: FlowKey {
                netns: (key.netns != 0).then_some(key.netns),
                saddr: address(key.saddr),
                daddr: has_destination.then(|| address(key.daddr)),
                dport: has_destination.then_some(key.dport),
            },
            protocol: Protocol::from_wire(key.protocol),
            origin: Origin::from_wire(key.origin),
            numbers: Numbers::of(&members.totals, period),
            capacity: None,
        }
    }
}

/// The processes of a row.
pub(super) struct Members {
    totals: Totals,
    processes: u32,
    busiest: Busiest,
}

/// Process with most assignments.
#[derive(Default)]
struct Busiest {
    /// Id as the kernel half reports it.
    pid: u32,
    assignments: u64,
    comm: [u8; 16],
    uid: u32,
    cgroup_id: u64,
    of: Membership,
}

impl Default for Members {
    fn default() -> Self {
        Self { totals: Totals::new_zeroed(), processes: 0, busiest: Busiest::default() }
    }
}

impl Members {
    pub(super) fn add(&mut self, pid: u32, totals: &Totals, of: Membership) {
        self.totals.merge(totals);
        self.processes += 1;
        let Busiest { pid: busiest, assignments: most, .. } = self.busiest;
        if self.processes == 1 || (totals.assignments, Reverse(pid)) > (most, Reverse(busiest)) {
            let Totals { assignments, comm, uid, cgroup_id, .. } = *totals;
            self.busiest = Busiest { pid, assignments, comm, uid, cgroup_id, of };
        }
    }
}
