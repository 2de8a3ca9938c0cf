//! What a reader should know first, each in a sentence with what it rests on.

use crate::{
    analyse::summary::{ErrorCount, Summary},
    sink::html::scale::count,
};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something fails, or data is missing.
    Problem,
    /// Something is about to fail, or may.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// As it stands on the page.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing that a reader should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What was found.
    pub sentence: String,
    /// The numbers that it rests on.
    pub evidence: Option<String>,
    /// What to do.
    pub remedy: Option<String>,
}

/// What a summary itself tells, worst first.
pub fn of(summary: &Summary) -> Vec<Finding> {
    let all = [failures(summary), losses(summary), reuse(summary), no_room(summary)];
    let mut found: Vec<Finding> = all.into_iter().flatten().collect();
    found.extend(self_connects(summary));
    found.sort_by_key(|finding| finding.severity);
    found
}

fn failures(summary: &Summary) -> Option<Finding> {
    let Summary { failures, assignments, .. } = summary;
    (*failures > 0).then(|| {
        let errors = summary.errors.iter().map(error).collect::<Vec<_>>().join(", ");
        let worst = summary.destinations.iter().max_by_key(|one| one.failures);
        let whose = worst.filter(|one| one.failures > 1).and_then(|one| {
            let to = std::net::SocketAddr::new(one.daddr?, one.dport?);
            Some(format!("; the most, {}, from {} to {to}", count(one.failures), one.saddr))
        });
        Finding {
            severity: Severity::Problem,
            sentence: format!(
                "{} of {} assignments failed: the kernel gave no port",
                count(*failures),
                count(*assignments)
            ),
            evidence: Some(errors + &whose.unwrap_or_default()),
            remedy: None,
        }
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
            severity: Severity::Problem,
            sentence: format!(
                "{} events are missing: all counts here are that much too low",
                count(losses.total())
            ),
            evidence: Some(stages.join(", ")),
            remedy: None,
        }
    })
}

fn reuse(summary: &Summary) -> Option<Finding> {
    let sentence = summary.reuse.warning.clone()?;
    Some(Finding { severity: Severity::Warning, sentence, evidence: None, remedy: None })
}

fn self_connects(summary: &Summary) -> Vec<Finding> {
    let found = &summary.self_connects;
    let lines = [(Severity::Problem, &found.explanation), (Severity::Warning, &found.risk)];
    lines
        .into_iter()
        .filter_map(|(severity, line)| {
            let sentence = line.clone()?;
            Some(Finding { severity, sentence, evidence: None, remedy: None })
        })
        .collect()
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
        severity: Severity::Note,
        sentence: "Some of it was forgotten to make room for the rest".to_owned(),
        evidence: Some(told.join("; ")),
        remedy: None,
    })
}
