//! Counts that only grow, for a monitoring system: sums of the kernel's totals.
//!
//! Their number is bounded whatever connects: sums by origin, family and error, and a bounded
//! number of destinations.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use ephtrace_common::totals::{ERRNOS, LATENCY_SLOTS, Totals, TotalsKey};

use crate::model::{FlowKey, Origin, errno_name};

/// Time for which a destination keeps its counts without an assignment, in seconds.
pub const SILENT_S: u64 = 600;

/// Origin and family, which are counted together. Assignments that found no room in the kernel's
/// maps have neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// Name of the origin, [`OTHER`] if not known.
    pub origin: &'static str,
    /// `4` or `6`, [`OTHER`] if not known.
    pub family: &'static str,
}

/// Error of a connect that finds no port.
const NO_PORT: &str = "EADDRNOTAVAIL";

/// Label of what is counted without its kind, or without its destination.
pub const OTHER: &str = "other";

impl Kind {
    const UNKNOWN: Self = Self { origin: OTHER, family: OTHER };

    fn of(key: &TotalsKey) -> Self {
        let family = match key.family {
            4 => "4",
            6 => "6",
            _ => OTHER,
        };
        Self { origin: Origin::from_wire(key.origin).map_or(OTHER, Origin::name), family }
    }
}

/// Assignments and failures of one destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Ports assigned.
    pub assigned: u64,
    /// Failed assignments.
    pub failed: u64,
    /// Time of the last one, in seconds of the caller's clock.
    last_s: u64,
}

/// Sums since the start.
#[derive(Clone, Debug)]
pub struct Counters {
    /// Ports assigned.
    pub assigned: BTreeMap<Kind, u64>,
    /// Failed assignments, by the error that the program got.
    pub failed: BTreeMap<(Kind, &'static str), u64>,
    /// Searches by their time, as in [`Totals::latency`].
    pub latency: [u64; LATENCY_SLOTS],
    /// Time of all searches, in nanoseconds.
    pub search_ns: u64,
    /// Candidates tried by the searches of known length.
    pub candidates: u64,
    /// Searches of known length.
    pub walked: u64,
    /// Those of them that went on to the other parity.
    pub second_pass: u64,
    /// Sockets connected to themselves.
    pub self_connects: u64,
    /// Assignments that found no room in the kernel's maps, so that their kind is not known.
    pub unlisted: u64,
    /// Destinations with counts of their own, which begin when a destination is listed.
    pub destinations: HashMap<FlowKey, Counted>,
    /// Counts of all other destinations.
    pub elsewhere: Counted,
    most: usize,
}

impl Counters {
    /// Creates counters with at most `most` destinations of their own.
    pub fn new(most: usize) -> Self {
        // A series that began with its first failure would hide it from a rate.
        let connects = ["4", "6"].map(|family| Kind { origin: Origin::Connect.name(), family });
        Self {
            assigned: connects.into_iter().map(|kind| (kind, 0)).collect(),
            failed: connects.into_iter().map(|kind| ((kind, NO_PORT), 0)).collect(),
            latency: [0; LATENCY_SLOTS],
            search_ns: 0,
            candidates: 0,
            walked: 0,
            second_pass: 0,
            self_connects: 0,
            unlisted: 0,
            destinations: HashMap::new(),
            elsewhere: Counted::default(),
            most,
        }
    }

    /// Returns whether destinations have counts of their own.
    pub fn lists_destinations(&self) -> bool {
        self.most > 0
    }

    /// Adds the totals of an interval that ends at `now_s`, in seconds of any clock.
    pub fn add(&mut self, rows: &[(TotalsKey, Totals)], other: Option<&Totals>, now_s: u64) {
        for (key, totals) in rows {
            self.add_kind(Kind::of(key), totals);
        }
        if let Some(other) = other {
            self.add_kind(Kind::UNKNOWN, other);
            self.unlisted += other.assignments;
        }
        self.add_destinations(rows, now_s);
    }

    fn add_kind(&mut self, kind: Kind, totals: &Totals) {
        let failed: u64 = totals.failures.iter().sum();
        *self.assigned.entry(kind).or_default() += totals.assignments.saturating_sub(failed);
        for (&errno, &count) in ERRNOS.iter().zip(&totals.failures).filter(|(_, count)| **count > 0)
        {
            let error = u16::try_from(errno).ok().and_then(errno_name).unwrap_or(OTHER);
            *self.failed.entry((kind, error)).or_default() += count;
        }
        for (sum, &more) in self.latency.iter_mut().zip(&totals.latency) {
            *sum += u64::from(more);
        }
        self.search_ns = self.search_ns.wrapping_add(totals.search_ns);
        self.candidates = self.candidates.wrapping_add(totals.candidates);
        self.walked += totals.walked();
        self.second_pass += totals.second_pass;
        self.self_connects += totals.self_connects;
    }

    /// Adds to the destinations, the busiest of the interval first: while there is room, each gets
    /// counts of its own.
    fn add_destinations(&mut self, rows: &[(TotalsKey, Totals)], now_s: u64) {
        if self.most == 0 {
            return;
        }
        self.destinations.retain(|_, one| now_s.saturating_sub(one.last_s) < SILENT_S);
        let mut sums: HashMap<FlowKey, Counted> = HashMap::new();
        for (key, totals) in rows {
            let Some(flow) = destination(key) else { continue };
            let failed: u64 = totals.failures.iter().sum();
            let sum = sums.entry(flow).or_default();
            sum.failed += failed;
            sum.assigned += totals.assignments.saturating_sub(failed);
        }
        let mut sums: Vec<(FlowKey, Counted)> = sums.into_iter().collect();
        sums.sort_by_key(|(flow, one)| (std::cmp::Reverse(one.assigned + one.failed), *flow));
        for (flow, more) in sums {
            let has_room = self.destinations.len() < self.most;
            let is_listed = has_room || self.destinations.contains_key(&flow);
            let sum = if is_listed {
                self.destinations.entry(flow).or_default()
            } else {
                &mut self.elsewhere
            };
            sum.assigned += more.assigned;
            sum.failed += more.failed;
            sum.last_s = now_s;
        }
    }
}

/// Returns the destination of a connect, whatever its source address.
fn destination(key: &TotalsKey) -> Option<FlowKey> {
    (Origin::from_wire(key.origin) == Some(Origin::Connect)).then(|| FlowKey {
        netns: Some(key.netns).filter(|&netns| netns != 0),
        saddr: IpAddr::from([0, 0, 0, 0]),
        daddr: Some(IpAddr::from(key.daddr).to_canonical()),
        dport: Some(key.dport),
    })
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros as _;

    use super::*;

    fn row(daddr: u8, assignments: u64, failed: u64) -> (TotalsKey, Totals) {
        let mut key = TotalsKey::new_zeroed();
        (key.family, key.origin, key.netns, key.dport) = (4, Origin::Connect as u8, 7, 443);
        key.daddr = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, daddr];
        let mut totals = Totals::new_zeroed();
        totals.assignments = assignments;
        totals.failures[0] = failed;
        totals.latency[3] = u32::try_from(assignments).unwrap();
        totals.tried[1] = 2;
        (totals.search_ns, totals.candidates) = (70, 5);
        (totals.second_pass, totals.self_connects) = (3, 4);
        (key, totals)
    }

    #[test]
    fn sums_are_those_of_all_intervals() {
        let mut counters = Counters::new(0);
        let mut other = Totals::new_zeroed();
        other.assignments = 5;
        counters.add(&[row(1, 10, 2), row(2, 3, 0)], None, 1);
        counters.add(&[row(1, 1, 1)], Some(&other), 2);
        let connect = Kind { origin: "connect", family: "4" };
        assert_eq!(counters.assigned[&connect], 11);
        assert_eq!(counters.failed[&(connect, "EADDRNOTAVAIL")], 3);
        assert_eq!(counters.assigned[&Kind::UNKNOWN], 5);
        assert_eq!((counters.unlisted, counters.latency[3]), (5, 14));
        assert_eq!((counters.search_ns, counters.candidates, counters.walked), (210, 15, 6));
        assert_eq!((counters.second_pass, counters.self_connects), (9, 12));
        assert!(counters.destinations.is_empty() && !counters.lists_destinations());
    }

    #[test]
    fn each_family_and_error_is_counted_apart() {
        let mut counters = Counters::new(0);
        let (mut key, mut totals) = row(1, 4, 0);
        (key.family, key.origin) = (6, Origin::Udp as u8);
        totals.failures[2] = 1;
        counters.add(&[(key, totals)], None, 1);
        let udp = Kind { origin: "udp", family: "6" };
        assert_eq!((counters.assigned[&udp], counters.failed[&(udp, "EAGAIN")]), (3, 1));
        // Errors that did not happen have no series, but for connects without a port.
        assert_eq!(counters.failed.len(), 3);
    }

    #[test]
    fn the_busiest_destinations_are_listed_and_the_silent_ones_go() {
        let mut counters = Counters::new(2);
        assert!(counters.lists_destinations() && Counters::new(1).lists_destinations());
        counters.add(&[row(1, 1, 0), row(2, 9, 0), row(3, 5, 1)], None, 0);
        let listed = |counters: &Counters| {
            let mut listed: Vec<_> = counters.destinations.iter().collect();
            listed.sort_by_key(|(flow, _)| **flow);
            listed.iter().map(|(_, one)| (one.assigned, one.failed)).collect::<Vec<_>>()
        };
        assert_eq!(listed(&counters), [(9, 0), (4, 1)]);
        assert_eq!(counters.elsewhere.assigned, 1);
        counters.add(&[row(1, 100, 0), row(2, 1, 0)], None, SILENT_S - 1);
        assert_eq!(listed(&counters), [(10, 0), (4, 1)]);
        assert_eq!(counters.elsewhere.assigned, 101);
        // The third has been silent for ten minutes, which makes room.
        counters.add(&[row(1, 1, 0)], None, SILENT_S);
        assert_eq!(listed(&counters), [(1, 0), (10, 0)]);
        assert_eq!(counters.elsewhere.assigned, 101);
    }
}
