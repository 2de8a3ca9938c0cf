//! What a reader should know first: the findings of a summary, and what is missing from it.

use super::scale::count;
use crate::analyse::{
    findings::{Finding, Rule, Severity},
    summary::{ErrorCount, Summary},
};

/// Worst first.
pub fn of(summary: &Summary) -> Vec<Finding> {
    let mut found = summary.findings.clone();
    found.extend(failures(summary));
    found.extend(losses(summary));
    found.extend(no_room(summary));
    found.sort_by_key(|finding| finding.severity);
    found
}

/// Failures that no rule explains.
fn failures(summary: &Summary) -> Option<Finding> {
    let Summary { failures, assignments, .. } = summary;
    let is_explained = summary.findings.iter().any(|finding| finding.rule == Rule::Exhausted);
    (*failures > 0 && !is_explained).then(|| Finding {
        rule: Rule::Failures,
        severity: Severity::Critical,
        sentence: format!(
            "{} of {} assignments failed: the kernel gave no port",
            count(*failures),
            count(*assignments)
        ),
        evidence: summary.errors.iter().map(error).collect::<Vec<_>>().join(", "),
        remedies: Vec::new(),
    })
}

/// How often which error occurred.
pub(super) fn error(ErrorCount { errno, error, count: n }: &ErrorCount) -> String {
    let n = count(*n);
    match (error, errno) {
        (Some(name), _) => format!("{n} {name}"),
        (None, Some(errno)) => format!("{n} errno {errno}"),
        (None, None) => format!("{n} without errno"),
    }
}

fn losses(summary: &Summary) -> Option<Finding> {
    let losses = &summary.losses;
    (losses.total() > 0).then(|| {
        let stages = losses.stages().into_iter().filter(|(_, n)| *n > 0);
        let stages: Vec<_> = stages.map(|(stage, n)| format!("{} {stage}", count(n))).collect();
        Finding {
            rule: Rule::Losses,
            severity: Severity::Critical,
            sentence: format!(
                "{} events are missing: all counts here are that much too low",
                count(losses.total())
            ),
            evidence: stages.join(", "),
            remedies: Vec::new(),
        }
    })
}

/// What was left out to keep memory bounded.
fn no_room(summary: &Summary) -> Option<Finding> {
    let left_out = [
        (summary.destinations_evicted, "times a quieter destination"),
        (summary.processes_evicted, "times a quieter process"),
        (summary.lanes_evicted, "times a lane, so that as many steps may be missing"),
    ];
    let told: Vec<_> = left_out
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{} {what}", count(n)))
        .collect();
    (!told.is_empty()).then(|| Finding {
        rule: Rule::NoRoom,
        severity: Severity::Note,
        sentence: "Some of it was forgotten to make room for the rest".to_owned(),
        evidence: told.join("; "),
        remedies: Vec::new(),
    })
}
