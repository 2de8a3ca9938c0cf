//! Holders of ports. Processes of one name in one container are one holder: otherwise a pool of a
//! hundred workers would look smaller than a single cron job.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    inventory::{
        owners::{Holder, Owner, Owners, Program},
        socket::Socket,
    },
    model::grouping::By,
};

/// Maximum number of holders of a destination that are named; the others are counted.
pub(super) const MAX_HOLDERS: usize = 5;

/// Holders of the ports of some sockets, one port each.
pub(super) struct HeldPorts {
    /// Holders with most of the ports.
    pub(super) named: Vec<Holder>,
    /// Program with most of them.
    pub(super) program: Option<Program>,
    /// Ports of holders that are not named.
    pub(super) others: u32,
    /// Ports whose socket is open, but whose holder is not visible.
    pub(super) unknown_open: u32,
    /// Ports that no process has open, or was seen to open.
    pub(super) unknown_closed: u32,
}

/// Ports of one process.
#[derive(Clone, Copy, Default)]
struct Ports {
    all: u32,
    open: u32,
}

/// Returns the holders of the ports of `sockets`.
pub(super) fn holders(sockets: &[Socket], netns: u32, owners: Owners<'_>) -> HeldPorts {
    let mut ports: HashMap<Owner, Ports> = HashMap::new();
    let (mut unknown_open, mut unknown_closed) = (0, 0);
    for socket in sockets {
        match owners.of(netns, socket) {
            Some(owned) => {
                let ports = ports.entry(owned.by).or_default();
                ports.all += 1;
                ports.open += u32::from(owned.is_open);
            }
            None if socket.inode == 0 => unknown_closed += 1,
            None => unknown_open += 1,
        }
    }
    let mut named = grouped(&ports, owners.by);
    let program = programs(&ports).into_iter().next();
    let others = named.iter().skip(MAX_HOLDERS).map(|holder| holder.ports).sum();
    named.truncate(MAX_HOLDERS);
    HeldPorts { named, program, others, unknown_open, unknown_closed }
}

/// Name and container; the process id if the name is not known. Or the group alone, with the
/// container for groups of these, whose names are not unique.
type GroupKey<'a> = (Option<String>, Option<&'a str>, Option<&'a str>, Option<u32>);

fn key(owner: &Owner, by: By) -> GroupKey<'_> {
    let group = owner.group(by);
    if group.is_some() {
        let container = owner.container.as_deref().filter(|_| by == By::Container);
        return (group, None, container, None);
    }
    let apart = owner.pid.filter(|_| owner.comm.is_none());
    (None, owner.comm.as_deref(), owner.container.as_deref(), apart)
}

/// Groups by name and container, or as asked for, most ports first. Processes without a name stay
/// separate.
fn grouped(ports: &HashMap<Owner, Ports>, by: By) -> Vec<Holder> {
    let mut groups: BTreeMap<GroupKey<'_>, Vec<(&Owner, Ports)>> = BTreeMap::new();
    for (owner, ports) in ports {
        groups.entry(key(owner, by)).or_default().push((owner, *ports));
    }
    let mut holders: Vec<Holder> = groups
        .into_iter()
        .filter_map(|((group, ..), members)| {
            Some(Holder {
                group,
                owner: busiest(&members)?.clone(),
                processes: u32::try_from(members.len()).unwrap_or(u32::MAX),
                ports: members.iter().map(|(_, ports)| ports.all).sum(),
                open: members.iter().map(|(_, ports)| ports.open).sum(),
                closed: members.iter().map(|(_, ports)| ports.all - ports.open).sum(),
            })
        })
        .collect();
    holders.sort_by(|a, b| b.ports.cmp(&a.ports).then_with(|| a.owner.cmp(&b.owner)));
    holders
}

/// Groups by name, over all containers, most ports first.
fn programs(ports: &HashMap<Owner, Ports>) -> Vec<Program> {
    let mut groups: BTreeMap<&str, Vec<(&Owner, Ports)>> = BTreeMap::new();
    for (owner, ports) in ports {
        if let Some(comm) = owner.comm.as_deref() {
            groups.entry(comm).or_default().push((owner, *ports));
        }
    }
    let mut programs: Vec<Program> = groups
        .into_iter()
        .map(|(comm, members)| {
            let containers: BTreeSet<_> =
                members.iter().filter_map(|(owner, _)| owner.container.as_deref()).collect();
            Program {
                comm: comm.to_owned(),
                pid: busiest(&members).and_then(|owner| owner.pid),
                processes: u32::try_from(members.len()).unwrap_or(u32::MAX),
                containers: u32::try_from(containers.len()).unwrap_or(u32::MAX),
                ports: members.iter().map(|(_, ports)| ports.all).sum(),
            }
        })
        .collect();
    programs.sort_by(|a, b| b.ports.cmp(&a.ports).then_with(|| a.comm.cmp(&b.comm)));
    programs
}

/// Returns the process with most ports; of several, the one with the lowest id.
fn busiest<'a>(members: &[(&'a Owner, Ports)]) -> Option<&'a Owner> {
    let first = members.iter().min_by(|(a, x), (b, y)| y.all.cmp(&x.all).then_with(|| a.cmp(b)));
    first.map(|(owner, _)| *owner)
}
