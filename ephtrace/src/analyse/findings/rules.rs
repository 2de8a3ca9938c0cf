//! The rules, all of them, and what they find together.

use std::fmt::Write as _;

use super::{
    asked, completeness, explicit, facts::Facts, finding::Finding, load, settings, states, tracker,
};

/// At most so many findings of one rule: a host with a thousand destinations in the same trouble
/// needs the worst of them.
pub(super) const MAX_PER_RULE: usize = 3;

/// How a rule finds what it is about.
type Check = fn(&Facts) -> Vec<Finding>;

/// All of them, in the order of their worth.
const CHECKS: [Check; 27] = [
    load::exhausted,
    load::full,
    asked::asked,
    explicit::tuple_taken,
    explicit::bind_refused,
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
    tracker::dropped,
    tracker::clashed,
    load::self_connect,
    load::short_reuse,
    settings::listener_inside,
    settings::equal_parity,
    settings::other_range,
    completeness::failures,
    completeness::losses,
    completeness::disorder,
    completeness::no_room,
];

/// All findings, worst first.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut all = Vec::new();
    for check in CHECKS {
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
    // Stable: rules stand in the order of their worth.
    all.sort_by_key(|finding| finding.severity);
    all
}
