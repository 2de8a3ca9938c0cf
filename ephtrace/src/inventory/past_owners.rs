//! Openers of connections, remembered beyond the connection's life: the kernel does not know the
//! owner of a `TIME_WAIT`. No I/O.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroUsize,
};

use lru::LruCache;

use crate::model::{Assignment, Comm, FlowKey, Origin, Protocol, task_names::Membership};

/// Maximum number of remembered connections: the default limit of Linux on sockets in `TIME_WAIT`
/// (`net.ipv4.tcp_max_tw_buckets`).
pub const MAX_PAST_OWNERS: NonZeroUsize = NonZeroUsize::new(262_144).unwrap();

/// The process that was given a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastOwner {
    /// Time, in nanoseconds since the Unix epoch.
    pub ts_ns: u64,
    /// Id of the process.
    pub pid: Option<u32>,
    /// Name of the process.
    pub comm: Option<Comm>,
    /// Container of the process, and its names.
    pub of: Membership,
    /// Origin of the port.
    pub origin: Option<Origin>,
}

/// The last opener of each connection. Fed with assignments, live or from a recording.
#[derive(Debug)]
pub struct PastOwners {
    known: LruCache<(FlowKey, u16), PastOwner>,
    evicted: u64,
    has_explicit: bool,
}

impl Default for PastOwners {
    fn default() -> Self {
        Self::with_limit(MAX_PAST_OWNERS)
    }
}

impl PastOwners {
    /// Creates a memory of at most `limit` connections; beyond it, the least recently seen are
    /// forgotten and counted.
    pub fn with_limit(limit: NonZeroUsize) -> Self {
        // Not allocated at full size: without a recording it stays empty.
        let mut known = LruCache::unbounded();
        known.resize(limit);
        Self { known, evicted: 0, has_explicit: false }
    }

    /// Remembers the process that was given a TCP port; other assignments are ignored. The latest
    /// one counts, in whatever order they arrive.
    pub fn observe(&mut self, assignment: &Assignment) {
        let is_tcp = assignment.protocol.is_none_or(|protocol| protocol == Protocol::Tcp);
        self.has_explicit |= assignment.origin == Some(Origin::Explicit);
        let Some(sport) = assignment.sport.filter(|_| is_tcp) else { return };
        let key = (assignment.flow, sport);
        if self.known.peek(&key).is_some_and(|known| known.ts_ns > assignment.ts_ns) {
            return;
        }
        let past_owner = PastOwner {
            ts_ns: assignment.ts_ns,
            pid: assignment.pid,
            comm: assignment.comm,
            of: Membership {
                container: assignment.container.clone(),
                names: assignment.names.clone(),
            },
            origin: assignment.origin,
        };
        if self.known.push(key, past_owner).is_some_and(|(old, _)| old != key) {
            self.evicted += 1;
        }
    }

    /// Returns the opener of the connection from port `sport` to `flow`. Observations without a
    /// namespace apply to each.
    pub fn of(&self, flow: FlowKey, sport: u16) -> Option<&PastOwner> {
        self.known.peek(&(flow, sport)).or_else(|| {
            let anywhere = flow.in_any_netns();
            self.known.peek(&(anywhere, sport))
        })
    }

    /// Returns the process that bound port `sport` of address `saddr`, or listens there.
    pub fn of_bound(&self, netns: u32, saddr: IpAddr, sport: u16) -> Option<&PastOwner> {
        self.of(FlowKey { netns: Some(netns), saddr, daddr: None, dport: None }, sport)
    }

    /// Number of connections forgotten for lack of room.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Returns whether named ports were seen, too (`--origin explicit`). Otherwise a socket may
    /// have been bound to a port that was another's when its connect was seen.
    pub fn has_explicit(&self) -> bool {
        self.has_explicit
    }

    /// Returns whether no owner is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// Returns the unspecified address of the same family.
pub(super) fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment(ts_ns: u64, pid: u32, netns: impl Into<Option<u32>>, sport: u16) -> Assignment {
        let there = IpAddr::from([10, 0, 0, 9]);
        let flow = FlowKey {
            netns: netns.into(),
            saddr: [10, 0, 0, 1].into(),
            daddr: Some(there),
            dport: Some(443),
        };
        Assignment { ts_ns, pid: Some(pid), flow, sport: Some(sport), ..Assignment::default() }
    }

    fn pid(past_owners: &PastOwners, of: &Assignment) -> Option<u32> {
        past_owners.of(of.flow, of.sport?)?.pid
    }

    #[test]
    fn the_latest_counts_whatever_the_order() {
        let mut past_owners = PastOwners::default();
        for (ts_ns, pid) in [(2, 22), (3, 33), (1, 11)] {
            past_owners.observe(&assignment(ts_ns, pid, 7, 40000));
        }
        assert_eq!(pid(&past_owners, &assignment(0, 0, 7, 40000)), Some(33));
        assert_eq!(pid(&past_owners, &assignment(0, 0, 8, 40000)), None, "another namespace");
        assert_eq!(pid(&past_owners, &assignment(0, 0, 7, 40001)), None, "another port");
    }

    #[test]
    fn without_namespace_it_counts_for_each_that_is_not_known_better() {
        let mut past_owners = PastOwners::default();
        past_owners.observe(&assignment(9, 11, None, 40000));
        past_owners.observe(&assignment(1, 22, 7, 40000));
        assert_eq!(pid(&past_owners, &assignment(0, 0, 7, 40000)), Some(22));
        assert_eq!(pid(&past_owners, &assignment(0, 0, 8, 40000)), Some(11));
    }

    #[test]
    fn udp_and_failures_are_passed_over() {
        let mut past_owners = PastOwners::default();
        let udp = Assignment { protocol: Some(Protocol::Udp), ..assignment(1, 1, 7, 40000) };
        let failed = Assignment { sport: None, ..assignment(1, 1, 7, 40000) };
        past_owners.observe(&udp);
        past_owners.observe(&failed);
        assert!(past_owners.is_empty());
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut past_owners = PastOwners::with_limit(NonZeroUsize::new(2).unwrap());
        for sport in [40000, 40001, 40001, 40002] {
            past_owners.observe(&assignment(1, 5, 7, sport));
        }
        assert_eq!(past_owners.evicted(), 1);
        assert_eq!(pid(&past_owners, &assignment(0, 0, 7, 40000)), None);
        assert_eq!(pid(&past_owners, &assignment(0, 0, 7, 40002)), Some(5));
    }
}
