//! Whose sockets are: by what processes hold now, or by who was seen to open a connection. No I/O.

use std::{collections::HashMap, sync::Arc};

use rustc_hash::FxBuildHasher;
use serde::Serialize;

use super::{
    past_owners::{PastOwners, unspecified},
    socket::Socket,
};
use crate::model::{Comm, Origin};

/// Origins of a port that a socket has before it connects.
const OF_BOUND: [Origin; 3] = [Origin::Bind, Origin::Listen, Origin::Explicit];

/// A process that has a socket open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id, as `/proc` shows it.
    pub pid: u32,
    /// Its name.
    pub comm: Option<Comm>,
    /// Short id of its container.
    pub container: Option<Arc<str>>,
}

/// The process that has each socket open, by the socket's inode number.
pub type OpenSockets = HashMap<u32, Arc<Process>, FxBuildHasher>;

/// All that is known of owners.
#[derive(Clone, Copy, Debug)]
pub struct Owners<'a> {
    /// What processes have open.
    pub open: &'a OpenSockets,
    /// Who opened what is closed since.
    pub past_owners: &'a PastOwners,
}

/// Whose a socket is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Owner {
    /// Process id; null if the recording does not tell.
    pub pid: Option<u32>,
    /// Name of the process.
    pub comm: Option<String>,
    /// Short id of its container.
    pub container: Option<String>,
}

/// Processes of one name in one container that have ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Holder {
    /// Who: of several processes the one with most of the ports.
    #[serde(flatten)]
    pub owner: Owner,
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

/// Processes of one name, in whatever containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Program {
    /// Their name.
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

/// An owner, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) by: Owner,
    /// The process has the socket open now, and did not only open the connection once.
    pub(super) is_open: bool,
}

impl Owners<'_> {
    /// Whose `socket` of namespace `netns` is.
    pub(super) fn of(&self, netns: u32, socket: &Socket) -> Option<Owned> {
        self.holder(socket).or_else(|| {
            let past_owner = self.past_owners.of(socket.flow(Some(netns)), socket.sport)?;
            let comm = past_owner.comm.as_ref().map(|comm| comm.as_str().to_owned());
            let by = Owner {
                pid: past_owner.pid,
                comm,
                container: past_owner.container.as_deref().map(str::to_owned),
            };
            (by.pid.is_some() || by.comm.is_some()).then_some(Owned { by, is_open: false })
        })
    }

    /// Who has `socket` open.
    pub(super) fn holder(&self, socket: &Socket) -> Option<Owned> {
        let process = self.open.get(&socket.inode).filter(|_| socket.inode != 0)?;
        let comm = process.comm.as_ref().map(|comm| comm.as_str().to_owned());
        let by = Owner {
            pid: Some(process.pid),
            comm,
            container: process.container.as_deref().map(str::to_owned),
        };
        Some(Owned { by, is_open: true })
    }

    /// How a bound or listening socket came by its port, where that was seen.
    pub(super) fn origin(&self, netns: u32, socket: &Socket) -> Option<Origin> {
        let past_owner = self.past_owners.of_bound(netns, socket.saddr, socket.sport)?;
        past_owner.origin.filter(|origin| OF_BOUND.contains(origin))
    }

    /// How a socket came by its port, where that was seen.
    pub(super) fn origin_of(&self, netns: u32, socket: &Socket) -> Option<Origin> {
        let connected = || self.past_owners.of(socket.flow(Some(netns)), socket.sport)?.origin;
        self.origin(netns, socket).or_else(connected)
    }

    /// Whether a connected socket was bound before; `None` if nobody saw it. That it was not is
    /// sure only where binds to ports that programs name would have been seen.
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
        // The last that was seen of the port counts: it may have been another's before.
        let last = seen.into_iter().flatten().max_by_key(|past_owner| past_owner.ts_ns);
        let is_bound = OF_BOUND.contains(&last?.origin?);
        (is_bound || self.past_owners.has_explicit()).then_some(is_bound)
    }
}
