//! Totals of one interval: who was assigned how many ports for which destination, what failed, what
//! it cost. Pure; where the totals come from is in `kernel::totals`.
//!
//! Rows are sums of what happened: nothing is sampled. Quantiles come out of histograms and are upper
//! bounds, at most a quarter above the true value (latency) or twice it (candidates).

use std::{
    cmp::Reverse,
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

use ephtrace_common::totals::{
    ERRNOS, LATENCY_SLOTS, TRIED_SLOTS, Totals, TotalsKey, latency_end_ns,
};
use serde::Serialize;
use zerocopy::FromZeros as _;

pub use self::detector::Detector;
use super::capacity::Capacity;
use crate::model::{Comm, Origin, Protocol, errno_name, origin_name, protocol_name};

/// What one interval gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Its end, in nanoseconds since the Unix epoch.
    pub end_ns: u64,
    /// How long it was, in nanoseconds.
    pub duration_ns: u64,
    /// Everything, whatever the row.
    pub all: Numbers,
    /// Processes of one name, by destination and origin: most search time first.
    pub rows: Vec<Row>,
    /// What found no room in the kernel's map; null if all did.
    pub other: Option<Numbers>,
}

/// One row: processes of one name and user, one destination, one origin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Name of the processes.
    pub comm: String,
    /// The process that was assigned most.
    pub pid: u32,
    /// How many processes share the row.
    pub processes: u32,
    /// Real user id.
    pub uid: u32,
    /// cgroup v2 id of the process that was assigned most.
    pub cgroup_id: u64,
    /// Container of that process, if it is in one.
    pub container: Option<String>,
    /// Inode number of the network namespace, if known.
    pub netns: Option<u32>,
    /// Source address.
    pub saddr: IpAddr,
    /// Destination address; null where there is none (bind, listen, UDP).
    pub daddr: Option<IpAddr>,
    /// Destination port; likewise.
    pub dport: Option<u16>,
    /// Transport protocol.
    pub protocol: Option<&'static str>,
    /// How the assignments came about.
    pub origin: Option<&'static str>,
    /// Its share.
    #[serde(flatten)]
    pub numbers: Numbers,
    /// How much of the range is in use for the destination, and how long the rest lasts; null where
    /// that was not looked at.
    pub capacity: Option<Capacity>,
}

/// Sums and quantiles.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Numbers {
    /// Assignments, failed ones included.
    pub assignments: u64,
    /// Failed ones.
    pub failed: u64,
    /// Failed ones by error, in the order of `ephtrace_common::totals::ERRNOS`; those that occurred.
    pub errors: Vec<(&'static str, u64)>,
    /// Assignments a second.
    pub per_second: f64,
    /// Failures a second.
    pub failed_per_second: f64,
    /// Time that searches took, in nanoseconds: they don't wait, so that it is processor time.
    pub search_ns: u64,
    /// The same as a share of one CPU.
    pub search_cpus: f64,
    /// Half of the searches took at most so long, in nanoseconds; null if that is known of none.
    pub latency_p50_ns: Option<u64>,
    /// 99 of 100 took at most so long.
    pub latency_p99_ns: Option<u64>,
    /// The longest one, exact.
    pub latency_max_ns: Option<u64>,
    /// Searches of which it is known how far they went.
    pub searches_known: u64,
    /// Half of these looked at no more candidates; null if none is known.
    pub tried_p50: Option<u32>,
    /// 99 of 100 of these looked at no more candidates.
    pub tried_p99: Option<u32>,
    /// The most that one looked at, exact.
    pub tried_max: Option<u32>,
    /// Candidates on average.
    pub tried_mean: Option<f64>,
    /// Of the known ones, how many went on to the other parity: the half mark is behind them.
    pub second_pass: u64,
    /// Lowest and highest port of the range in force, if known.
    pub range: Option<(u16, u16)>,
}

/// Name of an errno slot that holds all others.
const OTHER_ERROR: &str = "other";

impl Row {
    /// Who it is: `curl (4711)`, or `curl (212 processes)`.
    pub fn process(&self) -> String {
        match self.processes {
            0 | 1 => format!("{} ({})", self.comm, self.pid),
            many => format!("{} ({many} processes)", self.comm),
        }
    }
}

impl Interval {
    /// Out of the kernel's rows; processes of one name are one row.
    pub fn new(
        end_ns: u64,
        duration_ns: u64,
        rows: &[(TotalsKey, Totals)],
        other: Option<&Totals>,
    ) -> Self {
        let mut all = Totals::new_zeroed();
        let mut groups: HashMap<Group, Members> = HashMap::new();
        for (key, totals) in rows {
            all.merge(totals);
            groups.entry(Group::of(key, totals)).or_default().add(key.pid, totals);
        }
        if let Some(other) = other {
            all.merge(other);
        }
        let mut rows: Vec<Row> =
            groups.iter().map(|(group, members)| group.row(members, duration_ns)).collect();
        // Ties by what is shown, so that equal input gives equal output.
        rows.sort_by_cached_key(|row| {
            let to = (row.netns, row.saddr, row.daddr, row.dport);
            (
                Reverse((row.numbers.search_ns, row.numbers.assignments)),
                row.comm.clone(),
                to,
                row.origin,
            )
        });
        Self {
            end_ns,
            duration_ns,
            all: Numbers::of(&all, duration_ns),
            rows,
            other: other.map(|other| Numbers::of(other, duration_ns)),
        }
    }
}

/// What makes a row.
#[derive(PartialEq, Eq, Hash)]
struct Group {
    key: TotalsKey,
    comm: [u8; 16],
    uid: u32,
}

impl Group {
    fn of(key: &TotalsKey, totals: &Totals) -> Self {
        Self { key: TotalsKey { pid: 0, ..*key }, comm: totals.comm, uid: totals.uid }
    }

    fn row(&self, members: &Members, duration_ns: u64) -> Row {
        let key = &self.key;
        let address = |bytes: [u8; 16]| Ipv6Addr::from(bytes).to_canonical();
        let has_destination = key.dport != 0;
        Row {
            comm: Comm::from_kernel(self.comm).as_str().to_owned(),
            pid: members.busiest.0,
            processes: members.processes,
            uid: self.uid,
            cgroup_id: members.busiest.2,
            container: None,
            netns: (key.netns != 0).then_some(key.netns),
            saddr: address(key.saddr),
            daddr: has_destination.then(|| address(key.daddr)),
            dport: has_destination.then_some(key.dport),
            protocol: Protocol::from_wire(key.protocol).map(protocol_name),
            origin: Origin::from_wire(key.origin).map(origin_name),
            numbers: Numbers::of(&members.totals, duration_ns),
            capacity: None,
        }
    }
}

/// The processes of a row.
struct Members {
    totals: Totals,
    processes: u32,
    /// Process id, assignments, cgroup of the one that was assigned most.
    busiest: (u32, u64, u64),
}

impl Default for Members {
    fn default() -> Self {
        Self { totals: Totals::new_zeroed(), processes: 0, busiest: (0, 0, 0) }
    }
}

impl Members {
    fn add(&mut self, pid: u32, totals: &Totals) {
        self.totals.merge(totals);
        self.processes += 1;
        let (busiest, most, _) = self.busiest;
        if (totals.assignments, Reverse(pid)) > (most, Reverse(busiest)) {
            self.busiest = (pid, totals.assignments, totals.cgroup_id);
        }
    }
}

impl Numbers {
    #[expect(clippy::cast_precision_loss, reason = "rates, for people")]
    fn of(totals: &Totals, duration_ns: u64) -> Self {
        let seconds = duration_ns.max(1) as f64 / 1e9;
        let (failed, walked) = (totals.failed(), totals.walked());
        let errors = ERRNOS.iter().zip(totals.failures).filter(|(_, count)| *count > 0);
        let is_known = walked > 0;
        let is_timed = totals.latency.iter().any(|count| *count > 0);
        Self {
            assignments: totals.assignments,
            failed,
            errors: errors.map(|(&errno, count)| (error_name(errno), count)).collect(),
            per_second: totals.assignments as f64 / seconds,
            failed_per_second: failed as f64 / seconds,
            search_ns: totals.search_ns,
            search_cpus: totals.search_ns as f64 / duration_ns.max(1) as f64,
            latency_p50_ns: is_timed.then(|| latency(totals, 0.5)),
            latency_p99_ns: is_timed.then(|| latency(totals, 0.99)),
            latency_max_ns: is_timed.then_some(totals.longest_ns()),
            searches_known: walked,
            tried_p50: is_known.then(|| tried(totals, 0.5)),
            tried_p99: is_known.then(|| tried(totals, 0.99)),
            tried_max: is_known.then_some(totals.most_tried()),
            tried_mean: is_known.then(|| totals.candidates as f64 / walked as f64),
            second_pass: totals.second_pass,
            range: (totals.range != [0, 0]).then(|| (totals.range[0], totals.range[1])),
        }
    }
}

fn error_name(errno: u32) -> &'static str {
    u16::try_from(errno).ok().and_then(errno_name).unwrap_or(OTHER_ERROR)
}

/// Upper bound of the latency that a share of the searches stayed below.
fn latency(totals: &Totals, share: f64) -> u64 {
    let slot = slot_at::<LATENCY_SLOTS>(&totals.latency, share);
    let end = slot.and_then(latency_end_ns).unwrap_or(u64::MAX);
    end.min(totals.longest_ns())
}

/// The same for candidates.
fn tried(totals: &Totals, share: f64) -> u32 {
    let slot = slot_at::<TRIED_SLOTS>(&totals.tried, share).unwrap_or(0);
    let end = u32::try_from((2_u64 << slot) - 1).unwrap_or(u32::MAX);
    end.min(totals.most_tried())
}

/// The slot in which the value at `share` of all is; `None` if there are no values.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank among counts"
)]
fn slot_at<const N: usize>(counts: &[u32; N], share: f64) -> Option<usize> {
    let all: u64 = counts.iter().map(|&count| u64::from(count)).sum();
    let rank = ((all as f64 * share).ceil() as u64).max(1);
    let mut below = 0;
    counts.iter().position(|&count| {
        below += u64::from(count);
        below >= rank
    })
}

mod detector;

#[cfg(test)]
mod tests;
