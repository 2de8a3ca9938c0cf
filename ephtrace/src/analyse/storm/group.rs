//! Groups of the kernel's rows, each of which becomes one row.

use std::{cmp::Reverse, net::Ipv6Addr, sync::Arc};

use ephtrace_common::{
    id_here,
    totals::{Totals, TotalsKey},
};
use zerocopy::FromZeros as _;

use super::{Numbers, Period, Row};
use crate::model::{
    Comm, FlowKey, Origin, Protocol,
    grouping::By,
    task_names::{Membership, Names},
};

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
