//! Series out of a snapshot: the values of their labels, and their values.

use ephtrace_common::totals::{LATENCY_SLOTS, latency_end_ns};

use super::{
    metric::{Series, Value},
    snapshot::{NetnsUse, Recorded, Snapshot},
};
use crate::{
    analyse::{
        counters::{Counted, Kind, OTHER},
        findings::Severity,
        pattern::{Algorithm, Pattern},
    },
    model::FlowKey,
};

/// Labels of a series of a destination.
pub(super) const DESTINATION: &[&str] = &["netns", "daddr", "dport"];

/// Value of a label that is not known.
const UNKNOWN: &str = "unknown";

pub(super) fn one(value: Value) -> Vec<Series> {
    vec![(Vec::new(), value)]
}

pub(super) fn of_recorder(snapshot: &Snapshot, value: impl Fn(&Recorded) -> Value) -> Vec<Series> {
    snapshot.recorded.iter().map(|one| (Vec::new(), value(one))).collect()
}

/// Returns the labels of the verdict; without events, it is unknown.
pub(super) fn verdict(snapshot: &Snapshot) -> Vec<String> {
    let judged = snapshot.recorded.as_ref().and_then(|recorded| recorded.verdict.as_ref());
    let expected = snapshot.expected.map_or_else(|| UNKNOWN.to_owned(), |rule| rule.to_string());
    let [predictable, pattern, algorithm] = judged.map_or_else(
        || {
            let undetermined = Pattern::Undetermined.to_string();
            [UNKNOWN.to_owned(), undetermined, Algorithm::Undetermined.to_string()]
        },
        |one| [one.predictable.to_string(), one.pattern.to_string(), one.algorithm.to_string()],
    );
    vec![predictable, pattern, algorithm, expected]
}

pub(super) fn of_kind(Kind { origin, family }: Kind) -> Vec<String> {
    vec![origin.to_owned(), family.to_owned()]
}

pub(super) fn by_netns(snapshot: &Snapshot, value: impl Fn(&NetnsUse) -> Value) -> Vec<Series> {
    let labels = |one: &NetnsUse| vec![one.netns.to_string(), one.name.clone()];
    snapshot.namespaces.iter().map(|one| (labels(one), value(one))).collect()
}

pub(super) fn by_destination(snapshot: &Snapshot, value: impl Fn(&Counted) -> u64) -> Vec<Series> {
    let counters = &snapshot.counters;
    if !counters.lists_destinations() {
        return Vec::new();
    }
    let mut listed: Vec<_> = counters.destinations.iter().collect();
    listed.sort_by_key(|(flow, _)| **flow);
    let others = (vec![OTHER.to_owned(); DESTINATION.len()], &counters.elsewhere);
    let listed = listed.into_iter().map(|(flow, one)| (of_flow(flow), one));
    listed.chain([others]).map(|(labels, one)| (labels, Value::Count(value(one)))).collect()
}

fn of_flow(flow: &FlowKey) -> Vec<String> {
    let text = |value: Option<String>| value.unwrap_or_else(|| OTHER.to_owned());
    vec![
        text(flow.netns.map(|netns| netns.to_string())),
        text(flow.daddr.map(|addr| addr.to_string())),
        text(flow.dport.map(|port| port.to_string())),
    ]
}

/// Returns one series for each rule, with its worst severity.
pub(super) fn findings(snapshot: &Snapshot) -> Vec<Series> {
    let mut worst: std::collections::BTreeMap<&str, Severity> = std::collections::BTreeMap::new();
    for &(rule, severity) in &snapshot.findings {
        let known = worst.entry(rule).or_insert(severity);
        // The order begins with the worst.
        *known = (*known).min(severity);
    }
    let labels = |rule: &str, severity: Severity| vec![rule.to_owned(), severity.to_string()];
    worst.into_iter().map(|(rule, severity)| (labels(rule, severity), Value::Count(1))).collect()
}

/// Returns the histogram of the kernel's slots: one part for each power of two.
pub(super) fn latency(slots: &[u64; LATENCY_SLOTS], sum_ns: u64) -> Value {
    /// Slots of one power of two.
    const QUARTERS: usize = 4;
    let end = |slot| latency_end_ns(slot).map_or(f64::INFINITY, seconds);
    let mut buckets = vec![(end(0), slots.first().copied().unwrap_or(0))];
    for (part, slots) in slots.get(1..).unwrap_or_default().chunks(QUARTERS).enumerate() {
        buckets.push((end(QUARTERS * (part + 1)), slots.iter().sum()));
    }
    Value::Histogram { sum: seconds(sum_ns), buckets }
}

#[expect(clippy::cast_precision_loss, reason = "times are rounded to what a double has")]
pub(super) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
