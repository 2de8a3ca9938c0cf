//! Each destination: number of assignments, ports and steps, and a verdict.
//!
//! Unlike the lanes, which know the previous port for any number of destinations, only the busiest
//! destinations are kept here, with a full account of each.

use super::{
    askers::Askers,
    findings::{DestinationFacts, is_bind},
    heavy_hitters::{Entry, HeavyHitters},
    lanes::LaneKey,
    number::as_f64,
    pattern::{History, KernelRules, Observation, Verdict},
    ports::Ports,
    ranges,
    reuse::{Reuse, Used, Uses},
    steps::StepCounts,
    summary::{DestinationSummary, UsualStep},
};
use crate::model::{
    Assignment, Origin, Pass, PortRange, RangeInForce,
    errno::{is_no_address, is_no_port},
};

/// Maximum number of destinations kept; each takes up to 12 KiB, 8 of them a map of its ports.
/// Beyond it, quieter destinations are evicted, and counted.
pub const MAX_DESTINATIONS: usize = 1024;

/// The busiest destinations.
pub(super) struct Destinations {
    known: HeavyHitters<LaneKey, Tracked>,
    uses: Uses,
}

/// State of one destination.
#[derive(Default)]
struct Tracked {
    failures: u64,
    no_port: u64,
    /// Range of the last attempt that found no port.
    failed_range: Option<RangeInForce>,
    no_address: u64,
    refused_port: Option<u16>,
    refused_ports_differ: bool,
    searches_known: u64,
    second_pass: u64,
    steps: StepCounts,
    ports: Ports,
    range: Option<RangeInForce>,
    first_ns: Option<u64>,
    last_ns: u64,
    askers: Askers,
    failing: Askers,
    history: History,
}

impl Destinations {
    pub(super) fn new() -> Self {
        Self { known: HeavyHitters::with_limit(MAX_DESTINATIONS), uses: Uses::default() }
    }

    /// Adds one assignment, its `step` set; `event` is `None` for a failed one.
    pub(super) fn observe(&mut self, assignment: &Assignment, event: Option<&Observation>) {
        let Assignment { flow, origin, ts_ns, .. } = *assignment;
        let entry = self.known.see(LaneKey::of(assignment));
        // Without a destination, no peer holds state of the port.
        let is_reusable = origin != Some(Origin::Explicit) && flow.has_destination();
        if let Some(event) = event.filter(|_| is_reusable) {
            let nth = entry.value.history.total();
            let used = Used { lane: entry.serial, nth, port: event.port, ts_ns };
            self.uses.observe(used, &flow);
        }
        entry.value.observe(assignment, event);
    }

    pub(super) fn reuse(&self) -> Reuse {
        self.uses.reuse()
    }

    /// Number of known ones.
    pub(super) fn known(&self) -> u64 {
        self.known.len() as u64
    }

    /// Number of evicted destinations; one that came back counts again.
    pub(super) fn evicted(&self) -> u64 {
        self.known.evicted()
    }

    /// Returns the summary of `lane`, if it is kept.
    pub(super) fn one(&self, lane: &LaneKey, rules: KernelRules) -> Option<DestinationSummary> {
        self.known.get(lane).map(|entry| summary(lane, entry, rules))
    }

    /// Returns the `limit` busiest, busiest first, for a kernel that is known to have these
    /// `rules`.
    pub(super) fn summaries(&self, limit: usize, rules: KernelRules) -> Vec<DestinationSummary> {
        let ranked = self.known.ranked().into_iter().take(limit);
        ranked.map(|(lane, entry)| summary(lane, entry, rules)).collect()
    }

    /// Returns the facts for findings of all destinations kept, busiest first: the one in trouble
    /// need not be busy. No verdict is included, since verdicts take time.
    pub(super) fn facts(&self) -> Vec<DestinationFacts> {
        self.known.ranked().into_iter().map(|(lane, entry)| facts(lane, entry)).collect()
    }
}

impl Tracked {
    fn observe(&mut self, assignment: &Assignment, event: Option<&Observation>) {
        let ts_ns = assignment.ts_ns;
        self.first_ns = Some(self.first_ns.map_or(ts_ns, |first| first.min(ts_ns)));
        self.last_ns = self.last_ns.max(ts_ns);
        self.range = assignment.range.or(self.range);
        // A step across a change of the hash secret does not reflect the counter.
        if let Some(step) = assignment.step.filter(|_| assignment.resalted != Some(true)) {
            self.steps.add(step);
        }
        self.searches_known += u64::from(assignment.tried.is_some());
        self.second_pass += u64::from(assignment.pass == Some(Pass::Second));
        let is_no_port = assignment.errno.is_some_and(|errno| is_no_port(assignment.origin, errno));
        self.no_port += u64::from(is_no_port);
        if is_no_port {
            self.failed_range = assignment.range.or(self.failed_range);
        }
        let is_bind = is_bind(&assignment.flow, assignment.origin);
        let is_no_address = is_bind && assignment.errno.is_some_and(is_no_address);
        self.no_address += u64::from(is_no_address);
        if let Some(port) = assignment.first_candidate.filter(|_| is_refused(assignment)) {
            self.refused_ports_differ |= self.refused_port.is_some_and(|before| before != port);
            self.refused_port = Some(port);
        }
        if let Some(event) = event {
            self.ports.insert(event.port);
            self.history.observe(event);
        } else {
            self.failures += 1;
            self.failing.observe(assignment);
        }
        self.askers.observe(assignment);
    }
}

/// Returns whether a port was refused that the program named, or had.
fn is_refused(assignment: &Assignment) -> bool {
    assignment.origin == Some(Origin::Explicit) && assignment.is_failed()
}

fn facts(lane: &LaneKey, entry: &Entry<Tracked>) -> DestinationFacts {
    let LaneKey { flow, origin, .. } = *lane;
    let Tracked { no_port, failures, searches_known, second_pass, range, .. } = entry.value;
    let Tracked { first_ns, last_ns, failed_range, .. } = entry.value;
    let seconds = as_f64(last_ns.saturating_sub(first_ns.unwrap_or(last_ns))) / 1e9;
    DestinationFacts {
        flow,
        origin,
        // The trouble belongs to the process whose attempts fail.
        process: if failures > 0 { &entry.value.failing } else { &entry.value.askers }.name(),
        range: range.map(|range| range.ports),
        failed_range: failed_range
            .filter(|failed| Some(failed) != range.as_ref())
            .map(|failed| failed.ports),
        by_socket: range.is_some_and(RangeInForce::is_by_socket),
        assignments: entry.count,
        failures,
        per_second: (seconds > 0.0).then(|| as_f64(entry.count) / seconds),
        no_port,
        refused: if origin == Some(Origin::Explicit) { failures } else { 0 },
        no_address: entry.value.no_address,
        refused_port: entry.value.refused_port,
        refused_ports_differ: entry.value.refused_ports_differ,
        searches_known,
        second_pass,
        ..DestinationFacts::default()
    }
}

fn summary(lane: &LaneKey, entry: &Entry<Tracked>, rules: KernelRules) -> DestinationSummary {
    let LaneKey { flow, protocol, origin } = *lane;
    let Tracked { failures, no_port, searches_known, second_pass, .. } = entry.value;
    let Tracked { steps, ports, range, first_ns, last_ns, history, .. } = &entry.value;
    let range = range.map(|range| range.ports);
    DestinationSummary {
        flow,
        protocol,
        origin,
        assignments: entry.count,
        complete: entry.complete,
        failures,
        no_port,
        searches_known,
        second_pass,
        usual_step: steps.usual().map(|(step, share)| UsualStep { step, share }),
        range,
        range_ports: range.map(PortRange::len),
        distinct_ports: ports.count(range.unwrap_or(PortRange::ALL)),
        first_ns: first_ns.unwrap_or(*last_ns),
        last_ns: *last_ns,
        verdict: verdict(history, rules),
    }
}

/// Verdict on the assignments that are kept.
fn verdict(history: &History, rules: KernelRules) -> Verdict {
    let mut verdict = ranges::of(history.kept(), rules).verdict;
    let (kept, total) = (history.kept().count() as u64, history.total());
    if total > kept {
        verdict.evidence.push(format!("judged from the last {kept} of {total} assignments"));
    }
    verdict
}
