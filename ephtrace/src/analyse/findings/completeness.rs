//! Rules about gaps in a summary: failures that no other rule explains, losses, disorder, and
//! entries evicted to bound memory.

use jiff::Timestamp;

use super::{
    facts::{Completeness, DestinationFacts, Facts},
    finding::{Check, Finding, Rule, Severity},
};
use crate::model::errno_name;

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[failures, losses, cut, disorder, no_room];

/// Failures that no rule explains.
fn failures(facts: &Facts) -> Vec<Finding> {
    let Completeness { assignments, failures, ref errors, .. } = facts.completeness;
    // Other rules explain refused named ports and missing addresses.
    let of_the_named =
        |d: &DestinationFacts| if d.is_explicit() { d.refused } else { d.no_address };
    let explained: u64 = facts.destinations.iter().map(of_the_named).sum();
    let failures = failures.saturating_sub(explained);
    let is_explained = facts.destinations.iter().any(|d| d.no_port > 0);
    if failures == 0 || is_explained {
        return Vec::new();
    }
    vec![Finding {
        rule: Rule::Failures,
        severity: Severity::Critical,
        sentence: if facts.failed_only {
            format!("{failures} assignments failed, and no other finding explains it")
        } else {
            format!(
                "{failures} of {assignments} assignments failed, and no other finding explains it"
            )
        },
        evidence: errors.iter().map(error).collect::<Vec<_>>().join(", ") + &whose(facts),
        remedies: Vec::new(),
    }]
}

/// Returns `; 7 of them by curl (4711) for …`: the destination with most unexplained failures, if
/// its process is known.
fn whose(facts: &Facts) -> String {
    let unexplained = |d: &&DestinationFacts| {
        d.failures > 0 && d.process.is_some() && !d.is_explicit() && d.no_address == 0
    };
    let worst = facts.destinations.iter().filter(unexplained).max_by_key(|d| d.failures);
    worst.map_or_else(String::new, |d| {
        let who = d.process.as_deref().unwrap_or_default();
        format!("; {} of them by {who} for {d}", d.failures)
    })
}

/// Formats an error with its count.
fn error(&(errno, n): &(Option<u16>, u64)) -> String {
    match (errno.and_then(errno_name), errno) {
        (Some(name), _) => format!("{n} {name}"),
        (None, Some(errno)) => format!("{n} errno {errno}"),
        (None, None) => format!("{n} without errno"),
    }
}

/// Reports missing events.
fn losses(facts: &Facts) -> Vec<Finding> {
    let losses = &facts.completeness.losses;
    if losses.total() == 0 {
        return Vec::new();
    }
    let stages = losses.stages().into_iter().filter(|(_, n)| *n > 0);
    let stages: Vec<_> = stages.map(|(stage, n)| format!("{n} {stage}")).collect();
    let total = losses.total();
    vec![Finding {
        rule: Rule::Losses,
        severity: Severity::Critical,
        sentence: format!("{total} events were lost and are missing from the counts here"),
        evidence: stages.join(", "),
        remedies: Vec::new(),
    }]
}

/// Reports a recording that its writer has not ended.
fn cut(facts: &Facts) -> Vec<Finding> {
    if !facts.completeness.is_cut {
        return Vec::new();
    }
    let last = facts.completeness.last_ns.and_then(|ns| Timestamp::from_nanosecond(ns.into()).ok());
    let until = match last {
        Some(last) => format!("its last assignment is from {last:.3}"),
        None => "it has no assignments".to_owned(),
    };
    vec![Finding {
        rule: Rule::Cut,
        severity: Severity::Critical,
        sentence: "the recording is incomplete: all counts here may be too low".to_owned(),
        evidence: format!(
            "its writer was killed, failed, or is still running; {until}, and later assignments \
             and losses are unknown"
        ),
        remedies: Vec::new(),
    }]
}

/// Reports assignments of a recording that could not be sorted.
fn disorder(facts: &Facts) -> Vec<Finding> {
    let Completeness { assignments, disordered, .. } = facts.completeness;
    if disordered == 0 {
        return Vec::new();
    }
    if disordered == assignments {
        return vec![Finding {
            rule: Rule::Disorder,
            severity: Severity::Warning,
            sentence: "the recording does not show the order in which ports were assigned, so \
                       it is unknown whether they are sequential"
                .to_owned(),
            evidence: format!(
                "none of the {assignments} assignments has a known place in the order"
            ),
            remedies: vec!["record the assignments as they come: ephtrace record FILE".to_owned()],
        }];
    }
    vec![Finding {
        rule: Rule::Disorder,
        severity: Severity::Warning,
        sentence: format!(
            "{disordered} of {assignments} assignments came too late to be sorted: verdicts are \
             less certain"
        ),
        evidence: "the recording is not sorted by time".to_owned(),
        remedies: vec!["sort the recording by ts_ns and read it again".to_owned()],
    }]
}

/// Reports entries evicted to bound memory.
fn no_room(facts: &Facts) -> Vec<Finding> {
    let all = &facts.completeness;
    let left_out = [
        (all.destinations_evicted, "quieter destinations"),
        (all.hosts_evicted, "quieter hosts"),
        (all.processes_evicted, "quieter processes"),
        (all.lanes_evicted, "flows (each may hide one step between two ports)"),
    ];
    let told: Vec<_> = left_out
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    if told.is_empty() {
        return Vec::new();
    }
    vec![Finding {
        rule: Rule::NoRoom,
        severity: Severity::Note,
        sentence: "some quieter entries were dropped to limit memory, and are not listed"
            .to_owned(),
        evidence: format!("dropped: {}", told.join(", ")),
        remedies: Vec::new(),
    }]
}
