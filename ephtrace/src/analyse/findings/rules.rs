//! The list of all rules, and their findings together.

use std::fmt::Write as _;

use super::{
    asked, completeness, explicit,
    facts::Facts,
    finding::{Check, Finding},
    load, settings, states, tracker,
};

/// Maximum number of findings of one check: for a thousand destinations in the same trouble, the
/// worst few are enough.
pub(super) const MAX_PER_RULE: usize = 3;

/// The checks of all files.
const CHECKS: [&[Check]; 7] = [
    asked::CHECKS,
    completeness::CHECKS,
    explicit::CHECKS,
    load::CHECKS,
    settings::CHECKS,
    states::CHECKS,
    tracker::CHECKS,
];

/// All findings, worst first.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut all = Vec::new();
    for check in CHECKS.into_iter().flatten() {
        let mut found = check(facts);
        let more = found.len().saturating_sub(MAX_PER_RULE);
        found.truncate(MAX_PER_RULE);
        if more > 0
            && let Some(last) = found.last_mut()
        {
            let _ = write!(last.evidence, "; and {more} more like this");
        }
        all.append(&mut found);
    }
    all.sort_by_key(|finding| (finding.severity, finding.rule));
    all
}
