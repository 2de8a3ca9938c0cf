//! Totals of one interval: assignments by process and destination, failures, cost. Pure; the totals
//! come from `kernel::totals`.
//!
//! Rows are exact sums: nothing is sampled. Quantiles come from histograms and are upper bounds, at
//! most a quarter above the true value (latency) or twice it (candidates).

use std::{cmp::Reverse, collections::HashMap};

use ephtrace_common::totals::{
    ERRNOS, LATENCY_SLOTS, TRIED_SLOTS, Totals, TotalsKey, latency_end_ns,
};
use serde::{Serialize, Serializer};
use zerocopy::FromZeros as _;

pub use self::detector::Detector;
use self::group::{Group, Members};
use super::{
    capacity::Capacity,
    quantities::{ErrorCount, Latency},
    self_connect::SelfConnect,
};
use crate::model::{
    FlowKey, Origin, PortRange, Protocol, errno_name,
    grouping::By,
    names::{serialize_origin, serialize_protocol},
    port_range::serialize_known_ends,
    task_names::Membership,
    who::in_container,
};

/// An observed time, and the machine.
#[derive(Clone, Copy, Debug)]
pub struct Period {
    /// End of the interval, in nanoseconds since the Unix epoch.
    pub end_ns: u64,
    /// Duration, in nanoseconds.
    pub duration_ns: u64,
    /// Number of online processors: searches can't keep more of them busy.
    pub processors: u32,
}

/// Totals of one interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Interval {
    /// End of the interval, in nanoseconds since the Unix epoch.
    #[serde(rename = "ts_ns")]
    pub end_ns: u64,
    /// Duration, in nanoseconds.
    pub duration_ns: u64,
    /// What the rows are grouped by.
    pub by: By,
    /// Numbers over all rows.
    pub all: Numbers,
    /// Groups, by destination and origin: longest search time first.
    pub rows: Vec<Row>,
    /// Assignments that did not fit into the kernel's map; null if all did.
    pub other: Option<Numbers>,
}

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

/// Sums and quantiles.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Numbers {
    /// Assignments, failed ones included.
    pub assignments: u64,
    /// Failed assignments.
    #[serde(rename = "failures")]
    pub failed: u64,
    /// Failures by error; the entry without an errno has all other errors.
    #[serde(serialize_with = "serialize_errors")]
    #[cfg_attr(test, schemars(with = "Vec<ErrorCount>"))]
    pub errors: Vec<(Option<u16>, u64)>,
    /// Assignments per second.
    pub per_second: f64,
    /// Failures per second.
    #[serde(rename = "failures_per_second")]
    pub failed_per_second: f64,
    /// Total time of the searches, in nanoseconds: wall time, including waits for a CPU.
    pub search_ns: u64,
    /// Upper bound on the CPUs busy with port searches: `search_ns` divided by the duration, at
    /// most the CPUs of the machine.
    pub search_cpus_at_most: f64,
    /// Sockets connected to themselves: they were assigned the same port that they connect to.
    #[serde(rename = "self_connect_count")]
    pub self_connects: u64,
    /// Port search latency, in nanoseconds of wall time; null if no search has one.
    pub latency: Option<Latency>,
    /// Searches of known length.
    pub searches_known: u64,
    /// Median of the candidates tried; null if unknown.
    pub tried_p50: Option<u32>,
    /// 99th percentile of the candidates tried.
    pub tried_p99: Option<u32>,
    /// Maximum, exact.
    pub tried_max: Option<u32>,
    /// Mean number of candidates.
    pub tried_mean: Option<f64>,
    /// Number of known searches that went on to the other parity, past the half mark.
    pub second_pass: u64,
    /// Lowest and highest port of the range in force, if known.
    #[serde(flatten, serialize_with = "serialize_known_ends")]
    #[cfg_attr(test, schemars(with = "crate::model::port_range::Ends<Option<u16>>"))]
    pub range: Option<PortRange>,
    /// Port of the latest failure, for the origin `explicit`.
    pub refused_port: Option<u16>,
    /// Whether other ports failed as well.
    pub refused_ports_differ: bool,
}

/// Name of the errno slot for all other errors.
const OTHER_ERROR: &str = "other";

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

impl Interval {
    /// Creates an interval from the kernel's rows, grouped `by`; processes of one name in one
    /// container are one row. `membership` returns what a row's process belongs to, or `None` if
    /// the row is not wanted.
    pub fn new(
        period: Period,
        rows: &[(TotalsKey, Totals)],
        other: Option<&Totals>,
        by: By,
        mut membership: impl FnMut(&TotalsKey, &Totals) -> Option<Membership>,
    ) -> Self {
        let mut all = Totals::new_zeroed();
        let mut groups: HashMap<Group, Members> = HashMap::new();
        for (key, totals) in rows {
            let Some(membership) = membership(key, totals) else { continue };
            all.merge(totals);
            let group = Group::of(by, key, totals, &membership);
            groups.entry(group).or_default().add(key.pid, totals, membership);
        }
        if let Some(other) = other {
            all.merge(other);
        }
        let mut rows: Vec<Row> =
            groups.iter().map(|(group, members)| group.row(members, period)).collect();
        // Ties break by displayed values, so that equal input gives equal output.
        rows.sort_by_cached_key(|row| {
            (
                Reverse((row.numbers.search_ns, row.numbers.assignments)),
                row.comm.clone(),
                row.flow,
                row.origin.map(Origin::name),
                row.group.clone(),
                row.container.clone(),
            )
        });
        Self {
            end_ns: period.end_ns,
            duration_ns: period.duration_ns,
            by,
            all: Numbers::of(&all, period),
            rows,
            other: other.map(|other| Numbers::of(other, period)),
        }
    }
}

impl Interval {
    /// Returns the sockets that were connected to themselves, if there are any.
    pub fn self_connects(&self) -> Option<SelfConnect> {
        let row = self.rows.iter().find(|row| row.numbers.self_connects > 0)?;
        Some(SelfConnect::of_count(self.all.self_connects, row.flow.remote()?, row.process()))
    }
}

impl Numbers {
    #[expect(clippy::cast_precision_loss, reason = "rates, for people")]
    fn of(totals: &Totals, period: Period) -> Self {
        let Period { duration_ns, processors, .. } = period;
        let seconds = duration_ns.max(1) as f64 / 1e9;
        let (failed, walked) = (totals.failed(), totals.walked());
        let errors = ERRNOS.iter().zip(totals.failures).filter(|(_, count)| *count > 0);
        let is_known = walked > 0;
        let is_timed = totals.latency.iter().any(|count| *count > 0);
        Self {
            assignments: totals.assignments,
            failed,
            errors: errors.map(|(&errno, count)| (known_errno(errno), count)).collect(),
            per_second: totals.assignments as f64 / seconds,
            failed_per_second: failed as f64 / seconds,
            search_ns: totals.search_ns,
            search_cpus_at_most: (totals.search_ns as f64 / duration_ns.max(1) as f64)
                .min(f64::from(processors)),
            self_connects: totals.self_connects,
            latency: is_timed.then(|| Latency {
                p50_ns: latency(totals, 0.5),
                p99_ns: latency(totals, 0.99),
                max_ns: totals.longest_ns(),
            }),
            searches_known: walked,
            tried_p50: is_known.then(|| tried(totals, 0.5)),
            tried_p99: is_known.then(|| tried(totals, 0.99)),
            tried_max: is_known.then_some(totals.most_tried()),
            tried_mean: is_known.then(|| totals.candidates as f64 / walked as f64),
            second_pass: totals.second_pass,
            range: (totals.range != [0, 0])
                .then(|| PortRange::new(totals.range[0], totals.range[1])),
            refused_port: (totals.refused_port != 0).then_some(totals.refused_port),
            refused_ports_differ: totals.refused_ports_differ != 0,
        }
    }
}

fn known_errno(errno: u32) -> Option<u16> {
    u16::try_from(errno).ok().filter(|&errno| errno_name(errno).is_some())
}

/// Name of an error of [`Numbers::errors`], as in every output.
pub fn error_name(errno: Option<u16>) -> &'static str {
    errno.and_then(errno_name).unwrap_or(OTHER_ERROR)
}

fn serialize_errors<S: Serializer>(
    errors: &[(Option<u16>, u64)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let shown = |&(errno, count): &(Option<u16>, u64)| ErrorCount {
        errno,
        error: errno.and_then(errno_name),
        count,
    };
    serializer.collect_seq(errors.iter().map(shown))
}

/// Upper bound of the latency for the given share of the searches.
fn latency(totals: &Totals, share: f64) -> u64 {
    let slot = slot_at::<LATENCY_SLOTS>(&totals.latency, share);
    let end = slot.and_then(latency_end_ns).unwrap_or(u64::MAX);
    end.min(totals.longest_ns())
}

/// Upper bound of the number of candidates for the given share of the searches.
fn tried(totals: &Totals, share: f64) -> u32 {
    let slot = slot_at::<TRIED_SLOTS>(&totals.tried, share).unwrap_or(0);
    let end = u32::try_from((2_u64 << slot) - 1).unwrap_or(u32::MAX);
    end.min(totals.most_tried())
}

/// Returns the slot of the value at `share` of all; `None` if there are no values.
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
mod group;

#[cfg(test)]
mod tests;
