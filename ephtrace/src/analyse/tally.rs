//! Collects what a summary says: fed with each assignment, asked at any time, the same size however
//! long the run.
//!
//! ```text
//! assignment ─┬─ observation ─→ judge (host, by origin)
//!             ├─ destinations (history, steps, ports, reuse)
//!             ├─ processes (a judge each)
//!             ├─ picture (what plots are drawn from)
//!             └─ counts, errors, latency, self-connects              all ─→ Summary
//! ```

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::{
    destinations::Destinations,
    findings::{DestinationFacts, Facts, findings},
    lanes::Lane,
    number::as_f64,
    pattern::{Judge, Observation, StreamVerdict, WHOLE},
    picture::Picture,
    processes::Processes,
    self_connect::SelfConnects,
    summary::{Circumstances, DestinationSummary, ErrorCount, Latency, OriginSummary, Summary},
};
use crate::model::{Assignment, errno_name};

/// Longest latency that is told apart: a minute, in nanoseconds.
const MAX_LATENCY_NS: u64 = 60_000_000_000;

/// Collects what a [`Summary`] says, in constant time per assignment and bounded memory.
pub struct Tally {
    started_ns: Option<u64>,
    assignments: u64,
    failures: u64,
    errors: BTreeMap<Option<u16>, u64>,
    latency: Option<Histogram<u64>>,
    longest_ns: u64,
    first_ns: Option<u64>,
    last_ns: Option<u64>,
    judge: Judge,
    destinations: Destinations,
    processes: Processes,
    self_connects: SelfConnects,
    picture: Picture,
}

impl Tally {
    /// Nothing yet; the run began at `started_ns`, in nanoseconds since the Unix epoch, or with its
    /// first assignment.
    pub fn new(started_ns: Option<u64>) -> Self {
        Self {
            started_ns,
            assignments: 0,
            failures: 0,
            errors: BTreeMap::new(),
            latency: Histogram::new_with_bounds(1, MAX_LATENCY_NS, 2).ok(),
            longest_ns: 0,
            first_ns: None,
            last_ns: None,
            judge: Judge::new(WHOLE),
            destinations: Destinations::new(),
            processes: Processes::new(),
            self_connects: SelfConnects::default(),
            picture: Picture::default(),
        }
    }

    /// Takes note of one assignment, its `step` set.
    pub fn observe(&mut self, assignment: &Assignment) {
        let event = Observation::new(assignment);
        if let Some(event) = &event {
            self.judge.observe(event);
        }
        self.destinations.observe(assignment, event.as_ref());
        self.processes.observe(assignment, event.as_ref());
        self.self_connects.observe(assignment);
        self.picture.observe(assignment);
        self.count(assignment);
    }

    fn count(&mut self, assignment: &Assignment) {
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
    }

    /// How many assignments there were so far, failed ones included.
    pub fn assignments(&self) -> u64 {
        self.assignments
    }

    /// What is said of one destination; `None` if it is not known, or was left out for lack of
    /// room.
    pub fn destination(&self, lane: &Lane) -> Option<DestinationSummary> {
        self.destinations.one(lane)
    }

    /// What findings are made from, of all destinations that are known.
    pub fn facts(&self) -> Vec<DestinationFacts> {
        self.destinations.facts()
    }

    /// The run until `now_ns`, in nanoseconds since the Unix epoch, or until its last assignment,
    /// with its `busiest` busiest destinations; findings are about all.
    pub fn summary(&self, now_ns: Option<u64>, busiest: usize, around: Circumstances) -> Summary {
        let Circumstances { losses, kernel, hook, cpu, kernel_cost, lanes_evicted, .. } = around;
        let Circumstances { overflow, own_netns, .. } = around;
        let from = self.started_ns.or(self.first_ns);
        let duration_ns =
            now_ns.or(self.last_ns).zip(from).map_or(0, |(to, from)| to.saturating_sub(from));
        let destinations = self.destinations.summaries(busiest);
        let by_origin = self.judge.by_origin();
        let (reuse, self_connects) = (self.destinations.reuse(), self.self_connects.self_connect());
        let facts = Facts {
            destinations: self.facts(),
            own_netns,
            reuse: Some(reuse.clone()),
            self_connects: Some(self_connects.clone()),
            ..Facts::default()
        };
        let listed: u64 = destinations.iter().map(|one| one.assignments).sum();
        Summary {
            duration_ns,
            assignments: self.assignments,
            failures: self.failures,
            errors: self.errors(),
            per_second: per_second(self.assignments, duration_ns),
            latency_ns: self.latency(),
            first_ns: self.first_ns,
            last_ns: self.last_ns,
            verdict: Judge::whole(&by_origin),
            origins: by_origin.into_iter().map(origin_summary).collect(),
            explicit: self.judge.explicit(),
            processes: self.processes.summaries(),
            processes_evicted: self.processes.evicted(),
            destinations,
            destinations_known: self.destinations.known(),
            destinations_evicted: self.destinations.evicted(),
            other_assignments: self.assignments.saturating_sub(listed),
            findings: findings(&facts),
            reuse,
            self_connects,
            losses,
            kernel,
            hook,
            cpu,
            kernel_cost,
            lanes_evicted,
            overflow,
            picture: self.picture.clone(),
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

fn origin_summary(one: StreamVerdict) -> OriginSummary {
    let StreamVerdict { stream, assignments, verdict } = one;
    OriginSummary { origin: stream.as_str(), assignments, verdict }
}

fn per_second(count: u64, duration_ns: u64) -> f64 {
    if duration_ns == 0 { 0.0 } else { as_f64(count) * 1e9 / as_f64(duration_ns) }
}
