//! What is wrong, why, and what to do: each finding is a rule, its sentence, its evidence and the
//! exact remedy. Pure: facts go in, findings come out, worst first.
//!
//! A rule speaks only of what its facts say. A fact that is not known makes a rule silent, never
//! wrong.

mod asked;
mod facts;
mod load;
mod remedies;
mod settings;
mod states;

use std::fmt::{self, Write as _};

use serde::Serialize;

pub use self::facts::{
    AskedFacts, DestinationFacts, Facts, Listener, NetnsFacts, StateFacts, Storm, Tracker,
};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Connects fail now.
    Critical,
    /// Connects are slow, or will fail.
    Warning,
    /// Worth knowing.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Name of the rule: stable, for programs.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub sentence: String,
    /// The numbers that say so.
    pub evidence: String,
    /// What to do: lines that can be typed or pasted, or a sentence.
    pub remedies: Vec<String>,
}

/// At most so many findings of one rule: a host with a thousand destinations in the same trouble
/// needs the worst of them.
const MAX_PER_RULE: usize = 3;

/// A rule.
type Rule = fn(&Facts) -> Vec<Finding>;

/// All of them, in the order of their worth.
const RULES: [Rule; 19] = [
    load::exhausted,
    load::full,
    asked::asked,
    states::syn_sent,
    states::close_wait,
    states::fin_wait2,
    load::runs_out,
    load::half_mark,
    load::retry_loop,
    load::storm,
    load::bind_zero,
    settings::reserved_block,
    settings::time_wait_not_reusable,
    settings::conntrack,
    load::self_connect,
    load::short_reuse,
    settings::listener_inside,
    settings::equal_parity,
    settings::other_range,
];

/// All findings, worst first.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut all = Vec::new();
    for rule in RULES {
        let mut found = rule(facts);
        let more = found.len().saturating_sub(MAX_PER_RULE);
        found.truncate(MAX_PER_RULE);
        if more > 0
            && let Some(last) = found.last_mut()
        {
            let _ = write!(last.evidence, "; and {more} more like this");
        }
        all.append(&mut found);
    }
    // Stable: rules stand in the order of their worth.
    all.sort_by_key(|finding| finding.severity);
    all
}

#[cfg(test)]
mod tests;
