//! Collects the data of a summary: fed with each assignment, asked at any time, of constant size
//! however long the run.
//!
//! ```text
//! assignment ─┬─ observation ─→ hosts (a judge each, by origin)
//!             ├─ destinations (history, steps, ports, reuse)
//!             ├─ processes (a judge each)
//!             ├─ picture (what plots are drawn from)
//!             └─ counts, errors, latency, self-connects              all ─→ Summary
//! ```

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::{
    delivery::Delivery,
    destinations::Destinations,
    findings::{Completeness, DestinationFacts, Facts, findings},
    fitted_range::FittedRange,
    hosts::{HostVerdicts, Hosts},
    lanes::LaneKey,
    number::as_f64,
    pattern::{KernelRules, Observation, Verdict, expectation},
    picture::PlotData,
    processes::Processes,
    quantities::{ErrorCount, Latency},
    reuse::Reuse,
    self_connect::{SelfConnect, SelfConnects},
    summary::{DestinationSummary, RunContext, Summary},
};
use crate::model::{Assignment, errno_name};

/// Maximum latency of the histogram: a minute, in nanoseconds.
const MAX_LATENCY_NS: u64 = 60_000_000_000;

/// Collects the data of a [`Summary`], in constant time per assignment and bounded memory.
pub struct Tally {
    rules: KernelRules,
    started_ns: Option<u64>,
    assignments: u64,
    failures: u64,
    errors: BTreeMap<Option<u16>, u64>,
    latency: Option<Histogram<u64>>,
    longest_ns: u64,
    first_ns: Option<u64>,
    last_ns: Option<u64>,
    hosts: Hosts,
    destinations: Destinations,
    processes: Processes,
    self_connects: SelfConnects,
    picture: PlotData,
}

impl Tally {
    /// Creates an empty tally of a run that began at `started_ns`, in nanoseconds since the Unix
    /// epoch, or with its first assignment.
    pub fn new(started_ns: Option<u64>) -> Self {
        Self {
            rules: KernelRules::default(),
            started_ns,
            assignments: 0,
            failures: 0,
            errors: BTreeMap::new(),
            latency: Histogram::new_with_bounds(1, MAX_LATENCY_NS, 2).ok(),
            longest_ns: 0,
            first_ns: None,
            last_ns: None,
            hosts: Hosts::new(),
            destinations: Destinations::new(),
            processes: Processes::new(),
            self_connects: SelfConnects::default(),
            picture: PlotData::default(),
        }
    }

    /// Sets the rules of the kernel that assigns the ports: verdicts that contradict them are
    /// withheld.
    #[must_use]
    pub fn knowing(self, rules: KernelRules) -> Self {
        Self { rules, ..self }
    }

    /// Adds one assignment, its `step` set.
    pub fn observe(&mut self, assignment: &Assignment) {
        let event = Observation::new(assignment);
        self.hosts.observe(assignment, event.as_ref());
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

    /// Number of assignments so far, failed ones included.
    pub fn assignments(&self) -> u64 {
        self.assignments
    }

    /// Returns the summary of one destination; `None` if it is not known, or was evicted for lack
    /// of room.
    pub fn destination(&self, lane: &LaneKey) -> Option<DestinationSummary> {
        self.destinations.one(lane, self.hosts.verdicts(self.rules).rules)
    }

    /// Returns the facts for findings about all known destinations.
    pub fn facts(&self) -> Vec<DestinationFacts> {
        self.destinations.facts()
    }

    /// Returns the summary of the run until `now_ns`, in nanoseconds since the Unix epoch, or until
    /// its last assignment, with its `busiest` busiest destinations; findings cover all.
    pub fn summary(&self, now_ns: Option<u64>, busiest: usize, around: RunContext) -> Summary {
        let disordered = around.disordered.min(self.assignments);
        let around = RunContext { disordered, ..around };
        let (reuse, self_connects) = (self.destinations.reuse(), self.self_connects.self_connect());
        let facts = self.facts_of_run(&around, &reuse, &self_connects);
        let RunContext { losses, kernel, hook, cpu, kernel_cost, lanes_evicted, .. } = around;
        let RunContext { overflow, failed_only, retried, unseen_failures, is_untimed, .. } = around;
        let (by_host, destinations) = self.judged(busiest);
        let HostVerdicts { verdict, origins, hosts, rules, fitted_range } = by_host;
        let listed: u64 = destinations.iter().map(|one| one.assignments).sum();
        let (duration_ns, span) = if is_untimed {
            (0, (None, None))
        } else {
            (self.duration_ns(now_ns), (self.first_ns, self.last_ns))
        };
        let summary = Summary {
            duration_ns,
            assignments: self.assignments,
            failures: self.failures,
            failed_only,
            errors: self.errors(),
            per_second: per_second(self.assignments, duration_ns),
            latency: self.latency(),
            first_ns: span.0,
            last_ns: span.1,
            verdict,
            origins,
            hosts,
            fitted_range,
            explicit: self.hosts.explicit(),
            processes: self.processes.summaries(rules),
            processes_evicted: self.processes.evicted(),
            destinations,
            destinations_known: self.destinations.known(),
            destinations_evicted: self.destinations.evicted(),
            other_assignments: self.assignments.saturating_sub(listed),
            findings: findings(&facts),
            reuse,
            self_connects,
            losses,
            disordered,
            retried,
            kernel,
            hook,
            unseen_failures,
            cpu,
            kernel_cost,
            lanes_evicted,
            overflow,
            picture: self.picture.clone(),
        };
        concluded(summary, self.rules)
    }

    /// Returns the verdicts on the whole, on the hosts and on the `busiest` destinations, none of
    /// which contradicts another.
    fn judged(&self, busiest: usize) -> (HostVerdicts, Vec<DestinationSummary>) {
        let mut hosts = self.hosts.verdicts(self.rules);
        let destinations = self.destinations.summaries(busiest, self.rules);
        let was = hosts.verdict.algorithm;
        // With several hosts, each of them was checked.
        if hosts.hosts.known < 2 {
            check_destinations(&mut hosts.verdict, &destinations);
        }
        if hosts.verdict.algorithm != was {
            return (HostVerdicts { rules: self.rules, ..hosts }, destinations);
        }
        let destinations = self.destinations.summaries(busiest, hosts.rules);
        (hosts, destinations)
    }

    fn duration_ns(&self, now_ns: Option<u64>) -> u64 {
        let (from, to) = (self.started_ns.or(self.first_ns), now_ns.or(self.last_ns));
        to.zip(from).map_or(0, |(to, from)| to.saturating_sub(from))
    }

    fn facts_of_run(
        &self,
        around: &RunContext,
        reuse: &Reuse,
        self_connects: &SelfConnect,
    ) -> Facts {
        Facts {
            destinations: self.facts(),
            own_netns: around.own_netns,
            for_remedies: around.namespaces.clone(),
            failed_only: around.failed_only,
            reuse: Some(reuse.clone()),
            self_connects: Some(self_connects.clone()),
            completeness: self.completeness(around),
            ..Facts::default()
        }
    }

    fn completeness(&self, around: &RunContext) -> Completeness {
        Completeness {
            assignments: self.assignments,
            failures: self.failures,
            errors: self.errors().into_iter().map(|one| (one.errno, one.count)).collect(),
            losses: around.losses,
            disordered: around.disordered,
            destinations_evicted: self.destinations.evicted(),
            hosts_evicted: self.hosts.evicted(),
            processes_evicted: self.processes.evicted(),
            lanes_evicted: around.lanes_evicted,
            is_cut: around.is_cut,
            last_ns: self.last_ns,
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
        Some(Latency { p50_ns: quantile(0.5), p99_ns: quantile(0.99), max_ns: self.longest_ns })
    }
}

/// Checks the overall verdict against those on each destination.
fn check_destinations(verdict: &mut Verdict, destinations: &[DestinationSummary]) {
    let judged: Vec<&Verdict> = destinations.iter().map(|one| &one.verdict).collect();
    verdict.check_destinations(&judged);
}

/// Removes everything that depends on the order of the assignments: there is none.
fn forget_order(summary: &mut Summary) {
    let hosts = &mut summary.hosts;
    (hosts.judged, hosts.only_predictable) = (0, 0);
    hosts.patterns.clear();
    summary.picture = PlotData::default();
    summary.destinations.iter_mut().for_each(|one| one.usual_step = None);
}

/// The summary with its last word on each verdict, where the kernel has these `rules`.
fn concluded(mut summary: Summary, rules: KernelRules) -> Summary {
    temper(&mut summary);
    add_expectation(&mut summary, rules);
    summary
}

/// Lowers the confidence of all verdicts for events that did not arrive, or not in order.
fn temper(summary: &mut Summary) {
    let lost = summary.losses.total();
    let delivery = Delivery::new(summary.assignments, lost, summary.disordered);
    if delivery.doubt() <= 0.0 {
        return;
    }
    let Summary { verdict, origins, hosts, processes, destinations, fitted_range, .. } = summary;
    let of_origins = origins.iter_mut().map(|one| &mut one.verdict);
    let of_hosts = hosts.busiest.iter_mut().map(|one| &mut one.verdict);
    let of_processes = processes.iter_mut().map(|one| &mut one.verdict);
    let of_destinations = destinations.iter_mut().map(|one| &mut one.verdict);
    let parts = of_origins.chain(of_hosts).chain(of_processes).chain(of_destinations);
    for verdict in parts.chain([verdict]) {
        delivery.temper(verdict);
    }
    if delivery.is_shuffled() {
        let of_hosts = hosts.busiest.iter_mut().filter_map(|one| one.fitted_range.as_mut());
        of_hosts.chain(fitted_range).for_each(FittedRange::withhold);
    }
    if delivery.is_unordered() {
        forget_order(summary);
    }
}

/// Says whether the ports follow the rule of the kernel that ran, once no verdict changes any more.
fn add_expectation(summary: &mut Summary, rules: KernelRules) {
    let lost = summary.losses.total();
    let is_whole = Delivery::new(summary.assignments, lost, summary.disordered).doubt() <= 0.0;
    let origins: Vec<_> = match summary.origins.as_slice() {
        // The verdict on the whole was checked against more than the one on its only origin.
        [only] => vec![(only.origin, &summary.verdict)],
        several => several.iter().map(|one| (one.origin, &one.verdict)).collect(),
    };
    let line = expectation(&origins, rules, is_whole);
    summary.verdict.evidence.extend(line);
}

fn per_second(count: u64, duration_ns: u64) -> f64 {
    if duration_ns == 0 { 0.0 } else { as_f64(count) * 1e9 / as_f64(duration_ns) }
}
