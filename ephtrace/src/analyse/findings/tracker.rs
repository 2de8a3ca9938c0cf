//! Rules about failures of connection tracking and NAT. Sources: `nf_conntrack_core.c`,
//! `nf_nat_core.c` (Linux 6.12), the kernel's `nf_conntrack-sysctl` for each remedy.

use std::fmt::Write as _;

use super::{
    facts::{Facts, NetnsFacts, TrackedFacts},
    finding::{Check, Finding, Rule, Severity},
};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[dropped, clashed];

/// Number of restarted look-ups below which they cost nothing noticeable.
const MANY_RESTARTS: u64 = 10_000;

fn of_namespaces(
    facts: &Facts,
    finding: impl Fn(&NetnsFacts, &TrackedFacts) -> Option<Finding>,
) -> Vec<Finding> {
    facts.namespaces.iter().filter_map(|n| finding(n, n.tracked.as_ref()?)).collect()
}

/// Severity: `now` if the failures happened during the observation, else a note.
fn severity(tracked: &TrackedFacts, now: Severity) -> Severity {
    if tracked.is_now { now } else { Severity::Note }
}

fn when(tracked: &TrackedFacts) -> &'static str {
    if tracked.is_now { "during the observed time" } else { "since the namespace was created" }
}

/// The table was full.
fn dropped(facts: &Facts) -> Vec<Finding> {
    of_namespaces(facts, |n, tracked| {
        let TrackedFacts { drop, early_drop, insert_failed, .. } = *tracked;
        // A clashing entry counts as dropped, too, unless the kernel could resolve the clash.
        let by_full = drop.saturating_sub(insert_failed);
        (by_full + early_drop > 0).then(|| Finding {
            rule: Rule::ConntrackDrop,
            severity: severity(
                tracked,
                if by_full > 0 { Severity::Critical } else { Severity::Warning },
            ),
            sentence: if by_full > 0 {
                format!(
                    "the conntrack table of {} was full: packets of new connections were dropped",
                    n.name
                )
            } else {
                format!(
                    "the conntrack table of {} dropped entries early to make room for new ones",
                    n.name
                )
            },
            evidence: format!(
                "nf_conntrack: drop {drop}{}, early_drop {early_drop}, {}",
                if insert_failed > 0 {
                    format!(" (includes clashes: insert_failed {insert_failed})")
                } else {
                    String::new()
                },
                when(tracked)
            ),
            // The limit is host-wide, and can be set only on the host.
            remedies: vec![
                "raise net.netfilter.nf_conntrack_max".to_owned(),
                n.sysctl("net.netfilter.nf_conntrack_tcp_timeout_time_wait=30"),
            ],
        })
    })
}

/// The NAT is the cause, not the ports of this host.
fn clashed(facts: &Facts) -> Vec<Finding> {
    of_namespaces(facts, |n, tracked| {
        let TrackedFacts { insert_failed, drop, search_restart, .. } = *tracked;
        (insert_failed > 0).then(|| {
            let mut evidence =
                format!("nf_conntrack: insert_failed {insert_failed}, {}", when(tracked));
            if search_restart >= MANY_RESTARTS {
                let _ = write!(
                    evidence,
                    "; search_restart {search_restart}: net.netfilter.nf_conntrack_buckets may be \
                     too low"
                );
            }
            Finding {
                rule: Rule::NatClash,
                severity: if drop > 0 {
                    severity(tracked, Severity::Warning)
                } else {
                    Severity::Note
                },
                sentence: format!(
                    "connections in {} were translated to an address and port already in use{} (a \
                     NAT problem, not the ports of this host)",
                    n.name,
                    if drop > 0 {
                        ": the kernel drops their first packets unless it can resolve the clash"
                    } else {
                        ", and no packet was dropped"
                    }
                ),
                evidence,
                remedies: vec![
                    "let the NAT choose random ports: iptables --random-fully, nft masquerade \
                     fully-random"
                        .to_owned(),
                    "give the NAT more addresses or ports (SNAT --to-source FIRST-LAST, \
                     --to-ports)"
                        .to_owned(),
                ],
            }
        })
    })
}
