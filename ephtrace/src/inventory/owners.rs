//! Owners of sockets: processes that hold them now, or that were seen to open a connection. No I/O.

use std::{collections::HashMap, sync::Arc};

use rustc_hash::FxBuildHasher;
use serde::Serialize;

use super::{
    past_owners::{PastOwners, unspecified},
    socket::Socket,
};
use crate::model::{Comm, Origin, grouping::By, task_names::Membership};

/// Origins of a port that a socket has before it connects.
const OF_BOUND: [Origin; 3] = [Origin::Bind, Origin::Listen, Origin::Explicit];

/// A process that has a socket open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process id, as `/proc` shows it.
    pub pid: u32,
    /// Name of the process.
    pub comm: Option<Comm>,
    /// Container of the process, and its names.
    pub of: Membership,
}

/// Process that has each socket open, by the socket's inode number.
pub type OpenSockets = HashMap<u32, Arc<Process>, FxBuildHasher>;

/// Known owners of sockets.
#[derive(Clone, Copy, Debug)]
pub struct Owners<'a> {
    /// Sockets that processes have open.
    pub open: &'a OpenSockets,
    /// Processes that opened connections which are closed since.
    pub past_owners: &'a PastOwners,
    /// Grouping of the holders.
    pub by: By,
}

/// Owner of a socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Owner {
    /// Process id; null if the recording does not contain it.
    pub pid: Option<u32>,
    /// Name of the process.
    pub comm: Option<String>,
    /// Short id of the process's container.
    pub container: Option<String>,
    /// Name of that container; null if unknown.
    pub container_name: Option<String>,
    /// Name of its pod; null if unknown.
    pub pod: Option<String>,
    /// Kubernetes namespace of that pod; null if unknown.
    pub pod_namespace: Option<String>,
    /// systemd unit of the process; null if unknown.
    pub unit: Option<String>,
}

impl Owner {
    fn new(pid: Option<u32>, comm: Option<Comm>, of: &Membership) -> Self {
        let names = of.names.as_deref().cloned().unwrap_or_default();
        let text = |name: Option<Arc<str>>| name.map(|name| name.to_string());
        Self {
            pid,
            comm: comm.map(|comm| comm.as_str().to_owned()),
            container: text(of.container.clone()),
            container_name: text(names.container_name),
            pod: text(names.pod),
            pod_namespace: text(names.pod_namespace),
            unit: text(names.unit),
        }
    }

    /// Returns the name of the container, or its id where the name is unknown.
    pub fn container_label(&self) -> Option<&str> {
        self.container_name.as_deref().or(self.container.as_deref())
    }

    /// Returns the name of the group that it belongs to; `None` if it is in none, and by process.
    pub fn group(&self, by: By) -> Option<String> {
        match by {
            By::Process => None,
            By::Container => self.container_label().map(str::to_owned),
            By::Pod => match (self.pod_namespace.as_deref(), self.pod.as_deref()?) {
                (Some(namespace), pod) => Some(format!("{namespace}/{pod}")),
                (None, pod) => Some(pod.to_owned()),
            },
            By::Unit => self.unit.clone(),
        }
    }
}

/// Processes of one name in one container that have ports, or those of a group that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Holder {
    /// The process; of several, the one with most of the ports.
    #[serde(flatten)]
    pub owner: Owner,
    /// Name of the container, pod or unit that this is about (`--by`); null for processes.
    pub group: Option<String>,
    /// Number of processes.
    #[serde(rename = "process_count")]
    pub processes: u32,
    /// Number of ports: `open` and `closed`.
    pub ports: u32,
    /// Ports whose socket they have open.
    pub open: u32,
    /// Ports that they were seen to open, and that no process has open any more.
    pub closed: u32,
}

/// Processes of one name, over all containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Program {
    /// Name of the processes.
    pub comm: String,
    /// The process with most of the ports; null if the recording does not tell.
    pub pid: Option<u32>,
    /// Number of processes.
    #[serde(rename = "process_count")]
    pub processes: u32,
    /// Number of containers that they run in; 0 if none.
    #[serde(rename = "container_count")]
    pub containers: u32,
    /// Number of their ports.
    pub ports: u32,
}

/// An owner, and the kind of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) by: Owner,
    /// True if the process has the socket open now; false if it only opened the connection once.
    pub(super) is_open: bool,
}

impl<'a> Owners<'a> {
    /// Creates owners, grouped by process.
    pub fn new(open: &'a OpenSockets, past_owners: &'a PastOwners) -> Self {
        Self { open, past_owners, by: By::Process }
    }
}

impl Owners<'_> {
    /// Returns the owner of `socket` of namespace `netns`.
    pub(super) fn of(&self, netns: u32, socket: &Socket) -> Option<Owned> {
        self.holder(socket).or_else(|| {
            let past_owner = self.past_owners.of(socket.flow(Some(netns)), socket.sport)?;
            let by = Owner::new(past_owner.pid, past_owner.comm, &past_owner.of);
            (by.pid.is_some() || by.comm.is_some()).then_some(Owned { by, is_open: false })
        })
    }

    /// Returns the process that has `socket` open.
    pub(super) fn holder(&self, socket: &Socket) -> Option<Owned> {
        let process = self.open.get(&socket.inode).filter(|_| socket.inode != 0)?;
        let by = Owner::new(Some(process.pid), process.comm, &process.of);
        Some(Owned { by, is_open: true })
    }

    /// Returns the origin of a bound or listening socket's port, if it was seen.
    pub(super) fn origin(&self, netns: u32, socket: &Socket) -> Option<Origin> {
        let past_owner = self.past_owners.of_bound(netns, socket.saddr, socket.sport)?;
        past_owner.origin.filter(|origin| OF_BOUND.contains(origin))
    }

    /// Returns the origin of a socket's port, if it was seen.
    pub(super) fn origin_of(&self, netns: u32, socket: &Socket) -> Option<Origin> {
        let connected = || self.past_owners.of(socket.flow(Some(netns)), socket.sport)?.origin;
        self.origin(netns, socket).or_else(connected)
    }

    /// Returns whether a connected socket was bound before; `None` if it was not seen. A negative
    /// answer is certain only if binds to named ports would have been seen.
    pub(super) fn is_bound(&self, netns: u32, socket: &Socket) -> Option<bool> {
        if self.past_owners.is_empty() {
            return None;
        }
        let Socket { saddr, sport, .. } = *socket;
        let seen = [
            self.past_owners.of(socket.flow(Some(netns)), sport),
            self.past_owners.of_bound(netns, saddr, sport),
            self.past_owners.of_bound(netns, unspecified(saddr), sport),
        ];
        // The latest observation of the port counts: earlier ones may be of another socket.
        let last = seen.into_iter().flatten().max_by_key(|past_owner| past_owner.ts_ns);
        let is_bound = OF_BOUND.contains(&last?.origin?);
        (is_bound || self.past_owners.has_explicit()).then_some(is_bound)
    }
}
