//! Ports in use besides the assigned ones: inventories of the namespaces that connect, and the
//! growth of the use for each destination.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    time::Duration,
};

use super::pause::Pause;

use crate::{
    analyse::{
        capacity::{Capacity, Series, Taken},
        findings::{Facts, NetnsFacts, TrackedFacts},
        storm::{Interval, Row},
    },
    host::{
        snapshot::{self, Named, Which},
        taken_by,
    },
    inventory::{DestinationUse, Inventory, Namespace, PastOwners, facts},
    model::{FlowKey, Origin, PortRange},
};

/// Maximum number of destinations that are followed: those with the longest search time.
const MAX_FOLLOWED: usize = 64;

/// Maximum number of namespaces that are examined; each costs one list of its sockets.
const MAX_NAMESPACES: usize = 8;

/// Number of destinations that an inventory lists individually, for each namespace.
const LISTED: usize = 256;

/// Ratio of the pause after an inventory to the processor time that it took.
const SHARE: u32 = 10;

/// Share of a range in use from which on its holders are looked up.
const SHORT: f64 = 0.5;

/// Takes inventories periodically, at a bounded cost.
pub(crate) struct InventoryPoller(Pause);

impl InventoryPoller {
    /// Creates a poller that is to be called once each `interval`.
    pub(crate) fn new(interval: Duration) -> Self {
        Self(Pause::new(interval, SHARE))
    }

    /// Returns an inventory of these namespaces, each given with a process that is in it, if one is
    /// known. Empty while looks are skipped. A namespace that can't be examined is left out.
    pub(crate) fn look(
        &mut self,
        places: impl Iterator<Item = (u32, Option<u32>)>,
        past_owners: &PastOwners,
    ) -> Vec<Inventory> {
        let mut seen = BTreeSet::new();
        let places = places.filter(|&(netns, _)| seen.insert(netns)).take(MAX_NAMESPACES);
        let list = |(netns, pid)| list_sockets(netns, pid, past_owners);
        self.0.look(|| places.filter_map(list).collect()).unwrap_or_default()
    }
}

fn list_sockets(netns: u32, pid: Option<u32>, past_owners: &PastOwners) -> Option<Inventory> {
    let path = pid.and_then(|pid| ns_path(pid, netns));
    let these = vec![Named { text: netns.to_string(), netns, path }];
    let which = Which::These(these);
    let listed = snapshot::snapshot_without_holders(&which, LISTED, past_owners).and_then(|seen| {
        // Holders are looked up only if ports run short: that takes a walk over all of /proc.
        let is_short = seen.namespaces.iter().any(|one| one.fullest() >= SHORT);
        if is_short { snapshot::snapshot(&which, LISTED, past_owners) } else { Ok(seen) }
    });
    listed.inspect_err(|error| log::info!("port use unknown: {error}")).ok()
}

/// Follows the use of destinations.
pub(crate) struct Occupancy {
    poller: InventoryPoller,
    followed: HashMap<FlowKey, Followed>,
    tracked: Tracked,
}

/// Previous counts of connection tracking, by namespace.
#[derive(Default)]
pub(crate) struct Tracked {
    before: HashMap<u32, TrackedFacts>,
}

impl Tracked {
    /// Reduces each namespace's counts to the increase since the previous call, if there was one.
    pub(crate) fn since_last(&mut self, namespaces: &mut [NetnsFacts]) {
        for one in namespaces {
            let Some(now) = one.tracked else { continue };
            let before = self.before.insert(one.netns, now).unwrap_or(now);
            one.tracked = Some(now.since(before));
        }
    }
}

#[derive(Default)]
struct Followed {
    series: Series,
    assigned: u64,
    /// Range from the lowest to the highest port of the ranges in force: sockets may have their
    /// own, and other ports don't matter to them.
    range: Option<PortRange>,
    capacity: Option<Capacity>,
}

impl Occupancy {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            poller: InventoryPoller::new(interval),
            followed: HashMap::new(),
            tracked: Tracked::default(),
        }
    }

    /// Takes an inventory, and adds it to the rows and the facts. Their assignments were
    /// [counted](Self::count) before.
    pub(crate) fn look(&mut self, interval: &mut Interval, facts: &mut Facts) {
        let places = interval.rows.iter().filter_map(|row| Some((row.flow.netns?, row.pid)));
        let inventories = self.poller.look(places, &PastOwners::default());
        for inventory in &inventories {
            self.note(inventory);
            facts::add_inventory(facts, inventory);
        }
        if !inventories.is_empty() {
            taken_by::add(&mut facts.destinations);
        }
        self.tracked.since_last(&mut facts.namespaces);
        let now_ns = interval.end_ns;
        for row in &mut interval.rows {
            row.capacity = followed_flow(row.flow, row.origin)
                .and_then(|key| self.capacity(&key, row.numbers.range))
                .map(|capacity| capacity.seen_at(now_ns));
        }
        for one in &mut facts.destinations {
            one.capacity = followed_flow(one.flow, one.origin)
                .and_then(|key| self.capacity(&key, one.range))
                .map(|capacity| capacity.seen_at(now_ns));
        }
    }

    /// Returns the capacity of a destination; `None` if the socket's range differs from the
    /// destination's combined range.
    fn capacity(&self, key: &FlowKey, range: Option<PortRange>) -> Option<Capacity> {
        let followed = self.followed.get(key)?;
        let is_other = range.zip(followed.range).is_some_and(|(one, all)| one != all);
        followed.capacity.filter(|_| !is_other)
    }

    /// Counts the assignments since the last time.
    pub(crate) fn count(&mut self, rows: &[Row]) {
        for row in rows {
            let Some(key) = followed_flow(row.flow, row.origin) else { continue };
            let has_room = self.followed.len() < MAX_FOLLOWED;
            if has_room || self.followed.contains_key(&key) {
                let numbers = &row.numbers;
                let followed = self.followed.entry(key).or_default();
                followed.assigned += numbers.assignments - numbers.failed;
                followed.range = hull(numbers.range, followed.range);
            }
        }
    }

    /// Records the ports in use. A destination that is not listed has none.
    fn note(&mut self, inventory: &Inventory) {
        for namespace in &inventory.namespaces {
            let netns = Some(namespace.place.netns);
            let listed = namespace.destinations.iter();
            let in_use: HashMap<FlowKey, &DestinationUse> =
                listed.map(|one| (one.flow, one)).collect();
            let here = self.followed.iter_mut().filter(|(key, _)| key.netns == netns);
            for (key, followed) in here {
                let part = namespace.settings.part(followed.range);
                followed.range = followed.range.map(|_| part);
                let taken = taken(namespace, in_use.get(key).copied(), part);
                followed.series.push(namespace.listed_ns, taken, followed.assigned);
                followed.capacity = followed.series.capacity(namespace.settings.usable_in(part));
            }
        }
    }
}

/// Returns the ports of a part of the range that a destination can't have, listed or not: those in
/// TIME_WAIT that connect can take over are none of them.
fn taken(namespace: &Namespace, one: Option<&DestinationUse>, part: PortRange) -> Taken {
    let in_use = one.map_or(0, |one| one.in_use_in(part).0);
    let usable = namespace.settings.usable_in(part);
    let left =
        one.map_or_else(|| namespace.left_for_others(part), |one| namespace.left_in(one, part));
    let reusable = one.and_then(|one| one.time_wait_reusable).unwrap_or(0);
    let bound = usable.saturating_sub(left + in_use);
    Taken { in_use: in_use.saturating_sub(reusable), bound }
}

/// Returns the range from the lowest to the highest port of both.
fn hull(one: Option<PortRange>, other: Option<PortRange>) -> Option<PortRange> {
    let Some((one, other)) = one.zip(other) else { return one.or(other) };
    Some(one.hull(other))
}

/// Returns the destination of a connect in a known namespace.
fn followed_flow(flow: FlowKey, origin: Option<Origin>) -> Option<FlowKey> {
    let is_known = flow.netns.is_some() && flow.has_destination();
    (is_known && origin == Some(Origin::Connect)).then_some(flow)
}

/// Returns the file by which a namespace can be entered that a process, or one of its threads, is
/// in; `None` once it has left.
fn ns_path(pid: u32, netns: u32) -> Option<PathBuf> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let tasks = fs::read_dir(process.join("task")).into_iter().flatten().flatten();
    let places = std::iter::once(process).chain(tasks.map(|task| task.path()));
    let mut ns_paths = places.map(|place| place.join("ns/net"));
    ns_paths.find(|ns_path| fs::metadata(ns_path).is_ok_and(|meta| meta.ino() == u64::from(netns)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrower_range_than_others_has_no_forecast() {
        let mut occupancy = Occupancy::new(Duration::from_secs(1));
        let key = FlowKey {
            netns: Some(7),
            saddr: [10, 0, 0, 1].into(),
            daddr: Some([10, 0, 0, 2].into()),
            dport: Some(443),
        };
        let mut followed =
            Followed { range: Some(PortRange::new(40_000, 40_099)), ..Followed::default() };
        followed.range = hull(Some(PortRange::new(32_768, 60_999)), followed.range);
        followed.series.push(0, Taken { in_use: 5000, bound: 10 }, 0);
        followed.capacity = followed.series.capacity(28_232);
        occupancy.followed.insert(key, followed);
        assert_eq!(occupancy.capacity(&key, Some(PortRange::new(40_000, 40_099))), None);
        for range in [Some(PortRange::new(32_768, 60_999)), None] {
            assert_eq!(occupancy.capacity(&key, range).unwrap().in_use, 5010);
        }
    }
}
