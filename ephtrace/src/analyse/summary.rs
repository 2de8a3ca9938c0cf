//! A run in numbers: fed with each assignment, asked at any time, the same size however long.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::tracked::{Busiest, Tracked};
use crate::{
    event::{Assignment, Destination, Hook, errno_name, hook_name},
    losses::Losses,
};

/// How many destinations a summary lists, unless asked otherwise.
pub const BUSIEST: usize = 10;

/// Longest latency that is told apart: a minute, in nanoseconds.
const MAX_LATENCY_NS: u64 = 60_000_000_000;

/// Collects what a [`Summary`] says. About 10 MiB at most, with any number of destinations.
#[derive(Debug)]
pub struct Tally {
    started_ns: u64,
    assignments: u64,
    failures: u64,
    errors: BTreeMap<Option<u16>, u64>,
    latency: Option<Histogram<u64>>,
    longest_ns: u64,
    first_ns: Option<u64>,
    last_ns: Option<u64>,
    busiest: Busiest,
}

/// What a [`Tally`] can't know: the state of the run around it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Circumstances {
    /// What did not reach the output.
    pub losses: Losses,
    /// What the kernel half counted.
    pub kernel: Option<KernelCounts>,
    /// How assignments were seen.
    pub hook: Option<Hook>,
    /// Processor time of this process.
    pub cpu: Option<CpuTime>,
    /// Cost of the programs in the kernel; `None` where it was not measured.
    pub kernel_cost: Option<KernelCost>,
    /// Lanes that were forgotten to make room.
    pub lanes_evicted: u64,
}

/// A run in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Time that the run took, in nanoseconds.
    pub duration_ns: u64,
    /// Assignments that reached the output, failed ones included.
    pub assignments: u64,
    /// Of these, failed ones.
    pub failures: u64,
    /// The failed ones by error, most frequent first.
    pub errors: Vec<ErrorCount>,
    /// Assignments a second, over the whole run.
    pub per_second: f64,
    /// Time that the kernel spent choosing.
    pub latency_ns: Option<Latency>,
    /// Time of the first assignment, in nanoseconds since the Unix epoch.
    pub first_ns: Option<u64>,
    /// Time of the last one, in nanoseconds since the Unix epoch.
    pub last_ns: Option<u64>,
    /// How many destinations there were; see `destinations_complete`.
    pub destinations: u64,
    /// Whether `destinations` is exact; else there were more.
    pub destinations_complete: bool,
    /// The busiest destinations, busiest first.
    pub busiest: Vec<DestinationSummary>,
    /// Assignments to all destinations that are not in `busiest`.
    pub other_assignments: u64,
    /// What did not reach the output.
    #[serde(serialize_with = "losses")]
    pub losses: Losses,
    /// What the kernel half counted.
    pub kernel: Option<KernelCounts>,
    /// How assignments were seen.
    #[serde(serialize_with = "hook")]
    pub hook: Option<Hook>,
    /// Processor time of this process.
    pub cpu: Option<CpuTime>,
    /// Cost of the programs in the kernel; `None` where it was not measured.
    pub kernel_cost: Option<KernelCost>,
    /// Lanes that were forgotten to make room: so many steps may be missing.
    pub lanes_evicted: u64,
}

/// How often an error occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorCount {
    /// The positive errno, if known.
    pub errno: Option<u16>,
    /// Its name, if it has one.
    pub error: Option<&'static str>,
    /// How often.
    pub count: u64,
}

/// Quantiles of the latency, in nanoseconds, to two digits; the longest is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Half of the searches took at most so long.
    pub p50: u64,
    /// 99 of 100 took at most so long.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

/// One of the busiest destinations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DestinationSummary {
    /// Which.
    #[serde(flatten, serialize_with = "destination")]
    pub destination: Destination,
    /// Assignments to it; at least so many if not `complete`.
    pub assignments: u64,
    /// Whether all of its assignments are counted; else it came up late among very many others.
    pub complete: bool,
    /// Failed ones among them.
    pub failures: u64,
    /// The most frequent step in its lanes.
    pub usual_step: Option<UsualStep>,
    /// Lowest and highest port of the range in force last.
    pub range: Option<(u16, u16)>,
    /// How many ports the range has.
    pub range_ports: Option<u32>,
    /// How many different ports of the range it was given.
    pub distinct_ports: u32,
    /// Time of the first assignment, in nanoseconds since the Unix epoch.
    pub first_ns: u64,
    /// Time of the last one, in nanoseconds since the Unix epoch.
    pub last_ns: u64,
}

/// The most frequent step of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct UsualStep {
    /// The step.
    pub step: i32,
    /// Its share of all steps, from 0 to 1; where there are more than 16 different steps, at least
    /// so much.
    pub share: f64,
}

/// What the kernel half counted, one number for each `ephtrace_common::Counter` that is no loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KernelCounts {
    /// Searches begun.
    pub seen: u64,
    /// Not wanted by the filter.
    pub filtered: u64,
    /// Records handed to the user side.
    pub emitted: u64,
    /// Connects of sockets that had their port before.
    pub already_bound: u64,
    /// Fields that could not be read and are unknown.
    pub read_failed: u64,
}

/// Processor time of this process, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CpuTime {
    /// In user mode.
    pub user_ns: u64,
    /// In the kernel.
    pub system_ns: u64,
}

/// What the programs in the kernel cost, as the kernel measured it in samples of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KernelCost {
    /// Time that they took in the samples, in nanoseconds.
    pub run_time_ns: u64,
    /// How often they ran in the samples.
    pub runs: u64,
    /// How many searches began in the samples.
    pub searches: u64,
}

impl KernelCost {
    /// Nanoseconds for each search, over all programs and runs.
    pub fn ns_per_search(&self) -> u64 {
        self.run_time_ns.checked_div(self.searches).unwrap_or(0)
    }
}

impl Tally {
    /// Nothing yet; the run began at `started_ns`, in nanoseconds since the Unix epoch.
    pub fn new(started_ns: u64) -> Self {
        Self {
            started_ns,
            assignments: 0,
            failures: 0,
            errors: BTreeMap::new(),
            latency: Histogram::new_with_bounds(1, MAX_LATENCY_NS, 2).ok(),
            longest_ns: 0,
            first_ns: None,
            last_ns: None,
            busiest: Busiest::default(),
        }
    }

    /// Takes note of one assignment, its `step` set.
    pub fn event(&mut self, assignment: &Assignment) {
        self.assignments += 1;
        if assignment.is_failed() {
            self.failures += 1;
            *self.errors.entry(assignment.errno).or_default() += 1;
        }
        if let (Some(histogram), Some(ns)) = (&mut self.latency, assignment.latency_ns) {
            histogram.saturating_record(ns);
            self.longest_ns = self.longest_ns.max(ns);
        }
        let ts_ns = assignment.ts_ns;
        self.first_ns = Some(self.first_ns.map_or(ts_ns, |first| first.min(ts_ns)));
        self.last_ns = Some(self.last_ns.map_or(ts_ns, |last| last.max(ts_ns)));
        self.busiest.event(assignment);
    }

    /// How many assignments there were so far, failed ones included.
    pub fn assignments(&self) -> u64 {
        self.assignments
    }

    /// The run until `now_ns`, in nanoseconds since the Unix epoch, with its `busiest` busiest
    /// destinations.
    pub fn summary(&self, now_ns: u64, busiest: usize, around: Circumstances) -> Summary {
        let Circumstances { losses, kernel, hook, cpu, kernel_cost, lanes_evicted } = around;
        let duration_ns = now_ns.saturating_sub(self.started_ns);
        let busiest = self.busiest.top(busiest);
        let listed: u64 = busiest.iter().map(|(_, t)| t.assignments()).sum();
        Summary {
            duration_ns,
            assignments: self.assignments,
            failures: self.failures,
            errors: self.errors(),
            per_second: per_second(self.assignments, duration_ns),
            latency_ns: self.latency(),
            first_ns: self.first_ns,
            last_ns: self.last_ns,
            destinations: self.busiest.known(),
            destinations_complete: self.busiest.is_complete(),
            busiest: busiest.into_iter().map(|(d, t)| destination_summary(*d, t)).collect(),
            other_assignments: self.assignments.saturating_sub(listed),
            losses,
            kernel,
            hook,
            cpu,
            kernel_cost,
            lanes_evicted,
        }
    }

    fn errors(&self) -> Vec<ErrorCount> {
        let count = |(&errno, &count): (&Option<u16>, &u64)| ErrorCount {
            errno,
            error: errno.and_then(errno_name),
            count,
        };
        let mut errors: Vec<ErrorCount> = self.errors.iter().map(count).collect();
        errors.sort_by_key(|e| (std::cmp::Reverse(e.count), e.errno));
        errors
    }

    fn latency(&self) -> Option<Latency> {
        let histogram = self.latency.as_ref().filter(|h| !h.is_empty())?;
        // The histogram rounds up, to two digits.
        let quantile = |q| histogram.value_at_quantile(q).min(self.longest_ns);
        Some(Latency { p50: quantile(0.5), p99: quantile(0.99), max: self.longest_ns })
    }
}

fn per_second(count: u64, duration_ns: u64) -> f64 {
    if duration_ns == 0 { 0.0 } else { approximate(count) * 1e9 / approximate(duration_ns) }
}

/// As a float: exact up to 2^53, which is all the same for a rate or a share.
#[expect(clippy::cast_precision_loss, reason = "rates and shares need no 16th digit")]
fn approximate(n: u64) -> f64 {
    n as f64
}

fn destination_summary(destination: Destination, tracked: &Tracked) -> DestinationSummary {
    let range = tracked.range();
    DestinationSummary {
        destination,
        assignments: tracked.assignments(),
        complete: tracked.is_complete(),
        failures: tracked.failures(),
        usual_step: tracked.usual_step().map(|(step, count, of)| UsualStep {
            step,
            share: approximate(count) / approximate(of),
        }),
        range: range.map(|r| (r.low, r.high)),
        range_ports: range.map(|r| r.len()),
        distinct_ports: tracked.distinct_ports(),
        first_ns: tracked.first_ns(),
        last_ns: tracked.last_ns(),
    }
}

fn destination<S: Serializer>(destination: &Destination, serializer: S) -> Result<S::Ok, S::Error> {
    let Destination { netns, saddr, daddr, dport } = destination;
    let mut map = serializer.serialize_map(Some(4))?;
    map.serialize_entry("netns", &(*netns != 0).then_some(netns))?;
    map.serialize_entry("saddr", saddr)?;
    map.serialize_entry("daddr", daddr)?;
    map.serialize_entry("dport", dport)?;
    map.end()
}

fn losses<S: Serializer>(losses: &Losses, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(losses.stages())
}

// The signature is serde's.
#[expect(clippy::trivially_copy_pass_by_ref, clippy::ref_option, reason = "serde calls it so")]
fn hook<S: Serializer>(hook: &Option<Hook>, serializer: S) -> Result<S::Ok, S::Error> {
    hook.map(hook_name).serialize(serializer)
}
