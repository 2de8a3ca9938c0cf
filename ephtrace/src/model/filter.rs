//! Filter of assignments, with any number of values. The kernel half has room for fewer:
//! `kernel::filter` checks that.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use ephtrace_common::Origin;
use ipnet::Ipv6Net;

pub use super::name_filter::{ContainerName, NameFilter, PodName, UnitName};
use super::{assignment::Assignment, comm::Comm, flow::Family, port_range::PortRange};

/// Filter of assignments. An empty list keeps all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Process ids.
    pub pids: BTreeSet<u32>,
    /// Real user ids.
    pub uids: BTreeSet<u32>,
    /// Names of processes.
    pub comms: Vec<Comm>,
    /// Destination ports.
    pub dports: Vec<PortRange>,
    /// Assigned ports.
    pub lports: Vec<PortRange>,
    /// Destination addresses.
    pub dst: Vec<Network>,
    /// Source addresses.
    pub src: Vec<Network>,
    /// Inode numbers of network namespaces.
    pub netns: BTreeSet<u32>,
    /// cgroups; tasks in them or below are kept.
    pub cgroups: Vec<Cgroup>,
    /// Containers, pods and units by name: the kernel half compares cgroups.
    pub names: NameFilter,
    /// Origins of assignments.
    pub origins: Vec<Origin>,
    /// Address family.
    pub family: Option<Family>,
    /// True to keep only failed assignments.
    pub failed_only: bool,
    /// True to keep only failed assignments of origin `explicit`: the kernel does not decide a
    /// success.
    pub explicit_failed_only: bool,
    /// Minimum port search latency.
    pub min_latency: Option<Duration>,
}

/// A cgroup v2 as the kernel compares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// Inode number of its directory.
    pub id: u64,
    /// Depth in the hierarchy; the root is 0.
    pub level: u32,
}

/// A network, IPv4 in its IPv4-mapped form: `::/0` contains IPv4 addresses, too, as in the kernel
/// half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(Ipv6Net);

impl Network {
    /// Creates the network of `address` with a prefix of `length` bits; bits behind it are ignored.
    /// `None` if the address has fewer bits.
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let mapped = length.checked_add(128 - bits).filter(|_| length <= bits)?;
        Some(Self(Ipv6Net::new(to_mapped(address), mapped).ok()?.trunc()))
    }

    /// Returns whether the network contains `address`.
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&to_mapped(address))
    }

    /// Returns its first address and its mask, each as 128 bits.
    pub fn to_bits(self) -> (u128, u128) {
        (self.0.network().to_bits(), self.0.netmask().to_bits())
    }
}

fn to_mapped(address: IpAddr) -> std::net::Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

impl Filter {
    /// Returns whether the assignment is wanted, as the kernel half decides. An unknown field
    /// passes no list that filters by it. cgroups are not compared: an assignment does not contain
    /// their hierarchy.
    pub fn matches(&self, assignment: &Assignment) -> bool {
        self.matches_owner(assignment)
            && self.matches_flow(assignment)
            && self.matches_outcome(assignment)
    }

    fn matches_owner(&self, assignment: &Assignment) -> bool {
        is_in(&self.pids, assignment.pid)
            && is_in(&self.uids, assignment.uid)
            && is_in(&self.netns, assignment.flow.netns)
            && self.names.matches(assignment.container.as_deref(), assignment.names.as_deref())
            && any_or_all(&self.comms, assignment.comm, |one, comm| *one == comm)
            && any_or_all(&self.origins, assignment.origin, |one, origin| *one == origin)
    }

    fn matches_flow(&self, assignment: &Assignment) -> bool {
        let flow = &assignment.flow;
        // Like the kernel half, take no destination as the unspecified address and port 0.
        let daddr = flow.remote().map_or(flow.unspecified(), |to| to.ip());
        let dport = flow.dport.unwrap_or(0);
        self.family.is_none_or(|family| family == flow.family())
            && any_or_all(&self.dst, Some(daddr), |network, address| network.contains(address))
            && any_or_all(&self.src, Some(flow.saddr), |network, address| network.contains(address))
            && any_or_all(&self.dports, Some(dport), |ports, port| ports.contains(port))
    }

    fn keeps_failures_only(&self, assignment: &Assignment) -> bool {
        let is_explicit = assignment.origin == Some(Origin::Explicit);
        self.failed_only || self.explicit_failed_only && is_explicit
    }

    fn matches_outcome(&self, assignment: &Assignment) -> bool {
        let is_long = |min: Duration| {
            let latency = assignment.latency_ns.map(Duration::from_nanos);
            latency.is_some_and(|latency| latency >= min)
        };
        (!self.keeps_failures_only(assignment) || assignment.is_failed())
            && self.min_latency.is_none_or(is_long)
            && any_or_all(&self.lports, assignment.sport, |ports, port| ports.contains(port))
    }
}

fn is_in(set: &BTreeSet<u32>, value: Option<u32>) -> bool {
    set.is_empty() || value.is_some_and(|value| set.contains(&value))
}

fn any_or_all<T, V: Copy>(list: &[T], value: Option<V>, holds: impl Fn(&T, V) -> bool) -> bool {
    list.is_empty() || value.is_some_and(|value| list.iter().any(|one| holds(one, value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FlowKey;

    fn curl() -> Assignment {
        Assignment {
            pid: Some(42),
            flow: FlowKey {
                netns: Some(7),
                saddr: [10, 0, 0, 1].into(),
                daddr: Some([10, 0, 1, 2].into()),
                dport: Some(443),
            },
            ..Assignment::default()
        }
    }

    fn network(address: [u8; 4], length: u8) -> Network {
        Network::new(address.into(), length).unwrap()
    }

    #[test]
    fn more_values_than_the_kernel_half_compares() {
        let others = (1..=20).map(|n| network([192, 0, 2, n], 32));
        let mut filter = Filter { dst: others.collect(), ..Filter::default() };
        assert!(!filter.matches(&curl()));
        filter.dst.push(network([10, 0, 0, 0], 8));
        assert!(filter.matches(&curl()));
        filter.pids = (100..200).collect();
        assert!(!filter.matches(&curl()));
        filter.pids.insert(42);
        assert!(filter.matches(&curl()));
    }

    #[test]
    fn a_network_of_ipv6_holds_mapped_addresses_as_in_the_kernel_half() {
        let all = Network::new("::".parse().unwrap(), 0).unwrap();
        assert!(all.contains([10, 0, 0, 1].into()) && all.contains("fe80::1".parse().unwrap()));
        let all_ipv4 = network([0, 0, 0, 0], 0);
        assert!(all_ipv4.contains([10, 0, 0, 1].into()));
        assert!(!all_ipv4.contains("fe80::1".parse().unwrap()));
        assert_eq!(Network::new([10, 0, 0, 0].into(), 33), None);
    }

    #[test]
    fn no_destination_is_compared_as_the_kernel_half_has_it() {
        let bind = Assignment {
            flow: FlowKey { daddr: None, dport: None, ..curl().flow },
            ..Assignment::default()
        };
        let to = |dst| Filter { dst: vec![dst], ..Filter::default() };
        assert!(!to(network([10, 0, 0, 0], 8)).matches(&bind));
        assert!(to(network([0, 0, 0, 0], 0)).matches(&bind));
        let port =
            |low, high| Filter { dports: vec![PortRange::new(low, high)], ..Filter::default() };
        assert!(port(0, 80).matches(&bind) && !port(1, u16::MAX).matches(&bind));
    }
}
